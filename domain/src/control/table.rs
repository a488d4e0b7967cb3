//! The tables of the machine: persistent maps, so that a clone costs nothing. Every write goes through
//! `put` or `remove`, which note the key: what was noted is what a store must write. Decides nothing
//! about what the rows mean.

mod forget;
mod index;
mod same;
mod single;

pub(super) use index::{Index, follows};
pub(super) use single::Said;

use super::{
    answered::{Answered, Remembered},
    attach::AttachmentRow,
    copies::CopiesRow,
    drain::{AbandonedRow, DrainRow, DroppedRow, HoursUnknownRow},
    fencing::FencingRow,
    group::{AdmissionRow, GroupRow},
    handed_back::HandedBackRow,
    level::{LevelRow, ManagerLevelRow, MemberLevelRow},
    manager_disk::ManagerDiskRow,
    placement::RebalanceRow,
    risk::{RiskRow, TradingStateRow},
    row::{
        AccountRow, BrokerRow, ClientRow, ClusterRow, CustomerRow, ExchangeRow, ForgottenRow,
        FormerVenuesRow, LocationRow, ManagerRow, MarketRow, MemberRow, RegisterRow, Row, RowKey,
        TraderRow,
    },
    scale::{ProvisionRow, ScaleRow},
    state_hash::{StateHash, Sum},
    trader::TraderRunRow,
};
use crate::{
    calendar::Exchange,
    ids::{
        AccountId, ClientId, CustomerId, DrainTarget, Epoch, LocationId, ManagerId, MarketId,
        NodeId, RegisterId, Scope, ServiceId, TraderId,
    },
};
use alloc::{sync::Arc, vec::Vec};
use imbl::OrdMap;

#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    pub(super) cluster: ClusterRow,
    pub(super) members: OrdMap<NodeId, MemberRow>,
    pub(super) managers: OrdMap<ManagerId, ManagerRow>,
    pub(super) accounts: OrdMap<AccountId, Arc<AccountRow>>,
    pub(super) brokers: OrdMap<(AccountId, u16), BrokerRow>,
    pub(super) customers: OrdMap<CustomerId, Arc<CustomerRow>>,
    pub(super) markets: OrdMap<MarketId, Arc<MarketRow>>,
    pub(super) traders: OrdMap<TraderId, Arc<TraderRow>>,
    pub(super) registers: OrdMap<RegisterId, RegisterRow>,
    pub(super) answered: Answered,
    pub(super) clients: OrdMap<ClientId, ClientRow>,
    pub(super) group: Option<GroupRow>,
    pub(super) admissions: OrdMap<NodeId, AdmissionRow>,
    pub(super) forgotten: Option<ForgottenRow>,
    pub(super) locations: OrdMap<LocationId, LocationRow>,
    pub(super) exchanges: OrdMap<Exchange, ExchangeRow>,
    pub(super) drains: OrdMap<DrainTarget, DrainRow>,
    pub(super) dropped: OrdMap<ManagerId, DroppedRow>,
    pub(super) rebalance: Option<RebalanceRow>,
    pub(super) risks: OrdMap<Scope, RiskRow>,
    pub(super) trading_states: OrdMap<Scope, TradingStateRow>,
    pub(super) scales: OrdMap<LocationId, ScaleRow>,
    pub(super) provisions: OrdMap<Epoch, ProvisionRow>,
    pub(super) handed_back: OrdMap<ServiceId, HandedBackRow>,
    pub(super) manager_disks: OrdMap<ManagerId, ManagerDiskRow>,
    pub(super) former_venues: OrdMap<MarketId, FormerVenuesRow>,
    pub(super) trader_runs: OrdMap<TraderId, Arc<TraderRunRow>>,
    pub(super) fencings: OrdMap<TraderId, FencingRow>,
    pub(super) level: Option<LevelRow>,
    pub(super) member_levels: OrdMap<NodeId, MemberLevelRow>,
    pub(super) manager_levels: OrdMap<ManagerId, ManagerLevelRow>,
    pub(super) hours_unknown: OrdMap<DrainTarget, HoursUnknownRow>,
    pub(super) attachments: OrdMap<TraderId, AttachmentRow>,
    pub(super) copies: OrdMap<AccountId, CopiesRow>,
    pub(super) abandoned: OrdMap<(AccountId, u16), AbandonedRow>,
    /// Derived from accounts, Brokers, customers, Traders, and what is said of single ones.
    pub(super) index: Index,
    /// Keys written since the last `take_changed`.
    changed: Vec<RowKey>,
    /// Of all rows but the cluster's, which is there from the beginning and changes with every entry.
    sum: Sum,
}

/// Rows with lists in them stand behind a pointer: a write after a clone copies the node of the map that it is
/// in, and would copy the lists of all its neighbours.
fn keep<K: Ord + Clone, R: Clone>(rows: &mut OrdMap<K, Arc<R>>, key: K, row: R) -> Option<R> {
    rows.insert(key, Arc::new(row)).map(Arc::unwrap_or_clone)
}

fn whole<R: Clone>(row: &Arc<R>) -> R {
    R::clone(row)
}

impl Tables {
    pub(super) fn put(&mut self, row: Row) {
        let key = row.key();
        self.insert(row);
        self.changed.push(key);
    }

    /// Puts a row without noting it: for loading.
    pub(super) fn insert(&mut self, row: Row) {
        if let Row::Cluster(row) = row {
            self.cluster = row;
            return;
        }
        self.sum.add(&row);
        if let Some(replaced) = self.replace(row) {
            self.sum.take(&replaced);
        }
    }

    /// Gives the row that was in its place.
    fn replace(&mut self, row: Row) -> Option<Row> {
        match row {
            // There is one, and it does not count.
            Row::Cluster(_) => None,
            Row::Member(row) => self.members.insert(row.node, row).map(Row::Member),
            Row::Manager(row) => self.managers.insert(row.manager.clone(), row).map(Row::Manager),
            Row::Account(row) => self.replace_account(row).map(Row::Account),
            Row::Broker(row) => self.replace_broker(row).map(Row::Broker),
            Row::Customer(row) => {
                let row = Arc::new(row);
                let old = self.customers.insert(row.customer.clone(), row.clone());
                self.index.customer(old.as_deref(), &row, &self.traders);
                old.map(Arc::unwrap_or_clone).map(Row::Customer)
            }
            Row::Market(row) => keep(&mut self.markets, row.market.clone(), row).map(Row::Market),
            Row::Trader(row) => self.replace_trader(row).map(Row::Trader),
            Row::Register(row) => {
                self.registers.insert(row.register.clone(), row).map(Row::Register)
            }
            Row::Answered(row) => self.answered.insert(row).map(Remembered::row),
            Row::AnsweredTo(row) => self.answered.insert(row).map(Remembered::row),
            Row::Client(row) => self.clients.insert(row.client.clone(), row).map(Row::Client),
            Row::Group(row) => self.group.replace(row).map(Row::Group),
            Row::Admission(row) => self.admissions.insert(row.node, row).map(Row::Admission),
            Row::Forgotten(row) => self.forgotten.replace(row).map(Row::Forgotten),
            Row::Location(row) => {
                self.locations.insert(row.location.clone(), row).map(Row::Location)
            }
            Row::Exchange(row) => self.exchanges.insert(row.exchange, row).map(Row::Exchange),
            Row::Drain(row) => self.drains.insert(row.target.clone(), row).map(Row::Drain),
            Row::Dropped(row) => self.dropped.insert(row.manager.clone(), row).map(Row::Dropped),
            Row::Rebalance(row) => self.rebalance.replace(row).map(Row::Rebalance),
            Row::Risk(row) => self.replace_risk(row).map(Row::Risk),
            Row::TradingState(row) => self.replace_trading_state(row).map(Row::TradingState),
            Row::Scale(row) => self.scales.insert(row.location.clone(), row).map(Row::Scale),
            Row::Provision(row) => self.provisions.insert(row.request, row).map(Row::Provision),
            Row::HandedBack(row) => {
                self.handed_back.insert(row.service.clone(), row).map(Row::HandedBack)
            }
            Row::ManagerDisk(row) => {
                self.manager_disks.insert(row.manager.clone(), row).map(Row::ManagerDisk)
            }
            Row::FormerVenues(row) => {
                self.former_venues.insert(row.market.clone(), row).map(Row::FormerVenues)
            }
            Row::TraderRun(row) => {
                keep(&mut self.trader_runs, row.trader.clone(), row).map(Row::TraderRun)
            }
            Row::Fencing(row) => self.fencings.insert(row.trader.clone(), row).map(Row::Fencing),
            Row::Level(row) => self.level.replace(row).map(Row::Level),
            Row::MemberLevel(row) => self.member_levels.insert(row.node, row).map(Row::MemberLevel),
            Row::ManagerLevel(row) => {
                self.manager_levels.insert(row.manager.clone(), row).map(Row::ManagerLevel)
            }
            Row::HoursUnknown(row) => {
                self.hours_unknown.insert(row.target.clone(), row).map(Row::HoursUnknown)
            }
            Row::Attachment(row) => {
                self.attachments.insert(row.trader.clone(), row).map(Row::Attachment)
            }
            Row::Copies(row) => self.copies.insert(row.account.clone(), row).map(Row::Copies),
            Row::Abandoned(row) => {
                let key = (row.account.clone(), row.shard);
                self.abandoned.insert(key, row).map(Row::Abandoned)
            }
        }
    }

    fn replace_account(&mut self, row: AccountRow) -> Option<AccountRow> {
        let row = Arc::new(row);
        let old = self.accounts.insert(row.account.clone(), row.clone());
        self.index.singles.account(old.as_deref(), Some(&row));
        old.map(Arc::unwrap_or_clone)
    }

    fn replace_broker(&mut self, row: BrokerRow) -> Option<BrokerRow> {
        let key = (row.account.clone(), row.shard);
        self.index.broker(self.brokers.get(&key), &row);
        self.brokers.insert(key, row)
    }

    fn replace_trader(&mut self, row: TraderRow) -> Option<TraderRow> {
        let row = Arc::new(row);
        let old = self.traders.insert(row.trader.clone(), row.clone());
        self.index.trader(old.as_deref(), &row, &self.customers);
        let before = old.as_ref().map(|old| &old.spec.customer);
        self.changes_hands(&row.trader, before, Some(&row.spec.customer));
        old.map(Arc::unwrap_or_clone)
    }

    /// Of all rows; costs the hash of one.
    pub(super) fn state_hash(&self) -> StateHash {
        self.sum.with(&Row::Cluster(self.cluster.clone()))
    }

    pub(super) fn take_changed(&mut self) -> Vec<RowKey> {
        let mut changed = core::mem::take(&mut self.changed);
        changed.sort();
        changed.dedup();
        changed
    }

    pub(super) fn row(&self, key: &RowKey) -> Option<Row> {
        match key {
            RowKey::Cluster(()) => Some(Row::Cluster(self.cluster.clone())),
            RowKey::Member(k) => self.members.get(k).cloned().map(Row::Member),
            RowKey::Manager(k) => self.managers.get(k).cloned().map(Row::Manager),
            RowKey::Account(k) => self.accounts.get(k).map(whole).map(Row::Account),
            RowKey::Broker(k) => self.brokers.get(k).cloned().map(Row::Broker),
            RowKey::Customer(k) => self.customers.get(k).map(whole).map(Row::Customer),
            RowKey::Market(k) => self.markets.get(k).map(whole).map(Row::Market),
            RowKey::Trader(k) => self.traders.get(k).map(whole).map(Row::Trader),
            RowKey::Register(k) => self.registers.get(k).cloned().map(Row::Register),
            RowKey::Answered(k) | RowKey::AnsweredTo(k) => {
                let held = self.answered.get(k).filter(|held| held.row_key() == *key);
                held.cloned().map(Remembered::row)
            }
            RowKey::Client(k) => self.clients.get(k).cloned().map(Row::Client),
            RowKey::Group(()) => self.group.map(Row::Group),
            RowKey::Admission(k) => self.admissions.get(k).cloned().map(Row::Admission),
            RowKey::Forgotten(()) => self.forgotten.clone().map(Row::Forgotten),
            RowKey::Location(k) => self.locations.get(k).cloned().map(Row::Location),
            RowKey::Exchange(k) => self.exchanges.get(k).cloned().map(Row::Exchange),
            RowKey::Drain(k) => self.drains.get(k).cloned().map(Row::Drain),
            RowKey::Dropped(k) => self.dropped.get(k).cloned().map(Row::Dropped),
            RowKey::Rebalance(()) => self.rebalance.clone().map(Row::Rebalance),
            RowKey::Risk(k) => self.risks.get(k).cloned().map(Row::Risk),
            RowKey::TradingState(k) => self.trading_states.get(k).cloned().map(Row::TradingState),
            RowKey::Scale(k) => self.scales.get(k).cloned().map(Row::Scale),
            RowKey::Provision(k) => self.provisions.get(k).cloned().map(Row::Provision),
            RowKey::HandedBack(k) => self.handed_back.get(k).cloned().map(Row::HandedBack),
            RowKey::ManagerDisk(k) => self.manager_disks.get(k).cloned().map(Row::ManagerDisk),
            RowKey::FormerVenues(k) => self.former_venues.get(k).cloned().map(Row::FormerVenues),
            RowKey::TraderRun(k) => self.trader_runs.get(k).map(whole).map(Row::TraderRun),
            RowKey::Fencing(k) => self.fencings.get(k).cloned().map(Row::Fencing),
            RowKey::Level(()) => self.level.map(Row::Level),
            RowKey::MemberLevel(k) => self.member_levels.get(k).copied().map(Row::MemberLevel),
            RowKey::ManagerLevel(k) => self.manager_levels.get(k).cloned().map(Row::ManagerLevel),
            RowKey::HoursUnknown(k) => self.hours_unknown.get(k).cloned().map(Row::HoursUnknown),
            RowKey::Attachment(k) => self.attachments.get(k).cloned().map(Row::Attachment),
            RowKey::Copies(k) => self.copies.get(k).cloned().map(Row::Copies),
            RowKey::Abandoned(k) => self.abandoned.get(k).cloned().map(Row::Abandoned),
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        core::iter::once(Row::Cluster(self.cluster.clone()))
            .chain(self.members.values().cloned().map(Row::Member))
            .chain(self.managers.values().cloned().map(Row::Manager))
            .chain(self.accounts.values().map(whole).map(Row::Account))
            .chain(self.brokers.values().cloned().map(Row::Broker))
            .chain(self.customers.values().map(whole).map(Row::Customer))
            .chain(self.markets.values().map(whole).map(Row::Market))
            .chain(self.traders.values().map(whole).map(Row::Trader))
            .chain(self.registers.values().cloned().map(Row::Register))
            .chain(self.answered.rows().cloned().map(Remembered::row))
            .chain(self.clients.values().cloned().map(Row::Client))
            .chain(self.group.map(Row::Group))
            .chain(self.admissions.values().cloned().map(Row::Admission))
            .chain(self.forgotten.iter().cloned().map(Row::Forgotten))
            .chain(self.locations.values().cloned().map(Row::Location))
            .chain(self.exchanges.values().cloned().map(Row::Exchange))
            .chain(self.drains.values().cloned().map(Row::Drain))
            .chain(self.dropped.values().cloned().map(Row::Dropped))
            .chain(self.rebalance.iter().cloned().map(Row::Rebalance))
            .chain(self.risks.values().cloned().map(Row::Risk))
            .chain(self.trading_states.values().cloned().map(Row::TradingState))
            .chain(self.scales.values().cloned().map(Row::Scale))
            .chain(self.provisions.values().cloned().map(Row::Provision))
            .chain(self.handed_back.values().cloned().map(Row::HandedBack))
            .chain(self.manager_disks.values().cloned().map(Row::ManagerDisk))
            .chain(self.former_venues.values().cloned().map(Row::FormerVenues))
            .chain(self.trader_runs.values().map(whole).map(Row::TraderRun))
            .chain(self.fencings.values().cloned().map(Row::Fencing))
            .chain(self.level.map(Row::Level))
            .chain(self.member_levels.values().copied().map(Row::MemberLevel))
            .chain(self.manager_levels.values().cloned().map(Row::ManagerLevel))
            .chain(self.hours_unknown.values().cloned().map(Row::HoursUnknown))
            .chain(self.attachments.values().cloned().map(Row::Attachment))
            .chain(self.copies.values().cloned().map(Row::Copies))
            .chain(self.abandoned.values().cloned().map(Row::Abandoned))
    }
}
