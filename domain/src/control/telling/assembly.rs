//! A desired state put together again from its parts. Decides what counts: nothing before the last part, and nothing on
//! top of a part that is missing. Over a pipe that is new it begins anew.

use super::{Head, Item, ItemKey, Part};
use crate::{
    control::desired::{Access, Customers, Desired, Work},
    ids::ManagerKind,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// What has arrived over a pipe.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    head: Option<Head>,
    items: BTreeMap<ItemKey, Item>,
    customers: Customers,
}

/// A part on top of nothing, or one of a kind that this Manager's kind is not told: the pipe is to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was told does not follow on what was told before")]
pub struct Disordered;

impl Assembly {
    /// Takes a part; behind the last one there is a desired state.
    pub fn take(&mut self, part: Part) -> Result<Option<Desired>, Disordered> {
        let Part { head, whole, items, gone, last } = part;
        if whole {
            *self = Self::default();
        } else if self.head.is_none() {
            return Err(Disordered);
        }
        if head.is_some() {
            self.head = head;
        }
        for item in items {
            match item {
                Item::Customer(access) => self.customers.put(access),
                Item::Broker(_)
                | Item::Copy(_)
                | Item::Market(_)
                | Item::Account(..)
                | Item::Trader(_) => {
                    self.items.insert(item.key(), item);
                }
            }
        }
        for key in gone {
            match &key {
                ItemKey::Customer(customer) => self.customers.forget(customer),
                ItemKey::Broker(..)
                | ItemKey::Copy(_)
                | ItemKey::Market(_)
                | ItemKey::Account(..)
                | ItemKey::Trader(_) => drop(self.items.remove(&key)),
            }
        }
        if last { self.desired().map(Some) } else { Ok(None) }
    }

    fn desired(&self) -> Result<Desired, Disordered> {
        let Head {
            revision,
            fence,
            kind,
            market_managers,
            public_keys,
            cordons,
            empties,
            exchange_days,
        } = self.head.clone().ok_or(Disordered)?;
        let items = self.items.values().cloned();
        let access = || Access { public_keys, customers: self.customers.clone() };
        let work = match kind {
            ManagerKind::BrokerManager => {
                let (mut brokers, mut copies) = (Vec::new(), Vec::new());
                for item in items {
                    match item {
                        Item::Broker(wanted) => brokers.push(wanted),
                        Item::Copy(kept) => copies.push(kept),
                        Item::Market(_)
                        | Item::Account(..)
                        | Item::Trader(_)
                        | Item::Customer(_) => return Err(Disordered),
                    }
                }
                Work::Brokers { brokers, copies }
            }
            ManagerKind::MarketManager => {
                let mut markets = BTreeMap::new();
                // Markets stand before the accounts behind them.
                for item in items {
                    match item {
                        Item::Market(wanted) => drop(markets.insert(wanted.market.clone(), wanted)),
                        Item::Account(market, access) => {
                            let market = markets.get_mut(&market).ok_or(Disordered)?;
                            market.accounts.push(access);
                        }
                        Item::Broker(_) | Item::Copy(_) | Item::Trader(_) | Item::Customer(_) => {
                            return Err(Disordered);
                        }
                    }
                }
                let markets = markets.into_values().collect();
                Work::Markets { markets, access: access(), exchange_days }
            }
            ManagerKind::TraderManager => {
                let traders = items.map(|item| match item {
                    Item::Trader(wanted) => Ok(wanted),
                    _ => Err(Disordered),
                });
                let traders = traders.collect::<Result<_, _>>()?;
                // Nobody attaches where all are spawned.
                let none = self.customers.is_empty();
                Work::Traders { traders, access: if none { Access::default() } else { access() } }
            }
        };
        Ok(Desired { revision, fence, work, market_managers, cordons, empties })
    }
}
