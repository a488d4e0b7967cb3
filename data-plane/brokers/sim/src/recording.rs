//! Recorded market data: reading a Kraken v2 `book` recording and playing it. Decides what the street shows
//! and when; what that does to orders is the engine's decision. The source's prices and quantities are
//! never read as floats, and each message must agree with its own checksum.
//!
//! Checksum (Kraken's API guide, "spot websocket book checksum v2"): the ten lowest asks upwards, then the
//! ten highest bids downwards; of each the price, then the quantity, printed with all decimals of the
//! instrument, without the dot and without leading zeros; CRC-32 (IEEE) of that text. Counted in ticks
//! and lots the printed text is simply the number.

mod message;
mod replay;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use tradewind_domain::trading::Side;

use crate::engine::StreetLevel;
use crate::instrument::{Instrument, Lots, Ticks};

pub use replay::Replay;

/// Levels a side in the recording, and in its checksums.
const DEPTH: usize = 10;

const KRAKEN_BTC_USD: &str = include_str!("../recordings/kraken_book_btcusd_depth10.jsonl");

/// A recording that cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the recording: {what}")]
pub struct BadRecording {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

/// A recording that was read and checked. Clones share it.
#[derive(Clone, Debug)]
pub struct Recording {
    messages: Arc<[Message]>,
}

#[derive(Clone, Debug)]
struct Message {
    /// The levels are the whole book, not changes to it.
    snapshot: bool,
    /// Time since the message before, as recorded; none if that is not known.
    pause: Option<Duration>,
    levels: Vec<StreetLevel>,
    checksum: u32,
}

impl Recording {
    /// The recording that comes with the program: 51 s of BTC/USD.
    #[must_use]
    pub fn kraken_btc_usd() -> Self {
        Self::read(KRAKEN_BTC_USD).expect("the embedded recording is checked by the tests")
    }

    /// Reads a recording of BTC/USD: one message of the `book` channel a line, the first one a snapshot.
    pub fn read(text: &str) -> Result<Self, BadRecording> {
        let instrument = Instrument::btc_usd();
        let mut messages = Vec::new();
        let mut book = DepthBook::default();
        let mut before = None;
        for (line, text) in (1..).zip(text.lines()) {
            let bad = |what: String| BadRecording { line, what };
            let (message, at) = message::read(text, &instrument, before).map_err(bad)?;
            if messages.is_empty() && !message.snapshot {
                return Err(bad("a recording begins with a snapshot".to_owned()));
            }
            book.apply(&message);
            let found = book.checksum();
            if found != message.checksum {
                let told = message.checksum;
                return Err(bad(format!(
                    "the book's checksum is {found}, the message says {told}"
                )));
            }
            before = at.or(before);
            messages.push(message);
        }
        if messages.is_empty() {
            return Err(BadRecording { line: 1, what: "there is no message".to_owned() });
        }
        Ok(Self { messages: messages.into() })
    }
}

/// The recorded book alone, cut to its depth.
#[derive(Debug, Default)]
struct DepthBook {
    bids: BTreeMap<Ticks, Lots>,
    asks: BTreeMap<Ticks, Lots>,
}

impl DepthBook {
    /// Applies a message. Gives all levels that are to be set, those that went included.
    fn apply(&mut self, message: &Message) -> Vec<StreetLevel> {
        let mut changes = Vec::new();
        if message.snapshot {
            let gone = |side| move |price| StreetLevel { side, price, quantity: Lots::ZERO };
            changes.extend(core::mem::take(&mut self.bids).into_keys().map(gone(Side::Buy)));
            changes.extend(core::mem::take(&mut self.asks).into_keys().map(gone(Side::Sell)));
        }
        for level in &message.levels {
            let side = match level.side {
                Side::Buy => &mut self.bids,
                Side::Sell => &mut self.asks,
            };
            if level.quantity.is_zero() {
                side.remove(&level.price);
            } else {
                side.insert(level.price, level.quantity);
            }
            changes.push(*level);
        }
        // No message says that a level has fallen out of the depth.
        while self.bids.len() > DEPTH
            && let Some((price, _)) = self.bids.pop_first()
        {
            changes.push(StreetLevel { side: Side::Buy, price, quantity: Lots::ZERO });
        }
        while self.asks.len() > DEPTH
            && let Some((price, _)) = self.asks.pop_last()
        {
            changes.push(StreetLevel { side: Side::Sell, price, quantity: Lots::ZERO });
        }
        changes
    }

    fn checksum(&self) -> u32 {
        let mut text = String::new();
        let best = self.asks.iter().take(DEPTH).chain(self.bids.iter().rev().take(DEPTH));
        for (price, quantity) in best {
            text.push_str(&price.0.to_string());
            text.push_str(&quantity.0.to_string());
        }
        crc32fast::hash(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;
