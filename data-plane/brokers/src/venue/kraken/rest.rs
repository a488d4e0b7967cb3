//! Calls of Kraken's REST interface. Decides their order (one after another over one connection: nonces have to arrive
//! as they were drawn), how long each may take and when there is room for one; what an answer means is decided by
//! `tradewind_kraken`. Repeats nothing but what a nonce was refused for.

use super::{
    super::dial::{Address, Dialler},
    clock::Clock,
    limits::{CALL_WITHIN, CALLS_HEADROOM, REST_ANSWER_BYTES},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    sync::Mutex as Turn,
    task::JoinSet,
    time::{sleep, timeout},
};
use tradewind_kraken::{
    nonce::{NonceError, NonceFile},
    outcome::{After, Mend, Outcome},
    rate::{Counter, Tier},
    rest::{self, NoResult},
    sign::Secret,
};
use tradewind_node::clock;

const POINT: u64 = 1_000_000_000;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nothing of it has left this machine.
    #[error("it was not sent: {0}")]
    NotSent(String),
    /// It may have been done.
    #[error("no answer: {0}")]
    Lost(String),
    #[error(transparent)]
    NoResult(#[from] NoResult),
}

impl CallError {
    /// What became of what was asked; none if it was surely not sent.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::NotSent(_) => None,
            Self::Lost(_) => Some(Outcome::Unknown),
            Self::NoResult(no_result) => Some(no_result.outcome()),
        }
    }
}

/// The two halves of an API key, and the numbers drawn for it.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) secret: Secret,
    nonces: Arc<Mutex<NonceFile>>,
}

impl Key {
    /// `directory`: where the numbers are kept over restarts. Blocks.
    pub(super) fn open(name: String, secret: Secret, directory: &Path) -> Result<Self, NonceError> {
        let nonces = Arc::new(Mutex::new(NonceFile::open(directory)?));
        Ok(Self { name, secret, nonces })
    }

    async fn nonce(&self) -> Result<u64, String> {
        let nonces = Arc::clone(&self.nonces);
        // Now and then a bound is synced to disk.
        let drawn = tokio::task::spawn_blocking(move || {
            nonces.lock().unwrap_or_else(PoisonError::into_inner).draw(clock::now())
        });
        let drawn = drawn.await.map_err(|error| error.to_string())?;
        drawn.map_err(|error| error.to_string())
    }
}

/// The connection of the moment.
#[derive(Default)]
struct Line {
    sender: Option<http1::SendRequest<Full<Bytes>>>,
    carried: JoinSet<()>,
}

/// See the module.
pub(super) struct Rest {
    address: Address,
    dialler: Dialler,
    /// None: public calls alone.
    key: Option<Key>,
    tier: Tier,
    clock: Clock,
    counter: Mutex<Counter>,
    line: Turn<Line>,
}

impl Rest {
    pub(super) fn new(
        address: Address,
        dialler: Dialler,
        key: Option<Key>,
        tier: Tier,
        clock: Clock,
    ) -> Self {
        let counter = Mutex::new(Counter::new(tier.calls(), clock.now()));
        Self { address, dialler, key, tier, clock, counter, line: Turn::default() }
    }

    /// `GET /0/public/...`
    pub(super) async fn public<T: DeserializeOwned>(&self, call: &str) -> Result<T, CallError> {
        let path = format!("{}/0/public/{call}", self.address.path());
        let mut line = self.line.lock().await;
        let request = Request::get(path).header(header::HOST, self.address.authority());
        let request = request.body(Full::default());
        let request = request.map_err(|error| CallError::NotSent(error.to_string()))?;
        let (status, body) = self.send(&mut line, request).await?;
        Ok(rest::result(status, &body)?)
    }

    /// `POST /0/private/...`, once its points fit into the counter. One whose nonce was refused is not done: it is
    /// asked once more, under a higher one.
    pub(super) async fn private<T: DeserializeOwned>(
        &self,
        call: &str,
        fields: &[(&str, &str)],
    ) -> Result<T, CallError> {
        self.room(call).await;
        let asked = self.ask(call, fields).await;
        match asked.as_ref().err().and_then(CallError::outcome) {
            Some(Outcome::Mend(Mend::Nonce)) => {
                tracing::warn!(call, "a nonce was refused: does another program use this API key?");
                return self.ask(call, fields).await;
            }
            // Its counter stands higher than ours: of calls in the life before, or of another program.
            Some(Outcome::After(After::Decay)) => {
                let now = self.clock.now();
                let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
                let full = u64::from(self.tier.calls().points) * POINT;
                let lacks = full.saturating_sub(counter.value(now));
                counter.charge(lacks, now);
            }
            Some(_) | None => {}
        }
        asked
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        call: &str,
        fields: &[(&str, &str)],
    ) -> Result<T, CallError> {
        let key = self.key.as_ref().ok_or_else(|| CallError::NotSent("no API key".to_owned()))?;
        // The turn first: nonces arrive in the order they are drawn in.
        let mut line = self.line.lock().await;
        let nonce = key.nonce().await.map_err(CallError::NotSent)?;
        let path = format!("/0/private/{call}");
        let body = rest::form(nonce, fields);
        let sign = key.secret.sign(&path, &nonce.to_string(), &body);
        let request = Request::post(format!("{}{path}", self.address.path()))
            .header(header::HOST, self.address.authority())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("API-Key", &key.name)
            .header("API-Sign", sign)
            .body(Full::from(body));
        let request = request.map_err(|error| CallError::NotSent(error.to_string()))?;
        let (status, body) = self.send(&mut line, request).await?;
        Ok(rest::result(status, &body)?)
    }

    /// Waits until the call fits.
    async fn room(&self, call: &str) {
        let (points, headroom) = cost(call);
        if points == 0 {
            return;
        }
        loop {
            let admitted = {
                let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
                counter.admit(points * POINT, headroom, self.clock.now())
            };
            match admitted {
                Ok(()) => return,
                Err(wait) => sleep(wait).await,
            }
        }
    }

    async fn send(
        &self,
        line: &mut Line,
        request: Request<Full<Bytes>>,
    ) -> Result<(u16, String), CallError> {
        let mut sender = match line.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => timeout(CALL_WITHIN, self.connect(line))
                .await
                .map_err(|_| CallError::NotSent(format!("{} cannot be reached", self.address)))??,
        };
        let asked = timeout(CALL_WITHIN, async {
            sender.ready().await.map_err(|error| CallError::NotSent(error.to_string()))?;
            let lost = |error: &dyn std::fmt::Display| CallError::Lost(error.to_string());
            let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), REST_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| lost(&error))?.to_bytes();
            Ok::<_, CallError>((status, String::from_utf8_lossy(&body).into_owned()))
        });
        // One that ran out of time is dropped with its connection: its answer may still come.
        let asked =
            asked.await.map_err(|_| CallError::Lost(format!("not within {CALL_WITHIN:?}")))??;
        line.sender = Some(sender);
        Ok(asked)
    }

    async fn connect(&self, line: &mut Line) -> Result<http1::SendRequest<Full<Bytes>>, CallError> {
        let failed = |error: &dyn std::fmt::Display| {
            CallError::NotSent(format!("{}: {error}", self.address))
        };
        line.carried.abort_all();
        while line.carried.join_next().await.is_some() {}
        let stream = self.dialler.open(&self.address).await.map_err(|error| failed(&error))?;
        let made = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|error| failed(&error))?;
        line.carried.spawn(async move {
            // Its end is seen by the next call.
            let _ = connection.await;
        });
        Ok(sender)
    }
}

/// What a call costs of the key's counter (Kraken's REST rate limits: two for histories, none for trading), and how many
/// points it leaves for others: listings wait, a token does not.
fn cost(call: &str) -> (u64, u32) {
    match call {
        "AddOrder" | "CancelOrder" => (0, 0),
        "GetWebSocketsToken" => (1, 0),
        "TradesHistory" | "ClosedOrders" => (2, CALLS_HEADROOM),
        _ => (1, CALLS_HEADROOM),
    }
}
