//! What orders do in their books: placing, trading, ending. Decides what of an order may rest and what each trade
//! means for those who took part; whether an order is taken at all was decided by `admit`.

use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::rate::Action;
use tradewind_sim::engine::{self, Incoming, OrderKey};
use tradewind_sim::instrument::Ticks;

use super::{Done, Exchange, Told, monotonic, told};
use crate::errors;
use crate::ledger::event::{End, Event, Force};
use crate::ledger::state::Inconsistent;
use crate::limits::TRADES_KEPT;

impl Exchange {
    /// Puts an order into its book, and cancels what of it may not rest. `stop` is a price of our own it would
    /// trade with: there it ends.
    pub(super) fn place(
        &mut self,
        key: OrderKey,
        stop: Option<Ticks>,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let order = self.entry(key)?;
        let (pair, may_rest) = (order.pair, order.force != Force::Ioc && !order.market);
        let before = stop.map(|stop| match order.side {
            Side::Buy => stop.0.get() - 1,
            Side::Sell => stop.0.get() + 1,
        });
        let limit = match before {
            Some(price) => price.try_into().ok().map(Ticks),
            None => order.limit,
        };
        let rests = may_rest && stop.is_none();
        // A stop at the lowest price leaves nothing to trade with.
        if stop.is_none() || limit.is_some() {
            let (side, quantity) = (order.side, order.left());
            let incoming = Incoming { key, side, limit, quantity, rests };
            let trades = self.markets[pair].book.place(incoming);
            self.settle(pair, &trades, now, done)?;
        }
        if self.entry(key)?.is_open() && !rests {
            let why = if stop.is_some() { errors::SELF_TRADE } else { errors::NOT_TRADED };
            self.end(key, End::Canceled, why, now, done)?;
        }
        done.told.push(Told::Book(pair));
        Ok(())
    }

    pub(super) fn cancel_one(
        &mut self,
        key: OrderKey,
        why: &str,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let order = self.entry(key)?;
        let (pair, age) = (order.pair, now.since(order.touched));
        // A cancel is counted and never refused for it.
        self.markets[pair].rate.charge(Action::Cancel { age }.cost(), monotonic(now));
        self.markets[pair].book.cancel(key);
        self.end(key, End::Canceled, why, now, done)?;
        done.told.push(Told::Book(pair));
        Ok(())
    }

    /// Turns trades into fills of the orders that took part, and into public trades.
    pub(super) fn settle(
        &mut self,
        pair: usize,
        trades: &[engine::Trade],
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        for trade in trades {
            let number = self.state.next_trade(pair);
            let mut taker_side = None;
            for (key, maker) in [(trade.taker, false), (trade.maker, true)] {
                let Some(key) = key else { continue };
                let event = Event::Filled {
                    order: key.0,
                    exec: self.state.next_exec(),
                    trade: number,
                    quantity: trade.quantity.0,
                    price: trade.price.0.get(),
                    maker,
                    at: now,
                };
                self.record(event, done)?;
                let side = self.entry(key)?.side;
                taker_side = taker_side.or(Some(if maker { opposite(side) } else { side }));
                let (fill, order) = (self.state.fills.last(), self.entry(key)?);
                let Some(fill) = fill else { continue };
                done.told.push(Told::Executions(vec![told::trade(&self.state, order, fill)]));
                if !order.is_open() {
                    done.told.push(Told::Executions(vec![told::filled(&self.state, order, now)]));
                }
                done.told.push(Told::Entries(told::entries(&self.state, order, fill)));
            }
            let public = told::public(&self.state.pairs[pair], trade, taker_side, number, now);
            let kept = &mut self.markets[pair].trades;
            if kept.len() == TRADES_KEPT {
                kept.remove(0);
            }
            kept.push(public.clone());
            done.told.push(Told::Trades(pair, vec![public]));
        }
        Ok(())
    }

    pub(super) fn end(
        &mut self,
        key: OrderKey,
        how: End,
        why: &str,
        now: UnixNanos,
        done: &mut Done,
    ) -> Result<(), Inconsistent> {
        let reason = why.to_owned();
        self.record(Event::Ended { order: key.0, how, reason, at: now }, done)?;
        let order = self.entry(key)?;
        done.told.push(Told::Executions(vec![told::ended(&self.state, order, now)]));
        Ok(())
    }
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    }
}
