//! A backup on disk, checked. Decides what is refused: every byte of it is covered by a checksum, and all
//! are looked at before anything of it is used.

use super::BackupRecord;
use crate::{
    Member,
    limits::BACKUP_HEAD_BYTES_MAX,
    raft::{LogId, StoredMembership},
    records::{self, Kind, RecordError},
    replica::{Belongs, belongs, has_disk},
    snapshot,
    state::Head,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};
use tradewind_domain::{
    control::Machine,
    ids::{ClusterIncarnation, NodeId, Revision},
    time::UnixNanos,
};

const MAGIC: &[u8; 8] = b"TWBACK01";
/// The format that `MAGIC` stands for.
const FORMAT: u32 = 1;

/// Why a file is no use as a backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} cannot be read", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A member's, most likely.
    #[error(
        "{} is a directory, and a backup is a file that `snapshot save` has made; {}", path.display(),
        what_it_holds(path)
    )]
    Directory { path: PathBuf },
    /// Another file, or a newer program's.
    #[error("{} is not a backup of a known format", path.display())]
    NotABackup { path: PathBuf },
    /// Take another one.
    #[error("{} is damaged: {what}; nothing of it was used, take another backup", path.display())]
    Damaged { path: PathBuf, what: String },
}

/// Whose directory it is, or why it is nobody's: the one itself, or a member's with its log below it.
fn what_it_holds(path: &Path) -> String {
    let below = path.join("raft");
    let directory = if below.is_dir() { &below } else { path };
    match (belongs(directory), has_disk(directory)) {
        (Ok(Some(Belongs { node, cluster })), Ok(true)) => format!(
            "it is that of node {node} of cluster {cluster}: `recover --new-cluster --data` tells what it holds"
        ),
        (Ok(Some(Belongs { node, cluster })), _) => format!(
            "it is that of node {node} of cluster {cluster}, and the identity of its disk ({}) is missing: it was \
             made by restore or recover and never started, or the file is lost",
            directory.join("disk").display()
        ),
        _ => "it is no member's".to_owned(),
    }
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    pub format: u32,
    pub cluster: String,
    pub incarnation: Option<ClusterIncarnation>,
    pub saved_at: UnixNanos,
    /// Index of the last entry in it.
    pub revision: Revision,
    pub term: u64,
    pub members: BTreeMap<NodeId, Member>,
    pub voters: BTreeSet<NodeId>,
    /// Length of the snapshot in it, and its crc32.
    pub bytes: u64,
    pub crc: u32,
}

impl BackupInfo {
    pub(super) fn of(record: &BackupRecord) -> Result<Self, RecordError> {
        let head = Head::try_from(record.head.clone())?;
        let membership = head.membership.membership();
        let members = membership.nodes();
        let members = members.filter_map(|(id, node)| Some((NodeId(*id), node.member()?)));
        Ok(Self {
            format: FORMAT,
            cluster: record.cluster.clone(),
            incarnation: record.incarnation,
            saved_at: record.saved_at,
            revision: head.revision(),
            term: head.applied.map_or(0, |id| id.leader_id.term),
            members: members.collect(),
            voters: membership.voter_ids().map(NodeId).collect(),
            bytes: record.bytes,
            crc: record.crc,
        })
    }
}

/// The bytes before the snapshot.
pub(super) fn opening(record: &BackupRecord) -> Result<Vec<u8>, RecordError> {
    let head = records::encode(Kind::Backup, record)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&(head.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&head);
    Ok(bytes)
}

/// A backup that was checked, byte for byte.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    info: BackupInfo,
    /// How far it had come.
    pub(super) head: Head,
    begins: u64,
}

impl Backup {
    /// Opens the file and checks all of it. Blocks.
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let io = |source| BackupError::Io { path: path.to_owned(), source };
        let damaged =
            |what: &str| BackupError::Damaged { path: path.to_owned(), what: what.into() };
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
        if path.is_dir() {
            return Err(BackupError::Directory { path: path.to_owned() });
        }
        let mut magic = [0; 8];
        let read = file.read_exact(&mut magic);
        if read.is_err() || &magic != MAGIC {
            return Err(BackupError::NotABackup { path: path.to_owned() });
        }
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(|_| damaged("it ends within its head"))?;
        let length = u32::from_be_bytes(length) as usize;
        if length > BACKUP_HEAD_BYTES_MAX {
            return Err(damaged("its head has no sensible length"));
        }
        let mut record = vec![0; length];
        file.read_exact(&mut record).map_err(|_| damaged("it ends within its head"))?;
        let record: BackupRecord = records::decode(Kind::Backup, &record)
            .map_err(|error| damaged(&format!("its head: {error}")))?;
        let (bytes, crc) = sum(&mut file).map_err(io)?;
        if bytes != record.bytes {
            return Err(damaged(&format!("it holds {bytes} bytes, not {}", record.bytes)));
        }
        if crc != record.crc {
            return Err(damaged("its checksum does not match"));
        }
        let understood = |error: RecordError| damaged(&error.to_string());
        let info = BackupInfo::of(&record).map_err(understood)?;
        let head = Head::try_from(record.head).map_err(understood)?;
        Ok(Self { path: path.to_owned(), info, head, begins: (8 + 4 + length) as u64 })
    }

    #[must_use]
    pub fn info(&self) -> &BackupInfo {
        &self.info
    }

    /// Reads the machine that was saved. Blocks.
    pub fn load(&self) -> Result<Machine, BackupError> {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.begins))?;
            snapshot::read(BufReader::with_capacity(1 << 20, file))
        };
        let damaged = |error: io::Error| BackupError::Damaged {
            path: self.path.clone(),
            what: error.to_string(),
        };
        let (machine, head) = read().map_err(damaged)?;
        if head.applied.map(LogId::from) != self.head.applied {
            let what = "its snapshot is not the one its head tells of".to_owned();
            return Err(BackupError::Damaged { path: self.path.clone(), what });
        }
        Ok(machine)
    }
}

/// Length and crc32 of what is left to read.
pub(super) fn sum(file: &mut impl Read) -> io::Result<(u64, u32)> {
    let (mut bytes, mut crc) = (0, crc32fast::Hasher::new());
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, crc.finalize())),
            read => {
                crc.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

/// Who the group of a state was.
pub(super) fn members_of(membership: &StoredMembership) -> BTreeMap<NodeId, Member> {
    let nodes = membership.membership().nodes();
    nodes.filter_map(|(id, node)| Some((NodeId(*id), node.member()?))).collect()
}
