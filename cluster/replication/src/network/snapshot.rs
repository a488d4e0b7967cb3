//! A snapshot on its way: sent in chunks, each answered once it is written, then installed. Decides the
//! order and the checks of the transfer, and that one that was interrupted goes on where it was; the file's
//! content is `crate::snapshot`'s, installing is Raft's and `state`'s work. The other way round, a member
//! that has no state to start with is in `fetch`.

use super::{
    client::{RpcError, call},
    link::Link,
    wire::{Reply, Request},
};
use crate::{
    limits::{
        CHUNK_DEADLINE, INSTALL_DEADLINE, INSTALLING_SILENCE, INSTALLING_TOLD_EVERY,
        SNAPSHOT_CHUNK_BYTES,
    },
    raft::{Raft, TypeConfig, Vote},
    records::{Body, HeadRecord, VoteRecord},
    runtime::spawn_blocking,
    snapshot::{Incoming, Sending, Shelf, SnapshotFile, slowly},
};
use openraft::{errors::NetworkError, raft::SnapshotResponse, type_config::alias::SnapshotOf};
use std::{io, sync::Arc};
use tokio::{task::JoinHandle, time::timeout};

pub(super) fn unreadable(error: impl ToString) -> RpcError {
    NetworkError::from_string(error).into()
}

/// Sends what the peer does not have of the file, and waits until it has installed it or told a higher vote.
pub(super) async fn send(
    link: &Link,
    vote: Vote,
    file: &SnapshotFile,
    sending: &Sending,
) -> Result<SnapshotResponse<TypeConfig>, RpcError> {
    let whole = file.clone();
    let crc = slowly(move || whole.crc()).await.map_err(unreadable)?.map_err(unreadable)?;
    let (head, bytes) = (file.head().clone(), file.bytes());
    let offer = Request::SnapshotOffer { vote: vote.into(), head, bytes, crc };
    let mut offset = match call(link, &offer, CHUNK_DEADLINE).await? {
        Reply::SnapshotHeld { bytes: held } if held <= bytes => held,
        other => return Err(misfit(&other)),
    };
    // Only now: nothing is kept for a follower that is away.
    let on_its_way = sending.begin();
    if offset > 0 {
        tracing::info!(offset, bytes, "snapshot goes on where it was interrupted");
    }
    while offset < bytes {
        let reading = file.clone();
        let chunk = spawn_blocking(move || reading.chunk(offset, SNAPSHOT_CHUNK_BYTES))
            .await
            .map_err(unreadable)?
            .map_err(unreadable)?;
        let (next, crc) = (offset + chunk.len() as u64, crc32fast::hash(&chunk));
        let request = Request::SnapshotPiece { offset, bytes: Body::from(chunk), crc };
        match call(link, &request, CHUNK_DEADLINE).await? {
            Reply::SnapshotContinue => offset = next,
            other => return Err(misfit(&other)),
        }
    }
    let installed = timeout(INSTALL_DEADLINE, installed(link, crc)).await;
    let vote = installed.map_err(|_| unreadable("it was not installed in time"))??;
    on_its_way.arrived();
    Ok(SnapshotResponse::new(vote.into()))
}

/// Asks again and again whether it is installed: with one long wait a peer that has lost its power meanwhile would be
/// waited for as long.
async fn installed(link: &Link, crc: u32) -> Result<VoteRecord, RpcError> {
    loop {
        match call(link, &Request::SnapshotEnd { crc }, INSTALLING_SILENCE).await? {
            Reply::SnapshotInstalled { vote } => return Ok(vote),
            Reply::SnapshotContinue => {}
            other => return Err(misfit(&other)),
        }
    }
}

fn misfit(reply: &Reply) -> RpcError {
    unreadable(format!("the answer does not fit a snapshot: {reply:?}"))
}

/// The receiving end, one a connection. What has arrived stays with the shelf when the connection breaks.
pub(super) struct Receiver {
    shelf: Arc<Shelf>,
    from: u64,
    /// Under which vote the snapshot at hand was offered, and which one it is.
    offered: Option<(VoteRecord, u64)>,
    /// What has arrived is being installed, which goes on when the connection breaks.
    installing: Option<JoinHandle<io::Result<Reply>>>,
}

impl Receiver {
    pub(super) fn new(shelf: Arc<Shelf>, from: u64) -> Self {
        Self { shelf, from, offered: None, installing: None }
    }

    /// `crc`: of the whole file; without it nothing of an earlier transfer can be told to be the same.
    pub(super) async fn begin(
        &mut self,
        vote: VoteRecord,
        head: HeadRecord,
        bytes: u64,
        crc: Option<u32>,
    ) -> io::Result<Reply> {
        let (shelf, from) = (self.shelf.clone(), self.from);
        let (number, held) = blocking(move || shelf.receive(from, head, bytes, crc)).await?;
        self.offered = Some((vote, number));
        Ok(match crc {
            Some(_) => Reply::SnapshotHeld { bytes: held },
            None => Reply::SnapshotContinue,
        })
    }

    pub(super) async fn chunk(
        &mut self,
        offset: u64,
        bytes: Body,
        crc: Option<u32>,
    ) -> io::Result<Reply> {
        let (_, number) = self.offered.as_ref().ok_or_else(not_begun)?;
        let (shelf, number) = (self.shelf.clone(), *number);
        blocking(move || shelf.incoming(number, |incoming| incoming.write(offset, &bytes, crc)))
            .await?;
        Ok(Reply::SnapshotContinue)
    }

    /// Begins to install what has arrived, or goes on. Says `SnapshotContinue` if that takes longer.
    pub(super) async fn end(&mut self, crc: u32, raft: &Raft) -> io::Result<Reply> {
        if let Some((vote, number)) = self.offered.take() {
            let (shelf, raft) = (self.shelf.clone(), raft.clone());
            self.installing = Some(tokio::spawn(Self::install(shelf, raft, vote, number, crc)));
        }
        let installing = self.installing.as_mut().ok_or_else(not_begun)?;
        let Ok(ended) = timeout(INSTALLING_TOLD_EVERY, installing).await else {
            return Ok(Reply::SnapshotContinue);
        };
        self.installing = None;
        ended.map_err(io::Error::other)?
    }

    async fn install(
        shelf: Arc<Shelf>,
        raft: Raft,
        vote: VoteRecord,
        number: u64,
        crc: u32,
    ) -> io::Result<Reply> {
        let finish =
            move || shelf.arrived(number).and_then(|incoming| Incoming::finish(incoming, crc));
        let snapshot = slowly(finish).await??;
        let meta = snapshot.head().clone().meta().map_err(io::Error::other)?;
        let snapshot: SnapshotOf<TypeConfig, SnapshotFile> = openraft::Snapshot { meta, snapshot };
        let response =
            raft.install_full_snapshot(vote.into(), snapshot).await.map_err(io::Error::other)?;
        Ok(Reply::SnapshotInstalled { vote: response.vote.into() })
    }
}

fn not_begun() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no snapshot was begun")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
