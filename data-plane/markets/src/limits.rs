//! Bounds of this crate alone, each with its reason; those of the system stand in `domain::limits`.

use std::time::Duration;

/// A command that meets a lost pipe waits so long for it before it is refused: a respawned service is
/// back within it.
pub(crate) const HOLD_WITHIN: Duration = Duration::from_millis(500);
/// Commands that wait so at one hop; more are refused at once.
pub(crate) const HELD: usize = 1_024;
/// Commands on their way over one hop: a second of the design's 20,000 orders would need a round trip
/// of 0.8 s to reach it.
pub(crate) const IN_FLIGHT: usize = 16_384;
/// How often deadlines are looked at.
pub(crate) const TICK_EVERY: Duration = Duration::from_millis(20);
/// First told wait after `unavailable`: about what a redial takes.
pub(crate) const RETRY_AFTER_MS: u64 = 100;
/// Before a private stream that its source closed is opened again.
pub(crate) const REOPEN_AFTER: Duration = Duration::from_millis(100);

/// Before a private stream goes on for a session that had no room: at 1,024 frames a time still 50,000
/// events a second.
pub(crate) const POSTPONE: Duration = Duration::from_millis(20);
/// A session that has no room for a private stream and takes nothing at all for so long is disconnected;
/// one that takes something, however slowly, is waited for.
pub(crate) const SLOW_AFTER: Duration = Duration::from_secs(2);

/// Cancels, their timers and halts of one connection that are not answered yet, beside all else that is under way.
pub(crate) const LESSENING_OPERATIONS: usize = 16;
/// Bytes of answers that wait for one reader beyond which he may not ask for more lists: twice the longest list of an account's orders.
pub(crate) const ANSWER_BYTES: usize = 4 << 20;
/// What a list is expected to come to as long as this connection has had no longer one.
pub(crate) const LIST_BYTES: usize = 256 << 10;
/// A reader who takes so few of the bytes that are being written, after [`SLOW_AFTER`], is as good as one who takes nothing.
pub(crate) const SLOW_BYTES_PER_SECOND: usize = 256 << 10;
/// A subscription waits so long for its session's rate before it is told that it was not done.
pub(crate) const PACED_WITHIN: Duration = Duration::from_secs(1);

/// Frames between a pipe's reader and the task that decides; beyond it the pipe is not read.
pub(crate) const INBOX: usize = 256;
/// Frames waiting for one pipe beyond which a Market stops taking more in.
pub(crate) const PIPE_OUTBOX_MARK: usize = 1_024;
/// And where the pipe is given up: answers and subscriptions in flight can add to the mark, not more.
pub(crate) const PIPE_OUTBOX_FRAMES: usize = PIPE_OUTBOX_MARK + 2 * IN_FLIGHT;
/// Pipes a Market serves: its Manager's, and that of the Manager's next life before the old one is gone.
pub(crate) const PIPES_PER_MARKET: usize = 8;

/// A peer at the edge from which nothing came for so long is gone, and how often it is asked.
pub(crate) const EDGE_SILENCE: Duration = Duration::from_secs(45);
pub(crate) const EDGE_PING_EVERY: Duration = Duration::from_secs(15);
/// A session is read in pieces of this size: tungstenite fills the whole buffer with zeros first.
pub(crate) const READ_BUFFER_BYTES: usize = 8 << 10;
/// A session's frames are read so many times as fast as it may ask: what is too fast is answered, and costs no more than what is not.
pub(crate) const READ_AHEAD: u32 = 2;
/// Quotes of one instrument that wait for one reader before some are left out: far less than the kernel holds for him anyhow, and a
/// write of 32 costs little more than a write of one.
pub(crate) const QUOTES_WAITING: usize = 32;
/// Messages written between two flushes: few enough that a close is not kept waiting.
pub(crate) const COALESCE: usize = 256;
/// How long a closing session is given to take what is left and the close frame.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_millis(1_000);
/// How long sessions told to go away are given before they are closed: a dial and a subscribe, and less
/// than the Manager gives its work to drain.
pub(crate) const GOAWAY_WITHIN: Duration = Duration::from_millis(300);
/// How often sessions are looked for that ended without saying so, such as by a panic.
pub(crate) const SWEEP_SESSIONS_EVERY: Duration = Duration::from_secs(1);
/// Trades of an instrument that are kept of the shard that takes it over, while the old one comes up to where that began: as many as
/// a session may have waiting.
pub(crate) const HAND_OVER_TRADES: usize = 1_024;
/// And how long that is waited for: both have them from one Broker, the one as soon as the other.
pub(crate) const HAND_OVER_WITHIN: Duration = Duration::from_secs(2);
/// How often it is looked whether a Market needs other shards: what is told of their load comes once a second.
pub(crate) const SHARD_LOOK_EVERY: Duration = Duration::from_millis(500);
/// A quote asked for by REST keeps its instrument subscribed for so long: the next one finds it.
pub(crate) const QUOTE_LINGER: Duration = Duration::from_secs(10);
/// How long such a question waits for the first quote.
pub(crate) const QUOTE_WITHIN: Duration = Duration::from_millis(1_000);

/// Days of a calendar that are told at once, those without a session among them: three years of an exchange are some 110 KiB.
pub(crate) const CALENDAR_DAYS: u32 = 1_100;
/// How many follow the first where nobody said which is the last.
pub(crate) const CALENDAR_DAYS_UNASKED: u32 = 30;
const _: () = assert!(CALENDAR_DAYS_UNASKED < CALENDAR_DAYS);
/// Instruments that are told at once: all of a large Market, some 90 KiB, 280 with the longest names.
pub(crate) const INSTRUMENTS_AT_ONCE: usize = 1_000;
/// Bars that are told at once: sixteen hours of minutes, some 230 KiB.
pub(crate) const BARS_AT_ONCE: usize = 1_000;
/// Instruments of a Market for which bars are kept: with trades in each minute of two days some 50 MiB.
pub(crate) const BARS_INSTRUMENTS: usize = 128;

/// Bars that were asked for so recently make no room for others, nor do those whose trades a session reads.
pub(crate) const BARS_ASKED_WITHIN: Duration = Duration::from_secs(10 * 60);
/// How soon bars for which there was no room may be asked for again.
pub(crate) const BARS_RETRY_MS: u64 = 60_000;

/// A session that left so recently and comes back is not new, while nothing new is taken.
pub(crate) const RESUMED_WITHIN: Duration = Duration::from_secs(60);

/// A MarketManager that is being emptied gives its sessions so long to go by themselves, and closes the rest one after
/// the other over so long, so that the others do not get them all at once.
pub(crate) const RELOCATION_GRACE: Duration = Duration::from_secs(10);
pub(crate) const RELOCATION_SPREAD: Duration = Duration::from_secs(10);

/// Whether there is somewhere to go now, and whether somebody has come back.
pub(crate) const RELOCATION_LOOK: Duration = Duration::from_millis(500);

const _: () = assert!(
    GOAWAY_WITHIN.as_millis() < tradewind_node::limits::DRAIN_WITHIN.as_millis(),
    "sessions are closed by us, with a code, before their connections are cut"
);
