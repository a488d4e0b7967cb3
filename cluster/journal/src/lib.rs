//! Journal: a segmented append-only log with group commit. Decides how records become durable, in
//! what order callers hear of it, and what may be trusted after a crash; what a record means is
//! left to those above (Raft's log in `cluster/replication`, the ledgers of Brokers).
//!
//! J1 an operation reported done is still there after a kill or a power loss. J2 operations take
//! effect and complete in the order they were submitted. J3 a failed write or sync is never
//! retried: the journal stops. J4 nothing is wiped by itself: only an unfinished tail, which nobody
//! was told of, is cut.
//!
//! # Use
//!
//! ```
//! use tradewind_journal::{Journal, Options, Record};
//!
//! # let home = tempfile::tempdir()?;
//! # let directory = home.path().join("log");
//! let journal = Journal::open(Options::at(directory))?;
//! let ticket = journal.append(vec![Record::new(1, "first"), Record::new(2, "second")])?;
//! ticket.wait()?; // or `.await`: both are on disk now
//! assert_eq!(journal.read(1..3, 1 << 20)?.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # On disk (format 1, all numbers little-endian)
//!
//! A directory holds `LOCK` (an flock: one opener), and one file a segment, `<20 digits>.segment`,
//! the digits being the index of its first record. Segments are preallocated (4 MiB unless a record
//! needs more) and follow one another without a hole; the first one is where the log begins,
//! nothing else remembers purges.
//!
//! | segment header, 32 bytes | |
//! |---|---|
//! | magic | 8 bytes, `TWJOURNL` |
//! | format version | u32, 1 |
//! | reserved | u32, 0 |
//! | first index | u64 |
//! | crc32 of the 24 bytes before | u32 |
//! | reserved | u32, 0 |
//!
//! | record, 16 bytes + body | |
//! |---|---|
//! | length and mark | u32: body length in bits 0-30 (at most 16 MiB), bit 31 the *sync mark* |
//! | crc32 | u32, over the record's offset in the file (u32), length and mark, index, body |
//! | index | u64, one more than the record before |
//! | body | bytes |
//!
//! A header of zeros is the end. The sync mark stands on the first record of each write: *all
//! records before this one were durable when it was written*. So a damaged record followed by a
//! marked one has been promised to somebody and the journal refuses to open, while one followed
//! only by unmarked records is an unfinished write that nobody was told of, and is cut. (Damage to
//! the very last write cannot be told from a power loss; Raft's other copies are the answer to
//! that.) The offset in the checksum keeps a record that is quoted inside another one's body from
//! being taken for a record.
//!
//! Truncation and reset write a whole new segment under the name `<20 digits>.cut` or `.reset`,
//! whose durable appearance is the moment of change; then older files go and it takes its final
//! name. Opening finishes what a crash interrupted.
//!
//! # Where it blocks
//!
//! Submitting never waits: it takes a short lock and may be refused with [`SubmitError::Busy`]
//! ([`Journal::room`] waits for room). Reading does file reads, mostly from the page cache.
//! Opening, and dropping the last handle (which first writes what is queued), block for as long as
//! the disk takes.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod codec;
mod directory;
pub mod disk;
mod error;
mod histogram;
mod journal;
mod limits;
mod queue;
mod read;
mod record;
mod segment;
mod slot;
mod view;
mod writer;

pub use disk::{Disk, DiskFile, RealDisk};
pub use error::{Failure, OpenError, ReadError, SlotError, StorageError, SubmitError};
pub use histogram::{Counted, Histogram, Meters};
pub use journal::{Journal, Options, Stats, Ticket};
pub use limits::{RECORD_BYTES_MAX, SEGMENT_BYTES, SLOT_BYTES_MAX};
pub use read::Records;
pub use record::Record;
pub use slot::SlotFile;
pub use writer::Writer;

#[cfg(test)]
mod tests;
