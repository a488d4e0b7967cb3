//! Snapshots on their way to other members. Decides as long as what the log behind them is kept: while one is
//! sent, and for a moment after it broke, since it goes on where it was; but no further than the log may grow.

use crate::limits::{LOG_HELD_BYTES, SENDING_RESUMES_WITHIN};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Sending(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    under_way: usize,
    /// When the last one broke off, if it did.
    broken_at: Option<Instant>,
}

/// One on its way; dropped without a word, it broke off.
pub(crate) struct OnItsWay {
    sending: Sending,
    arrived: bool,
}

impl Sending {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self) -> OnItsWay {
        self.state().under_way += 1;
        OnItsWay { sending: self.clone(), arrived: false }
    }

    /// Whether the log is to be kept, which has so many bytes behind the newest snapshot.
    pub(crate) fn holds(&self, now: Instant, bytes: u64) -> bool {
        let state = self.state();
        let resumes = |at: Instant| now.saturating_duration_since(at) < SENDING_RESUMES_WITHIN;
        bytes < LOG_HELD_BYTES && (state.under_way > 0 || state.broken_at.is_some_and(resumes))
    }
}

impl OnItsWay {
    /// It is there: nobody goes on with it.
    pub(crate) fn arrived(mut self) {
        self.arrived = true;
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut state = self.sending.state();
        state.under_way -= 1;
        if !self.arrived {
            state.broken_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_kept_while_a_snapshot_is_sent_and_a_moment_longer_if_it_broke() {
        let (sending, begun) = (Sending::default(), Instant::now());
        assert!(!sending.holds(begun, 0));
        let (first, second) = (sending.begin(), sending.begin());
        first.arrived();
        assert!(sending.holds(begun, 0), "another one is on its way");
        second.arrived();
        assert!(!sending.holds(begun, 0));
        drop(sending.begin());
        assert!(sending.holds(begun, 0), "it goes on in a moment");
        assert!(!sending.holds(Instant::now() + SENDING_RESUMES_WITHIN, 0));
    }

    #[test]
    fn a_follower_that_takes_for_ever_does_not_fill_the_disk() {
        let sending = Sending::default();
        let _forever = sending.begin();
        assert!(sending.holds(Instant::now(), LOG_HELD_BYTES - 1));
        assert!(!sending.holds(Instant::now(), LOG_HELD_BYTES));
    }
}
