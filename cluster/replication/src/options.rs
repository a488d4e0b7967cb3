//! What a member is told at its start. Decides the defaults and what is refused; reading them from flags
//! and files is left to the program.

use crate::{
    Environment, PeerListener,
    limits::{ELECTION_MOST, LEASE_RELIED},
    records::MemberRecord,
};
use openraft::{Config, SnapshotPolicy};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tradewind_domain::ids::{DiskId, NodeId};

/// Everything a [`Replica`](crate::Replica) needs to start.
#[derive(Debug)]
pub struct Options {
    pub node: NodeId,
    /// The cluster's name, 1 to 64 bytes. Members of another one are refused, on disk and on the wire.
    pub cluster: String,
    /// Made if missing. Belongs to this node of this cluster for ever.
    pub state_dir: PathBuf,
    /// The identity of the disk, if the directory has none yet: random, never used before.
    pub new_disk: DiskId,
    /// Bound already, so that the address is known before the member starts.
    pub peer_listener: PeerListener,
    pub timing: Timing,
    pub snapshots: Snapshots,
    /// The machine itself, unless in a simulation.
    pub environment: Environment,
}

/// A member of the group, as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it listens for other members.
    pub peer_address: SocketAddr,
    /// Where it serves clients; carried, never dialled here.
    pub api_address: String,
    /// The disk it belongs to: with another one it is not spoken to. `None`: any disk is welcome, which a
    /// group should not be formed with.
    pub disk: Option<DiskId>,
}

impl From<&Member> for MemberRecord {
    fn from(member: &Member) -> Self {
        Self {
            peer_address: member.peer_address.to_string(),
            api_address: member.api_address.clone(),
            disk: member.disk.map(|disk| disk.0),
        }
    }
}

impl MemberRecord {
    /// `None` if the stored address is no address: written by a version that knows other kinds.
    pub(crate) fn member(&self) -> Option<Member> {
        let peer_address = self.peer_address.parse().ok()?;
        let disk = self.disk.map(DiskId);
        Some(Member { peer_address, api_address: self.api_address.clone(), disk })
    }
}

/// How fast the group notices and decides. The defaults suit one site with fast disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats of the leader.
    pub heartbeat: Duration,
    /// Silence after which a follower may campaign, drawn anew each time: at least this.
    pub election_min: Duration,
    /// At most this. Half of it is the lease: so long after its last message nobody votes against a
    /// leader, and for three quarters of that after a quorum's answer a leader relies on being the only one.
    pub election_max: Duration,
    /// A proposal not answered after this is told as unknown.
    pub propose: Duration,
    /// A connection to a peer not made after this counts as refused.
    pub dial: Duration,
    /// A connection from a peer on which nothing was called for so long is ended; members call more often.
    pub peer_idle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(300),
            propose: Duration::from_secs(1),
            dial: Duration::from_millis(250),
            peer_idle: Duration::from_secs(30),
        }
    }
}

/// When snapshots are made and how much of the log stays beneath them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// Entries between two snapshots.
    pub every: u64,
    /// Entries kept beneath a snapshot: followers that lag less get entries, others the snapshot.
    pub keep_entries: u64,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { every: 50_000, keep_entries: 10_000 }
    }
}

/// Options that cannot work, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    #[error("the cluster name must have 1 to 64 bytes, not {0}")]
    ClusterName(usize),
    #[error("{what} is {given:?}, it must be at least {least:?}")]
    TooShort { what: &'static str, given: Duration, least: Duration },
    #[error("snapshots.every must be at least 1")]
    SnapshotsNever,
}

impl Timing {
    /// Openraft waits `max` (its lease) and then a time drawn from `min..max` before it campaigns, so the
    /// silence it tolerates is `max + min` to `2 * max`. `min` must exceed the heartbeat.
    fn raft(&self) -> Result<(u64, u64, u64), InvalidOptions> {
        let heartbeat = millis(self.heartbeat);
        let check = |what, given: Duration, least: u64| {
            let least = Duration::from_millis(least);
            if given < least {
                return Err(InvalidOptions::TooShort { what, given, least });
            }
            Ok(())
        };
        check("timing.heartbeat", self.heartbeat, 1)?;
        check("timing.election_max", self.election_max, heartbeat * 4)?;
        check("timing.election_max", self.election_max, millis(self.election_min))?;
        let max = millis(self.lease());
        let min =
            millis(self.election_min).saturating_sub(max).max(heartbeat + heartbeat.div_ceil(5));
        Ok((heartbeat, min.min(max - 1), max))
    }

    /// Time for which a voter votes against no leader that it has heard of.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.election_max / 2
    }

    /// A leader whose disk finishes nothing for so long hands leadership over, if another voter's disk is quicker.
    #[must_use]
    pub fn disk_silent(&self) -> Duration {
        self.election_max * 4
    }

    /// Time for which a leader takes a quorum's answer as proof of its leadership: less than the voters' lease, by
    /// more than clocks may differ in speed.
    #[must_use]
    pub fn relied(lease: Duration) -> Duration {
        lease * LEASE_RELIED.0 / LEASE_RELIED.1
    }

    /// Whoever starts votes only after so long: what he had promised before may have been the longest lease that
    /// there is, whatever he is told to promise now.
    pub(crate) fn silent_at_start(&self) -> Duration {
        self.lease().max(ELECTION_MOST / 2)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 8)
}

impl Options {
    pub(crate) fn config(&self) -> Result<Config, InvalidOptions> {
        if !(1..=64).contains(&self.cluster.len()) {
            return Err(InvalidOptions::ClusterName(self.cluster.len()));
        }
        if self.snapshots.every == 0 {
            return Err(InvalidOptions::SnapshotsNever);
        }
        let (heartbeat_interval, election_timeout_min, election_timeout_max) =
            self.timing.raft()?;
        Ok(Config {
            cluster_name: self.cluster.clone(),
            heartbeat_interval,
            election_timeout_min,
            election_timeout_max,
            install_snapshot_timeout: millis(crate::limits::INSTALL_DEADLINE),
            max_payload_entries: crate::limits::APPEND_ENTRIES_MAX,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshots.every),
            max_in_snapshot_log_to_keep: self.snapshots.keep_entries,
            // A lagging follower gets entries as long as they are kept; a snapshot when they are gone.
            replication_lag_threshold: self.snapshots.every.saturating_mul(2)
                + self.snapshots.keep_entries,
            purge_batch_size: (self.snapshots.keep_entries / 8).max(1),
            enable_pre_vote: Some(true),
            quorum_loss_probe_interval: Some(election_timeout_max * 4),
            // A restarted leader campaigns like everybody: its saved `committed` may be older than its log.
            enable_leader_restore: Some(false),
            // A peer that is back is served again at once; a refused connection costs nothing.
            backoff: "10ms 20ms ..200ms".to_owned(),
            ..Config::default()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_default_timing_campaigns_between_150_and_300_ms_of_silence() {
        let (heartbeat, min, max) = Timing::default().raft().unwrap();
        assert_eq!((heartbeat, min, max), (50, 60, 150));
        assert!(max + min >= 150 && 2 * max <= 300);
        // A heartbeat may be lost, and the next one still comes in time.
        let (timing, relied) = (Timing::default(), Timing::relied(Timing::default().lease()));
        assert!(relied > timing.heartbeat * 2 && relied * 4 <= timing.lease() * 3, "{relied:?}");
    }

    #[test]
    fn an_election_faster_than_four_heartbeats_is_refused() {
        let timing = Timing { election_max: Duration::from_millis(199), ..Timing::default() };
        assert!(matches!(timing.raft(), Err(InvalidOptions::TooShort { .. })));
    }

    #[test]
    fn openraft_accepts_what_the_options_give() {
        for heartbeat in [1, 7, 50, 500] {
            let timing = Timing {
                heartbeat: Duration::from_millis(heartbeat),
                election_min: Duration::from_millis(heartbeat * 3),
                election_max: Duration::from_millis(heartbeat * 6),
                ..Timing::default()
            };
            let options = Options {
                node: NodeId(1),
                cluster: "test".to_owned(),
                state_dir: PathBuf::new(),
                new_disk: DiskId(1),
                peer_listener: std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
                timing,
                snapshots: Snapshots::default(),
                environment: Environment::default(),
            };
            options.config().unwrap().validate().unwrap();
        }
    }
}
