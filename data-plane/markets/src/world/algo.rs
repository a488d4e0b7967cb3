//! An algo at the far end of `/v1/stream`, with a deadline on every wait.
#![allow(clippy::unwrap_used)]

use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};
use tradewind_protocol::{
    domain::ids::{AccountId, InstrumentId},
    stream::{Channel, FromAlgo, Position, ToAlgo},
};

const WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Algo {
    socket: WebSocketStream<TcpStream>,
}

impl Algo {
    /// Opens a session; the status if it is refused.
    pub(crate) async fn connect(address: &str, token: &str) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/v1/stream").into_client_request().unwrap();
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        // Small buffers: what is not read is soon felt by the other side.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 << 10).unwrap();
        let stream = socket.connect(address.parse().unwrap()).await.unwrap();
        match timeout(WITHIN, client_async(request, stream)).await.unwrap() {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Sends if the other side takes it within a moment.
    pub(crate) async fn try_send(&mut self, message: Message) -> bool {
        let sent = timeout(Duration::from_millis(500), self.socket.send(message)).await;
        matches!(sent, Ok(Ok(())))
    }

    pub(crate) async fn say(&mut self, frame: &FromAlgo) {
        self.send(Message::text(serde_json::to_string(frame).unwrap())).await;
    }

    pub(crate) async fn subscribe_quotes(&mut self, instrument: &InstrumentId) {
        let (channel, instrument) = (Channel::Quotes, Some(instrument.clone()));
        self.say(&FromAlgo::Subscribe { channel, instrument, account: None, from: None }).await;
    }

    pub(crate) async fn subscribe_fills(&mut self, account: &AccountId, from: Option<Position>) {
        let (channel, account) = (Channel::Fills, Some(account.clone()));
        self.say(&FromAlgo::Subscribe { channel, instrument: None, account, from }).await;
    }

    /// The next frame, or the code with which the session was closed (0: without one).
    pub(crate) async fn next(&mut self) -> Result<ToAlgo, u16> {
        loop {
            match timeout(WITHIN, self.socket.next()).await.expect("a frame within 10 s") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(0, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(0),
            }
        }
    }

    /// Passes frames over until one is what is looked for.
    pub(crate) async fn until<T>(&mut self, mut wanted: impl FnMut(ToAlgo) -> Option<T>) -> T {
        let look = async {
            loop {
                let frame = self.next().await.expect("the session is open");
                if let Some(found) = wanted(frame) {
                    return found;
                }
            }
        };
        timeout(WITHIN, look).await.expect("what is looked for, within 10 s")
    }

    /// The next quote's number.
    pub(crate) async fn quote(&mut self) -> u64 {
        self.until(|frame| match frame {
            ToAlgo::Quote { seq, .. } => Some(seq),
            _ => None,
        })
        .await
    }

    /// The next fill's position and the number before it.
    pub(crate) async fn fill(&mut self) -> (Position, u64) {
        self.until(|frame| match frame {
            ToAlgo::Fill { epoch, seq, prev, .. } => Some((Position { epoch, seq }, prev)),
            ToAlgo::Gap { .. } => panic!("a gap: {frame:?}"),
            _ => None,
        })
        .await
    }

    /// The frames up to the close, and its code.
    pub(crate) async fn end(&mut self) -> (Vec<ToAlgo>, u16) {
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                Ok(frame) => frames.push(frame),
                Err(code) => return (frames, code),
            }
        }
    }
}
