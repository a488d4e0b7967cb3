//! Bounds of the adapter and why they are what they are. Kraken's own stand in `tradewind_kraken::limits`.

use std::time::Duration;

/// One call by REST, its connection apart: Kraken answers within a second when it is well.
pub(super) const CALL_WITHIN: Duration = Duration::from_secs(3);
/// A whole listing is megabytes at most: fifty orders a page.
pub(super) const REST_ANSWER_BYTES: usize = 16 << 20;
/// Points of the call counter that listings leave for tokens and for what else cannot wait.
pub(super) const CALLS_HEADROOM: u32 = 5;
/// Listings begin no sooner after one another: a Broker that is started again and again shares Kraken's counter with its
/// former lives.
pub(super) const LISTINGS_APART: Duration = Duration::from_secs(1);
/// Points of a pair's order counter that new orders leave for cancels, which Kraken counts by an order's youth: two
/// of the dearest.
pub(super) const ORDERS_HEADROOM: u32 = 16;
/// Dialling, logging in and the first snapshots.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A WebSocket is asked for a sign of life so often; Kraken ends one that says nothing for a minute.
pub(super) const PING_EVERY: Duration = Duration::from_secs(3);
/// Levels of a book: what the checksum covers, and the least that Kraken offers.
pub(super) const DEPTH: usize = 10;
/// A frame from Kraken: the snapshot of all its pairs is the largest.
pub(super) const FRAME_BYTES: usize = 16 << 20;
/// Frames on their way out of one connection.
pub(super) const QUEUE: usize = 1_024;
/// What REST lists and the stream has not told so long afterwards, it will not tell.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(5);
/// Fills of orders whose names are not known yet; beyond it the oldest is left to the next listing.
pub(super) const UNNAMED_FILLS: usize = 256;
/// Orders whose names are remembered: a day of a busy account. What is forgotten is asked for by REST.
pub(super) const NAMES_KEPT: usize = 65_536;
/// Requests without an answer that are remembered. A frame that Kraken drops gets none.
pub(super) const ASKED_KEPT: usize = 4_096;
/// Subscriptions that are waiting for their feed.
pub(super) const FEED_QUEUE: usize = 1_024;
