//! Whether a Manager that has just started may go on from its disk. Decides when: what it had may have been given to
//! another meanwhile, so a leader is asked first, and only when none has said anything for `START_UNASKED_AFTER` is what
//! was there before started again. What still runs is not touched by this: it goes on. Waiting is the Manager's work.

use crate::limits::START_UNASKED_AFTER;
use core::{ops::Add, time::Duration};

/// By whatever clock `T` the Manager waits. `None`: there is nothing to go on with, a leader has told what to run, or it
/// was done.
#[derive(Clone, Debug)]
pub struct Unasked<T>(Option<T>);

impl<T: Copy + Add<Duration, Output = T>> Unasked<T> {
    pub fn new(keeps_something: bool, now: T) -> Self {
        Self(keeps_something.then(|| now + START_UNASKED_AFTER))
    }

    /// A leader has answered: it will say more over its pipe.
    pub fn answered(&mut self, now: T) {
        self.0 = self.0.map(|_| now + START_UNASKED_AFTER);
    }

    /// A leader has said what should run, or that nothing should; or the time has come. Says whether that was waited for.
    pub fn told(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// Nothing is started or changed meanwhile.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.0.is_some()
    }

    /// When it may, if at all.
    #[must_use]
    pub fn at(&self) -> Option<T> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(3);

    #[test]
    fn what_was_there_is_started_when_no_leader_has_answered_for_the_time_and_once() {
        // given
        let began = Duration::ZERO;
        let mut unasked = Unasked::new(true, began);
        assert_eq!(unasked.at(), Some(START_UNASKED_AFTER));
        unasked.answered(began + LATER);
        assert_eq!(unasked.at(), Some(LATER + START_UNASKED_AFTER), "one has answered");
        // when: the time has come
        assert!(unasked.told());
        // then
        assert!(!unasked.waits() && !unasked.told(), "once");
    }

    #[test]
    fn whoever_was_told_or_has_nothing_starts_nothing_unasked() {
        let now = Duration::ZERO;
        let mut told = Unasked::new(true, now);
        assert!(told.told() && !told.told());
        told.answered(now);
        assert!(!told.waits() && !Unasked::new(false, now).waits());
    }
}
