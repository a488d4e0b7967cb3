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

use super::Lane;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Versions of the messages in `wire` that this program speaks, lowest and highest.
pub(crate) const VERSIONS: (u16, u16) = (1, 1);

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
}

/// Who a listener is, to decide whom it welcomes.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) node: u64,
    pub(crate) cluster: String,
}

impl Host {
    /// The version to speak, or why the caller is refused.
    pub(crate) fn judge(&self, hello: &Hello) -> Result<u16, String> {
        if hello.cluster != self.cluster {
            return Err(format!("this is cluster {}, not {}", self.cluster, hello.cluster));
        }
        if hello.to != self.node {
            return Err(format!("this is node {}, not {}", self.node, hello.to));
        }
        if hello.from == self.node {
            return Err(format!("node {} is this one: two members share an id", self.node));
        }
        let (low, high) = hello.versions;
        let version = high.min(VERSIONS.1);
        if version < low.max(VERSIONS.0) {
            let (ours_low, ours_high) = VERSIONS;
            return Err(format!(
                "versions {ours_low} to {ours_high} are spoken, not {low} to {high}"
            ));
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
    Ok(Hello { versions, lane, from, to, cluster: read_text(io).await? })
}

pub(crate) async fn send_verdict(
    io: &mut (impl AsyncWrite + Unpin),
    verdict: &Result<u16, String>,
) -> io::Result<()> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(WELCOME);
    out.push(u8::from(verdict.is_err()));
    out.extend_from_slice(&verdict.as_ref().map_or(0, |version| *version).to_be_bytes());
    put_text(&mut out, verdict.as_ref().err().map_or("", String::as_str));
    io.write_all(&out).await
}

/// The peer's verdict: the version it chose, or its reason to refuse.
pub(crate) async fn read_verdict(
    io: &mut (impl AsyncRead + Unpin),
) -> io::Result<Result<u16, String>> {
    read_magic(io, WELCOME).await?;
    let refused = io.read_u8().await? != 0;
    let version = io.read_u16().await?;
    let reason = read_text(io).await?;
    Ok(if refused { Err(reason) } else { Ok(version) })
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

async fn read_text(io: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(io.read_u8().await?)];
    io.read_exact(&mut bytes).await?;
    String::from_utf8(bytes).map_err(|_| bad("a text is not UTF-8".to_owned()))
}

fn bad(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hello() -> Hello {
        Hello {
            versions: VERSIONS,
            lane: Lane::Control,
            from: 1,
            to: 2,
            cluster: "first".to_owned(),
        }
    }

    fn host() -> Host {
        Host { node: 2, cluster: "first".to_owned() }
    }

    #[tokio::test]
    async fn a_hello_and_its_verdict_arrive_as_they_were_sent() {
        for verdict in [Ok(1), Err("this is node 3, not 2".to_owned())] {
            let (mut near, mut far) = tokio::io::duplex(1024);
            send_hello(&mut near, &hello()).await.unwrap();
            assert_eq!(read_hello(&mut far).await.unwrap(), hello());
            send_verdict(&mut far, &verdict).await.unwrap();
            assert_eq!(read_verdict(&mut near).await.unwrap(), verdict);
        }
    }

    #[tokio::test]
    async fn the_bytes_of_a_hello_never_change() {
        let mut out = Vec::new();
        send_hello(&mut out, &hello()).await.unwrap();
        let golden = b"TWPH\0\x01\0\x01\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\x05first";
        assert_eq!(out, golden);
    }

    #[test]
    fn a_stranger_is_refused_and_told_why() {
        let refused = |change: fn(&mut Hello)| {
            let mut hello = hello();
            change(&mut hello);
            host().judge(&hello).unwrap_err()
        };
        assert_eq!(host().judge(&hello()), Ok(1));
        assert_eq!(refused(|h| h.cluster = "other".to_owned()), "this is cluster first, not other");
        assert_eq!(refused(|h| h.to = 3), "this is node 2, not 3");
        assert!(refused(|h| h.from = 2).contains("two members share an id"));
        assert_eq!(refused(|h| h.versions = (2, 9)), "versions 1 to 1 are spoken, not 2 to 9");
    }

    #[tokio::test]
    async fn what_is_no_hello_is_no_member() {
        let mut http = &b"GET / HTTP/1.1\r\n\r\n"[..];
        assert_eq!(read_hello(&mut http).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
