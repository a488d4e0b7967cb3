//! R2 and L1 over a whole run: no epoch is given twice, whatever for. Decides it from every state it is shown,
//! so that also what was deleted and declared anew meanwhile is told apart.

use crate::{
    control::machine::Machine,
    ids::{AccountId, CustomerId, Epoch, Incarnation, ManagerId, TraderId},
};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

/// Every epoch ever seen and what it was given for: none is given twice.
#[derive(Clone, Debug, Default)]
pub struct Epochs(BTreeMap<Epoch, (Right, ManagerId)>);

/// What an epoch is the right to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Right {
    /// To be the Manager, in this life.
    Life(Incarnation),
    Broker(AccountId, u16),
    Customer(CustomerId),
    Trader(TraderId),
}

impl Epochs {
    /// Notes the epochs of a state; gives those that were given for something else before.
    pub fn note(&mut self, machine: &Machine) -> Vec<String> {
        let lives = machine
            .managers()
            .map(|row| (row.epoch, (Right::Life(row.incarnation), row.manager.clone())));
        let brokers = machine.brokers().filter_map(|row| {
            let held = row.assignment.as_ref()?;
            Some((
                held.epoch,
                (Right::Broker(row.account.clone(), row.shard), held.manager.clone()),
            ))
        });
        let customers = machine.customers().filter_map(|row| {
            let held = row.affinity.as_ref()?;
            Some((held.epoch, (Right::Customer(row.customer.clone()), held.manager.clone())))
        });
        let traders = machine.traders().filter_map(|row| {
            let held = row.assignment.as_ref()?;
            Some((held.epoch, (Right::Trader(row.trader.clone()), held.manager.clone())))
        });
        let mut found = Vec::new();
        for (epoch, right) in lives.chain(brokers).chain(customers).chain(traders) {
            let first = self.0.entry(epoch).or_insert_with(|| right.clone());
            if *first != right {
                let ((was, one), (is, other)) = (&*first, &right);
                let sentence = match is {
                    Right::Life(_) => "R2",
                    Right::Broker(..) | Right::Customer(_) | Right::Trader(_) => "L1",
                };
                found.push(format!(
                    "{sentence}: epoch {epoch} is {one}'s ({was:?}) and {other}'s ({is:?})"
                ));
            }
        }
        found
    }
}
