//! A Trader that its customer runs himself, as a program in any language would be one: a WebSocket and JSON.

use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};
use tradewind_domain::ids::Epoch;
use tradewind_protocol::{
    Problem,
    attach::{AttachedAccess, Ended, FromTrader, ToTrader, Wish},
};

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Algo {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    n: u64,
}

impl Algo {
    /// `whom` is `trader=T&copy=C`, and `&again=true` of one that was attached before.
    pub(crate) async fn dial(address: &str, whom: &str, token: &str) -> Result<Self, Problem> {
        Self::asked(address, whom, token)
            .await
            .map_err(|body| serde_json::from_slice(&body).unwrap())
    }

    /// The same; what refuses it as it was written.
    pub(crate) async fn asked(address: &str, whom: &str, token: &str) -> Result<Self, Vec<u8>> {
        let mut request = format!("ws://{address}/v1/attach?{whom}").into_client_request().unwrap();
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, n: 0 }),
            Err(Error::Http(answer)) => {
                assert_eq!(answer.headers()["content-type"], "application/problem+json");
                Err(answer.body().clone().unwrap_or_default())
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    pub(crate) async fn beat(&mut self, does: Wish, says: &str) {
        self.n += 1;
        let beat = FromTrader::Beat { n: self.n, does, says: says.to_owned() };
        self.send(&serde_json::to_string(&beat).unwrap()).await;
    }

    /// The next frame that is no answer to a beat; the connection is kept by beats meanwhile.
    pub(crate) async fn next(&mut self) -> ToTrader {
        let waited = timeout(PATIENCE, async {
            loop {
                let Ok(received) = timeout(Duration::from_millis(500), self.socket.next()).await
                else {
                    self.beat(Wish::Run, "").await;
                    continue;
                };
                match received.unwrap().unwrap() {
                    Message::Text(text) => match serde_json::from_str(&text).unwrap() {
                        ToTrader::BeatAnswer { .. } => {}
                        frame => return frame,
                    },
                    Message::Close(close) => panic!("closed: {close:?}"),
                    _ => {}
                }
            }
        });
        waited.await.expect("a frame in time")
    }

    /// Until it is attached; gives its right and what to trade with.
    pub(crate) async fn attached(&mut self) -> (Epoch, AttachedAccess) {
        let mut right = None;
        loop {
            match self.next().await {
                ToTrader::Hello { beat_ms: 1_000, .. } | ToTrader::Waiting { .. } => {}
                ToTrader::Attached { epoch, wish: Wish::Run, .. } => right = Some(epoch),
                ToTrader::Access { access } => return (right.expect("first the right"), access),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Until the last frame; gives why, and the close code.
    pub(crate) async fn ended(&mut self) -> (Ended, u16) {
        let why = loop {
            match self.next().await {
                ToTrader::Ended { why, .. } => break why,
                ToTrader::Hello { .. }
                | ToTrader::Waiting { .. }
                | ToTrader::Attached { .. }
                | ToTrader::Access { .. }
                | ToTrader::Wished { .. }
                | ToTrader::BeatAnswer { .. }
                | ToTrader::Goaway { .. } => {}
            }
        };
        (why, self.closed().await)
    }

    /// The code that the connection is closed with; until then it is kept by beats.
    pub(crate) async fn closed(&mut self) -> u16 {
        self.closed_with(Some(r#"{"type":"beat","n":0,"does":"run"}"#)).await
    }

    /// The same, and nothing is said.
    pub(crate) async fn closed_in_silence(&mut self) -> u16 {
        self.closed_with(None).await
    }

    async fn closed_with(&mut self, beat: Option<&str>) -> u16 {
        let closed = timeout(PATIENCE, async {
            loop {
                let received = timeout(Duration::from_millis(500), self.socket.next()).await;
                match (received, beat) {
                    (Ok(Some(Ok(Message::Close(Some(close))))), _) => return close.code.into(),
                    (Ok(Some(Ok(_))), _) | (Err(_), None) => {}
                    // It may be closed by now.
                    (Err(_), Some(beat)) => {
                        let _ = self.socket.send(Message::text(beat)).await;
                    }
                    (Ok(ended), _) => panic!("it ends without a code: {ended:?}"),
                }
            }
        });
        closed.await.expect("it is closed in time")
    }
}
