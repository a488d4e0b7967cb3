//! What a service says about itself, and asks. Decides nothing: the newest word counts and goes with the beats, a question
//! goes at once.

use crate::limits;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{mpsc, watch};
use tradewind_domain::{
    control::handed_back::Failure,
    ids::{Epoch, TraderId},
};
use tradewind_link::pipe::{Asker, Question};
use tradewind_protocol::{
    asks::{ServiceAnswer, ServiceAsk},
    copies::LedgerStatus,
    supervision::ServiceState,
    venue::VenueStatus,
};

pub(super) type Said = watch::Receiver<(ServiceState, String)>;
pub(super) type Asked = mpsc::Receiver<Question<ServiceAsk, ServiceAnswer>>;

/// Through which a service's work tells its state. Cheap to clone.
#[derive(Clone)]
pub struct StateReporter {
    said: Arc<watch::Sender<(ServiceState, String)>>,
    gives_up: Arc<watch::Sender<Option<Failure>>>,
    fenced: Arc<watch::Sender<BTreeMap<TraderId, Epoch>>>,
    venue: Arc<watch::Sender<Option<VenueStatus>>>,
    ledger: Arc<watch::Sender<Option<LedgerStatus>>>,
    manager: ManagerAsker,
}

/// Asks the service's Manager.
pub type ManagerAsker = Asker<ServiceAsk, ServiceAnswer>;

impl StateReporter {
    /// A reporter and where its words arrive.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<(ServiceState, String)>) {
        // Nobody hears what is asked through this one: its questions find no pipe.
        let (reporter, heard, _) = Self::with_questions();
        (reporter, heard)
    }

    /// The same, and where its questions arrive.
    pub(super) fn with_questions() -> (Self, Said, Asked) {
        let (said, heard) = watch::channel((ServiceState::Connecting, String::new()));
        let (manager, asked) = Asker::new(limits::QUESTIONS);
        let (said, gives_up) = (Arc::new(said), Arc::new(watch::Sender::new(None)));
        let (fenced, venue, ledger) = (Arc::default(), Arc::default(), Arc::default());
        (Self { said, gives_up, fenced, venue, ledger, manager }, heard, asked)
    }

    /// The way to ask its Manager; without a pipe to it there is no answer.
    #[must_use]
    pub fn manager(&self) -> &ManagerAsker {
        &self.manager
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

    /// Says how a Broker stands with its venue. A change is told at once.
    pub fn venue(&self, status: &VenueStatus) {
        self.venue.send_if_modified(|held| {
            let changed = held.as_ref() != Some(status);
            if changed {
                *held = Some(status.clone());
            }
            changed
        });
    }

    /// What was said last of the venue.
    #[must_use]
    pub fn told_of_venue(&self) -> Option<VenueStatus> {
        self.venue.borrow().clone()
    }

    /// Where that arrives.
    pub(super) fn venues(&self) -> watch::Receiver<Option<VenueStatus>> {
        self.venue.subscribe()
    }

    /// Says on how many disks a Broker's ledger is. A change is told at once.
    pub fn ledger(&self, status: Option<LedgerStatus>) {
        self.ledger.send_if_modified(|held| {
            let changed = *held != status;
            *held = status;
            changed
        });
    }

    /// What was said last of the ledger.
    #[must_use]
    pub fn told_of_ledger(&self) -> Option<LedgerStatus> {
        self.ledger.borrow().clone()
    }

    /// Where that arrives.
    pub(super) fn ledgers(&self) -> watch::Receiver<Option<LedgerStatus>> {
        self.ledger.subscribe()
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
