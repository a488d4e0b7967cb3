//! The books of one public WebSocket. Decides what is said to Kraken (which book is subscribed, or anew because it is
//! broken or has said nothing for too long) and which quote a book makes. Pure: time is passed in.
//!
//! B1 only a proven book makes a quote. B2 a broken book is asked for anew alone: no other is touched. B3 a book is
//! silent by itself: one that is acknowledged can stay so for ever while heartbeats come.

use super::{limits::DEPTH, socket};
use rust_decimal::Decimal;
use std::collections::{BTreeMap, VecDeque};
use tradewind_domain::{
    ids::InstrumentId,
    money::{Price, Quantity},
    time::Monotonic,
    trading::Quote,
};
use tradewind_kraken::{
    book::{self, Level, Precision, Told},
    limits::SILENT,
    ws::{
        Kind,
        market::{BookMessage, Instruments},
        request::Subscription,
    },
};
use tradewind_node::clock;

/// What is said to Kraken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Saying {
    Instruments,
    Subscribe(InstrumentId),
    /// Of a book that was broken: what it has missed is not known.
    SubscribeBroken(InstrumentId),
    Unsubscribe(InstrumentId),
}

impl Saying {
    pub(super) fn frame(&self) -> String {
        let book = |instrument: &InstrumentId| {
            let mut subscription = Subscription::to("book");
            subscription.symbol = Some(vec![instrument.to_string()]);
            subscription.depth = u32::try_from(DEPTH).ok();
            subscription
        };
        match self {
            Self::Instruments => {
                socket::frame("subscribe", Some(Subscription::to("instrument")), 0)
            }
            Self::Subscribe(instrument) | Self::SubscribeBroken(instrument) => {
                socket::frame("subscribe", Some(book(instrument)), 0)
            }
            Self::Unsubscribe(instrument) => {
                socket::frame("unsubscribe", Some(book(instrument)), 0)
            }
        }
    }
}

/// What is known of a book that is wanted.
#[derive(Debug, Default)]
struct Wanted {
    /// Since when nothing came; none before it is subscribed.
    heard: Option<Monotonic>,
    /// Kraken does not have it.
    refused: bool,
}

/// See the module.
pub(super) struct Books {
    wanted: BTreeMap<InstrumentId, Wanted>,
    /// Of all pairs, once Kraken has told them.
    precisions: Option<BTreeMap<InstrumentId, Precision>>,
    books: book::Books,
    /// Since when they are waited for.
    asked: Option<Monotonic>,
    sayings: VecDeque<Saying>,
}

impl Books {
    /// Of a new connection.
    pub(super) fn new(wanted: impl Iterator<Item = InstrumentId>) -> Self {
        let wanted = wanted.map(|instrument| (instrument, Wanted::default())).collect();
        let books = book::Books::default();
        let sayings = VecDeque::from([Saying::Instruments]);
        Self { wanted, precisions: None, books, asked: None, sayings }
    }

    /// Something is to be said.
    pub(super) fn has_more(&self) -> bool {
        !self.sayings.is_empty()
    }

    /// What is to be said next, if anything.
    pub(super) fn next(&mut self) -> Option<Saying> {
        self.sayings.pop_front()
    }

    pub(super) fn want(&mut self, instrument: InstrumentId) {
        self.wanted.entry(instrument).or_default();
        self.subscribe_new();
    }

    pub(super) fn leave(&mut self, instrument: &InstrumentId) {
        let Some(wanted) = self.wanted.remove(instrument) else { return };
        self.books.remove(instrument.as_str());
        if wanted.heard.is_some() {
            self.sayings.push_back(Saying::Unsubscribe(instrument.clone()));
        }
    }

    /// Kraken has no such book.
    pub(super) fn refused(&mut self, symbol: &str) {
        let found = self.wanted.iter_mut().find(|(instrument, _)| instrument.as_str() == symbol);
        if let Some((_, wanted)) = found {
            wanted.refused = true;
        }
    }

    /// It is known that Kraken does not have it.
    pub(super) fn lacks(&self, instrument: &InstrumentId) -> bool {
        self.wanted.get(instrument).is_some_and(|wanted| wanted.refused)
    }

    /// Kraken tells its pairs: all of them, then those that change.
    pub(super) fn instruments(&mut self, told: &Instruments, now: Monotonic) {
        let mut changed = Vec::new();
        let precisions = self.precisions.get_or_insert_default();
        for pair in &told.pairs {
            let Ok(instrument) = InstrumentId::new(&pair.symbol) else { continue };
            let precision = Precision { price: pair.price_precision, quantity: pair.qty_precision };
            let before = precisions.insert(instrument.clone(), precision);
            if before.is_some_and(|before| before != precision) {
                changed.push(instrument);
            }
        }
        for instrument in changed {
            // Its checksums are made of other digits from now on.
            if let Some(wanted) = self.wanted.get_mut(&instrument)
                && wanted.heard.is_some()
            {
                wanted.heard = Some(now);
                self.anew(&instrument);
            }
        }
        self.subscribe_new();
    }

    fn subscribe_new(&mut self) {
        let Some(precisions) = &self.precisions else { return };
        for (instrument, wanted) in &mut self.wanted {
            if wanted.heard.is_some() || wanted.refused {
                continue;
            }
            let Some(precision) = precisions.get(instrument) else {
                tracing::warn!(%instrument, "Kraken does not trade it");
                wanted.refused = true;
                continue;
            };
            self.books.insert(instrument.as_str(), *precision, DEPTH);
            wanted.heard = Some(Monotonic::default());
            self.sayings.push_back(Saying::Subscribe(instrument.clone()));
        }
    }

    fn anew(&mut self, instrument: &InstrumentId) {
        let precision = self.precisions.as_ref().and_then(|all| all.get(instrument));
        if let Some(precision) = precision {
            self.books.insert(instrument.as_str(), *precision, DEPTH);
        }
        self.sayings.push_back(Saying::Unsubscribe(instrument.clone()));
        self.sayings.push_back(Saying::Subscribe(instrument.clone()));
    }

    /// Takes a message in; the quote it makes.
    pub(super) fn apply(
        &mut self,
        kind: Kind,
        message: &BookMessage<'_>,
        now: Monotonic,
    ) -> Option<(InstrumentId, Quote)> {
        let instrument = InstrumentId::new(&message.symbol).ok()?;
        let wanted = self.wanted.get_mut(&instrument)?;
        wanted.heard = Some(now);
        match self.books.apply(kind, message, now) {
            Told::Whole => {}
            Told::Resubscribe(fault) => {
                tracing::warn!(%instrument, %fault, "book is asked for anew");
                self.sayings.push_back(Saying::Unsubscribe(instrument.clone()));
                self.sayings.push_back(Saying::SubscribeBroken(instrument));
                return None;
            }
            Told::Stale | Told::NotOurs => return None,
        }
        let at = message.timestamp.map_or_else(clock::now, |stamp| stamp.0);
        let book = self.books.get(&message.symbol)?;
        let (bid, bid_size) = side(book.bids().first(), book.precision());
        let (ask, ask_size) = side(book.asks().first(), book.precision());
        Some((instrument, Quote { bid, bid_size, ask, ask_size, at }))
    }

    /// Looks for books that have fallen silent: each is asked for anew, for itself.
    pub(super) fn look(&mut self, now: Monotonic) {
        let asked = *self.asked.get_or_insert(now);
        if self.precisions.is_none() && now.since(asked) >= SILENT {
            self.asked = Some(now);
            self.sayings.push_back(Saying::Instruments);
        }
        let mut silent = Vec::new();
        for (instrument, wanted) in &mut self.wanted {
            // The time from its subscription on counts once it has been looked at.
            let Some(heard) = wanted.heard.as_mut() else { continue };
            if *heard == Monotonic::default() {
                *heard = now;
            } else if now.since(*heard) >= SILENT {
                *heard = now;
                silent.push(instrument.clone());
            }
        }
        for instrument in silent {
            tracing::warn!(%instrument, "book is silent: asked for anew");
            self.anew(&instrument);
        }
    }
}

fn side(level: Option<&Level>, precision: Precision) -> (Option<Price>, Quantity) {
    let decimal = |units: u128, decimals| {
        let units = i128::try_from(units).ok()?;
        Decimal::try_from_i128_with_scale(units, decimals).ok()
    };
    let price = level.and_then(|level| Price::new(decimal(level.price, precision.price)?).ok());
    let quantity =
        level.and_then(|level| Quantity::new(decimal(level.quantity, precision.quantity)?).ok());
    (price, quantity.unwrap_or(Quantity::ZERO))
}

#[cfg(test)]
mod tests;
