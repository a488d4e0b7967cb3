//! One instrument as it trades here: its book and its quote. Decides when there is a new quote, and what is
//! said of amounts that are off the tick or the lot.

use std::collections::BTreeSet;

use tradewind_domain::{
    money::{Price, Quantity},
    time::UnixNanos,
    trading::Quote,
};

use super::positions::Positions;
use crate::engine::{Book, OrderKey, Reached, Stops, Top};
use crate::instrument::{Instrument, Lots, Ticks};

/// See the module.
pub(super) struct Market {
    pub(super) instrument: Instrument,
    pub(super) book: Book,
    pub(super) stops: Stops,
    /// What the market has reached since stops were looked at.
    pub(super) reached: Reached,
    pub(super) positions: Positions,
    /// Open orders that must only make a position smaller.
    pub(super) reducing: BTreeSet<OrderKey>,
    /// How often the quote was told anew, and what it is.
    pub(super) seq: u64,
    top: Top,
    pub(super) quote: Quote,
    /// How many trades there were in this life.
    pub(super) trades: u64,
}

impl Market {
    /// An empty book.
    pub(super) fn new(instrument: Instrument, now: UnixNanos) -> Self {
        let nothing = Quantity::ZERO;
        let quote = Quote { bid: None, bid_size: nothing, ask: None, ask_size: nothing, at: now };
        Self {
            instrument,
            book: Book::default(),
            stops: Stops::default(),
            reached: Reached::default(),
            positions: Positions::default(),
            reducing: BTreeSet::new(),
            seq: 0,
            top: Top::default(),
            quote,
            trades: 0,
        }
    }

    /// Looks at the book again. Whether there is a new quote: another top, or the same one confirmed by
    /// the recording, so that a quote's age says how old the source's last word is.
    pub(super) fn refresh(&mut self, now: UnixNanos, confirmed: bool) -> bool {
        let top = self.book.top();
        if top == self.top && !confirmed {
            return false;
        }
        let price = |best: Option<(Ticks, Lots)>| best.map(|(at, _)| self.instrument.price(at));
        let size = |best: Option<(Ticks, Lots)>| {
            best.map_or(Quantity::ZERO, |(_, quantity)| self.instrument.quantity(quantity))
        };
        self.quote = Quote {
            bid: price(top.bid),
            bid_size: size(top.bid),
            ask: price(top.ask),
            ask_size: size(top.ask),
            at: now,
        };
        self.top = top;
        self.seq += 1;
        true
    }

    /// `what`: the name of the price.
    pub(super) fn ticks(&self, what: &str, price: Price) -> Result<Ticks, String> {
        let tick = self.instrument.tick();
        self.instrument
            .ticks(price)
            .ok_or_else(|| format!("{what}: no multiple of {tick}, or too large"))
    }

    pub(super) fn lots(&self, quantity: Quantity) -> Result<Lots, String> {
        let lot = self.instrument.lot();
        let lots = self.instrument.lots(quantity).filter(|lots| !lots.is_zero());
        lots.ok_or_else(|| format!("quantity: zero, no multiple of {lot}, or too large"))
    }
}
