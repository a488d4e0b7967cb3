//! What operators declare: accounts, customers, Markets, Traders, hours, and the registers of the test range.
//! Decides what is legal to declare and what a change of it means for what stands already.

use super::{
    event::EventKind,
    level::FeatureLevel,
    machine::{Machine, long},
    refusal::{Noun, Refusal},
    row::{
        AccountRow, AccountSpec, BrokerRow, CustomerRow, CustomerSpec, ExchangeRow, LocationRow,
        LocationSpec, MarketRow, MarketSpec, RegisterRow, Row, TraderRow, TraderSpec, TraderWish,
    },
    trader::Turn,
};
use crate::{
    calendar::{Day, Exchange, Hours, OperatorDay, hours::OperatorDays},
    ids::{
        AccountId, CustomerId, Epoch, LocationId, ManagerId, MarketId, RegisterId, Revision,
        ServiceId, TraderId,
    },
    limits,
};
use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};

impl Machine {
    pub(super) fn put_account(
        &mut self,
        account: AccountId,
        spec: AccountSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        let many = spec.customers.len() > limits::CUSTOMERS_PER_ACCOUNT;
        if many || long(&spec.adapter) || long(&spec.endpoint) {
            return Err(Refusal::TooLarge { what: Noun::Account });
        }
        if spec.customers.iter().any(|customer| !self.tables.customers.contains_key(customer)) {
            return Err(Refusal::NotFound { what: Noun::Customer });
        }
        self.check_single_of(&account, &spec.customers)?;
        let ledger = (account.clone(), 0);
        if !self.tables.brokers.contains_key(&ledger) {
            let (account, shard) = ledger;
            self.tables.put(Row::Broker(BrokerRow { account, shard, assignment: None }));
        }
        if self.account(&account).is_some_and(|row| row.spec == spec) {
            return Ok(vec![]);
        }
        self.tables.put(Row::Account(AccountRow { account: account.clone(), spec, revision }));
        Ok(vec![EventKind::AccountChanged { account }])
    }

    pub(super) fn put_customer(
        &mut self,
        customer: CustomerId,
        spec: CustomerSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        if spec.key_hashes.len() > limits::KEYS_PER_CUSTOMER {
            return Err(Refusal::TooLarge { what: Noun::Customer });
        }
        let held = self.tables.customers.get(&customer);
        if held.is_some_and(|row| row.spec == spec) {
            return Ok(vec![]);
        }
        let affinity = held.and_then(|row| row.affinity.clone());
        let affinity_version = held.map_or(0, |row| row.affinity_version);
        let row = customer.clone();
        let row = CustomerRow { customer: row, spec, affinity, affinity_version, revision };
        self.tables.put(Row::Customer(row));
        Ok(vec![EventKind::CustomerChanged { customer }])
    }

    pub(super) fn put_market(
        &mut self,
        market: MarketId,
        spec: MarketSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        if spec.routes.len() > limits::ROUTES_PER_MARKET {
            return Err(Refusal::TooLarge { what: Noun::Market });
        }
        let before = self.tables.markets.get(&market).cloned();
        if before.as_ref().is_some_and(|row| row.spec == spec) {
            return Ok(vec![]);
        }
        if let Some(before) = before {
            self.leave_venues(&market, &before.spec, &spec, revision);
        }
        let epoch = Epoch(revision.0);
        self.tables.put(Row::Market(MarketRow { market: market.clone(), spec, epoch }));
        Ok(vec![EventKind::MarketChanged { market }])
    }

    pub(super) fn put_trader(
        &mut self,
        trader: TraderId,
        spec: TraderSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        let words = &spec.command;
        let bytes: usize = words.iter().map(String::len).sum();
        let large = words.len() > limits::COMMAND_WORDS || bytes > limits::COMMAND_BYTES;
        if words.is_empty() || large {
            return Err(Refusal::TooLarge { what: Noun::Command });
        }
        let events = self.put_trader_row(trader.clone(), spec, revision)?;
        // A copy that was attached is fenced when the first one is to start.
        self.tables.forget_attachment(&trader);
        Ok(events)
    }

    pub(super) fn put_trader_row(
        &mut self,
        trader: TraderId,
        spec: TraderSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.trader(&trader);
        if held.is_some_and(|row| row.spec == spec) {
            return Ok(vec![]);
        }
        // A Trader that changes hands starts anew: its old assignment was another customer's. So does one that is run by
        // its customer from now on, or no longer.
        let same = held.filter(|row| {
            row.spec.customer == spec.customer
                && row.spec.is_self_managed() == spec.is_self_managed()
        });
        // Looked for only where the Trader does not prove him: among many it is the dearer half.
        if same.is_none() && !self.tables.customers.contains_key(&spec.customer) {
            return Err(Refusal::NotFound { what: Noun::Customer });
        }
        if let Some(before) = held.map(|row| &row.spec.customer).filter(|of| **of != spec.customer)
        {
            self.check_single_moves(&trader, before, &spec.customer)?;
        }
        let turn = TraderWish::after(same.map(|before| before.spec.state), spec.state);
        let starts = turn == Turn::Starts;
        let assignment = same.and_then(|row| row.assignment.clone());
        let assignment = assignment.filter(|held| !starts || self.takes_one_more(&held.manager));
        let wants = starts.then(|| (spec.customer.clone(), self.weight_of(&spec.customer)));
        let row = TraderRow { trader: trader.clone(), spec, assignment, revision };
        self.tables.put(Row::Trader(row));
        // What crashed was something else.
        self.tables.forget_handed_back(&ServiceId::Trader { trader: trader.clone() });
        let told = wants.and_then(|(customer, before)| self.no_room(&trader, &customer, before));
        Ok([EventKind::TraderChanged { trader }].into_iter().chain(told).collect())
    }

    /// One that starts anew stays where it was only if that takes something new (D1).
    fn takes_one_more(&self, manager: &ManagerId) -> bool {
        // Earlier builds looked for room alone.
        let open = self.level() < FeatureLevel::THIRD || self.cordon(manager).is_none();
        open && self.has_room(manager)
    }

    pub(super) fn put_register(
        &mut self,
        register: RegisterId,
        value: String,
        expected: Option<String>,
    ) -> Result<Vec<EventKind>, Refusal> {
        if value.len() > limits::REGISTER_VALUE_BYTES {
            return Err(Refusal::TooLarge { what: Noun::Register });
        }
        let held = self.tables.registers.get(&register).map(|row| row.value.clone());
        if expected.is_some() && held != expected {
            return Err(Refusal::Mismatch { held });
        }
        self.tables.put(Row::Register(RegisterRow { register, value }));
        Ok(vec![])
    }

    pub(super) fn put_location(
        &mut self,
        location: LocationId,
        spec: LocationSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        if spec.after_hours.len() > limits::HOURS_PER_LOCATION {
            return Err(Refusal::TooLarge { what: Noun::Location });
        }
        let held = self.location(&location);
        if held.is_some_and(|row| row.spec == spec) {
            return Ok(vec![]);
        }
        if held.is_none() && self.tables.locations.len() >= limits::LOCATIONS {
            return Err(Refusal::TooMany { what: Noun::Location });
        }
        if let Some(by) = self.need_of_location(&location).filter(|_| spec.after_hours.is_empty()) {
            return Err(Refusal::InUse { what: Noun::Location, by });
        }
        let row = LocationRow { location: location.clone(), spec, revision };
        self.tables.put(Row::Location(row));
        Ok(vec![EventKind::LocationChanged { location }])
    }

    pub(super) fn put_exchange_days(
        &mut self,
        exchange: Exchange,
        days: BTreeMap<Day, OperatorDay>,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        if days.len() > limits::OPERATOR_DAYS {
            return Err(Refusal::TooLarge { what: Noun::Exchange });
        }
        if self.exchange_days(exchange) == Some(&days) {
            return Ok(vec![]);
        }
        self.tables.put(Row::Exchange(ExchangeRow { exchange, days, revision }));
        Ok(vec![EventKind::ExchangeChanged { exchange }])
    }

    /// When it is after hours in a location; empty if nobody has said.
    #[must_use]
    pub fn hours(&self, location: &LocationId) -> &[Hours] {
        let row = self.tables.locations.get(location);
        row.map_or(&[], |row| &row.spec.after_hours)
    }

    /// What an operator says of an exchange's days.
    #[must_use]
    pub fn exchange_days(&self, exchange: Exchange) -> Option<&BTreeMap<Day, OperatorDay>> {
        self.tables.exchanges.get(&exchange).map(|row| &row.days)
    }

    /// The same of all exchanges of which something was said.
    #[must_use]
    pub fn operator_days(&self) -> OperatorDays {
        self.exchanges().map(|row| (row.exchange, row.days.clone())).collect()
    }
}
