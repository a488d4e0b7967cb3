//! How soon a Manager checks in again that was not let in. Decides on how often in a row that was: a group that cannot answer
//! is asked ten times a second and then once, one that has refused for good less and less often, since whatever keeps the
//! Manager out is changed by a person. Nothing is given up: each answer that lets it in begins anew.

use crate::limits::{ALONE_AFTER, CHECK_IN_AGAIN_FIRST, CHECK_IN_AGAIN_MAX, CHECK_IN_REFUSED_MAX};
use std::{future::pending, time::Duration};
use tokio::{
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until},
};

/// Answers in a row that did not let it in.
#[derive(Debug, Default)]
pub(super) struct Asking {
    unanswered: u32,
    refused: u32,
}

impl Asking {
    pub(super) fn let_in(&mut self) {
        *self = Self::default();
    }

    /// Nobody could say.
    pub(super) fn unanswered(&mut self) -> Duration {
        let wait = doubled(CHECK_IN_AGAIN_FIRST, self.unanswered).min(CHECK_IN_AGAIN_MAX);
        self.unanswered = self.unanswered.saturating_add(1);
        wait
    }

    /// It was said that it may not, as it is.
    pub(super) fn refused(&mut self) -> Duration {
        let wait = doubled(ALONE_AFTER, self.refused).min(CHECK_IN_REFUSED_MAX);
        *self = Self { unanswered: 0, refused: self.refused.saturating_add(1) };
        wait
    }
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16))
}

/// The end of a task, if there is one.
pub(super) async fn done<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        Some(task) => task.await,
        None => pending().await,
    }
}

/// Returns when that time has come, if there is one. May be cancelled.
pub(super) async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_not_answered_asks_once_a_second_at_the_most() {
        let mut asking = Asking::default();
        let waits: Vec<u128> = (0..6).map(|_| asking.unanswered().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        asking.let_in();
        assert_eq!(asking.unanswered(), CHECK_IN_AGAIN_FIRST);
    }

    #[test]
    fn who_is_refused_asks_less_and_less_often_and_never_stops() {
        let mut asking = Asking::default();
        let waits: Vec<u64> = (0..40).map(|_| asking.refused().as_secs()).collect();
        assert_eq!(waits[..4], [1, 2, 4, 5]);
        assert!(waits[4..].iter().all(|wait| *wait == CHECK_IN_REFUSED_MAX.as_secs()));
        // A group that is away for a moment in between is found again at once.
        assert_eq!(asking.unanswered(), CHECK_IN_AGAIN_FIRST);
        assert_eq!(asking.refused(), CHECK_IN_REFUSED_MAX);
        asking.let_in();
        assert_eq!(asking.refused(), ALONE_AFTER);
    }
}
