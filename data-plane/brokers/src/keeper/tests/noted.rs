//! A venue that is there and says nothing by itself. Decides nothing.

use crate::venue::{Link, NotSent, Replace, Submission};
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};
use tradewind_domain::{
    ids::{InstrumentId, VenueOrderId},
    time::UnixNanos,
};

/// A venue's link that notes what is sent.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) full: AtomicBool,
    pub(super) lists_all: AtomicBool,
    pub(super) submits: Mutex<Vec<VenueOrderId>>,
    pub(super) cancels: Mutex<Vec<VenueOrderId>>,
    pub(super) replaces: Mutex<Vec<Replace>>,
    pub(super) sweeps: Mutex<Vec<(UnixNanos, Option<u64>)>>,
}

impl Noted {
    pub(super) fn submits(&self) -> Vec<VenueOrderId> {
        self.submits.lock().unwrap().clone()
    }

    pub(super) fn cancels(&self) -> usize {
        self.cancels.lock().unwrap().len()
    }
}

impl Link for Noted {
    fn submit(&self, order: Submission) -> Result<(), NotSent> {
        if self.full.load(Ordering::SeqCst) {
            return Err(NotSent);
        }
        self.submits.lock().unwrap().push(order.venue_order_id);
        Ok(())
    }
    fn cancel(&self, order: VenueOrderId) -> Result<(), NotSent> {
        self.cancels.lock().unwrap().push(order);
        Ok(())
    }
    fn replace(&self, replace: Replace) -> Result<(), NotSent> {
        if self.full.load(Ordering::SeqCst) {
            return Err(NotSent);
        }
        self.replaces.lock().unwrap().push(replace);
        Ok(())
    }
    fn query(&self, _: VenueOrderId) -> Result<(), NotSent> {
        Ok(())
    }
    fn sweep(&self, since: UnixNanos, cursor: Option<u64>) -> Result<(), NotSent> {
        self.sweeps.lock().unwrap().push((since, cursor));
        Ok(())
    }
    fn lists_from_the_beginning(&self) -> bool {
        self.lists_all.load(Ordering::SeqCst)
    }
    fn subscribe(&self, _: &InstrumentId) -> Result<(), NotSent> {
        Ok(())
    }
    fn unsubscribe(&self, _: &InstrumentId) -> Result<(), NotSent> {
        Ok(())
    }
}
