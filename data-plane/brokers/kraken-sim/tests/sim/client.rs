//! A small client of the simulator, made of `tradewind_kraken`'s own parts. Decides how long anything is waited for.

use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite};
use tokio_util::sync::CancellationToken;
use tradewind_kraken::rest::{NoResult, Token, form, result};
use tradewind_kraken::sign::Secret;
use tradewind_kraken::ws::private::{ExecType, Execution, Private};
use tradewind_kraken::ws::request::{Request, Subscription};
use tradewind_kraken::ws::{Kind, Message, read};
use tradewind_kraken_sim::{Error, Options, bind};

pub(crate) const KEY: &str = "key";
const SECRET: &str = "c2ltdWxhdGVk";
/// Generous: the machines are slow and shared.
pub(crate) const WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn secret() -> Secret {
    Secret::from_base64(SECRET).unwrap()
}

/// A simulator of this process.
pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<Result<(), Error>>,
    nonce: u64,
}

impl Sim {
    pub(crate) async fn start(data: &Path) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let bound = bind(Options::new(listen, data, KEY, secret())).await.unwrap();
        let (address, stop) = (bound.address().unwrap(), CancellationToken::new());
        let running = tokio::spawn(bound.serve(stop.clone()));
        Self { address, stop, running, nonce: 1 }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        timeout(WITHIN, self.running).await.unwrap().unwrap().unwrap();
    }

    pub(crate) fn nonce(&mut self) -> u64 {
        self.nonce += 1;
        self.nonce
    }

    /// A private call; the HTTP status and the body.
    pub(crate) async fn call(&mut self, name: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let nonce = self.nonce();
        self.call_with(nonce, name, fields).await
    }

    pub(crate) async fn call_with(
        &self,
        nonce: u64,
        name: &str,
        fields: &[(&str, &str)],
    ) -> (u16, String) {
        let (path, body) = (format!("/0/private/{name}"), form(nonce, fields));
        let sign = secret().sign(&path, &nonce.to_string(), &body);
        let answer = reqwest::Client::new()
            .post(format!("http://{}{path}", self.address))
            .header("API-Key", KEY)
            .header("API-Sign", sign)
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn ask(
        &mut self,
        name: &str,
        fields: &[(&str, &str)],
    ) -> Result<Value, NoResult> {
        let (status, body) = self.call(name, fields).await;
        result(status, &body)
    }

    pub(crate) async fn token(&mut self) -> String {
        let token: Token =
            serde_json::from_value(self.ask("GetWebSocketsToken", &[]).await.unwrap()).unwrap();
        token.token
    }

    pub(crate) async fn fault(&self, fault: &str) {
        let url = format!("http://{}/sim/faults", self.address);
        let answer = reqwest::Client::new().post(url).body(fault.to_owned()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn ledger(&self) -> Value {
        let url = format!("http://{}/sim/ledger", self.address);
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn connect(&self) -> Socket {
        let (socket, _) = connect_async(format!("ws://{}/v2", self.address)).await.unwrap();
        Socket { socket }
    }

    /// A socket that hears of orders from now on, and its token.
    pub(crate) async fn private(&mut self) -> (Socket, String) {
        let (token, mut socket) = (self.token().await, self.connect().await);
        let mut executions = Subscription::to("executions");
        executions.token = Some(token.clone());
        socket.send("subscribe", executions, 1).await;
        let snapshot = |text: &str| match read(text) {
            Ok(Message::Private(1, Private::Executions(Kind::Snapshot, _))) => Some(()),
            _ => None,
        };
        socket.until("the snapshot of executions", snapshot).await;
        (socket, token)
    }
}

pub(crate) struct Socket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub(crate) async fn send<P: Serialize>(&mut self, method: &str, params: P, req_id: u64) {
        let request = Request { method, params: Some(params), req_id: Some(req_id) };
        self.text(serde_json::to_string(&request).unwrap()).await;
    }

    pub(crate) async fn text(&mut self, text: String) {
        self.socket.send(tungstenite::Message::text(text)).await.unwrap();
    }

    /// The next frame; none at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let frame = timeout(WITHIN, self.socket.next()).await.expect("a frame in time")?;
        match frame.ok()? {
            tungstenite::Message::Text(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// The first frame for which `is` gives something.
    pub(crate) async fn until<T>(&mut self, what: &str, is: impl Fn(&str) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let text = self.next().await.unwrap_or_else(|| panic!("ended before {what}"));
                if let Some(found) = is(&text) {
                    return found;
                }
            }
        };
        timeout(WITHIN, waiting).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    /// The answer to a request: its whole text.
    pub(crate) async fn answer(&mut self, req_id: u64) -> Value {
        self.until("an answer", |text| {
            let value: Value = serde_json::from_str(text).ok()?;
            (value["req_id"] == req_id && value.get("method").is_some()).then_some(value)
        })
        .await
    }

    /// The next event of that kind, and the number of its message.
    pub(crate) async fn execution(&mut self, kind: ExecType) -> (u64, Execution) {
        self.until(&format!("{kind:?}"), |text| match read(text).unwrap() {
            Message::Private(number, Private::Executions(Kind::Update, list)) => {
                let found = list.into_iter().find(|event| event.exec_type == kind);
                found.map(|event| (number, event))
            }
            _ => None,
        })
        .await
    }
}
