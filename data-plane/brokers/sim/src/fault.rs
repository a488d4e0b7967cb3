//! Faults on demand. Decides which faults there are, how they are asked for (`POST` to [`FAULTS_PATH`], one JSON object
//! or a list of them; `GET` lists those that wait, `DELETE` ends all), and which one's occasion has come; doing it is
//! left to `venue`. The ledger knows none of them: it says what was, whatever was told.

use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use tradewind_domain::ids::InstrumentId;

use crate::limits::{FAULT_LASTS, FAULTS};

/// Where faults are asked for.
pub const FAULTS_PATH: &str = "/v1/faults";

/// What a client asks for that can be answered wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    Submit,
    Cancel,
    Replace,
}

/// One fault. It strikes so many occasions (one unless told otherwise), of that instrument or of any; a silence begins
/// at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// The request is done and never answered.
    SwallowAnswer {
        method: Method,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// The request is done, and answered after the events it caused.
    DelayAnswer {
        method: Method,
        millis: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// The request is done and answered as `unavailable`. One that is refused anyway is no occasion.
    ErrorAfter {
        method: Method,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// A submit is refused, and kept as such: nothing is placed.
    Refuse {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// A fill is told twice.
    RepeatFill {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// Fills that end an order, or that come with its end, are told after that end.
    LateFills {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// Several fills of one order are told the last one first.
    ReverseFills {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// A quote that somebody has subscribed to is lost; its number is gone with it.
    SkipQuote {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
        #[serde(default = "once")]
        times: NonZeroU32,
    },
    /// Nothing is told for so long, heartbeats included; all of it is told then. Of an instrument: its quotes and trades
    /// alone, and they are lost.
    Silence {
        millis: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instrument: Option<InstrumentId>,
    },
}

fn once() -> NonZeroU32 {
    NonZeroU32::MIN
}

/// Why a fault is not taken; of a list that holds one such, none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// Too many wait.
    Full,
    /// It would last too long.
    TooLong,
}

impl Fault {
    fn instrument(&self) -> Option<&InstrumentId> {
        match self {
            Self::SwallowAnswer { instrument, .. }
            | Self::DelayAnswer { instrument, .. }
            | Self::ErrorAfter { instrument, .. }
            | Self::Refuse { instrument, .. }
            | Self::RepeatFill { instrument, .. }
            | Self::LateFills { instrument, .. }
            | Self::ReverseFills { instrument, .. }
            | Self::SkipQuote { instrument, .. }
            | Self::Silence { instrument, .. } => instrument.as_ref(),
        }
    }

    /// How often it still strikes; a silence does not wait for anything.
    fn times(&mut self) -> Option<&mut NonZeroU32> {
        match self {
            Self::SwallowAnswer { times, .. }
            | Self::DelayAnswer { times, .. }
            | Self::ErrorAfter { times, .. }
            | Self::Refuse { times, .. }
            | Self::RepeatFill { times, .. }
            | Self::LateFills { times, .. }
            | Self::ReverseFills { times, .. }
            | Self::SkipQuote { times, .. } => Some(times),
            Self::Silence { .. } => None,
        }
    }

    fn lasts(&self) -> Duration {
        match self {
            Self::DelayAnswer { millis, .. } | Self::Silence { millis, .. } => {
                Duration::from_millis(*millis)
            }
            _ => Duration::ZERO,
        }
    }
}

/// A request, as far as a fault may wait for it.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) method: Method,
    /// None if the order it names is not there.
    pub(crate) instrument: Option<InstrumentId>,
}

/// Faults that wait for their occasion.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
}

impl Faults {
    /// Whether all of these may be added.
    pub(crate) fn check(&self, more: &[Fault]) -> Result<(), NotTaken> {
        if more.iter().any(|fault| fault.lasts() > FAULT_LASTS) {
            return Err(NotTaken::TooLong);
        }
        let has_room = more.len() <= FAULTS.saturating_sub(self.waiting.len());
        if has_room { Ok(()) } else { Err(NotTaken::Full) }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.waiting.push(fault);
    }

    pub(crate) fn waiting(&self) -> &[Fault] {
        &self.waiting
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The first fault of which `is` says that its occasion has come, with that instrument. It is used up by one.
    fn take(&mut self, of: Option<&InstrumentId>, is: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let strikes =
            |fault: &Fault| fault.instrument().is_none_or(|wanted| of == Some(wanted)) && is(fault);
        let place = self.waiting.iter().position(strikes)?;
        let taken = self.waiting[place].clone();
        let left = |times: &mut NonZeroU32| NonZeroU32::new(times.get() - 1).map(|n| *times = n);
        if self.waiting[place].times().and_then(left).is_none() {
            self.waiting.remove(place);
        }
        Some(taken)
    }

    pub(crate) fn swallows(&mut self, about: &About) -> bool {
        let is = |fault: &Fault| matches!(fault, Fault::SwallowAnswer { method, .. } if *method == about.method);
        self.take(about.instrument.as_ref(), is).is_some()
    }

    pub(crate) fn errs_after(&mut self, about: &About) -> bool {
        let is = |fault: &Fault| matches!(fault, Fault::ErrorAfter { method, .. } if *method == about.method);
        self.take(about.instrument.as_ref(), is).is_some()
    }

    /// How long an answer is held back.
    pub(crate) fn delays(&mut self, about: &About) -> Option<Duration> {
        let is = |fault: &Fault| matches!(fault, Fault::DelayAnswer { method, .. } if *method == about.method);
        self.take(about.instrument.as_ref(), is).map(|fault| fault.lasts())
    }

    pub(crate) fn refuses(&mut self, of: &InstrumentId) -> bool {
        self.take(Some(of), |fault| matches!(fault, Fault::Refuse { .. })).is_some()
    }

    pub(crate) fn repeats_fill(&mut self, of: &InstrumentId) -> bool {
        self.take(Some(of), |fault| matches!(fault, Fault::RepeatFill { .. })).is_some()
    }

    pub(crate) fn is_late_with_fills(&mut self, of: &InstrumentId) -> bool {
        self.take(Some(of), |fault| matches!(fault, Fault::LateFills { .. })).is_some()
    }

    pub(crate) fn reverses_fills(&mut self, of: &InstrumentId) -> bool {
        self.take(Some(of), |fault| matches!(fault, Fault::ReverseFills { .. })).is_some()
    }

    pub(crate) fn skips_quote(&mut self, of: &InstrumentId) -> bool {
        self.take(Some(of), |fault| matches!(fault, Fault::SkipQuote { .. })).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instrument(name: &str) -> InstrumentId {
        InstrumentId::new(name).unwrap()
    }

    fn asked(texts: &[&str]) -> Faults {
        let mut faults = Faults::default();
        let asked: Vec<Fault> =
            texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        assert_eq!(faults.check(&asked), Ok(()));
        asked.into_iter().for_each(|fault| faults.add(fault));
        faults
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_was_asked_for_and_only_what_it_was_asked_for() {
        let mut faults = asked(&[
            r#"{"fault":"swallow_answer","method":"cancel","times":2}"#,
            r#"{"fault":"repeat_fill","instrument":"BTC/USD"}"#,
        ]);
        let about = |method| About { method, instrument: None };
        assert!(!faults.swallows(&about(Method::Submit)));
        for expected in [true, true, false] {
            assert_eq!(faults.swallows(&about(Method::Cancel)), expected);
        }
        for (name, expected) in [("ETH/USD", false), ("BTC/USD", true), ("BTC/USD", false)] {
            assert_eq!(faults.repeats_fill(&instrument(name)), expected, "{name}");
        }
        assert_eq!(faults.waiting(), []);
    }

    #[test]
    fn a_fault_is_listed_as_it_was_asked_for() {
        let text = r#"{"fault":"delay_answer","method":"replace","millis":5,"instrument":"BTC/USD","times":3}"#;
        let faults = asked(&[text]);
        assert_eq!(serde_json::to_string(&faults.waiting()[0]).unwrap(), text);
    }

    #[test]
    fn a_misspelt_fault_is_none_and_one_that_never_ends_is_not_taken() {
        for text in [
            r#"{"fault":"earthquake"}"#,
            r#"{"fault":"refuse","tiems":2}"#,
            r#"{"fault":"refuse","times":0}"#,
            r#"{"fault":"swallow_answer","method":"shout"}"#,
        ] {
            assert!(serde_json::from_str::<Fault>(text).is_err(), "{text}");
        }
        let long = Fault::Silence { millis: u64::MAX, instrument: None };
        assert_eq!(Faults::default().check(&[long]), Err(NotTaken::TooLong));
        let many = vec![Fault::Refuse { instrument: None, times: once() }; FAULTS + 1];
        assert_eq!(Faults::default().check(&many), Err(NotTaken::Full));
    }
}
