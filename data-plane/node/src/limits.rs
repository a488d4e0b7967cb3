//! Bounds of a Manager and its services that nobody else needs, each with its reason.

use std::time::Duration;

/// Without a pipe from its parent for so long a child checks in again: longer than a re-dial takes
/// (`REDIAL_MAX` and `DIAL_WITHIN`), so that a pipe that only broke is not announced twice.
pub const ALONE_AFTER: Duration = Duration::from_secs(1);
/// How soon a check-in that was not accepted is repeated: first, and at the most.
pub const CHECK_IN_AGAIN_FIRST: Duration = Duration::from_millis(100);
pub const CHECK_IN_AGAIN_MAX: Duration = Duration::from_secs(1);
/// One attempt to check in: a Manager's waits through an election, `HOLD_THROUGH_ELECTION`.
pub const CHECK_IN_ATTEMPT: Duration = Duration::from_secs(2);

/// A service that had a pipe and was not heard of for so long hangs and is killed: well above a pause
/// of the machine that also stops its Manager, well below what an operator would wait.
pub const HUNG_AFTER: Duration = Duration::from_secs(10);
/// The first wait before a service that crashes again and again is started, doubled to the second.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);
pub const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Connections get so long to say goodbye when a Manager stops.
pub const DRAIN_WITHIN: Duration = Duration::from_millis(500);

/// A log is kept aside and begun anew at this size: two of them hold hours of a busy service.
pub const LOG_BYTES: u64 = 8 << 20;
/// How often the size is looked at.
pub const LOG_LOOK_EVERY: Duration = Duration::from_secs(5);
/// As much of a log's end is read for a report.
pub const LOG_TAIL_BYTES: u64 = 4 << 10;
/// Lines of its log in the detail of a crashed service.
pub const CRASH_LINES: usize = 5;

/// Wishes of a Manager's parts to its task, and reports of services: far more than can wait at a time,
/// since each sender has at most a few.
pub const INBOX: usize = 256;
/// Check-ins of one service waiting for their answer: it sends one at a time.
pub const CHECK_INS_WAITING: usize = 4;
/// What a service may say about itself in a beat.
pub const DETAIL_BYTES: usize = 1_024;
/// Beats sent and not answered: those of `SELF_FENCE_AFTER`, twice.
pub const BEATS_IN_FLIGHT: usize = 16;
/// A service's work gets so long to stop: less than `STOP_WITHIN`, after which its Manager insists.
pub const WORK_STOPS_WITHIN: Duration = Duration::from_millis(1_200);
const _: () = assert!(
    WORK_STOPS_WITHIN.as_millis() < tradewind_domain::limits::STOP_WITHIN.as_millis(),
    "a service that is asked ends before it is made to"
);
