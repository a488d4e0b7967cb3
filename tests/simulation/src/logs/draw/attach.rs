//! Copies of Traders that their customers run themselves, in a random log. Decides which asks for the right and under what:
//! mostly what fits, where the Trader is and with a key that its customer has; and how a log begins that is about them.

use super::Draw;
use std::collections::BTreeSet;
use tradewind_domain::{
    control::{
        Command, Machine,
        attach::Attach,
        fencing::TraderCommand,
        resource::{Condition, Declaration, ResourceCommand},
        row::{TraderRow, TraderSpec, TraderWish},
        trader::TraderRun,
    },
    ids::{CopyId, Incarnation, KeyHash, ManagerId, ManagerKind},
};

impl Draw {
    /// A customer with a key, and his Trader where he is.
    pub(super) fn attached_from_the_beginning(&self, n: u64) -> Command {
        let implementation = self.names.implementations[0].clone();
        let manager = ManagerId { implementation, kind: ManagerKind::TraderManager };
        let (customer, trader) = (self.names.customers[0].clone(), self.names.traders[0].clone());
        let put = |what| Command::Resource(ResourceCommand::Put { what, on: Condition::Always });
        match n {
            0 => Command::CheckIn {
                manager,
                location: self.names.locations[0].clone(),
                address: "h0:0".to_owned(),
                incarnation: Incarnation(6),
                capacity: 5,
            },
            1 => {
                let key_hashes = Some(BTreeSet::from([self.names.hashes[0].clone()]));
                put(Declaration::Customer { customer, key_hashes })
            }
            2 => {
                let (command, state) = (Vec::new(), TraderWish::Running);
                let spec = TraderSpec { customer, command, state };
                put(Declaration::SelfManaged { trader, spec, run: TraderRun::default() })
            }
            3 => Command::AssignCustomer { customer, manager, replaces: None },
            _ => Command::Trader(TraderCommand::Move { trader, manager, replaces: None }),
        }
    }

    pub(super) fn attach(&self, machine: &Machine, revision: u64) -> TraderCommand {
        let own: Vec<&TraderRow> =
            machine.traders().filter(|row| row.spec.is_self_managed()).collect();
        let placed: Vec<&TraderRow> =
            own.iter().copied().filter(|row| row.assignment.is_some()).collect();
        let of = if placed.is_empty() { &own } else { &placed };
        let row = self.chance.pick(of).copied().filter(|_| self.chance.percent(93));
        let trader = row.map_or_else(|| self.of(&self.names.traders), |row| row.trader.clone());
        let home = row.and_then(|row| row.assignment.as_ref()).map(|held| held.manager.clone());
        let home = home.filter(|_| self.chance.percent(93));
        let manager = home.unwrap_or_else(|| self.manager());
        let life = machine.manager(&manager).map(|row| row.incarnation);
        let life = life.filter(|_| self.chance.percent(93));
        let keys: Vec<KeyHash> = row
            .and_then(|row| machine.customer(&row.spec.customer))
            .map(|row| row.spec.key_hashes.iter().cloned().collect())
            .unwrap_or_default();
        let key = self.chance.pick(&keys).cloned().filter(|_| self.chance.percent(93));
        let key = key.unwrap_or_else(|| self.of(&self.names.hashes));
        let held = machine.attachment(&trader).map(|held| held.epoch);
        let replaces = held.filter(|_| self.chance.percent(93));
        TraderCommand::Attach(Attach {
            trader,
            manager,
            incarnation: life.unwrap_or(Incarnation(1 + self.chance.below(6))),
            copy: self.of::<CopyId>(&self.names.copies),
            key_id: key.key_id(),
            takes_over: self.chance.percent(80),
            replaces: replaces
                .or_else(|| self.chance.percent(5).then(|| self.epoch(None, revision))),
        })
    }
}
