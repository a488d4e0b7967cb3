//! Limits of the journal and why they are what they are. Bounds of the whole system stand in
//! `domain/src/limits.rs`; these concern nobody but the journal and its callers.

/// Size of a preallocated segment, in bytes: big enough that a new one comes about once a second
/// under full load, small enough that a purge gives space back soon and a scan at start reads one
/// in a moment.
pub const SEGMENT_BYTES: u64 = 4 << 20;

/// Largest body of a record, in bytes: far above any command or order event, and small enough to
/// hold in memory several times over.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// Largest body of a [`crate::SlotFile`], in bytes: it holds single facts such as a vote.
pub const SLOT_BYTES_MAX: usize = 1 << 20;

/// A group commit takes queued appends until it has this many bytes: a larger one would make the
/// first caller of the group wait for the bytes of the last.
pub(crate) const GROUP_BYTES_MAX: usize = 1 << 20;

/// Queued bytes at which new appends are refused as busy (one append may overshoot): about a second
/// of writing on a slow disk; more would only be memory.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Queued operations at which new ones are refused as busy: an operation costs some 200 bytes of
/// memory even when its records are empty.
pub(crate) const QUEUE_OPERATIONS_MAX: usize = 65_536;

/// What a [`crate::Records`] iterator reads at a time, in bytes: replaying a log needs no more to
/// be fast.
pub(crate) const STREAM_CHUNK_BYTES: usize = 1 << 20;

/// Largest segment that may be configured: offsets inside a segment are kept as `u32`.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Smallest segment that may be configured: tests want many segments from few records.
pub(crate) const SEGMENT_BYTES_MIN: u64 = 4 << 10;

const _: () = assert!(GROUP_BYTES_MAX < QUEUE_BYTES_MAX, "a full queue is more than one group");
const _: () = assert!((RECORD_BYTES_MAX as u64) < SEGMENT_BYTES_MAX, "any record has a segment");
const _: () = assert!(RECORD_BYTES_MAX < 1 << 31, "bit 31 of the length word is the sync mark");
