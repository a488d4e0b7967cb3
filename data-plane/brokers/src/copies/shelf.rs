//! The copies that a BrokerManager keeps, on disk. Decides how each is opened and written; what may be written of it is
//! decided by its `Holder`. A copy is two journals: the ledger's records as they are, by the ledger's own numbers, and
//! beside them what was promised (seals) and of which naming the records are.
//!
//! SH1 nothing is acknowledged, and no seal is answered, before it is on the disk. SH2 a copy that is named no longer
//! goes, by a desired state that is at least as new as its naming.

use super::seals::Seal;
use crate::ledger::record::Record;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tradewind_domain::{
    ids::{AccountId, Fence},
    trading::copies::{Greeting, Holder, Kept, Refused, Sealed, Session},
};
use tradewind_journal::{
    Disk, Failure, Journal, OpenError, Options, ReadError, SubmitError, Ticket, codec::CodecError,
};

/// Seals and namings are few and small.
const SEALS_SEGMENT_BYTES: u64 = 64 << 10;

/// Why a copy cannot be kept, or not for this Broker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    #[error("the copy does not open")]
    Open(#[from] OpenError),
    #[error("the copy cannot be read")]
    Read(#[from] ReadError),
    #[error("the copy takes no records")]
    Submit(#[from] SubmitError),
    #[error("the copy's journal has stopped")]
    Failed(#[from] Failure),
    #[error("a record of the copy cannot be read or written")]
    Codec(#[from] CodecError),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("it could not be opened in time")]
    Lost,
}

/// One copy. A cheap handle.
#[derive(Clone)]
pub(crate) struct Copy(Arc<Parts>);

struct Parts {
    holder: Mutex<Holder>,
    seals: Journal,
    ledger: Journal,
    /// Up to which record the ledger's journal is durable.
    synced: watch::Sender<u64>,
}

impl Copy {
    /// Blocks: it reads all there is.
    fn open(directory: &Path, disk: Arc<dyn Disk>) -> Result<Self, ShelfError> {
        let at = |name: &str| Options { first_index: Some(1), ..Options::at(directory.join(name)) };
        let seals = Options { segment_bytes: SEALS_SEGMENT_BYTES, ..at("seals") };
        let seals = Journal::open_on(seals, disk.clone())?;
        let ledger = Journal::open_on(at("ledger"), disk)?;
        let mut holder = Holder::default();
        for record in seals.stream_from(1) {
            holder.take(Seal::decode(&record?.1)?.kept());
        }
        let mut last = 0;
        for record in ledger.stream_from(1) {
            let (index, bytes) = record?;
            holder.take(Kept::Entry { joins: Record::decode(&bytes)?.joins() });
            last = index;
        }
        let (holder, synced) = (Mutex::new(holder), watch::channel(last).0);
        Ok(Self(Arc::new(Parts { holder, seals, ledger, synced })))
    }

    fn holder(&self) -> MutexGuard<'_, Holder> {
        self.0.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, kept: Kept) -> Result<Option<Ticket>, ShelfError> {
        let Some(seal) = Seal::of(kept) else { return Ok(None) };
        let (_, ticket) = self.0.seals.append_next(vec![seal.encode()?])?;
        Ok(Some(ticket))
    }

    pub(crate) fn greet(&self, right: Fence) -> Result<(Session, Greeting), ShelfError> {
        let mut holder = self.holder();
        let synced = *self.0.synced.borrow();
        let greeted = holder.greet(right, synced)?;
        // Nothing waits for it: only a successor relies on a seal.
        greeted.kept.map(|kept| self.note(kept)).transpose()?;
        Ok((greeted.session, greeted.greeting))
    }

    /// Begins anew; done when both journals are.
    pub(crate) async fn begin(&self, session: Session, since: Fence) -> Result<(), ShelfError> {
        let (reset, begun) = {
            let mut holder = self.holder();
            let kept = holder.begin(session, since)?;
            // None of the old records is left beside the new naming, and after a crash in between none joined under it.
            (self.0.ledger.reset(1)?, self.note(kept)?)
        };
        reset.await?;
        if let Some(begun) = begun {
            begun.await?;
        }
        self.0.synced.send_replace(0);
        Ok(())
    }

    /// Takes the ledger's next records. They are acknowledged when they are durable.
    pub(crate) async fn append(
        &self,
        session: Session,
        first: u64,
        records: Vec<Vec<u8>>,
    ) -> Result<(), ShelfError> {
        let joins = records.iter().map(|bytes| Ok(Record::decode(bytes)?.joins()));
        let joins = joins.collect::<Result<Vec<_>, CodecError>>()?;
        self.0.ledger.room().await;
        let mut holder = self.holder();
        for (index, joins) in (first..).zip(joins) {
            holder.append(session, index, joins)?;
        }
        let Some(last) = (first + records.len() as u64).checked_sub(1) else { return Ok(()) };
        let bodies = (first..)
            .zip(records)
            .map(|(index, body)| tradewind_journal::Record { index, body: Bytes::from(body) });
        let synced = self.0.synced.clone();
        // In the holder's order: the lock is held.
        self.0.ledger.append_then(bodies.collect(), move |outcome| {
            // A failure is told by `Journal::stopped`; nothing more is acknowledged then.
            if outcome.is_ok() {
                synced.send_replace(last);
            }
        })?;
        Ok(())
    }

    /// Serves nothing below this right from here on; answered when that is on the disk.
    pub(crate) async fn seal(&self, right: Fence) -> Result<Sealed, ShelfError> {
        let (sealed, ticket) = {
            let mut holder = self.holder();
            let (kept, sealed) = holder.seal(right)?;
            (sealed, self.note(kept)?)
        };
        if let Some(ticket) = ticket {
            ticket.await?;
        }
        Ok(sealed)
    }

    /// What may be acknowledged on this connection.
    pub(crate) fn acknowledges(&self, session: Session) -> Option<u64> {
        let holder = self.holder();
        holder.acknowledges(session).then(|| *self.0.synced.borrow())
    }

    pub(crate) fn synced(&self) -> watch::Receiver<u64> {
        self.0.synced.subscribe()
    }

    /// Records behind this one, as many as a frame takes.
    pub(crate) fn after(&self, after: u64, bytes: usize) -> Result<Vec<Vec<u8>>, ShelfError> {
        let found = self.0.ledger.read(after + 1..u64::MAX, bytes)?;
        Ok(found.into_iter().map(|(_, body)| body.to_vec()).collect())
    }

    /// The journals have stopped.
    pub(crate) async fn stopped(&self) -> Failure {
        tokio::select! {
            failure = self.0.ledger.stopped() => failure,
            failure = self.0.seals.stopped() => failure,
        }
    }

    fn begun(&self) -> Option<Fence> {
        self.holder().begun()
    }
}

/// All of them.
pub(crate) struct Shelf {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    open: Mutex<BTreeMap<AccountId, Copy>>,
}

impl Shelf {
    pub(crate) fn at(directory: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self { directory, disk, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<AccountId, Copy>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's copy, opened or begun. Blocks.
    pub(crate) fn copy(&self, account: &AccountId) -> Result<Copy, ShelfError> {
        let mut open = self.open();
        if let Some(copy) = open.get(account) {
            return Ok(copy.clone());
        }
        let copy = Copy::open(&self.directory.join(account.as_str()), self.disk.clone())?;
        open.insert(account.clone(), copy.clone());
        Ok(copy)
    }

    /// Lets go of copies whose namings are over, by a state as of `at`. Blocks.
    pub(crate) fn keep(&self, kept: &BTreeMap<AccountId, Fence>, at: Fence) -> io::Result<()> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let name = entry?.file_name();
            let Some(account) = name.to_str().and_then(|name| AccountId::new(name).ok()) else {
                continue;
            };
            if kept.contains_key(&account) {
                continue;
            }
            let Ok(copy) = self.copy(&account) else { continue };
            // One that was begun by a naming that this state does not know of yet stays, as do seals without a ledger.
            if copy.begun().is_none_or(|since| since.cluster != at.cluster || since > at) {
                continue;
            }
            tracing::info!(%account, "its copy is named no longer: let go");
            self.open().remove(&account);
            drop(copy);
            std::fs::remove_dir_all(self.directory.join(account.as_str()))?;
        }
        Ok(())
    }
}
