//! The ledger: every order that reached the venue and everything it did, on disk. It is the judge of what a client
//! did, so it keeps also what was refused. Decides how steps become durable and how they are read again; nobody
//! may be told of a step before its ticket says so.

pub(crate) mod event;
pub(crate) mod state;

use std::path::Path;

use tradewind_journal::codec::CodecError;
use tradewind_journal::{Failure, Journal, OpenError, Options, ReadError, SubmitError, Ticket};

use crate::pair::Pair;
use event::Step;
use state::{Inconsistent, State};

/// Why the ledger does not open, or has stopped. The simulator stops with it.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// In use, damaged or not readable: the message says what to do.
    #[error("the ledger cannot be opened")]
    Open(#[from] OpenError),
    #[error("the ledger cannot be read")]
    Read(#[from] ReadError),
    #[error("record {index} of the ledger cannot be decoded")]
    Record {
        index: u64,
        #[source]
        source: CodecError,
    },
    #[error("record {index} of the ledger does not follow from those before it")]
    Inconsistent {
        index: u64,
        #[source]
        source: Inconsistent,
    },
    #[error("a step cannot be encoded")]
    Encode(#[source] CodecError),
    #[error("the ledger takes no step")]
    Submit(#[from] SubmitError),
    /// Whether the last steps are on disk is not known until the next start.
    #[error("the ledger has stopped")]
    Stopped(#[from] Failure),
}

/// The durable side. The state is handed out once, at opening; from then on it is the caller's to keep.
pub(crate) struct Ledger {
    journal: Journal,
}

impl Ledger {
    /// Opens the ledger in that directory and reads all of it. Blocks for as long as the disk takes.
    pub(crate) fn open(directory: &Path, pairs: Vec<Pair>) -> Result<(Self, State), LedgerError> {
        let journal = Journal::open(Options::at(directory))?;
        let mut state = State::new(pairs);
        for record in journal.stream_from(journal.first_index().unwrap_or(1)) {
            let (index, bytes) = record?;
            let step =
                Step::from_bytes(&bytes).map_err(|source| LedgerError::Record { index, source })?;
            for event in &step.events {
                state.apply(event).map_err(|source| LedgerError::Inconsistent { index, source })?;
            }
        }
        Ok((Self { journal }, state))
    }

    /// Queues a step. It is durable when the ticket says so; tickets come true in order.
    pub(crate) fn write(&self, step: &Step) -> Result<Ticket, LedgerError> {
        let bytes = step.to_bytes().map_err(LedgerError::Encode)?;
        let (_, ticket) = self.journal.append_next(vec![bytes.into()])?;
        Ok(ticket)
    }
}
