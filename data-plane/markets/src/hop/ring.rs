//! Frames that many readers take, each from a place of his own. Decides that one who falls behind misses the oldest,
//! whatever the others do; where a reader's frames stand among what else waits for him is `outbox`'s decision.
//!
//! A frame is put in once, however many read it: what each reader costs then is a look at whether he has been told.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

struct Kept<T> {
    frames: VecDeque<T>,
    /// Of all frames since the beginning: the number of the next.
    end: u64,
}

/// The newest frames of one stream.
pub(crate) struct Ring<T> {
    kept: Mutex<Kept<T>>,
    most: usize,
}

impl<T: Clone> Ring<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Mutex::new(Kept { frames: VecDeque::new(), end: 0 }), most }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        // No code that can panic runs under the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn push(&self, frame: T) {
        let mut kept = self.kept();
        if kept.frames.len() >= self.most {
            kept.frames.pop_front();
        }
        kept.frames.push_back(frame);
        kept.end += 1;
    }

    /// A reader who begins with the newest frame, if there is one.
    pub(crate) fn tap(self: &Arc<Self>) -> Arc<Tap<T>> {
        let next = AtomicU64::new(self.kept().end.saturating_sub(1));
        let (waits, shut) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Tap { ring: self.clone(), next, waits, shut })
    }
}

/// One reader's place on a ring.
pub(crate) struct Tap<T> {
    ring: Arc<Ring<T>>,
    next: AtomicU64,
    /// It stands in the reader's outbox already.
    waits: AtomicBool,
    shut: AtomicBool,
}

impl<T: Clone> Tap<T> {
    /// Says that there is something; true if the reader does not know yet.
    pub(crate) fn raise(&self) -> bool {
        !self.waits.swap(true, Ordering::AcqRel)
    }

    /// Moves what the reader has not had to the end of `into`.
    pub(crate) fn draw(&self, into: &mut Vec<T>) {
        // Before the look: what is pushed from here on raises it again, and what was pushed before is seen, since the
        // exchange reads what whoever pushed it has written.
        self.waits.swap(false, Ordering::AcqRel);
        if self.shut.load(Ordering::Acquire) {
            return;
        }
        let kept = self.ring.kept();
        let oldest = kept.end.saturating_sub(kept.frames.len() as u64);
        let had = self.next.swap(kept.end, Ordering::AcqRel).saturating_sub(oldest);
        let had = usize::try_from(had).unwrap_or(usize::MAX);
        into.extend(kept.frames.iter().skip(had).cloned());
    }

    /// Nothing comes out any more.
    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(tap: &Tap<u32>) -> Vec<u32> {
        let mut frames = Vec::new();
        tap.draw(&mut frames);
        frames
    }

    #[test]
    fn each_reader_has_what_is_new_to_him_and_one_who_falls_behind_the_newest() {
        // given
        let ring = Arc::new(Ring::new(4));
        let first = ring.tap();
        assert!(drawn(&first).is_empty());
        ring.push(1);
        let second = ring.tap();
        // when, then
        assert_eq!((drawn(&first), drawn(&second)), (vec![1], vec![1]));
        ring.push(2);
        ring.push(3);
        assert_eq!((drawn(&first), drawn(&first)), (vec![2, 3], vec![]));
        (4..=9).for_each(|n| ring.push(n));
        assert_eq!((drawn(&first), drawn(&second)), (vec![6, 7, 8, 9], vec![6, 7, 8, 9]));
        second.shut();
        ring.push(10);
        assert_eq!((drawn(&first), drawn(&second)), (vec![10], vec![]));
    }

    #[test]
    fn a_reader_is_told_once_until_he_has_drawn() {
        let ring = Arc::new(Ring::<u32>::new(4));
        let tap = ring.tap();
        assert_eq!((tap.raise(), tap.raise()), (true, false));
        drawn(&tap);
        assert!(tap.raise());
    }

    #[test]
    fn of_a_reader_and_a_writer_at_once_nothing_stays_unseen() {
        // given
        let ring = Arc::new(Ring::new(1 << 20));
        let tap = ring.tap();
        let (told, asked) = std::sync::mpsc::channel();
        let reader = {
            let tap = tap.clone();
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                // Drawn only when told, as an outbox does.
                while asked.recv().is_ok() {
                    tap.draw(&mut seen);
                }
                seen
            })
        };
        // when
        for n in 0..200_000_u32 {
            ring.push(n);
            if tap.raise() {
                told.send(()).ok();
            }
        }
        drop(told);
        // then
        assert!(reader.join().is_ok_and(|seen| seen == (0..200_000).collect::<Vec<_>>()));
    }
}
