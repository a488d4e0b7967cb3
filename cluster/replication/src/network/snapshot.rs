//! A snapshot on its way: sent in chunks, each answered once it is written, then installed. Decides the
//! order and the checks of the transfer; the file's content is `crate::snapshot`'s, installing is Raft's
//! and `state`'s work.

use super::{
    client::{RpcError, call},
    link::Link,
    wire::{Reply, Request},
};
use crate::{
    limits::{CHUNK_DEADLINE, INSTALL_DEADLINE, SNAPSHOT_CHUNK_BYTES},
    raft::{Raft, TypeConfig, Vote},
    records::{Body, HeadRecord, VoteRecord},
    runtime::spawn_blocking,
    snapshot::{Incoming, Shelf, SnapshotFile},
};
use openraft::{errors::NetworkError, raft::SnapshotResponse, type_config::alias::SnapshotOf};
use std::{io, sync::Arc};

fn unreadable(error: impl ToString) -> RpcError {
    NetworkError::from_string(error).into()
}

/// Sends the whole file and waits until the peer has installed it, or told a higher vote.
pub(super) async fn send(
    link: &Link,
    vote: Vote,
    file: &SnapshotFile,
) -> Result<SnapshotResponse<TypeConfig>, RpcError> {
    let begin = Request::SnapshotBegin {
        vote: vote.into(),
        head: file.head().clone(),
        bytes: file.bytes(),
    };
    expect_continue(call(link, &begin, CHUNK_DEADLINE).await?)?;
    let mut crc = crc32fast::Hasher::new();
    let mut offset = 0;
    while offset < file.bytes() {
        let reading = file.clone();
        let chunk = spawn_blocking(move || reading.chunk(offset, SNAPSHOT_CHUNK_BYTES))
            .await
            .map_err(unreadable)?
            .map_err(unreadable)?;
        crc.update(&chunk);
        let next = offset + chunk.len() as u64;
        let request = Request::SnapshotChunk { offset, bytes: Body::from(chunk) };
        expect_continue(call(link, &request, CHUNK_DEADLINE).await?)?;
        offset = next;
    }
    let end = Request::SnapshotEnd { crc: crc.finalize() };
    match call(link, &end, INSTALL_DEADLINE).await? {
        Reply::SnapshotInstalled { vote } => Ok(SnapshotResponse::new(vote.into())),
        other => Err(unreadable(format!("the answer does not fit a snapshot: {other:?}"))),
    }
}

fn expect_continue(reply: Reply) -> Result<(), RpcError> {
    match reply {
        Reply::SnapshotContinue => Ok(()),
        other => Err(unreadable(format!("the answer does not fit a snapshot: {other:?}"))),
    }
}

/// The receiving end, one a connection. A new `begin` abandons what was there.
pub(super) struct Receiver {
    shelf: Arc<Shelf>,
    from: u64,
    transfer: Option<Transfer>,
}

struct Transfer {
    vote: VoteRecord,
    file: Incoming,
}

impl Receiver {
    pub(super) fn new(shelf: Arc<Shelf>, from: u64) -> Self {
        Self { shelf, from, transfer: None }
    }

    pub(super) async fn begin(
        &mut self,
        vote: VoteRecord,
        head: HeadRecord,
        bytes: u64,
    ) -> io::Result<Reply> {
        self.transfer = None;
        let (shelf, from) = (self.shelf.clone(), self.from);
        let file = blocking(move || shelf.receive(from, head, bytes)).await?;
        self.transfer = Some(Transfer { vote, file });
        Ok(Reply::SnapshotContinue)
    }

    pub(super) async fn chunk(&mut self, offset: u64, bytes: Body) -> io::Result<Reply> {
        let mut transfer = self.transfer.take().ok_or_else(not_begun)?;
        let transfer = blocking(move || {
            transfer.file.write(offset, &bytes)?;
            Ok(transfer)
        })
        .await?;
        self.transfer = Some(transfer);
        Ok(Reply::SnapshotContinue)
    }

    pub(super) async fn end(&mut self, crc: u32, raft: &Raft) -> io::Result<Reply> {
        let Transfer { vote, file } = self.transfer.take().ok_or_else(not_begun)?;
        let snapshot = blocking(move || file.finish(crc)).await?;
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
