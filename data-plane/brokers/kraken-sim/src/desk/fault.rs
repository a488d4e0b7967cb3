//! Faults on demand. Decides which faults there are, how they are asked for (`POST /sim/faults`, one JSON object or
//! a list of them), and which one's occasion has come; doing it is left to where it happens.

use serde::Deserialize;
use tradewind_kraken::ws::market::System;

use crate::limits::FAULTS;

/// One fault. Those with `times` wait for so many occasions (once unless told otherwise); the others are done at
/// once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// All WebSockets end: with a close frame, or torn off.
    Drop {
        #[serde(default)]
        clean: bool,
    },
    /// All WebSockets go silent and stay open; with heartbeats still coming if so told.
    Stall {
        #[serde(default)]
        heartbeats: bool,
    },
    /// The request is done and never answered. A method of the WebSocket or a call of REST.
    SwallowAnswer {
        method: String,
        #[serde(default = "once")]
        times: u32,
    },
    /// The call is done and answered with HTTP 502.
    BadGateway {
        method: String,
        #[serde(default = "once")]
        times: u32,
    },
    /// The request is done, and answered after the events it caused.
    DelayAnswer {
        method: String,
        millis: u64,
        #[serde(default = "once")]
        times: u32,
    },
    /// The request is not done and answered with that text.
    Error {
        method: String,
        error: String,
        #[serde(default = "once")]
        times: u32,
    },
    /// The request is done and answered with that text.
    ErrorAfter {
        method: String,
        error: String,
        #[serde(default = "once")]
        times: u32,
    },
    /// A frame is dropped with `Exceeded msg rate`.
    DropFrame {
        #[serde(default = "once")]
        times: u32,
    },
    /// A message of a private channel is lost: its number is left out.
    SkipSequence {
        channel: String,
        #[serde(default = "once")]
        times: u32,
    },
    /// A fill is told twice.
    RepeatFill {
        #[serde(default = "once")]
        times: u32,
    },
    /// Fills that end an order are told after that end.
    LateFills {
        #[serde(default = "once")]
        times: u32,
    },
    /// Several fills of one order are told the last one first.
    ReverseFills {
        #[serde(default = "once")]
        times: u32,
    },
    /// A book update's checksum is not that of the book.
    CorruptBook {
        symbol: String,
        #[serde(default = "once")]
        times: u32,
    },
    /// Subscriptions of the channel say nothing more; they stay acknowledged.
    Silence { channel: String },
    /// All WebSocket tokens are invalid from now on.
    ExpireTokens {},
    /// The engine's state.
    System { system: System },
    /// Nobody may connect for so long.
    Ban { seconds: u64 },
}

fn once() -> u32 {
    1
}

/// Faults that wait for their occasion.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
}

impl Faults {
    /// Whether there was room for it.
    pub(crate) fn add(&mut self, fault: Fault) -> bool {
        let has_room = self.waiting.len() < FAULTS;
        if has_room {
            self.waiting.push(fault);
        }
        has_room
    }

    /// The first fault of which `is` says that its occasion has come. It is used up by one.
    fn take(&mut self, is: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let place = self.waiting.iter().position(is)?;
        let taken = self.waiting[place].clone();
        let (Fault::SwallowAnswer { times, .. }
        | Fault::BadGateway { times, .. }
        | Fault::DelayAnswer { times, .. }
        | Fault::Error { times, .. }
        | Fault::ErrorAfter { times, .. }
        | Fault::DropFrame { times }
        | Fault::SkipSequence { times, .. }
        | Fault::RepeatFill { times }
        | Fault::LateFills { times }
        | Fault::ReverseFills { times }
        | Fault::CorruptBook { times, .. }) = &mut self.waiting[place]
        else {
            self.waiting.remove(place);
            return Some(taken);
        };
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.waiting.remove(place);
        }
        Some(taken)
    }

    /// The text a request is to be refused with.
    pub(crate) fn error(&mut self, asked: &str) -> Option<String> {
        match self.take(|fault| matches!(fault, Fault::Error { method, .. } if method == asked))? {
            Fault::Error { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The text a request that was done is to be answered with.
    pub(crate) fn error_after(&mut self, asked: &str) -> Option<String> {
        let is =
            |fault: &Fault| matches!(fault, Fault::ErrorAfter { method, .. } if method == asked);
        match self.take(is)? {
            Fault::ErrorAfter { error, .. } => Some(error),
            _ => None,
        }
    }

    pub(crate) fn swallows(&mut self, asked: &str) -> bool {
        let is =
            |fault: &Fault| matches!(fault, Fault::SwallowAnswer { method, .. } if method == asked);
        self.take(is).is_some()
    }

    pub(crate) fn is_bad_gateway(&mut self, asked: &str) -> bool {
        let is =
            |fault: &Fault| matches!(fault, Fault::BadGateway { method, .. } if method == asked);
        self.take(is).is_some()
    }

    /// Milliseconds an answer is held back.
    pub(crate) fn delay(&mut self, asked: &str) -> Option<u64> {
        let is =
            |fault: &Fault| matches!(fault, Fault::DelayAnswer { method, .. } if method == asked);
        match self.take(is)? {
            Fault::DelayAnswer { millis, .. } => Some(millis),
            _ => None,
        }
    }

    pub(crate) fn drops_frame(&mut self) -> bool {
        self.take(|fault| matches!(fault, Fault::DropFrame { .. })).is_some()
    }

    pub(crate) fn skips(&mut self, of: &str) -> bool {
        let is =
            |fault: &Fault| matches!(fault, Fault::SkipSequence { channel, .. } if channel == of);
        self.take(is).is_some()
    }

    pub(crate) fn repeats_fill(&mut self) -> bool {
        self.take(|fault| matches!(fault, Fault::RepeatFill { .. })).is_some()
    }

    pub(crate) fn is_late_with_fills(&mut self) -> bool {
        self.take(|fault| matches!(fault, Fault::LateFills { .. })).is_some()
    }

    pub(crate) fn reverses_fills(&mut self) -> bool {
        self.take(|fault| matches!(fault, Fault::ReverseFills { .. })).is_some()
    }

    pub(crate) fn corrupts(&mut self, of: &str) -> bool {
        let is = |fault: &Fault| matches!(fault, Fault::CorruptBook { symbol, .. } if symbol == of);
        self.take(is).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_as_often_as_it_was_asked_for() {
        let mut faults = Faults::default();
        let asked = [
            r#"{"fault":"error","method":"add_order","error":"EOrder:Insufficient funds","times":2}"#,
            r#"{"fault":"corrupt_book","symbol":"BTC/USD"}"#,
        ];
        for text in asked {
            assert!(faults.add(serde_json::from_str(text).unwrap()));
        }
        assert_eq!(faults.error("cancel_order"), None);
        for _ in 0..2 {
            assert_eq!(faults.error("add_order").as_deref(), Some("EOrder:Insufficient funds"));
        }
        assert_eq!(faults.error("add_order"), None);
        assert!(!faults.corrupts("ETH/USD"));
        assert!(faults.corrupts("BTC/USD"));
        assert!(!faults.corrupts("BTC/USD"));
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        let text = r#"{"fault":"drop","cleen":true}"#;
        assert!(serde_json::from_str::<Fault>(text).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"fault":"earthquake"}"#).is_err());
    }
}
