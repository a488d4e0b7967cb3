//! A MarketManager's stream as it comes over the wire, without an SDK that repairs what it misses. Decides how it is opened, and
//! that it is to last; what is made of the frames is each test's.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

pub type Socket = WebSocketStream<TcpStream>;

/// The token of a new session.
pub async fn token(member: &str, key: &str) -> String {
    let opened = reqwest::Client::new().post(format!("http://{member}/v1/sessions"));
    let opened: Value = opened.bearer_auth(key).send().await.unwrap().json().await.unwrap();
    opened["token"].as_str().unwrap().to_owned()
}

/// `bearer`: what stands behind `authorization`.
pub async fn stream(edge: &str, bearer: &str) -> Socket {
    dial(edge, bearer).await.unwrap()
}

/// The same; `None`: nobody is there, or it is refused.
pub async fn dial(edge: &str, bearer: &str) -> Option<Socket> {
    let mut request = format!("ws://{edge}/v1/stream").into_client_request().unwrap();
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let stream = TcpStream::connect(edge).await.ok()?;
    Some(client_async(request, stream).await.ok()?.0)
}

/// A stream that is read; more wishes may be sent.
pub struct Wire {
    wishes: mpsc::Sender<Value>,
    reading: JoinSet<()>,
}

impl Wire {
    /// Each frame is given to `take`, in order.
    pub async fn read(edge: &str, token: &str, take: impl Fn(&Value) + Send + 'static) -> Self {
        let mut socket = stream(edge, &format!("Bearer {token}")).await;
        let (wishes, mut wished) = mpsc::channel::<Value>(64);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            loop {
                tokio::select! {
                    Some(wish) = wished.recv() => {
                        socket.send(Message::text(wish.to_string())).await.unwrap();
                    }
                    frame = socket.next() => match frame {
                        Some(Ok(Message::Text(text))) => take(&serde_json::from_str(&text).unwrap()),
                        Some(Ok(_)) => {}
                        other => panic!("the stream ends: {other:?}"),
                    },
                }
            }
        });
        Self { wishes, reading }
    }

    /// `what` is `subscribe` or `unsubscribe`.
    pub async fn wish(&self, what: &str, channels: &[&str], of: &[&str]) {
        for instrument in of {
            for channel in channels {
                let wish = json!({"type": what, "channel": channel, "instrument": instrument});
                self.wishes.send(wish).await.unwrap();
            }
        }
    }

    /// Lets go of it. Fails the test if it had ended before.
    pub fn end(mut self) {
        assert!(self.reading.try_join_next().is_none(), "the stream had ended");
    }
}
