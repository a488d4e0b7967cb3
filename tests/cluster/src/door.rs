//! A door in front of a process: a TCP proxy whose address the others are told. Decides what goes through at the
//! moment; a connection that may not stands still, as behind a broken link, and goes on when it may again.

use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

/// What goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    All,
    /// All but the leader's pipe: for the leader it is as if the process were gone, for the others not.
    AllButPipes,
    Nothing,
    /// Nor anybody: whoever is connected is thrown out, and nobody listens any more.
    Nobody,
}

impl Passing {
    fn lets(self, is_pipe: bool) -> bool {
        match self {
            Self::All => true,
            Self::AllButPipes => !is_pipe,
            Self::Nothing | Self::Nobody => false,
        }
    }
}

/// Closed when dropped.
pub struct Door {
    pub address: SocketAddr,
    passing: watch::Sender<Passing>,
    _tasks: JoinSet<()>,
}

impl Door {
    /// Listens on a free port of this host, which names the node, in front of `behind`.
    pub async fn before(behind: SocketAddr, host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (passing, allowed) = watch::channel(Passing::All);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, address, behind, allowed));
        Self { address, passing, _tasks: tasks }
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
                    let Ok((client, _)) = accepted else { return };
                    connections.spawn(carry(client, behind, allowed.clone()));
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
async fn carry(client: TcpStream, behind: SocketAddr, passing: watch::Receiver<Passing>) {
    let (mut from_client, mut to_client) = client.into_split();
    let mut first = vec![0; 16 << 10];
    let Ok(length) = from_client.read(&mut first).await else { return };
    let is_pipe = first[..length].starts_with(b"GET /v1/pipe");
    let Ok(server) = TcpStream::connect(behind).await else { return };
    let (mut from_server, mut to_server) = server.into_split();
    let mut let_through = passing.clone();
    if let_through.wait_for(|passing| passing.lets(is_pipe)).await.is_err()
        || to_server.write_all(&first[..length]).await.is_err()
    {
        return;
    }
    let up = async {
        pass(&mut from_client, &mut to_server, passing.clone(), is_pipe).await;
    };
    let down = async {
        pass(&mut from_server, &mut to_client, passing.clone(), is_pipe).await;
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
    is_pipe: bool,
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut bytes).await else { return };
        // What was read is not lost: TCP would bring it after the break.
        if passing.wait_for(|passing| passing.lets(is_pipe)).await.is_err()
            || to.write_all(&bytes[..length]).await.is_err()
        {
            return;
        }
    }
}
