//! What happened in the replicated machine, as watchers see it. Decides nothing. Every event carries
//! the revision that made it.

use super::command::DownReason;
use crate::{
    ids::{
        AccountId, ClusterIncarnation, CustomerId, DiskId, Epoch, Incarnation, ManagerId, MarketId,
        NodeId, Revision, TraderId,
    },
    time::UnixNanos,
};
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
}
