//! The wire between Broker and venue: TCP that can be cut, deafened or muted. Decides nothing.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// What is wrong with it at the moment.
#[derive(Default)]
struct Faults {
    /// What the venue says is lost.
    deaf: AtomicBool,
    /// What the Broker says is held back, and lost with the connection.
    mute: AtomicBool,
    /// Nobody answers at the address.
    away: AtomicBool,
    connections: Mutex<Vec<AbortHandle>>,
}

#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    faults: Arc<Faults>,
    _tasks: Arc<JoinSet<()>>,
}

impl Wire {
    pub(crate) async fn to(venue: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let faults = Arc::new(Faults::default());
        let mut tasks = JoinSet::new();
        let mine = faults.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                if mine.away.load(Ordering::SeqCst) {
                    continue;
                }
                let handle = connections.spawn(carry(near, venue, mine.clone()));
                mine.connections.lock().unwrap().push(handle);
            }
        });
        Self { address, faults, _tasks: Arc::new(tasks) }
    }

    pub(crate) fn deafen(&self) {
        self.faults.deaf.store(true, Ordering::SeqCst);
    }

    pub(crate) fn mute(&self) {
        self.faults.mute.store(true, Ordering::SeqCst);
    }

    /// Cuts every connection; the next one is whole again.
    pub(crate) fn cut(&self) {
        self.faults.connections.lock().unwrap().drain(..).for_each(|handle| handle.abort());
        self.faults.deaf.store(false, Ordering::SeqCst);
        self.faults.mute.store(false, Ordering::SeqCst);
    }

    pub(crate) fn away(&self, away: bool) {
        self.faults.away.store(away, Ordering::SeqCst);
        if away {
            self.cut();
        }
    }
}

async fn carry(near: TcpStream, venue: SocketAddr, faults: Arc<Faults>) {
    let far = TcpStream::connect(venue).await.unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let (mut near_read, mut near_write) = near.into_split();
    let (mut far_read, mut far_write) = far.into_split();
    let there = async {
        let mut bytes = vec![0; 8 << 10];
        while let Ok(n @ 1..) = near_read.read(&mut bytes).await {
            if !faults.mute.load(Ordering::SeqCst)
                && far_write.write_all(&bytes[..n]).await.is_err()
            {
                break;
            }
        }
    };
    let back = async {
        let mut bytes = vec![0; 8 << 10];
        while let Ok(n @ 1..) = far_read.read(&mut bytes).await {
            if !faults.deaf.load(Ordering::SeqCst)
                && near_write.write_all(&bytes[..n]).await.is_err()
            {
                break;
            }
        }
    };
    tokio::select! { () = there => {}, () = back => {} }
}
