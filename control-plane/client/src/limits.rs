//! Every bound of this crate, with its reason. Decides no behaviour.

use std::time::Duration;

/// A member that has not answered for so long is not waited for alone: the next is asked beside it,
/// under the same key.
pub const NEXT_MEMBER_AFTER: Duration = Duration::from_millis(200);

/// One attempt at one member: it may hold a change through an election, and then still has to answer.
pub const ATTEMPT_WITHIN: Duration = Duration::from_millis(2_500);

/// Between two rounds over all members when none could do anything: they may all be starting.
pub const ROUND_PAUSE: Duration = Duration::from_millis(50);

/// The longest wait a member can ask for before the next round.
pub const ROUND_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A stream of events on which nothing came for so long is dead: three beats of the member.
pub const WATCH_SILENCE: Duration = Duration::from_secs(3);

/// A connection to a member for watching, and its first frame.
pub const WATCH_OPENS_WITHIN: Duration = Duration::from_secs(1);

/// A frame of events: an entry has few, this is far above.
pub const WATCH_FRAME_BYTES: usize = 1 << 20;

/// The group's time as told in an answer counts from the middle between asking and hearing; an answer that took
/// longer than this tells it too roughly.
pub const TIME_TOLD_WITHIN: Duration = Duration::from_secs(1);

/// A clock set back by more than this was wrong before and is followed; by less it is waited for. Below what the
/// cluster bears of a key from the future.
pub const CLOCK_STEP: Duration = Duration::from_secs(5);

/// Addresses kept: five members, their successors, and those named at the start.
pub const MEMBERS_KEPT: usize = 32;

const _: () = assert!(
    CLOCK_STEP.as_millis() < tradewind_domain::limits::KEY_AHEAD_MAX.as_millis(),
    "a key dated while a clock is waited for is not refused"
);
const _: () = assert!(
    ATTEMPT_WITHIN.as_millis() > 2 * tradewind_domain::limits::HOLD_THROUGH_ELECTION.as_millis(),
    "an attempt outlives the member's hold"
);
