//! Bounds of the sim venue and why they are what they are. Decides numbers only. Bounds shared with the
//! rest of the system stand in `domain/src/limits.rs`.

use core::time::Duration;

/// Requests waiting for the venue's one task: beyond it a connection's reader waits, and so its client.
pub(crate) const INBOX_REQUESTS: usize = 1_024;
/// Steps waiting for the disk: beyond it the venue takes no request until one is durable.
pub(crate) const STEPS_IN_FLIGHT: usize = 1_024;
/// Frames queued for one client, and their bytes. All steps in flight may become durable with one sync, each
/// with some frames for the same client; one that is further behind is cut.
pub(crate) const CLIENT_QUEUE_FRAMES: usize = 16_384;
pub(crate) const CLIENT_QUEUE_BYTES: usize = 8 << 20;
/// A frame from a client: an order has less than 1 KiB.
pub(crate) const CLIENT_FRAME_BYTES: usize = tradewind_domain::limits::CLIENT_FRAME_BYTES;
/// What is read from a socket at a time: the library fills the buffer with zeros before every read.
pub(crate) const READ_BUFFER_BYTES: usize = 8 << 10;
/// Items of one page of a sweep: at most some 400 bytes each, so a page stays below 64 KiB.
pub(crate) const PAGE_ITEMS: usize = 128;
/// Instruments one connection may subscribe to, unless told otherwise.
pub const SUBSCRIPTIONS: u32 = 64;
/// Waiting for a close frame to leave: a client that reads nothing must not hold a task.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// The longest pause between two recorded messages: quiet stretches of a recording show nobody anything.
pub const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How often a generated street changes, at the speed it is generated for.
pub const GENERATED_EVERY: Duration = Duration::from_millis(500);
/// How much faster than recorded the messages come, unless told otherwise.
pub const SPEED: u32 = 5;
/// Most lots of one order (ten million units of BTC/USD): sums over any book there can be stay within 64 bits.
pub(crate) const ORDER_LOTS: u64 = 1_000_000_000_000_000;
/// Most ticks of a price: a limit far from any market is a mistake of the sender.
pub(crate) const PRICE_TICKS: u64 = 1_000_000_000_000;
/// How late an order may end whose time is over: nothing trades with it meanwhile, it is only told late.
pub(crate) const EXPIRE_EVERY: Duration = Duration::from_millis(50);
/// Faults that wait for their occasion, answers that they hold back, and how long they may: a fault is for a test, and a
/// test has a minute.
pub(crate) const FAULTS: usize = 1_024;
pub(crate) const FAULT_HELD: usize = 1_024;
pub(crate) const FAULT_LASTS: Duration = Duration::from_secs(60);
/// From the last connection's end to the last step on disk, when the venue stops.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(2);

const _: () =
    assert!(CLIENT_QUEUE_FRAMES >= STEPS_IN_FLIGHT * 8, "one sync cuts no client that reads");
