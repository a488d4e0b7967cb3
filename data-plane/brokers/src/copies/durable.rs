//! Up to which record a ledger is durable: where the two fdatasyncs come together. Decides nothing: each news goes into
//! the `Writer`, and what that makes of it is told to those who wait.

use crate::limits::COPY_JOINS_WITHIN;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tradewind_domain::{
    control::desired::{BrokerWanted, CopiesWanted},
    ids::{Fence, ManagerId},
    trading::copies::{Joined, Naming, Standing, Writer},
};
use tradewind_protocol::{copies::LedgerState, link::EXTERNAL_SINCE};

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Durable(Arc<Inner>);

struct Inner {
    writer: Mutex<Writer<ManagerId>>,
    durable: watch::Sender<u64>,
    /// Wakes whoever looks at the writer: something of it has changed.
    changed: watch::Sender<()>,
    /// Who has kept the copy last, and the protocol that he spoke when he was heard.
    speaks: Mutex<Option<(ManagerId, u32)>>,
}

/// What a Broker was told of its copies; without anything its own ledger is the only one.
pub(crate) fn told(wanted: &BrokerWanted) -> (Fence, Naming<ManagerId>) {
    match &wanted.copies {
        Some(CopiesWanted { right, naming, .. }) => (*right, naming.clone()),
        None => (wanted.fence, Naming { since: wanted.fence, holder: None }),
    }
}

impl Durable {
    /// Of a ledger that was found so, all of it on the own disk.
    pub(crate) fn opened(
        told: (Fence, Naming<ManagerId>),
        joined: Option<Joined>,
        last: u64,
    ) -> Self {
        let writer = Writer::opened(told.0, told.1, joined, last);
        let durable = watch::channel(writer.durable()).0;
        let changed = watch::channel(()).0;
        let (writer, speaks) = (Mutex::new(writer), Mutex::new(None));
        Self(Arc::new(Inner { writer, durable, changed, speaks }))
    }

    /// Does something with the writer and tells what came of it.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Writer<ManagerId>) -> T) -> T {
        let mut writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut writer);
        // Under the lock, so that no older number is told after a newer one.
        let reached = writer.durable();
        self.0.durable.send_if_modified(|held| {
            let more = reached > *held;
            *held = reached.max(*held);
            more
        });
        drop(writer);
        self.0.changed.send_replace(());
        done
    }

    /// A record was put. It is on its way to nobody before it is submitted.
    pub(crate) fn put(&self) {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).put();
    }

    /// What was put is in the journal, where the copy's stream finds it.
    pub(crate) fn submitted(&self) {
        self.0.changed.send_replace(());
    }

    /// What a holder of the copy speaks. It stays known while he is away.
    pub(crate) fn holder_speaks(&self, holder: &ManagerId, protocol: u32) {
        let mut speaks = self.0.speaks.lock().unwrap_or_else(PoisonError::into_inner);
        *speaks = Some((holder.clone(), protocol));
    }

    /// Whether all who keep this ledger can read what is external in it: of one who was never heard that is not known.
    pub(crate) fn reads_external(&self) -> bool {
        let Some(named) = self.read(|writer| writer.naming().holder.clone()) else { return true };
        let speaks = self.0.speaks.lock().unwrap_or_else(PoisonError::into_inner);
        speaks
            .as_ref()
            .is_some_and(|(heard, protocol)| *heard == named && *protocol >= EXTERNAL_SINCE)
    }

    /// The naming whose copy may join now.
    pub(crate) fn may_join(&self) -> Option<Fence> {
        self.read(|writer| writer.may_join(COPY_JOINS_WITHIN).then(|| writer.naming().since))
    }

    /// Looks at the writer.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Writer<ManagerId>) -> T) -> T {
        look(&self.0.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn reached(&self) -> watch::Receiver<u64> {
        self.0.durable.subscribe()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// For people; `None` where no copy is named.
    pub(crate) fn in_words(&self) -> Option<&'static str> {
        self.read(|writer| writer.naming().holder.is_some()).then(|| match self.state() {
            LedgerState::Single => "single",
            LedgerState::CatchingUp => "catching up",
            LedgerState::TwoCopies => "two copies",
            LedgerState::Loading => "loading",
            LedgerState::Sealed => "sealed",
        })
    }

    pub(crate) fn state(&self) -> LedgerState {
        self.read(|writer| match writer.standing() {
            _ if writer.is_superseded() => LedgerState::Sealed,
            Standing::Two => LedgerState::TwoCopies,
            Standing::CatchingUp => LedgerState::CatchingUp,
            Standing::Single | Standing::Outdated => LedgerState::Single,
        })
    }
}
