//! Every bound of this crate, with its reason. Decides no behaviour; what goes through the whole system
//! is bounded in `domain`.

use std::time::Duration;
use tradewind_domain::limits::{BEAT_EVERY, SELF_FENCE_AFTER};

/// Largest frame on a peer connection. Above it a peer is broken or hostile.
pub(crate) const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Largest encoded request. Far below a frame, so that one always fits with its surroundings.
pub const PROPOSAL_BYTES_MAX: usize = 256 * 1024;

/// Entries of one append are cut at about this many bytes: long appends delay what waits behind them.
pub(crate) const APPEND_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Entries of one append: what a follower journals in one write.
pub(crate) const APPEND_ENTRIES_MAX: u64 = 512;

/// Requests that wait to become entries. More than this many clients at once wait at the door.
pub(crate) const PROPOSALS_QUEUED: usize = 4096;

/// Readers that wait for a round of consent. More than this many wait at the door.
pub(crate) const READERS_QUEUED: usize = 4096;

/// Batches of entries out at once: more would make them smaller, and each costs syncs, frames and waking.
pub(crate) const BATCHES_OUT: usize = 1;

/// Up to this size of the last batch the next one waits for as many as that: beyond it nothing is gained.
pub(crate) const GATHERED: usize = 32;

/// For so many turns of the runtime: some tens of microseconds, and a tenth of a millisecond where all is idle.
pub(crate) const GATHERING_TURNS: usize = 100;

/// Appends sent and not yet answered on one connection: hides a round trip and an fdatasync, no more.
pub(crate) const APPEND_WINDOW: usize = 16;

/// How long an append without entries waits for one that has some: a fraction of a heartbeat, and longer than
/// a busy client takes for its next write.
pub(crate) const COMMIT_HELD: Duration = Duration::from_millis(1);

/// Snapshots travel in pieces, so that a deadline can be put on each.
pub(crate) const SNAPSHOT_CHUNK_BYTES: usize = 1024 * 1024;

/// Read from a snapshot file, or written to it, at a time.
pub(crate) const SNAPSHOT_READ_BYTES: usize = 256 * 1024;

/// A snapshot is synced whenever so much of it was written, whether built or received: the journal's own
/// sync, on the same disk, waits for no more than that. Of 2 MiB it waited 17 to 20 ms at p99, of 256 KiB 4 to 5 ms, and
/// with a rest after each 1 ms (0.5 to 0.6 ms with nothing else on that disk).
pub(crate) const SNAPSHOT_SYNC_BYTES: usize = 256 * 1024;

/// After each such sync the disk is left to others for as long as it took, and no longer than this: a disk
/// that hung for seconds must not make a snapshot take minutes.
pub(crate) const SNAPSHOT_REST_MAX: Duration = Duration::from_millis(50);

/// A file that is not wanted any more is cut by so much at a time before it is removed, with a rest after each cut: a
/// file system that tells its disk what has become free had the journal wait 20 ms at the removal of 100 MiB, and 2 ms so.
pub(crate) const SNAPSHOT_CUT_BYTES: u64 = 8 * 1024 * 1024;
pub(crate) const SNAPSHOT_CUT_REST: Duration = Duration::from_millis(2);

/// A state that is being installed is flushed whenever so much of it was written, for the same reason: each flush
/// writes out whole pages, so that smaller ones would write the same pages again and again.
pub(crate) const STATE_SYNC_BYTES: usize = 2 * 1024 * 1024;

/// No snapshot is made, and so no log is let go of, while a follower is being sent one; unless so much of the
/// log has come meanwhile. A million rows have gone over in less than a minute, in which the fastest group seen
/// writes half of this; a follower that is slower still must not fill the others' disks.
pub(crate) const LOG_HELD_BYTES: u64 = 1024 * 1024 * 1024;

/// A snapshot whose connection broke goes on within this, or not at all: a new dial and what it waits for.
pub(crate) const SENDING_RESUMES_WITHIN: Duration = Duration::from_secs(2);

/// What an entry takes in the journal beside its proposal, about.
pub(crate) const ENTRY_BYTES_BESIDE: u64 = 48;

/// A smaller snapshot is made whenever it is due: how long it took says more of the machine than of it.
pub(crate) const SNAPSHOT_SMALL_BYTES: u64 = 8 * 1024 * 1024;

/// A snapshot is made when it was due, and at most for one part in so many of the time: a large state under
/// load is not written out again and again.
pub(crate) const SNAPSHOT_TIME_SHARE: u32 = 10;

/// Rows of one block of a snapshot file: what is held in memory twice while it is read or written.
pub(crate) const SNAPSHOT_BLOCK_ROWS: usize = 128;

/// A block is cut at about this size, whatever its rows: a block must stay below the codec's limit.
pub(crate) const SNAPSHOT_BLOCK_BYTES: usize = 256 * 1024;

/// Largest block accepted when reading a snapshot file.
pub(crate) const SNAPSHOT_BLOCK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a backup in the making leaves free on the disk: journal and snapshots grow meanwhile, and a member whose
/// disk is full leaves the group.
pub(crate) const BACKUP_LEAVES_BYTES: u64 = 64 * 1024 * 1024;

/// Of a row where there is no snapshot yet to judge by, which is so for the first entries only.
pub(crate) const BACKUP_ROW_BYTES: u64 = 1024;

/// Largest head of a backup: names, addresses and membership of a group.
pub(crate) const BACKUP_HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Calls waiting for one peer connection. Raft keeps far fewer in flight; more means it hangs.
pub(crate) const LINK_QUEUE: usize = 256;

/// Bytes encoded and not yet taken by the socket: two full appends.
pub(crate) const LINK_OUT_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;

/// Connections of peers that have said who they are: three lanes from each of many members, and some that were
/// replaced and have not ended yet.
pub(crate) const PEER_CONNECTIONS_MAX: usize = 128;

/// Of these, under numbers that this member does not know: of a new member all are. Three lanes of eight.
pub(crate) const UNKNOWN_CALLERS_MAX: usize = 24;

/// Connections of those that have not said who they are yet, which takes a member one round trip. When there are
/// more, the one that has been silent longest goes.
pub(crate) const STRANGERS_MAX: usize = 32;

/// So many calls a member makes in the time after which its connection would count as idle: one may be lost.
pub(crate) const PEER_CALLS_WITHIN_IDLE: u32 = 3;

/// Requests of one vote or heartbeat connection in work at once.
pub(crate) const CONTROL_REQUESTS_MAX: usize = 64;

/// A member that nobody has called for so long asks the others whether it belongs to them still.
pub(crate) const ASK_AFTER: Duration = Duration::from_secs(2);

/// How often that is looked at, and callers that have become strangers are shown out.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The longest silence after which a follower campaigns that should be set. Managers fence themselves 2 s after the
/// last answered beat: a beat, two rounds of an election and a dial must fit.
pub const ELECTION_MOST: Duration = Duration::from_millis(750);

/// The part of a lease on which a leader relies: 3 of 4. The voters keep to the whole of it, each by its own clock.
pub(crate) const LEASE_RELIED: (u32, u32) = (3, 4);

/// By so much a member's clock may be faster or slower than it should: a hundred times what a quartz does, and what
/// a hypervisor that catches up may do for some milliseconds.
pub(crate) const CLOCK_DRIFT_PERCENT: u32 = 10;

/// Time for a peer to say who it is, and to answer that.
pub(crate) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(2);

/// One append, vote or heartbeat. A connection silent for so long is torn down and dialled anew; openraft's
/// own, shorter deadlines end the call before, not the connection.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(2);

/// A snapshot is found, or made and summed up, for a member that has lost its state: a million rows take a tenth
/// of it. Who takes longer is given up, and the next one asked.
pub(crate) const GIVE_DEADLINE: Duration = Duration::from_secs(30);

/// Between two rounds of a member without a state asking all others for a snapshot.
pub(crate) const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// So many rounds go by between two words about it in the log.
pub(crate) const ROUNDS_UNSAID: u32 = 30;

/// How often a member makes its state anew because it was not the majority's. A disk or memory that fails more
/// often is to be replaced, and a build that decides differently does so again and again.
pub(crate) const DIVERGENCES_MAX: u32 = 3;

/// A member that was outvoted is marked before it stops, unless its disk takes longer than this.
pub(crate) const MARK_WITHIN: Duration = Duration::from_secs(2);

/// One chunk of a snapshot: the receiver writes it to its disk before it answers.
pub(crate) const CHUNK_DEADLINE: Duration = Duration::from_secs(10);

/// How often the receiver of a snapshot says that it is still installing it.
pub(crate) const INSTALLING_TOLD_EVERY: Duration = Duration::from_secs(1);

/// A receiver that says nothing for so long is gone, or its answer is: the snapshot is offered anew.
pub(crate) const INSTALLING_SILENCE: Duration = Duration::from_secs(5);

/// The end of a snapshot: the receiver syncs the file, loads it and writes its state anew.
pub(crate) const INSTALL_DEADLINE: Duration = Duration::from_secs(120);

/// Entries kept in memory for followers and for applying; older ones are read from the journal.
pub(crate) const LOG_CACHE_ENTRIES: usize = 8192;

/// The same in bytes. Entries not yet durable are kept whatever their number.
pub(crate) const LOG_CACHE_BYTES: usize = 32 * 1024 * 1024;

/// Entries applied between two publications of the machine: an answer waits for its batch.
pub(crate) const APPLY_BATCH: usize = 256;

/// Changed rows noted for the state's writer at which it does not wait for its time: some ten MB in memory.
pub(crate) const STATE_BEHIND_EARLY: usize = 65_536;

/// Changed rows noted and not yet taken at which applying waits: the disk of the state is too slow.
pub(crate) const STATE_BEHIND_MAX: usize = 4 * STATE_BEHIND_EARLY;

/// Answered commands, or forgotten ones, in one page of the state: with the largest refusals what sled keeps well.
pub(crate) const ANSWERS_PAGE: usize = 96;

/// What the pages may hold beyond twice what is remembered before they are written anew.
pub(crate) const ANSWERS_SLACK: usize = 16_384;

/// How often changed state is written and flushed: bounds what a restart must replay, and the journal kept
/// for it.
pub(crate) const STATE_FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Memory of sled's page cache. The state lives in memory already; sled is read only at start.
pub(crate) const STATE_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// sled keeps values below this size inline in pages; a larger row is reported.
pub(crate) const STATE_VALUE_BYTES: usize = 128 * 1024;

/// Rows read from sled in one block at the start.
pub(crate) const STATE_READ_ROWS: usize = 512;

/// Rows written in one sled batch when a generation comes: few, since they block those that read.
pub(crate) const STATE_WRITE_ROWS: usize = 256;

/// Rows removed in one sled batch when a generation goes.
pub(crate) const STATE_REMOVE_BATCH: usize = 1024;

/// Between two looks whether sled's lock is free.
pub(crate) const STATE_LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Looks before the lock counts as another process's: five seconds together.
pub(crate) const STATE_LOCK_TRIES: u32 = 1000;

/// Snapshot files kept: the newest and the one before.
pub(crate) const SNAPSHOTS_KEPT: usize = 2;

/// Hashes of this member's state kept to compare: of the last 64,000 entries, what a member lags at most that
/// gets entries and no snapshot.
pub(crate) const CHECKPOINTS_KEPT: usize = 64;

/// Members ask each other for clock and hashes once in so long.
pub(crate) const ROUND_EVERY: Duration = Duration::from_secs(1);

/// And so often while too few clocks are known to stamp by.
pub(crate) const ROUND_SOON: Duration = Duration::from_millis(25);

/// A calendar that was heard of so long ago may have been set since: ten rounds.
pub(crate) const CALENDAR_HEARD_WITHIN: Duration = Duration::from_secs(10);

/// One such question; who does not answer in time is asked again in the next round.
pub(crate) const REPORT_WITHIN: Duration = Duration::from_millis(500);

/// Applied entries with events that are kept for watchers, some 4 MB: one that was away for the time of that
/// many changes goes on where it was, a later one starts from the state.
pub(crate) const EVENTS_KEPT: usize = 16_384;

const _: () =
    assert!(PROPOSAL_BYTES_MAX * 4 < FRAME_BYTES_MAX, "an entry fits into a frame with room");
const _: () = assert!(
    APPEND_BYTES_MAX + PROPOSAL_BYTES_MAX < FRAME_BYTES_MAX,
    "an append is cut below a frame"
);
const _: () = assert!(
    UNKNOWN_CALLERS_MAX + 3 * tradewind_domain::limits::MEMBERS < PEER_CONNECTIONS_MAX,
    "whatever others call themselves, every member finds a place for its connections"
);
const _: () = assert!(
    BEAT_EVERY.as_millis() + 2 * ELECTION_MOST.as_millis() + 250 <= SELF_FENCE_AFTER.as_millis(),
    "a change of leaders fences no Manager"
);
const _: () = assert!(
    LEASE_RELIED.0 * (100 + CLOCK_DRIFT_PERCENT) < LEASE_RELIED.1 * (100 - CLOCK_DRIFT_PERCENT),
    "by a slow clock a leader lets go of its lease before a voter does by a fast one"
);
const _: () = assert!(SNAPSHOT_CHUNK_BYTES * 2 < FRAME_BYTES_MAX, "a chunk fits into a frame");
