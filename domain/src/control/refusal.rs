//! Why a command is refused. Decides the reasons; when one applies is `machine`'s decision.

use super::{
    drain::{DrainState, DropSchedule},
    level::FeatureLevel,
    resource::Need,
    risk::{RiskFault, TradingState},
    scale::ScaleFault,
    trader::TraderFault,
};
use crate::{
    ids::{
        AccountId, DiskId, DrainTarget, Epoch, Incarnation, LocationId, ManagerId, NodeId, Revision,
    },
    limits,
    time::UnixNanos,
};
use alloc::{format, string::String};
use serde::{Deserialize, Serialize};

/// Why a command was refused. Nothing was changed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    #[error(
        "the idempotency key is older than the answers that are remembered, those of {} s and no more than the last \
         {} of all clients and {} of one: look up whether it was applied",
        limits::IDEMPOTENCY_WINDOW.as_secs(), limits::IDEMPOTENCY_ANSWERS, limits::IDEMPOTENCY_PER_CLIENT
    )]
    KeyExpired,
    #[error(
        "the idempotency key was issued more than 10 s ahead of the cluster's clock, which every answer tells \
         (tradewind-time): date keys by that, or set the clock"
    )]
    KeyFromFuture,
    #[error("the cluster was already opened")]
    AlreadyOpen,
    #[error("a newer incarnation of this Manager has checked in: {held}")]
    StaleIncarnation { held: Incarnation },
    #[error("the state has moved on since this was decided")]
    Superseded,
    #[error("there is no such {what}")]
    NotFound { what: Noun },
    #[error("the Manager is not live or not of the right kind")]
    NotEligible,
    #[error("a Trader runs where its customer belongs")]
    AgainstAffinity,
    #[error("too large: {what}")]
    TooLarge { what: Noun },
    #[error("the register holds another value")]
    Mismatch { held: Option<String> },
    #[error("node {removing} is being removed: wait until that is done, then ask under a new key")]
    Busy { removing: NodeId },
    #[error("node {node} is known with another disk: remove it and join as a new member")]
    OtherDisk { node: NodeId },
    #[error("as many as there may be of: {what}; remove one first")]
    TooMany { what: Noun },
    #[error("a group has 3 or 5 voters: 4 bear no more failures than 3")]
    VotersNotPossible,
    #[error("nothing new is placed there: {target} is being drained")]
    Cordoned { target: DrainTarget },
    #[error("{manager} was dropped: start it anew to bring it back")]
    Dropped { manager: ManagerId },
    #[error("not while the drain is {state}")]
    WrongState { state: DrainState },
    #[error("a Manager concerned has not confirmed the cordon")]
    NotConfirmed,
    #[error("something is still there")]
    StillHeld,
    #[error("it is not time for that")]
    NotDue,
    #[error(
        "nobody has said when it is after hours in {location}: declare that (tradewind location put {location} --daily \
         01:00-02:00, or --after-close XNYS+15m), or say when it is dropped (--drop when-idle, --drop never, --drop-at TIME; \
         in a request \"drop\": \"when_idle\")"
    )]
    NoHours { location: LocationId },
    #[error("the rebalance of epoch {epoch} is still under way")]
    Rebalancing { epoch: Epoch },
    #[error("the condition does not hold: {}", now(*.held))]
    NotAsExpected { held: Option<Revision> },
    #[error("the {what} is in use: {by}")]
    InUse { what: Noun, by: Need },
    #[error("the hash of an API key is its SHA-256: 64 hexadecimal digits, in lower case")]
    NotAHash,
    #[error("{fault}")]
    Risk { fault: RiskFault },
    #[error(
        "trading is {state} there: put active first, which Brokers hear of under a higher version"
    )]
    NotActive { state: TradingState },
    #[error("these settings cannot work: {fault}")]
    ScaleNotPossible { fault: ScaleFault },
    #[error(
        "it is being drained already, {}: that goes on. Change when it is dropped (tradewind drain TARGET --reschedule, PUT \
         /v1/drains/TARGET/drop), or cancel it and begin anew", goes_on(*.drop, *.deadline)
    )]
    AlreadyDraining { drop: DropSchedule, deadline: Option<UnixNanos> },
    #[error(
        "the name {manager} belongs to another disk ({}): start it with the data directory it had, or under another name. \
         Another directory is taken under this name once the Manager there is down and holds nothing: customers move by \
         themselves, an account stays until it is deleted with release=true",
        disk.short()
    )]
    OtherManagerDisk { manager: ManagerId, disk: DiskId },
    #[error("the Trader cannot be run so: {fault}")]
    TraderNotPossible { fault: TraderFault },
    #[error(
        "this needs feature level {needed} and the cluster is at {level}: it is raised by itself once all members and \
         Managers run a build that knows it (tradewind member list, tradewind manager ls: LEVEL)"
    )]
    LevelTooLow { needed: FeatureLevel, level: FeatureLevel },
    #[error(
        "the cluster is at feature level {needed} and this build knows {known}: start the build that was here, or a later \
         one. A level is never lowered"
    )]
    LevelNotKnown { needed: FeatureLevel, known: FeatureLevel },
    #[error("feature level {level} is not known to {by} yet")]
    LevelNotKnownBy { level: FeatureLevel, by: String },
    #[error(
        "{manager} still has Brokers ({count}, that of {account} the first), and the one copy of each ledger is on its disk: \
         cancel the drain (tradewind undrain {target}), or see that no order of them is open and give the accounts up \
         (tradewind drain {target} --abandon-accounts --why TEXT): they begin elsewhere with empty ledgers"
    )]
    BrokersHeld { target: DrainTarget, manager: ManagerId, account: AccountId, count: u64 },
    #[error(
        "{manager} has no room: it takes {capacity}, has {held}, and this is {more} more. Start it with a higher --capacity, \
         add another one, or move something away"
    )]
    NoRoom { manager: ManagerId, capacity: u32, held: u32, more: u32 },
    #[error(
        "its TraderManager runs it: it is declared with a command. Declare it without one to run it yourself"
    )]
    NotSelfManaged,
    #[error(
        "another copy has attached under this name since, or the Trader was stopped: this one has ended; started anew it \
         takes over"
    )]
    TakenOver,
    #[error("it is stopped: start it first (tradewind trader start)")]
    TraderStopped,
    #[error(
        "the idempotency key was used for another change, and is answered for that one alone: this one was not made. Draw a \
         new key for it"
    )]
    KeyUsed,
    #[error(
        "{} Traders that trade on the account {account} have a {what} of their own, and its Broker is told of no more: set it for \
         the customer or for the account, or remove one of a Trader \
         (`rm trader.NAME`; a trading state that is not active is set to active first)",
        limits::SINGLE_TRADERS_PER_ACCOUNT
    )]
    TooManySingly { what: Noun, account: AccountId },
}

/// A drain in words, by what may differ of another.
fn goes_on(drop: DropSchedule, deadline: Option<UnixNanos>) -> String {
    let dropped = match drop {
        DropSchedule::AfterHours => "dropped after hours".into(),
        DropSchedule::WhenIdle => "dropped when idle".into(),
        DropSchedule::At(at) => format!("dropped at {at}"),
        DropSchedule::Never => "never dropped".into(),
    };
    match deadline {
        Some(deadline) => format!("{dropped}, with the deadline {deadline}"),
        None => format!("{dropped}, without a deadline"),
    }
}

fn now(held: Option<Revision>) -> String {
    match held {
        Some(held) => format!("it is of revision {held}; read it, then decide anew"),
        None => "there is none; see what there is, then decide anew".into(),
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Noun {
    Manager,
    Account,
    Customer,
    Market,
    Trader,
    Broker,
    Register,
    Command,
    Member,
    Group,
    Drain,
    Location,
    Exchange,
    Rebalance,
    Key,
    Route,
    Risk,
    TradingState,
    Audit,
    /// Settings of scaling.
    Scale,
    /// A request of an implementation.
    Provisioning,
}

impl core::fmt::Display for Noun {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Manager => "manager",
            Self::Account => "account",
            Self::Customer => "customer",
            Self::Market => "market",
            Self::Trader => "trader",
            Self::Broker => "broker",
            Self::Register => "register",
            Self::Command => "command",
            Self::Member => "member",
            Self::Group => "group: its leader has not founded it yet",
            Self::Drain => "drain",
            Self::Location => "location",
            Self::Exchange => "exchange",
            Self::Rebalance => "rebalance",
            Self::Key => "key",
            Self::Route => "route",
            Self::Risk => "risk setting",
            Self::TradingState => "trading state",
            Self::Audit => "who and why",
            Self::Scale => "scale",
            Self::Provisioning => "provisioning request",
        })
    }
}
