//! Every bound of the system, each with its reason, and how the bounds relate. Decides numbers only;
//! whoever hits a bound decides what happens then, and says so.

use core::time::Duration;

/// How often a Manager beats on its pipe: three lost beats still leave time before `SUSPECT_AFTER`.
pub const BEAT_EVERY: Duration = Duration::from_millis(250);
/// Without a beat for so long a Manager gets nothing new.
pub const SUSPECT_AFTER: Duration = Duration::from_millis(750);
/// A Manager that had no beat answered for so long fences itself.
pub const SELF_FENCE_AFTER: Duration = Duration::from_millis(2_000);
/// Beats sent and not answered that a Manager knows of: those of `SELF_FENCE_AFTER`, twice.
pub const BEATS_IN_FLIGHT: usize = 16;
/// A Manager not heard of for so long is down.
pub const DOWN_AFTER: Duration = Duration::from_millis(2_500);
/// A Manager that starts waits so long for a leader before it starts what it had: far longer than elections, and than the
/// members of a site take that starts as a whole; far shorter than a person is on his way to a node that was rebooted.
pub const START_UNASKED_AFTER: Duration = Duration::from_secs(10);

const _: () = assert!(
    DOWN_AFTER.as_millis() * 9 > SELF_FENCE_AFTER.as_millis() * 11,
    "a zombie stops before it is replaced, clocks drifting"
);
const _: () = assert!(BEAT_EVERY.as_millis() * 3 <= SUSPECT_AFTER.as_millis());

/// While the brake is on, one node of a location is taken for down in so long, when other members find it silent too:
/// time to see that it was wrong, before the next.
pub const BRAKE_EVERY: Duration = Duration::from_secs(5);
/// A member that is asked to reach a Manager gives up after this.
pub const PROBE_WITHIN: Duration = Duration::from_millis(500);
/// How often others are asked about those that are held.
pub const PROBE_EVERY: Duration = Duration::from_millis(500);
/// What they found says something for so long: a question, its answer and the round that decides.
pub const PROBE_COUNTS_FOR: Duration = Duration::from_secs(2);
const _: () = assert!(
    PROBE_COUNTS_FOR.as_millis() > 2 * (PROBE_WITHIN.as_millis() + PROBE_EVERY.as_millis()) - 1
);
const _: () = assert!(BRAKE_EVERY.as_millis() >= 2 * DOWN_AFTER.as_millis());
/// A Manager that fell silent twice is given nothing new for so long, twice as long each time after: what is placed on
/// one that comes and goes is away for `DOWN_AFTER` each time.
pub const REST_FIRST: Duration = Duration::from_secs(5);
pub const REST_MAX: Duration = Duration::from_secs(60);
/// One that stayed for so long begins anew.
pub const DOWNS_COUNT_FOR: Duration = Duration::from_secs(120);
const _: () = assert!(DOWNS_COUNT_FOR.as_millis() > REST_MAX.as_millis());
/// Managers asked about in one question: those of forty nodes, whose names fit into its path.
pub const PROBES_AT_ONCE: usize = 128;
/// And looked for by one member at a time, whoever asks: those of a thousand Managers.
pub const PROBES_A_MEMBER: usize = 1_024;
/// What was found of one counts for whoever asks so soon after: a member that is asked without end does not dial without
/// end, and to the leader, who asks more seldom, it is no older than its own question.
pub const PROBE_SHARED_FOR: Duration = Duration::from_millis(200);
const _: () = assert!(PROBE_SHARED_FOR.as_millis() < PROBE_EVERY.as_millis());

/// How often the leader looks at what it has observed and plans.
pub const PLAN_EVERY: Duration = Duration::from_millis(100);
/// A write waits through an election for so long before it says `no_leader`.
pub const HOLD_THROUGH_ELECTION: Duration = Duration::from_secs(1);
/// One attempt to hand a request to a leader: a lost one must not use up the whole hold.
pub const FORWARD_ATTEMPT: Duration = Duration::from_millis(250);

/// As many commands a second are borne without a bound of time getting shorter than it must be: above what a group of
/// three was ever seen to decide.
pub const COMMANDS_A_SECOND: u64 = 25_000;

/// A repeated command is recognised for so long, by the log's clock, as long as the two numbers below allow: the table of
/// answers holds ten minutes of 870 commands a second, and 21 seconds of `COMMANDS_A_SECOND`.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(600);
/// And this many commands of one client: above a minute of a busy client's writes, a few MB a client.
pub const IDEMPOTENCY_PER_CLIENT: u32 = 16_384;
/// And this many of all clients together; what they must do for is asserted below. Each takes some 360 bytes, of a client
/// of its own with the longest name 620: 180 to 310 MiB of the 1.5 GiB that a member with a million rows may take.
pub const IDEMPOTENCY_ANSWERS: usize = 524_288;

/// How far a leader's clock may be from what the members' clocks say together before it is not followed:
/// far above what synchronised clocks differ by, far below what `IDEMPOTENCY_WINDOW` bears.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5);
const _: () = assert!(CLOCK_SKEW.as_millis() * 20 < IDEMPOTENCY_WINDOW.as_millis());

/// How far ahead of the log's time a key may be dated: by a clock that is ahead of the members' by as much as is
/// allowed, told to a leader whose own is behind by as much. When the table of answers is full, keys dated up to
/// that of an answer that had to go are refused to everybody: it must be older than what anybody dates now.
pub const KEY_AHEAD_MAX: Duration = Duration::from_secs(10);
/// How old a key is at most, by the log's time, when its first request is decided: dated by a clock that is behind by
/// as much as is allowed, and two seconds under way.
pub const KEY_LATE_MAX: Duration = Duration::from_secs(7);
const _: () = assert!(KEY_AHEAD_MAX.as_millis() >= 2 * CLOCK_SKEW.as_millis());
const _: () = assert!(KEY_LATE_MAX.as_millis() > CLOCK_SKEW.as_millis());
const _: () = assert!(
    IDEMPOTENCY_ANSWERS as u64
        >= COMMANDS_A_SECOND * (KEY_AHEAD_MAX.as_secs() + KEY_LATE_MAX.as_secs()),
    "at that rate, all of them dated ahead as far as may be, no honest client is refused"
);

/// Members compare the hashes of their states at every so many entries.
pub const CHECKPOINT_EVERY: u64 = 1_000;

/// A body of a request; the largest legal one, a market with all its routes, has about 170 KiB.
pub const BODY_BYTES: usize = 1 << 20;
/// A frame from a client: an order has less than 1 KiB.
pub const CLIENT_FRAME_BYTES: usize = 64 << 10;
/// A frame on a pipe inside the cluster: above the largest part of what a Manager is told, see below, and the beat of one
/// with 10,000 services.
pub const PIPE_FRAME_BYTES: usize = 4 << 20;
/// A Manager is told what it should be in parts of so much, and one thing more: some milliseconds of work, and of a
/// gigabit's line, between which beats are answered.
pub const DESIRED_PART_BYTES: usize = 256 << 10;
/// The largest thing that a Manager is told at once: a Broker with 1,000 customers, limits and trading states of each, those of
/// single Traders (`SINGLE_TRADERS_PER_ACCOUNT`) and their rights (`FENCES_AT_ONCE`), all with the longest names. And what stands
/// before the things: 1,000 Managers of the edge, and an operator's days of the exchanges.
pub const DESIRED_ITEM_BYTES: usize = 3 << 20;
pub const DESIRED_HEAD_BYTES: usize = 512 << 10;
const _: () = assert!(
    DESIRED_PART_BYTES + DESIRED_ITEM_BYTES + DESIRED_HEAD_BYTES < PIPE_FRAME_BYTES,
    "whatever is told fits a frame"
);
/// Headers of a request, and how long they may take: a half-sent one must not hold a connection.
pub const HEADER_BYTES: usize = 16 << 10;
pub const HEADERS_WITHIN: Duration = Duration::from_secs(10);
pub const REQUEST_WITHIN: Duration = Duration::from_secs(30);
pub const CONNECTIONS_PER_ADDRESS: usize = 200;
pub const CONNECTIONS: usize = 4_000;
pub const SESSIONS_PER_MARKET_MANAGER: usize = 20_000;
/// Subscriptions of one session: every instrument of a large market, once a channel.
pub const SUBSCRIPTIONS_PER_SESSION: usize = 4_096;
/// Frames queued for one session. A public stream is conflated beyond it, a private one disconnected.
pub const SESSION_QUEUE_FRAMES: usize = 1_024;
/// Operations of one connection of a session that are not answered yet: an algo that waits 3 ms for each has 20,000 a second.
pub const OPERATIONS_PER_SESSION: usize = 64;
const _: () = assert!(
    OPERATIONS_PER_SESSION < SESSION_QUEUE_FRAMES / 8,
    "all answers find room in what a private stream leaves"
);
/// Requests a second of one session, which may have as many connections as there are: the orders that a MarketManager is made
/// for in all. It ends floods, and shares nothing out.
pub const SESSION_REQUESTS_PER_SECOND: u32 = 20_000;
/// The shortest and the longest time after which a session that is away has its orders canceled: below it a failover
/// would, above it the algo had better cancel them.
pub const AWAY_MIN: Duration = Duration::from_secs(5);
pub const AWAY_MAX: Duration = Duration::from_secs(3_600);
/// How often a MarketManager says who is connected, and has those answer whose orders stand for it.
pub const PRESENCE_EVERY: Duration = Duration::from_millis(500);
/// So much later a Broker may hear that a session was there: it answered up to one turn before it was told, the next
/// telling may have been lost with its MarketManager, and that of the one it came to is a turn away, and on its way.
pub const PRESENCE_LATE: Duration = Duration::from_secs(2);
const _: () = assert!(PRESENCE_LATE.as_millis() > 3 * PRESENCE_EVERY.as_millis());
/// Sessions named at once: a frame of some 100 KiB, a millisecond's work.
pub const PRESENT_AT_ONCE: usize = 1_024;
/// Frames queued on a pipe: beyond it the sender waits.
pub const PIPE_QUEUE_FRAMES: usize = 1_024;

/// First wait before a lost pipe is dialled again, and the longest: an outage of seconds costs no more
/// than itself, one of hours costs the other side two dials a second.
pub const REDIAL_FIRST: Duration = Duration::from_millis(20);
pub const REDIAL_MAX: Duration = Duration::from_millis(500);
const _: () = assert!(REDIAL_FIRST.as_millis() <= 50 && REDIAL_MAX.as_millis() <= 2_000);
/// A dial or a handshake that takes longer has failed.
pub const DIAL_WITHIN: Duration = Duration::from_millis(500);
/// A pipe on which nothing came for so long is dead, whatever TCP says.
pub const PIPE_SILENCE: Duration = Duration::from_secs(2);
/// How often a pipe's opener pings: well within `PIPE_SILENCE`.
pub const PIPE_PING_EVERY: Duration = Duration::from_millis(500);

/// A spawned service checks in within this time or is killed.
pub const CHECK_IN_WITHIN: Duration = Duration::from_secs(5);
/// Crashes of one service within `CRASH_WINDOW` before the Manager waits longer and longer.
pub const CRASHES_ALLOWED: usize = 3;
pub const CRASH_WINDOW: Duration = Duration::from_secs(60);
/// What was handed back is given to another Manager after so long, each time twice as long, up to the second: a fault
/// of one machine is soon left behind, and one of the service itself costs a move a minute.
pub const HANDED_BACK_FIRST: Duration = Duration::from_secs(1);
pub const HANDED_BACK_MAX: Duration = Duration::from_secs(60);
/// A service whose Manager is away goes on for so long before it stops itself.
pub const ADOPTED_WITHIN: Duration = Duration::from_secs(60);
/// Asked to stop, then SIGTERM, then SIGKILL: so long for each of the first two.
pub const STOP_WITHIN: Duration = Duration::from_millis(1_500);

/// An algo asked to stop has so long to cancel what is open and to hear of it.
pub const TRADER_WINDS_DOWN_WITHIN: Duration = Duration::from_secs(5);
/// A Trader asked to stop: its algo winds down first. Otherwise as `STOP_WITHIN`.
pub const TRADER_STOPS_WITHIN: Duration = Duration::from_secs(6);
const _: () = assert!(TRADER_STOPS_WITHIN.as_millis() > TRADER_WINDS_DOWN_WITHIN.as_millis());

/// An intent older than this is never sent to a venue, and the venue is told not to take it later.
pub const INTENT_DEADLINE: Duration = Duration::from_secs(1);
/// A finished order is kept for its duplicates for at least so long.
pub const DUPLICATES_KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);
/// An answer to an order that has not come by then is `unknown`.
pub const ORDER_ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How far before the last seen change a sweep of the venue begins: covers clock differences.
pub const SWEEP_MARGIN: Duration = Duration::from_secs(60);

/// A session token, renewed from half of its life.
pub const SESSION_TOKEN_LIFE: Duration = Duration::from_secs(12 * 3_600);
/// Heartbeat to algos: a lost frame shows within one, a dead socket within three.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// Members of the group, learners among them: five voters, their five successors, and some in trouble.
pub const MEMBERS: usize = 16;
/// A learner is promoted once it was at most so many entries behind for so long: a short catch-up, and no
/// lucky moment.
pub const CAUGHT_UP_ENTRIES: u64 = 250;
pub const CAUGHT_UP_FOR: Duration = Duration::from_secs(2);
/// A member that has not answered the leader for so long does not count as there when members change.
pub const MEMBER_HEARD_WITHIN: Duration = Duration::from_millis(500);

/// After an exchange's close something may have to wait for so long, at most: far enough for settlement
/// and reports, short enough to be over before the next opening.
pub const CALENDAR_OFFSET_MAX: Duration = Duration::from_secs(12 * 3_600);
/// Days of an exchange that an operator closes, and hours that a location keeps.
pub const OPERATOR_DAYS: usize = 400;
pub const HOURS_PER_LOCATION: usize = 16;
pub const LOCATIONS: usize = 1_024;

/// Customers, and Brokers, on their way to one Manager: their services start there, and what it runs already
/// must not starve.
pub const MOVES_AT_ONCE: u32 = 4;
/// Rights of Traders that one BrokerManager's Brokers put on record at a time, each as often as there are Brokers for it:
/// what they say of it in a beat is below 1 MiB, and what one of them is told below `DESIRED_ITEM_BYTES`.
pub const FENCES_AT_ONCE: usize = 4_096;
/// Commands of placement in one round of the leader: a quarter of a second of writes, so that a Manager's death
/// is decided soon even while a hundred thousand customers are placed.
pub const PLACEMENTS_A_ROUND: usize = 2_048;
/// Moves of one rebalance; its row stays below 128 KiB.
pub const REBALANCE_MOVES: usize = 700;
/// Drains that are kept, those that are done among them; the oldest of these makes room.
pub const DRAINS: usize = 1_024;
/// Managers that were dropped and are known as such: a life that stopped is asked to come back by nobody, and
/// within one life of a machine at most so many are dropped.
pub const DROPPED: usize = 4_096;
/// Who asked for something, and why: a name, and a few sentences.
pub const WHO_BYTES: usize = 256;
pub const WHY_BYTES: usize = 1_024;

/// The longest time in which a risk rule counts orders: longer ones are for reports, and must be kept by nobody who
/// decides on an order.
pub const ORDERS_COUNTED_WITHIN: Duration = Duration::from_secs(3_600);

/// A value in the test range of the replicated state.
pub const REGISTER_VALUE_BYTES: usize = 1_024;
/// Routes of one Market, grants of one account, keys of one customer. A row of the state stays below
/// 128 KiB, what its store keeps well, also with the longest names.
pub const ROUTES_PER_MARKET: usize = 800;
/// Shards of one Market at one MarketManager: each is a process, and a pipe to every Broker; more than the cores of its machine are of
/// no use.
pub const SHARDS_PER_MARKET: u16 = 16;
/// A shard that takes so much of a core, in thousandths, is relieved: what comes at once in a burst is twice of what comes on
/// the whole, and all of it goes through one loop.
pub const SHARD_BUSY: u32 = 600;
/// And for how long it must have: a burst is over by then. A shard less is waited for longer, since the next burst comes.
pub const SHARD_BUSY_FOR: Duration = Duration::from_secs(3);
pub const SHARD_IDLE_FOR: Duration = Duration::from_secs(20);
/// From one change of their number to the next: the new one has started (`CHECK_IN_WITHIN`), has its instruments, and its load is told.
pub const SHARD_REST: Duration = Duration::from_secs(10);
/// A shard's word on its load counts for so long: three beats of one that is confirmed.
pub const LOAD_COUNTS_FOR: Duration = Duration::from_secs(3);
const _: () = assert!(
    SHARD_REST.as_millis() > CHECK_IN_WITHIN.as_millis() + LOAD_COUNTS_FOR.as_millis()
        && SHARD_IDLE_FOR.as_millis() > SHARD_REST.as_millis()
);
/// Venues that are remembered behind a Market whose routes left them: orders may be open there for long.
pub const FORMER_VENUES_PER_MARKET: usize = 16;
pub const CUSTOMERS_PER_ACCOUNT: usize = 1_000;
/// Traders of one account that have limits of their own, and those that have a trading state: its Broker is told of all of them
/// at once.
pub const SINGLE_TRADERS_PER_ACCOUNT: usize = 2_000;
pub const KEYS_PER_CUSTOMER: usize = 64;
/// Words of a Trader's command line, and the bytes of all of them.
pub const COMMAND_WORDS: usize = 64;
pub const COMMAND_BYTES: usize = 32 << 10;
/// An algo's environment: its names, one value or reference, how many, and all of them; with the command its rows
/// stay below 128 KiB.
pub const VARIABLE_NAME_BYTES: usize = 128;
pub const VARIABLE_BYTES: usize = 4 << 10;
pub const VARIABLES: usize = 64;
pub const ENVIRONMENT_BYTES: usize = 32 << 10;
/// A path on a Manager's machine (`PATH_MAX` is 4,096).
pub const PATH_BYTES: usize = 1_024;
/// Least and most that an algo's processes may be limited to: less starts no program, more is none.
pub const TRADER_MEMORY_MIB: (u32, u32) = (16, 1 << 20);
pub const TRADER_FILES: (u32, u32) = (16, 1 << 20);
/// The lowest priority there is.
pub const NICE_MAX: u8 = 19;
/// A host and port, or another address that is only carried.
pub const ADDRESS_BYTES: usize = 256;

/// Requests of implementations that are kept, those that are done among them; the oldest of these makes room.
pub const PROVISIONS: usize = 1_024;
/// Implementations that one location is scaled to at most: a few machines' worth, and what a slip of the pen costs.
pub const SCALED_MAX: u32 = 64;
/// A day: pauses and deadlines of scaling are minutes.
pub const SCALE_SECONDS_MAX: u32 = 86_400;
/// What is told to an operator's program besides the request: settings, never secrets.
pub const SCALE_ARGUMENTS: usize = 32;
pub const SCALE_ARGUMENT_BYTES: usize = 512;
/// A location's being quiet changes at most so often: each change is an entry.
pub const SCALE_LOOK_EVERY: Duration = Duration::from_secs(1);
/// After a failed attempt at a request, doubled with each: what failed for a reason that passes is soon done, what
/// fails for ever costs an attempt in five minutes.
pub const PROVISION_AGAIN_FIRST: Duration = Duration::from_secs(2);
pub const PROVISION_AGAIN_MAX: Duration = Duration::from_secs(300);
/// A program that took too long is killed by who runs it, who then says so: the leader waits for that before it counts
/// the attempt as failed itself.
pub const PROVISION_SAYS_WITHIN: Duration = Duration::from_secs(2);

/// What is taken away is asked to go, then told, then killed: an attempt at that has no less than this.
pub const PROVISION_RELEASED_WITHIN: Duration = Duration::from_secs(60);

/// What is drained because it is too much is empty within minutes: sessions go within half a minute, customers a few at a time.
/// After this somebody is to look; nothing is forced.
pub const RETIRED_WITHIN: Duration = Duration::from_secs(3_600);

/// Whoever has started a Manager starts it again within this after it was taken for down: ten seconds after it was
/// started last, a look every two, and until it has checked in.
pub const PROVISION_BACK_WITHIN: Duration = Duration::from_secs(20);

/// So long a new leader reckons with a brake of the leader before where a node went down in silence: one that a
/// follower reaches is held without end.
pub const BRAKE_REMEMBERED: Duration = Duration::from_secs(600);

/// Connections of one Broker to its venue: a few thousand instruments at a venue that takes fifty on one, and what a venue
/// that takes one costs at most.
pub const VENUE_CONNECTIONS: usize = 64;

/// Minutes of an instrument that are kept for its bars, the running one among them: yesterday is whole at any time of today. With
/// trades in each of them some 400 KiB.
pub const BAR_MINUTES: u32 = 2 * 24 * 60;
/// How far a venue's clock may be ahead of the reader's, and how late a trade is told after that.
pub const VENUE_CLOCK_SKEW: Duration = Duration::from_secs(5);
const _: () = assert!(VENUE_CLOCK_SKEW.as_secs() < 60, "a bar of a minute is over within the next");
