//! What can be asked of the replicated machine. Decides the shape of every command; what becomes of one
//! is `machine`'s decision. Records of released versions are frozen: variants are only appended.

use super::asked::RequestHash;
use super::copies::CopyCommand;
use super::drain::DrainCommand;
use super::fencing::TraderCommand;
use super::group::GroupCommand;
use super::handed_back::ServiceCommand;
use super::level::LevelCommand;
use super::placement::RebalanceCommand;
use super::resource::ResourceCommand;
use super::row::{AccountSpec, CustomerSpec, LocationSpec, MarketSpec, TraderSpec};
use super::scale::ScaleCommand;
use crate::{
    calendar::{Day, Exchange, OperatorDay},
    ids::{
        AccountId, ClientId, ClusterIncarnation, CustomerId, DiskId, Epoch, Incarnation,
        LocationId, ManagerId, MarketId, NodeId, NodeName, RegisterId, TraderId,
    },
    time::UnixNanos,
};
use alloc::{boxed::Box, collections::BTreeMap, string::String};
use serde::{Deserialize, Serialize};

/// Names one command for ever: a repeated key gets the first answer. `issued_at` is the sender's clock,
/// so that keys too old to be remembered can be told and refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IdempotencyKey {
    pub client: ClientId,
    pub issued_at: UnixNanos,
    pub n: u64,
}

/// A command with its key, as a client sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub key: IdempotencyKey,
    pub command: Command,
}

/// A request as it stands in the log: the leader's clock enters here and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    pub at: UnixNanos,
    pub request: Request,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Once in a cluster's life: gives it its incarnation.
    OpenCluster {
        incarnation: ClusterIncarnation,
    },
    /// A member makes its public key known: with it Managers check session tokens.
    PutMember {
        node: NodeId,
        api_address: String,
        public_key: String,
    },
    /// A Manager is there. A newer incarnation replaces an older one and gets a new epoch.
    CheckIn {
        manager: ManagerId,
        location: LocationId,
        address: String,
        incarnation: Incarnation,
        capacity: u32,
    },
    /// A Manager is taken for down, on condition that it is still the one that was observed.
    ExpireManager {
        manager: ManagerId,
        incarnation: Incarnation,
        epoch: Epoch,
        why: DownReason,
    },
    PutAccount {
        account: AccountId,
        spec: AccountSpec,
    },
    PutCustomer {
        customer: CustomerId,
        spec: CustomerSpec,
    },
    PutMarket {
        market: MarketId,
        spec: MarketSpec,
    },
    PutTrader {
        trader: TraderId,
        spec: TraderSpec,
    },
    /// Gives an account's Broker to a Manager; `replaces` is the epoch it was decided on.
    AssignBroker {
        account: AccountId,
        shard: u16,
        manager: ManagerId,
        replaces: Option<Epoch>,
    },
    /// Gives a customer, with all his Traders, to a TraderManager.
    AssignCustomer {
        customer: CustomerId,
        manager: ManagerId,
        replaces: Option<Epoch>,
    },
    /// Gives a Trader to the TraderManager its customer belongs to.
    AssignTrader {
        trader: TraderId,
        manager: ManagerId,
        replaces: Option<Epoch>,
    },
    /// The test range: writes a value, if `expected` is given only over that value.
    PutRegister {
        register: RegisterId,
        value: String,
        expected: Option<String>,
    },
    /// Who belongs to the Raft group.
    Group(GroupCommand),
    /// When it is after hours in a location.
    PutLocation {
        location: LocationId,
        spec: LocationSpec,
    },
    /// All of an operator's days of an exchange.
    PutExchangeDays {
        exchange: Exchange,
        days: BTreeMap<Day, OperatorDay>,
    },
    /// Emptying an implementation or a Manager before it stops.
    Drain(DrainCommand),
    /// Evening out what placement left as it was.
    Rebalance(RebalanceCommand),
    /// What operators declare, on condition of what is there.
    Resource(ResourceCommand),
    /// Implementations that are asked for and taken away.
    Scale(ScaleCommand),
    /// Services that their Managers gave up.
    Service(ServiceCommand),
    /// A Manager is there, and says which disk it has and which node it is on: what the name holds belongs to them.
    CheckInFrom {
        manager: ManagerId,
        location: LocationId,
        address: String,
        incarnation: Incarnation,
        capacity: u32,
        disk: DiskId,
        node: NodeName,
    },
    /// Traders that are given a new right.
    Trader(TraderCommand),
    /// What builds understand.
    Level(LevelCommand),
    /// Any other, with the request that it was made of: under its key no other request is answered.
    Asked {
        request: RequestHash,
        command: Box<Command>,
    },
    /// The copies of ledgers.
    Copies(CopyCommand),
}

impl Command {
    /// The request that it was made of, if that is said.
    #[must_use]
    pub fn asked(&self) -> Option<RequestHash> {
        if let Self::Asked { request, .. } = self { Some(*request) } else { None }
    }
}

/// What the leader knew when it took a Manager for down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownReason {
    /// Its pipe was reset and its port refused a new one: the process is gone.
    Refused,
    /// Nothing was heard for `limits::DOWN_AFTER`.
    Silent,
}
