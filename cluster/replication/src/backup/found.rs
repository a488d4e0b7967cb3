//! The directory of a member of a group that begins anew, with a state that there was before. Decides what
//! it holds: an empty log that goes on behind the state, a vote no lower than the state's term, the state as
//! a snapshot, and the group's members. It appears whole or not at all.

use super::{Backup, BackupError, place::Told};
use crate::{
    Environment, Member,
    log::LogStore,
    raft::{LeaderId, LogId, Membership, StoredMembership},
    records::{HeadRecord, IdentityRecord, MemberRecord},
    replica::{has_disk, identify},
    snapshot::Shelf,
    state::Head,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};
use tradewind_domain::{
    control::Machine,
    ids::{NodeId, Revision},
};

/// A group that begins anew, as one of its members has it. All must name the same members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    pub node: NodeId,
    /// The cluster's name, 1 to 64 bytes.
    pub cluster: String,
    pub members: BTreeMap<NodeId, Member>,
}

/// Why a directory was not made. There is nothing at its place.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Name another directory, or move away what is there.
    #[error("{} is not empty: a group that begins anew needs a directory of its own", directory.display())]
    NotEmpty { directory: PathBuf },
    #[error("node {0} is not among the members named")]
    NotAMember(NodeId),
    #[error("the cluster name must have 1 to 64 bytes, not {0}")]
    ClusterName(usize),
    #[error("{} cannot be made", directory.display())]
    Io {
        directory: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Backup {
    /// Makes `directory`, which must be missing or empty, that of a member of a new group that begins with
    /// this backup. Blocks.
    pub fn restore(&self, directory: &Path, group: &NewGroup) -> Result<(), FoundError> {
        group.check()?;
        make_room(directory)?;
        appear(directory, group, &self.load()?, &self.head)
    }
}

fn make_room(directory: &Path) -> Result<(), FoundError> {
    let failed = failed(directory);
    match fs::read_dir(directory).map(|mut found| found.next().is_some()) {
        Ok(true) => Err(FoundError::NotEmpty { directory: directory.to_owned() }),
        Ok(false) => fs::remove_dir(directory).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Made beside its place, and whole before it is there.
fn appear(
    directory: &Path,
    group: &NewGroup,
    machine: &Machine,
    head: &Head,
) -> Result<(), FoundError> {
    let failed = failed(directory);
    let new = beside(directory, "restoring");
    found(&new, group, machine, head, &mut |_| Ok(()))?;
    fs::rename(&new, directory).map_err(&failed)?;
    sync_parent(directory).map_err(&failed)
}

impl NewGroup {
    /// Makes `directory`, which must be missing or empty, that of a member of a new group that begins with
    /// this machine, as of that revision. Blocks.
    pub fn begin(
        &self,
        directory: &Path,
        machine: &Machine,
        revision: Revision,
    ) -> Result<(), FoundError> {
        self.check()?;
        make_room(directory)?;
        let nobody = LeaderId { term: 0, node_id: 0 };
        let applied = Some(LogId::new(nobody, revision.0));
        let head = Head { applied, stamped: machine.cluster().at, ..Head::default() };
        appear(directory, self, machine, &head)
    }

    pub(super) fn check(&self) -> Result<(), FoundError> {
        if !self.members.contains_key(&self.node) {
            return Err(FoundError::NotAMember(self.node));
        }
        match self.cluster.len() {
            1..=64 => Ok(()),
            bytes => Err(FoundError::ClusterName(bytes)),
        }
    }
}

/// Makes the directory anew: whatever an attempt that was cut short has left there goes. One that a member has
/// lived on is no such thing, and stays.
pub(super) fn found(
    directory: &Path,
    group: &NewGroup,
    machine: &Machine,
    head: &Head,
    told: Told<'_>,
) -> Result<(), FoundError> {
    let failed = failed(directory);
    if has_disk(directory).map_err(&failed)? {
        return Err(FoundError::NotEmpty { directory: directory.to_owned() });
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    fs::create_dir_all(directory).map_err(&failed)?;
    let at = head.applied.unwrap_or(LogId::new(LeaderId { term: 0, node_id: 0 }, 0));
    LogStore::begin_behind(&directory.join("log"), at)
        .map_err(|error| failed(io::Error::other(error)))?;
    told("log made").map_err(&failed)?;
    let disk = Environment::default().disk;
    let shelf = Shelf::open_on(&disk, &directory.join("snapshots")).map_err(&failed)?;
    let head = Head { applied: Some(at), membership: membership(group, at)?, ..head.clone() };
    let machine = machine.clone().begin_new_life();
    shelf.build(&machine, HeadRecord::from(&head)).map_err(&failed)?;
    told("state made").map_err(&failed)?;
    let identity = IdentityRecord { cluster: group.cluster.clone(), node: group.node.0 };
    identify(&disk, directory, &identity).map_err(|error| failed(io::Error::other(error)))?;
    disk.sync_directory(directory).map_err(&failed)
}

/// All of them vote.
fn membership(group: &NewGroup, at: LogId) -> Result<StoredMembership, FoundError> {
    let voters: BTreeSet<u64> = group.members.keys().map(|node| node.0).collect();
    let nodes: BTreeMap<u64, MemberRecord> =
        group.members.iter().map(|(node, member)| (node.0, member.into())).collect();
    let membership = Membership::new(vec![voters], nodes);
    let membership = membership.map_err(|_| FoundError::NotAMember(group.node))?;
    Ok(StoredMembership::new(Some(at), membership))
}

/// `directory` with a word to its name.
pub(super) fn beside(directory: &Path, word: &str) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(format!(".{word}"));
    name.into()
}

pub(super) fn sync_parent(directory: &Path) -> io::Result<()> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    Environment::default().disk.sync_directory(parent.unwrap_or(Path::new(".")))
}

pub(super) fn failed(directory: &Path) -> impl Fn(io::Error) -> FoundError {
    let directory = directory.to_owned();
    move |source| FoundError::Io { directory: directory.clone(), source: source.into() }
}
