//! The ledger on disk. Decides how it is opened and replayed, and (in this one place) up to which record
//! it is durable: everything that anybody is told, and everything that is sent, waits for that.
//!
//! Where a second copy counts too, both work at once, and [`Store::durable`] is the lower of the two.

use crate::{
    copies::durable::Durable,
    ledger::{Broken, Ledger, record::Record, stream::Streams},
};
use bytes::Bytes;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;
use tradewind_domain::{
    ids::{AccountId, Fence, InvalidName, ManagerId, StreamEpoch},
    time::UnixNanos,
    trading::copies::{Joined, Naming},
};
use tradewind_journal::{
    Disk, Failure, Journal, OpenError, Options, ReadError, SubmitError, codec::CodecError,
};

/// Why the ledger is not opened, or cannot go on. In every case the process ends; nothing is repaired by
/// itself, and nothing was given up.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the ledger does not open")]
    Open(#[from] OpenError),
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    #[error("ledger record {index} in {} cannot be decoded", directory.display())]
    Decode {
        directory: PathBuf,
        index: u64,
        #[source]
        source: CodecError,
    },
    #[error(
        "ledger record {index} in {} does not follow: move the directory away for inspection",
        directory.display()
    )]
    Broken {
        directory: PathBuf,
        index: u64,
        #[source]
        source: Broken,
    },
    #[error("a ledger record cannot be written")]
    Encode(#[source] CodecError),
    #[error("the ledger takes no records")]
    Submit(#[from] SubmitError),
    #[error("the ledger has stopped")]
    Failed(#[from] Failure),
    #[error("no stream epoch could be drawn: {0}")]
    Random(getrandom::Error),
    #[error(transparent)]
    Epoch(#[from] InvalidName),
    #[error("the ledger cannot be put into {}", directory.display())]
    Place {
        directory: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the process is stopping")]
    Stopped,
}

/// The journal of the ledger, with what is to be written next.
pub(crate) struct Store {
    directory: PathBuf,
    journal: Journal,
    /// Index of the next record.
    next: u64,
    /// Encoded, not yet submitted.
    batch: Vec<Bytes>,
    copies: Durable,
}

/// A ledger as it was found, or as it begins.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) streams: Streams,
}

impl Store {
    /// Opens the account's ledger in `directory`, or begins one. `told`: the right to it, and who keeps its copy. Blocks:
    /// it reads all there is.
    pub(crate) fn open(
        directory: &Path,
        account: &AccountId,
        disk: Arc<dyn Disk>,
        now: UnixNanos,
        told: (Fence, Naming<ManagerId>),
    ) -> Result<Opened, StoreError> {
        let journal = Journal::open_on(Options::at(directory), disk)?;
        let mut records = journal.stream_from(journal.first_index().unwrap_or(1));
        let decode = |index, bytes: &[u8]| {
            Record::decode(bytes).map_err(|source| StoreError::Decode {
                directory: directory.to_owned(),
                index,
                source,
            })
        };
        let broken =
            |index, source| StoreError::Broken { directory: directory.to_owned(), index, source };
        let first = match records.next().transpose()? {
            Some((index, bytes)) => (index, decode(index, &bytes)?),
            None => (1, begin(&journal, account, now)?),
        };
        let mut ledger =
            Ledger::opened(account, &first.1).map_err(|source| broken(first.0, source))?;
        let epoch = ledger.stream_epoch().clone();
        let streams = Streams::new(account.clone(), epoch, journal.clone());
        let (mut last, mut joined) = (first.0, None);
        for record in records {
            let (index, bytes) = record?;
            let record = decode(index, &bytes)?;
            ledger.apply(&record).map_err(|source| broken(index, source))?;
            joined = record.joins().map(|since| Joined { since, index }).or(joined);
            for event in record.events(account) {
                streams.publish(index, event);
            }
            last = index;
        }
        let store = Self {
            directory: directory.to_owned(),
            journal,
            next: last + 1,
            batch: Vec::new(),
            copies: Durable::opened(told, joined, last),
        };
        Ok(Opened { store, ledger, streams })
    }

    /// Takes a record for the next write and into the ledger. Gives its index.
    pub(crate) fn put(&mut self, ledger: &mut Ledger, record: &Record) -> Result<u64, StoreError> {
        let index = self.next;
        let bytes = record.encode().map_err(StoreError::Encode)?;
        ledger.apply(record).map_err(|source| StoreError::Broken {
            directory: self.directory.clone(),
            index,
            source,
        })?;
        self.batch.push(bytes);
        self.next += 1;
        self.copies.put();
        Ok(index)
    }

    /// Has the copy join, if it lacks little.
    pub(crate) fn join(&mut self) -> Result<(), StoreError> {
        let Some(since) = self.copies.may_join() else { return Ok(()) };
        let record = Record::CopyJoins { cluster: since.cluster.0, epoch: since.epoch.0 };
        let bytes = record.encode().map_err(StoreError::Encode)?;
        // Nothing of the ledger's own state changes with it.
        self.batch.push(bytes);
        self.next += 1;
        self.copies.with(|writer| writer.put_joining());
        tracing::info!(index = self.last(), naming = since.epoch.0, "the copy joins");
        Ok(())
    }

    /// Hands over what was put: one write and one sync for all of it.
    pub(crate) fn submit(&mut self) -> Result<(), StoreError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let first = self.next - self.batch.len() as u64;
        let last = self.next - 1;
        let bodies = std::mem::take(&mut self.batch).into_iter();
        let records = (first..).zip(bodies);
        let records = records.map(|(index, body)| tradewind_journal::Record { index, body });
        let copies = self.copies.clone();
        self.journal.append_then(records.collect(), move |outcome| {
            // A failure is told by `Journal::stopped`; nothing more becomes durable then.
            if outcome.is_ok() {
                copies.with(|writer| writer.synced(last));
            }
        })?;
        // The copy's disk works at the same time.
        self.copies.submitted();
        Ok(())
    }

    /// Index of the last record that was put.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }

    /// Up to which record the ledger is durable.
    pub(crate) fn durable(&self) -> watch::Receiver<u64> {
        self.copies.reached()
    }

    pub(crate) fn copies(&self) -> &Durable {
        &self.copies
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }
}

impl Opened {
    /// Takes records into the ledger that only its copy has; done when they are on the own disk.
    pub(crate) async fn adopt(&mut self, records: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let Self { store, ledger, streams } = self;
        let mut told = Vec::new();
        for bytes in records {
            let (index, directory) = (store.next, store.directory.clone());
            let record = Record::decode(&bytes).map_err(|source| StoreError::Decode {
                directory: directory.clone(),
                index,
                source,
            })?;
            let applied = ledger.apply(&record);
            applied.map_err(|source| StoreError::Broken { directory, index, source })?;
            store.batch.push(Bytes::from(bytes));
            store.next += 1;
            told.extend(record.events(ledger.account()).into_iter().map(|event| (index, event)));
        }
        let last = store.last();
        store.copies.with(|writer| writer.adopted(last));
        store.submit()?;
        store.journal.flush()?.await?;
        told.into_iter().for_each(|(index, event)| streams.publish(index, event));
        Ok(())
    }
}

fn begin(journal: &Journal, account: &AccountId, at: UnixNanos) -> Result<Record, StoreError> {
    let mut drawn = [0_u8; 16];
    getrandom::fill(&mut drawn).map_err(StoreError::Random)?;
    let text: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
    let stream_epoch = StreamEpoch::new(&text)?;
    let record = Record::Opened { account: account.clone(), stream_epoch, at };
    let body = record.encode().map_err(StoreError::Encode)?;
    let first = tradewind_journal::Record { index: 1, body };
    let ticket = journal.append(vec![first])?;
    // Durable before anyone is told of the stream epoch.
    ticket.wait()?;
    Ok(record)
}

#[cfg(test)]
mod tests;
