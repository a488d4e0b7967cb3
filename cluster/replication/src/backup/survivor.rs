//! What one member alone still has, and a new group of it. Decides that every entry in its journal counts,
//! also those it never heard were committed: one that was acknowledged may be among them, and one that was
//! not is an outcome nobody was told. What only the others had is lost, and is said.

use super::{
    found::{FoundError, NewGroup, failed, found},
    place::{Place, Told},
};
use crate::{
    Environment, Member, StartError,
    raft::LogId,
    replica::{Opened, identity_of, open},
    state::Head,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};
use tradewind_domain::{
    control::Machine,
    ids::{NodeId, Revision},
};

/// Why nothing can be recovered from a directory.
#[derive(Debug, thiserror::Error)]
pub enum SurvivorError {
    /// Name the right directory.
    #[error("{} is no member's directory", directory.display())]
    NotAMember { directory: PathBuf },
    /// Stop the member, if it runs; else look at the causes.
    #[error("the member's files cannot be opened")]
    Open(#[from] StartError),
    #[error("the journal cannot be read: entry {missing} is missing")]
    Hole { missing: u64 },
    #[error("the group knows no address of node {0}: it never was a member")]
    NoAddress(NodeId),
    #[error("the journal cannot be read")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Found(#[from] FoundError),
}

/// A stopped member's directory, read. Nothing is changed before [`found_anew`](Self::found_anew).
pub struct Survivor {
    directory: PathBuf,
    machine: Machine,
    head: Head,
    pub node: NodeId,
    pub cluster: String,
    /// Who the group was, as this member knows it.
    pub members: BTreeMap<NodeId, Member>,
    pub voters: BTreeSet<NodeId>,
    /// Up to here the member knew that entries were committed. An acknowledged entry may lie above.
    pub committed: Option<Revision>,
    /// The last entry in its journal: up to here everything is kept, above it nothing.
    pub last: Revision,
    pub term: u64,
    /// Keeps every other process out as long as the directory is looked at.
    _opened: Opened,
}

impl Survivor {
    /// Reads the directory of a stopped member: its state, and every entry of its journal. Blocks.
    pub fn examine(directory: &Path) -> Result<Self, SurvivorError> {
        let not_a_member = || SurvivorError::NotAMember { directory: directory.to_owned() };
        let place = Place::new(directory);
        let lived_on = place.lived_on().map_err(SurvivorError::Read)?;
        if !lived_on.is_dir() {
            return Err(not_a_member());
        }
        let environment = Environment::default();
        let identity = identity_of(&environment.disk, lived_on)?.ok_or_else(not_a_member)?;
        let opened = open(&environment, lived_on, &identity, None)?;
        let loaded = opened.found.whole()?;
        let (mut machine, mut head) = (loaded.machine.clone(), loaded.head.clone());
        let from = head.applied.map_or(0, |id| id.index + 1);
        let mut next = from;
        for entry in opened.log.all_from(from) {
            let entry = entry.map_err(SurvivorError::Read)?;
            if entry.log_id.index != next {
                return Err(SurvivorError::Hole { missing: next });
            }
            next = entry.log_id.index + 1;
            head.take(&mut machine, entry);
        }
        let committed = opened.log.committed().max(loaded.head.applied);
        Ok(Self {
            directory: directory.to_owned(),
            machine,
            node: NodeId(identity.node),
            cluster: identity.cluster,
            members: found_members(&head),
            voters: head.membership.voter_ids().map(NodeId).collect(),
            committed: committed.map(|id| Revision(id.index)),
            last: head.revision(),
            term: head.applied.map_or(0, |id: LogId| id.leader_id.term),
            head,
            _opened: opened,
        })
    }

    /// Puts a new group of this member alone in the directory's place, under `cluster` or the name it had.
    /// The directory as it was is kept; where, is returned. An attempt that is cut short, at whatever moment,
    /// loses nothing: the next one goes on. Blocks.
    pub fn found_anew(self, cluster: Option<String>) -> Result<PathBuf, SurvivorError> {
        self.found_by_steps(cluster, &mut |_| Ok(()))
    }

    pub(super) fn found_by_steps(
        self,
        cluster: Option<String>,
        told: Told<'_>,
    ) -> Result<PathBuf, SurvivorError> {
        // Open until the end: nobody starts the member meanwhile.
        let Self { directory, machine, head, node, members, _opened, .. } = self;
        let own = members.get(&node).cloned().ok_or(SurvivorError::NoAddress(node))?;
        // Members of the old group know its disk: under a new one they do not speak to it.
        let own = Member { disk: None, ..own };
        let group = NewGroup {
            node,
            cluster: cluster.unwrap_or(self.cluster),
            members: BTreeMap::from([(node, own)]),
        };
        group.check()?;
        let (place, failed) = (Place::new(&directory), failed(&directory));
        place.tidy(told).map_err(&failed)?;
        found(place.beside(), &group, &machine, &head, told)?;
        Ok(place.take(told).map_err(&failed)?)
    }
}

fn found_members(head: &Head) -> BTreeMap<NodeId, Member> {
    super::file::members_of(&head.membership)
}
