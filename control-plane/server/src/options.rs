//! What an InfrastructureManager is told at its start. Decides what is refused; reading it from flags and
//! files is left to the program.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tradewind_domain::{
    control::level::FeatureLevel,
    ids::{NodeId, ProgramId},
};
use tradewind_replication::{ELECTION_MOST, Snapshots, Timing};

/// Everything an InfrastructureManager needs to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Needed with `init`; given by the group with `join`; else the directory knows.
    pub node: Option<NodeId>,
    /// The cluster's name: members of another one are refused.
    pub cluster: String,
    /// Made if missing. Belongs to this node for ever.
    pub state_dir: PathBuf,
    /// Where clients, Managers and other members' forwarded requests arrive.
    pub listen: SocketAddr,
    /// Host and port told to others, if it is not the address bound.
    pub advertise: Option<String>,
    /// Where other members dial for Raft.
    pub peer_listen: SocketAddr,
    /// Address told to other members, if it is not the one bound.
    pub advertise_peer: Option<SocketAddr>,
    /// Once in a cluster's life, the same full list on all members. Of no account to a member that belongs
    /// to a group.
    pub init: Option<Vec<InitMember>>,
    /// API addresses of any members of the group to join with an empty directory; else of no account.
    pub join: Vec<String>,
    pub timing: Timing,
    pub snapshots: Snapshots,
    /// Serves `/v1/registers`: the test range of the replicated state.
    pub enable_registers: bool,
    pub provisioning: Provisioning,
    /// `FeatureLevel::KNOWN`; less for a test that plays an older build.
    pub knows: FeatureLevel,
}

/// What this member may start when a location runs out of capacity. Nothing, unless its operator says so here: what
/// stands in the replicated state names a program and never says where one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provisioning {
    pub programs: BTreeMap<ProgramId, PathBuf>,
    pub process: Option<ProcessOptions>,
    /// A program that becomes the one named behind `exec` and ends with whoever started it: then no program is left
    /// by a member that was killed.
    pub leash: Option<PathBuf>,
}

/// How implementations are started on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessOptions {
    /// The program whose subcommands are the Managers.
    pub binary: PathBuf,
    /// An absolute path: by the directories below it Managers are found again.
    pub directory: PathBuf,
    /// Where they listen, on free ports; others reach them there.
    pub listen: IpAddr,
    /// Added to their command line.
    pub arguments: Vec<String>,
}

/// A member of a group that is to be formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitMember {
    pub node: NodeId,
    pub peer_address: SocketAddr,
    pub api_address: String,
}

/// Options that cannot work, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOptions {
    #[error(
        "the list for --init does not name this member, node {0}: name all members, this one too"
    )]
    NotNamed(NodeId),
    #[error("the list for --init names node {0} twice")]
    Twice(NodeId),
    #[error("the list for --init has {0} members: a group has 1, 3 or 5")]
    Count(usize),
    #[error("say with --node which of the members named by --init this one is")]
    NodeMissing,
    #[error(
        "the directory belongs to no member yet: form a group with --init, or join one with --join and the \
         API address of any member"
    )]
    NoGroup,
    #[error("--init forms a group and --join joins one: say one of them")]
    InitAndJoin,
    #[error("a new member's number comes from the group: leave --node out")]
    NodeWithJoin,
    #[error("{0} cannot be dialled by others: say where they reach this member")]
    NotReachable(SocketAddr),
    #[error(
        "an election after up to {0:?} is too slow, {ELECTION_MOST:?} is the most: Managers fence themselves 2 s after \
         the last answered beat, and a change of leaders must fit in"
    )]
    ElectionTooSlow(Duration),
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), InvalidOptions> {
        if self.timing.election_max > ELECTION_MOST {
            return Err(InvalidOptions::ElectionTooSlow(self.timing.election_max));
        }
        let unreachable = |listen: SocketAddr| {
            if listen.ip().is_unspecified() {
                Err(InvalidOptions::NotReachable(listen))
            } else {
                Ok(())
            }
        };
        if self.advertise.is_none() {
            unreachable(self.listen)?;
        }
        unreachable(self.advertise_peer.unwrap_or(self.peer_listen))?;
        if !self.join.is_empty() && self.init.is_some() {
            return Err(InvalidOptions::InitAndJoin);
        }
        if !self.join.is_empty() && self.node.is_some() {
            return Err(InvalidOptions::NodeWithJoin);
        }
        let Some(members) = &self.init else { return Ok(()) };
        let nodes: Vec<NodeId> = members.iter().map(|member| member.node).collect();
        if let Some(node) = self.node.filter(|node| !nodes.contains(node)) {
            return Err(InvalidOptions::NotNamed(node));
        }
        let twice = nodes.iter().enumerate().find(|(at, node)| nodes[..*at].contains(node));
        if let Some((_, node)) = twice {
            return Err(InvalidOptions::Twice(*node));
        }
        match nodes.len() {
            1 | 3 | 5 => Ok(()),
            count => Err(InvalidOptions::Count(count)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn options(node: u64, init: &[u64]) -> Options {
        let members = init.iter().map(|node| InitMember {
            node: NodeId(*node),
            peer_address: "127.0.0.1:1".parse().unwrap(),
            api_address: "127.0.0.1:2".to_owned(),
        });
        Options {
            node: Some(NodeId(node)),
            cluster: "test".to_owned(),
            state_dir: PathBuf::new(),
            listen: "127.0.0.1:0".parse().unwrap(),
            advertise: None,
            peer_listen: "127.0.0.1:0".parse().unwrap(),
            advertise_peer: None,
            init: Some(members.collect()),
            join: Vec::new(),
            timing: Timing::default(),
            snapshots: Snapshots::default(),
            enable_registers: false,
            provisioning: Provisioning::default(),
            knows: FeatureLevel::KNOWN,
        }
    }

    #[test]
    fn a_group_that_cannot_be_formed_is_refused_with_the_reason() {
        assert_eq!(options(1, &[1]).check(), Ok(()));
        assert_eq!(options(2, &[1, 2, 3]).check(), Ok(()));
        assert_eq!(options(4, &[1, 2, 3]).check(), Err(InvalidOptions::NotNamed(NodeId(4))));
        assert_eq!(options(1, &[1, 2, 2]).check(), Err(InvalidOptions::Twice(NodeId(2))));
        assert_eq!(options(1, &[1, 2]).check(), Err(InvalidOptions::Count(2)));
        let slow = Timing { election_max: ELECTION_MOST * 2, ..Timing::default() };
        let slow = Options { timing: slow, ..options(1, &[1]) }.check();
        assert_eq!(slow, Err(InvalidOptions::ElectionTooSlow(ELECTION_MOST * 2)));
        let joining = |node| Options { node, join: vec!["a:1".to_owned()], ..options(1, &[1]) };
        assert_eq!(joining(None).check(), Err(InvalidOptions::InitAndJoin));
        let joining = |node| Options { init: None, ..joining(node) };
        assert_eq!(joining(None).check(), Ok(()));
        assert_eq!(joining(Some(NodeId(4))).check(), Err(InvalidOptions::NodeWithJoin));
        let everywhere: SocketAddr = "0.0.0.0:4101".parse().unwrap();
        let unreachable = Options { peer_listen: everywhere, ..joining(None) };
        assert_eq!(unreachable.check(), Err(InvalidOptions::NotReachable(everywhere)));
    }
}
