//! Risk settings and trading states: what operators allow all, a customer, an account, a Trader. Decides what is legal
//! to set and under which version; Brokers obey. A trading state is loosened only under a higher version: who was told
//! to tighten, by whatever way, stays tight until he hears of one.

use super::{
    controls::Single,
    drain::By,
    event::EventKind,
    machine::Machine,
    refusal::{Noun, Refusal},
    row::Row,
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    ids::{Revision, Scope},
    limits,
    money::{Notional, Quantity, Share},
};
use alloc::{vec, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// What orders of a scope must keep. A rule that is not set does not hold there; of several scopes that an order is in,
/// the rules of all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RiskSpec {
    /// Units of one order.
    #[serde(default)]
    pub max_order_quantity: Option<Quantity>,
    /// Quantity times price of one order, in the quote currency.
    #[serde(default)]
    pub max_order_notional: Option<Notional>,
    /// By what share of the last quote an order's price may differ from it.
    #[serde(default)]
    pub price_band: Option<Share>,
    /// Units of one instrument, long or short, with what is open counted in.
    #[serde(default)]
    pub max_position: Option<Quantity>,
    #[serde(default)]
    pub max_open_orders: Option<u32>,
    /// New orders.
    #[serde(default)]
    pub order_rate: Option<OrdersWithin>,
    /// Orders that are the same in instrument, side, type, quantity and price.
    #[serde(default)]
    pub equal_orders: Option<OrdersWithin>,
}

/// So many at most within so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OrdersWithin {
    pub orders: u32,
    pub within_ms: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskRow {
    pub scope: Scope,
    pub spec: RiskSpec,
    /// Of the entry that last changed it.
    pub revision: Revision,
}

/// From the loosest to the tightest. Without one it is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum TradingState {
    Active,
    /// Only orders that make a position smaller.
    Reducing,
    /// No new orders, and open ones are canceled.
    Halted,
}

/// What may be asked of a trading state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradingStep {
    Set(TradingState),
    Delete,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradingTurn {
    /// It is so already.
    Same,
    /// Tightened, under the version that it has.
    VersionKept,
    /// Loosened, or said for the first time, under the version of the entry.
    VersionRaised,
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TradingStateRow {
    pub scope: Scope,
    pub state: TradingState,
    /// The entry that last loosened it, or made it. Of two words with one version the tighter counts, else the word
    /// with the higher version.
    pub version: Revision,
    /// Who set it, if that was said.
    pub by: Option<By>,
    /// Of the entry that last changed it.
    pub revision: Revision,
}

/// What is wrong with a risk setting. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RiskFault {
    #[error("max_order_quantity is zero: to let nobody trade, set the trading state to halted")]
    NoQuantity,
    #[error(
        "price_band is above 1: it is a share of the last quote, 0.05 lets a price differ by five percent"
    )]
    WideBand,
    #[error(
        "order_rate and equal_orders count one order or more within 1 to {} ms",
        limits::ORDERS_COUNTED_WITHIN.as_millis()
    )]
    Counting,
}

impl TradingState {
    pub const ALL: [Self; 3] = [Self::Active, Self::Reducing, Self::Halted];

    /// The whole table. `held`: none where nothing is said. `None`: the step is refused in this state.
    #[must_use]
    pub fn after(held: Option<Self>, step: TradingStep) -> Option<TradingTurn> {
        use TradingState::{Active, Halted, Reducing};
        use TradingStep::{Delete, Set};
        match (held, step) {
            (Some(Active), Set(Active))
            | (Some(Reducing), Set(Reducing))
            | (Some(Halted), Set(Halted)) => Some(TradingTurn::Same),
            (Some(Active), Set(Reducing | Halted)) | (Some(Reducing), Set(Halted)) => {
                Some(TradingTurn::VersionKept)
            }
            (None, Set(Active | Reducing | Halted))
            | (Some(Reducing | Halted), Set(Active))
            | (Some(Halted), Set(Reducing)) => Some(TradingTurn::VersionRaised),
            (Some(Active), Delete) => Some(TradingTurn::Deleted),
            // It would be loosened by it, and no version would tell.
            (Some(Reducing | Halted), Delete) | (None, Delete) => None,
        }
    }
}

impl fmt::Display for TradingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Reducing => "reducing",
            Self::Halted => "halted",
        })
    }
}

impl OrdersWithin {
    fn counts(self) -> bool {
        let longest = limits::ORDERS_COUNTED_WITHIN.as_millis();
        self.orders > 0 && self.within_ms > 0 && u128::from(self.within_ms) <= longest
    }
}

impl RiskSpec {
    fn check(&self) -> Result<(), RiskFault> {
        if self.max_order_quantity.is_some_and(Quantity::is_zero) {
            return Err(RiskFault::NoQuantity);
        }
        if self.price_band.is_some_and(Share::is_more_than_all) {
            return Err(RiskFault::WideBand);
        }
        let mut counting = [self.order_rate, self.equal_orders].into_iter().flatten();
        if counting.all(OrdersWithin::counts) { Ok(()) } else { Err(RiskFault::Counting) }
    }
}

impl Machine {
    /// N1: what a scope names is there.
    pub(super) fn check_scope(&self, scope: &Scope) -> Result<(), Refusal> {
        let (there, what) = match scope {
            Scope::Global => (true, Noun::Risk),
            Scope::Customer(name) => (self.customer(name).is_some(), Noun::Customer),
            Scope::Account(name) => (self.account(name).is_some(), Noun::Account),
            Scope::Trader(name) => (self.trader(name).is_some(), Noun::Trader),
        };
        if there { Ok(()) } else { Err(Refusal::NotFound { what }) }
    }

    pub(super) fn put_risk(
        &mut self,
        scope: Scope,
        spec: RiskSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        self.check_scope(&scope)?;
        spec.check().map_err(|fault| Refusal::Risk { fault })?;
        self.check_single(&scope, Single::Limits)?;
        if self.risk(&scope).is_some_and(|row| row.spec == spec) {
            return Ok(vec![]);
        }
        self.tables.put(Row::Risk(RiskRow { scope: scope.clone(), spec, revision }));
        Ok(vec![EventKind::RiskChanged { scope }])
    }

    pub(super) fn put_trading_state(
        &mut self,
        scope: Scope,
        state: TradingState,
        by: Option<By>,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        self.check_scope(&scope)?;
        let held = self.trading_state(&scope).map(|row| (row.state, row.version));
        let turn = TradingState::after(held.map(|(state, _)| state), TradingStep::Set(state));
        if turn == Some(TradingTurn::Same) {
            return Ok(vec![]);
        }
        self.check_single(&scope, Single::State)?;
        let kept = held.filter(|_| turn == Some(TradingTurn::VersionKept));
        let version = kept.map_or(revision, |(_, version)| version);
        let row = TradingStateRow { scope: scope.clone(), state, version, by, revision };
        self.tables.put(Row::TradingState(row));
        Ok(vec![EventKind::TradingStateChanged { scope, state, version }])
    }

    pub(super) fn remove_trading_state(&mut self, scope: Scope) -> Result<Vec<EventKind>, Refusal> {
        let held = self.trading_state(&scope).map(|row| row.state);
        if TradingState::after(held, TradingStep::Delete).is_none() {
            let unsaid = Refusal::NotFound { what: Noun::TradingState };
            return Err(held.map_or(unsaid, |state| Refusal::NotActive { state }));
        }
        self.tables.forget_trading_state(&scope);
        Ok(vec![EventKind::TradingStateDeleted { scope }])
    }
}

#[cfg(test)]
mod tests;
