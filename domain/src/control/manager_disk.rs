//! A Manager's name and the disk it has. Decides who may check in under a name: whoever comes with the disk that the
//! name is bound to, or with another one once the Manager there is down and holds nothing. What the name holds was
//! given to what stands on its disk: a Broker's ledger, the processes that run on. M3: a name that is live or holds
//! something keeps its disk. The node a Manager names is kept beside it: what fails as one.

use super::{
    event::EventKind,
    machine::Machine,
    refusal::Refusal,
    row::{ManagerRow, ManagerState, Row},
};
use crate::ids::{DiskId, ManagerId, NodeName};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a Manager's name is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerDiskRow {
    pub manager: ManagerId,
    /// Of the directory it was started with.
    pub disk: DiskId,
    /// What it fails together with.
    pub node: NodeName,
}

impl Machine {
    #[must_use]
    pub fn manager_disk(&self, manager: &ManagerId) -> Option<&ManagerDiskRow> {
        self.tables.manager_disks.get(manager)
    }

    /// All that are bound, in the order of their names.
    pub fn manager_disks(&self) -> impl Iterator<Item = &ManagerDiskRow> + '_ {
        self.tables.manager_disks.values()
    }

    pub(super) fn check_in_from(
        &mut self,
        row: ManagerRow,
        disk: DiskId,
        node: NodeName,
    ) -> Result<Vec<EventKind>, Refusal> {
        self.admit_disk(&row.manager, Some(disk))?;
        let bound = ManagerDiskRow { manager: row.manager.clone(), disk, node };
        let kinds = self.check_in(row)?;
        if self.manager_disk(&bound.manager) != Some(&bound) {
            self.tables.put(Row::ManagerDisk(bound));
        }
        Ok(kinds)
    }

    /// `None`: it does not say which disk it has, as Managers of earlier builds.
    pub(super) fn admit_disk(
        &self,
        manager: &ManagerId,
        disk: Option<DiskId>,
    ) -> Result<(), Refusal> {
        let Some(bound) = self.manager_disk(manager).filter(|bound| Some(bound.disk) != disk)
        else {
            return Ok(());
        };
        let live = self.manager(manager).is_some_and(|row| match row.state {
            ManagerState::Live => true,
            ManagerState::Down => false,
        });
        let holds = self.tables.index.held(manager).is_some_and(|held| !held.is_empty());
        if live || holds {
            return Err(Refusal::OtherManagerDisk { manager: manager.clone(), disk: bound.disk });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
