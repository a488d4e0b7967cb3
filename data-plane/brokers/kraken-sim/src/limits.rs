//! Bounds of the simulator and why they are what they are. Decides numbers only; Kraken's own bounds stand in
//! `tradewind_kraken::limits`.

use core::time::Duration;

/// Requests waiting for the one task: beyond it a connection's reader waits, and so its client.
pub(crate) const INBOX_REQUESTS: usize = 1_024;
/// Steps waiting for the disk: beyond it no request is taken until one is durable.
pub(crate) const STEPS_IN_FLIGHT: usize = 1_024;
/// Frames queued for one client; one that is further behind is cut.
pub(crate) const CLIENT_QUEUE_FRAMES: usize = 4_096;
/// A frame or a body from a client: a batch of fifty ids has less than 4 KiB.
pub(crate) const CLIENT_FRAME_BYTES: usize = tradewind_domain::limits::CLIENT_FRAME_BYTES;
/// What is read from a socket at a time: the library fills the buffer with zeros before every read.
pub(crate) const READ_BUFFER_BYTES: usize = 8 << 10;
/// A client that sends nothing for so long is closed, as Kraken does.
pub(crate) const CLIENT_SILENT: Duration = Duration::from_secs(60);
/// Heartbeats after the first subscription when nothing else is sent.
pub(crate) const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// How often timers are looked at: the dead man's switch, orders that expire, answers held back.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Public trades kept of a pair: `Trades` shows the last thousand.
pub(crate) const TRADES_KEPT: usize = 1_000;
/// Trades of a snapshot of the `trade` channel, and fills of one of `executions`. Documented by Kraken.
pub(crate) const SNAPSHOT_TRADES: usize = 50;
/// The longest pause between two recorded messages.
pub(crate) const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How much faster than recorded the messages come.
pub(crate) const SPEED: u32 = 5;
/// From the last connection's end to the last step on disk, when the simulator stops.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(2);
/// Waiting for a close frame to leave.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// Requests of one connection in a second; faster ones are dropped with `Exceeded msg rate`. Kraken's number is
/// not documented; this one is far above what its documents advise.
pub(crate) const FRAMES_PER_SECOND: u32 = 200;
/// Faults that wait for their occasion.
pub(crate) const FAULTS: usize = 1_024;
/// WebSocket tokens that are known at a time; beyond it the oldest is forgotten.
pub(crate) const TOKENS: usize = 1_024;
