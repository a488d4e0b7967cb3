//! The exchange: orders, cancels and the street meet the books. Decides what happens to each request, and in
//! which order it is told; pure and synchronous: time is passed in, writing down and sending are left to
//! `venue`.
//!
//! X1 a venue order id is placed at most once for ever, however often it arrives. X2 an order that arrives
//! after its deadline is never placed; so once a complete sweep bears a later time, an order it does not
//! list was not placed and will not be. X3 every arrival is an event, whatever became of it.

mod market;
mod replace;

use std::collections::BTreeMap;

use tradewind_domain::{
    ids::{AccountId, InstrumentId, VenueOrderId},
    time::UnixNanos,
    trading::{self, OrderType, Quote, TimeInForce},
};

use crate::engine::{Incoming, OrderKey, StreetLevel, Trade, opposite};
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
        let mut exchange = Self { state, markets: markets.collect() };
        for (key, entry) in exchange.state.open_orders() {
            let order = &entry.order;
            let market = exchange.markets.get_mut(&order.instrument);
            let resting = market.and_then(|market| {
                let left = order.quantity.checked_sub(order.filled).ok()?;
                let price = market.instrument.ticks(order.limit_price?)?;
                Some((price, market.instrument.lots(left)?, &mut market.book))
            });
            let (price, left, book) = resting.ok_or(Inconsistent::CannotRest(key.0))?;
            book.rest(key, order.side, price, left);
        }
        for market in exchange.markets.values_mut() {
            market.refresh(now, false);
        }
        Ok((exchange, done))
    }

    /// An order arrives. The outcome is to be told first.
    pub(crate) fn submit(
        &mut self,
        account: &AccountId,
        order: Submission,
        now: UnixNanos,
    ) -> Result<(Outcome, Done), Inconsistent> {
        let mut done = Done::default();
        let admitted = self.admit(account, &order, now);
        let fate = match &admitted {
            Ok(_) => Fate::Placed,
            Err((RefusalCode::Duplicate, _)) => Fate::Duplicate,
            Err((code, reason)) => Fate::Refused { code: *code, reason: reason.clone() },
        };
        let (name, key) = (order.instrument.clone(), self.state.next_key());
        let event = Event::Arrived { account: account.clone(), order: order.into(), at: now, fate };
        self.record(event, &mut done)?;
        let (incoming, has_limit) = match admitted {
            Ok(incoming) => (incoming, incoming.limit.is_some()),
            Err((code, reason)) => return Ok((Outcome::Refused { code, reason }, done)),
        };
        let placed = self.place(account, &name, incoming, now, &mut done)?;
        let open = !self.entry(key)?.order.state.is_terminal();
        if open && !(incoming.rests && has_limit) {
            self.end(key, CancelCause::NotTraded, now, &mut done)?;
        }
        self.tell_quote(&name, now, false, &mut done);
        Ok((Outcome::Done(placed), done))
    }

    /// An order that has been recorded comes to its book. Gives it as it was before its first fill.
    fn place(
        &mut self,
        account: &AccountId,
        name: &InstrumentId,
        incoming: Incoming,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<VenueOrder, Inconsistent> {
        let key = incoming.key;
        let placed = self.entry(key)?.order.clone();
        done.told.push(Told::Order(account.clone(), placed.clone()));
        let market = self.markets.get_mut(name).ok_or(Inconsistent::CannotRest(key.0))?;
        let trades = market.book.place(incoming);
        self.settle(name, &trades, now, done)?;
        Ok(placed)
    }

    /// A cancel arrives. The outcome is to be told first.
    pub(crate) fn cancel(
        &mut self,
        account: &AccountId,
        id: VenueOrderId,
        now: UnixNanos,
    ) -> Result<(Outcome, Done), Inconsistent> {
        let mut done = Done::default();
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
        if let Some(market) = self.markets.get_mut(&name) {
            market.book.cancel(key);
        }
        self.end(key, CancelCause::Client, now, &mut done)?;
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
        let Some(market) = self.markets.get_mut(name) else { return Ok(done) };
        let trades = market.book.set_street(levels);
        self.settle(name, &trades, now, &mut done)?;
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

    /// Whether an order may be placed, and as what.
    fn admit(
        &self,
        account: &AccountId,
        order: &Submission,
        now: UnixNanos,
    ) -> Result<Incoming, Refused> {
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
        let limit = match (order.order_type, order.limit_price) {
            (OrderType::Limit, Some(price)) => Some(market.ticks(price).map_err(invalid)?),
            (OrderType::Market, None) => None,
            (OrderType::Limit, None) => {
                return Err(invalid("a limit order needs limit_price".to_owned()));
            }
            (OrderType::Market, Some(_)) => {
                return Err(invalid("a market order has no limit_price".to_owned()));
            }
        };
        let quantity = market.lots(order.quantity).map_err(invalid)?;
        let rests = order.time_in_force == TimeInForce::Gtc;
        Ok(Incoming { key: self.state.next_key(), side: order.side, limit, quantity, rests })
    }

    /// Turns trades into fills of the orders that took part.
    fn settle(
        &mut self,
        name: &InstrumentId,
        trades: &[Trade],
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        for trade in trades {
            let Some(market) = self.markets.get(name) else { return Ok(()) };
            let quantity = market.instrument.quantity(trade.quantity);
            let price = market.instrument.price(trade.price);
            let Some(taker) = self.taker_of(trade)? else { continue };
            let told = trading::Trade { price, quantity, taker, at: now };
            let number = self.number_trade(name);
            done.told.push(Told::Trade { instrument: name.clone(), number, trade: told });
            for key in [trade.taker, trade.maker].into_iter().flatten() {
                let exec = self.state.next_exec();
                let event = Event::Filled { order: key.0, exec, quantity, price, at: now };
                self.record(event, done)?;
                let entry = self.entry(key)?;
                let (account, order) = (entry.account.clone(), entry.order.clone());
                if let Some(fill) = self.state.last_fill() {
                    done.told.push(Told::Fill(account.clone(), fill.clone()));
                }
                done.told.push(Told::Order(account, order));
            }
        }
        Ok(())
    }

    fn number_trade(&mut self, name: &InstrumentId) -> u64 {
        self.markets.get_mut(name).map_or(0, |market| {
            market.trades += 1;
            market.trades
        })
    }

    /// How many trades there were of an instrument in this life.
    pub(crate) fn trades(&self, instrument: &InstrumentId) -> u64 {
        self.markets.get(instrument).map_or(0, |market| market.trades)
    }

    /// The side of who came: of the two of a trade one at least is an order.
    fn taker_of(&self, trade: &Trade) -> Result<Option<trading::Side>, Inconsistent> {
        Ok(match (trade.taker, trade.maker) {
            (Some(taker), _) => Some(self.entry(taker)?.order.side),
            (None, Some(maker)) => Some(opposite(self.entry(maker)?.order.side)),
            (None, None) => None,
        })
    }

    fn end(
        &mut self,
        key: OrderKey,
        cause: CancelCause,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        self.record(Event::Canceled { order: key.0, cause, at: now }, done)?;
        let entry = self.entry(key)?;
        done.told.push(Told::Order(entry.account.clone(), entry.order.clone()));
        Ok(())
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

fn unknown_order() -> Refused {
    (RefusalCode::UnknownOrder, "no order of yours has this id".to_owned())
}

#[cfg(test)]
mod tests;
