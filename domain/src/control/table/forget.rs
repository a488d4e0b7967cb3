//! Taking rows out of the tables. Decides nothing but that each is noted, leaves the sum, and leaves the index
//! of who holds what.

use super::Tables;
use crate::{
    calendar::Exchange,
    control::{
        command::IdempotencyKey,
        row::{Row, RowKey},
    },
    ids::{
        AccountId, ClientId, CustomerId, DrainTarget, Epoch, LocationId, ManagerId, MarketId,
        NodeId, Scope, ServiceId, TraderId,
    },
};
use alloc::sync::Arc;

impl Tables {
    fn gone(&mut self, key: RowKey, row: &Row) {
        self.changed.push(key);
        self.sum.take(row);
    }

    /// Takes an answer out of the table that remembers them.
    pub(in crate::control) fn forget_answer(&mut self, key: &IdempotencyKey) {
        if let Some(row) = self.answered.remove(key) {
            self.gone(row.row_key(), &row.row());
        }
    }

    pub(in crate::control) fn forget_client(&mut self, client: &ClientId) {
        if let Some(row) = self.clients.remove(client) {
            self.gone(RowKey::Client(client.clone()), &Row::Client(row));
        }
    }

    pub(in crate::control) fn forget_admission(&mut self, node: NodeId) {
        if let Some(row) = self.admissions.remove(&node) {
            self.gone(RowKey::Admission(node), &Row::Admission(row));
        }
        if let Some(row) = self.member_levels.remove(&node) {
            self.gone(RowKey::MemberLevel(node), &Row::MemberLevel(row));
        }
    }

    pub(in crate::control) fn forget_manager(&mut self, manager: &ManagerId) {
        if let Some(row) = self.managers.remove(manager) {
            self.gone(RowKey::Manager(manager.clone()), &Row::Manager(row));
        }
        self.forget_manager_level(manager);
        // What a name holds belongs to its disk, registered or not.
        if self.index.held(manager).is_none_or(super::index::Held::is_empty)
            && let Some(row) = self.manager_disks.remove(manager)
        {
            self.gone(RowKey::ManagerDisk(manager.clone()), &Row::ManagerDisk(row));
        }
    }

    /// What a life before said of its build says nothing of one that says nothing.
    pub(in crate::control) fn forget_manager_level(&mut self, manager: &ManagerId) {
        if let Some(row) = self.manager_levels.remove(manager) {
            self.gone(RowKey::ManagerLevel(manager.clone()), &Row::ManagerLevel(row));
        }
    }

    pub(in crate::control) fn forget_drain(&mut self, target: &DrainTarget) {
        if let Some(row) = self.drains.remove(target) {
            self.gone(RowKey::Drain(target.clone()), &Row::Drain(row));
        }
        if let Some(row) = self.hours_unknown.remove(target) {
            self.gone(RowKey::HoursUnknown(target.clone()), &Row::HoursUnknown(row));
        }
    }

    pub(in crate::control) fn forget_dropped(&mut self, manager: &ManagerId) {
        if let Some(row) = self.dropped.remove(manager) {
            self.gone(RowKey::Dropped(manager.clone()), &Row::Dropped(row));
        }
    }

    pub(in crate::control) fn forget_rebalance(&mut self) {
        if let Some(row) = self.rebalance.take() {
            self.gone(RowKey::Rebalance(()), &Row::Rebalance(row));
        }
    }

    pub(in crate::control) fn forget_account(&mut self, account: &AccountId) {
        if let Some(row) = self.accounts.remove(account) {
            self.index.singles.account(Some(&row), None);
            let row = Row::Account(Arc::unwrap_or_clone(row));
            self.gone(RowKey::Account(account.clone()), &row);
        }
    }

    pub(in crate::control) fn forget_broker(&mut self, key: &(AccountId, u16)) {
        if let Some(row) = self.brokers.remove(key) {
            self.index.forget_broker(&row);
            self.gone(RowKey::Broker(key.clone()), &Row::Broker(row));
        }
        self.forget_abandoned(key);
        let (account, shard) = key.clone();
        self.forget_handed_back(&ServiceId::Broker { account, shard });
    }

    /// One who has no Traders any more.
    pub(in crate::control) fn forget_customer(&mut self, customer: &CustomerId) {
        if let Some(row) = self.customers.remove(customer) {
            self.index.forget_customer(&row);
            let row = Row::Customer(Arc::unwrap_or_clone(row));
            self.gone(RowKey::Customer(customer.clone()), &row);
        }
    }

    pub(in crate::control) fn forget_market(&mut self, market: &MarketId) {
        if let Some(row) = self.markets.remove(market) {
            let row = Row::Market(Arc::unwrap_or_clone(row));
            self.gone(RowKey::Market(market.clone()), &row);
        }
        if let Some(row) = self.former_venues.remove(market) {
            self.gone(RowKey::FormerVenues(market.clone()), &Row::FormerVenues(row));
        }
    }

    pub(in crate::control) fn forget_trader(&mut self, trader: &TraderId) {
        if let Some(row) = self.traders.remove(trader) {
            self.index.forget_trader(&row, &self.customers);
            self.changes_hands(trader, Some(&row.spec.customer), None);
            let row = Row::Trader(Arc::unwrap_or_clone(row));
            self.gone(RowKey::Trader(trader.clone()), &row);
        }
        self.forget_handed_back(&ServiceId::Trader { trader: trader.clone() });
    }

    pub(in crate::control) fn forget_fencing(&mut self, trader: &TraderId) {
        if let Some(row) = self.fencings.remove(trader) {
            self.gone(RowKey::Fencing(trader.clone()), &Row::Fencing(row));
        }
    }

    pub(in crate::control) fn forget_abandoned(&mut self, key: &(AccountId, u16)) {
        if let Some(row) = self.abandoned.remove(key) {
            self.gone(RowKey::Abandoned(key.clone()), &Row::Abandoned(row));
        }
    }

    pub(in crate::control) fn forget_attachment(&mut self, trader: &TraderId) {
        if let Some(row) = self.attachments.remove(trader) {
            self.gone(RowKey::Attachment(trader.clone()), &Row::Attachment(row));
        }
    }

    pub(in crate::control) fn forget_trader_run(&mut self, trader: &TraderId) {
        if let Some(row) = self.trader_runs.remove(trader) {
            let row = Row::TraderRun(Arc::unwrap_or_clone(row));
            self.gone(RowKey::TraderRun(trader.clone()), &row);
        }
    }

    pub(in crate::control) fn forget_location(&mut self, location: &LocationId) {
        if let Some(row) = self.locations.remove(location) {
            self.gone(RowKey::Location(location.clone()), &Row::Location(row));
        }
    }

    pub(in crate::control) fn forget_exchange(&mut self, exchange: Exchange) {
        if let Some(row) = self.exchanges.remove(&exchange) {
            self.gone(RowKey::Exchange(exchange), &Row::Exchange(row));
        }
    }

    pub(in crate::control) fn forget_risk(&mut self, scope: &Scope) {
        if let Some(row) = self.risks.remove(scope) {
            self.limits_are_gone(scope);
            self.gone(RowKey::Risk(scope.clone()), &Row::Risk(row));
        }
    }

    pub(in crate::control) fn forget_trading_state(&mut self, scope: &Scope) {
        if let Some(row) = self.trading_states.remove(scope) {
            self.state_is_gone(scope);
            self.gone(RowKey::TradingState(scope.clone()), &Row::TradingState(row));
        }
    }

    pub(in crate::control) fn forget_scale(&mut self, location: &LocationId) {
        if let Some(row) = self.scales.remove(location) {
            self.gone(RowKey::Scale(location.clone()), &Row::Scale(row));
        }
    }

    pub(in crate::control) fn forget_provision(&mut self, request: Epoch) {
        if let Some(row) = self.provisions.remove(&request) {
            self.gone(RowKey::Provision(request), &Row::Provision(row));
        }
    }

    pub(in crate::control) fn forget_copies(&mut self, account: &AccountId) {
        if let Some(row) = self.copies.remove(account) {
            self.gone(RowKey::Copies(account.clone()), &Row::Copies(row));
        }
    }

    pub(in crate::control) fn forget_handed_back(&mut self, service: &ServiceId) {
        if let Some(row) = self.handed_back.remove(service) {
            self.gone(RowKey::HandedBack(service.clone()), &Row::HandedBack(row));
        }
    }
}
