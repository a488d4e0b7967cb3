//! Errors of the journal, one enum a boundary: opening, submitting, completion, reading, slots.
//! Decides what a caller can tell apart; what he does about it is his.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// The operating system refused an operation on a file or directory.
#[derive(Debug, Clone, Error)]
#[error("cannot {action} {}", path.display())]
pub struct StorageError {
    /// What was tried, as a verb: `sync`, `write`, `rename`.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// The operating system's answer.
    #[source]
    pub source: Arc<io::Error>,
}

impl StorageError {
    /// For `map_err`: names the action and the path.
    pub(crate) fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source: Arc::new(source) }
    }
}

/// Why a journal does not open. Nothing on disk has been given up in any of these cases.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has the journal open. Stop it first.
    #[error("journal {} is in use by another process: stop it first", directory.display())]
    Locked {
        /// The journal's directory.
        directory: PathBuf,
    },
    /// A record or header that was durable is damaged or missing. Needs an operator.
    #[error(
        "journal file {} is damaged at byte {offset}: {what}; nothing was changed: restore the directory \
         from a backup, or move it away and rejoin as a new member",
        file.display()
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A newer program wrote this journal. Run that one.
    #[error("journal file {} has format {found}, this program knows {known}", file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The options make no sense. Change them.
    #[error("journal option {option} is {given}: it must be between {least} and {most}")]
    Options {
        /// Name of the option.
        option: &'static str,
        /// What was given.
        given: u64,
        /// Smallest value allowed.
        least: u64,
        /// Largest value allowed.
        most: u64,
    },
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why an operation was not taken into the queue. It had no effect and its callback is never
/// called.
#[derive(Debug, Clone, Error)]
pub enum SubmitError {
    /// The queue is full. Await [`crate::Journal::room`] and try again.
    #[error("the journal's queue is full: wait for room and try again")]
    Busy,
    /// The indices are not consecutive, or do not continue the log.
    #[error("record {given} does not follow: the next index is {expected}")]
    OutOfOrder {
        /// The index that would have been right.
        expected: u64,
        /// The index given.
        given: u64,
    },
    /// A body above [`crate::RECORD_BYTES_MAX`].
    #[error("record {index} has {bytes} bytes, at most {most} are allowed")]
    TooLarge {
        /// Its index.
        index: u64,
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// Truncation below what is, or may already be, purged. Use `reset`.
    #[error("cannot truncate after {after}: records up to {purged} are purged")]
    Purged {
        /// What was asked.
        after: u64,
        /// Last record that is or may be purged.
        purged: u64,
    },
    /// The journal has stopped.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Why an operation did not complete. The outcome on disk is unknown: its records may or may not be
/// there after a restart. The journal has stopped for good; the process should exit and start
/// again.
#[derive(Debug, Clone, Error)]
pub enum Failure {
    /// A write or sync failed. Never retried: after a failed sync the kernel may have dropped the
    /// bytes.
    #[error("the journal has stopped")]
    Storage(#[from] StorageError),
    /// The writer is gone: it was dropped, or a callback panicked in it.
    #[error("the journal's writer is gone")]
    Closed,
}

/// Why records could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The range begins before the log does.
    #[error("record {asked} is purged: the log begins at {first}")]
    Purged {
        /// First index asked for.
        asked: u64,
        /// First index of the log, or the next one if it is empty.
        first: u64,
    },
    /// A record on disk has changed since it was written.
    #[error("journal file {} is damaged at byte {offset}: record {index} fails its check", file.display())]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// Which record should be there.
        index: u64,
    },
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a slot could not be loaded or stored.
#[derive(Debug, Clone, Error)]
pub enum SlotError {
    /// The file is damaged. It is replaced as a whole, so this is not a crash's doing. Needs an
    /// operator.
    #[error(
        "slot file {} is damaged: {what}; restore it from a backup, or move the directory away and rejoin \
         as a new member",
        file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// A body above [`crate::SLOT_BYTES_MAX`].
    #[error("a slot of {bytes} bytes was refused, at most {most} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// An earlier store failed, so what is on disk is unknown. Exit and start again.
    #[error("slot file {} failed before and is not written again", file.display())]
    Stopped {
        /// The file.
        file: PathBuf,
    },
    /// The disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
