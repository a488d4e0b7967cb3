//! Bounds of a Manager and its services that nobody else needs, each with its reason.

use std::time::Duration;
use tradewind_domain::{
    ids::{ManagerKind, ServiceId},
    limits::{ADOPTED_WITHIN, BEAT_EVERY, SELF_FENCE_AFTER, STOP_WITHIN, TRADER_STOPS_WITHIN},
};
use tradewind_link::pipe;

/// Without a pipe from its parent for so long a child checks in again: longer than a re-dial takes
/// (`REDIAL_MAX` and `DIAL_WITHIN`), so that a pipe that only broke is not announced twice.
pub const ALONE_AFTER: Duration = Duration::from_secs(1);
/// How soon a check-in that was not accepted is repeated: first, and at the most.
pub const CHECK_IN_AGAIN_FIRST: Duration = Duration::from_millis(100);
pub const CHECK_IN_AGAIN_MAX: Duration = Duration::from_secs(1);
/// One that was refused for good asks less and less often, up to this: what keeps it out is mended by a person.
pub const CHECK_IN_REFUSED_MAX: Duration = Duration::from_secs(5);
/// One attempt to check in: a Manager's waits through an election, `HOLD_THROUGH_ELECTION`.
pub const CHECK_IN_ATTEMPT: Duration = Duration::from_secs(2);

/// A Manager that starts waits so long for a leader before it starts what it had: far longer than elections, and than the
/// members of a site take that starts as a whole; far shorter than a person is on his way to a node that was rebooted.
pub use tradewind_domain::limits::START_UNASKED_AFTER;
const _: () = assert!(START_UNASKED_AFTER.as_millis() >= 4 * CHECK_IN_ATTEMPT.as_millis());
// A refusal is an answer: who hears one each time starts nothing by himself.
const _: () = assert!(
    START_UNASKED_AFTER.as_millis()
        > CHECK_IN_REFUSED_MAX.as_millis() + CHECK_IN_ATTEMPT.as_millis()
);

/// A Trader whose Manager is away for too long asks the group who has it, and again so often: its own Manager may be back at
/// any time, and another copy's orders end its own. One attempt may wait through an election; nothing waits for it.
pub const HOLDER_ASKED_EVERY: Duration = Duration::from_secs(5);
pub const HOLDER_ASKED_WITHIN: Duration = Duration::from_secs(2);
/// Those that lost one Manager ask at different times: spread over so long.
pub const HOLDER_ASKED_SPREAD: Duration = Duration::from_secs(5);

/// A service that had a pipe and was not heard of for so long hangs and is killed: well above a busy
/// machine's pauses, well below what an operator would wait.
pub const HUNG_AFTER: Duration = Duration::from_secs(10);
/// A Manager that comes so late to a deadline was itself stopped, or starved: far beyond a busy machine's
/// delays, far below what a service is given.
pub const ASLEEP_AFTER: Duration = Duration::from_secs(1);
/// A process on record that could not be taken over is looked at again so soon: first, and at the most.
pub const ADOPT_AGAIN_FIRST: Duration = Duration::from_millis(100);
pub const ADOPT_AGAIN_MAX: Duration = Duration::from_secs(1);
/// One that runs and cannot be taken over for so long is killed, as one that hangs is: what keeps it from that, too few
/// descriptors or too little memory, has mostly passed by then, and it has not yet stopped itself.
pub const ADOPT_WITHIN: Duration = HUNG_AFTER;
const _: () = assert!(ADOPT_WITHIN.as_millis() < ADOPTED_WITHIN.as_millis());
/// The first wait before a service that crashes again and again is started, doubled to the second.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// How often a service beats while its last beat was answered by a Manager that is sure of it; `BEAT_EVERY` otherwise, and
/// at once whenever it has news. Hundreds of services that do nothing cost a Manager four times less, and a beat
/// that comes late by as long again, or three that are lost after it, still fence nobody.
pub const SERVICE_BEAT_EVERY: Duration = Duration::from_secs(1);
const _: () = assert!(
    SERVICE_BEAT_EVERY.as_millis() + 3 * BEAT_EVERY.as_millis() < SELF_FENCE_AFTER.as_millis()
);

/// The pipe between a Manager and a service: beats and their answers tell that both live, so that none is pinged while it
/// goes well. Both are on one machine: one that stands still ends with its process, which is seen at once.
#[must_use]
pub fn service_pipe() -> pipe::Options {
    let ping_every = SERVICE_BEAT_EVERY + BEAT_EVERY;
    pipe::Options { ping_every, silence: SERVICE_SILENCE, ..pipe::Options::default() }
}
/// And is dead after so long without a word: two pings are lost then, and no service was taken for hung yet.
pub const SERVICE_SILENCE: Duration = Duration::from_secs(3);
const _: () = assert!(
    2 * (SERVICE_BEAT_EVERY.as_millis() + BEAT_EVERY.as_millis()) < SERVICE_SILENCE.as_millis()
        && SERVICE_SILENCE.as_millis() < HUNG_AFTER.as_millis()
);

/// Descriptors that a service takes at its Manager: the end of its process and the pipe to it; and, for moments, what its log
/// is opened or looked at by, and its check-in.
pub const DESCRIPTORS_PER_SERVICE: u64 = 3;
/// And what a Manager takes beside services and connections: its files and listener, the group, what it looks up.
pub const DESCRIPTORS_BESIDE: u64 = 128;

/// Connections get so long to say goodbye when a Manager stops.
pub const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// One reference to a secret is followed within this time: a program that asks a vault takes seconds, one that hangs
/// must not look like a service that starts.
pub const FIND_WITHIN: Duration = Duration::from_secs(10);

/// A log is kept aside and begun anew at this size: two of them hold hours of a busy service.
pub const LOG_BYTES: u64 = 8 << 20;
/// And so many are kept aside: with five hundred services 12 GiB at most.
pub const LOGS_ASIDE: usize = 2;
/// Logs of services that are gone stay for so long: over a week-end and the days in which somebody asks why.
pub const GONE_LOGS_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);
/// And take no more than this together, the youngest of them: forty services with all their words.
pub const GONE_LOGS_BYTES: u64 = 1 << 30;
/// How often it is looked for them.
pub const GONE_LOOK_EVERY: Duration = Duration::from_secs(60);
/// Lines of a log that are told unless asked otherwise, and at most; and the bytes of all of them.
pub const LOG_LINES: usize = 200;
pub const LOG_LINES_MAX: usize = 10_000;
pub const LOG_TOLD_BYTES: u64 = 1 << 20;
/// A follower is told new words so soon, in pieces of this size.
pub const LOG_FOLLOW_EVERY: Duration = Duration::from_millis(250);
pub const LOG_PIECE_BYTES: u64 = 64 << 10;
/// Followers of logs, and watchers of the status, at one Manager: people and their screens.
pub const FOLLOWERS: usize = 64;
pub const WATCHERS: usize = 256;
/// Changes of services that wait for a watcher: a Manager with a thousand services that all change at once, twice.
pub const WATCHER_QUEUE: usize = 4_096;
/// A watcher of the status hears so often that all is as it was, and has so long to take a frame.
pub const STATUS_BEAT_EVERY: Duration = Duration::from_secs(1);
pub const STATUS_TAKEN_WITHIN: Duration = Duration::from_secs(5);
/// How often the size is looked at.
pub const LOG_LOOK_EVERY: Duration = Duration::from_secs(5);
/// As much of a log's end is read for a report.
pub const LOG_TAIL_BYTES: u64 = 4 << 10;
/// Lines of its log in the detail of a crashed service.
pub const CRASH_LINES: usize = 5;

/// Wishes of a Manager's parts to its task, and reports of services: far more than can wait at a time,
/// since each sender has at most a few.
pub const INBOX: usize = 256;
/// Messages of one service that are taken within `BEAT_EVERY`: a beat, and its changes of state.
pub const MESSAGES_A_BEAT: u32 = 32;
/// Check-ins of one service waiting for their answer: it sends one at a time.
pub const CHECK_INS_WAITING: usize = 4;
/// Questions of one service that are open at a time: each is answered at once.
pub const QUESTIONS: usize = 16;
/// What a service may say about itself in a beat.
pub const DETAIL_BYTES: usize = 1_024;
/// What a service needs to end once its work has: its work is given so much less than the service.
pub const SHELL_STOPS_WITHIN: Duration = Duration::from_millis(300);
const _: () = assert!(SHELL_STOPS_WITHIN.as_millis() < STOP_WITHIN.as_millis());

/// A service that is asked ends within this time, or its Manager insists. Traders have more: their
/// algos wind down.
#[must_use]
pub fn stops_within(service: &ServiceId) -> Duration {
    match service.manager_kind() {
        ManagerKind::BrokerManager | ManagerKind::MarketManager => STOP_WITHIN,
        ManagerKind::TraderManager => TRADER_STOPS_WITHIN,
    }
}

/// A Manager that stops waits so long for its services to end: one may have to be taken over first, and is then ended with
/// all the time that is its own. What runs longer cannot be ended by anybody now, and stays on record.
pub const ALL_STOP_WITHIN: Duration = Duration::from_secs(20);
const _: () = assert!(
    ALL_STOP_WITHIN.as_millis()
        > ADOPT_WITHIN.as_millis() + TRADER_STOPS_WITHIN.as_millis() + STOP_WITHIN.as_millis()
);

/// So many customers are kept on disk with everything else that a Manager was told, at once. More are kept in a file of
/// their own, at most so often: written with each change a hundred thousand would keep the disk from what it is for. A
/// Manager that starts again while the control plane is away lets those in of whom it knew a few seconds before.
pub(crate) const CUSTOMERS_KEPT_AT_ONCE: usize = 1_024;
pub(crate) const CUSTOMERS_KEPT_EVERY: Duration = Duration::from_secs(5);
