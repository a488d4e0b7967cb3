//! The greeting on a peer connection: who calls whom, in which cluster and which versions. Decides who is
//! spoken to; nothing else is read from a stranger. A fixed layout, so that all versions can read it.
//!
//! | hello | | welcome | |
//! |---|---|---|---|
//! | 4 | `TWPH` | 4 | `TWPW` |
//! | 2 | lowest version spoken | 1 | 0 welcome, else refused |
//! | 2 | highest | 2 | version chosen |
//! | 1 | lane | 1 | length of the reason |
//! | 8 | caller's node id | n | reason, UTF-8 |
//! | 8 | node id called | | |
//! | 1 | length of the cluster's name | | |
//! | n | the name | | |
//!
//! A caller whose highest version is 2 or more goes on, and so does whoever answers him: 2 bytes of length,
//! then so many bytes, of which later versions may append more.
//!
//! | hello | | welcome | |
//! |---|---|---|---|
//! | 16 | caller's disk | 16 | own disk |
//! | 1 | 1 if a disk is expected | 9 | life of the cluster, from version 3 on |
//! | 16 | the disk expected | 4 | the lease it gives a leader, in milliseconds |
//! | 9 | life of the cluster, from version 3 on | | |

use super::{
    Lane,
    life::Life,
    standing::{Notice, Why},
};
use std::{io, time::Duration};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tradewind_domain::ids::DiskId;

/// Versions of the messages in `wire` that this program speaks, lowest and highest.
pub(crate) const VERSIONS: (u16, u16) = (3, 3);

/// From this version on a greeting tells disks.
const WITH_DISKS: u16 = 2;

/// What later versions may append to a greeting.
const MORE_BYTES_MAX: usize = 1024;

const HELLO: &[u8; 4] = b"TWPH";
const WELCOME: &[u8; 4] = b"TWPW";

/// What a caller says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) versions: (u16, u16),
    pub(crate) lane: Lane,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) cluster: String,
    /// The caller's disk.
    pub(crate) disk: DiskId,
    /// The disk the one called is known with, if it is.
    pub(crate) expected: Option<DiskId>,
    /// The life of the cluster that the caller is in.
    pub(crate) life: Life,
}

/// The answer to a hello: whom the caller has reached, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) disk: DiskId,
    pub(crate) life: Life,
    /// So long after a message of a leader the one who answers votes for no other.
    pub(crate) lease: Duration,
    pub(crate) verdict: Verdict,
}

/// The version to speak, or why nothing is spoken.
pub(crate) type Verdict = Result<u16, Notice>;

/// Who a listener is, to decide whom it welcomes.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) node: u64,
    pub(crate) cluster: String,
    pub(crate) disk: DiskId,
    /// The lease it gives a leader.
    pub(crate) lease: Duration,
}

impl Host {
    /// The version to speak, or why the caller is refused by a member in this life.
    pub(crate) fn judge(&self, hello: &Hello, life: Life) -> Verdict {
        let stranger = |reason| Err(Notice::stranger(reason));
        if hello.cluster != self.cluster {
            return stranger(format!("this is cluster {}, not {}", self.cluster, hello.cluster));
        }
        if hello.to != self.node {
            return stranger(format!("this is node {}, not {}", self.node, hello.to));
        }
        if hello.from == self.node {
            return stranger(format!("node {} is this one: two members share an id", self.node));
        }
        let (low, high) = hello.versions;
        let version = high.min(VERSIONS.1);
        if version < low.max(VERSIONS.0) {
            let (ours_low, ours_high) = VERSIONS;
            return stranger(format!(
                "versions {ours_low} to {ours_high} are spoken, not {low} to {high}"
            ));
        }
        // Before the disks: those of another life are other ones, and prove nothing.
        if let Some(theirs) = life.conflict(hello.life) {
            return Err(Notice::other_life(&self.cluster, life, hello.from, hello.life, theirs));
        }
        if hello.expected.is_some_and(|expected| expected != self.disk) {
            return Err(Notice::other_disk(self.node));
        }
        Ok(version)
    }
}

pub(crate) async fn send_hello(
    io: &mut (impl AsyncWrite + Unpin),
    hello: &Hello,
) -> io::Result<()> {
    let mut out = Vec::with_capacity(26 + hello.cluster.len());
    out.extend_from_slice(HELLO);
    out.extend_from_slice(&hello.versions.0.to_be_bytes());
    out.extend_from_slice(&hello.versions.1.to_be_bytes());
    out.push(match hello.lane {
        Lane::Append => 0,
        Lane::Control => 1,
        Lane::Snapshot => 2,
    });
    out.extend_from_slice(&hello.from.to_be_bytes());
    out.extend_from_slice(&hello.to.to_be_bytes());
    put_text(&mut out, &hello.cluster);
    if hello.versions.1 >= WITH_DISKS {
        let mut more = Vec::with_capacity(42);
        more.extend_from_slice(&hello.disk.0.to_be_bytes());
        more.push(u8::from(hello.expected.is_some()));
        more.extend_from_slice(&hello.expected.map_or(0, |disk| disk.0).to_be_bytes());
        more.extend_from_slice(&hello.life.bytes());
        put_more(&mut out, &more);
    }
    io.write_all(&out).await
}

pub(crate) async fn read_hello(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Hello> {
    read_magic(io, HELLO).await?;
    let versions = (io.read_u16().await?, io.read_u16().await?);
    let lane = match io.read_u8().await? {
        0 => Lane::Append,
        1 => Lane::Control,
        2 => Lane::Snapshot,
        other => return Err(bad(format!("there is no lane {other}"))),
    };
    let (from, to) = (io.read_u64().await?, io.read_u64().await?);
    let cluster = read_text(io).await?;
    let (mut disk, mut expected, mut life) = (DiskId(0), None, Life::Unknown);
    if versions.1 >= WITH_DISKS {
        let more = read_more(io).await?;
        disk = disk_at(&more, 0)?;
        let told = more.get(16) == Some(&1);
        expected = told.then(|| disk_at(&more, 17)).transpose()?;
        life = life_at(&more, 33)?;
    }
    Ok(Hello { versions, lane, from, to, cluster, disk, expected, life })
}

pub(crate) async fn send_answer(
    io: &mut (impl AsyncWrite + Unpin),
    hello: &Hello,
    answer: &Answer,
) -> io::Result<()> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(WELCOME);
    let (why, version, reason) = match &answer.verdict {
        Ok(version) => (0, *version, ""),
        Err(notice) => (notice.why as u8, 0, notice.reason.as_str()),
    };
    out.push(why);
    out.extend_from_slice(&version.to_be_bytes());
    put_text(&mut out, reason);
    if hello.versions.1 >= WITH_DISKS {
        let mut more = answer.disk.0.to_be_bytes().to_vec();
        more.extend_from_slice(&answer.life.bytes());
        let lease = u32::try_from(answer.lease.as_millis()).unwrap_or(u32::MAX);
        more.extend_from_slice(&lease.to_be_bytes());
        put_more(&mut out, &more);
    }
    io.write_all(&out).await
}

/// The peer's answer: who it is, and the version it chose or its reason to refuse.
pub(crate) async fn read_answer(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    read_magic(io, WELCOME).await?;
    let why = match io.read_u8().await? {
        0 => None,
        2 => Some(Why::OtherDisk),
        3 => Some(Why::Removed),
        4 => Some(Why::OtherLife),
        // Refused for a reason that this version has no name for.
        _ => Some(Why::Stranger),
    };
    let version = io.read_u16().await?;
    let reason = read_text(io).await?;
    let more = read_more(io).await?;
    let verdict = why.map_or(Ok(version), |why| Err(Notice { why, reason }));
    let (disk, life, lease) = (disk_at(&more, 0)?, life_at(&more, 16)?, lease_at(&more, 25)?);
    Ok(Answer { disk, life, lease, verdict })
}

async fn read_magic(io: &mut (impl AsyncRead + Unpin), magic: &[u8; 4]) -> io::Result<()> {
    let mut found = [0; 4];
    io.read_exact(&mut found).await?;
    if &found == magic { Ok(()) } else { Err(bad("this is no member of a cluster".to_owned())) }
}

/// At most 255 bytes are sent; a name is shorter, a reason may be cut.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.push(end as u8);
    out.extend_from_slice(&text.as_bytes()[..end]);
}

fn put_more(out: &mut Vec<u8>, more: &[u8]) {
    out.extend_from_slice(&(more.len() as u16).to_be_bytes());
    out.extend_from_slice(more);
}

async fn read_more(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; more_bytes(io.read_u16().await?)?];
    io.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn more_bytes(told: u16) -> io::Result<usize> {
    let bytes = usize::from(told);
    if bytes > MORE_BYTES_MAX { Err(bad(format!("{bytes} bytes more"))) } else { Ok(bytes) }
}

fn disk_at(more: &[u8], at: usize) -> io::Result<DiskId> {
    let bytes = more.get(at..).and_then(|rest| rest.first_chunk::<16>());
    let bytes = bytes.ok_or_else(|| bad("a disk is missing in the greeting".to_owned()))?;
    Ok(DiskId(u128::from_be_bytes(*bytes)))
}

fn life_at(more: &[u8], at: usize) -> io::Result<Life> {
    let life = Life::read(more.get(at..).unwrap_or_default());
    life.ok_or_else(|| bad("a life in the greeting is of no kind that is known".to_owned()))
}

fn lease_at(more: &[u8], at: usize) -> io::Result<Duration> {
    let bytes = more.get(at..).and_then(|rest| rest.first_chunk::<4>());
    let bytes = bytes.ok_or_else(|| bad("a lease is missing in the greeting".to_owned()))?;
    Ok(Duration::from_millis(u32::from_be_bytes(*bytes).into()))
}

async fn read_text(io: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(io.read_u8().await?)];
    io.read_exact(&mut bytes).await?;
    String::from_utf8(bytes).map_err(|_| bad("a text is not UTF-8".to_owned()))
}

fn bad(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests;
