//! What goes over a pipe between a leader and a simulated Manager: the words of `protocol`'s, in frames over
//! turmoil's TCP. Decides their form only.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    task::AbortHandle,
    time::timeout,
};
use tradewind_domain::{
    control::{
        handed_back::Failure,
        plan::{Fenced, Ledgers, Told},
        telling::Part,
    },
    ids::{AccountId, Epoch, Fence, Incarnation, ManagerId, ServiceId},
    limits::PIPE_SILENCE,
};
use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToManager {
    Hello {
        fence: Fence,
        to: ManagerId,
    },
    Desired(Box<Part>),
    Answer {
        n: u64,
    },
    /// So that both sides notice a connection that carries nothing any more.
    Ping,
}

pub(crate) type GivenUp = BTreeMap<ServiceId, Failure>;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromManager {
    Up {
        incarnation: Incarnation,
    },
    Beat {
        n: u64,
        cordons: BTreeSet<Epoch>,
        held: u64,
        starting: u32,
        fenced: Fenced,
        given_up: GivenUp,
        /// Whose processes it has, also those that it stops.
        brokers: BTreeSet<(AccountId, u16)>,
        /// What they say of their ledgers' copies.
        ledgers: Ledgers,
    },
}

/// What a beat says that is decided on.
pub(crate) fn told(
    cordons: BTreeSet<Epoch>,
    held: u64,
    starting: u32,
    handed_back: GivenUp,
    brokers: BTreeSet<(AccountId, u16)>,
) -> Told {
    Told { cordons, held: Some(held), starting, handed_back, brokers }
}

const FRAME_BYTES_MAX: u32 = 1 << 20;

pub(crate) async fn write<T: Serialize>(to: &mut OwnedWriteHalf, frame: &T) -> io::Result<()> {
    let body = serde_json::to_vec(frame)?;
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    to.write_all(&[length.as_slice(), &body].concat()).await
}

pub(crate) async fn read<T: DeserializeOwned>(from: &mut OwnedReadHalf) -> io::Result<T> {
    let length = from.read_u32().await?;
    if length > FRAME_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length as usize];
    from.read_exact(&mut body).await?;
    Ok(serde_json::from_slice(&body)?)
}

/// The frames of a connection, read by a task of their own: a read that is given up would lose half a frame.
pub(crate) struct Frames<T> {
    frames: mpsc::Receiver<T>,
    reader: AbortHandle,
}

impl<T: DeserializeOwned + 'static> Frames<T> {
    pub(crate) fn of(mut from: OwnedReadHalf) -> Self {
        let (sender, frames) = mpsc::channel(64);
        let task = tokio::task::spawn_local(async move {
            while let Ok(Ok(frame)) = timeout(PIPE_SILENCE, read(&mut from)).await {
                if sender.send(frame).await.is_err() {
                    return;
                }
            }
        });
        Self { frames, reader: task.abort_handle() }
    }

    /// `None`: the connection is gone, or nothing came for too long.
    pub(crate) async fn next(&mut self) -> Option<T> {
        self.frames.recv().await
    }
}

impl<T> Drop for Frames<T> {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

pub(crate) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
