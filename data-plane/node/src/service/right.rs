//! A service's own right to act, as far as its Manager stands behind it. Decides that it is fenced when its Manager says
//! so, or when no answer to a beat has come for `SELF_FENCE_AFTER`, and that only an answer behind which a leader
//! stands ends that. What a service leaves undone meanwhile is decided by its work: docs/decisions/0055.

use crate::limits;
use std::time::Instant;
use tokio::sync::watch;
use tradewind_domain::{control::lease::Lease, limits::BEAT_EVERY, time::Monotonic};

/// How a service stands with its Manager.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) pipe: bool,
    /// Without a right of which it is sure; it begins so.
    pub(super) confirmed: bool,
    /// How often it was fenced after it had been confirmed.
    pub(super) fences: u64,
    pub(super) beats: u64,
}

pub(super) struct Right {
    begun: Instant,
    lease: Lease,
    /// Whether the newest beat was answered, by a Manager behind which a leader stands.
    answered: bool,
    shown: watch::Sender<Standing>,
}

impl Right {
    pub(super) fn new() -> (Self, watch::Receiver<Standing>) {
        let (shown, seen) = watch::channel(Standing::default());
        (Self { begun: Instant::now(), lease: Lease::default(), answered: false, shown }, seen)
    }

    fn at(&self, now: Instant) -> Monotonic {
        Monotonic(0) + now.saturating_duration_since(self.begun)
    }

    pub(super) fn pipe(&mut self, up: bool, now: Instant) {
        self.lease.pipe_changed();
        self.answered = false;
        self.shown.send_modify(|standing| standing.pipe = up);
        self.look(now);
    }

    pub(super) fn beat_sent(&mut self, n: u64, now: Instant) {
        self.lease.beat_sent(n, self.at(now));
        self.answered = false;
        self.shown.send_modify(|standing| standing.beats = n);
    }

    /// A leader stands behind the Manager that answered.
    pub(super) fn confirmed(&mut self, n: u64, now: Instant) {
        self.lease.beat_answered(n);
        self.look(now);
        let standing = *self.shown.borrow();
        self.answered = standing.confirmed && standing.beats == n;
    }

    /// When the beat after that of `last` is due, as long as there is no news: soon after one that is not answered, or
    /// not by somebody who is sure.
    pub(super) fn next_beat(&self, last: tokio::time::Instant) -> tokio::time::Instant {
        last + if self.answered { limits::SERVICE_BEAT_EVERY } else { BEAT_EVERY }
    }

    /// The Manager says that none does.
    pub(super) fn unconfirmed(&mut self, now: Instant) {
        self.lease = Lease::default();
        self.answered = false;
        self.look(now);
    }

    /// Notes what has become of it by `now`.
    pub(super) fn look(&mut self, now: Instant) {
        let holds = self.lease.holds(self.at(now));
        self.shown.send_if_modified(|standing| {
            let changed = standing.confirmed != holds;
            if changed && !holds {
                tracing::warn!(
                    "fenced: its Manager, or whoever stands behind that, is not sure of it"
                );
                standing.fences += 1;
            }
            if changed && holds {
                tracing::info!("its right is confirmed");
            }
            standing.confirmed = holds;
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tradewind_domain::limits::SELF_FENCE_AFTER;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_is_fenced_two_seconds_after_the_last_beat_that_was_answered() {
        let (mut right, seen) = Right::new();
        let start = Instant::now();
        right.pipe(true, start);
        assert!(!seen.borrow().confirmed, "nobody has confirmed it yet");
        right.beat_sent(1, start);
        right.confirmed(1, start + MS);
        assert!(seen.borrow().confirmed);
        // The Manager dies: that alone fences nobody.
        right.pipe(false, start + MS * 100);
        right.look(start + SELF_FENCE_AFTER - MS);
        assert!(seen.borrow().confirmed);
        right.look(start + SELF_FENCE_AFTER);
        assert!(!seen.borrow().confirmed);
        assert_eq!(seen.borrow().fences, 1);
    }

    #[test]
    fn it_beats_rarely_only_while_a_leader_stands_behind_the_answer_to_its_last_beat() {
        let (mut right, _seen) = Right::new();
        let (start, last) = (Instant::now(), tokio::time::Instant::now());
        let rarely = |right: &Right| right.next_beat(last) == last + limits::SERVICE_BEAT_EVERY;
        let often = |right: &Right| right.next_beat(last) == last + BEAT_EVERY;
        assert!(often(&right), "nobody has confirmed it yet");
        right.pipe(true, start);
        right.beat_sent(1, start);
        right.beat_sent(2, start + MS);
        right.confirmed(1, start + MS * 2);
        assert!(often(&right), "its last beat is not answered");
        right.confirmed(2, start + MS * 3);
        assert!(rarely(&right));
        right.unconfirmed(start + MS * 4);
        assert!(often(&right), "its Manager is not sure of it");
        right.beat_sent(3, start + MS * 5);
        right.confirmed(3, start + MS * 6);
        assert!(rarely(&right));
        right.beat_sent(4, start + MS * 1_006);
        assert!(often(&right), "until that is answered");
        right.confirmed(4, start + MS * 1_007);
        right.pipe(false, start + MS * 1_008);
        assert!(often(&right), "nobody is there to answer");
    }

    #[test]
    fn it_is_fenced_at_once_when_its_manager_says_so_and_only_a_leader_ends_that() {
        let (mut right, seen) = Right::new();
        let start = Instant::now();
        right.pipe(true, start);
        right.beat_sent(1, start);
        right.confirmed(1, start);
        right.beat_sent(2, start + MS * 250);
        right.unconfirmed(start + MS * 251);
        assert!(!seen.borrow().confirmed);
        // An answer to what was sent before that is none.
        right.confirmed(2, start + MS * 252);
        assert!(!seen.borrow().confirmed);
        right.beat_sent(3, start + MS * 500);
        right.confirmed(3, start + MS * 501);
        assert!(seen.borrow().confirmed);
    }
}
