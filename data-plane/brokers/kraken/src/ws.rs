//! WebSocket v2 messages, both ways. Decides which kind of message a frame is and what it says; what a message
//! does to a book or an order is decided by `book` and `executions`. Fields that are not known are passed over,
//! a channel or an event that is not known is told as such: Kraken adds without asking.

/// A struct of which most fields may be absent; flattening would lose digits of numbers.
macro_rules! message {
    (
        $(#[$doc:meta])*
        $name:ident {
            $($(#[$required_doc:meta])* $required:ident: $required_type:ty,)*
        } optional {
            $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
        }
    ) => {
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        $(#[$doc])*
        pub struct $name {
            $($(#[$required_doc])* pub $required: $required_type,)*
            $(
                $(#[$field_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )*
        }
    };
}

pub mod market;
pub mod private;
pub mod request;
pub mod trading;

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::stamp::Stamp;
use market::{BookMessage, Market};
use private::Private;

/// Whether a message is the whole state or a change to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Snapshot,
    Update,
}

/// A frame from Kraken.
#[derive(Clone, Debug, PartialEq)]
pub enum Message<'a> {
    Market(Market<'a>),
    /// With its number, which rises by one with each message of the subscription.
    Private(u64, Private),
    Heartbeat,
    Answer(Answer<'a>),
    Pong(Option<u64>),
    /// `{"Error":"Exceeded msg rate"}`: some frame was dropped and gets no other answer.
    TooFast(String),
    /// Of a channel that is not known.
    Other(String),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    pub method: String,
    pub req_id: Option<u64>,
    /// The result, or the error's text.
    pub result: Result<Body<'a>, String>,
    /// The symbol that could not be subscribed.
    pub symbol: Option<String>,
    /// When the request reached the venue, by its clock.
    pub time_in: Option<Stamp>,
    pub time_out: Option<Stamp>,
}

/// The result of a request, still as text: the method says what it is.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a>(pub &'a str);

impl PartialEq for Body<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Body<'_> {
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, BadFrame> {
        serde_json::from_str(self.0).map_err(BadFrame::from)
    }
}

/// A frame that is no message of this protocol.
#[derive(Debug, thiserror::Error)]
pub enum BadFrame {
    #[error("not a message of Kraken's WebSocket v2")]
    Json(#[from] serde_json::Error),
    #[error("a message of channel {0} without {1}")]
    Incomplete(String, &'static str),
    #[error("neither a channel nor a method")]
    Neither,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
    #[serde(rename = "type", default)]
    kind: Option<Kind>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    sequence: Option<u64>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    symbol: Option<String>,
    #[serde(default)]
    req_id: Option<u64>,
    #[serde(default)]
    time_in: Option<Stamp>,
    #[serde(default)]
    time_out: Option<Stamp>,
    #[serde(rename = "Error", default)]
    too_fast: Option<String>,
}

/// Reads a frame.
pub fn read(text: &str) -> Result<Message<'_>, BadFrame> {
    let mut envelope: Envelope<'_> = serde_json::from_str(text)?;
    if let Some(channel) = envelope.channel.take() {
        return of_channel(&channel, &envelope);
    }
    if let Some(text) = envelope.too_fast {
        return Ok(Message::TooFast(text));
    }
    let method = envelope.method.ok_or(BadFrame::Neither)?.into_owned();
    if method == "pong" {
        return Ok(Message::Pong(envelope.req_id));
    }
    let result = match (envelope.success, envelope.error) {
        (Some(false), error) => Err(error.unwrap_or_default()),
        (None, Some(error)) => Err(error),
        _ => Ok(Body(envelope.result.map_or("null", RawValue::get))),
    };
    Ok(Message::Answer(Answer {
        method,
        req_id: envelope.req_id,
        result,
        symbol: envelope.symbol,
        time_in: envelope.time_in,
        time_out: envelope.time_out,
    }))
}

fn of_channel<'a>(channel: &str, envelope: &Envelope<'a>) -> Result<Message<'a>, BadFrame> {
    let lacks = |what| BadFrame::Incomplete(channel.to_owned(), what);
    let kind = || envelope.kind.ok_or_else(|| lacks("type"));
    let text = || envelope.data.map(RawValue::get).ok_or_else(|| lacks("data"));
    let sequence = || envelope.sequence.ok_or_else(|| lacks("sequence"));
    Ok(match channel {
        "heartbeat" => Message::Heartbeat,
        "status" => Message::Market(Market::Status(list(text()?)?)),
        "ticker" => Message::Market(Market::Ticker(kind()?, list(text()?)?)),
        "trade" => Message::Market(Market::Trade(kind()?, list(text()?)?)),
        "ohlc" => Message::Market(Market::Ohlc(kind()?, list(text()?)?)),
        "instrument" => Message::Market(Market::Instrument(kind()?, list(text()?)?)),
        "book" => {
            let [book]: [BookMessage<'a>; 1] = serde_json::from_str(text()?)?;
            Message::Market(Market::Book(kind()?, book))
        }
        "executions" => Message::Private(sequence()?, Private::Executions(kind()?, list(text()?)?)),
        "balances" => Message::Private(
            sequence()?,
            match kind()? {
                Kind::Snapshot => Private::Balances(list(text()?)?),
                Kind::Update => Private::Entries(list(text()?)?),
            },
        ),
        other => Message::Other(other.to_owned()),
    })
}

fn list<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests;
