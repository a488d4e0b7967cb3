//! What a running member shows to those who watch it: events, the age of what it knows, the time, and how its
//! state compares. Decides when a member by itself is good enough for a read; the rest is told, not decided.

use super::{Clock, Replica};
use crate::{AuditStatus, EventStream, Gone, Meters, ReadError};
use openraft::{Instant as _, LinearizerOption, async_runtime::watch::WatchReceiver};
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

    /// Entries with events that are kept for watchers, and how many are at most.
    #[must_use]
    pub fn events_kept(&self) -> (usize, usize) {
        self.shared.published.events.size()
    }

    /// As [`read_barrier`](Self::read_barrier), but asking nobody: by the lease of a leader that a quorum has
    /// acknowledged within `Timing::relied`. As good as the members' clocks run at nearly the same speed: by a
    /// tenth too fast or too slow, each, is borne.
    pub async fn read_lease(&self) -> Result<Revision, ReadError> {
        if !self.confirmed_leader() {
            let leader = self.status().known_leader().filter(|(id, _)| *id != self.shared.node);
            return Err(match leader {
                Some(_) => ReadError::NotLeader { leader },
                None => ReadError::NoQuorum,
            });
        }
        // Openraft would rely on the whole lease.
        let relied = {
            let metrics = self.shared.raft.metrics();
            let metrics = metrics.borrow_watched();
            LinearizerOption::new(Some(self.relied(&metrics)), false)
        };
        self.read(relied.with_wait_timeout(Duration::ZERO)).await
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
        let mut voters = metrics.membership_config.voter_ids();
        if voters.next() == Some(metrics.id) && voters.next().is_none() {
            return Some(Duration::ZERO);
        }
        metrics.last_quorum_acked.map(|acked| acked.elapsed())
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
        let others = metrics.heartbeat.iter().flatten().filter(|(id, _)| **id != metrics.id);
        others.map(|(id, at)| (NodeId(*id), at.as_ref().map(|at| at.elapsed()))).collect()
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
