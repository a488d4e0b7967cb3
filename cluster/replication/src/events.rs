//! Events of applied entries, kept for those who watch. Decides what is kept (the last `EVENTS_KEPT` entries
//! that had any) and that a reader never passes over one in silence (W1): he gets each entry's events once, in
//! order, or is told that they are gone. A reader has only a place in the ring, so a slow one holds nothing up
//! and costs nothing. Every member applies the same log: a place is good on any of them.

use crate::limits::EVENTS_KEPT;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tradewind_domain::{control::Event, ids::Revision};

/// The events of one entry, at least one, and its index.
pub type EntryEvents = (Revision, Arc<[Event]>);

/// What was asked for is no longer kept: read the state anew and go on from its revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("events up to revision {kept_after} are no longer kept")]
pub struct Gone {
    /// Everything after this is still there.
    pub kept_after: Revision,
}

/// Why there is no next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventsError {
    /// This reader was too slow, or a snapshot took the place of what he had not read yet.
    #[error(transparent)]
    Gone(#[from] Gone),
    #[error("the member is stopping")]
    Stopped,
}

/// Where the state machine puts events, and readers find them.
#[derive(Debug)]
pub(crate) struct EventRing {
    kept: Mutex<Kept>,
    /// Up to where entries are applied, and whether more will be.
    told: watch::Sender<Told>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    up_to: Revision,
    stopped: bool,
}

#[derive(Debug)]
struct Kept {
    entries: VecDeque<EntryEvents>,
    /// Of every entry above this and up to `up_to` the events are here.
    after: Revision,
    up_to: Revision,
}

impl EventRing {
    /// Of a machine that holds entries up to `applied`, whose events nobody knows any more.
    pub(crate) fn new(applied: Revision) -> Self {
        let kept = Kept { entries: VecDeque::new(), after: applied, up_to: applied };
        let told = watch::Sender::new(Told { up_to: applied, stopped: false });
        Self { kept: Mutex::new(kept), told }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries up to `applied` are applied; these are those of them that had events, in order.
    pub(crate) fn push(&self, events: Vec<EntryEvents>, applied: Revision) {
        let mut kept = self.kept();
        kept.entries.extend(events);
        while kept.entries.len() > EVENTS_KEPT {
            if let Some((revision, _)) = kept.entries.pop_front() {
                kept.after = revision;
            }
        }
        kept.up_to = applied;
        drop(kept);
        self.told.send_modify(|told| told.up_to = applied);
    }

    /// A snapshot took the place of everything up to `applied`: what happened in between is not known here.
    pub(crate) fn restart(&self, applied: Revision) {
        *self.kept() = Kept { entries: VecDeque::new(), after: applied, up_to: applied };
        self.told.send_modify(|told| told.up_to = applied);
    }

    /// Nothing more will come.
    pub(crate) fn stop(&self) {
        self.told.send_modify(|told| told.stopped = true);
    }

    /// Entries kept, and how many may be.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.kept().entries.len(), EVENTS_KEPT)
    }

    pub(crate) fn kept_after(&self) -> Revision {
        self.kept().after
    }

    pub(crate) fn since(self: &Arc<Self>, since: Revision) -> Result<EventStream, Gone> {
        let kept_after = self.kept().after;
        if since < kept_after {
            return Err(Gone { kept_after });
        }
        Ok(EventStream { told: self.told.subscribe(), ring: self.clone(), place: since })
    }
}

/// One reader's place in the stream of events.
#[derive(Debug)]
pub struct EventStream {
    ring: Arc<EventRing>,
    told: watch::Receiver<Told>,
    place: Revision,
}

impl EventStream {
    /// Everything up to here was given out, or had no events. Another member goes on from here.
    #[must_use]
    pub fn place(&self) -> Revision {
        self.place
    }

    /// At most `most` entries that are there already; fewer: there are no more up to [`place`](Self::place).
    pub fn ready(&mut self, most: usize) -> Result<Vec<EntryEvents>, Gone> {
        self.told.borrow_and_update();
        let kept = self.ring.kept();
        if self.place < kept.after {
            return Err(Gone { kept_after: kept.after });
        }
        let from = kept.entries.partition_point(|(revision, _)| *revision <= self.place);
        let ready: Vec<EntryEvents> = kept.entries.range(from..).take(most).cloned().collect();
        match ready.last() {
            Some((revision, _)) if ready.len() == most => self.place = *revision,
            // A member that lags behind where the reader was before has nothing for him yet.
            _ => self.place = self.place.max(kept.up_to),
        }
        Ok(ready)
    }

    /// Waits until more entries are applied, with events or without. May be cancelled without loss.
    pub async fn changed(&mut self) -> Result<(), EventsError> {
        if self.told.borrow().stopped {
            return Err(EventsError::Stopped);
        }
        let changed = self.told.changed().await;
        if changed.is_err() || self.told.borrow().stopped {
            return Err(EventsError::Stopped);
        }
        Ok(())
    }

    /// The next entry that had events. May be cancelled without loss.
    pub async fn next(&mut self) -> Result<EntryEvents, EventsError> {
        loop {
            if let Some(next) = self.ready(1)?.pop() {
                return Ok(next);
            }
            self.changed().await?;
        }
    }
}

#[cfg(test)]
mod tests;
