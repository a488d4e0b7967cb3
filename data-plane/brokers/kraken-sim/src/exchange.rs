//! The exchange: orders, amends, cancels and the street meet the books. Decides what happens to each request and in
//! which order it is told; pure and synchronous: time is passed in, writing down and sending are left to `desk`.
//!
//! X1 every arrival of an order is an event, whatever became of it. X2 an order that arrives after its deadline is
//! never placed. X3 nothing rests that may not: the rest of an IOC or market order is canceled at once.

mod admit;
mod settle;
mod told;

use core::time::Duration;

use tradewind_domain::time::{Monotonic, UnixNanos};
use tradewind_domain::trading::Side;
use tradewind_kraken::number::Number;
use tradewind_kraken::rate::{Action, Counter, Tier};
use tradewind_kraken::ws::market::{System, Trade};
use tradewind_kraken::ws::private::{Execution, LedgerEntry};
use tradewind_sim::engine::{Book, OrderKey, StreetLevel};
use tradewind_sim::instrument::{Lots, Ticks};

use crate::errors;
use crate::ids::Of;
use crate::ledger::event::{Arrived, End, Event, Fate};
use crate::ledger::state::{Inconsistent, Order, State};

pub(crate) use admit::{Via, Wanted};
pub(crate) use told::{average, full, snapshot_fill};

/// What is to be told, in order, once the events are on disk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// Of one kind.
    Executions(Vec<Execution>),
    Entries(Vec<LedgerEntry>),
    Trades(usize, Vec<Trade>),
    /// The book of that pair is not as it was.
    Book(usize),
    Status,
}

/// What one call did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// To be written down before anything is told.
    pub(crate) events: Vec<Event>,
    pub(crate) told: Vec<Told>,
}

/// What a request came to: its answer, or the error's text.
pub(crate) type Answered<T> = Result<(Result<T, String>, Done), Inconsistent>;

/// How an order is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Order(String),
    Client(String),
    Userref(i64),
}

/// What is asked of an amend.
#[derive(Clone, Debug)]
pub(crate) struct Amend {
    pub(crate) name: Name,
    pub(crate) quantity: Option<Number>,
    pub(crate) limit: Option<Number>,
    pub(crate) post_only: bool,
    pub(crate) deadline: Option<UnixNanos>,
}

/// One pair as it trades.
struct Market {
    book: Book,
    rate: Counter,
    trades: Vec<Trade>,
}

/// See the module.
pub(crate) struct Exchange {
    pub(crate) state: State,
    pub(crate) system: System,
    markets: Vec<Market>,
    tier: Tier,
    switch: Option<UnixNanos>,
}

/// The counters' clock: the venue's own, which never runs backwards.
pub(crate) fn monotonic(now: UnixNanos) -> Monotonic {
    Monotonic(now.0)
}

impl Exchange {
    /// Takes up a ledger where it stands: open orders go back into their books, in the order they came and before
    /// any street. An empty one is opened: that is the first event to be written down.
    pub(crate) fn resume(
        mut state: State,
        tier: Tier,
        now: UnixNanos,
    ) -> Result<(Self, Done), Inconsistent> {
        let mut done = Done::default();
        if !state.is_opened() {
            let opened = Event::Opened { at: now };
            state.apply(&opened)?;
            done.events.push(opened);
        }
        let market = |_| Market {
            book: Book::default(),
            rate: Counter::new(tier.orders(), monotonic(now)),
            trades: Vec::new(),
        };
        let mut markets: Vec<Market> = (0..state.pairs.len()).map(market).collect();
        let mut open: Vec<&Order> = state.open_orders().collect();
        open.sort_by_key(|order| order.queued);
        for order in open {
            let price = order.limit.ok_or(Inconsistent::CannotRest(order.key.0))?;
            markets[order.pair].book.rest(order.key, order.side, price, order.left());
        }
        Ok((Self { state, system: System::Online, markets, tier, switch: None }, done))
    }

    /// An order arrives.
    pub(crate) fn submit(&mut self, want: &Wanted, now: UnixNanos) -> Answered<Option<OrderKey>> {
        let mut done = Done::default();
        let admitted = self.charge_add(want, now).and_then(|()| self.admit(want, now, true));
        let arrived = self.arrived(want);
        let fate = match &admitted {
            Ok(_) if want.validate => Fate::Validated,
            Ok(_) => Fate::Placed,
            Err(error) => Fate::Refused(error.clone()),
        };
        let key = self.state.next_key();
        self.record(Event::Arrived { order: arrived, at: now, fate }, &mut done)?;
        let admitted = match admitted {
            Ok(admitted) if !want.validate => admitted,
            Ok(_) => return Ok((Ok(None), done)),
            Err(error) => return Ok((Err(error), done)),
        };
        let order = self.entry(key)?;
        let pending = told::pending_new(&self.state, order);
        done.told.push(Told::Executions(vec![pending]));
        done.told.push(Told::Executions(vec![told::new(order)]));
        self.place(key, admitted.stop, now, &mut done)?;
        Ok((Ok(Some(key)), done))
    }

    /// Several orders of one pair: all are refused when one is no legal order, and each then stands for itself.
    pub(crate) fn submit_batch(
        &mut self,
        wants: &[Wanted],
        now: UnixNanos,
    ) -> Answered<Vec<Result<Option<OrderKey>, String>>> {
        let mut done = Done::default();
        let refused = wants.iter().find_map(|want| self.admit(want, now, false).err());
        if let Some(error) = refused {
            for want in wants {
                let (order, fate) = (self.arrived(want), Fate::Refused(error.clone()));
                self.record(Event::Arrived { order, at: now, fate }, &mut done)?;
            }
            return Ok((Err(error), done));
        }
        let mut answers = Vec::new();
        for want in wants {
            let (answer, more) = self.submit(want, now)?;
            answers.push(answer);
            done.events.extend(more.events);
            done.told.extend(more.told);
        }
        Ok((Ok(answers), done))
    }

    /// An amend arrives. Gives the amend's id. The order keeps its ids; its place too, if only its quantity falls.
    pub(crate) fn amend(&mut self, amend: &Amend, now: UnixNanos) -> Answered<String> {
        let mut done = Done::default();
        let checked = self.check_amend(amend, now);
        let (key, quantity, limit) = match checked {
            Ok(checked) => checked,
            Err(error) => return Ok((Err(error), done)),
        };
        let order = self.entry(key)?;
        let (pair, side, filled) = (order.pair, order.side, order.filled);
        let age = now.since(order.touched);
        let moved = limit != order.limit || quantity > order.quantity;
        let cost = Action::Amend { age }.cost();
        if self.markets[pair].rate.admit(cost, 0, monotonic(now)).is_err() {
            return Ok((Err(errors::ORDER_RATE.to_owned()), done));
        }
        let number = self.state.next_amend();
        let event = Event::Amended {
            order: key.0,
            amend: number,
            quantity: quantity.0.max(filled.0),
            limit: limit.map(|limit| limit.0.get()),
            requeued: moved,
            at: now,
        };
        self.record(event, &mut done)?;
        let order = self.entry(key)?;
        done.told.push(Told::Executions(vec![told::amended(&self.state, order)]));
        let left = order.left();
        if left.is_zero() {
            // Less than is filled: the rest is canceled.
            self.markets[pair].book.cancel(key);
            self.end(key, End::Canceled, errors::USER, now, &mut done)?;
        } else if moved {
            self.markets[pair].book.cancel(key);
            let stop = self.own_crossing(pair, side, limit, Some(key));
            self.place(key, stop, now, &mut done)?;
        } else {
            self.markets[pair].book.reduce(key, left);
        }
        done.told.push(Told::Book(pair));
        Ok((Ok(self.state.id(Of::Amend, number)), done))
    }

    /// Cancels arrive. How many orders were canceled, or that none is known.
    pub(crate) fn cancel(&mut self, name: &Name, now: UnixNanos) -> Answered<u64> {
        let mut done = Done::default();
        if !self.system.takes_cancels() {
            return Ok((Err(errors::UNAVAILABLE.to_owned()), done));
        }
        let named: Vec<OrderKey> = self.named(name);
        if named.is_empty() {
            return Ok((Err(errors::UNKNOWN_ORDER.to_owned()), done));
        }
        for key in &named {
            self.cancel_one(*key, errors::USER, now, &mut done)?;
        }
        Ok((Ok(named.len() as u64), done))
    }

    pub(crate) fn cancel_all(&mut self, why: &str, now: UnixNanos) -> Answered<u64> {
        let mut done = Done::default();
        if !self.system.takes_cancels() {
            return Ok((Err(errors::UNAVAILABLE.to_owned()), done));
        }
        let open: Vec<OrderKey> = self.state.open.iter().copied().collect();
        for key in &open {
            self.cancel_one(*key, why, now, &mut done)?;
        }
        Ok((Ok(open.len() as u64), done))
    }

    /// Sets the dead man's switch; none turns it off. When it runs out.
    pub(crate) fn set_switch(&mut self, after: Option<Duration>, now: UnixNanos) -> UnixNanos {
        self.switch = after.map(|after| now + after);
        self.switch.unwrap_or_default()
    }

    /// Time passes: the switch, orders that expire.
    pub(crate) fn tick(&mut self, now: UnixNanos) -> Result<Done, Inconsistent> {
        let mut done = Done::default();
        if self.switch.is_some_and(|switch| now >= switch) && self.system.takes_cancels() {
            self.switch = None;
            done = self.cancel_all(errors::SWITCH, now)?.1;
        }
        let due = self.state.open_orders().filter(|o| o.expires.is_some_and(|at| now >= at));
        let due: Vec<OrderKey> = due.map(|order| order.key).collect();
        for key in due {
            let pair = self.entry(key)?.pair;
            self.markets[pair].book.cancel(key);
            self.end(key, End::Expired, errors::EXPIRED, now, &mut done)?;
            done.told.push(Told::Book(pair));
        }
        Ok(done)
    }

    /// A recording, or what is drawn, sets levels of a pair's street.
    pub(crate) fn set_street(
        &mut self,
        pair: usize,
        levels: &[StreetLevel],
        now: UnixNanos,
    ) -> Result<Done, Inconsistent> {
        let mut done = Done::default();
        let trades = self.markets[pair].book.set_street(levels);
        self.settle(pair, &trades, now, &mut done)?;
        done.told.push(Told::Book(pair));
        Ok(done)
    }

    pub(crate) fn set_system(&mut self, system: System) -> Done {
        self.system = system;
        Done { events: Vec::new(), told: vec![Told::Status] }
    }

    /// What stands at the best prices, the best first.
    pub(crate) fn levels(&self, pair: usize, side: Side, depth: usize) -> Vec<(Ticks, Lots)> {
        self.markets[pair].book.levels(side, depth)
    }

    /// The last public trades of a pair, the latest last.
    pub(crate) fn trades(&self, pair: usize) -> &[Trade] {
        &self.markets[pair].trades
    }

    pub(crate) fn tier(&self) -> Tier {
        self.tier
    }

    pub(crate) fn pair(&self, symbol: &str) -> Option<usize> {
        self.state.pairs.iter().position(|pair| pair.symbol == symbol)
    }

    pub(crate) fn pair_called(&self, name: &str) -> Option<usize> {
        self.state.pairs.iter().position(|pair| pair.is_called(name))
    }

    /// Open orders of that name.
    pub(crate) fn named(&self, name: &Name) -> Vec<OrderKey> {
        let is = |order: &&Order| match name {
            Name::Order(id) => order.id == *id,
            Name::Client(id) => order.cl_ord_id.as_deref() == Some(id.as_str()),
            Name::Userref(userref) => order.userref == Some(*userref),
        };
        self.state.open_orders().filter(is).map(|order| order.key).collect()
    }

    pub(crate) fn entry(&self, key: OrderKey) -> Result<&Order, Inconsistent> {
        self.state.entry(key).ok_or(Inconsistent::NoSuchOrder(key.0))
    }

    fn record(&mut self, event: Event, done: &mut Done) -> Result<(), Inconsistent> {
        self.state.apply(&event)?;
        done.events.push(event);
        Ok(())
    }

    /// The order as it came, for the ledger.
    fn arrived(&self, want: &Wanted) -> Arrived {
        let pair = self.pair(&want.symbol).map(|pair| &self.state.pairs[pair].instrument);
        let lots = want.quantity.and_then(Number::quantity);
        let ticks = want.limit.and_then(Number::price);
        Arrived {
            symbol: want.symbol.clone(),
            side: want.side,
            quantity: pair.zip(lots).and_then(|(pair, lots)| pair.lots(lots)).map(|lots| lots.0),
            limit: pair.zip(ticks).and_then(|(pair, price)| pair.ticks(price)).map(|t| t.0.get()),
            market: want.is_market(),
            time_in_force: want.force,
            post_only: want.post_only,
            cl_ord_id: want.cl_ord_id.clone(),
            userref: want.userref,
            expires: want.expires,
            deadline: want.deadline,
        }
    }
}

#[cfg(test)]
mod tests;
