//! Bounds of Traders that nobody else needs, each with its reason.

use std::time::Duration;
use tradewind_domain::limits::{CONNECTIONS, TRADER_STOPS_WITHIN, TRADER_WINDS_DOWN_WITHIN};
use tradewind_node::limits::SHELL_STOPS_WITHIN;

/// An algo that is asked by SIGTERM ends within this time or is killed: it winds down, which is itself
/// bounded, and is gone before its service has to be.
pub const ALGO_STOPS_WITHIN: Duration = Duration::from_millis(5_300);
const _: () = assert!(
    ALGO_STOPS_WITHIN.as_millis() > TRADER_WINDS_DOWN_WITHIN.as_millis()
        && ALGO_STOPS_WITHIN.as_millis() + SHELL_STOPS_WITHIN.as_millis()
            < TRADER_STOPS_WITHIN.as_millis(),
);

/// Sessions opened at a time: a TraderManager that gets all Traders of a dead one must not flood the
/// members.
pub const OPENING: usize = 8;
/// One attempt to open a session: it may wait through an election, and through one attempt at a dead
/// member.
pub const OPEN_WITHIN: Duration = Duration::from_secs(3);
/// How soon a session that could not be opened is tried again.
pub const OPEN_AGAIN: Duration = Duration::from_millis(250);
/// Lines of its output in the report on an algo that has failed.
pub const CRASH_LINES: usize = 5;
/// A session is renewed at most so often, however its token's times are read.
pub const RENEW_AT_MOST_EVERY: Duration = Duration::from_secs(1);
/// Sessions are looked over at least so often, also when nothing falls due.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Traders that are attached at a time: each is a connection, and a Manager's other connections need room as well.
pub const ATTACHED: usize = 2_000;
const _: () = assert!(ATTACHED * 2 <= CONNECTIONS);
/// A frame from a Trader: a beat with a few words.
pub const ATTACHED_FRAME_BYTES: usize = 4 << 10;
/// What a Trader says of itself, shown in every status.
pub const SAYS_BYTES: usize = 256;
/// How often a Trader that is attached is heard: it may be far away.
pub const ATTACHED_BEAT: Duration = Duration::from_secs(1);
/// Without a beat for so long it is taken for away. It keeps its right.
pub const ATTACHED_SILENCE: Duration = Duration::from_secs(5);
/// Frames are read no faster than this: one who floods waits.
pub const ATTACHED_READ_EVERY: Duration = Duration::from_millis(20);
const _: () = assert!(ATTACHED_READ_EVERY.as_millis() * 10 <= ATTACHED_BEAT.as_millis());
/// A frame that is not taken within this time is taken by nobody.
pub const TAKEN_WITHIN: Duration = Duration::from_secs(2);
/// The last frame, and the other side's close.
pub const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);
/// One attempt to be given the right by the group: it may wait through an election.
pub const ATTACH_WITHIN: Duration = Duration::from_secs(3);
/// When whoever could not be let in tries again.
pub const ATTACH_AGAIN: Duration = Duration::from_millis(250);
/// One of the two questions where a Trader belongs. Beats are not answered meanwhile.
pub const WHEREABOUTS_WITHIN: Duration = Duration::from_millis(1_500);
const _: () = assert!(WHEREABOUTS_WITHIN.as_millis() * 3 <= ATTACHED_SILENCE.as_millis());
/// When that is asked again, for one whose place is not known yet.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Those who came to the wrong place, and for whom the group is asked, at a time.
pub const ASKING: usize = 64;
/// Who was told where to go has gone by then.
pub const GOAWAY_WITHIN: Duration = Duration::from_secs(5);
