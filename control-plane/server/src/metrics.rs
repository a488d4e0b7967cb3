//! What an InfrastructureManager counts, and how it is scraped. Decides names and labels: the prefix
//! `tradewind_`, labels of few values only. Figures of the group are taken when they are asked for
//! (`figures`); what is an alarm is decided by whoever scrapes. The list is docs/metrics.md.

mod figures;

use figures::Figures;
use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::Arc;
use tokio::sync::watch;
use tradewind_domain::ids::NodeId;
use tradewind_protocol::control::Consistency;
use tradewind_replication::{Replica, Role, Status};

type Labels = [(&'static str, &'static str); 1];

/// A cheap handle.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    reads: Family<Labels, Counter>,
    forwarded: Family<Labels, Counter>,
    leader_changes: Counter,
    elections: Counter,
    watchers: Gauge,
    braked: Gauge,
    untold: Counter,
}

impl Metrics {
    pub(crate) fn new(replica: Replica) -> Self {
        let mut registry = Registry::with_prefix("tradewind");
        let reads = Family::default();
        registry.register("reads", "Reads asked for here, by consistency", reads.clone());
        let forwarded = Family::default();
        let help = "Requests handed to the leader, by kind";
        registry.register("forwarded", help, forwarded.clone());
        let (leader_changes, elections) = (Counter::default(), Counter::default());
        let help = "Times another leader was seen than before";
        registry.register("raft_leader_changes", help, leader_changes.clone());
        registry.register("raft_elections", "Terms begun, as seen here", elections.clone());
        let watchers = Gauge::default();
        registry.register("watch_clients", "Streams of events open here", watchers.clone());
        let braked = Gauge::default();
        let help = "Nodes that fell silent together and are not taken for down; on the leader";
        registry.register("braked_nodes", help, braked.clone());
        let untold = Counter::default();
        let help = "Times a Manager could not be told what it should be: too large for a frame";
        registry.register("managers_untold", help, untold.clone());
        registry.register_collector(Box::new(Figures { replica }));
        let registry = Arc::new(registry);
        Self { registry, reads, forwarded, leader_changes, elections, watchers, braked, untold }
    }

    /// As a scraper reads it.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A read was asked for; one that another member handed here was counted there.
    pub(crate) fn read(&self, consistency: Consistency, forwarded: bool) {
        let consistency = match consistency {
            Consistency::Linearizable => "linearizable",
            Consistency::Leader => "leader",
            Consistency::Stale => "stale",
        };
        if !forwarded {
            self.reads.get_or_create(&[("consistency", consistency)]).inc();
        }
    }

    pub(crate) fn forwarded_read(&self) {
        self.forwarded.get_or_create(&[("kind", "read")]).inc();
    }

    pub(crate) fn forwarded_change(&self) {
        self.forwarded.get_or_create(&[("kind", "change")]).inc();
    }

    /// What the leader's brake holds; nothing, while another member leads.
    pub(crate) fn braked(&self, nodes: usize) {
        self.braked.set(i64::try_from(nodes).unwrap_or(i64::MAX));
    }

    /// A part of what a Manager should be does not fit a frame.
    pub(crate) fn untold(&self) {
        self.untold.inc();
    }

    /// A watcher, as long as what is given is held.
    pub(crate) fn watcher(&self) -> Watcher {
        self.watchers.inc();
        Watcher(self.watchers.clone())
    }
}

pub(crate) struct Watcher(Gauge);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts terms and leaders until the member stops. May be cancelled.
pub(crate) async fn follow(mut status: watch::Receiver<Status>, metrics: Metrics) {
    let mut term = status.borrow().term;
    let mut leader: Option<NodeId> = status.borrow().leader;
    while status.changed().await.is_ok() {
        let (new_term, new_leader, stopped) = {
            let status = status.borrow_and_update();
            (status.term, status.leader, status.role == Role::Stopped)
        };
        metrics.elections.inc_by(new_term.saturating_sub(term));
        term = new_term;
        if let Some(new) = new_leader.filter(|new| leader != Some(*new)) {
            leader = Some(new);
            metrics.leader_changes.inc();
        }
        if stopped {
            return;
        }
    }
}
