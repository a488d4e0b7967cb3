//! Listening: taking a port and serving HTTP on it. Decides what is said when a port cannot be taken, and that a machine
//! which vanished is noticed on a connection that is quiet; what happens on a connection is `listen/serve.rs`' and `listen/answer.rs`' work.

mod answer;
mod seats;
mod serve;

pub use serve::{Limits, serve};

use crate::limits;
use rustix::net::sockopt;
use std::{io, net::SocketAddr};
use tokio::net::{TcpListener, TcpSocket};

/// Why an address cannot be listened on. The text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "cannot listen on {address}: the port is taken by another process; stop that one, name another \
         port, or port 0 for any free one"
    )]
    Taken {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(
        "cannot listen on {address}: this user may not (ports below 1024 need a privilege); name a \
         higher port"
    )]
    NotPermitted {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(
        "cannot listen on {address}: no interface of this machine has that address; name one that it \
         has, such as 127.0.0.1"
    )]
    NotOurs {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen on {address}: {source}; see whether the machine is out of resources")]
    Other {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken { address, source },
            io::ErrorKind::PermissionDenied => Self::NotPermitted { address, source },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { address, source },
            _ => Self::Other { address, source },
        }
    }
}

/// Listens on exactly this address; port 0 takes any free port.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen_on(address).map_err(|source| BindError::new(address, source))
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a former life that linger do not hold the port.
    socket.set_reuseaddr(true)?;
    if let Err(error) = ask_after_the_quiet(&socket) {
        tracing::warn!(%error, %address, "no keepalive: whose machine vanishes holds his connection");
    }
    socket.bind(address)?;
    socket.listen(limits::BACKLOG)
}

/// Connections that are accepted have it of their listener. Without `TCP_USER_TIMEOUT`: that would also end one whose other
/// side is there and takes nothing for a while.
fn ask_after_the_quiet(socket: &TcpSocket) -> io::Result<()> {
    socket.set_keepalive(true)?;
    sockopt::set_tcp_keepidle(socket, limits::KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(socket, limits::KEEPALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(socket, limits::KEEPALIVE_UNANSWERED)?;
    Ok(())
}

/// Listens on this address or, where the port is taken, on the next free one of
/// [`limits::PORTS_TRIED`], and says so. Fails with the error of the address asked for.
pub async fn bind_or_next(address: SocketAddr) -> Result<TcpListener, BindError> {
    let taken = match bind(address).await {
        Err(taken @ BindError::Taken { .. }) => taken,
        other => return other,
    };
    let first = address.port();
    for port in (1..limits::PORTS_TRIED).map_while(|more| first.checked_add(more)) {
        let next = SocketAddr::new(address.ip(), port);
        if let Ok(listener) = bind(next).await {
            tracing::warn!(taken = %address, address = %next, "port taken, listening on the next");
            return Ok(listener);
        }
    }
    Err(taken)
}
