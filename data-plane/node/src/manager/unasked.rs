//! Whether a Manager that has just started may go on from its disk. Decides when: what it had may have been given to
//! another meanwhile, so a leader is asked first, and only when none has said anything for `START_UNASKED_AFTER` is what
//! was there before started again. What still runs is not touched by this: it goes on.

use crate::limits::START_UNASKED_AFTER;
use std::future::pending;
use tokio::time::{Instant, sleep_until};

/// `None`: there is nothing to go on with, a leader has told what to run, or it was done.
pub(super) struct Unasked(Option<Instant>);

impl Unasked {
    pub(super) fn new(keeps_something: bool, now: Instant) -> Self {
        Self(keeps_something.then(|| now + START_UNASKED_AFTER))
    }

    /// A leader has answered: it will say more over its pipe.
    pub(super) fn answered(&mut self, now: Instant) {
        self.0 = self.0.map(|_| now + START_UNASKED_AFTER);
    }

    /// A leader has said what should run, or that nothing should. Says whether that was waited for.
    pub(super) fn told(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Nothing is started or changed meanwhile.
    pub(super) fn waits(&self) -> bool {
        self.0.is_some()
    }

    /// When it may, if at all.
    fn at(&self) -> Option<Instant> {
        self.0
    }

    /// Returns once, when the time has come. May be cancelled.
    pub(super) async fn due(&mut self) {
        match self.at() {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LATER: Duration = Duration::from_secs(3);

    #[tokio::test]
    async fn what_was_there_is_started_when_no_leader_has_answered_for_the_time_and_once() {
        // given
        let began = Instant::now();
        let mut unasked = Unasked::new(true, began);
        assert_eq!(unasked.at(), Some(began + START_UNASKED_AFTER));
        unasked.answered(began + LATER);
        assert_eq!(unasked.at(), Some(began + LATER + START_UNASKED_AFTER), "one has answered");
        // when: the time has come
        unasked.0 = Some(began);
        unasked.due().await;
        // then
        assert!(!unasked.waits(), "once");
    }

    #[test]
    fn whoever_was_told_or_has_nothing_starts_nothing_unasked() {
        let now = Instant::now();
        let mut told = Unasked::new(true, now);
        assert!(told.told() && !told.told());
        told.answered(now);
        assert!(!told.waits() && !Unasked::new(false, now).waits());
    }
}
