//! What a Manager should run and know, derived from the machine. Decides it whole each time, so that a
//! Manager compares instead of following changes; starting and stopping is the Manager's work, and how it gets there
//! `telling`'s.

mod customers;
mod verdict;

pub use customers::Customers;
pub use verdict::Verdict;

mod copies;
pub use copies::{CopiesWanted, CopyKept};

use super::{
    attach::Attachment,
    controls::{Accounts, Controls},
    machine::Machine,
    row::{CustomerRow, ManagerRow, ManagerState, MarketRow, MarketSpec, TraderWish},
    trader::TraderRun,
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    calendar::hours::OperatorDays,
    ids::{
        AccountId, CustomerId, Epoch, Fence, ManagerId, ManagerKind, MarketId, NodeId, Revision,
        TraderId, VenueId,
    },
};
use alloc::{collections::BTreeSet, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Everything a Manager is told, as of a revision. The higher revision wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    pub revision: Revision,
    /// The Manager's own right to act.
    pub fence: Fence,
    pub work: Work,
    /// Managers of the algos' edge that are live and not being drained, for `goaway` and for Traders.
    pub market_managers: Vec<ManagerEndpoint>,
    /// Drains of this Manager, by their epochs: while there is one it takes nothing new.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub cordons: BTreeSet<Epoch>,
    /// What it has is to move away: sessions are told where to go.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub empties: bool,
}

impl Desired {
    /// The revision alone is no news.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let Self { revision: _, fence, work, market_managers, cordons, empties } = self;
        *fence == other.fence
            && *work == other.work
            && *market_managers == other.market_managers
            && *cordons == other.cordons
            && *empties == other.empties
    }
}

/// What the Manager runs, by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    Brokers {
        brokers: Vec<BrokerWanted>,
        /// What it keeps of others' ledgers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        copies: Vec<CopyKept>,
    },
    Markets {
        markets: Vec<MarketWanted>,
        access: Access,
        /// To tell algos on which days an exchange trades.
        #[serde(default, skip_serializing_if = "OperatorDays::is_empty")]
        exchange_days: OperatorDays,
    },
    Traders {
        traders: Vec<TraderWanted>,
        /// To let those in who attach.
        #[serde(default, skip_serializing_if = "Access::is_empty")]
        access: Access,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ManagerEndpoint {
    pub manager: ManagerId,
    pub address: String,
}

/// A Broker to run: one account's connection to its venue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerWanted {
    pub account: AccountId,
    pub shard: u16,
    pub fence: Fence,
    pub venue: VenueId,
    pub adapter: String,
    pub endpoint: String,
    pub customers: BTreeSet<CustomerId>,
    /// Rights of Traders to be put on record before their copies start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fences: Vec<TraderFence>,
    /// To what its orders are held.
    #[serde(default, skip_serializing_if = "Controls::is_empty")]
    pub controls: Controls,
    /// Of an account whose ledger has, or had, a second copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<CopiesWanted>,
}

/// A Trader's newest right: orders of an earlier one are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraderFence {
    pub trader: TraderId,
    pub customer: CustomerId,
    pub epoch: Epoch,
}

/// Where an account's Broker is: the BrokerManager knows the address of the process of the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAccess {
    pub account: AccountId,
    pub venue: VenueId,
    pub customers: BTreeSet<CustomerId>,
    /// Of the Broker's assignment; every order command carries it.
    pub fence: Fence,
    pub broker_manager: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketWanted {
    pub market: MarketId,
    pub spec: MarketSpec,
    /// Of the routes: rises with every change of them.
    pub fence: Fence,
    pub accounts: Vec<AccountAccess>,
    /// Venues that its routes named before: an order that is sent again may stand there already.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub former_venues: BTreeSet<VenueId>,
}

/// What a Manager needs to let algos in without asking anyone. A TraderManager is told of those customers who attach
/// there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub public_keys: Vec<PublicKey>,
    pub customers: Customers,
}

impl Access {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.public_keys.is_empty() && self.customers.is_empty()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    pub node: NodeId,
    pub key: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerAccess {
    pub customer: CustomerId,
    /// Names of the API keys that are good; a session of another one is refused.
    pub key_ids: BTreeSet<String>,
    pub trader_manager: Option<ManagerEndpoint>,
    pub affinity_version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraderWanted {
    pub trader: TraderId,
    pub customer: CustomerId,
    pub fence: Fence,
    pub command: Vec<String>,
    #[serde(default, skip_serializing_if = "TraderRun::is_default")]
    pub run: TraderRun,
    /// No copy is to run; its service stays, and starts one as soon as this is taken back.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub paused: bool,
    /// An earlier copy may still be accepted somewhere: none is started under this right yet.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub fencing: bool,
    /// Of one that its customer runs himself: the copy that attached last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attachment>,
}

/// What `manager` should run, as of `revision`; `None` if it is not registered as live.
#[must_use]
pub fn desired(machine: &Machine, revision: Revision, manager: &ManagerId) -> Option<Desired> {
    let row = machine.manager(manager).filter(|row| row.state == ManagerState::Live)?;
    let work = match manager.kind {
        ManagerKind::MarketManager => Work::Markets {
            markets: markets(machine),
            access: access(machine),
            exchange_days: machine.operator_days(),
        },
        ManagerKind::BrokerManager | ManagerKind::TraderManager => {
            work_but_customers(machine, manager)
        }
    };
    let market_managers = live_endpoints(machine, ManagerKind::MarketManager);
    let cordons = machine.cordons(manager).map(|row| row.epoch).collect();
    let (fence, empties) = (machine.fence(row.epoch), machine.empties(manager));
    Some(Desired { revision, fence, work, market_managers, cordons, empties })
}

/// What a Manager runs, with the customers it lets in but for a MarketManager's: those are all there are.
pub(super) fn work_but_customers(machine: &Machine, manager: &ManagerId) -> Work {
    match manager.kind {
        ManagerKind::BrokerManager => {
            let brokers = brokers(machine, manager).into_iter();
            let brokers = brokers.chain(copies::successors(machine, manager)).collect();
            Work::Brokers { brokers, copies: copies::kept(machine, manager) }
        }
        ManagerKind::MarketManager => Work::Markets {
            markets: markets(machine),
            access: Access::default(),
            exchange_days: machine.operator_days(),
        },
        ManagerKind::TraderManager => {
            let traders = traders(machine, manager);
            let access = access_of_attached(machine, &traders);
            Work::Traders { traders, access }
        }
    }
}

/// The Managers of a kind that are live and take something new, and where they are, in order of their
/// names.
#[must_use]
pub fn live_endpoints(machine: &Machine, kind: ManagerKind) -> Vec<ManagerEndpoint> {
    let live = |row: &&ManagerRow| row.manager.kind == kind && row.state == ManagerState::Live;
    let open = |row: &&ManagerRow| machine.cordon(&row.manager).is_none();
    machine.managers().filter(live).filter(open).map(endpoint).collect()
}

fn endpoint(row: &ManagerRow) -> ManagerEndpoint {
    ManagerEndpoint { manager: row.manager.clone(), address: row.address.clone() }
}

fn brokers(machine: &Machine, manager: &ManagerId) -> Vec<BrokerWanted> {
    let held = machine.tables.index.held(manager);
    let held = || held.into_iter().flat_map(|held| &held.brokers);
    let accounts: Vec<_> = held().filter_map(|key| machine.account(&key.0)).collect();
    let fences = machine.fences_for(&accounts);
    let counts = Accounts::of_limited(machine);
    let mine = held().filter_map(|key| {
        let row = machine.tables.brokers.get(key)?;
        let account = machine.account(&row.account)?;
        let spec = &account.spec;
        Some(BrokerWanted {
            account: row.account.clone(),
            shard: row.shard,
            fence: machine.fence(row.assignment.as_ref()?.epoch),
            venue: spec.venue.clone(),
            adapter: spec.adapter.clone(),
            endpoint: spec.endpoint.clone(),
            customers: spec.customers.clone(),
            fences: spec
                .customers
                .iter()
                .filter_map(|of| fences.get(of))
                .flatten()
                .cloned()
                .collect(),
            controls: machine.controls_for(account, &counts),
            copies: copies::of(machine, row),
        })
    });
    mine.collect()
}

/// Markets are not exclusive: every MarketManager runs its own of each. Accounts of venues that no Market names are
/// the first one's: their orders are canceled, and their streams read, like all others.
fn markets(machine: &Machine) -> Vec<MarketWanted> {
    let named = |row: &MarketRow| -> BTreeSet<VenueId> {
        let routes = row.spec.routes.iter().flat_map(|r| [&r.data_venue, &r.order_venue]);
        routes.chain(machine.former_venues(&row.market)).cloned().collect()
    };
    let by_some: BTreeSet<VenueId> = machine.markets().flat_map(named).collect();
    let by_none = machine.accounts().map(|row| row.spec.venue.clone());
    let mut by_none: BTreeSet<VenueId> = by_none.filter(|v| !by_some.contains(v)).collect();
    let wanted = machine.markets().map(|row| {
        let mut venues = named(row);
        venues.append(&mut by_none);
        MarketWanted {
            market: row.market.clone(),
            spec: row.spec.clone(),
            fence: machine.fence(row.epoch),
            accounts: accounts(machine, &venues),
            former_venues: machine.former_venues(&row.market).cloned().collect(),
        }
    });
    wanted.collect()
}

fn accounts(machine: &Machine, venues: &BTreeSet<VenueId>) -> Vec<AccountAccess> {
    let served = machine.accounts().filter(|row| venues.contains(&row.spec.venue));
    let reachable = served.filter_map(|row| {
        let ledger = machine.tables.brokers.get(&(row.account.clone(), 0))?;
        let assignment = ledger.assignment.as_ref()?;
        Some(AccountAccess {
            account: row.account.clone(),
            venue: row.spec.venue.clone(),
            customers: row.spec.customers.clone(),
            fence: machine.fence(assignment.epoch),
            broker_manager: machine.manager(&assignment.manager)?.address.clone(),
        })
    });
    reachable.collect()
}

fn access(machine: &Machine) -> Access {
    let customers = machine.customers().map(|row| access_of(machine, row)).collect();
    Access { public_keys: public_keys(machine), customers }
}

/// Nobody attaches where all are spawned.
fn access_of_attached(machine: &Machine, traders: &[TraderWanted]) -> Access {
    let attached = traders.iter().filter(|wanted| wanted.is_self_managed());
    let customers: BTreeSet<&CustomerId> = attached.map(|wanted| &wanted.customer).collect();
    if customers.is_empty() {
        return Access::default();
    }
    let rows = customers.into_iter().filter_map(|customer| machine.customer(customer));
    let customers = rows.map(|row| access_of(machine, row)).collect();
    Access { public_keys: public_keys(machine), customers }
}

pub(super) fn public_keys(machine: &Machine) -> Vec<PublicKey> {
    machine.members().map(|row| PublicKey { node: row.node, key: row.public_key.clone() }).collect()
}

pub(super) fn access_of(machine: &Machine, row: &CustomerRow) -> CustomerAccess {
    CustomerAccess {
        customer: row.customer.clone(),
        key_ids: row.spec.key_hashes.iter().map(crate::ids::KeyHash::key_id).collect(),
        trader_manager: row
            .affinity
            .as_ref()
            .and_then(|affinity| machine.manager(&affinity.manager))
            .map(endpoint),
        affinity_version: row.affinity_version,
    }
}

/// Those of its customers, and those of customers who have moved away and not all of whose Traders have.
fn traders(machine: &Machine, manager: &ManagerId) -> Vec<TraderWanted> {
    let index = &machine.tables.index;
    let here = index.held(manager).into_iter().flat_map(|held| &held.customers);
    let customers: BTreeSet<&CustomerId> = here.chain(&index.unsettled).collect();
    let traders = customers.into_iter().flat_map(|customer| index.traders(customer));
    let mine = traders.filter_map(|trader| {
        let row = machine.trader(trader)?;
        let assignment = row.assignment.as_ref().filter(|a| a.manager == *manager)?;
        let paused = match row.spec.state {
            TraderWish::Running => false,
            TraderWish::Paused => true,
            TraderWish::Stopped => return None,
        };
        Some(TraderWanted {
            trader: row.trader.clone(),
            customer: row.spec.customer.clone(),
            fence: machine.fence(assignment.epoch),
            command: row.spec.command.clone(),
            run: machine.trader_run(trader),
            paused,
            fencing: machine
                .trader_right(trader)
                .is_some_and(|held| machine.is_fencing(trader, held)),
            attached: machine.attachment(trader).cloned(),
        })
    });
    let mut mine: Vec<TraderWanted> = mine.collect();
    mine.sort_by(|one, other| one.trader.cmp(&other.trader));
    mine
}
