//! Sees this machine stand still, after which a pipe may be lost whatever anybody did. Decides what counts as that; which claims it
//! excuses is decided where they are made.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const WAKES_EVERY: Duration = Duration::from_millis(20);
/// Later than that is no matter of who else has work.
const STANDS_STILL: Duration = Duration::from_millis(500);

/// A thread of its own, which no task holds up; it ends when this is dropped.
pub(crate) struct Ticker {
    stood_still: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
}

impl Ticker {
    pub(crate) fn start() -> Self {
        let ticker = Self { stood_still: Arc::default(), ends: Arc::default() };
        let (stood_still, ends) = (ticker.stood_still.clone(), ticker.ends.clone());
        thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                let began = Instant::now();
                thread::sleep(WAKES_EVERY);
                if began.elapsed() >= WAKES_EVERY + STANDS_STILL {
                    stood_still.store(true, Ordering::Relaxed);
                }
            }
        });
        ticker
    }

    /// Since it was started.
    pub(crate) fn stood_still(&self) -> bool {
        self.stood_still.load(Ordering::Relaxed)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}
