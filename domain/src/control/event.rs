//! What happened in the replicated machine, as watchers see it. Decides nothing. Every event carries
//! the revision that made it.

use super::{
    command::DownReason,
    drain::{By, DropSchedule},
    group::GroupAsk,
    handed_back::Failure,
    level::FeatureLevel,
    resource::{Deed, Resource},
    risk::TradingState,
    scale::{ProvisionState, Said, Shortage},
};
use crate::{
    calendar::Exchange,
    ids::{
        AccountId, ClusterIncarnation, CopyId, CustomerId, DiskId, DrainTarget, Epoch,
        ImplementationId, Incarnation, LocationId, ManagerId, MarketId, NodeId, Revision, Scope,
        ServiceId, TraderId,
    },
    time::UnixNanos,
};
use alloc::string::String;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub revision: Revision,
    pub at: UnixNanos,
    pub kind: EventKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    ClusterOpened {
        incarnation: ClusterIncarnation,
    },
    MemberKnown {
        node: NodeId,
    },
    ManagerCheckedIn {
        manager: ManagerId,
        incarnation: Incarnation,
        epoch: Epoch,
    },
    ManagerDown {
        manager: ManagerId,
        why: DownReason,
    },
    AccountChanged {
        account: AccountId,
    },
    CustomerChanged {
        customer: CustomerId,
    },
    MarketChanged {
        market: MarketId,
    },
    TraderChanged {
        trader: TraderId,
    },
    BrokerAssigned {
        account: AccountId,
        shard: u16,
        manager: ManagerId,
        epoch: Epoch,
    },
    CustomerAssigned {
        customer: CustomerId,
        manager: ManagerId,
        epoch: Epoch,
    },
    TraderAssigned {
        trader: TraderId,
        manager: ManagerId,
        epoch: Epoch,
    },
    /// A node id was given to a disk.
    MemberAdmitted {
        node: NodeId,
        disk: DiskId,
    },
    /// It is reached elsewhere now.
    MemberMoved {
        node: NodeId,
    },
    MemberRemoving {
        node: NodeId,
    },
    MemberRemoved {
        node: NodeId,
    },
    VotersWanted {
        voters: u8,
    },
    LocationChanged {
        location: LocationId,
    },
    /// An operator's days of it.
    ExchangeChanged {
        exchange: Exchange,
    },
    /// A drain has begun: nothing new is placed there.
    Cordoned {
        target: DrainTarget,
        epoch: Epoch,
        by: By,
        deadline: Option<UnixNanos>,
        drop: DropSchedule,
    },
    /// Every Manager concerned takes nothing new, and what is there moves away.
    CordonAcknowledged {
        target: DrainTarget,
        epoch: Epoch,
    },
    Drained {
        target: DrainTarget,
        epoch: Epoch,
    },
    /// An alarm: the deadline has passed. Nothing follows from it.
    DrainOverdue {
        target: DrainTarget,
        epoch: Epoch,
    },
    DrainForced {
        target: DrainTarget,
        epoch: Epoch,
        by: By,
    },
    DropRescheduled {
        target: DrainTarget,
        epoch: Epoch,
        by: By,
        drop: DropSchedule,
    },
    /// It is active again.
    DrainCancelled {
        target: DrainTarget,
        epoch: Epoch,
        by: By,
    },
    /// It has left the registry.
    Dropped {
        target: DrainTarget,
        epoch: Epoch,
    },
    RebalanceBegun {
        epoch: Epoch,
        by: By,
        moves: u64,
    },
    /// Nothing is left of it to do.
    Rebalanced {
        epoch: Epoch,
    },
    RebalanceCancelled {
        epoch: Epoch,
        by: By,
    },
    /// With its Brokers.
    AccountDeleted {
        account: AccountId,
    },
    CustomerDeleted {
        customer: CustomerId,
    },
    MarketDeleted {
        market: MarketId,
    },
    TraderDeleted {
        trader: TraderId,
    },
    /// Its hours.
    LocationDeleted {
        location: LocationId,
    },
    ExchangeDaysDeleted {
        exchange: Exchange,
    },
    /// To a customer's, by its id: the first digits of its hash.
    KeyAdded {
        customer: CustomerId,
        key_id: String,
    },
    KeyRemoved {
        customer: CustomerId,
        key_id: String,
    },
    RiskChanged {
        scope: Scope,
    },
    RiskDeleted {
        scope: Scope,
    },
    TradingStateChanged {
        scope: Scope,
        state: TradingState,
        version: Revision,
    },
    TradingStateDeleted {
        scope: Scope,
    },
    /// Who changed what is declared, and why: told behind what the change made.
    Audited {
        what: Resource,
        deed: Deed,
        who: String,
        /// Empty if nothing was said.
        why: String,
    },
    /// Its settings of scaling.
    ScaleChanged {
        location: LocationId,
    },
    ScaleDeleted {
        location: LocationId,
    },
    /// A location needs one implementation more.
    ProvisionAsked {
        request: Epoch,
        location: LocationId,
        implementation: ImplementationId,
        shortage: Shortage,
    },
    /// A request has gone on, or an attempt at it has failed.
    ProvisionChanged {
        request: Epoch,
        implementation: ImplementationId,
        state: ProvisionState,
        /// Whose turn it is, or was last.
        node: Option<NodeId>,
        /// That failed one after the other.
        attempts: u32,
        failure: Option<String>,
    },
    /// Its Manager gave it up: it crashed again and again.
    ServiceHandedBack {
        service: ServiceId,
        manager: ManagerId,
        /// The right the Manager had it by.
        epoch: Epoch,
        failure: Failure,
        /// How many holders have given it up, one after the other.
        count: u32,
    },
    /// One that was handed back runs again, and has for a while.
    ServiceSettled {
        service: ServiceId,
    },
    /// Who asked something of the group, and why: told behind what it made.
    GroupAudited {
        ask: GroupAsk,
        who: String,
        /// Empty if nothing was said.
        why: String,
    },
    /// Brokers refuse copies of earlier rights: the one of this right may start.
    TraderFenced {
        trader: TraderId,
        epoch: Epoch,
    },
    /// A member said what its build understands.
    LevelKnown {
        node: NodeId,
        level: FeatureLevel,
    },
    /// All members and live Managers know it: what is new with it holds from here on.
    LevelRaised {
        level: FeatureLevel,
    },
    /// An operator gave up an account's ledger at a Manager that goes: its Broker has no holder, and begins elsewhere
    /// with an empty one.
    BrokerAbandoned {
        account: AccountId,
        shard: u16,
        /// Who had it, and the right he had it by.
        manager: ManagerId,
        epoch: Epoch,
        by: By,
    },
    /// His TraderManager was dropped by force while he was there: he and his Traders wait for another.
    CustomerUnplaced {
        customer: CustomerId,
        manager: ManagerId,
        epoch: Epoch,
    },
    /// An alarm: a Trader was declared, and where his customer is there is no room for it. It waits.
    TraderWithoutRoom {
        trader: TraderId,
        manager: ManagerId,
        capacity: u32,
    },
    /// An alarm: when a drain drops what it has emptied cannot be told, since the hours are not known. It waits.
    DropHoursUnknown {
        target: DrainTarget,
        epoch: Epoch,
        why: String,
    },
    /// A copy that its customer runs himself has the right from now on.
    TraderAttached {
        trader: TraderId,
        manager: ManagerId,
        epoch: Epoch,
        copy: CopyId,
    },
    /// Who said what of a request of an implementation, and why: told behind what it made.
    ProvisionAudited {
        request: Epoch,
        said: Said,
        who: String,
        /// Empty if nothing was said.
        why: String,
    },
    /// Who keeps the copy of an account's ledger from here on: a BrokerManager on another node, or nobody.
    CopyHolderNamed {
        account: AccountId,
        holder: Option<ManagerId>,
        epoch: Epoch,
    },
    /// The copy holds all of the ledger: from here on it can be continued from.
    CopyJoined {
        account: AccountId,
        holder: ManagerId,
    },
    /// The ledger is to be continued elsewhere: its copy is sealed, and the Broker that had it does nothing more.
    LedgerSealing {
        account: AccountId,
        manager: ManagerId,
        epoch: Epoch,
    },
}
