//! A door in front of a process: a TCP proxy whose address the others are told. Decides what goes through at the
//! moment; a connection that may not stands still, as behind a broken link, and goes on when it may again. Nothing
//! that was sent is lost: TCP would bring it after the break.

use crate::sockets::holder;
use std::{
    collections::BTreeSet,
    io,
    net::{SocketAddr, TcpListener as Unserved},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::sleep,
};

const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    All,
    /// All but the leader's pipe: for the leader it is as if the process were gone, for the others not.
    AllButPipes,
    Nothing,
    /// Nor anybody: whoever is connected is thrown out, and nobody listens any more.
    Nobody,
    /// All but what processes of the first set send, and what is sent to processes of the second, by their numbers.
    AllBut {
        from: BTreeSet<u32>,
        to: BTreeSet<u32>,
    },
}

/// Towards the process behind the door, or from it.
#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

/// One connection, and who made it, once that was asked.
struct Visitor {
    from: SocketAddr,
    door: SocketAddr,
    is_pipe: bool,
    process: OnceLock<Option<u32>>,
}

impl Visitor {
    fn process(&self) -> Option<u32> {
        *self.process.get_or_init(|| holder(self.from, self.door))
    }
}

impl Passing {
    fn lets(&self, visitor: &Visitor, way: Way) -> bool {
        match self {
            Self::All => true,
            Self::AllButPipes => !visitor.is_pipe,
            Self::Nothing | Self::Nobody => false,
            Self::AllBut { from, to } => {
                let stopped = match way {
                    Way::In => from,
                    Way::Out => to,
                };
                stopped.is_empty() || visitor.process().is_none_or(|pid| !stopped.contains(&pid))
            }
        }
    }
}

/// Closed when dropped.
#[derive(Debug)]
pub struct Door {
    pub address: SocketAddr,
    passing: watch::Sender<Passing>,
    _tasks: JoinSet<()>,
}

impl Door {
    /// Listens on a free port of this host, which names the node, in front of `behind`. To be called within a runtime.
    pub fn before(behind: SocketAddr, host: &str) -> io::Result<Self> {
        let listener = Unserved::bind((host, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let address = listener.local_addr()?;
        let (passing, allowed) = watch::channel(Passing::All);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, address, behind, allowed));
        Ok(Self { address, passing, _tasks: tasks })
    }

    pub fn lets(&self, passing: Passing) {
        self.passing.send_replace(passing);
    }
}

/// Lets in whoever comes, and listens anew when it was closed meanwhile.
async fn serve(
    first: TcpListener,
    address: SocketAddr,
    behind: SocketAddr,
    allowed: watch::Receiver<Passing>,
) {
    let mut listener = first;
    let mut changes = allowed.clone();
    loop {
        let mut connections = JoinSet::new();
        let closed =
            async { changes.wait_for(|passing| *passing == Passing::Nobody).await.is_ok() };
        tokio::pin!(closed);
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((client, from)) = accepted else {
                        // Without a file descriptor left; after a rest there may be one.
                        sleep(ACCEPT_AGAIN).await;
                        continue;
                    };
                    connections.spawn(carry(client, from, address, behind, allowed.clone()));
                }
                Some(_) = connections.join_next() => {}
                is_closed = &mut closed => {
                    if !is_closed {
                        return;
                    }
                    break;
                }
            }
        }
        drop((listener, connections));
        let mut opened = allowed.clone();
        if opened.wait_for(|passing| *passing != Passing::Nobody).await.is_err() {
            return;
        }
        // Its port is free still: nobody else is given one that was bound by its number.
        let Ok(again) = TcpListener::bind(address).await else { return };
        listener = again;
    }
}

/// One connection, until either side ends it.
async fn carry(
    client: TcpStream,
    from: SocketAddr,
    door: SocketAddr,
    behind: SocketAddr,
    passing: watch::Receiver<Passing>,
) {
    // Small messages go at once, as without the door; a link that is slower for want of it shows in the figures alone.
    let _ = client.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let mut first = vec![0; 16 << 10];
    let Ok(length) = from_client.read(&mut first).await else { return };
    let is_pipe = first[..length].starts_with(b"GET /v1/pipe");
    let visitor = Arc::new(Visitor { from, door, is_pipe, process: OnceLock::new() });
    let Ok(server) = TcpStream::connect(behind).await else { return };
    let _ = server.set_nodelay(true);
    let (mut from_server, mut to_server) = server.into_split();
    let mut let_through = passing.clone();
    if let_through.wait_for(|passing| passing.lets(&visitor, Way::In)).await.is_err()
        || to_server.write_all(&first[..length]).await.is_err()
    {
        return;
    }
    let up = async {
        pass(&mut from_client, &mut to_server, passing.clone(), &visitor, Way::In).await;
    };
    let down = async {
        pass(&mut from_server, &mut to_client, passing.clone(), &visitor, Way::Out).await;
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

async fn pass(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    mut passing: watch::Receiver<Passing>,
    visitor: &Visitor,
    way: Way,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        if passing.wait_for(|passing| passing.lets(visitor, way)).await.is_err()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::time::timeout;

    /// Says back what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = socket.into_split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn answered(client: &mut TcpStream, within: Duration) -> bool {
        let mut byte = [0];
        matches!(timeout(within, client.read_exact(&mut byte)).await, Ok(Ok(_)))
    }

    #[tokio::test]
    async fn one_process_is_cut_off_one_way_and_nothing_is_lost() {
        let door = Door::before(echo().await, "127.0.0.1").unwrap();
        let mut client = TcpStream::connect(door.address).await.unwrap();
        client.write_all(b"a").await.unwrap();
        let (soon, silence) = (Duration::from_secs(20), Duration::from_millis(200));
        assert!(answered(&mut client, soon).await);
        let own = BTreeSet::from([std::process::id()]);
        let others = BTreeSet::from([1]);
        for (from, to, through) in [
            (own.clone(), BTreeSet::new(), false),
            (BTreeSet::new(), own.clone(), false),
            (others.clone(), others, true),
        ] {
            // when
            door.lets(Passing::AllBut { from, to });
            client.write_all(b"b").await.unwrap();
            // then: what was held comes when it may
            assert_eq!(answered(&mut client, if through { soon } else { silence }).await, through);
            door.lets(Passing::All);
            assert!(through || answered(&mut client, soon).await);
        }
    }
}
