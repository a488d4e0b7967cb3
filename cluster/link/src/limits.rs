//! Bounds that only this crate needs, each with its reason; those of the whole system stand in
//! `domain::limits`. Decides numbers only.

use core::time::Duration;

/// Of a body nobody read (too large, unknown path) so much is read and thrown away, that the connection
/// stays usable; beyond it the connection is closed after the answer.
pub const DISCARDED_BYTES: usize = 16 << 20;
/// And for so long.
pub const DISCARDED_WITHIN: Duration = Duration::from_secs(5);
/// After the last word on a connection the other side's bytes are read for so long: closing with unread
/// bytes resets the connection, and the last word is lost with it.
pub const LINGER: Duration = Duration::from_millis(500);
/// So long a server that was asked to stop waits for requests under way.
pub const SERVE_STOP_WITHIN: Duration = Duration::from_secs(1);
/// Connections that wait to be taken: thousands of sessions come at once when a MarketManager dies, and one that finds no
/// place is tried again by its system only after a second. The system has a bound of its own (`somaxconn`, mostly 4,096).
pub const BACKLOG: u32 = 4_096;
/// A connection on which nothing is said is asked after so long whether its other side is there, then so often, and given up
/// when so many in turn were not answered: a machine that vanished holds its seat for a minute. One to which something was said that
/// it has not taken is given up by the system, which is after a quarter of an hour mostly.
pub const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
pub const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
pub const KEEPALIVE_UNANSWERED: u32 = 3;
/// Ports tried in turn when the one asked for is taken.
pub const PORTS_TRIED: u16 = 100;
/// How long the listener rests when the system has no file descriptor left for a connection.
pub const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// An answer to a REST call; the status of the largest cluster has a few MiB.
pub const ANSWER_BYTES: usize = 16 << 20;
/// Idle connections are given up well before the other side's header timeout closes them.
pub const IDLE_CONNECTION: Duration = Duration::from_secs(5);
/// Text of an error made outside our handlers, taken over into a problem.
pub const FOREIGN_ERROR_BYTES: usize = 4 << 10;

/// A frame is read in pieces of this size: tungstenite fills the whole buffer with zeros first.
pub const READ_BUFFER_BYTES: usize = 8 << 10;
/// Frames queued on a pipe are written together up to this size.
pub const BATCH_BYTES: usize = 64 << 10;
/// Names of diallers a gate remembers: far above the processes of one cluster that dial one address.
pub const DIALLERS: usize = 4_096;
/// A dialler's name: the longest legal service and Manager names, with room.
pub const DIALLER_NAME_BYTES: usize = 256;
/// Accepted pipes that wait for their owner.
pub const ACCEPTED_QUEUE: usize = 64;
