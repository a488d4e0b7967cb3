//! Telling a Manager what it should run and know, in frames of a bounded size. Decides what of it is news since it was
//! told last over the pipe that stands, and how that is cut into parts; when it is told is the leader's matter, what is
//! told at all `desired`'s. What the parts come to, once the last has arrived, is exactly that.
//!
//! What changes with an entry is found without looking at all customers: a state shares with the one before it
//! whatever has not changed.

mod assembly;
mod changes;

pub use assembly::{Assembly, Disordered};

use super::{
    desired::{
        self, Access, AccountAccess, BrokerWanted, CopyKept, CustomerAccess, Desired,
        ManagerEndpoint, MarketWanted, PublicKey, TraderWanted, Work,
    },
    machine::Machine,
    row::{ManagerRow, ManagerState},
};
use crate::{
    calendar::hours::OperatorDays,
    ids::{
        AccountId, CustomerId, Epoch, Fence, ManagerId, ManagerKind, MarketId, Revision, TraderId,
    },
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::{self, Vec},
};
use serde::{Deserialize, Serialize};

/// What a Manager is told of itself and of the cluster: small, and told with the first part each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub revision: Revision,
    pub fence: Fence,
    pub kind: ManagerKind,
    pub market_managers: Vec<ManagerEndpoint>,
    pub public_keys: Vec<PublicKey>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cordons: BTreeSet<Epoch>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub empties: bool,
    /// To a MarketManager. Here and not among the items: builds that do not know it pass it over.
    #[serde(default, skip_serializing_if = "OperatorDays::is_empty")]
    pub exchange_days: OperatorDays,
}

/// One thing that a Manager is to run or to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    Broker(BrokerWanted),
    /// Of another's ledger.
    Copy(CopyKept),
    /// Without its accounts.
    Market(MarketWanted),
    /// Behind that Market.
    Account(MarketId, AccountAccess),
    Trader(TraderWanted),
    Customer(CustomerAccess),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKey {
    Broker(AccountId, u16),
    Copy(AccountId),
    Market(MarketId),
    Account(MarketId, AccountId),
    Trader(TraderId),
    Customer(CustomerId),
}

impl Item {
    #[must_use]
    pub fn key(&self) -> ItemKey {
        match self {
            Self::Broker(wanted) => ItemKey::Broker(wanted.account.clone(), wanted.shard),
            Self::Copy(kept) => ItemKey::Copy(kept.account.clone()),
            Self::Market(wanted) => ItemKey::Market(wanted.market.clone()),
            Self::Account(market, access) => {
                ItemKey::Account(market.clone(), access.account.clone())
            }
            Self::Trader(wanted) => ItemKey::Trader(wanted.trader.clone()),
            Self::Customer(access) => ItemKey::Customer(access.customer.clone()),
        }
    }
}

/// A frame's worth of what is told. Parts arrive in order, all of them or none after one that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// In the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// With a head: nothing that was told before counts.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub whole: bool,
    /// New, or other than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<ItemKey>,
    /// Behind this one it counts.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub last: bool,
}

impl Part {
    /// A desired state in one part, for who has a small one at hand.
    #[must_use]
    pub fn whole_of(desired: &Desired) -> Self {
        let Desired { revision, fence, work, market_managers, cordons, empties } = desired.clone();
        let (kind, exchange_days) = match &work {
            Work::Brokers { .. } => (ManagerKind::BrokerManager, OperatorDays::new()),
            Work::Markets { exchange_days, .. } => {
                (ManagerKind::MarketManager, exchange_days.clone())
            }
            Work::Traders { .. } => (ManagerKind::TraderManager, OperatorDays::new()),
        };
        let (public_keys, items) = split(work);
        let head = Head {
            revision,
            fence,
            kind,
            market_managers,
            public_keys,
            cordons,
            empties,
            exchange_days,
        };
        Self { head: Some(head), whole: true, items, gone: Vec::new(), last: true }
    }
}

/// What a Manager knows by the pipe that stands.
#[derive(Clone, Debug, Default)]
pub struct Teller {
    told: Option<Told>,
    /// It was told something, and not to the end.
    broken_off: bool,
}

#[derive(Clone, Debug)]
struct Told {
    machine: Machine,
    head: Head,
    /// But for a MarketManager's, which are as many as there are accounts: they are found by the machine.
    items: BTreeMap<ItemKey, Item>,
}

/// Nearly all are put: a pointer would save nothing.
#[allow(clippy::large_enum_variant)]
enum Change {
    Put(Item),
    Gone(ItemKey),
}

/// What is to be told, part by part.
pub struct News {
    now: Told,
    head: Option<Head>,
    whole: bool,
    changes: vec::IntoIter<Change>,
    /// Customers whose access is other than it was, or not there any more.
    customers: vec::IntoIter<CustomerId>,
    done: bool,
}

impl Teller {
    /// Whether a Manager was told what it should be: before, it may not know of its cordon.
    #[must_use]
    pub fn has_told(&self) -> bool {
        self.told.is_some()
    }

    /// What is news to `manager`, if anything is, and it is registered as live.
    #[must_use]
    pub fn news(
        &mut self,
        machine: &Machine,
        revision: Revision,
        manager: &ManagerId,
    ) -> Option<News> {
        let row = machine.manager(manager).filter(|row| row.state == ManagerState::Live)?;
        let before = self.told.as_ref().filter(|_| !self.broken_off);
        if before.is_some_and(|told| told.machine.tables.tell_the_same(&machine.tables)) {
            return None;
        }
        let head = head(machine, revision, row);
        let (items, changes, customers) = match before {
            None => {
                let items = items(machine, manager);
                let customers = match manager.kind {
                    ManagerKind::MarketManager => {
                        machine.customers().map(|row| row.customer.clone()).collect()
                    }
                    ManagerKind::BrokerManager | ManagerKind::TraderManager => Vec::new(),
                };
                let changes = changes::between(&BTreeMap::new(), &items);
                (items, changes, customers)
            }
            Some(told) => match manager.kind {
                ManagerKind::MarketManager => {
                    let changes = if told.machine.tables.have_the_same_markets(&machine.tables) {
                        Vec::new()
                    } else {
                        changes::between(&items(&told.machine, manager), &items(machine, manager))
                    };
                    (BTreeMap::new(), changes, changes::customers(&told.machine, machine))
                }
                ManagerKind::BrokerManager | ManagerKind::TraderManager => {
                    let items = items(machine, manager);
                    let changes = changes::between(&told.items, &items);
                    (items, changes, Vec::new())
                }
            },
        };
        let whole = before.is_none();
        let nothing = changes.is_empty() && customers.is_empty();
        if nothing && before.is_some_and(|told| told.head.says_the_same(&head)) {
            if let Some(told) = &mut self.told {
                told.machine = machine.clone();
            }
            return None;
        }
        let items = match manager.kind {
            ManagerKind::MarketManager => BTreeMap::new(),
            ManagerKind::BrokerManager | ManagerKind::TraderManager => items,
        };
        let now = Told { machine: machine.clone(), head: head.clone(), items };
        let (changes, customers) = (changes.into_iter(), customers.into_iter());
        Some(News { now, head: Some(head), whole, changes, customers, done: false })
    }

    /// All parts are on their way.
    pub fn told(&mut self, news: News) {
        (self.told, self.broken_off) = (Some(news.now), false);
    }

    /// Some parts are on their way, and the others never will be: what comes next is told whole.
    pub fn broke_off(&mut self) {
        self.broken_off = true;
    }
}

impl News {
    /// The next part: items of so many bytes, and at most one item more. `None`: there was a last one.
    pub fn part(&mut self, bytes: usize, size: impl Fn(&Item) -> usize) -> Option<Part> {
        if self.done {
            return None;
        }
        let head = self.head.take();
        let whole = self.whole && head.is_some();
        let mut part = Part { head, whole, items: Vec::new(), gone: Vec::new(), last: false };
        let mut used = 0;
        while used < bytes {
            match self.change() {
                Some(Change::Put(item)) => {
                    used += size(&item);
                    part.items.push(item);
                }
                Some(Change::Gone(key)) => {
                    used += GONE_BYTES;
                    part.gone.push(key);
                }
                None => {
                    self.done = true;
                    part.last = true;
                    break;
                }
            }
        }
        Some(part)
    }

    fn change(&mut self) -> Option<Change> {
        if let Some(change) = self.changes.next() {
            return Some(change);
        }
        let customer = self.customers.next()?;
        let machine = &self.now.machine;
        Some(match machine.customer(&customer) {
            Some(row) => Change::Put(Item::Customer(desired::access_of(machine, row))),
            None => Change::Gone(ItemKey::Customer(customer)),
        })
    }
}

/// Two names of 64 letters, and what is around them.
const GONE_BYTES: usize = 192;

impl Head {
    /// The revision alone is no news.
    fn says_the_same(&self, other: &Self) -> bool {
        let Self {
            revision: _,
            fence,
            kind,
            market_managers,
            public_keys,
            cordons,
            empties,
            exchange_days,
        } = self;
        *fence == other.fence
            && *kind == other.kind
            && *market_managers == other.market_managers
            && *public_keys == other.public_keys
            && *cordons == other.cordons
            && *empties == other.empties
            && *exchange_days == other.exchange_days
    }
}

fn head(machine: &Machine, revision: Revision, row: &ManagerRow) -> Head {
    let exchange_days = match row.manager.kind {
        ManagerKind::MarketManager => machine.operator_days(),
        ManagerKind::BrokerManager | ManagerKind::TraderManager => OperatorDays::new(),
    };
    Head {
        revision,
        fence: machine.fence(row.epoch),
        kind: row.manager.kind,
        market_managers: desired::live_endpoints(machine, ManagerKind::MarketManager),
        public_keys: desired::public_keys(machine),
        cordons: machine.cordons(&row.manager).map(|row| row.epoch).collect(),
        empties: machine.empties(&row.manager),
        exchange_days,
    }
}

/// What a Manager should run and know, but for the customers of a MarketManager: those are all there are.
fn items(machine: &Machine, manager: &ManagerId) -> BTreeMap<ItemKey, Item> {
    let (_, items) = split(desired::work_but_customers(machine, manager));
    items.into_iter().map(|item| (item.key(), item)).collect()
}

fn split(work: Work) -> (Vec<PublicKey>, Vec<Item>) {
    let (access, items): (Access, Vec<Item>) = match work {
        Work::Brokers { brokers, copies } => {
            let brokers = brokers.into_iter().map(Item::Broker);
            (Access::default(), brokers.chain(copies.into_iter().map(Item::Copy)).collect())
        }
        Work::Markets { markets, access, exchange_days: _ } => {
            let each = markets.into_iter().flat_map(|mut wanted| {
                let accounts = core::mem::take(&mut wanted.accounts).into_iter();
                let market = wanted.market.clone();
                let accounts = accounts.map(move |access| Item::Account(market.clone(), access));
                core::iter::once(Item::Market(wanted)).chain(accounts)
            });
            (access, each.collect())
        }
        Work::Traders { traders, access } => {
            (access, traders.into_iter().map(Item::Trader).collect())
        }
    };
    let customers = access.customers.iter().cloned().map(Item::Customer);
    (access.public_keys, items.into_iter().chain(customers).collect())
}

#[cfg(test)]
mod tests;
