//! A way to a member that breaks once. Decides when: the first connection that has carried more than so many
//! bytes is cut, or held until it is let go; later ones are left alone.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

#[derive(Clone, Default)]
pub(crate) struct Cutting {
    carried: Arc<AtomicU64>,
    cut: Arc<AtomicBool>,
    /// Whether what would be cut may go on; none if it is cut.
    let_go: Option<watch::Sender<bool>>,
}

impl Cutting {
    /// A way to that address that begins at the address returned.
    pub(crate) async fn to(real: SocketAddr, after: u64) -> (Self, SocketAddr) {
        Self::default().open(real, after).await
    }

    /// The same, but nothing is cut: it stands still until [`let_go`](Self::let_go).
    pub(crate) async fn holding(real: SocketAddr, after: u64) -> (Self, SocketAddr) {
        let way = Self { let_go: Some(watch::Sender::new(false)), ..Self::default() };
        way.open(real, after).await
    }

    async fn open(self, real: SocketAddr, after: u64) -> (Self, SocketAddr) {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, way) = (door.local_addr().unwrap(), self);
        let each = way.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = door.accept().await {
                tokio::spawn(each.clone().carry(near, real, after));
            }
        });
        (way, address)
    }

    /// Bytes that have gone to the member, over all connections.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::SeqCst)
    }

    /// Or held.
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    pub(crate) fn let_go(&self) {
        self.let_go.as_ref().unwrap().send_replace(true);
    }

    async fn carry(self, near: TcpStream, real: SocketAddr, after: u64) {
        let Ok(far) = TcpStream::connect(real).await else { return };
        let ((mut from, mut back), (mut answers, mut to)) = (near.into_split(), far.into_split());
        let there = async {
            let (mut buffer, mut carried) = (vec![0; 64 * 1024], 0);
            while let Ok(read @ 1..) = from.read(&mut buffer).await {
                carried += read as u64;
                self.carried.fetch_add(read as u64, Ordering::SeqCst);
                if carried > after && !self.cut.swap(true, Ordering::SeqCst) {
                    let Some(let_go) = &self.let_go else { return };
                    let _ = let_go.subscribe().wait_for(|go| *go).await;
                }
                if to.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        };
        let back = async { tokio::io::copy(&mut answers, &mut back).await };
        // Both ends are closed as soon as one of the two has ended.
        tokio::select! {
            () = there => {}
            _ = back => {}
        }
    }
}
