//! What a running member shows to those who watch it: events, the age of what it knows, the time, and how its
//! state compares. Decides when a member by itself is good enough for a read; the rest is told, not decided.

use super::{Clock, Replica};
use crate::{AuditStatus, EntryEvents, EventStream, Gone, Meters};
use openraft::async_runtime::watch::WatchReceiver;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tradewind_domain::{
    ids::{NodeId, Revision},
    time::UnixNanos,
};

impl Replica {
    /// Events of entries after `since`, which may be another member's place. A revision that this member has
    /// not reached yet is waited for; one whose events it no longer has is told at once.
    pub fn events_since(&self, since: Revision) -> Result<EventStream, Gone> {
        self.shared.published.events.since(since)
    }

    /// Everything after this is kept for watchers.
    #[must_use]
    pub fn events_kept_after(&self) -> Revision {
        self.shared.published.events.kept_after()
    }

    /// All that is kept now, oldest first.
    #[must_use]
    pub fn events_kept_now(&self) -> Vec<EntryEvents> {
        let events = &self.shared.published.events;
        // Gone between the two: entries are being applied, and what was kept is older than those.
        let kept = events.since(events.kept_after()).and_then(|mut all| all.ready(usize::MAX));
        kept.unwrap_or_default()
    }

    /// Entries with events that are kept for watchers, and how many are at most.
    #[must_use]
    pub fn events_kept(&self) -> (usize, usize) {
        self.shared.published.events.size()
    }

    /// How long ago this member heard of the leader, or, if it leads, of a quorum: the age of what it can
    /// answer by itself. None: never since it started.
    #[must_use]
    pub fn leader_age(&self) -> Option<Duration> {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        if !metrics.state.is_leader() || metrics.running_state.is_err() {
            return self.shared.contact.age();
        }
        self.quorum_age(&metrics)
    }

    /// Whether another member had to give it its state when it started: its own was lost, or was outvoted.
    #[must_use]
    pub fn was_given_its_state(&self) -> bool {
        self.shared.given
    }

    /// What is known of the others' states beside this member's.
    #[must_use]
    pub fn audit(&self) -> AuditStatus {
        self.shared.published.audit.status()
    }

    /// The time the group goes by, as this member knows it; none before a majority's clocks are known.
    #[must_use]
    pub fn group_time(&self) -> Option<UnixNanos> {
        self.shared.clock.now()
    }

    /// How far this member's own clock is ahead of it, in milliseconds.
    #[must_use]
    pub fn clock_ahead_ms(&self) -> i64 {
        self.shared.clock.ahead_ms()
    }

    /// From now on the clock given at the start may keep away from the machine's calendar, which others are told
    /// beside it.
    pub fn keep_away_from(&self, calendar: Clock) {
        self.shared.clock.keep_away_from(calendar);
    }

    /// What the other members' calendars say, if enough of them to make a majority with this one were heard of
    /// in the last ten seconds.
    #[must_use]
    pub fn others_calendar(&self) -> Option<UnixNanos> {
        self.shared.clock.others_calendar()
    }

    /// What this member measures of its work.
    #[must_use]
    pub fn meters(&self) -> Arc<Meters> {
        self.shared.published.meters.clone()
    }

    /// The newest snapshot on disk, if there is one.
    #[must_use]
    pub fn snapshot_figures(&self) -> Option<SnapshotFigures> {
        let file = self.shared.shelf.newest()?;
        Some(SnapshotFigures { bytes: file.bytes(), age: file.age() })
    }

    /// On the leader: how long ago each other member last acknowledged anything; none if never.
    #[must_use]
    pub fn acknowledged_ago(&self) -> BTreeMap<NodeId, Option<Duration>> {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        if !metrics.state.is_leader() {
            return BTreeMap::new();
        }
        let nodes = metrics.membership_config.membership().nodes().map(|(id, _)| *id);
        let others = nodes.filter(|id| *id != metrics.id);
        others.map(|id| (NodeId(id), self.ack_age(&metrics, id))).collect()
    }

    /// Open connections from other members, on each lane.
    #[must_use]
    pub fn peer_connections(&self) -> BTreeMap<&'static str, usize> {
        self.shared.callers.open()
    }
}

/// A snapshot on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotFigures {
    pub bytes: u64,
    pub age: Duration,
}
