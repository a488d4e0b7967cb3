//! What a member stands on: disk, rows, network. Decides what each must offer and how it is on a real
//! machine; a simulation puts its own in their place, and the rest of this crate cannot tell.

use crate::state::{Kv, StateError};
use futures_util::future::BoxFuture;
use std::{io, net::SocketAddr, path::Path, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};
use tradewind_domain::control::level::FeatureLevel;
use tradewind_journal::{Disk, Journal, OpenError, RealDisk};

/// See the module. The default is the machine itself.
#[derive(Clone)]
pub struct Environment {
    /// Holds journal, votes, marks, snapshots and identity.
    pub disk: Arc<dyn Disk>,
    /// Opens a journal on that disk, with a writer that works by itself.
    pub journal: OpenJournal,
    /// Opens the rows of the state in a directory, making them if need be. Blocks.
    pub rows: OpenRows,
    pub network: Arc<dyn Network>,
    /// What the program understands: with a state of a higher level it does not go on.
    pub knows: FeatureLevel,
}

pub type OpenJournal = Arc<
    dyn Fn(tradewind_journal::Options, Arc<dyn Disk>) -> Result<Journal, OpenError> + Send + Sync,
>;

pub type OpenRows = Arc<dyn Fn(&Path) -> Result<Box<dyn Kv>, StateError> + Send + Sync>;

impl Default for Environment {
    fn default() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            journal: Arc::new(Journal::open_on),
            rows: Arc::new(crate::state::open_sled),
            network: Arc::new(Tcp),
            knows: FeatureLevel::KNOWN,
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").finish_non_exhaustive()
    }
}

/// A connection to a peer, as its two directions.
pub type Socket = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

/// How peers are called.
pub trait Network: Send + Sync + 'static {
    /// Connects to a peer's address; what is written leaves at once.
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Socket>>;
}

/// Where peers call.
pub trait Accept: Send + 'static {
    /// The next caller. May be cancelled without loss.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Socket, SocketAddr)>>;
}

/// The listener for peers: bound already, so that its address is known before the member starts.
pub enum PeerListener {
    Tcp(std::net::TcpListener),
    Other(Box<dyn Accept>),
}

impl From<std::net::TcpListener> for PeerListener {
    fn from(listener: std::net::TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl std::fmt::Debug for PeerListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(listener) => listener.fmt(f),
            Self::Other(_) => f.write_str("PeerListener"),
        }
    }
}

impl PeerListener {
    /// Makes it listen in the runtime of the caller.
    pub(crate) fn listen(self) -> io::Result<Box<dyn Accept>> {
        match self {
            Self::Other(listener) => Ok(listener),
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Box::new(TcpDoor(tokio::net::TcpListener::from_std(listener)?)))
            }
        }
    }
}

/// TCP of the operating system.
struct Tcp;

struct TcpDoor(tokio::net::TcpListener);

fn socket(stream: tokio::net::TcpStream) -> io::Result<Socket> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    Ok((Box::new(reader), Box::new(writer)))
}

impl Network for Tcp {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, io::Result<Socket>> {
        Box::pin(async move { socket(tokio::net::TcpStream::connect(address).await?) })
    }
}

impl Accept for TcpDoor {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Socket, SocketAddr)>> {
        Box::pin(async move {
            loop {
                let (stream, from) = self.0.accept().await?;
                // A caller that has gone already is no fault of the listener.
                if let Ok(socket) = socket(stream) {
                    return Ok((socket, from));
                }
            }
        })
    }
}
