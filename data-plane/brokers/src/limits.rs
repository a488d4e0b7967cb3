//! Limits of the Broker and why they are what they are. Bounds of the whole system stand in
//! `domain/src/limits.rs`; these concern nobody but the Broker.

use std::time::Duration;
use tradewind_domain::limits::{INTENT_DEADLINE, ORDER_ANSWER_WITHIN, SWEEP_MARGIN};

/// Asks queued for the ledger, all Markets together: a group commit takes what has gathered meanwhile.
pub const LEDGER_QUEUE: usize = 4_096;
/// Asks taken at a time: enough for a group commit, few enough that venue events are not kept waiting.
pub const LEDGER_BATCH: usize = 256;
/// Events from the venue queued for the ledger: beyond it the venue's socket is read no further.
pub const VENUE_EVENTS: usize = 4_096;
/// Messages queued towards the venue: beyond it an order is not sent yet, and says so by its deadline.
pub const VENUE_QUEUE: usize = 4_096;
/// Commands of one Market under way: beyond it the pipe is read no further.
pub const COMMANDS_UNDER_WAY: usize = 4_096;
/// Subscriptions of one Market: two private channels for each session of a full MarketManager.
pub const SUBSCRIPTIONS_PER_PIPE: usize = 65_536;
/// The newest events of each customer kept in memory, so that readers who keep up never touch the disk:
/// some 150 KiB a customer.
pub const RECENT_EVENTS: usize = 256;
/// Events read from the journal at a time for a reader that is behind.
pub const REPLAY_BATCH: usize = 128;
/// Orders or fills in one answer, the newest ones: some 2 MiB, half of what a pipe's frame may have.
pub const LISTED: usize = 4_096;
/// Markets whose routes are remembered: far more than there are.
pub const MARKETS_KNOWN: usize = 1_024;
/// Instruments by whose quotes orders are judged: beyond it one of them is subscribed anew when it is asked for.
pub const PRICES_WATCHED: usize = 1_024;
/// Trades that are kept of a connection that an instrument moves to, until the one before has said its last: a busy second.
pub const TRADES_KEPT: usize = 1_024;
/// External orders that a Broker's detail names one by one: what an operator looks up first. The rest he sees at the venue.
pub const EXTERNAL_SHOWN: usize = 8;
/// Ids of external orders, and fills, that are remembered while they cannot be written down: more than an account has open
/// anywhere. Beyond it nothing is accepted.
pub const EXTERNAL_MISSED: usize = 65_536;
/// Operators are warned of new external orders so often: an account that another program trades on has many.
pub const EXTERNAL_WARNED_EVERY: Duration = Duration::from_secs(60);
/// Characters of a reason kept with an order.
pub const REASON_CHARS: usize = 200;

/// How often the Broker looks for what is overdue: unsent intents, missing answers, sweeps.
pub const TICK_EVERY: Duration = Duration::from_millis(25);
/// How often the venue is swept while orders are open: a lost event is found within this time.
pub const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// And while an order is `unknown`: an algo waits for it.
pub const SWEEP_EVERY_UNKNOWN: Duration = Duration::from_millis(100);
/// A page of a sweep that has not come by then is asked for again from the start.
pub const PAGE_WITHIN: Duration = Duration::from_secs(5);
/// How far before the last one a sweep begins that follows it on the same connection: only the venue's
/// own reordering is to be covered, so that a busy account is not listed whole every time.
pub const SWEEP_AGAIN_MARGIN: Duration = Duration::from_secs(5);
/// How often a finished sweep is written down: what a restart sweeps more than it must.
pub const SWEPT_RECORD_EVERY: Duration = Duration::from_secs(10);
/// The shortest and the longest time after which a customer may have all his orders canceled: below it he would lose them
/// whenever a MarketManager is replaced, above it he had better cancel them.
pub const CANCEL_ALL_AFTER_MIN: Duration = Duration::from_secs(1);
pub const CANCEL_ALL_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);
/// How often a Broker looks whose session is gone, and what counts of the time between two looks: one that stood still
/// longer has not heard yet what it was told meanwhile.
pub const PRESENCE_LOOK_EVERY: Duration = Duration::from_millis(250);
pub const PRESENCE_STEP_MAX: Duration = Duration::from_millis(500);
/// Sessions that have orders which are canceled when they are gone: those of three full MarketManagers.
pub const SESSIONS_WATCHED: usize = 60_000;
/// A cancel is sent again when the order has not ended after this time.
pub const CANCEL_AGAIN: Duration = Duration::from_secs(1);
/// A quote this old is stale: the recorded venue never pauses so long.
pub const QUOTE_STALE_AFTER: Duration = Duration::from_secs(3);
/// Quotes of one instrument that wait for one reader before the oldest is left out: a burst, as many as the hops after this
/// one let wait.
pub const QUOTES_WAITING: usize = 32;
/// A venue on whose connection nothing came for so long is gone: it beats each second.
pub const VENUE_SILENCE: Duration = Duration::from_secs(3);
/// Dialling the venue and logging in.
pub const VENUE_CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Of the connects that a venue allows, one Broker has this part: one that dies again and again leaves the rest.
pub const CONNECT_SHARES: u32 = 4;
/// Of a Broker's share this part is never spent on its market data, [`ORDER_DIALS`] at least, and the same part of the whole
/// on nobody's: orders get their connection back however often feeds fall, and whose ever they are.
pub const CONNECTS_FOR_ORDERS: u32 = 4;
/// The most dials that one session of orders is made of, all or none: two WebSockets at Kraken.
pub const ORDER_DIALS: u32 = 2;
/// Venues, by their addresses, whose connects are counted.
pub const CONNECT_PLACES: usize = 256;
/// A BrokerManager answers at once, or is away.
pub const ASK_CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// One who waits for the right to connect asks again at least so often: his turn may come sooner.
pub const CONNECT_ASKED_AGAIN: Duration = Duration::from_millis(500);
/// A frame from the venue: a page of a sweep is the largest.
pub const VENUE_FRAME_BYTES: usize = 16 << 20;
/// At a stop, answers that are ready have so long to go out: well within what a Manager waits.
pub const LAST_WORDS_WITHIN: Duration = Duration::from_millis(300);
/// Bytes of records in one frame to a copy, or from it: as base64 well below what a frame may have.
pub const COPY_FRAME_BYTES: usize = 512 << 10;
/// Records on their way to a copy that it has not acknowledged: far more than come in the time of two fdatasyncs.
pub const COPY_UNDER_WAY: u64 = 65_536;
/// A copy joins when it lacks no more than this: what comes within a few syncs.
pub const COPY_JOINS_WITHIN: u64 = 1_024;
/// That a copy cannot be kept is told after this: where nobody else can keep it, the same one is asked again.
pub const COPY_FAILED_TOLD_AFTER: Duration = Duration::from_secs(2);
/// Fills that an adapter knows by name, of those told last over a connection: one that is told twice is told twice soon.
pub const VENUE_FILLS_KNOWN: usize = 4_096;
/// A Broker that stops waits so long for its copy, which may be out of reach.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// What a caller is told to wait for while the venue is away or an epoch is in doubt, in milliseconds.
pub const RETRY_AFTER_MS: u64 = 100;
/// How far the clock may have been set back while orders were accepted that are looked for by their time.
pub const CLOCK_SET_BACK: Duration = Duration::from_secs(60);

const _: () = assert!(
    ORDER_ANSWER_WITHIN.as_millis() > INTENT_DEADLINE.as_millis(),
    "an order becomes unknown only after the venue would refuse it"
);
const _: () =
    assert!(CONNECT_ASKED_AGAIN.as_millis() < 1_000, "one asks again before his turn is over");
const _: () = assert!(COPY_FRAME_BYTES * 2 < tradewind_domain::limits::PIPE_FRAME_BYTES);
const _: () = assert!(SWEEP_AGAIN_MARGIN.as_millis() < SWEEP_MARGIN.as_millis());
