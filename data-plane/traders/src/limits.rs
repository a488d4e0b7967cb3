//! Bounds of Traders that nobody else needs, each with its reason.

use std::time::Duration;
use tradewind_domain::limits::{TRADER_STOPS_WITHIN, TRADER_WINDS_DOWN_WITHIN};
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
