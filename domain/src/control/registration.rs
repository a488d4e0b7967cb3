//! A Manager's registration. Decides the whole table of its states: which life is let in, under a right of its own or under
//! the one it has, when it is taken for down, and that what was dropped comes back as a later life only. What else a
//! life must be is decided beside it: which disk it has by `manager_disk`, that it was not released by `drain`.
//! R2: one registration a Manager incarnation, epochs only grow.

use super::{
    command::DownReason,
    drain::DroppedRow,
    event::EventKind,
    machine::{Machine, long},
    refusal::{Noun, Refusal},
    row::{ManagerRow, ManagerState, Row},
};
use crate::{
    ids::{Epoch, Incarnation, ManagerId},
    time::UnixNanos,
};
use alloc::{vec, vec::Vec};
use core::cmp::Ordering;

/// Where a Manager stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// No life of it is on record.
    Absent,
    Live,
    Down,
    /// It left the registry with a drain. Its last life is kept on record, as long as there is room.
    Dropped,
}

/// What may happen to a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationStep {
    /// A life checks in: beside the one on record it is an older one, the same again, or a newer one.
    CheckIn(Ordering),
    /// It is taken for down; `as_it_is`: it was decided on the life and the right that stand.
    Expire {
        as_it_is: bool,
    },
    Drop,
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Live, under the right that the entry gives.
    Anew,
    /// Live, under the right that it has.
    Again,
    Down,
    Dropped,
}

impl Registered {
    pub const ALL: [Self; 4] = [Self::Absent, Self::Live, Self::Down, Self::Dropped];

    /// The whole table. `None`: the step is refused in this state.
    #[must_use]
    pub fn after(self, step: RegistrationStep) -> Option<Next> {
        use Ordering::{Equal, Greater, Less};
        use RegistrationStep::{CheckIn, Drop, Expire};
        match (self, step) {
            (Self::Absent, CheckIn(Less | Equal | Greater))
            | (Self::Live | Self::Dropped, CheckIn(Greater))
            // One that was taken for down has lost its right, and what it held may be another's.
            | (Self::Down, CheckIn(Equal | Greater)) => Some(Next::Anew),
            (Self::Live, CheckIn(Equal)) => Some(Next::Again),
            (Self::Live, Expire { as_it_is: true }) => Some(Next::Down),
            (Self::Live | Self::Down, Drop) => Some(Next::Dropped),
            (Self::Absent, Expire { .. } | Drop)
            | (Self::Live, CheckIn(Less) | Expire { as_it_is: false })
            | (Self::Down, CheckIn(Less) | Expire { .. })
            | (Self::Dropped, CheckIn(Less | Equal) | Expire { .. } | Drop) => None,
        }
    }
}

impl Machine {
    /// Where a Manager stands, and its life that is on record.
    #[must_use]
    pub fn registered(&self, manager: &ManagerId) -> (Registered, Option<Incarnation>) {
        if let Some(row) = self.manager(manager) {
            let stands = match row.state {
                ManagerState::Live => Registered::Live,
                ManagerState::Down => Registered::Down,
            };
            return (stands, Some(row.incarnation));
        }
        match self.tables.dropped.get(manager) {
            Some(row) => (Registered::Dropped, Some(row.incarnation)),
            None => (Registered::Absent, None),
        }
    }

    pub(super) fn check_in(&mut self, mut row: ManagerRow) -> Result<Vec<EventKind>, Refusal> {
        if long(&row.address) {
            return Err(Refusal::TooLarge { what: Noun::Manager });
        }
        let (stands, life) = self.registered(&row.manager);
        // Beside none on record each is a newer one.
        let life = life.map_or(Ordering::Greater, |held| row.incarnation.cmp(&held));
        let next = stands.after(RegistrationStep::CheckIn(life));
        let held = self.manager(&row.manager);
        let Some(next) = next else {
            return Err(match held {
                Some(held) => Refusal::StaleIncarnation { held: held.incarnation },
                None => Refusal::Dropped { manager: row.manager },
            });
        };
        if let Some(held) = held.filter(|_| next == Next::Again) {
            // It may have learnt a new address.
            row.epoch = held.epoch;
            row.since = held.since;
            if *held == row {
                return Ok(vec![]);
            }
        }
        self.admit_life(&row.manager)?;
        let kind = EventKind::ManagerCheckedIn {
            manager: row.manager.clone(),
            incarnation: row.incarnation,
            epoch: row.epoch,
        };
        self.tables.put(Row::Manager(row));
        Ok(vec![kind])
    }

    pub(super) fn expire(
        &mut self,
        at: UnixNanos,
        manager: &ManagerId,
        incarnation: Incarnation,
        epoch: Epoch,
        why: DownReason,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.tables.managers.get(manager).cloned();
        let mut row = held.ok_or(Refusal::NotFound { what: Noun::Manager })?;
        let as_it_is = row.incarnation == incarnation && row.epoch == epoch;
        let next = self.registered(manager).0.after(RegistrationStep::Expire { as_it_is });
        next.ok_or(Refusal::Superseded)?;
        row.state = ManagerState::Down;
        row.since = at;
        let manager = row.manager.clone();
        self.tables.put(Row::Manager(row));
        Ok(vec![EventKind::ManagerDown { manager, why }])
    }

    /// It leaves the registry, and its life is over for ever.
    pub(super) fn drop_manager(&mut self, at: UnixNanos, manager: ManagerId) {
        let (stands, life) = self.registered(&manager);
        let life = life.filter(|_| stands.after(RegistrationStep::Drop).is_some());
        if let Some(incarnation) = life {
            self.tables.forget_manager(&manager);
            self.tables.put(Row::Dropped(DroppedRow { manager, incarnation, at }));
        }
    }
}

#[cfg(test)]
mod tests;
