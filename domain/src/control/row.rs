//! The rows of the replicated machine: what is stored, compared and sent as snapshots, one key a row.
//! Decides their shape; how they change is `machine`'s decision. Released shapes are frozen: variants
//! are only appended.

use super::{
    asked::RequestHash,
    attach::AttachmentRow,
    command::IdempotencyKey,
    copies::CopiesRow,
    drain::{AbandonedRow, DrainRow, DroppedRow, HoursUnknownRow},
    fencing::FencingRow,
    group::{AdmissionRow, GroupRow},
    handed_back::HandedBackRow,
    level::{LevelRow, ManagerLevelRow, MemberLevelRow},
    machine::Outcome,
    manager_disk::ManagerDiskRow,
    placement::RebalanceRow,
    risk::{RiskRow, TradingStateRow},
    scale::{ProvisionRow, ScaleRow},
    trader::TraderRunRow,
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    calendar::{Day, Exchange, Hours, OperatorDay},
    ids::{
        AccountId, ClientId, ClusterIncarnation, CustomerId, DrainTarget, Epoch, Incarnation,
        InstrumentId, KeyHash, LocationId, ManagerId, MarketId, NodeId, RegisterId, Revision,
        Scope, ServiceId, TraderId, VenueId,
    },
    time::UnixNanos,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use serde::{Deserialize, Serialize};

/// Who holds something, and since which log entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Assignment {
    pub manager: ManagerId,
    pub epoch: Epoch,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRow {
    /// Of this life, or until this life is opened of the one before; see [`opened`](Self::opened).
    pub incarnation: Option<ClusterIncarnation>,
    /// The latest stamp applied: time in the log never runs backwards.
    pub at: UnixNanos,
    /// Zero until this life of the cluster is opened.
    pub feature_level: u32,
}

impl ClusterRow {
    /// The incarnation under which rights are given; `None` until the first leader has drawn it.
    #[must_use]
    pub fn opened(&self) -> Option<ClusterIncarnation> {
        self.incarnation.filter(|_| self.feature_level > 0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    pub node: NodeId,
    pub api_address: String,
    /// Ed25519, 64 hexadecimal digits.
    pub public_key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ManagerState {
    Live,
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerRow {
    pub manager: ManagerId,
    pub location: LocationId,
    /// Host and port of its API.
    pub address: String,
    pub incarnation: Incarnation,
    pub epoch: Epoch,
    pub state: ManagerState,
    /// How many services it takes.
    pub capacity: u32,
    pub since: UnixNanos,
}

/// An account at a venue, as the operator declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccountSpec {
    pub venue: VenueId,
    /// Which adapter speaks to the venue: `sim` or `kraken`; others are refused when named.
    pub adapter: String,
    /// Where the venue is reached: `HOST:PORT` for `sim`, words such as `key=file:/PATH` for `kraken` (secrets by reference).
    pub endpoint: String,
    /// Customers who may trade on the account.
    pub customers: BTreeSet<CustomerId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomerSpec {
    pub key_hashes: BTreeSet<KeyHash>,
}

/// For a Market: the venues that serve an instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Route {
    pub instrument: InstrumentId,
    pub data_venue: VenueId,
    pub order_venue: VenueId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MarketSpec {
    pub routes: Vec<Route>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TraderSpec {
    pub customer: CustomerId,
    /// Program and arguments. `tradewind` names the Manager's own binary. Empty: its customer runs it himself.
    pub command: Vec<String>,
    #[serde(default)]
    pub state: TraderWish,
}

/// Whether a Trader should run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum TraderWish {
    #[default]
    Running,
    Stopped,
    /// Its algo does not run; its place is kept and its service stays.
    Paused,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRow {
    pub account: AccountId,
    pub spec: AccountSpec,
    /// Of the entry that last changed what is declared.
    pub revision: Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerRow {
    pub account: AccountId,
    pub shard: u16,
    pub assignment: Option<Assignment>,
}

/// A customer and his affinity: the one TraderManager that all his Traders are on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRow {
    pub customer: CustomerId,
    pub spec: CustomerSpec,
    pub affinity: Option<Assignment>,
    /// Rises by one with every move.
    pub affinity_version: u64,
    /// Of the entry that last changed what is declared.
    pub revision: Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketRow {
    pub market: MarketId,
    pub spec: MarketSpec,
    /// The entry that last changed it: a route switch is seen by it.
    pub epoch: Epoch,
}

/// A venue that a route named before, and the entry that took it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerVenue {
    pub venue: VenueId,
    pub left: Revision,
}

/// Venues that a Market's routes named before: orders may still be open there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerVenuesRow {
    pub market: MarketId,
    /// The one that was left last stands last.
    pub venues: Vec<FormerVenue>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraderRow {
    pub trader: TraderId,
    pub spec: TraderSpec,
    pub assignment: Option<Assignment>,
    /// Of the entry that last changed what is declared.
    pub revision: Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RegisterRow {
    pub register: RegisterId,
    pub value: String,
}

/// A command that was answered, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredRow {
    pub key: IdempotencyKey,
    pub applied_at: UnixNanos,
    pub outcome: Outcome,
}

/// The same of a command that says which request it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredToRow {
    pub answered: AnsweredRow,
    pub request: RequestHash,
}

impl TraderWish {
    /// Whether it counts as one of the services that its Manager takes.
    #[must_use]
    pub fn takes_a_place(self) -> bool {
        match self {
            // One that is paused keeps its place.
            Self::Running | Self::Paused => true,
            Self::Stopped => false,
        }
    }
}

impl AnsweredRow {
    /// The window runs from here: a sender's clock that is ahead must not outlive what is remembered.
    #[must_use]
    pub fn remembered_from(&self) -> UnixNanos {
        self.applied_at.max(self.key.issued_at)
    }
}

/// How much of a client's answers is remembered. Keys at or below `evicted` are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    pub client: ClientId,
    pub remembered: u32,
    pub evicted: Option<(UnixNanos, u64)>,
}

/// Answers were forgotten because there were too many in all: keys issued up to here are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgottenRow {
    pub up_to: UnixNanos,
}

/// What an operator says of a location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LocationSpec {
    /// It is after hours there while it is after all of these.
    pub after_hours: Vec<Hours>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationRow {
    pub location: LocationId,
    pub spec: LocationSpec,
    /// Of the entry that last changed what is declared.
    pub revision: Revision,
}

/// An operator's days of an exchange, beside its table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRow {
    pub exchange: Exchange,
    pub days: BTreeMap<Day, OperatorDay>,
    /// Of the entry that last changed what is declared.
    pub revision: Revision,
}

macro_rules! rows {
    ($($variant:ident($row:ty): $key:ty = $of:expr,)*) => {
        /// One row. The order of the variants is the order on disk: append only.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Row { $($variant($row),)* }

        /// Where a row stands.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum RowKey { $($variant($key),)* }

        impl Row {
            #[must_use]
            pub fn key(&self) -> RowKey {
                match self {
                    $(Self::$variant(row) => {
                        let of: fn(&$row) -> $key = $of;
                        RowKey::$variant(of(row))
                    })*
                }
            }
        }
    };
}

rows! {
    Cluster(ClusterRow): () = |_| (),
    Member(MemberRow): NodeId = |r| r.node,
    Manager(ManagerRow): ManagerId = |r| r.manager.clone(),
    Account(AccountRow): AccountId = |r| r.account.clone(),
    Broker(BrokerRow): (AccountId, u16) = |r| (r.account.clone(), r.shard),
    Customer(CustomerRow): CustomerId = |r| r.customer.clone(),
    Market(MarketRow): MarketId = |r| r.market.clone(),
    Trader(TraderRow): TraderId = |r| r.trader.clone(),
    Register(RegisterRow): RegisterId = |r| r.register.clone(),
    Answered(AnsweredRow): IdempotencyKey = |r| r.key.clone(),
    Client(ClientRow): ClientId = |r| r.client.clone(),
    Group(GroupRow): () = |_| (),
    Admission(AdmissionRow): NodeId = |r| r.node,
    Forgotten(ForgottenRow): () = |_| (),
    Location(LocationRow): LocationId = |r| r.location.clone(),
    Exchange(ExchangeRow): Exchange = |r| r.exchange,
    Drain(DrainRow): DrainTarget = |r| r.target.clone(),
    Dropped(DroppedRow): ManagerId = |r| r.manager.clone(),
    Rebalance(RebalanceRow): () = |_| (),
    Risk(RiskRow): Scope = |r| r.scope.clone(),
    TradingState(TradingStateRow): Scope = |r| r.scope.clone(),
    Scale(ScaleRow): LocationId = |r| r.location.clone(),
    Provision(ProvisionRow): Epoch = |r| r.request,
    HandedBack(HandedBackRow): ServiceId = |r| r.service.clone(),
    ManagerDisk(ManagerDiskRow): ManagerId = |r| r.manager.clone(),
    FormerVenues(FormerVenuesRow): MarketId = |r| r.market.clone(),
    TraderRun(TraderRunRow): TraderId = |r| r.trader.clone(),
    Fencing(FencingRow): TraderId = |r| r.trader.clone(),
    Level(LevelRow): () = |_| (),
    MemberLevel(MemberLevelRow): NodeId = |r| r.node,
    ManagerLevel(ManagerLevelRow): ManagerId = |r| r.manager.clone(),
    HoursUnknown(HoursUnknownRow): DrainTarget = |r| r.target.clone(),
    Attachment(AttachmentRow): TraderId = |r| r.trader.clone(),
    AnsweredTo(AnsweredToRow): IdempotencyKey = |r| r.answered.key.clone(),
    Copies(CopiesRow): AccountId = |r| r.account.clone(),
    Abandoned(AbandonedRow): (AccountId, u16) = |r| (r.account.clone(), r.shard),
}
