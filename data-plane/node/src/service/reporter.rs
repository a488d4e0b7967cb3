//! What a service says about itself. Decides nothing: the newest word counts and goes with the beats.

use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;
use tradewind_domain::{
    control::handed_back::Failure,
    ids::{Epoch, TraderId},
};
use tradewind_protocol::supervision::ServiceState;

/// Through which a service's work tells its state. Cheap to clone.
#[derive(Clone)]
pub struct StateReporter {
    said: Arc<watch::Sender<(ServiceState, String)>>,
    gives_up: Arc<watch::Sender<Option<Failure>>>,
    fenced: Arc<watch::Sender<BTreeMap<TraderId, Epoch>>>,
}

impl StateReporter {
    /// A reporter and where its words arrive.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<(ServiceState, String)>) {
        let (said, heard) = watch::channel((ServiceState::Connecting, String::new()));
        let gives_up = Arc::new(watch::Sender::new(None));
        (Self { said: Arc::new(said), gives_up, fenced: Arc::default() }, heard)
    }

    /// Where the rights of Traders arrive that are on record.
    pub(super) fn fences(&self) -> watch::Receiver<BTreeMap<TraderId, Epoch>> {
        self.fenced.subscribe()
    }

    /// Says which rights of Traders are on record, of those that were asked for. A change is told at once.
    pub fn fenced(&self, rights: BTreeMap<TraderId, Epoch>) {
        self.fenced.send_if_modified(|held| {
            let changed = *held != rights;
            *held = rights;
            changed
        });
    }

    /// What was said last of the rights of Traders.
    #[must_use]
    pub fn has_fenced(&self) -> BTreeMap<TraderId, Epoch> {
        self.fenced.borrow().clone()
    }

    /// Says the state and, in words, what the service is at or waits for. A change is told at once.
    pub fn report(&self, state: ServiceState, detail: impl Into<String>) {
        let news = (state, detail.into());
        self.said.send_if_modified(|said| {
            let changed = *said != news;
            *said = news;
            changed
        });
    }

    pub fn connecting(&self, detail: impl Into<String>) {
        self.report(ServiceState::Connecting, detail);
    }

    pub fn live(&self, detail: impl Into<String>) {
        self.report(ServiceState::Live, detail);
    }

    /// What this service keeps fails more often than is put up with: its Manager hands the service back, and it goes on
    /// trying. `None`: that is over.
    pub fn give_up(&self, failure: Option<Failure>) {
        self.gives_up.send_if_modified(|held| {
            let changed = *held != failure;
            *held = failure;
            changed
        });
    }

    /// Where that arrives.
    pub(super) fn gives_up(&self) -> watch::Receiver<Option<Failure>> {
        self.gives_up.subscribe()
    }
}
