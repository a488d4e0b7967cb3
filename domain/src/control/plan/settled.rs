//! What need not be looked at again. Decides when a state has nothing that waits for a place, and that it
//! stays so until one of the tables changes that placement is decided on: with a million Traders a look at
//! all of them ten times a second would leave the leader no time for anything else.

use super::{Observed, expiries, homeless, placements, unplaced};
use crate::{
    control::{
        Command, Machine,
        row::{BrokerRow, CustomerRow, ManagerRow, TraderRow},
    },
    ids::{AccountId, CustomerId, ManagerId, TraderId},
    time::Monotonic,
};
use alloc::vec::Vec;
use imbl::OrdMap;

/// The last state in which all was placed. Holds on to the tables of placement alone.
#[derive(Clone, Debug, Default)]
pub struct Settled(Option<Tables>);

#[derive(Clone, Debug)]
struct Tables {
    managers: OrdMap<ManagerId, ManagerRow>,
    brokers: OrdMap<(AccountId, u16), BrokerRow>,
    customers: OrdMap<CustomerId, CustomerRow>,
    traders: OrdMap<TraderId, TraderRow>,
}

impl Settled {
    fn covers(&self, machine: &Machine) -> bool {
        let now = &machine.tables;
        self.0.as_ref().is_some_and(|then| {
            then.managers.ptr_eq(&now.managers)
                && then.brokers.ptr_eq(&now.brokers)
                && then.customers.ptr_eq(&now.customers)
                && then.traders.ptr_eq(&now.traders)
        })
    }

    /// The same as [`plan`](super::plan), at the price of a look at the Managers where nothing has changed
    /// since all was placed.
    pub fn plan(&mut self, machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
        let lost = expiries(machine, observed, now);
        if !lost.is_empty() || self.covers(machine) {
            return lost;
        }
        let commands = placements(machine, observed, now);
        let waiting = unplaced(machine).next().is_some() || homeless(machine).next().is_some();
        self.0 = (commands.is_empty() && !waiting).then(|| Tables {
            managers: machine.tables.managers.clone(),
            brokers: machine.tables.brokers.clone(),
            customers: machine.tables.customers.clone(),
            traders: machine.tables.traders.clone(),
        });
        commands
    }
}
