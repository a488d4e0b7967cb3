//! A snapshot asked for by a member that has no state to start Raft with. Decides what is given to it, by any
//! member whose own state reaches far enough, and how it is read: piece by piece, each checked, what has
//! arrived kept when the connection breaks. Whether it is good enough is decided by `replica::rebuild`.

use super::{
    Lane,
    client::{RpcError, call},
    peers::Peers,
    snapshot::unreadable,
    wire::{Reply, Request},
};
use crate::{
    limits::{CHUNK_DEADLINE, GIVE_DEADLINE, SNAPSHOT_CHUNK_BYTES},
    raft::{LogId, Raft},
    records::{Body, LogIdRecord, MemberRecord},
    runtime::spawn_blocking,
    snapshot::{Incoming, Shelf, SnapshotFile, slowly},
};
use futures_util::FutureExt as _;
use openraft::async_runtime::watch::WatchReceiver;
use std::{io, sync::Arc};

/// The giving end, one a connection.
pub(super) struct Giver {
    shelf: Arc<Shelf>,
    raft: Raft,
    to: u64,
    /// Open as long as it may be asked for, though it is removed meanwhile.
    given: Option<SnapshotFile>,
}

impl Giver {
    pub(super) fn new(shelf: Arc<Shelf>, raft: Raft, to: u64) -> Self {
        Self { shelf, raft, to, given: None }
    }

    /// The newest there is, if it reaches far enough; else one is made, which is not kept.
    pub(super) async fn give(&mut self, least: Option<LogIdRecord>) -> io::Result<Reply> {
        if !self.is_member() {
            return Err(io::Error::other("only a member is given the state"));
        }
        let least = least.map(LogId::from);
        let reaches = |file: &SnapshotFile| file.head().applied.map(LogId::from) >= least;
        let file = match self.shelf.newest().filter(reaches) {
            Some(file) => file,
            None => self.made(least).await?,
        };
        let whole = file.clone();
        let crc = slowly(move || whole.crc()).await??;
        let (head, bytes) = (file.head().clone(), file.bytes());
        self.given = Some(file);
        Ok(Reply::SnapshotGiven { head, bytes, crc })
    }

    /// On its own disk: that was asked at the greeting.
    fn is_member(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.membership().get_node(&self.to).is_some()
    }

    async fn made(&self, least: Option<LogId>) -> io::Result<SnapshotFile> {
        let builder = self.raft.with_state_machine(|machine| {
            let builder = machine.builder();
            async move { builder }.boxed()
        });
        let builder = builder.await.map_err(io::Error::other)?;
        if builder.head().applied.is_none() || builder.head().applied < least {
            return Err(io::Error::other("this member's own state does not reach so far"));
        }
        slowly(move || builder.export()).await?
    }

    pub(super) async fn read(&self, offset: u64) -> io::Result<Reply> {
        let file = self.given.clone().ok_or_else(|| io::Error::other("no snapshot was given"))?;
        let chunk = spawn_blocking(move || file.chunk(offset, SNAPSHOT_CHUNK_BYTES)).await;
        let chunk = chunk.map_err(io::Error::other)??;
        let crc = crc32fast::hash(&chunk);
        Ok(Reply::SnapshotPart { bytes: Body::from(chunk), crc })
    }
}

impl Peers {
    /// Gets a snapshot that reaches to `least` from a peer. It is whole and was read, under a temporary name.
    pub(crate) async fn fetch(
        &self,
        from: u64,
        peer: &MemberRecord,
        least: Option<LogId>,
        shelf: &Arc<Shelf>,
    ) -> Result<SnapshotFile, RpcError> {
        let link = self.link(Lane::Snapshot, from, peer);
        let wanted = Request::SnapshotWanted { least: least.map(LogIdRecord::from) };
        let (head, bytes, crc) = match call(&link, &wanted, GIVE_DEADLINE).await? {
            Reply::SnapshotGiven { head, bytes, crc } => (head, bytes, crc),
            other => return Err(misfit(&other)),
        };
        let on = shelf.clone();
        let (number, mut offset) =
            blocking(move || on.receive(from, head, bytes, Some(crc))).await?;
        while offset < bytes {
            let asked = Request::SnapshotRead { offset };
            let (piece, crc) = match call(&link, &asked, CHUNK_DEADLINE).await? {
                Reply::SnapshotPart { bytes, crc } if !bytes.is_empty() => (bytes, crc),
                other => return Err(misfit(&other)),
            };
            let (on, at) = (shelf.clone(), offset);
            offset += piece.len() as u64;
            blocking(move || on.incoming(number, |held| held.write(at, &piece, Some(crc)))).await?;
        }
        let on = shelf.clone();
        let arrived = move || on.arrived(number).and_then(|held| Incoming::finish(held, crc));
        slowly(arrived).await.map_err(unreadable)?.map_err(unreadable)
    }
}

/// A piece of the state is in it: only what kind of answer it was is told.
fn misfit(reply: &Reply) -> RpcError {
    let text = format!("{reply:?}");
    let name = text.split(['(', ' ', '{']).next().unwrap_or_default();
    unreadable(format!("{name} is no answer to who wants a snapshot"))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, RpcError> {
    spawn_blocking(work).await.map_err(unreadable)?.map_err(unreadable)
}
