//! What the venue has told over one connection. Decides what is passed on of it: each fill once, an order's end behind
//! its fills, and of an instrument whose quotes have a hole nothing until it has begun anew.
//!
//! The venue tells all of this in order unless a fault makes it do otherwise; what a connection that ended has not told
//! is found by the sweep over the next one.

use crate::limits::VENUE_FILLS_KNOWN;
use std::collections::{HashMap, HashSet, VecDeque};
use tradewind_domain::{
    ids::{ExecId, InstrumentId, VenueOrderId},
    money::Quantity,
};
use tradewind_sim::wire::{VenueFill, VenueOrder};

#[derive(Default)]
pub(super) struct Told {
    /// The last fills, and in which order they came.
    known: HashSet<ExecId>,
    fills: VecDeque<ExecId>,
    /// Open orders of which every fill comes over this connection.
    orders: HashMap<VenueOrderId, Followed>,
    /// Of instruments that are quoted, the last number.
    quotes: HashMap<InstrumentId, u64>,
    /// Those that are to begin anew.
    anew: HashSet<InstrumentId>,
}

struct Followed {
    /// By the fills that were told.
    filled: Quantity,
    /// Its end, if that came before them.
    end: Option<VenueOrder>,
}

/// What is done about a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoted {
    Next,
    /// One before it is missing.
    Hole,
    /// The instrument has not begun anew yet, or has come further.
    Late,
}

impl Told {
    /// None while fills are missing that were made before the order's end.
    pub(super) fn order(&mut self, order: VenueOrder) -> Option<VenueOrder> {
        let id = order.venue_order_id;
        if !order.state.is_terminal() {
            if order.filled.is_zero() {
                let nothing = || Followed { filled: Quantity::ZERO, end: None };
                self.orders.entry(id).or_insert_with(nothing);
            }
            return Some(order);
        }
        match self.orders.get_mut(&id) {
            Some(followed) if followed.filled < order.filled => {
                followed.end = Some(order);
                None
            }
            Some(_) | None => {
                self.orders.remove(&id);
                Some(order)
            }
        }
    }

    /// The fill unless it was told before, and its order's end if that has waited for it.
    pub(super) fn fill(&mut self, fill: VenueFill) -> (Option<VenueFill>, Option<VenueOrder>) {
        if !self.known.insert(fill.exec_id.clone()) {
            return (None, None);
        }
        self.fills.push_back(fill.exec_id.clone());
        if self.fills.len() > VENUE_FILLS_KNOWN
            && let Some(oldest) = self.fills.pop_front()
        {
            self.known.remove(&oldest);
        }
        let id = fill.venue_order_id;
        let Some(followed) = self.orders.get_mut(&id) else { return (Some(fill), None) };
        if let Ok(sum) = followed.filled.checked_add(fill.quantity) {
            followed.filled = sum;
        }
        let is_whole = |end: &VenueOrder| followed.filled >= end.filled;
        if !followed.end.as_ref().is_some_and(is_whole) {
            return (Some(fill), None);
        }
        let end = self.orders.remove(&id).and_then(|followed| followed.end);
        (Some(fill), end)
    }

    pub(super) fn quote(&mut self, instrument: &InstrumentId, seq: u64) -> Quoted {
        if self.anew.contains(instrument) {
            return Quoted::Late;
        }
        match self.quotes.get_mut(instrument) {
            Some(last) if seq <= *last => Quoted::Late,
            Some(last) if seq > last.saturating_add(1) => Quoted::Hole,
            Some(last) => {
                *last = seq;
                Quoted::Next
            }
            None => {
                self.quotes.insert(instrument.clone(), seq);
                Quoted::Next
            }
        }
    }

    /// It was asked to begin anew.
    pub(super) fn begins_anew(&mut self, instrument: InstrumentId) {
        self.anew.insert(instrument);
    }

    /// It begins, or has been left.
    pub(super) fn begins(&mut self, instrument: &InstrumentId) {
        self.anew.remove(instrument);
        self.quotes.remove(instrument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const AT: &str = "2026-01-31T12:00:00.000000000Z";

    fn order(number: u8, state: &str, filled: &str) -> VenueOrder {
        let text = json!({
            "venue_order_id": format!("{number:032x}"), "instrument": "BTC/USD", "side": "buy",
            "type": "market", "quantity": "2", "limit_price": null, "time_in_force": "ioc",
            "state": state, "filled": filled, "reason": null, "time": AT,
        });
        serde_json::from_value(text).unwrap()
    }

    fn fill(number: u8, exec: &str) -> VenueFill {
        let text = json!({
            "exec_id": exec, "venue_order_id": format!("{number:032x}"), "instrument": "BTC/USD",
            "side": "buy", "quantity": "1", "price": "29430.2", "time": AT,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn an_end_that_comes_before_its_fills_waits_for_the_last_of_them() {
        let mut told = Told::default();
        assert!(told.order(order(1, "new", "0")).is_some());
        assert!(told.order(order(1, "partially_filled", "1")).is_some());
        let end = order(1, "filled", "2");
        assert_eq!(told.order(end.clone()), None);
        assert_eq!(told.fill(fill(1, "a-1")), (Some(fill(1, "a-1")), None));
        assert_eq!(told.fill(fill(1, "a-1")), (None, None), "a fill told twice ends nothing");
        assert_eq!(told.fill(fill(1, "a-2")), (Some(fill(1, "a-2")), Some(end)));
        assert!(told.orders.is_empty());
    }

    #[test]
    fn an_end_behind_its_fills_and_one_of_an_order_that_came_over_another_connection_wait_for_nothing()
     {
        let mut told = Told::default();
        told.order(order(1, "new", "0"));
        told.fill(fill(1, "a-1"));
        assert!(told.order(order(1, "canceled", "1")).is_some());
        assert!(told.order(order(2, "partially_filled", "1")).is_some());
        assert!(told.order(order(2, "canceled", "1")).is_some());
        assert!(told.orders.is_empty());
    }

    #[test]
    fn so_many_fills_are_known_and_no_more() {
        let mut told = Told::default();
        for number in 0..VENUE_FILLS_KNOWN + 10 {
            assert!(told.fill(fill(1, &format!("a-{number}"))).0.is_some());
        }
        assert_eq!((told.known.len(), told.fills.len()), (VENUE_FILLS_KNOWN, VENUE_FILLS_KNOWN));
    }

    #[test]
    fn a_hole_in_the_quotes_of_an_instrument_stays_until_it_begins() {
        let mut told = Told::default();
        let [btc, eth] = ["BTC/USD", "ETH/USD"].map(|name| InstrumentId::new(name).unwrap());
        for (instrument, seq, expected) in [
            (&btc, 7, Quoted::Next),
            (&eth, 1, Quoted::Next),
            (&btc, 8, Quoted::Next),
            // Told twice, or out of its turn.
            (&btc, 8, Quoted::Late),
            (&btc, 7, Quoted::Late),
            (&btc, 10, Quoted::Hole),
            // Nobody has been asked yet.
            (&btc, 11, Quoted::Hole),
            (&eth, 2, Quoted::Next),
        ] {
            assert_eq!(told.quote(instrument, seq), expected, "{instrument} {seq}");
        }
        told.begins_anew(btc.clone());
        assert_eq!(told.quote(&btc, 12), Quoted::Late);
        told.begins(&btc);
        assert_eq!(told.quote(&btc, 20), Quoted::Next);
    }
}
