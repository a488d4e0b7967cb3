//! Figures of the group and of this member's work, taken at each scrape. Decides how they are named, and
//! their units: seconds, bytes, entries.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tradewind_domain::{control::scale::ProvisionState, limits::IDEMPOTENCY_ANSWERS};
use tradewind_replication::{Counted, Replica, Role, Status};

#[derive(Debug)]
pub(super) struct Figures {
    pub(super) replica: Replica,
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let (mut to, status) = (Encoder(encoder), self.replica.status());
        raft(&mut to, &status)?;
        self.peers(&mut to, &status)?;
        self.work(&mut to)?;
        self.snapshots(&mut to)?;
        self.states(&mut to)?;
        self.answers(&mut to)?;
        self.provisioning(&mut to)?;
        let help = "Of the state: what all builds in the cluster understand";
        let level = self.replica.look(|_, machine| machine.level().0);
        to.gauge("feature_level", help, u64::from(level))?;
        to.labelled("build_info", "The version that runs here", MetricType::Gauge)?
            .encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?
            .encode_gauge(&1_u64)
    }
}

struct Encoder<'a>(DescriptorEncoder<'a>);

impl Encoder<'_> {
    fn labelled<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.labelled(name, help, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// `unit` is what one of the counted numbers is, in the unit told.
    fn histogram(&mut self, name: &str, help: &str, unit: f64, counted: &Counted) -> fmt::Result {
        let buckets: Vec<(f64, u64)> = counted
            .buckets
            .iter()
            .map(|(bound, count)| {
                (if *bound == u64::MAX { f64::MAX } else { float(*bound) * unit }, *count)
            })
            .collect();
        let (sum, count) = (float(counted.sum) * unit, counted.count());
        let mut metric = self.labelled(name, help, MetricType::Histogram)?;
        metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }
}

#[allow(clippy::cast_precision_loss)]
fn float(number: u64) -> f64 {
    number as f64
}

fn raft(to: &mut Encoder<'_>, status: &Status) -> fmt::Result {
    let leads = u64::from(status.role == Role::Leader);
    to.gauge("raft_term", "Number of the leader's reign", status.term)?;
    to.gauge("raft_is_leader", "1 while this member was elected and not replaced", leads)?;
    let leader = status.leader.map_or(0, |leader| leader.0);
    to.gauge("raft_leader_id", "The node that leads; 0: none is known", leader)?;
    let indices = [
        ("raft_last_log_index", "The last entry in this member's log", status.last_log),
        ("raft_committed_index", "The last entry known to be committed", status.committed),
        ("raft_applied_index", "The last entry applied: the revision", status.applied),
        ("raft_snapshot_index", "The last entry in the newest snapshot", status.snapshot),
        ("raft_purged_index", "The last entry no longer in the log", status.purged),
    ];
    for (name, help, index) in indices {
        to.gauge(name, help, index.unwrap_or(0))?;
    }
    to.gauge("raft_voters", "Members that vote", status.voters.len() as u64)
}

impl Figures {
    /// Known on the leader alone: of others there are no series.
    fn peers(&self, to: &mut Encoder<'_>, status: &Status) -> fmt::Result {
        let last = status.last_log.unwrap_or(0);
        let help = "On the leader: entries a member is not known to hold durably";
        let mut lag = to.labelled("raft_peer_lag_entries", help, MetricType::Gauge)?;
        for (node, matched) in &status.replicated {
            let behind = last.saturating_sub(matched.unwrap_or(0));
            lag.encode_family(&[("peer", node.to_string())])?.encode_gauge(&behind)?;
        }
        let help = "On the leader: time since a member acknowledged anything";
        let mut acked = to.labelled("raft_peer_acked_age_seconds", help, MetricType::Gauge)?;
        for (node, ago) in self.replica.acknowledged_ago() {
            let Some(ago) = ago else { continue };
            acked.encode_family(&[("peer", node.to_string())])?.encode_gauge(&ago.as_secs_f64())?;
        }
        let help = "Connections open from other members, by lane";
        let mut open = to.labelled("peer_connections", help, MetricType::Gauge)?;
        for (lane, count) in self.replica.peer_connections() {
            open.encode_family(&[("lane", lane)])?.encode_gauge(&count)?;
        }
        let age = self.replica.leader_age().map_or(f64::INFINITY, |age| age.as_secs_f64());
        to.gauge("leader_age_seconds", "Time since the leader, or its quorum, was heard of", age)?;
        #[allow(clippy::cast_precision_loss)]
        let ahead = self.replica.clock_ahead_ms() as f64 / 1_000.0;
        to.gauge("clock_ahead_seconds", "This clock before the group's; behind: below 0", ahead)
    }

    fn work(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let meters = self.replica.meters();
        let (journal, micro) = (&meters.journal, 1e-6);
        let help = "Syncs of the journal";
        to.histogram("journal_fsync_seconds", help, micro, &journal.sync_us.counted())?;
        let silent = meters.disk_silent_for().as_secs_f64();
        let help = "Time for which appends have waited for a disk that finished none";
        to.gauge("journal_silent_seconds", help, silent)?;
        let help = "Records made durable by one sync";
        to.histogram("journal_append_records", help, 1.0, &journal.batch_records.counted())?;
        let help = "Batches of entries, from the first one taken to all being seen";
        to.histogram("apply_seconds", help, micro, &meters.apply_us.counted())?;
        let proposals = &meters.proposals;
        let outcomes: [(&str, &AtomicU64); 4] = [
            ("accepted", &proposals.accepted),
            ("refused", &proposals.refused),
            ("unknown", &proposals.unknown),
            ("turned_away", &proposals.turned_away),
        ];
        let help = "Proposals on this member, by what became of them";
        let mut metric = to.labelled("proposals", help, MetricType::Counter)?;
        for (outcome, count) in outcomes {
            metric
                .encode_family(&[("outcome", outcome)])?
                .encode_counter::<NoLabelSet, _, f64>(&count.load(Ordering::Relaxed), None)?;
        }
        Ok(())
    }

    fn snapshots(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let built = self.replica.meters().snapshot_build_ms.counted();
        to.histogram("snapshot_build_seconds", "Snapshots made here", 1e-3, &built)?;
        let newest = self.replica.snapshot_figures();
        let bytes = newest.map_or(0, |newest| newest.bytes);
        to.gauge("snapshot_bytes", "Size of the newest snapshot; 0: there is none", bytes)?;
        let age = newest.map_or(Duration::ZERO, |newest| newest.age);
        to.gauge("snapshot_age_seconds", "Age of the newest snapshot", age.as_secs_f64())
    }

    /// Of the table of answered commands: how long a repeat is recognised.
    fn answers(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let (count, from, applied) = self.replica.look(|_, machine| {
            (machine.answered_count(), machine.answered_from(), machine.cluster().at)
        });
        to.gauge("answers_remembered", "Answered commands that are remembered", count as u64)?;
        let most = IDEMPOTENCY_ANSWERS as u64;
        to.gauge("answers_remembered_max", "And how many are at most", most)?;
        let now = self.replica.group_time().map_or(applied, |now| now.max(applied));
        let age = from.map_or(Duration::ZERO, |from| now.since(from));
        let help = "Age of the oldest answer that is remembered; 0: there is none";
        to.gauge("answers_oldest_age_seconds", help, age.as_secs_f64())
    }

    /// Requests of implementations, by their states.
    fn provisioning(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let states = self
            .replica
            .look(|_, machine| machine.provisions().map(|row| row.state).collect::<Vec<_>>());
        let help = "Requests of implementations, by state";
        let mut metric = to.labelled("provisioning_requests", help, MetricType::Gauge)?;
        for state in ProvisionState::ALL {
            let count = states.iter().filter(|held| **held == state).count() as u64;
            metric.encode_family(&[("state", state.to_string())])?.encode_gauge(&count)?;
        }
        Ok(())
    }

    fn states(&self, to: &mut Encoder<'_>) -> fmt::Result {
        let audit = self.replica.audit();
        let alarm = u64::from(audit.alarm.is_some());
        to.gauge("state_hash_alarm", "1 while members' states differ", alarm)?;
        let help = "The newest entry at which all voters' states were the same";
        to.gauge("state_hash_agreed_index", help, audit.agreed.unwrap_or(0))?;
        let help = "Checkpoints at which states differed";
        to.labelled("state_hash_divergences", help, MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&audit.found, None)?;
        let (kept, most) = self.replica.events_kept();
        to.gauge("events_kept", "Entries with events kept for watchers", kept)?;
        to.gauge("events_kept_max", "And how many are at most", most)
    }
}
