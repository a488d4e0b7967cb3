//! The simulator as a real process, and the client pointed at it. Decides how long anything is waited for.

use kraken_async_rs::clients::core_kraken_client::CoreKrakenClient;
use kraken_async_rs::clients::kraken_client::KrakenClient;
use kraken_async_rs::crypto::nonce_provider::{IncreasingNonceProvider, NonceProvider};
use kraken_async_rs::secrets::secrets_provider::{SecretsProvider, StaticSecretsProvider};
use kraken_async_rs::wss::{
    ChannelMessage, ExecutionResult, ExecutionType, KrakenMessageStream, KrakenWSSClient, Message,
    WssMessage,
};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_stream::StreamExt;

const KEY: &str = "simulated-key";
/// The example of Kraken's documentation.
const SECRET: &str =
    "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
const WITHIN: Duration = Duration::from_secs(30);

/// The simulator as a real process; it goes with this value.
pub(crate) struct Sim {
    child: Child,
    address: String,
    _data: tempfile::TempDir,
}

impl Sim {
    pub(crate) fn start() -> Self {
        let binary = std::env::var("TRADEWIND_BINARY")
            .expect("TRADEWIND_BINARY names the binary: cargo build --bin tradewind");
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(binary)
            .args(["sim", "kraken", "--listen", "127.0.0.1:0", "--api-key", KEY])
            .args(["--api-secret", SECRET, "--data"])
            .arg(data.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).expect(&line);
        let address = ready["address"].as_str().unwrap().to_string();
        Self { child, address, _data: data }
    }

    pub(crate) fn rest(&self) -> CoreKrakenClient {
        self.rest_with(SECRET)
    }

    pub(crate) fn rest_with(&self, secret: &'static str) -> CoreKrakenClient {
        let secrets: Box<Arc<Mutex<dyn SecretsProvider>>> =
            Box::new(Arc::new(Mutex::new(StaticSecretsProvider::new(KEY, secret))));
        let nonces: Box<Arc<Mutex<dyn NonceProvider>>> =
            Box::new(Arc::new(Mutex::new(IncreasingNonceProvider::new())));
        CoreKrakenClient::new_with_url(secrets, nonces, format!("http://{}", self.address))
    }

    pub(crate) async fn websocket(&self) -> Stream {
        let url = format!("ws://{}/v2", self.address);
        let mut client = KrakenWSSClient::new_with_urls(url.clone(), url);
        Stream(client.connect_auth::<WssMessage>().await.unwrap())
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Stream(KrakenMessageStream<WssMessage>);

impl Stream {
    pub(crate) async fn send<T: serde::Serialize + std::fmt::Debug>(
        &mut self,
        method: &str,
        params: T,
        req_id: i64,
    ) {
        let message = Message { method: method.to_string(), params, req_id };
        self.0.send(&message).await.unwrap();
    }

    /// The next message for which `is` gives something; every message on the way must parse.
    pub(crate) async fn until<T>(&mut self, what: &str, is: impl Fn(WssMessage) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let message = self.0.next().await.expect("the stream goes on");
                let message = message.unwrap_or_else(|error| panic!("waiting for {what}: {error}"));
                if let Some(found) = is(message) {
                    return found;
                }
            }
        };
        timeout(WITHIN, waiting).await.unwrap_or_else(|_| panic!("{what} did not come"))
    }

    pub(crate) async fn execution(&mut self, kind: ExecutionType, order: &str) -> ExecutionResult {
        let what = format!("{kind:?} of {order}");
        self.until(&what, |message| match message {
            WssMessage::Channel(ChannelMessage::Execution(response)) => response
                .data
                .into_iter()
                .find(|event| event.execution_type == kind && event.order_id == order),
            _ => None,
        })
        .await
    }
}
