//! What all handlers share: this member of the group and the way to its leader. Decides how a change is
//! handed on and how long it is held through an election, and what its outcome is called; what a command
//! does is `domain::control`'s decision.

mod changes;
mod forward;
mod reads;

pub(crate) use changes::{Change, Decide};
pub(crate) use reads::{Answerer, REVISION};

use crate::{
    api::{probes::Looks, problems},
    clock::Clocks,
    identity::Identity,
    leader::LeaderView,
    leading::Leading,
    metrics::Metrics,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, watch};
use tradewind_domain::{
    control::{Machine, level::FeatureLevel},
    ids::{ClusterIncarnation, NodeId, Revision},
    time::UnixNanos,
};
use tradewind_link::rest::Rest;
use tradewind_protocol::{Problem, control::Stand};
use tradewind_replication::Replica;

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Service(Arc<Parts>);

/// Everything a service is made of.
pub(crate) struct Parts {
    pub(crate) node: NodeId,
    pub(crate) cluster: String,
    pub(crate) replica: Replica,
    pub(crate) rest: Rest,
    pub(crate) clocks: Clocks,
    pub(crate) identity: Identity,
    pub(crate) api_address: String,
    pub(crate) peer_address: std::net::SocketAddr,
    pub(crate) enable_registers: bool,
    /// What this build understands.
    pub(crate) knows: FeatureLevel,
    pub(crate) leading: watch::Receiver<Leading>,
    /// What this member knows of the Managers while it leads.
    pub(crate) view: watch::Receiver<LeaderView>,
    /// One backup at a time: each is a file as large as the state.
    pub(crate) backups: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    /// Managers that were probed: whoever asks, this member does not dial without end.
    pub(crate) probes: Looks,
    /// A permit a watcher.
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) out_of_touch_after: Duration,
}

/// Where a request belongs at this moment.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Here,
    There { node: NodeId, address: String },
    Nowhere,
}

impl Service {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// How the group stands, as this member knows it.
    pub(crate) fn stand(&self) -> Stand {
        let Leading { term, leader, .. } = *self.0.leading.borrow();
        Stand { term, revision: self.0.replica.look(|revision, _| revision), leader, age_ms: None }
    }

    /// The same for an answer that asked nobody.
    pub(crate) fn stale_stand(&self) -> Stand {
        let age = self.0.replica.leader_age();
        let millis = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Stand { age_ms: Some(age.map(millis)), ..self.stand() }
    }

    /// Whether this member has heard of a leader, or as the leader of a quorum, a moment ago.
    pub(crate) fn in_touch(&self) -> bool {
        self.0.replica.leader_age().is_some_and(|age| age < self.0.out_of_touch_after)
    }

    /// What time it is for the group: not before what stands in the log.
    pub(crate) fn group_time(&self) -> Option<UnixNanos> {
        let applied = self.0.replica.look(|_, machine| machine.cluster().at);
        self.0.replica.group_time().map(|now| now.max(applied))
    }

    pub(crate) fn machine(&self) -> (Revision, Machine) {
        self.0.replica.machine_at()
    }

    fn turn(&self) -> Turn {
        let Some(node) = self.0.leading.borrow().leader else { return Turn::Nowhere };
        if node == self.0.node {
            return Turn::Here;
        }
        match self.api_address(node) {
            Some(address) => Turn::There { node, address },
            None => Turn::Nowhere,
        }
    }

    /// Where a member serves clients: as it says itself, else as the group was formed.
    pub(crate) fn api_address(&self, node: NodeId) -> Option<String> {
        api_address(&self.0.replica, node)
    }

    /// API addresses of all members.
    pub(crate) fn member_addresses(&self) -> Vec<String> {
        let nodes: Vec<NodeId> = self.0.replica.status().members.into_keys().collect();
        nodes.into_iter().filter_map(|node| self.api_address(node)).collect()
    }

    pub(crate) fn no_leader(&self) -> Problem {
        problems::no_leader(self.0.leading.borrow().stopped)
    }
}

/// Where a member serves clients: as it says itself, else as the group was formed.
pub(crate) fn api_address(replica: &Replica, node: NodeId) -> Option<String> {
    let address = |machine: &Machine| machine.member(node).map(|row| row.api_address.clone());
    let said = replica.look(|_, machine| address(machine));
    said.or_else(|| {
        let status = replica.watch_status();
        let status = status.borrow();
        status.members.get(&node).map(|member| member.api_address.clone())
    })
}

/// Lives of the cluster (decision 26): revisions and numbers of members mean something in one of them alone.
impl Service {
    /// The life that this member is in, once it is opened.
    pub(crate) fn life(&self) -> Option<ClusterIncarnation> {
        self.parts().replica.look(|_, machine| machine.cluster().opened())
    }

    /// Where `asked` is another life than this member's, as far as it knows its own: which that is.
    pub(crate) fn in_another_life(&self, asked: ClusterIncarnation) -> Option<String> {
        let row = self.parts().replica.look(|_, machine| machine.cluster().clone());
        match (row.opened(), row.incarnation) {
            (Some(own), _) => (own != asked).then(|| own.to_string()),
            // Restored or recovered, and not opened yet: it will be a higher one.
            (None, Some(before)) => (asked <= before).then(|| format!("after {before}")),
            (None, None) => None,
        }
    }
}
