//! Reading the machine, and storing it row by row. Decides nothing.

use super::{
    answered::Remembered,
    machine::Machine,
    risk::{RiskRow, TradingStateRow},
    row::{
        AccountRow, BrokerRow, ClusterRow, CustomerRow, ExchangeRow, LocationRow, ManagerRow,
        MarketRow, MemberRow, RegisterRow, Row, RowKey, TraderRow,
    },
    state_hash::StateHash,
    table::Tables,
};
use crate::{
    calendar::Exchange,
    ids::{
        AccountId, BrokerId, CustomerId, Epoch, Fence, KeyHash, LocationId, ManagerId, MarketId,
        NodeId, RegisterId, Scope, TraderId,
    },
    time::UnixNanos,
};
use alloc::sync::Arc;
use core::ops::Bound::{Excluded, Unbounded};
use imbl::OrdMap;

/// Brokers, customers and Traders that a Manager was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    pub brokers: usize,
    pub customers: usize,
    /// Wherever their customers are by now.
    pub traders: u32,
}

impl Machine {
    /// One row as it stands; `None` if there is none.
    #[must_use]
    pub fn row(&self, key: &RowKey) -> Option<Row> {
        self.tables.row(key)
    }

    /// Every row: what a snapshot holds.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.tables.rows()
    }

    /// Of all rows, kept up to date by every change: two machines with one hash hold the same. Cheap.
    #[must_use]
    pub fn state_hash(&self) -> StateHash {
        self.tables.state_hash()
    }

    /// The machine that has these rows.
    #[must_use]
    pub fn from_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut tables = Tables::default();
        rows.into_iter().for_each(|row| tables.insert(row));
        Self { tables }
    }

    /// Commands that were answered and are remembered, in the order of their keys.
    pub fn answered(&self) -> impl Iterator<Item = &Remembered> + '_ {
        self.tables.answered.rows()
    }

    #[must_use]
    pub fn answered_count(&self) -> usize {
        self.tables.answered.len()
    }

    /// From when on the oldest answer of all has been remembered, by the log's time.
    #[must_use]
    pub fn answered_from(&self) -> Option<UnixNanos> {
        self.tables.answered.oldest_from()
    }

    #[must_use]
    pub fn cluster(&self) -> &ClusterRow {
        &self.tables.cluster
    }

    /// The fence for an epoch of this life of the cluster.
    #[must_use]
    pub fn fence(&self, epoch: Epoch) -> Fence {
        Fence { cluster: self.tables.cluster.opened().unwrap_or_default(), epoch }
    }

    #[must_use]
    pub fn member(&self, node: NodeId) -> Option<&MemberRow> {
        self.tables.members.get(&node)
    }

    #[must_use]
    pub fn manager(&self, manager: &ManagerId) -> Option<&ManagerRow> {
        self.tables.managers.get(manager)
    }

    #[must_use]
    pub fn account(&self, account: &AccountId) -> Option<&AccountRow> {
        self.tables.accounts.get(account).map(Arc::as_ref)
    }

    #[must_use]
    pub fn customer(&self, customer: &CustomerId) -> Option<&CustomerRow> {
        self.tables.customers.get(customer).map(Arc::as_ref)
    }

    /// Whose API key has this hash.
    #[must_use]
    pub fn key_owner(&self, hash: &KeyHash) -> Option<&CustomerId> {
        self.tables.index.key_owners(hash).next()
    }

    #[must_use]
    pub fn trader(&self, trader: &TraderId) -> Option<&TraderRow> {
        self.tables.traders.get(trader).map(Arc::as_ref)
    }

    #[must_use]
    pub fn market(&self, market: &MarketId) -> Option<&MarketRow> {
        self.tables.markets.get(market).map(Arc::as_ref)
    }

    #[must_use]
    pub fn location(&self, location: &LocationId) -> Option<&LocationRow> {
        self.tables.locations.get(location)
    }

    #[must_use]
    pub fn exchange(&self, exchange: Exchange) -> Option<&ExchangeRow> {
        self.tables.exchanges.get(&exchange)
    }

    #[must_use]
    pub fn risk(&self, scope: &Scope) -> Option<&RiskRow> {
        self.tables.risks.get(scope)
    }

    #[must_use]
    pub fn trading_state(&self, scope: &Scope) -> Option<&TradingStateRow> {
        self.tables.trading_states.get(scope)
    }

    #[must_use]
    pub fn register(&self, register: &RegisterId) -> Option<&RegisterRow> {
        self.tables.registers.get(register)
    }

    pub fn members(&self) -> impl Iterator<Item = &MemberRow> {
        self.tables.members.values()
    }

    pub fn managers(&self) -> impl Iterator<Item = &ManagerRow> {
        self.tables.managers.values()
    }

    pub fn accounts(&self) -> impl Iterator<Item = &AccountRow> {
        self.tables.accounts.values().map(Arc::as_ref)
    }

    pub fn brokers(&self) -> impl Iterator<Item = &BrokerRow> {
        self.tables.brokers.values()
    }

    pub fn customers(&self) -> impl Iterator<Item = &CustomerRow> {
        self.tables.customers.values().map(Arc::as_ref)
    }

    pub fn markets(&self) -> impl Iterator<Item = &MarketRow> {
        self.tables.markets.values().map(Arc::as_ref)
    }

    pub fn traders(&self) -> impl Iterator<Item = &TraderRow> {
        self.tables.traders.values().map(Arc::as_ref)
    }

    pub fn exchanges(&self) -> impl Iterator<Item = &ExchangeRow> {
        self.tables.exchanges.values()
    }

    /// How much a Manager was given, registered or not.
    #[must_use]
    pub fn placed(&self, manager: &ManagerId) -> Placed {
        self.tables.index.held(manager).map_or_else(Placed::default, |held| Placed {
            brokers: held.brokers.len(),
            customers: held.customers.len(),
            traders: held.traders,
        })
    }

    #[must_use]
    pub fn broker(&self, broker: &BrokerId) -> Option<&BrokerRow> {
        self.tables.brokers.get(&(broker.account.clone(), broker.shard))
    }

    /// An account's Brokers, one a shard.
    pub fn brokers_of(&self, account: &AccountId) -> impl Iterator<Item = &BrokerRow> {
        let all = (account.clone(), 0)..=(account.clone(), u16::MAX);
        self.tables.brokers.range(all).map(|(_, row)| row)
    }

    /// A customer's Traders, in the order of their names, from the one behind `after` on.
    pub fn traders_of<'a>(
        &'a self,
        customer: &'a CustomerId,
        after: Option<&TraderId>,
    ) -> impl Iterator<Item = &'a TraderRow> + use<'a> {
        let names = self.tables.index.traders_after(customer, after);
        names.filter_map(|trader| self.trader(trader))
    }
}

/// In the order of their names, from the one behind `after` on.
impl Machine {
    pub fn accounts_after(&self, after: Option<&AccountId>) -> impl Iterator<Item = &AccountRow> {
        behind(&self.tables.accounts, after).map(Arc::as_ref)
    }

    pub fn customers_after(
        &self,
        after: Option<&CustomerId>,
    ) -> impl Iterator<Item = &CustomerRow> {
        behind(&self.tables.customers, after).map(Arc::as_ref)
    }

    pub fn markets_after(&self, after: Option<&MarketId>) -> impl Iterator<Item = &MarketRow> {
        behind(&self.tables.markets, after).map(Arc::as_ref)
    }

    pub fn traders_after(&self, after: Option<&TraderId>) -> impl Iterator<Item = &TraderRow> {
        behind(&self.tables.traders, after).map(Arc::as_ref)
    }

    pub fn managers_after(&self, after: Option<&ManagerId>) -> impl Iterator<Item = &ManagerRow> {
        behind(&self.tables.managers, after)
    }

    pub fn brokers_after(&self, after: Option<&BrokerId>) -> impl Iterator<Item = &BrokerRow> {
        let after = after.map(|after| (after.account.clone(), after.shard));
        behind(&self.tables.brokers, after.as_ref())
    }

    pub fn locations_after(
        &self,
        after: Option<&LocationId>,
    ) -> impl Iterator<Item = &LocationRow> {
        behind(&self.tables.locations, after)
    }

    pub fn risks_after(&self, after: Option<&Scope>) -> impl Iterator<Item = &RiskRow> {
        behind(&self.tables.risks, after)
    }

    pub fn trading_states_after(
        &self,
        after: Option<&Scope>,
    ) -> impl Iterator<Item = &TradingStateRow> {
        behind(&self.tables.trading_states, after)
    }
}

fn behind<'a, K: Ord + Clone, R: Clone>(
    rows: &'a OrdMap<K, R>,
    after: Option<&K>,
) -> impl Iterator<Item = &'a R> + use<'a, K, R> {
    let from = after.map_or(Unbounded, |after| Excluded(after.clone()));
    rows.range((from, Unbounded)).map(|(_, row)| row)
}
