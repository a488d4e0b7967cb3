//! Matching: an order comes to its book, or the street comes through it. Decides how much of each trade may be, who is
//! filled by it and what follows for others: stops that it triggers, and orders that would no longer make a position
//! smaller.
//!
//! M1 a `fok` order trades whole or not at all. M2 no trade of a `reduce_only` order turns its account's position.
//! M3 a stop is triggered once.

use tradewind_domain::{
    ids::InstrumentId,
    time::UnixNanos,
    trading::{self, TimeInForce},
};

use super::{Done, Exchange, Told};
use crate::engine::{Incoming, OrderKey, Reached, StreetLevel, Trade, opposite};
use crate::instrument::Lots;
use crate::ledger::event::{CancelCause, Event};
use crate::ledger::state::Inconsistent;

impl Exchange {
    /// An order that has arrived is held to its conditions, and comes to its book unless it waits.
    pub(super) fn take_in(
        &mut self,
        name: &InstrumentId,
        key: OrderKey,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let order = &self.entry(key)?.order;
        let placed = Told::Order(self.entry(key)?.account.clone(), order.clone());
        let waits = order.waits();
        done.told.push(placed);
        self.hold(key)?;
        if !waits {
            self.enter(name, key, now, done)?;
        }
        self.trigger(name, now, done)
    }

    /// An order trades what it can and may, and stands or ends.
    fn enter(
        &mut self,
        name: &InstrumentId,
        key: OrderKey,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let incoming = self.incoming(key)?;
        let order = &self.entry(key)?.order;
        if order.time_in_force == TimeInForce::Fok && !self.fills_whole(name, incoming)? {
            return self.end(key, CancelCause::NotWhole, now, done);
        }
        let left = self.trade(name, incoming, now, done)?;
        if self.entry(key)?.order.state.is_terminal() {
            return Ok(());
        }
        match (incoming.limit, incoming.rests) {
            (Some(price), true) => {
                let market = self.markets.get_mut(name).ok_or(Inconsistent::CannotRest(key.0))?;
                market.book.rest(key, incoming.side, price, left);
                Ok(())
            }
            _ => self.end(key, CancelCause::NotTraded, now, done),
        }
    }

    /// What is left of an order as it comes to the book.
    pub(super) fn incoming(&self, key: OrderKey) -> Result<Incoming, Inconsistent> {
        let order = &self.entry(key)?.order;
        let fits = || {
            let instrument = &self.markets.get(&order.instrument)?.instrument;
            let left = order.quantity.checked_sub(order.filled).ok()?;
            let limit = match order.limit_price {
                Some(price) => Some(instrument.ticks(price)?),
                None => None,
            };
            let (side, rests) = (order.side, order.time_in_force.rests());
            Some(Incoming { key, side, limit, quantity: instrument.lots(left)?, rests })
        };
        fits().ok_or(Inconsistent::CannotRest(key.0))
    }

    /// Trades one with the other until nothing is left or nobody is reached. Gives what is left.
    fn trade(
        &mut self,
        name: &InstrumentId,
        mut incoming: Incoming,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<Lots, Inconsistent> {
        while !self.entry(incoming.key)?.order.state.is_terminal() {
            let Some(market) = self.markets.get(name) else { break };
            let mut most = incoming.quantity;
            if !market.reducing.is_empty() {
                let Some(next) = market.book.queue(incoming.side, incoming.limit).next() else {
                    break;
                };
                for key in [Some(incoming.key), next.maker].into_iter().flatten() {
                    most = most.min(self.most(name, key)?);
                }
            }
            let Some(market) = self.markets.get_mut(name) else { break };
            let Some(trade) = market.book.take(Incoming { quantity: most, ..incoming }) else {
                break;
            };
            incoming.quantity = incoming.quantity.less(trade.quantity);
            self.settle(name, &trade, now, done)?;
        }
        Ok(incoming.quantity)
    }

    /// What of an order may trade before the position is looked at again.
    fn most(&self, name: &InstrumentId, key: OrderKey) -> Result<Lots, Inconsistent> {
        let entry = self.entry(key)?;
        let market = self.markets.get(name).filter(|_| entry.order.conditions.reduce_only);
        let room = market.map(|market| market.positions.room(&entry.account, entry.order.side));
        Ok(room.unwrap_or(Lots(u64::MAX)))
    }

    /// Whether all of an order would trade at once: what [`Exchange::trade`] would do, without doing it.
    fn fills_whole(&self, name: &InstrumentId, incoming: Incoming) -> Result<bool, Inconsistent> {
        let Some(market) = self.markets.get(name) else { return Ok(false) };
        let taker = self.entry(incoming.key)?;
        let mut positions = market.positions.clone();
        let mut left = incoming.quantity;
        for next in market.book.queue(incoming.side, incoming.limit) {
            let maker = next.maker.map(|key| self.entry(key)).transpose()?;
            let mut quantity = left.min(next.quantity);
            for entry in [Some(taker), maker].into_iter().flatten() {
                if entry.order.conditions.reduce_only {
                    quantity = quantity.min(positions.room(&entry.account, entry.order.side));
                }
            }
            for entry in [Some(taker), maker].into_iter().flatten() {
                positions.fill(&entry.account, entry.order.side, quantity);
            }
            left = left.less(quantity);
            if left.is_zero() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The street comes to stand so, and trades with the orders that it has come through.
    pub(super) fn street_comes(
        &mut self,
        name: &InstrumentId,
        levels: &[StreetLevel],
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let Some(market) = self.markets.get_mut(name) else { return Ok(()) };
        market.book.set_levels(levels);
        while let Some(crossed) = self.markets.get(name).and_then(|market| market.book.crossed()) {
            let most = self.most(name, crossed.key)?;
            let Some(market) = self.markets.get_mut(name) else { break };
            let Some(trade) = market.book.cross(crossed, most) else { break };
            self.settle(name, &trade, now, done)?;
        }
        self.trigger(name, now, done)
    }

    /// Lets orders in that have waited for a price which the market has reached.
    pub(super) fn trigger(
        &mut self,
        name: &InstrumentId,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        while let Some(market) = self.markets.get_mut(name) {
            market.reached.quote(market.book.top());
            let Some(key) = market.stops.trigger(market.reached) else {
                market.reached = Reached::default();
                break;
            };
            self.record(Event::Triggered { order: key.0, at: now }, done)?;
            let entry = self.entry(key)?;
            done.told.push(Told::Order(entry.account.clone(), entry.order.clone()));
            self.enter(name, key, now, done)?;
        }
        Ok(())
    }

    /// Turns a trade into fills of the orders that took part.
    fn settle(
        &mut self,
        name: &InstrumentId,
        trade: &Trade,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let Some(market) = self.markets.get_mut(name) else { return Ok(()) };
        market.reached.trade(trade);
        let quantity = market.instrument.quantity(trade.quantity);
        let price = market.instrument.price(trade.price);
        let Some(taker) = self.taker_of(trade)? else { return Ok(()) };
        let told = trading::Trade { price, quantity, taker, at: now };
        let number = self.number_trade(name);
        done.told.push(Told::Trade { instrument: name.clone(), number, trade: told });
        for key in [trade.taker, trade.maker].into_iter().flatten() {
            let exec = self.state.next_exec();
            let fee = self.fees.of(trade.taker == Some(key), quantity, price)?;
            self.record(Event::filled((key.0, exec), quantity, price, fee, now), done)?;
            let entry = self.entry(key)?;
            let (account, order) = (entry.account.clone(), entry.order.clone());
            if let Some(market) = self.markets.get_mut(name) {
                market.positions.fill(&account, order.side, trade.quantity);
            }
            if order.state.is_terminal() {
                self.release(key)?;
            }
            if let Some(fill) = self.state.last_fill() {
                done.told.push(Told::Fill(account.clone(), fill.clone()));
            }
            done.told.push(Told::Order(account, order));
        }
        self.end_what_reduces_no_more(name, now, done)
    }

    fn end_what_reduces_no_more(
        &mut self,
        name: &InstrumentId,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let Some(market) = self.markets.get(name).filter(|market| !market.reducing.is_empty())
        else {
            return Ok(());
        };
        let mut over = Vec::new();
        for key in &market.reducing {
            if self.most(name, *key)?.is_zero() {
                over.push(*key);
            }
        }
        over.into_iter().try_for_each(|key| self.end(key, CancelCause::WouldNotReduce, now, done))
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
}
