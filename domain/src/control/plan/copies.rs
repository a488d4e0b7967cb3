//! The copies of ledgers. Decides who is to keep the copy of an account that wants two (the least loaded on another node,
//! in another location where there is one), when another takes its place, and who continues a ledger whose place is
//! lost, is being emptied, or has given its Broker up: where its copy is, if that takes a Broker, since it has nothing to
//! fetch. One that gives it up before it has the ledger gives it back.

use super::{Observed, handed_back};
use crate::{
    control::{
        Command, Machine,
        copies::{Copies, CopiesRow, CopyCommand, LedgerTold},
        row::{ManagerRow, ManagerState},
    },
    ids::{ManagerId, ManagerKind, ServiceId},
    limits,
    time::Monotonic,
    trading::copies::{Held, View},
};
use alloc::{collections::BTreeMap, vec::Vec};

pub(super) fn steps(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    if machine.all_copies().next().is_none() {
        return Vec::new();
    }
    let mut round = Round { machine, observed, now, copies: BTreeMap::new() };
    for view in machine.all_copies().filter_map(|row| row.view.as_ref()) {
        if let Some(holder) = &view.naming.holder {
            *round.copies.entry(holder).or_default() += 1;
        }
    }
    let commands = machine.all_copies().filter_map(|row| {
        let command = round.step(row, row.view.as_ref()?)?;
        Some(Command::Copies(command))
    });
    commands.take(limits::PLACEMENTS_A_ROUND).collect()
}

struct Round<'a> {
    machine: &'a Machine,
    observed: &'a Observed,
    now: Monotonic,
    /// How many copies each keeps.
    copies: BTreeMap<&'a ManagerId, u32>,
}

impl<'a> Round<'a> {
    fn step(&mut self, row: &'a CopiesRow, view: &'a View<ManagerId>) -> Option<CopyCommand> {
        if let Some(successor) = &view.successor {
            return self.succession(row, view, successor);
        }
        let account = row.account.clone();
        let since = view.naming.since;
        let told = self.told(row, &view.live.at);
        if !view.whole && view.naming.holder.is_some() && told.joined == Some(since) {
            return Some(CopyCommand::Joined { account, since });
        }
        let home = &view.live.at;
        let stays = self.is_live(home) && !self.machine.empties(home) && !self.may_leave(row);
        // After a restore nobody knows what the copies have taken since.
        let current = since.cluster == self.machine.fence(crate::ids::Epoch(0)).cluster;
        if !stays
            && view.whole
            && current
            && let Some(manager) = self.successor(view, home)
        {
            return Some(CopyCommand::Succeed { account, manager, on: view.highest() });
        }
        if !self.is_live(&view.live.at) {
            return None;
        }
        self.naming(row, view, current && told.lost != Some(since))
    }

    /// Somebody is to continue the ledger: he has it, or another must.
    fn succession(
        &self,
        row: &CopiesRow,
        view: &View<ManagerId>,
        successor: &Held<ManagerId>,
    ) -> Option<CopyCommand> {
        let (account, right) = (row.account.clone(), successor.right);
        let told = self.told(row, &successor.at);
        let open = self.is_live(&successor.at) && self.machine.cordon(&successor.at).is_none();
        if open && told.loaded == Some(right) {
            return Some(CopyCommand::WentLive { account, right });
        }
        let loads = open && told.not_whole != Some(right);
        if loads && !self.gives_up(row, &successor.at) {
            return None;
        }
        if self.is_live(&view.live.at) && self.machine.cordon(&view.live.at).is_none() {
            return Some(CopyCommand::GiveBack { account, on: right });
        }
        if loads {
            // Nobody can take it back. Its Manager tries it again after longer and longer waits; another one would begin with none.
            return None;
        }
        if told.not_whole == Some(right) {
            // No copy is known to be whole: it waits for the Broker that was live.
            return None;
        }
        let manager = self.successor(view, &successor.at)?;
        Some(CopyCommand::Succeed { account, manager, on: right })
    }

    fn naming(
        &mut self,
        row: &CopiesRow,
        view: &'a View<ManagerId>,
        sound: bool,
    ) -> Option<CopyCommand> {
        let (account, on) = (row.account.clone(), view.naming.since);
        let held = view.naming.holder.as_ref();
        match row.wanted {
            Copies::One => {
                held?;
                return Some(CopyCommand::Name { account, holder: None, on });
            }
            Copies::Two => {}
        }
        let keeps =
            |holder: &&ManagerId| sound && self.is_live(holder) && !self.machine.empties(holder);
        if held.filter(keeps).is_some() {
            return None;
        }
        let found = self.holder(view);
        if let Some(found) = found {
            *self.copies.entry(found).or_default() += 1;
            return Some(CopyCommand::Name { account, holder: Some(found.clone()), on });
        }
        // The Broker waits for nobody who is lost. One that is being emptied keeps it as long as it is there.
        let lost = held.is_some_and(|holder| !sound || !self.is_live(holder));
        lost.then_some(CopyCommand::Name { account, holder: None, on })
    }

    /// Its Broker was given up where it is, and not only now.
    fn may_leave(&self, row: &CopiesRow) -> bool {
        let service = ledger_of(row);
        let held = self.machine.holder(&service);
        held.is_some_and(|held| handed_back::may_leave(self.machine, self.observed, &service, held))
    }

    /// A Manager gives its Broker up, whether or not it is the one that has it.
    fn gives_up(&self, row: &CopiesRow, manager: &ManagerId) -> bool {
        handed_back::still_says_so(self.machine, self.observed, &ledger_of(row), manager)
    }

    /// Who is to keep the copy: elsewhere, the one with the fewest.
    fn holder(&self, view: &View<ManagerId>) -> Option<&'a ManagerId> {
        let home = self.machine.manager(&view.live.at).map(|row| &row.location);
        let fit = self.open().filter(|row| !self.machine.share_a_node(&row.manager, &view.live.at));
        let load = |row: &&ManagerRow| {
            let copies = self.copies.get(&row.manager).copied().unwrap_or_default();
            (Some(&row.location) == home, copies)
        };
        fit.min_by_key(load).map(|row| &row.manager)
    }

    /// Who is to continue the ledger, and is not this one; nobody while its copy is out of reach.
    fn successor(&self, view: &View<ManagerId>, not: &ManagerId) -> Option<ManagerId> {
        let copy = view.naming.holder.as_ref().filter(|copy| self.is_live(copy));
        copy?;
        let brokers = |row: &ManagerRow| {
            let held = self.machine.tables.index.held(&row.manager);
            held.map_or(0, |held| held.brokers.len())
        };
        let beside = |row: &ManagerRow| {
            let copy = copy.filter(|copy| **copy != row.manager);
            copy.is_some_and(|copy| self.machine.share_a_node(copy, &row.manager))
        };
        let fit = self.open().filter(|row| {
            row.manager != *not
                && row.manager != view.live.at
                && u32::try_from(brokers(row)).unwrap_or(u32::MAX) < row.capacity
                && !beside(row)
        });
        let far = |row: &&ManagerRow| (Some(&row.manager) != copy, brokers(row));
        fit.min_by_key(far).map(|row| row.manager.clone())
    }

    /// BrokerManagers that take something new.
    fn open(&self) -> impl Iterator<Item = &'a ManagerRow> {
        let (machine, observed, now) = (self.machine, self.observed, self.now);
        machine.managers().filter(move |row| {
            row.manager.kind == ManagerKind::BrokerManager
                && row.state == ManagerState::Live
                && observed.takes(row, now)
                && machine.cordon(&row.manager).is_none()
        })
    }

    fn is_live(&self, manager: &ManagerId) -> bool {
        self.machine.manager(manager).is_some_and(|row| match row.state {
            ManagerState::Live => true,
            ManagerState::Down => false,
        })
    }

    fn told(&self, row: &CopiesRow, manager: &ManagerId) -> LedgerTold {
        let registered = self.machine.manager(manager).filter(|row| self.observed.has_heard(row));
        let told = registered.and_then(|row| self.observed.ledgers.get(&row.manager));
        told.and_then(|told| told.get(&row.account)).copied().unwrap_or_default()
    }
}

/// The Broker that is an account's ledger.
fn ledger_of(row: &CopiesRow) -> ServiceId {
    ServiceId::Broker { account: row.account.clone(), shard: 0 }
}

#[cfg(test)]
mod tests;
