//! Answers that no peer has given. Plants a commit that no majority holds: on the way to a follower some appends are
//! lost and answered all the same, as if they were stored. Plants a read that no majority has confirmed: whoever asks
//! is told that he leads. Decides which; the messages are those of `cluster/replication`.

use crate::{chance::Chance, log_id::LogId};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, split};
use tradewind_journal::codec;
use turmoil::net::TcpStream;

const REQUEST_KIND: u8 = 10;
const REPLY_KIND: u8 = 11;

/// Bytes of a hello before the length of the cluster's name, and where the lane stands in it.
const HELLO_BYTES: usize = 25;
const LANE: usize = 8;
const APPEND_LANE: u8 = 0;

/// Appends lost, of a hundred.
const LOST: u64 = 30;

#[derive(Deserialize)]
enum Request {
    Append(Append),
}

#[derive(Deserialize)]
struct Append {
    _vote: (u64, u64, bool),
    _previous: Option<LogId>,
    entries: Vec<Entry>,
    _committed: Option<LogId>,
}

#[derive(Deserialize)]
struct Entry {
    id: LogId,
    _payload: Payload,
}

#[derive(Deserialize)]
enum Payload {
    Blank,
    Proposal(#[allow(dead_code)] Vec<u8>),
    Membership(
        #[allow(dead_code)] Vec<BTreeSet<u64>>,
        #[allow(dead_code)] BTreeMap<u64, (String, String)>,
    ),
}

/// Of the requests, the one that a read is confirmed by; it stands in its place, the others only before it.
#[derive(Deserialize)]
enum Asked {
    _Append,
    _Vote,
    _PreVote,
    _TransferLeader,
    _SnapshotBegin,
    _SnapshotChunk,
    _SnapshotEnd,
    _SnapshotOffer,
    _SnapshotPiece,
    _Greet,
    _Report,
    _SnapshotWanted,
    _SnapshotRead,
    Confirm(#[allow(dead_code)] (u64, u64, bool)),
}

#[derive(Serialize)]
#[allow(dead_code)]
enum Reply {
    Appended(Option<LogId>),
    Conflict,
    HigherVote,
    Vote,
    TransferStarted,
    TransferRefused,
    SnapshotContinue,
    SnapshotInstalled,
    Failed,
    SnapshotHeld,
    Greeted,
    Report,
    SnapshotGiven,
    SnapshotPart,
    Confirmed,
}

/// What is forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Append,
    Confirm,
}

/// Stands between a caller and its peer until one of them is gone.
pub(crate) async fn stand_between(
    caller: DuplexStream,
    peer: TcpStream,
    chance: Chance,
    what: Answer,
) -> io::Result<()> {
    let (mut from_caller, mut to_caller) = split(caller);
    let (mut from_peer, mut to_peer) = peer.into_split();
    let mut hello = vec![0; HELLO_BYTES + 1];
    from_caller.read_exact(&mut hello).await?;
    let mut name = vec![0; usize::from(hello[HELLO_BYTES])];
    from_caller.read_exact(&mut name).await?;
    // What later versions append: its length in two bytes, and so much.
    let mut length = [0; 2];
    from_caller.read_exact(&mut length).await?;
    let mut more = vec![0; usize::from(u16::from_be_bytes(length))];
    from_caller.read_exact(&mut more).await?;
    to_peer.write_all(&[hello.as_slice(), &name, &length, &more].concat()).await?;
    let forged = move |frame: &[u8]| match what {
        Answer::Append if hello[LANE] == APPEND_LANE => {
            stored(frame).filter(|_| chance.percent(LOST))
        }
        Answer::Append => None,
        Answer::Confirm => confirmed(frame),
    };
    let (mut out, mut back) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            read = from_caller.read_buf(&mut out) => {
                if read? == 0 {
                    return Ok(());
                }
                while let Some(frame) = take_frame(&mut out) {
                    match forged(&frame) {
                        Some(answer) => to_caller.write_all(&answer).await?,
                        None => to_peer.write_all(&frame).await?,
                    }
                }
            }
            read = from_peer.read_buf(&mut back) => {
                if read? == 0 {
                    return Ok(());
                }
                to_caller.write_all(&std::mem::take(&mut back)).await?;
            }
        }
    }
}

fn take_frame(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(*bytes.first_chunk::<4>()?) as usize + 4;
    (bytes.len() >= length).then(|| bytes.drain(..length).collect())
}

/// The answer of one that has stored all of it, if it is an append with entries.
fn stored(frame: &[u8]) -> Option<Vec<u8>> {
    let Request::Append(append) = codec::decode(REQUEST_KIND, frame.get(12..)?).ok()?;
    answered(frame, &Reply::Appended(Some(append.entries.last()?.id)))
}

/// The answer of one that follows, to whoever asks whether it does.
fn confirmed(frame: &[u8]) -> Option<Vec<u8>> {
    match codec::decode(REQUEST_KIND, frame.get(12..)?) {
        Ok(Asked::Confirm(_)) => answered(frame, &Reply::Confirmed),
        _ => None,
    }
}

fn answered(frame: &[u8], reply: &Reply) -> Option<Vec<u8>> {
    let body = codec::encode(REPLY_KIND, reply).ok()?;
    let length = (body.len() as u32 + 8).to_be_bytes();
    Some([length.as_slice(), frame.get(4..12)?, &body].concat())
}
