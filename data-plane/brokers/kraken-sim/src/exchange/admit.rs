//! Whether an order or an amend is taken. Decides which error text it gets, the first that applies, in the order a
//! client can mend them: the engine's state, the form, the steps and minimums, the ids, the limits, the funds.

use core::time::Duration;

use rust_decimal::Decimal;
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::limits::{CLIENT_ID_CHARS, DEADLINE_MAX};
use tradewind_kraken::number::Number;
use tradewind_kraken::rate::Action;
use tradewind_kraken::ws::market::System;
use tradewind_kraken::ws::request::OrderType;
use tradewind_sim::engine::OrderKey;
use tradewind_sim::instrument::{Lots, Ticks};

use super::{Amend, Exchange, Name, monotonic};
use crate::errors;
use crate::ledger::event::Force;

/// The two interfaces have different words for some errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    Rest,
    Ws,
}

/// An order as it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) via: Via,
    pub(crate) symbol: String,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) quantity: Option<Number>,
    pub(crate) limit: Option<Number>,
    pub(crate) force: Force,
    pub(crate) post_only: bool,
    pub(crate) cl_ord_id: Option<String>,
    pub(crate) userref: Option<i64>,
    pub(crate) expires: Option<UnixNanos>,
    pub(crate) deadline: Option<UnixNanos>,
    pub(crate) validate: bool,
    /// One of several, which cost less each.
    pub(crate) in_batch: bool,
}

impl Wanted {
    pub(crate) fn is_market(&self) -> bool {
        self.order_type == OrderType::Market
    }
}

/// An order that is taken.
#[derive(Debug)]
pub(super) struct Admitted {
    /// A resting order of our own that it would trade with.
    pub(super) stop: Option<Ticks>,
}

/// Of a free client id.
fn is_client_id(text: &str) -> bool {
    let hex = text.bytes().filter(|byte| *byte != b'-').all(|byte| byte.is_ascii_hexdigit());
    let is_uuid = hex && (text.len() == 32 || text.len() == 36);
    is_uuid || (!text.is_empty() && text.is_ascii() && text.len() <= CLIENT_ID_CHARS)
}

impl Exchange {
    /// The order is counted, whether it is legal or not.
    pub(super) fn charge_add(&mut self, want: &Wanted, now: UnixNanos) -> Result<(), String> {
        let Some(pair) = self.pair(&want.symbol) else { return Ok(()) };
        let action = if want.in_batch { Action::AddBatch { orders: 1 } } else { Action::Add };
        let rate = &mut self.markets[pair].rate;
        rate.admit(action.cost(), 0, monotonic(now)).map_err(|_| errors::ORDER_RATE.to_owned())
    }

    pub(super) fn admit(
        &self,
        want: &Wanted,
        now: UnixNanos,
        with_funds: bool,
    ) -> Result<Admitted, String> {
        self.admits_now(want.post_only, want.deadline, now)?;
        let pair = self.pair(&want.symbol).ok_or_else(|| match want.via {
            Via::Rest => errors::UNKNOWN_PAIR.to_owned(),
            Via::Ws => errors::unsupported_pair(&want.symbol),
        })?;
        check_form(want, now)?;
        let quantity = want.quantity.ok_or_else(|| errors::invalid("volume"))?;
        let lots = self.check_quantity(pair, quantity, want.via)?;
        let limit = want.limit.map(|limit| self.check_price(pair, limit)).transpose()?;
        let at = limit.or_else(|| self.best_against(pair, want.side));
        self.check_cost(pair, lots, at)?;
        let stop = self.own_crossing(pair, want.side, limit, None);
        if want.post_only && limit.is_some_and(|limit| self.crosses(pair, want.side, limit)) {
            return Err(errors::POST_ONLY.to_owned());
        }
        if want.cl_ord_id.clone().is_some_and(|id| !self.named(&Name::Client(id)).is_empty()) {
            return Err(errors::DUPLICATE.to_owned());
        }
        let open = self.state.open_orders().filter(|order| order.pair == pair).count();
        if open >= self.tier.open_orders() {
            return Err(errors::TOO_MANY_ORDERS.to_owned());
        }
        if with_funds && !self.has_funds(pair, want.side, lots, at, Decimal::ZERO) {
            return Err(errors::FUNDS.to_owned());
        }
        Ok(Admitted { stop })
    }

    /// The order, its new quantity and its new limit.
    pub(super) fn check_amend(
        &self,
        amend: &Amend,
        now: UnixNanos,
    ) -> Result<(OrderKey, Lots, Option<Ticks>), String> {
        self.admits_now(true, amend.deadline, now)?;
        let [key] = self.named(&amend.name)[..] else {
            return Err(errors::UNKNOWN_ORDER.to_owned());
        };
        let order = self.state.entry(key).ok_or_else(|| errors::UNKNOWN_ORDER.to_owned())?;
        let pair = order.pair;
        let lots = match amend.quantity {
            Some(quantity) => self.check_quantity(pair, quantity, Via::Ws)?,
            None => order.quantity,
        };
        let limit = match amend.limit {
            Some(limit) => Some(self.check_price(pair, limit)?),
            None => order.limit,
        };
        let moves = limit != order.limit;
        if (amend.post_only || order.post_only)
            && moves
            && limit.is_some_and(|limit| self.crosses(pair, order.side, limit))
        {
            return Err(errors::POST_ONLY.to_owned());
        }
        let instrument = &self.state.pairs[pair].instrument;
        let left = instrument.quantity(order.left()).decimal();
        let freed = match (order.side, order.limit) {
            (Side::Buy, Some(limit)) => left * instrument.price(limit).decimal(),
            _ => left,
        };
        let wanted = lots.less(order.filled);
        if !self.has_funds(pair, order.side, wanted, limit, freed) {
            return Err(errors::FUNDS.to_owned());
        }
        Ok((key, lots, limit))
    }

    /// A price of a resting order of ours that an order with this limit would reach.
    pub(super) fn own_crossing(
        &self,
        pair: usize,
        side: Side,
        limit: Option<Ticks>,
        but: Option<OrderKey>,
    ) -> Option<Ticks> {
        let others = self
            .state
            .open_orders()
            .filter(|order| order.pair == pair && order.side != side && Some(order.key) != but);
        let prices = others.filter_map(|order| order.limit);
        match side {
            Side::Buy => prices.min().filter(|ask| limit.is_none_or(|limit| limit >= *ask)),
            Side::Sell => prices.max().filter(|bid| limit.is_none_or(|limit| limit <= *bid)),
        }
    }

    /// Whether the engine takes anything of the kind at this time.
    fn admits_now(
        &self,
        post_only: bool,
        deadline: Option<UnixNanos>,
        now: UnixNanos,
    ) -> Result<(), String> {
        match self.system {
            System::Online => {}
            System::PostOnly if post_only => {}
            System::PostOnly => return Err(errors::POST_ONLY_MARKET.to_owned()),
            System::CancelOnly => return Err(errors::CANCEL_ONLY.to_owned()),
            System::Maintenance | System::Unknown => return Err(errors::UNAVAILABLE.to_owned()),
        }
        let slack = Duration::from_secs(1);
        match deadline {
            Some(deadline) if now > deadline => Err(errors::DEADLINE.to_owned()),
            Some(deadline) if deadline.since(now) > DEADLINE_MAX + slack => {
                Err(errors::invalid("deadline"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_quantity(&self, pair: usize, number: Number, via: Via) -> Result<Lots, String> {
        let pair = &self.state.pairs[pair];
        if number.0 < pair.order_min {
            return Err(match via {
                Via::Rest => errors::ORDER_MINIMUM.to_owned(),
                Via::Ws => errors::VOLUME_MINIMUM.to_owned(),
            });
        }
        let lots = number.quantity().and_then(|quantity| pair.instrument.lots(quantity));
        lots.ok_or_else(|| errors::invalid("volume"))
    }

    fn check_price(&self, pair: usize, number: Number) -> Result<Ticks, String> {
        let price = number.price().ok_or_else(|| errors::invalid("price"))?;
        let ticks = self.state.pairs[pair].instrument.ticks(price);
        ticks.ok_or_else(|| errors::TICK_SIZE.to_owned())
    }

    fn check_cost(&self, pair: usize, lots: Lots, at: Option<Ticks>) -> Result<(), String> {
        let pair = &self.state.pairs[pair];
        let Some(at) = at else { return Ok(()) };
        let cost = pair.instrument.quantity(lots).decimal() * pair.instrument.price(at).decimal();
        if cost < pair.cost_min { Err(errors::COST_MINIMUM.to_owned()) } else { Ok(()) }
    }

    /// Whether the account has what the order holds, `freed` of which it held before.
    fn has_funds(
        &self,
        pair: usize,
        side: Side,
        lots: Lots,
        at: Option<Ticks>,
        freed: Decimal,
    ) -> bool {
        let pair = &self.state.pairs[pair];
        let quantity = pair.instrument.quantity(lots).decimal();
        let (asset, needed) = match (side, at) {
            (Side::Sell, _) => (pair.base, quantity),
            (Side::Buy, Some(at)) => (pair.quote, quantity * pair.instrument.price(at).decimal()),
            (Side::Buy, None) => return true,
        };
        needed <= self.state.balance(asset) - self.state.held(asset) + freed
    }

    /// The best price on the other side.
    fn best_against(&self, pair: usize, side: Side) -> Option<Ticks> {
        let top = self.markets[pair].book.top();
        match side {
            Side::Buy => top.ask.map(|(price, _)| price),
            Side::Sell => top.bid.map(|(price, _)| price),
        }
    }

    fn crosses(&self, pair: usize, side: Side, limit: Ticks) -> bool {
        self.best_against(pair, side).is_some_and(|best| match side {
            Side::Buy => limit >= best,
            Side::Sell => limit <= best,
        })
    }
}

/// What can be said of an order without knowing the market.
fn check_form(want: &Wanted, now: UnixNanos) -> Result<(), String> {
    match (want.order_type, want.limit) {
        (OrderType::Limit, Some(_)) | (OrderType::Market, None) => {}
        (OrderType::Limit, None) => return Err(errors::invalid("price")),
        (OrderType::Market, Some(_)) => return Err(errors::invalid("limit_price")),
        // Orders with triggers are not simulated.
        _ => return Err(errors::invalid("ordertype")),
    }
    if want.post_only && (want.is_market() || want.force == Force::Ioc) {
        return Err(errors::invalid("post_only"));
    }
    if want.cl_ord_id.is_some() && want.userref.is_some() {
        return Err(errors::invalid("cl_ord_id and userref"));
    }
    if want.cl_ord_id.as_deref().is_some_and(|id| !is_client_id(id)) {
        return Err(errors::invalid("cl_ord_id"));
    }
    match (want.force, want.expires) {
        (Force::Gtd, Some(at)) if at > now => Ok(()),
        (Force::Gtd, _) => Err(errors::invalid("expire_time")),
        (Force::Gtc | Force::Ioc, Some(_)) => Err(errors::invalid("time_in_force")),
        (Force::Gtc | Force::Ioc, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_have_the_documented_forms() {
        for good in [
            "6d1b345e-2821-40e2-ad83-4ecb18a06876",
            "6d1b345e282140e2ad834ecb18a06876",
            "b17c7bb34d000200",
            "exactly-18-letters",
        ] {
            assert!(is_client_id(good), "{good}");
        }
        for bad in ["", "exactly-19-letters!", "zd1b345e282140e2ad834ecb18a06876", "größer"] {
            assert!(!is_client_id(bad), "{bad}");
        }
    }
}
