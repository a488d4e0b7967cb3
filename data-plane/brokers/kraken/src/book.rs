//! An order book of the `book` channel. Decides what a snapshot and the updates after it add up to, and whether
//! the book is whole: there is no number in the messages, the checksum is the only proof.
//!
//! Kraken's rules ("spot websocket book checksum v2"): levels are applied in the order they come, quantity 0
//! removes, an unknown price of quantity 0 is nothing; then each side is cut to the depth, for no message says
//! that a level fell out of it. Checksum: the ten lowest asks upwards, then the ten highest bids downwards; of
//! each price and quantity with all decimals of the pair, without the dot and leading zeros; CRC-32 (IEEE).
//!
//! B1 a book that is not proven is stale until its next snapshot, and says so once. B2 one stale book touches
//! no other.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use tradewind_domain::time::Monotonic;

use crate::limits::RESUBSCRIBE_EVERY;
use crate::ws::Kind;
use crate::ws::market::{BookMessage, PriceLevel};

/// Levels of a side that the checksum covers, whatever the depth.
const CHECKED: usize = 10;

/// Decimals of a pair, from the `instrument` channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    pub price: u32,
    pub quantity: u32,
}

/// A price and what stands there, in units of their last decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    pub price: u128,
    pub quantity: u128,
}

/// Why a book is stale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the book's checksum is {found}, the message says {told}")]
    Checksum { told: u32, found: u32 },
    #[error("a level has more decimals than the pair: {price} {quantity}")]
    Digits { price: String, quantity: String },
    #[error("an update came before any snapshot")]
    NoSnapshot,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Book {
    precision: Precision,
    depth: usize,
    /// The best first, on both sides.
    bids: Vec<Level>,
    asks: Vec<Level>,
    whole: bool,
    text: Vec<u8>,
}

impl Book {
    /// An empty book, stale until its first snapshot.
    #[must_use]
    pub fn new(precision: Precision, depth: usize) -> Self {
        let (bids, asks) = (Vec::with_capacity(depth + 1), Vec::with_capacity(depth + 1));
        Self { precision, depth, bids, asks, whole: false, text: Vec::with_capacity(512) }
    }

    /// Takes a message in. After a fault the book is stale, and every update is one without a snapshot.
    pub fn apply(&mut self, kind: Kind, message: &BookMessage) -> Result<(), Fault> {
        match kind {
            Kind::Snapshot => {
                self.bids.clear();
                self.asks.clear();
                self.whole = true;
            }
            Kind::Update if self.whole => {}
            Kind::Update => return Err(Fault::NoSnapshot),
        }
        let applied = self.levels(message).and_then(|()| self.prove(message.checksum));
        self.whole = applied.is_ok();
        applied
    }

    fn levels(&mut self, message: &BookMessage) -> Result<(), Fault> {
        let precision = self.precision;
        for level in &message.bids {
            set(&mut self.bids, read(level, precision)?, |stands, new| new.cmp(&stands));
        }
        for level in &message.asks {
            set(&mut self.asks, read(level, precision)?, |stands, new| stands.cmp(&new));
        }
        self.bids.truncate(self.depth);
        self.asks.truncate(self.depth);
        Ok(())
    }

    fn prove(&mut self, told: u32) -> Result<(), Fault> {
        self.text.clear();
        for level in self.asks.iter().take(CHECKED).chain(self.bids.iter().take(CHECKED)) {
            digits(&mut self.text, level.price);
            digits(&mut self.text, level.quantity);
        }
        let found = crc32fast::hash(&self.text);
        if found == told { Ok(()) } else { Err(Fault::Checksum { told, found }) }
    }

    /// Proven by the last message. A book that is not shows nothing that may be traded on.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The best first.
    #[must_use]
    pub fn bids(&self) -> &[Level] {
        &self.bids
    }

    /// The best first.
    #[must_use]
    pub fn asks(&self) -> &[Level] {
        &self.asks
    }

    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

fn read(level: &PriceLevel, precision: Precision) -> Result<Level, Fault> {
    let price = level.price.scaled(precision.price);
    match (price, level.qty.scaled(precision.quantity)) {
        (Some(price), Some(quantity)) => Ok(Level { price, quantity }),
        _ => Err(Fault::Digits { price: level.price.to_string(), quantity: level.qty.to_string() }),
    }
}

/// `order` compares a standing price with the new one: `Less` stands better.
fn set(side: &mut Vec<Level>, new: Level, order: impl Fn(u128, u128) -> Ordering) {
    match side.binary_search_by(|stands| order(stands.price, new.price)) {
        Ok(place) if new.quantity == 0 => {
            side.remove(place);
        }
        Ok(place) => side[place] = new,
        Err(_) if new.quantity == 0 => {}
        Err(place) => side.insert(place, new),
    }
}

/// The digits of a number; none of zero, whose digits are all leading.
fn digits(text: &mut Vec<u8>, number: u128) {
    let mut buffer = [0_u8; 39];
    let mut place = buffer.len();
    // All but absurd numbers fit in 64 bits, whose division is much cheaper.
    let mut high = number;
    while high > u128::from(u64::MAX) {
        place -= 1;
        buffer[place] = b'0' + u8::try_from(high % 10).unwrap_or_default();
        high /= 10;
    }
    let mut low = u64::try_from(high).unwrap_or_default();
    while low > 0 {
        place -= 1;
        buffer[place] = b'0' + u8::try_from(low % 10).unwrap_or_default();
        low /= 10;
    }
    text.extend_from_slice(&buffer[place..]);
}

/// CRC-32 of levels given best first, as Kraken computes it.
#[must_use]
pub fn checksum(asks: &[Level], bids: &[Level]) -> u32 {
    let mut text = Vec::with_capacity(512);
    for level in asks.iter().take(CHECKED).chain(bids.iter().take(CHECKED)) {
        digits(&mut text, level.price);
        digits(&mut text, level.quantity);
    }
    crc32fast::hash(&text)
}

/// What a message did to one book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The book is as the venue has it.
    Whole,
    /// It was not proven: this one book is to be unsubscribed and subscribed again.
    Resubscribe(Fault),
    /// It is stale and was told before; its snapshot is on the way, or too short a time has passed.
    Stale,
    /// Nobody asked for it.
    NotOurs,
}

#[derive(Debug)]
struct Kept {
    book: Book,
    /// When it was last asked for anew.
    asked: Option<Monotonic>,
}

/// The books of one connection.
#[derive(Debug, Default)]
pub struct Books {
    books: BTreeMap<String, Kept>,
}

impl Books {
    /// A book is subscribed under that symbol. One that is there already begins anew.
    pub fn insert(&mut self, symbol: &str, precision: Precision, depth: usize) {
        let book = Book::new(precision, depth);
        self.books.insert(symbol.to_owned(), Kept { book, asked: None });
    }

    pub fn remove(&mut self, symbol: &str) {
        self.books.remove(symbol);
    }

    #[must_use]
    pub fn get(&self, symbol: &str) -> Option<&Book> {
        self.books.get(symbol).map(|kept| &kept.book)
    }

    /// Takes a message in.
    pub fn apply(&mut self, kind: Kind, message: &BookMessage, now: Monotonic) -> Told {
        let Some(kept) = self.books.get_mut(&*message.symbol) else { return Told::NotOurs };
        match kept.book.apply(kind, message) {
            Ok(()) => Told::Whole,
            Err(fault) => {
                let waits = kept.asked.is_some_and(|asked| now.since(asked) < RESUBSCRIBE_EVERY);
                if waits {
                    return Told::Stale;
                }
                kept.asked = Some(now);
                Told::Resubscribe(fault)
            }
        }
    }
}

#[cfg(test)]
mod tests;
