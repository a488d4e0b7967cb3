//! The ledger on disk. Decides how it is opened and replayed, and (in this one place) up to which record
//! it is durable: everything that anybody is told, and everything that is sent, waits for that.
//!
//! Today one copy is enough; where a second one holds intents too, [`Store::durable`] is the lower of the
//! two, and nothing else changes.

use crate::ledger::{Broken, Ledger, record::Record, stream::Streams};
use bytes::Bytes;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::watch;
use tradewind_domain::{
    ids::{AccountId, InvalidName, StreamEpoch},
    time::UnixNanos,
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
}

/// The journal of the ledger, with what is to be written next.
pub(crate) struct Store {
    directory: PathBuf,
    journal: Journal,
    /// Index of the next record.
    next: u64,
    /// Encoded, not yet submitted.
    batch: Vec<Bytes>,
    synced: watch::Sender<u64>,
}

/// A ledger as it was found, or as it begins.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) streams: Streams,
}

impl Store {
    /// Opens the account's ledger in `directory`, or begins one. Blocks: it reads all there is.
    pub(crate) fn open(
        directory: &Path,
        account: &AccountId,
        disk: Arc<dyn Disk>,
        now: UnixNanos,
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
        let mut last = first.0;
        for record in records {
            let (index, bytes) = record?;
            let record = decode(index, &bytes)?;
            ledger.apply(&record).map_err(|source| broken(index, source))?;
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
            synced: watch::channel(last).0,
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
        Ok(index)
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
        let synced = self.synced.clone();
        self.journal.append_then(records.collect(), move |outcome| {
            // A failure is told by `Journal::stopped`; nothing more becomes durable then.
            if outcome.is_ok() {
                synced.send_replace(last);
            }
        })?;
        Ok(())
    }

    /// Index of the last record that was put.
    pub(crate) fn last(&self) -> u64 {
        self.next - 1
    }

    /// Up to which record the ledger is durable.
    pub(crate) fn durable(&self) -> watch::Receiver<u64> {
        self.synced.subscribe()
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
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
