//! A scripted server on a real socket: an InfrastructureManager and a MarketManager in one. Decides
//! nothing about trading: tests set what it answers and read what it was asked.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

pub mod orders;
mod reference;

use axum::{
    Json, Router,
    extract::{
        Path, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use ed25519_dalek::SigningKey;
use orders::{Sent, push};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tradewind_protocol::{
    Code, Problem,
    domain::{
        ids::{ClusterIncarnation, NodeId},
        time::UnixNanos,
    },
    token::{Claims, sign},
};

pub const HEARTBEAT: Duration = Duration::from_millis(100);

/// How a connection to the stream begins.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Greeting {
    #[default]
    Hello,
    Nothing,
    HelloAndGone,
}

/// The one ledger behind all edges of a test, and what they were asked.
#[derive(Default)]
pub struct Ledger {
    /// Execution ids; the first has number 1.
    pub fills: Vec<String>,
    /// Bodies of all submits that arrived, at whichever edge.
    pub submits: Vec<Value>,
    /// Orders as they change; the first has number 1.
    pub orders: Vec<Value>,
    /// Orders that submits are answered with, before filled ones.
    pub answers: VecDeque<Value>,
    /// What whoever asks for an order by its client's id is told.
    pub found: Vec<Value>,
    /// Questions for that.
    pub asked: Vec<String>,
    /// All that was subscribed, on whichever connection.
    pub subscribed: Vec<Value>,
    /// The epoch of all streams.
    pub source: &'static str,
    /// Answers to submits, before they are accepted.
    pub refusals: VecDeque<Code>,
    /// Answers to cancels, before they are too late.
    pub cancels: VecDeque<Code>,
    pub tokens: usize,
    /// Whether each was asked for by a token, and not by the API key.
    pub renewals: Vec<bool>,
    /// What whoever renews by a token is answered, if no token.
    pub renewal: Option<Code>,
    pub token_life: Duration,
    /// Tokens below this number are no longer good.
    pub good_from: usize,
    pub market_managers: Vec<String>,
    pub members: Vec<String>,
    /// Where the customer belongs.
    pub trader_manager: Option<String>,
    /// With which tokens orders were submitted, by their sessions.
    pub sessions: Vec<String>,
    pub accounts: Vec<&'static str>,
    /// A fill that the next heartbeat does not name: it is made up before the listing of open orders, and
    /// arrives after it.
    pub late_fill: Option<String>,
    /// That heartbeat is made up and waits for the listing.
    pub held: bool,
    /// Somebody asked for open orders.
    pub listed: bool,
}

#[derive(Default)]
pub struct Stage {
    pub greeting: Greeting,
    pub connections: usize,
    /// Connections of a lower number are cut.
    pub cut_below: usize,
    /// Told once to whoever is connected.
    pub goaway: Option<Vec<String>>,
    /// Frames that are said once to whoever is connected.
    pub says: Vec<Value>,
    /// Where the customer belongs, by which version; said when it changes.
    pub home: (Option<String>, u64),
}

impl Stage {
    fn hello(&self) -> (Value, (Option<String>, u64)) {
        let (address, version) = &self.home;
        let home =
            address.as_ref().map(|at| json!({"manager": "i0.trader-manager", "address": at}));
        let hello = json!({"type": "hello", "session": "s", "time": now(), "heartbeat_ms": 100,
            "trader_manager": home, "affinity_version": version});
        (hello, self.home.clone())
    }
}

#[derive(Clone)]
pub struct Edge {
    pub address: String,
    pub ledger: Arc<Mutex<Ledger>>,
    stage: Arc<Mutex<Stage>>,
    server: Arc<Mutex<Option<JoinHandle<()>>>>,
}

pub fn ledger() -> Arc<Mutex<Ledger>> {
    let token_life = Duration::from_secs(3_600);
    let (accounts, source) = (vec!["sim-1"], "e");
    Arc::new(Mutex::new(Ledger { token_life, accounts, source, ..Ledger::default() }))
}

pub async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), holds).await.unwrap_or_else(|_| panic!("{what}"));
}

impl Edge {
    pub async fn start(ledger: &Arc<Mutex<Ledger>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let edge = Self {
            address: listener.local_addr().unwrap().to_string(),
            ledger: ledger.clone(),
            stage: Arc::default(),
            server: Arc::default(),
        };
        let routes = Router::new()
            .route("/v1/sessions", post(open_session))
            .route("/v1/stream", get(stream))
            .route("/v1/accounts", get(accounts))
            .route("/v1/accounts/{account}/trading_state", put(tighten))
            .merge(reference::routes())
            .merge(orders::routes())
            .with_state(edge.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        *edge.server.lock().unwrap() = Some(serving);
        edge
    }

    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    pub fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap()
    }

    /// Cuts all connections of now.
    pub fn cut(&self) {
        let mut stage = self.stage();
        stage.cut_below = stage.connections + 1;
    }

    /// Nobody is listening any more.
    pub fn leave(&self) {
        self.server.lock().unwrap().take().unwrap().abort();
        self.cut();
    }
}

fn now() -> UnixNanos {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(now.as_nanos()).unwrap())
}

fn problem(code: Code) -> Response {
    let problem = Problem::new(code, "as the test has it");
    (StatusCode::from_u16(problem.status).unwrap(), Json(problem)).into_response()
}

fn claims(session: &str, life: Duration) -> Claims {
    Claims {
        customer: "acme".parse().unwrap(),
        key_id: None,
        session: session.parse().unwrap(),
        cluster: ClusterIncarnation(1),
        trader: None,
        issued_at: now(),
        expires_at: now() + life,
    }
}

/// A token that a TraderManager gives; by this number it is told from those of members.
pub fn token(session: usize) -> String {
    let claims = claims(&session.to_string(), Duration::from_secs(3_600));
    sign(&claims, NodeId(1), &SigningKey::from_bytes(&[1; 32]))
}

async fn open_session(State(edge): State<Edge>, headers: HeaderMap) -> Response {
    let mut ledger = edge.ledger();
    let renews = headers["authorization"].to_str().unwrap().contains("tw1.");
    ledger.renewals.push(renews);
    if let Some(code) = ledger.renewal.filter(|_| renews) {
        return problem(code);
    }
    ledger.tokens += 1;
    let claims = claims(&ledger.tokens.to_string(), ledger.token_life);
    let endpoint = |(n, address): (usize, &String)| json!({"manager": format!("i{n}.market-manager"), "address": address});
    Json(json!({
        "term": 1, "revision": 1, "leader": 1, "customer": "acme", "trader": null,
        "token": sign(&claims, NodeId(1), &SigningKey::from_bytes(&[1; 32])),
        "expires_at": claims.expires_at,
        "market_managers": ledger.market_managers.iter().enumerate().map(endpoint).collect::<Vec<_>>(),
        "infrastructure_managers": ledger.members,
        "trader_manager": ledger.trader_manager.as_ref().map(|address| {
            json!({"manager": "i0.trader-manager", "address": address})
        }),
    }))
    .into_response()
}

fn session_of(headers: &HeaderMap) -> String {
    let bearer = headers["authorization"].to_str().unwrap();
    let claims =
        tradewind_protocol::token::claims_unchecked(bearer.strip_prefix("Bearer ").unwrap());
    claims.unwrap().session.to_string()
}

fn is_good(edge: &Edge, headers: &HeaderMap) -> bool {
    session_of(headers).parse::<usize>().unwrap() >= edge.ledger().good_from
}

async fn accounts(State(edge): State<Edge>) -> Json<Value> {
    Json(json!({"accounts": edge.ledger().accounts}))
}

/// As a Broker of which the account is reducing already.
async fn tighten(Path(account): Path<String>, Json(body): Json<Value>) -> Response {
    match body["state"].as_str().unwrap() {
        "active" => problem(Code::Forbidden),
        state => Json(json!({"account": account, "state": state, "version": 7})).into_response(),
    }
}

async fn stream(State(edge): State<Edge>, headers: HeaderMap, asked: WebSocketUpgrade) -> Response {
    if !is_good(&edge, &headers) {
        return problem(Code::Unauthorized);
    }
    asked.on_upgrade(move |socket| serve(edge, socket))
}

async fn say(socket: &mut WebSocket, frame: &Value) {
    // Whether anybody still listens shows at the next read.
    let _ = socket.send(Message::text(frame.to_string())).await;
}

async fn serve(edge: Edge, mut socket: WebSocket) {
    let (number, greeting) = {
        let mut stage = edge.stage();
        stage.connections += 1;
        (stage.connections, stage.greeting)
    };
    if greeting == Greeting::Nothing {
        return std::future::pending().await;
    }
    let (hello, mut home) = edge.stage().hello();
    say(&mut socket, &hello).await;
    if greeting == Greeting::HelloAndGone {
        return;
    }
    let mut sent = Sent::default();
    let mut beat = tokio::time::interval(HEARTBEAT);
    let mut look = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            received = socket.recv() => {
                let Some(Ok(message)) = received else { return };
                let Ok(text) = message.into_text() else { continue };
                let Ok(asked) = serde_json::from_str::<Value>(&text) else { continue };
                subscribed(&edge, &mut socket, &asked, &mut sent).await;
            }
            _ = beat.tick() => {
                push(&edge, &mut socket, &mut sent).await;
                heartbeat(&edge, &mut socket, &sent).await;
            }
            _ = look.tick() => {
                if edge.stage().cut_below > number {
                    return;
                }
                let (hello, at) = edge.stage().hello();
                if at != std::mem::replace(&mut home, at.clone()) {
                    say(&mut socket, &hello).await;
                }
                let goaway = edge.stage().goaway.take();
                if let Some(to) = goaway {
                    say(&mut socket, &json!({"type": "goaway", "reconnect_to": to, "within_ms": 5_000})).await;
                }
                let frames = std::mem::take(&mut edge.stage().says);
                for frame in frames {
                    say(&mut socket, &frame).await;
                }
                push(&edge, &mut socket, &mut sent).await;
            }
        }
    }
}

async fn subscribed(edge: &Edge, socket: &mut WebSocket, asked: &Value, sent: &mut Sent) {
    let channel = asked["channel"].as_str().unwrap_or_default();
    let (stand, source) = {
        let mut ledger = edge.ledger();
        ledger.subscribed.push(asked.clone());
        let stand = match channel {
            "fills" => ledger.fills.len(),
            "orders" => ledger.orders.len(),
            _ => 0,
        };
        (stand, ledger.source)
    };
    let (mode, position) = match asked["from"]["seq"].as_u64() {
        Some(seq) if asked["from"]["epoch"] == source => ("replay", usize::try_from(seq).unwrap()),
        Some(_) => ("snapshot", 0),
        None => ("live", stand),
    };
    // At least once: what was seen last comes again.
    match channel {
        "fills" => sent.fills = Some(position.saturating_sub(1)),
        "orders" => sent.orders = Some(position.saturating_sub(1)),
        _ => {}
    }
    let topic = match asked["account"].as_str() {
        Some(account) => json!({channel: {"account": account}}),
        None => json!({channel: {"instrument": asked["instrument"]}}),
    };
    let position = json!({"epoch": source, "seq": stand});
    say(socket, &json!({"type": "subscribed", "topic": topic, "mode": mode, "position": position}))
        .await;
}

async fn heartbeat(edge: &Edge, socket: &mut WebSocket, sent: &Sent) {
    let source = edge.ledger().source;
    let stand = |channel: &str, seq: usize| {
        let position = json!({"epoch": source, "seq": seq});
        json!({"topic": {channel: {"account": "sim-1"}}, "position": position})
    };
    let fills = sent.fills.map(|seq| stand("fills", seq));
    let orders = stand("orders", sent.orders.unwrap_or(0));
    let streams: Vec<Value> = fills.into_iter().chain([orders]).collect();
    let late = edge.ledger().late_fill.take();
    if let Some(late) = late {
        all_is_read(socket).await;
        edge.ledger().held = true;
        while !edge.ledger().listed {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        edge.ledger().fills.push(late);
    }
    say(socket, &json!({"type": "heartbeat", "time": now(), "streams": streams})).await;
}

/// Returns when the algo has read what was sent so far.
async fn all_is_read(socket: &mut WebSocket) {
    socket.send(Message::Ping("read".into())).await.unwrap();
    while !matches!(socket.recv().await.unwrap().unwrap(), Message::Pong(_)) {}
}
