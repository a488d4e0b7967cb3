//! Kraken's bounds, ours beside them, and where each comes from. Decides numbers only; `rate` and `shard` apply
//! them. "Documented" is Kraken's API documentation as of mid 2026.

use core::time::Duration;

/// Order books on one public connection. Ours: Kraken names no number for level 2, and one connection that
/// drops takes all its books down.
pub const BOOKS_PER_CONNECTION: usize = 50;
/// Symbols of a level 3 connection. Documented.
pub const LEVEL3_SYMBOLS_PER_CONNECTION: usize = 200;
/// Subscribe and unsubscribe messages a second on one connection. Ours: the rate of messages that Kraken
/// takes is not documented, and a frame it drops for being too fast gets no answer.
pub const SUBSCRIBES_PER_SECOND: u32 = 20;
/// Order messages a second on one connection. Ours, for the same reason.
pub const ORDERS_PER_SECOND: u32 = 10;
/// Connections an address may open in [`CONNECT_WINDOW`] before Kraken bans it for as long. Documented as about
/// so many.
pub const CONNECTS_BANNED: u32 = 150;
pub const CONNECT_WINDOW: Duration = Duration::from_secs(600);
/// What all Brokers behind one address allow themselves of it.
pub const CONNECTS: u32 = 120;
/// Reconnects that are tried at once; then not before [`RECONNECT_MIN`]. Documented advice.
pub const RECONNECTS_AT_ONCE: u32 = 3;
pub const RECONNECT_MIN: Duration = Duration::from_secs(5);
pub const RECONNECT_MAX: Duration = Duration::from_secs(30);
/// After this long without any frame a connection with a subscription is dead: heartbeats come each second.
pub const SILENT: Duration = Duration::from_secs(10);
/// One book is asked for anew no more often than this.
pub const RESUBSCRIBE_EVERY: Duration = Duration::from_secs(1);
/// A WebSocket token is to be used within this time. Documented; it lives on while a private subscription
/// made with it is up.
pub const TOKEN: Duration = Duration::from_secs(900);
/// The dead man's switch is set to this and renewed each [`SWITCH_EVERY`]. Documented advice.
pub const SWITCH: Duration = Duration::from_secs(60);
pub const SWITCH_EVERY: Duration = Duration::from_secs(20);
/// Deadlines of orders that Kraken takes. Documented.
pub const DEADLINE_MIN: Duration = Duration::from_millis(500);
pub const DEADLINE_MAX: Duration = Duration::from_secs(60);
/// Its own deadline where none is sent. Documented.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// After a deadline an order that cannot be found was not placed, once this has passed too: listings lag.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(1);
/// Orders of one batch, cancels of one batch. Documented.
pub const BATCH_ORDERS: core::ops::RangeInclusive<usize> = 2..=15;
pub const BATCH_CANCELS: core::ops::RangeInclusive<usize> = 2..=50;
/// Characters of a free client order id; else it is 32 hexadecimal digits, with or without dashes. Documented.
pub const CLIENT_ID_CHARS: usize = 18;
/// Items of one page of REST listings. Documented.
pub const PAGE: usize = 50;
/// The longest dead man's switch, in seconds. Documented.
pub const SWITCH_SECONDS: u32 = 86_399;

const _: () = assert!(CONNECTS < CONNECTS_BANNED, "we stop before Kraken bans the address");
const _: () = assert!(SWITCH.as_secs() >= 2 * SWITCH_EVERY.as_secs(), "one renewal may be lost");
