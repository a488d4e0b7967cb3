//! The exchange: orders, cancels and the street meet the books. Decides what happens to each request, and in
//! which order it is told; pure and synchronous: time is passed in, writing down and sending are left to
//! `venue`.
//!
//! X1 a venue order id is placed at most once for ever, however often it arrives. X2 an order that arrives
//! after its deadline is never placed; so once a complete sweep bears a later time, an order it does not
//! list was not placed and will not be. X3 every arrival is an event, whatever became of it.

mod ends;
mod market;
mod matching;
mod positions;
mod replace;

use std::collections::{BTreeMap, BTreeSet};

use tradewind_domain::{
    ids::{AccountId, InstrumentId, VenueOrderId},
    time::UnixNanos,
    trading::{self, Conditions, Quote, TimeInForce},
};

use crate::engine::{OrderKey, StreetLevel};
use crate::fees::Fees;
use crate::instrument::Instrument;
use crate::ledger::event::{CancelCause, Event, Fate};
use crate::ledger::state::{Entry, Inconsistent, State};
use crate::wire::{LedgerPage, Outcome, Page, RefusalCode, Submission, VenueFill, VenueOrder};
use market::Market;

/// What is to be told, in order, once the events are on disk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    Order(AccountId, VenueOrder),
    Fill(AccountId, VenueFill),
    Quote { instrument: InstrumentId, seq: u64, quote: Quote },
    Trade { instrument: InstrumentId, number: u64, trade: trading::Trade },
}

/// What one call did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// To be written down before anything is told.
    pub(crate) events: Vec<Event>,
    pub(crate) told: Vec<Told>,
}

/// A refusal and the reason.
type Refused = (RefusalCode, String);

/// See the module.
pub(crate) struct Exchange {
    state: State,
    markets: BTreeMap<InstrumentId, Market>,
    /// When the time of open orders is over, of those that have one.
    ends: BTreeSet<(UnixNanos, OrderKey)>,
    fees: Fees,
}

impl Exchange {
    /// Takes up a ledger where it stands: open orders go back into their books, in the order they came
    /// and before any street. An empty one is opened: that is the first event to be written down.
    pub(crate) fn resume(
        mut state: State,
        instruments: Vec<Instrument>,
        now: UnixNanos,
    ) -> Result<(Self, Done), Inconsistent> {
        let mut done = Done::default();
        if !state.is_opened() {
            let opened = Event::Opened { at: now };
            state.apply(&opened)?;
            done.events.push(opened);
        }
        let markets = instruments.into_iter().map(|i| (i.id.clone(), Market::new(i, now)));
        let (markets, ends) = (markets.collect(), BTreeSet::new());
        let mut exchange = Self { state, markets, ends, fees: Fees::default() };
        for (account, fill) in exchange.state.fills() {
            let Some(market) = exchange.markets.get_mut(&fill.instrument) else { continue };
            let quantity = market.instrument.lots(fill.quantity).unwrap_or_default();
            market.positions.fill(account, fill.side, quantity);
        }
        let open: Vec<OrderKey> = exchange.state.open_orders().map(|(key, _)| key).collect();
        for key in open {
            exchange.hold(key)?;
            let order = &exchange.entry(key)?.order;
            if order.waits() {
                continue;
            }
            let (name, none) = (order.instrument.clone(), Inconsistent::CannotRest(key.0));
            let resting = exchange.incoming(key)?;
            let price = resting.limit.ok_or(none)?;
            if let Some(market) = exchange.markets.get_mut(&name) {
                market.book.rest(key, resting.side, price, resting.quantity);
            }
        }
        for market in exchange.markets.values_mut() {
            market.refresh(now, false);
        }
        Ok((exchange, done))
    }

    /// What trades cost from now on: nothing unless told.
    pub(crate) fn with_fees(self, fees: Fees) -> Self {
        Self { fees, ..self }
    }

    /// An order arrives. The outcome is to be told first.
    pub(crate) fn submit(
        &mut self,
        account: &AccountId,
        order: Submission,
        now: UnixNanos,
    ) -> Result<(Outcome, Done), Inconsistent> {
        self.arrive(account, order, None, now)
    }

    /// An order arrives and is refused whatever it is, on demand.
    pub(crate) fn refuse(
        &mut self,
        account: &AccountId,
        order: Submission,
        now: UnixNanos,
    ) -> Result<(Outcome, Done), Inconsistent> {
        let demanded = (RefusalCode::InvalidOrder, "refused on demand".to_owned());
        self.arrive(account, order, Some(demanded), now)
    }

    fn arrive(
        &mut self,
        account: &AccountId,
        order: Submission,
        demanded: Option<Refused>,
        now: UnixNanos,
    ) -> Result<(Outcome, Done), Inconsistent> {
        let mut done = Done::default();
        self.expire_into(now, &mut done)?;
        let admitted = self.admit(account, &order, now);
        let admitted = admitted.and_then(|conditions| demanded.map_or(Ok(conditions), Err));
        let fate = match &admitted {
            Ok(_) => Fate::Placed,
            Err((RefusalCode::Duplicate, _)) => Fate::Duplicate,
            Err((code, reason)) => Fate::Refused { code: *code, reason: reason.clone() },
        };
        let (name, key) = (order.instrument.clone(), self.state.next_key());
        let conditions = *admitted.as_ref().unwrap_or(&order.conditions);
        self.record(
            Event::arrived(account.clone(), order.into(), conditions, now, fate),
            &mut done,
        )?;
        if let Err((code, reason)) = admitted {
            return Ok((Outcome::Refused { code, reason }, done));
        }
        let placed = self.entry(key)?.order.clone();
        self.take_in(&name, key, now, &mut done)?;
        self.tell_quote(&name, now, false, &mut done);
        Ok((Outcome::Done(placed), done))
    }

    /// A cancel arrives. The outcome is to be told first.
    pub(crate) fn cancel(
        &mut self,
        account: &AccountId,
        id: VenueOrderId,
        now: UnixNanos,
    ) -> Result<(Outcome, Done), Inconsistent> {
        let mut done = Done::default();
        self.expire_into(now, &mut done)?;
        let found = self.state.find(account, id);
        let refused = match found {
            None => Some((RefusalCode::UnknownOrder, "no order of yours has this id".to_owned())),
            Some((_, Entry { order, .. })) if order.state.is_terminal() => {
                Some((RefusalCode::TooLate, format!("the order is {:?}", order.state)))
            }
            Some(_) => None,
        };
        let key = found.map(|(key, _)| key);
        let (Some(key), None) = (key, &refused) else {
            let (code, reason) = refused.unwrap_or_else(unknown_order);
            let account = account.clone();
            let event = Event::CancelRefused { account, order: id, code, at: now };
            self.record(event, &mut done)?;
            return Ok((Outcome::Refused { code, reason }, done));
        };
        let name = self.entry(key)?.order.instrument.clone();
        self.end(key, CancelCause::Client, now, &mut done)?;
        self.trigger(&name, now, &mut done)?;
        self.tell_quote(&name, now, false, &mut done);
        Ok((Outcome::Done(self.entry(key)?.order.clone()), done))
    }

    /// The recording sets levels of an instrument's street.
    pub(crate) fn set_street(
        &mut self,
        name: &InstrumentId,
        levels: &[StreetLevel],
        now: UnixNanos,
    ) -> Result<Done, Inconsistent> {
        let mut done = Done::default();
        self.expire_into(now, &mut done)?;
        self.street_comes(name, levels, now, &mut done)?;
        self.tell_quote(name, now, true, &mut done);
        Ok(done)
    }

    pub(crate) fn query(&self, account: &AccountId, id: VenueOrderId) -> Outcome {
        match self.state.find(account, id) {
            Some((_, entry)) => Outcome::Order(entry.order.clone()),
            None => {
                let (code, reason) = unknown_order();
                Outcome::Refused { code, reason }
            }
        }
    }

    pub(crate) fn sweep(&self, account: &AccountId, since: UnixNanos, cursor: Option<u64>) -> Page {
        self.state.sweep(account, since, cursor)
    }

    pub(crate) fn page(&self, account: Option<&AccountId>, now: UnixNanos) -> LedgerPage {
        self.state.page(account, now)
    }

    /// The quote as it is, with its number; none if the instrument is not traded here.
    pub(crate) fn quote(&self, instrument: &InstrumentId) -> Option<(u64, Quote)> {
        self.markets.get(instrument).map(|market| (market.seq, market.quote.clone()))
    }

    /// Whether an order may be placed; the conditions that it is held to.
    fn admit(
        &self,
        account: &AccountId,
        order: &Submission,
        now: UnixNanos,
    ) -> Result<Conditions, Refused> {
        if self.state.find(account, order.venue_order_id).is_some() {
            return Err((RefusalCode::Duplicate, "this id has arrived before".to_owned()));
        }
        if now > order.deadline {
            let late = now.since(order.deadline);
            return Err((RefusalCode::DeadlinePassed, format!("{late:?} after its deadline")));
        }
        let market = self.markets.get(&order.instrument).ok_or_else(|| {
            let known: Vec<_> = self.markets.keys().map(InstrumentId::as_str).collect();
            let reason = format!("{} is not traded here: {known:?} are", order.instrument);
            (RefusalCode::UnknownInstrument, reason)
        })?;
        let invalid = |reason: String| (RefusalCode::InvalidOrder, reason);
        let mut conditions = order.conditions;
        conditions
            .check(order.order_type, order.limit_price, order.time_in_force, now)
            .map_err(|why| invalid(why.to_string()))?;
        let limit = order.limit_price.map(|price| market.ticks("limit_price", price));
        let limit = limit.transpose().map_err(invalid)?;
        let stop = conditions.stop_price.map(|price| market.ticks("stop_price", price));
        stop.transpose().map_err(invalid)?;
        market.lots(order.quantity).map_err(invalid)?;
        if conditions.post_only && market.book.queue(order.side, limit).next().is_some() {
            return Err(would_take());
        }
        if conditions.reduce_only && market.positions.room(account, order.side).is_zero() {
            let reason = "reduce_only: there is no position that it makes smaller".to_owned();
            return Err((RefusalCode::WouldNotReduce, reason));
        }
        if order.time_in_force == TimeInForce::Day {
            conditions.expires_at = Some(market.instrument.day_end(now));
        }
        Ok(conditions)
    }

    fn record(&mut self, event: Event, done: &mut Done) -> Result<(), Inconsistent> {
        self.state.apply(&event)?;
        done.events.push(event);
        Ok(())
    }

    fn entry(&self, key: OrderKey) -> Result<&Entry, Inconsistent> {
        self.state.entry(key).ok_or(Inconsistent::NoSuchOrder(key.0))
    }

    fn tell_quote(
        &mut self,
        name: &InstrumentId,
        now: UnixNanos,
        confirmed: bool,
        done: &mut Done,
    ) {
        let Some(market) = self.markets.get_mut(name) else { return };
        if market.refresh(now, confirmed) {
            let (instrument, quote) = (name.clone(), market.quote.clone());
            done.told.push(Told::Quote { instrument, seq: market.seq, quote });
        }
    }
}

fn would_take() -> Refused {
    (RefusalCode::WouldTake, "post_only: it would take what stands in the book".to_owned())
}

fn unknown_order() -> Refused {
    (RefusalCode::UnknownOrder, "no order of yours has this id".to_owned())
}

#[cfg(test)]
mod tests;
