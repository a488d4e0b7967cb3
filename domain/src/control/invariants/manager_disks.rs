//! M3: a Manager's name that is live or holds something keeps its disk. Decides it from a state and the one right
//! before it.

use crate::control::{machine::Machine, row::ManagerState};
use alloc::{format, string::String, vec::Vec};

pub(super) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    let changed = after.manager_disks().filter(|row| {
        let held = before.manager_disk(&row.manager);
        held.is_some_and(|held| held.disk != row.disk)
    });
    let lost = changed.filter(|row| {
        let live = before.manager(&row.manager).is_some_and(|row| row.state == ManagerState::Live);
        let held = before.tables.index.held(&row.manager);
        live || held.is_some_and(|held| !held.is_empty())
    });
    lost.map(|row| format!("M3: what {} holds went to another disk", row.manager)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        control::{
            manager_disk::ManagerDiskRow,
            row::{Assignment, BrokerRow, ManagerRow, Row},
        },
        ids::{DiskId, Epoch, Incarnation, ManagerId},
        time::UnixNanos,
    };
    use alloc::{string::ToString, vec};

    fn machine(state: ManagerState, disk: u128, holds: bool) -> Machine {
        let manager: ManagerId = "a.broker-manager".parse().unwrap();
        let mut rows = vec![
            Row::Manager(ManagerRow {
                manager: manager.clone(),
                location: "here".parse().unwrap(),
                address: "127.0.0.1:1".to_string(),
                incarnation: Incarnation(1),
                epoch: Epoch(1),
                state,
                capacity: 1,
                since: UnixNanos(1),
            }),
            Row::ManagerDisk(ManagerDiskRow {
                manager: manager.clone(),
                disk: DiskId(disk),
                node: "n".parse().unwrap(),
            }),
        ];
        if holds {
            let assignment = Some(Assignment { manager, epoch: Epoch(2) });
            let account = "k".parse().unwrap();
            rows.push(Row::Broker(BrokerRow { account, shard: 0, assignment }));
        }
        Machine::from_rows(rows)
    }

    #[test]
    fn a_name_that_goes_to_another_disk_with_what_it_holds_is_found() {
        let (live, down) = (ManagerState::Live, ManagerState::Down);
        let found = |state, holds, disk| {
            violations(&machine(state, 1, holds), &machine(live, disk, holds)).len()
        };
        assert_eq!(found(live, false, 2), 1);
        assert_eq!(found(down, true, 2), 1);
        assert_eq!(found(down, false, 2), 0);
        assert_eq!(found(live, true, 1), 0);
    }
}
