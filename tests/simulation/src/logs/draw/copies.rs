//! Copies of ledgers, in a random log. Decides what is said of them and what Brokers may have told: mostly what fits the
//! state, so that ledgers are continued elsewhere again and again; and how a log begins that is about them, with an account
//! at one of two nodes.

use super::Draw;
use std::collections::BTreeSet;
use tradewind_domain::{
    control::{
        Command, Machine,
        copies::{Copies, CopiesRow, CopyCommand, LedgerTold},
        level::{CheckInKnowing, FeatureLevel, LevelCommand},
        plan::{Ledgers, Node},
        resource::{Condition, Declaration, ResourceCommand},
        row::{AccountSpec, ManagerState},
    },
    ids::{Epoch, Fence, Incarnation, ManagerId, ManagerKind},
    trading::copies::View,
};

impl Draw {
    fn fence_near(&self, held: Fence, revision: u64) -> Fence {
        Fence { epoch: self.epoch(Some(held.epoch), revision), ..held }
    }

    /// One of the two nodes that such a log begins with.
    fn broker_manager(&self, n: usize) -> Command {
        Command::Level(LevelCommand::CheckIn(CheckInKnowing {
            manager: ManagerId {
                implementation: self.names.implementations[n].clone(),
                kind: ManagerKind::BrokerManager,
            },
            location: self.names.locations[0].clone(),
            address: format!("h{n}:{n}"),
            incarnation: Incarnation(1),
            capacity: 5,
            disk: None,
            node: None,
            level: FeatureLevel::KNOWN,
        }))
    }

    pub(super) fn copied_from_the_beginning(&self, n: u64) -> Command {
        let account = self.names.accounts[0].clone();
        match n {
            0 | 1 => self.broker_manager(n as usize),
            2 => {
                let spec = AccountSpec {
                    venue: self.of(&self.names.venues),
                    adapter: "sim".to_owned(),
                    endpoint: "h:2".to_owned(),
                    customers: BTreeSet::new(),
                };
                let what = Declaration::AccountCopies { account, spec, copies: Copies::Two };
                Command::Resource(ResourceCommand::Put { what, on: Condition::Always })
            }
            _ => {
                let implementation = self.names.implementations[0].clone();
                let manager = ManagerId { implementation, kind: ManagerKind::BrokerManager };
                Command::AssignBroker { account, shard: 0, manager, replaces: None }
            }
        }
    }

    /// Mostly one that may: live, and on another node than the ledger that counts.
    fn place(&self, machine: &Machine, view: &View<ManagerId>) -> ManagerId {
        let home = machine.manager(&view.live.at).map(|row| Node::named(machine, row));
        let fit = machine.managers().filter(|row| {
            row.manager.kind == ManagerKind::BrokerManager
                && row.state == ManagerState::Live
                && home.as_ref() != Some(&Node::named(machine, row))
        });
        let fit: Vec<ManagerId> = fit.map(|row| row.manager.clone()).collect();
        let found = self.chance.pick(&fit).cloned().filter(|_| self.chance.percent(85));
        found.unwrap_or_else(|| self.manager())
    }

    pub(super) fn copies(&self, machine: &Machine, row: &CopiesRow, revision: u64) -> CopyCommand {
        let account = row.account.clone();
        let Some(view) = &row.view else {
            let on = Fence { epoch: Epoch(revision), ..Fence::default() };
            return CopyCommand::Name { account, holder: Some(self.manager()), on };
        };
        let highest = self.fence_near(view.highest(), revision);
        let since = self.fence_near(view.naming.since, revision);
        let step = match (&view.successor, view.whole, &view.naming.holder) {
            _ if self.chance.percent(20) => self.chance.below(5),
            (Some(_), _, _) if self.chance.percent(60) => 3,
            (Some(_), _, _) => 4,
            (None, true, _) if self.chance.percent(75) => 2,
            (None, false, Some(_)) if self.chance.percent(75) => 1,
            (None, _, _) => 0,
        };
        match step {
            0 => {
                let holder = self.chance.percent(90).then(|| self.place(machine, view));
                CopyCommand::Name { account, holder, on: since }
            }
            1 => CopyCommand::Joined { account, since },
            2 => {
                let copy = view.naming.holder.clone().filter(|_| self.chance.percent(60));
                let manager = copy.unwrap_or_else(|| self.place(machine, view));
                CopyCommand::Succeed { account, manager, on: highest }
            }
            3 => CopyCommand::WentLive { account, right: highest },
            _ => CopyCommand::GiveBack { account, on: highest },
        }
    }

    /// What the Brokers of a Manager may say.
    pub(super) fn of_ledgers(&self, machine: &Machine, manager: &ManagerId) -> Ledgers {
        let views = machine.all_copies().filter_map(|row| Some((row, row.view.as_ref()?)));
        let told = views.filter_map(|(row, view)| {
            let says = |fence: Fence| self.chance.percent(60).then_some(fence);
            let told = match &view.successor {
                Some(held) if held.at == *manager => {
                    let right = Some(held.right).filter(|_| self.chance.percent(20));
                    LedgerTold { loaded: says(held.right), not_whole: right, ..Default::default() }
                }
                Some(_) | None if view.live.at == *manager => {
                    let lost = Some(view.naming.since).filter(|_| self.chance.percent(10));
                    LedgerTold { joined: says(view.naming.since), lost, ..Default::default() }
                }
                Some(_) | None => return None,
            };
            Some((row.account.clone(), told))
        });
        told.collect()
    }
}
