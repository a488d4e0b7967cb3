//! What an account has under way at Kraken. Decides whether an order may go out now, what becomes of it by what Kraken
//! says, and under which of our names that is told. Pure: time is passed in, messages are given back. It outlives
//! connections: what was told before one ended is not told again.
//!
//! K1 an order goes out only while the engine takes orders, a token is there and our own counters have room; else it
//! is surely not sent. K2 a fill is told under the name of its order or kept until that is known. K3 an order whose
//! fills are not all known is not told as ended: the listing tells fills first.

use super::{
    limits::ASKED_KEPT,
    names::{Names, Unnamed, own},
    rates::Rates,
};
use crate::venue::{Event, NotSent, Placed, Refusal, Submission, VenueOrder};
use std::collections::BTreeMap;
use tradewind_domain::{
    ids::{ExecId, InstrumentId, VenueOrderId},
    time::Monotonic,
    trading::{OrderState, OrderType, Side, TimeInForce},
};
use tradewind_kraken::{
    executions::{self, Orders, Sequence, What},
    limits::DEADLINE_MIN,
    outcome::{self, After, Mend, Outcome},
    rate::Tier,
    rest::{RestOrder, RestTrade},
    stamp::Stamp,
    symbol,
    ws::{
        Answer, Message,
        market::{Market, System},
        private::{Execution, Private},
        request, trading,
        trading::{AddOrder, Added, CancelOrder},
    },
};

/// What a request was about: the answer names its number alone.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Submit(VenueOrderId),
    Cancel(VenueOrderId),
}

/// The connection can not be relied on any more: messages are missing, or it was refused what it needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Broken(pub(super) String);

/// See the module.
pub(super) struct Desk {
    token: Option<String>,
    system: System,
    rates: Rates,
    last: u64,
    asked: BTreeMap<u64, Asked>,
    orders: Orders,
    sequence: Sequence,
    names: Names,
}

/// What a frame meant.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) events: Vec<Event>,
    pub(super) pong: bool,
    /// The snapshot of executions was in it.
    pub(super) snapshot: bool,
}

impl Desk {
    pub(super) fn new(tier: Tier, now: Monotonic) -> Self {
        Self {
            token: None,
            system: System::Unknown,
            rates: Rates::new(tier, now),
            last: 0,
            asked: BTreeMap::new(),
            orders: Orders::default(),
            sequence: Sequence::default(),
            names: Names::default(),
        }
    }

    /// A connection begins, with that token: answers to what was asked before do not come any more.
    pub(super) fn begin(&mut self, token: String) {
        self.asked.clear();
        self.sequence = Sequence::default();
        self.system = System::Unknown;
        self.token = Some(token);
    }

    /// A new token for what is sent from now on.
    pub(super) fn renew(&mut self, token: String) {
        self.token = Some(token);
    }

    pub(super) fn needs_token(&self) -> bool {
        self.token.is_none()
    }

    /// Why the engine takes no orders now, if so.
    pub(super) fn halted(&self) -> Option<String> {
        let why = match self.system {
            System::Online | System::PostOnly => return None,
            System::Maintenance => "it is in maintenance",
            System::CancelOnly => "it takes cancels only",
            System::Unknown => "its state is not known",
        };
        Some(format!("Kraken takes no orders: {why}"))
    }

    /// The order as Kraken wants it, if it may go out now; its request's number.
    pub(super) fn submit(
        &mut self,
        order: &Submission,
        now: Monotonic,
    ) -> Result<(u64, AddOrder), NotSent> {
        let token = self.token.clone().filter(|_| self.system.takes_orders()).ok_or(NotSent)?;
        // Kraken does not take a deadline so near.
        if order.deadline.since(order.sent_at) < DEADLINE_MIN {
            return Err(NotSent);
        }
        let (order_type, time_in_force) = offered(order).ok_or(NotSent)?;
        let id = order.venue_order_id;
        if !self.rates.admit(id, &order.instrument, now) {
            return Err(NotSent);
        }
        let mut add = AddOrder::new(order_type, order.side, order.quantity.into());
        add.symbol = Some(order.instrument.to_string());
        add.limit_price = order.limit_price.map(Into::into);
        // A market order is at once or not at all in any case, and Kraken takes no word of it.
        add.time_in_force = order.limit_price.map(|_| time_in_force);
        add.deadline = Some(Stamp(order.deadline));
        add.cl_ord_id = Some(id.to_string());
        add.token = Some(token);
        Ok((self.ask(Asked::Submit(id)), add))
    }

    /// The cancel as Kraken wants it; its request's number.
    pub(super) fn cancel(
        &mut self,
        id: VenueOrderId,
        now: Monotonic,
    ) -> Result<(u64, CancelOrder), NotSent> {
        let token = self.token.clone().filter(|_| self.system.takes_cancels()).ok_or(NotSent)?;
        self.rates.cancel(id, now);
        let ids = Some(vec![id.to_string()]);
        let cancel =
            CancelOrder { order_id: None, cl_ord_id: ids, order_userref: None, token: Some(token) };
        Ok((self.ask(Asked::Cancel(id)), cancel))
    }

    fn ask(&mut self, asked: Asked) -> u64 {
        self.last += 1;
        self.asked.insert(self.last, asked);
        if self.asked.len() > ASKED_KEPT {
            self.asked.pop_first();
        }
        self.last
    }

    /// Takes in what Kraken says on a private connection.
    pub(super) fn hear(&mut self, message: Message<'_>, now: Monotonic) -> Result<Heard, Broken> {
        let mut heard = Heard::default();
        match message {
            Message::Private(number, Private::Executions(_, list)) => {
                let hole = |hole| Broken(format!("executions are missing: {hole}"));
                self.sequence.next(number).map_err(hole)?;
                heard.snapshot = number == 1;
                for execution in &list {
                    self.execution(execution, &mut heard.events)?;
                }
            }
            Message::Answer(answer) => self.answer(answer, now, &mut heard.events)?,
            Message::Market(Market::Status(list)) => {
                for status in list {
                    self.state(status.system, &mut heard.events);
                }
            }
            Message::Pong(_) => heard.pong = true,
            // Some frame was dropped and gets no other answer: the order it bore, if one, becomes unknown.
            Message::TooFast(text) => {
                tracing::warn!(text, "Kraken drops what we send");
                self.rates.too_fast(now);
            }
            Message::Market(_) | Message::Private(..) | Message::Heartbeat | Message::Other(_) => {}
        }
        Ok(heard)
    }

    fn state(&mut self, system: System, events: &mut Vec<Event>) {
        if self.system != system {
            tracing::info!(?system, "Kraken's engine");
            self.system = system;
            events.push(Event::Halted(self.halted()));
        }
    }

    fn execution(&mut self, execution: &Execution, events: &mut Vec<Event>) -> Result<(), Broken> {
        let told = self.orders.apply(execution);
        let told = told.map_err(|incomplete| Broken(incomplete.to_string()))?;
        // Of which order it is may be nothing that the ledger knows.
        let instrument = execution.symbol.as_deref().and_then(symbol::instrument);
        self.tell_all(told, instrument.zip(execution.side), events);
        Ok(())
    }

    fn answer(
        &mut self,
        answer: Answer<'_>,
        now: Monotonic,
        events: &mut Vec<Event>,
    ) -> Result<(), Broken> {
        if let ("subscribe", Err(why)) = (answer.method.as_str(), &answer.result) {
            return Err(Broken(format!("Kraken does not tell of executions: {why}")));
        }
        let Some(asked) = answer.req_id.and_then(|number| self.asked.remove(&number)) else {
            return Ok(());
        };
        match (asked, answer.result) {
            (Asked::Submit(order), Ok(body)) => {
                let added = body.read::<Added>().ok();
                let order_id = added.and_then(|added| added.order_id);
                self.placed(order, order_id.as_deref(), events);
            }
            (Asked::Submit(order), Err(why)) => {
                let result = Err(self.refused(order, &why, outcome::of(&why), now));
                events.push(Event::Submitted { order, result });
            }
            // It is gone when the executions say so; that it was there is known by this.
            (Asked::Cancel(order), Ok(_)) => {
                events.push(Event::Canceled { order, result: Ok(open(order)) });
            }
            (Asked::Cancel(order), Err(why)) => {
                let result = Err(self.refused(order, &why, outcome::of(&why), now));
                events.push(Event::Canceled { order, result });
            }
        }
        Ok(())
    }

    /// Kraken says that it has the order.
    pub(super) fn placed(
        &mut self,
        order: VenueOrderId,
        order_id: Option<&str>,
        events: &mut Vec<Event>,
    ) {
        events.push(Event::Submitted { order, result: Ok(open(order)) });
        if let Some(order_id) = order_id {
            let told = self.orders.answered(order_id, Some(&order.to_string()));
            self.tell_all(told, None, events);
        }
    }

    /// Kraken says that it did not do it, or does not say that it did.
    pub(super) fn refused(
        &mut self,
        order: VenueOrderId,
        why: &str,
        outcome: Outcome,
        now: Monotonic,
    ) -> Refusal {
        if outcome == Outcome::Mend(Mend::Token) {
            self.token = None;
        }
        if outcome == Outcome::After(After::Decay) {
            self.rates.exceeded(order, now);
        }
        let placed = if outcome.may_be_placed() { Placed::Perhaps } else { Placed::No };
        Refusal { placed, reason: why.to_owned() }
    }

    /// The name of an order of ours, if it is one.
    pub(super) fn name(&self, order_id: &str) -> Option<VenueOrderId> {
        self.names.get(order_id)
    }

    /// An order's name is learned; fills that waited for it are told.
    pub(super) fn learn(&mut self, order_id: &str, name: VenueOrderId, events: &mut Vec<Event>) {
        events.extend(self.names.learn(order_id, name).into_iter().map(Event::Fill));
    }

    /// Whether the stream has told of that fill by now; it counts as told from here on.
    pub(super) fn has_told_fill(&mut self, exec_id: &str, trade: &RestTrade) -> bool {
        let news = self.orders.traded(exec_id, trade).unwrap_or_default();
        !news.iter().any(|event| matches!(event.what, What::Fill { .. }))
    }

    /// Whether the stream has told of that order's end by now; it counts as told from here on.
    pub(super) fn has_told_end(&mut self, order_id: &str, order: &RestOrder) -> bool {
        let news = self.orders.listed(order_id, order);
        !news.iter().any(|event| matches!(event.what, What::Ended { .. }))
    }

    fn tell_all(
        &mut self,
        told: Vec<executions::Event>,
        traded: Option<(InstrumentId, Side)>,
        events: &mut Vec<Event>,
    ) {
        for event in told {
            self.tell(event, traded.clone(), events);
        }
    }

    fn tell(
        &mut self,
        event: executions::Event,
        traded: Option<(InstrumentId, Side)>,
        events: &mut Vec<Event>,
    ) {
        let executions::Event { order_id, cl_ord_id, what } = event;
        if let Some(name) = cl_ord_id.as_deref().and_then(own) {
            self.learn(&order_id, name, events);
        }
        let name = self.name(&order_id);
        match (what, name) {
            (What::Fill { exec_id, quantity, price, at }, _) => {
                let Ok(exec_id) = ExecId::new(&exec_id) else { return };
                let fill = Unnamed { order_id, exec_id, quantity, price, at, traded };
                events.extend(self.names.fill(fill).map(Event::Fill));
            }
            (What::Open, Some(name)) => events.push(Event::Order(open(name))),
            (What::Ended { state, reason }, Some(name)) => {
                self.rates.ended(name);
                if self.orders.lacks_fills(&order_id) {
                    tracing::warn!(order = %name, "ended with fills that are not known: listing");
                    return;
                }
                events.push(Event::Order(VenueOrder {
                    venue_order_id: name,
                    state,
                    reason,
                    replaced: false,
                    terms: None,
                }));
            }
            (What::Open | What::Ended { .. } | What::Amended { .. }, _) => {}
        }
    }
}

/// At Kraken, as far as is known.
pub(super) fn open(venue_order_id: VenueOrderId) -> VenueOrder {
    let state = OrderState::New;
    VenueOrder { venue_order_id, state, reason: None, replaced: false, terms: None }
}

/// The order's type and time in force in Kraken's words. What this adapter does not offer is refused long before; sent as
/// something else it must never be.
fn offered(order: &Submission) -> Option<(request::OrderType, trading::TimeInForce)> {
    let order_type = match order.order_type {
        OrderType::Market => request::OrderType::Market,
        OrderType::Limit => request::OrderType::Limit,
        OrderType::Stop | OrderType::StopLimit => return None,
    };
    let time_in_force = match order.time_in_force {
        TimeInForce::Gtc => trading::TimeInForce::Gtc,
        TimeInForce::Ioc => trading::TimeInForce::Ioc,
        TimeInForce::Day | TimeInForce::Fok | TimeInForce::Gtd => return None,
    };
    order.conditions.is_none().then_some((order_type, time_in_force))
}

#[cfg(test)]
mod tests;
