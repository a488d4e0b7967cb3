//! What can be asked of a run. Decides the names of workloads and nemeses; when what happens is decided by the plan.

use serde::{Deserialize, Serialize};

/// What clients do, and what is proven by it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Write, read, compare-and-set in the test range of the replicated state: linearizable per key.
    Register,
    /// Managers that register, under one life after the other, and check in again: fencing.
    Registry,
    /// Algos that submit and cancel through the SDK; the venue's own ledger is the judge.
    Orders,
    /// Watchers of the replicated state, and changes: each once, in order, as the log has it.
    Watch,
    /// Algos that connect while MarketManagers are drained and taken back: nothing new behind a cordon.
    Drain,
    /// Customers who log in while their TraderManagers are drained, taken back or die: one for each customer.
    Affinity,
}

impl Workload {
    pub const ALL: [Self; 6] =
        [Self::Register, Self::Registry, Self::Orders, Self::Watch, Self::Drain, Self::Affinity];
}

/// What is done to the processes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum Nemesis {
    None,
    /// `kill -9`, and started again at the heal.
    KillLeader,
    KillFollower,
    KillMajority,
    KillAll,
    KillBrokerManager,
    KillMarketManager,
    KillTraderManager,
    /// Services are started again by their Managers.
    KillBroker,
    KillMarket,
    /// SIGSTOP, and SIGCONT at the heal.
    PauseLeader,
    PauseFollower,
    PauseMajority,
    PauseMarketManager,
    /// The leader alone on its side of the members' links; clients reach everybody.
    Partition,
    /// A minority without the leader.
    PartitionMinority,
    /// What the leader sends reaches nobody; or what is sent to it does not reach it.
    PartitionOneWay,
    /// Each member reaches its two neighbours alone; with three members every link between the leader and one other.
    PartitionRing,
    /// Leadership is handed over.
    Transfer,
    /// All members stop in order, one after the other, and come back.
    RollingRestart,
    /// All of them by turns.
    Mixed,
}

impl Nemesis {
    /// Those that do one thing, `mixed` being made of them.
    pub const SINGLE: [Self; 19] = [
        Self::KillLeader,
        Self::KillFollower,
        Self::KillMajority,
        Self::KillAll,
        Self::KillBrokerManager,
        Self::KillMarketManager,
        Self::KillTraderManager,
        Self::KillBroker,
        Self::KillMarket,
        Self::PauseLeader,
        Self::PauseFollower,
        Self::PauseMajority,
        Self::PauseMarketManager,
        Self::Partition,
        Self::PartitionMinority,
        Self::PartitionOneWay,
        Self::PartitionRing,
        Self::Transfer,
        Self::RollingRestart,
    ];

    /// Whether it hits members of the group; the others need Managers and services.
    #[must_use]
    pub fn hits_members(self) -> bool {
        match self {
            Self::KillLeader
            | Self::KillFollower
            | Self::KillMajority
            | Self::KillAll
            | Self::PauseLeader
            | Self::PauseFollower
            | Self::PauseMajority
            | Self::Partition
            | Self::PartitionMinority
            | Self::PartitionOneWay
            | Self::PartitionRing
            | Self::Transfer
            | Self::RollingRestart => true,
            Self::None
            | Self::KillBrokerManager
            | Self::KillMarketManager
            | Self::KillTraderManager
            | Self::KillBroker
            | Self::KillMarket
            | Self::PauseMarketManager
            | Self::Mixed => false,
        }
    }

    /// As on the command line and in the history.
    #[must_use]
    pub fn name(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or_default().to_string()
    }
}

impl Workload {
    #[must_use]
    pub fn name(self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_str().unwrap_or_default().to_string()
    }

    /// Whether it needs services and the venue.
    #[must_use]
    pub fn trades(self) -> bool {
        self == Self::Orders
    }

    /// Whether it needs Managers that are real processes.
    #[must_use]
    pub fn has_managers(self) -> bool {
        match self {
            Self::Orders | Self::Drain | Self::Affinity => true,
            Self::Register | Self::Registry | Self::Watch => false,
        }
    }

    /// The nemeses that can change anything for it.
    #[must_use]
    pub fn nemeses(self) -> Vec<Nemesis> {
        let own: &[Nemesis] = match self {
            Self::Orders => &Nemesis::SINGLE,
            Self::Drain => &[Nemesis::KillMarketManager, Nemesis::PauseMarketManager],
            Self::Affinity => &[Nemesis::KillTraderManager],
            Self::Register | Self::Registry | Self::Watch => &[],
        };
        let all = Nemesis::SINGLE.into_iter();
        all.filter(|nemesis| nemesis.hits_members() || own.contains(nemesis)).collect()
    }
}

/// Everything a plan depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    pub workload: Workload,
    pub nemeses: Vec<Nemesis>,
    /// InfrastructureManagers.
    pub nodes: u64,
    pub time_ms: u64,
    /// Operations asked for a second.
    pub rate: u64,
    pub seed: u64,
    /// Acknowledged operations a second before the first fault, below which a run proves nothing.
    pub floor: u64,
}
