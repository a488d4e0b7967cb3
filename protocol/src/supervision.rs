//! What goes over the pipes of supervision: leader to Manager, Manager to service. Downward what is
//! wanted, upward beats. Decides shapes; leases and placement are decided in `domain::control`.

use crate::{
    asks::{ServiceAnswer, ServiceAsk},
    copies::LedgerStatus,
    venue::VenueStatus,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{
        desired::{BrokerWanted, MarketWanted, TraderWanted},
        handed_back::Failure,
        telling::Part,
    },
    ids::{Epoch, Incarnation, ServiceId, TraderId},
    trading::shards::Load,
};

/// Leader to Manager. A part is large, and there is one at a time.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToManager {
    /// What it should run and know, part by part. From protocol 3 on.
    Desired { part: Part },
    /// Says that the leader was confirmed when the beat arrived: the Manager's lease is renewed.
    BeatAnswer { n: u64 },
}

/// Manager to leader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromManager {
    Beat {
        n: u64,
        services: Vec<ServiceReport>,
        sessions: u64,
        /// Drains, by their epochs, that it knows of: it takes nothing new, and nothing that it was given
        /// before is still on its way.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        cordons: BTreeSet<Epoch>,
    },
    /// A beat after which services and cordons are as the last one on this pipe has told them. From protocol 2 on.
    StillBeat { n: u64, sessions: u64 },
}

/// Manager to service. A configuration is large, and sent once a change: a pointer would save nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToService {
    Configure {
        configuration: Configuration,
    },
    /// Heard, and confirmed: the leader stands behind this Manager. The service's own lease is renewed.
    BeatAnswer {
        n: u64,
    },
    Stop,
    /// Heard, and no leader stands behind this Manager at the moment: the service's lease is not renewed.
    Heard {
        n: u64,
    },
    /// To the service's question of this number. From protocol 2 on.
    Answer {
        n: u64,
        answer: ServiceAnswer,
    },
}

/// Service to Manager. Nearly all are beats: a pointer would save nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromService {
    Beat {
        n: u64,
        state: ServiceState,
        detail: String,
        /// What it keeps, such as a Trader's algo, fails again and again: its Manager hands it back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handed_back: Option<Failure>,
        /// Of a Broker: the rights of Traders that it was told of last and has on record.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        fenced: BTreeMap<TraderId, Epoch>,
        /// Of a Broker: how it stands with its venue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        venue: Option<VenueStatus>,
        /// Of a Broker whose account has, or had, a second copy of its ledger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ledger: Option<LedgerStatus>,
        /// What it took of a core of late.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        load: Option<Load>,
    },
    /// A question; its number is used once on a pipe. From protocol 2 on.
    Ask { n: u64, ask: ServiceAsk },
}

/// What a service is told to be. Sent whole at each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Configuration {
    Broker { wanted: BrokerWanted },
    Market { wanted: MarketWanted },
    Trader { wanted: TraderWanted, access: TraderAccess },
}

/// What a Trader's process is given in its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraderAccess {
    pub session_token: String,
    /// Addresses to use in this order.
    pub market_managers: Vec<String>,
    pub infrastructure_managers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ServiceState {
    /// Spawned, not yet checked in.
    Starting,
    /// At work, and what it needs is not there yet: the venue, a Broker.
    Connecting,
    Live,
    /// Crashed; spawned again after a wait.
    Waiting,
    Stopping,
    /// A Trader whose algo is not to run for now.
    Paused,
    /// A Trader whose algo has ended by itself, without an error, and is not run again.
    Completed,
    /// A Trader whose algo has failed and is not run again.
    Failed,
    /// A Trader that its customer runs himself, and that is not attached.
    Away,
}

/// One service as its Manager knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ServiceReport {
    pub service: ServiceId,
    pub state: ServiceState,
    /// In its own words: which venue, how many subscriptions, why it waits.
    pub detail: String,
    pub incarnation: Option<Incarnation>,
    pub pid: Option<u32>,
    /// Where others reach it; `None` until it has checked in.
    pub address: Option<String>,
    /// Crashes since the Manager started it first.
    pub crashes: u32,
    /// It crashed more often than its Manager puts up with, who hands it back: another may be given it; until then it is
    /// tried again after longer and longer waits. What its last life came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_back: Option<Failure>,
    /// Of a Broker: the rights of Traders that it was told of last and has on record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fenced: BTreeMap<TraderId, Epoch>,
    /// Of a Broker: how it stands with its venue, by its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub venue: Option<VenueStatus>,
    /// Of a Broker whose account has, or had, a second copy of its ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerStatus>,
}

impl ServiceReport {
    /// Of which nothing is known yet.
    #[must_use]
    pub fn starting(service: ServiceId) -> Self {
        Self {
            service,
            state: ServiceState::Starting,
            detail: String::new(),
            incarnation: None,
            pid: None,
            address: None,
            crashes: 0,
            handed_back: None,
            fenced: BTreeMap::new(),
            venue: None,
            ledger: None,
        }
    }
}
