//! What was counted of a Manager's services since it was started. Decides what is counted; names are given by
//! whoever tells it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

#[derive(Debug, Default)]
pub(crate) struct Figures {
    started: AtomicU64,
    crashed: AtomicU64,
    handed_back: AtomicU64,
    refused_check_ins: AtomicU64,
    /// Why no log can be written, if none can.
    no_log_room: Mutex<Option<String>>,
}

/// As they are at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) started: u64,
    pub(crate) crashed: u64,
    pub(crate) handed_back: u64,
    pub(crate) refused_check_ins: u64,
}

impl Figures {
    pub(super) fn started(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn crashed(&self) {
        self.crashed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn handed_back(&self) {
        self.handed_back.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused_check_in(&self) {
        self.refused_check_ins.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether logs can be written, or why not; `true` if that is news.
    pub(super) fn log_room(&self, why_not: Option<String>) -> bool {
        let is_not = why_not.is_some();
        let before = std::mem::replace(&mut *self.no_room(), why_not);
        before.is_some() != is_not
    }

    /// Why no log can be written, if none can.
    pub(crate) fn no_log_room(&self) -> Option<String> {
        self.no_room().clone()
    }

    fn no_room(&self) -> MutexGuard<'_, Option<String>> {
        self.no_log_room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            started: self.started.load(Ordering::Relaxed),
            crashed: self.crashed.load(Ordering::Relaxed),
            handed_back: self.handed_back.load(Ordering::Relaxed),
            refused_check_ins: self.refused_check_ins.load(Ordering::Relaxed),
        }
    }
}
