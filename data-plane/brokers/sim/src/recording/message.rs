//! One line of a recording as a message. Decides what is a legal line; numbers are taken from the text as
//! it stands.

use serde::Deserialize;
use serde_json::value::RawValue;
use tradewind_domain::{ids::InstrumentId, time::UnixNanos, trading::Side};

use super::Message;
use crate::engine::StreetLevel;
use crate::instrument::Instrument;

#[derive(Deserialize)]
struct Line<'a> {
    channel: String,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(borrow)]
    data: [BookData<'a>; 1],
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Snapshot,
    Update,
}

#[derive(Deserialize)]
struct BookData<'a> {
    symbol: InstrumentId,
    #[serde(borrow)]
    bids: Vec<PriceLevel<'a>>,
    #[serde(borrow)]
    asks: Vec<PriceLevel<'a>>,
    checksum: u32,
    #[serde(default)]
    timestamp: Option<UnixNanos>,
}

#[derive(Deserialize)]
struct PriceLevel<'a> {
    #[serde(borrow)]
    price: &'a RawValue,
    #[serde(borrow)]
    qty: &'a RawValue,
}

/// Reads a line; `before` is when the message before it was sent. Gives the message and its own time.
pub(super) fn read(
    text: &str,
    instrument: &Instrument,
    before: Option<UnixNanos>,
) -> Result<(Message, Option<UnixNanos>), String> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let [book] = line.data;
    if line.channel != "book" || book.symbol != instrument.id {
        return Err(format!("not a book of {}", instrument.id));
    }
    let bids = book.bids.iter().map(|level| (Side::Buy, level));
    let asks = book.asks.iter().map(|level| (Side::Sell, level));
    let mut levels = Vec::with_capacity(book.bids.len() + book.asks.len());
    for (side, level) in bids.chain(asks) {
        let price = level.price.get().parse().ok().and_then(|price| instrument.ticks(price));
        let quantity = level.qty.get().parse().ok().and_then(|qty| instrument.lots(qty));
        let (Some(price), Some(quantity)) = (price, quantity) else {
            return Err(format!("no level of {}: {} of {}", instrument.id, level.qty, level.price));
        };
        levels.push(StreetLevel { side, price, quantity });
    }
    let pause = book.timestamp.zip(before).map(|(at, before)| at.since(before));
    let snapshot = line.kind == Kind::Snapshot;
    Ok((Message { snapshot, pause, levels, checksum: book.checksum }, book.timestamp))
}
