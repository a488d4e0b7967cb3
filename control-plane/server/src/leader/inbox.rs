//! What the pipes have brought and nobody has looked at yet. Decides that nobody who brings something waits: of each
//! Manager only the newest of each kind is kept, whatever else the leader is at. A clone is the same inbox.

use super::observe::{Report, What};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use tradewind_domain::{control::plan::Expiring, ids::ManagerId};

#[derive(Clone, Default)]
pub(super) struct Inbox(Arc<Inner>);

#[derive(Default)]
struct Inner {
    newest: Mutex<BTreeMap<ManagerId, Newest>>,
    expiring: Mutex<Expiring>,
    brought: Notify,
}

/// Of one registration. Any of these says all that its kind said before.
#[derive(Default)]
struct Newest {
    up: Option<Report>,
    beat: Option<Report>,
    /// The pipe is down, or was and nobody listens any more.
    end: Option<Report>,
}

impl Newest {
    fn put(&mut self, report: Report) {
        let place = match report.what {
            What::Up { .. } => {
                // It is up again: how it ended before is over.
                self.end = None;
                &mut self.up
            }
            What::Beat { .. } => &mut self.beat,
            What::Down | What::Refused => &mut self.end,
        };
        *place = Some(report);
    }

    /// In the order in which they were brought.
    fn in_order(self) -> impl Iterator<Item = Report> {
        let mut each: Vec<Report> = [self.up, self.beat, self.end].into_iter().flatten().collect();
        each.sort_by_key(|report| report.at);
        each.into_iter()
    }

    fn of(&self) -> Option<&Report> {
        self.up.as_ref().or(self.beat.as_ref()).or(self.end.as_ref())
    }
}

impl Inbox {
    fn newest(&self) -> MutexGuard<'_, BTreeMap<ManagerId, Newest>> {
        self.0.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom the reader of this is about to take for down.
    pub(super) fn expiring(&self) -> MutexGuard<'_, Expiring> {
        self.0.expiring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a beat, and says whether it may be answered, where its registration stands. In this order: either the beat is
    /// heard by whoever would expire the Manager, or he has begun and it stays unanswered; and his name for it goes only
    /// once the row is another.
    pub(super) fn is_answered(&self, beat: Report, stands: impl FnOnce() -> bool) -> bool {
        let of = beat.of.clone();
        self.put(beat);
        let expiring = self.expiring().has(&of);
        !expiring && stands()
    }

    /// Never waits.
    pub(super) fn put(&self, report: Report) {
        {
            let mut newest = self.newest();
            let held = newest.entry(report.of.manager.clone()).or_default();
            if let Some(other) = held.of().filter(|other| other.of != report.of) {
                // The pipe of an older registration may have a last word.
                if other.of.epoch > report.of.epoch {
                    return;
                }
                *held = Newest::default();
            }
            held.put(report);
        }
        self.0.brought.notify_one();
    }

    /// Everything there is, oldest first of each Manager.
    pub(super) fn take(&self) -> Vec<Report> {
        let newest = std::mem::take(&mut *self.newest());
        newest.into_values().flat_map(Newest::in_order).collect()
    }

    /// Waits until something is there, and takes it. May be cancelled.
    pub(super) async fn next(&self) -> Vec<Report> {
        loop {
            let reports = self.take();
            if !reports.is_empty() {
                return reports;
            }
            self.0.brought.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{
        slice, thread,
        time::{Duration, Instant},
    };
    use tradewind_domain::{
        control::{Command, command::DownReason, plan::Registration},
        ids::{Epoch, Incarnation},
        time::Monotonic,
    };

    fn report(n: u32, epoch: u64, at: u64, what: What) -> Report {
        let manager = format!("n{n}.trader-manager").parse().unwrap();
        let (incarnation, epoch, address) = (Incarnation(1), Epoch(epoch), String::new());
        Report {
            of: Registration { manager, incarnation, epoch, address },
            at: Monotonic(at),
            what,
        }
    }

    fn beat(sessions: u64) -> What {
        What::Beat { services: Vec::new(), sessions, cordons: [].into() }
    }

    const UP: What = What::Up { incarnation: Incarnation(1) };

    #[test]
    fn a_thousand_managers_that_beat_while_nobody_reads_wait_for_nobody_and_the_last_beats_are_kept()
     {
        // given: 10 s of beats, far more than any queue held
        let inbox = Inbox::default();
        for at in 0..40 {
            (0..1_000).for_each(|n| inbox.put(report(n, 1, at, beat(at))));
        }
        // when
        let taken = inbox.take();
        // then
        assert_eq!(taken.len(), 1_000);
        assert!(taken.iter().all(|report| report.what == beat(39)));
        assert_eq!(inbox.take(), []);
    }

    #[test]
    fn what_is_kept_is_told_in_its_order_and_an_end_only_if_it_is_the_last_word() {
        let inbox = Inbox::default();
        let all = [report(1, 1, 1, UP), report(1, 1, 2, beat(2)), report(1, 1, 3, What::Refused)];
        all.iter().for_each(|each| inbox.put(each.clone()));
        assert_eq!(inbox.take(), all);
        all.iter().for_each(|each| inbox.put(each.clone()));
        inbox.put(report(1, 1, 4, UP));
        assert_eq!(inbox.take(), [report(1, 1, 2, beat(2)), report(1, 1, 4, UP)]);
    }

    #[test]
    fn of_an_older_registration_nothing_is_kept_beside_a_newer_one() {
        let inbox = Inbox::default();
        inbox.put(report(1, 1, 1, beat(1)));
        inbox.put(report(1, 2, 2, beat(2)));
        inbox.put(report(1, 1, 3, What::Refused));
        assert_eq!(inbox.take(), [report(1, 2, 2, beat(2))]);
    }

    fn expiry(of: &Registration) -> Command {
        let Registration { manager, incarnation, epoch, .. } = of.clone();
        Command::ExpireManager { manager, incarnation, epoch, why: DownReason::Silent }
    }

    #[test]
    fn a_beat_can_be_heard_before_it_is_asked_whether_it_is_answered() {
        // given: whoever plans is at his names
        let inbox = Inbox::default();
        let beaten = report(1, 1, 1, beat(1));
        let mut expiring = inbox.expiring();
        let answered = thread::spawn({
            let (inbox, beaten) = (inbox.clone(), beaten.clone());
            move || inbox.is_answered(beaten, || true)
        });
        // then: the beat is there already, and whoever begins now finds it
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut heard = inbox.take();
        while heard.is_empty() && Instant::now() < deadline {
            thread::yield_now();
            heard = inbox.take();
        }
        assert_eq!(heard, slice::from_ref(&beaten));
        // when: he has begun all the same
        expiring.begin(&[expiry(&beaten.of)]);
        drop(expiring);
        assert!(!answered.join().unwrap());
    }

    #[test]
    fn whether_its_registration_stands_is_asked_last_and_a_beat_of_one_that_does_not_is_unanswered()
    {
        let inbox = Inbox::default();
        let beaten = report(1, 1, 1, beat(1));
        inbox.expiring().begin(&[expiry(&beaten.of)]);
        // The entry is applied right after the row was looked at, and the round ends.
        let stood = || {
            inbox.expiring().end(true);
            true
        };
        assert!(!inbox.is_answered(beaten.clone(), stood));
        inbox.expiring().end(true);
        assert!(!inbox.is_answered(beaten.clone(), || false));
        assert!(inbox.is_answered(beaten, || true));
    }

    #[tokio::test]
    async fn whoever_waits_gets_what_is_brought() {
        let inbox = Inbox::default();
        let waiting = tokio::spawn({
            let inbox = inbox.clone();
            async move { inbox.next().await }
        });
        inbox.put(report(1, 1, 1, UP));
        assert_eq!(waiting.await.unwrap(), [report(1, 1, 1, UP)]);
    }
}
