//! Every bound of this crate, with its reason. Decides no behaviour; what goes through the whole system
//! is bounded in `domain`.

use std::time::Duration;

/// How often a member looks whether its leadership is confirmed: a fraction of a heartbeat, so that a
/// new leader loses no time, and each look is only a comparison.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A request that no leader could take is tried again after this, when nothing was heard of a change.
pub(crate) const RETRY_EVERY: Duration = Duration::from_millis(20);

/// What a client is told to wait when no leader is known: an election takes about so long.
pub(crate) const NO_LEADER_RETRY_MS: u64 = 250;

/// A leader that could not confirm itself for so long gives up its pipes: shorter than any Manager's
/// patience, longer than a hiccup of a disk.
pub(crate) const UNCONFIRMED_AFTER: Duration = Duration::from_millis(500);

/// The leader's own rhythm was disturbed by so much: the process stood still, and no age can be trusted.
pub(crate) const PAUSE: Duration = Duration::from_millis(300);

/// Commands of one plan in work at once: enough to fill group commits, few enough to stop soon.
pub(crate) const PROPOSALS_AT_ONCE: usize = 64;

/// Changes of the state are told to a Manager at most this often: a burst is told as one.
pub(crate) const DESIRED_EVERY: Duration = Duration::from_millis(10);

/// Parts of what a Manager is told that wait on its pipe at a time, and how soon it is looked whether there is room: with a
/// thousand Managers that are told all at once not all of it is in memory, and a gigabit's line is kept busy.
pub(crate) const PARTS_AHEAD: usize = 2;
pub(crate) const PARTS_EVERY: Duration = Duration::from_millis(2);
/// What could not be told is tried again after this.
pub(crate) const UNTOLD_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A member that does not answer the leader within this is shown as unreachable.
pub(crate) const MEMBER_ANSWERS_WITHIN: Duration = Duration::from_millis(200);

/// A member is on the same network: one that takes longer to connect to is away.
pub(crate) const DIAL_MEMBER_WITHIN: Duration = Duration::from_millis(200);

/// A watcher is told once in so long that he misses nothing: what a client waits three times for.
pub(crate) const EVENT_BEAT_EVERY: Duration = Duration::from_secs(1);

/// A frame that a watcher does not take within this ends his stream: he is slow, or gone without a word.
pub(crate) const EVENT_TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// Entries taken from the ring at once: between two such the stream looks at its other duties.
pub(crate) const EVENT_FRAMES_AT_ONCE: usize = 64;

/// Entries of a page of events.
pub(crate) const EVENT_PAGE: usize = 1_000;

/// Resources told at a time, without a word and at most; and where a page ends whatever its items are: a Market with
/// all its routes has 170 KiB.
pub(crate) const PAGE_ITEMS: u64 = 100;
pub(crate) const PAGE_ITEMS_MAX: u64 = 1_000;
pub(crate) const PAGE_BYTES: usize = 1 << 20;
/// Rows looked at for one page, chosen or not: some milliseconds.
pub(crate) const PAGE_LOOKS: usize = 20_000;

/// Watchers of one member: dashboards and tools of a large site; each costs a task and its buffers.
pub(crate) const WATCHERS: usize = 1_024;

/// Without a word from its leader for this, or four elections if they are slower, a member is out of touch:
/// an election in between goes unnoticed.
pub(crate) const OUT_OF_TOUCH_AFTER: Duration = Duration::from_secs(1);

/// Committed entries a ready member may have left to apply: some tenths of a second.
pub(crate) const READY_LAG_ENTRIES: u64 = 2_000;

/// Stopping: so long for handing over leadership, and for the state's files to close.
pub(crate) const HAND_OVER_WITHIN: Duration = Duration::from_secs(1);
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How often the leader looks whether the group is as it is wanted: a removal takes a few steps.
pub(crate) const LOOK_AT_MEMBERS_EVERY: Duration = Duration::from_millis(50);

/// The member that forms the group asks again for those that do not answer yet.
pub(crate) const FORM_EVERY: Duration = Duration::from_millis(50);

/// A new member asks the group for its number for so long, one question and the pause after it.
pub(crate) const JOIN_WITHIN: Duration = Duration::from_secs(60);
pub(crate) const JOIN_ASKS_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const JOIN_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A hand-over asked for at another member: an election and the way there.
pub(crate) const TRANSFER_WITHIN: Duration = Duration::from_secs(2);

/// One such telling, by way of other members.
pub(crate) const TELL_MEMBER_WITHIN: Duration = Duration::from_secs(3);

/// A member tells the group its key again after this, until it stands there.
pub(crate) const TELL_MEMBER_EVERY: Duration = Duration::from_millis(200);
/// A backup is read and sent in pieces of this size.
pub(crate) const BACKUP_PIECE_BYTES: usize = 256 << 10;

/// A calendar that differs from the time used by more than this is not followed, and one that is so far behind
/// the log is reported: well above what a time service corrects at once, well below the window of the keys.
pub(crate) const CLOCK_STEP_MAX: Duration = Duration::from_secs(60);
pub(crate) const CLOCK_LOOK_EVERY: Duration = Duration::from_secs(1);

/// A step that has stood for so long is followed by a member that hears of no others: nobody has put it right, and
/// started again the member would go by it anyway.
pub(crate) const CLOCK_STOOD_FOR: Duration = Duration::from_secs(600);

const _: () = assert!(
    CLOCK_STEP_MAX.as_secs() * 5 < tradewind_domain::limits::IDEMPOTENCY_WINDOW.as_secs(),
    "a clock that is followed refuses nobody's keys"
);

/// How often a member looks whether an attempt at a request is due: each look goes through all requests, and an entry
/// need not.
pub(crate) const PROVISION_LOOK_EVERY: Duration = Duration::from_millis(200);
/// What could not be asked or told is tried again after this.
pub(crate) const PROVISION_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often a member looks after what it has started on its machine: a look through all processes.
pub(crate) const PROVISION_KEEP_EVERY: Duration = Duration::from_secs(2);

/// What an operator's program may answer, what is kept of what it says besides, and how long its streams are read
/// after its end, if something that it has started holds them.
pub(crate) const PROGRAM_ANSWER_BYTES: usize = 64 << 10;
pub(crate) const PROGRAM_SAID_BYTES: usize = 512;
pub(crate) const PROGRAM_STREAMS_WITHIN: Duration = Duration::from_millis(500);

/// A Manager that was dropped goes by itself within this, one that is asked within that: it stops its services first.
pub(crate) const MANAGER_GOES_WITHIN: Duration = Duration::from_secs(5);
pub(crate) const MANAGER_STOPS_WITHIN: Duration = Duration::from_secs(20);
pub(crate) const MANAGER_LOOK_EVERY: Duration = Duration::from_millis(100);
/// One that ends by itself again and again is started so often.
pub(crate) const MANAGER_AGAIN_AFTER: Duration = Duration::from_secs(10);
pub(crate) const MANAGER_LOG_TAIL_BYTES: u64 = 512;
