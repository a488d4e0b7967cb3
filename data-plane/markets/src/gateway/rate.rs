//! How fast a session asks. Decides whether a request is one too many, and how long until the next one may come: so many a
//! second, and as many at once after a pause. What makes less has as many of its own: nothing else that a session asks takes them away.
//! Whether it is refused or waited for is decided where it comes.

use crate::clock::Clock;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tradewind_domain::{ids::SessionId, time::Monotonic};
use tradewind_protocol::{Code, Problem};

const SECOND: Duration = Duration::from_secs(1);

/// Below so many sessions it is not looked for those that can be forgotten.
const SESSIONS_UNSWEPT: usize = 1_024;

/// What is left of a rate: a bucket that holds a second's worth, known by when it is full again. Times must not fall.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_at: Monotonic,
}

impl Bucket {
    /// Takes one of `a_second`; if there is none, says after how long there is.
    pub(crate) fn take(&mut self, a_second: u32, now: Monotonic) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + SECOND / a_second.max(1);
        match full_at.since(now).checked_sub(SECOND) {
            Some(early) if !early.is_zero() => Err(early),
            Some(_) | None => {
                self.full_at = full_at;
                Ok(())
            }
        }
    }

    fn is_full(self, now: Monotonic) -> bool {
        self.full_at <= now
    }
}

/// What a request is counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Cancels, their timers and halts: they are needed when the rest has run wild.
    Less,
    Rest,
}

/// What is left to a session.
#[derive(Clone, Copy, Debug, Default)]
struct Left {
    less: Bucket,
    rest: Bucket,
}

impl Left {
    fn of(&mut self, share: Share) -> &mut Bucket {
        match share {
            Share::Less => &mut self.less,
            Share::Rest => &mut self.rest,
        }
    }
}

struct Held {
    sessions: HashMap<SessionId, Left>,
    /// With so many it is looked which are full: they say nothing.
    sweep_at: usize,
}

/// What is left to each session, whatever it asks by.
pub(crate) struct Rates {
    clock: Clock,
    a_second: u32,
    held: Mutex<Held>,
}

impl Rates {
    pub(crate) fn new(a_second: u32) -> Self {
        let held = Held { sessions: HashMap::new(), sweep_at: SESSIONS_UNSWEPT };
        Self { clock: Clock::start(), a_second, held: Mutex::new(held) }
    }

    /// Before a request of this session; else how long until one may come.
    pub(crate) fn take(&self, session: &SessionId, share: Share) -> Result<(), Duration> {
        self.take_at(session, share, self.clock.now())
    }

    /// The same where it is refused.
    pub(crate) fn admit(&self, session: &SessionId, share: Share) -> Result<(), Problem> {
        self.take(session, share).map_err(|wait| {
            let detail = format!(
                "a session asks at most {} times a second, by REST and over its stream together",
                self.a_second
            );
            // A whole millisecond later it may surely come.
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
            Problem::new(Code::TooManyRequests, detail).retry_after_ms(wait_ms)
        })
    }

    fn take_at(&self, session: &SessionId, share: Share, now: Monotonic) -> Result<(), Duration> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Two who have read the clock may come here in the other order: the bucket takes the later time as it is.
        if let Some(left) = held.sessions.get_mut(session) {
            return left.of(share).take(self.a_second, now);
        }
        if held.sessions.len() >= held.sweep_at {
            held.sessions.retain(|_, left| !(left.less.is_full(now) && left.rest.is_full(now)));
            held.sweep_at = SESSIONS_UNSWEPT.max(2 * held.sessions.len());
        }
        let left = held.sessions.entry(session.clone()).or_default();
        left.of(share).take(self.a_second, now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ms(at: u64) -> Monotonic {
        Monotonic(at * 1_000_000)
    }

    #[test]
    fn a_second_s_worth_comes_at_once_and_then_one_at_a_time() {
        // given
        let mut bucket = Bucket::default();
        let start = 5_000;
        // then
        for _ in 0..10 {
            bucket.take(10, ms(start)).unwrap();
        }
        assert_eq!(bucket.take(10, ms(start)), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(10, ms(start + 60)), Err(Duration::from_millis(40)));
        bucket.take(10, ms(start + 100)).unwrap();
        assert!(bucket.take(10, ms(start + 100)).is_err(), "what was refused has cost nothing");
        // After a pause as many as at the beginning, and no more.
        let later = start + 60_000;
        let taken = (0..100).filter(|_| bucket.take(10, ms(later)).is_ok());
        assert_eq!(taken.count(), 10);
    }

    #[test]
    fn one_session_takes_nothing_from_another() {
        let rates = Rates::new(1);
        let (one, other) = ("s-1".parse().unwrap(), "s-2".parse().unwrap());
        rates.take_at(&one, Share::Rest, ms(0)).unwrap();
        assert_eq!(rates.take_at(&one, Share::Rest, ms(0)), Err(Duration::from_secs(1)));
        rates.take_at(&other, Share::Rest, ms(0)).unwrap();
        // and what makes less is not kept out by all else
        rates.take_at(&one, Share::Less, ms(0)).unwrap();
        assert_eq!(rates.take_at(&one, Share::Less, ms(0)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn sessions_that_ask_no_more_are_forgotten() {
        let rates = Rates::new(1_000);
        for n in 0..100_000 {
            let session = format!("s-{n}").parse().unwrap();
            rates.take_at(&session, Share::Rest, ms(n)).unwrap();
        }
        let held = rates.held.lock().unwrap();
        assert!(held.sessions.len() <= SESSIONS_UNSWEPT, "{}", held.sessions.len());
    }
}
