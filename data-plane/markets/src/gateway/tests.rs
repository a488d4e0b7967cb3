//! Claims about the edge over real sockets: algo, gateway, Market and a Broker that does as it is told.
#![allow(clippy::unwrap_used)]

mod bars;
mod doors;
mod hostile;
mod operations;
mod orders;
mod presence;
mod reference;
mod sessions;
mod shards;
mod streams;

use crate::world::{claims, edge::Edge, token};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

const WITHIN: Duration = Duration::from_secs(10);

/// Of a frame's first byte: its kind, that it is the last of its message, and that it is compressed.
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const LAST: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
/// Of its second byte, beside the length: every frame of a client's is masked.
const MASKED: u8 = 0x80;

/// What stands before a payload of that length, with a mask that changes nothing.
fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(MASKED | u8::try_from(length).unwrap()),
        126..=0xffff => {
            header.push(MASKED | 126);
            header.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            header.push(MASKED | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend([0_u8; 4]);
    header
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, payload.len() as u64), payload.to_vec()].concat()
}

/// A client that writes its own bytes.
struct Raw {
    reads: OwnedReadHalf,
    writes: OwnedWriteHalf,
}

impl Raw {
    async fn connect(edge: &Edge) -> Self {
        let (reads, writes) = TcpStream::connect(&edge.address).await.unwrap().into_split();
        Self { reads, writes }
    }

    /// A session with a good token, whose client offers compression.
    async fn session(edge: &Edge) -> Self {
        let mut raw = Self::connect(edge).await;
        raw.write(format!(
            "GET /v1/stream HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-extensions: permessage-deflate\r\n\r\n",
            edge.address,
            token(&claims("acme"))
        ))
        .await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(WITHIN, raw.reads.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(!head.contains("extensions"), "compression was agreed to: {head}");
        raw
    }

    /// The beginning of an order by REST; `more`: headers that say how its body comes.
    async fn order(edge: &Edge, more: &str) -> Self {
        let mut raw = Self::connect(edge).await;
        raw.write(format!(
            "POST /v1/orders HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\nconnection: close\r\n{more}\r\n\r\n",
            edge.address,
            token(&claims("acme"))
        ))
        .await;
        raw
    }

    /// The gateway may hang up before it has all of it.
    async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.writes.write_all(bytes.as_ref()).await;
    }
}

/// The gateway's next frame: its kind and its payload. `None`: the connection has ended.
async fn next(reads: &mut OwnedReadHalf) -> Option<(u8, Vec<u8>)> {
    let first = reads.read_u8().await.ok()?;
    let length = match reads.read_u8().await.ok()? {
        126 => u64::from(reads.read_u16().await.ok()?),
        127 => reads.read_u64().await.ok()?,
        short => u64::from(short),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    reads.read_exact(&mut payload).await.ok()?;
    Some((first & 0x0f, payload))
}
