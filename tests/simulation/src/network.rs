//! Turmoil's network in the place of the operating system's. Decides nothing but where a planted bug stands
//! in between: faults on it are the plan's.

use crate::{
    chance::Chance,
    forged::{self, Answer},
};
use futures_util::future::BoxFuture;
use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};
use tradewind_replication::{Accept, Network, Socket};
use turmoil::net::{TcpListener, TcpStream};

/// Bytes on their way between a caller and what stands between it and its peer.
const BETWEEN_BYTES: usize = 1024 * 1024;

/// A member's way to the others.
#[derive(Default)]
pub(crate) struct Turmoil {
    pub(crate) forges: Option<Forges>,
}

/// Answers that are to be forged.
pub(crate) struct Forges {
    pub(crate) what: Answer,
    /// A seed for each connection.
    pub(crate) seeds: AtomicU64,
}

fn socket(stream: TcpStream) -> Socket {
    let (reader, writer) = stream.into_split();
    (Box::new(reader), Box::new(writer))
}

impl Network for Turmoil {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Socket>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            let Some(Forges { what, seeds }) = &self.forges else { return Ok(socket(stream)) };
            let (ours, theirs) = tokio::io::duplex(BETWEEN_BYTES);
            let chance = Chance::new(seeds.fetch_add(1, Ordering::Relaxed));
            tokio::spawn(forged::stand_between(theirs, stream, chance, *what));
            let (reader, writer) = tokio::io::split(ours);
            let socket: Socket = (Box::new(reader), Box::new(writer));
            Ok(socket)
        })
    }
}

pub(crate) struct Door(pub(crate) TcpListener);

impl Accept for Door {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Socket, SocketAddr)>> {
        Box::pin(async move {
            let (stream, from) = self.0.accept().await?;
            Ok((socket(stream), from))
        })
    }
}
