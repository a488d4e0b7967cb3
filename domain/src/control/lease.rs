//! A Manager's lease. Decides whether it holds, from the beats that the leader answered: it counts from the
//! *sending* of the last answered one, by the monotonic clock. What a Manager without it leaves undone is
//! decided by the Manager.

use crate::{
    limits::{BEATS_IN_FLIGHT, SELF_FENCE_AFTER},
    time::Monotonic,
};
use alloc::collections::VecDeque;

#[derive(Clone, Debug, Default)]
pub struct Lease {
    /// Sent and not yet answered, in order.
    sent: VecDeque<(u64, Monotonic)>,
    /// When the last answered beat was sent.
    from: Option<Monotonic>,
}

impl Lease {
    pub fn beat_sent(&mut self, n: u64, now: Monotonic) {
        // The oldest is so old that its answer would renew nothing.
        if self.sent.len() == BEATS_IN_FLIGHT {
            self.sent.pop_front();
        }
        self.sent.push_back((n, now));
    }

    /// An answer to beat `n`; one to a beat that was never sent counts for nothing.
    pub fn beat_answered(&mut self, n: u64) {
        while let Some((first, at)) = self.sent.front().copied() {
            if first > n {
                return;
            }
            self.sent.pop_front();
            if first == n {
                self.from = self.from.max(Some(at));
            }
        }
    }

    /// Another leader's pipe: answers to what went over the last one no longer come.
    pub fn pipe_changed(&mut self) {
        self.sent.clear();
    }

    #[must_use]
    pub fn holds(&self, now: Monotonic) -> bool {
        self.from.is_some_and(|from| now.since(from) < SELF_FENCE_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    const MS: Duration = Duration::from_millis(1);
    const START: Monotonic = Monotonic(1_000_000_000);

    #[test]
    fn the_lease_counts_from_the_sending_of_the_last_answered_beat() {
        // given
        let (mut lease, start) = (Lease::default(), START);
        assert!(!lease.holds(start), "nothing was answered yet");
        lease.beat_sent(1, start);
        lease.beat_sent(2, start + MS * 250);
        // when
        lease.beat_answered(1);
        // then
        assert!(lease.holds(start + (SELF_FENCE_AFTER - MS)));
        assert!(!lease.holds(start + SELF_FENCE_AFTER));
        lease.beat_answered(2);
        assert!(lease.holds(start + SELF_FENCE_AFTER));
    }

    #[test]
    fn an_answer_to_a_beat_that_was_not_sent_or_went_over_an_earlier_pipe_renews_nothing() {
        let (mut lease, start) = (Lease::default(), START);
        lease.beat_answered(7);
        assert!(!lease.holds(start));
        lease.beat_sent(1, start);
        lease.pipe_changed();
        lease.beat_answered(1);
        assert!(!lease.holds(start));
    }

    #[test]
    fn beats_that_nobody_answers_take_no_more_room() {
        let (mut lease, start) = (Lease::default(), START);
        for n in 0..10_000 {
            lease.beat_sent(n, start);
        }
        assert_eq!(lease.sent.len(), BEATS_IN_FLIGHT);
    }
}
