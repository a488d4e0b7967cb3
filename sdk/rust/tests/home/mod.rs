//! A scripted TraderManager on a real socket. Decides nothing: tests set whom it lets in and what it says, and read who came.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use axum::{
    Json, Router,
    extract::{
        RawQuery, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::{net::TcpListener, sync::broadcast, task::JoinHandle};
use tradewind_protocol::{
    Problem,
    attach::{AttachedAccess, FromTrader, Misdirected, ToTrader, Wish},
    domain::ids::Epoch,
};

#[derive(Default)]
pub struct Stage {
    /// Queries of those who came, in order.
    pub came: Vec<String>,
    /// Whoever comes next is refused with these.
    pub refusals: Vec<Problem>,
    /// Where whoever is misdirected belongs.
    pub reconnect_to: Vec<String>,
    /// What whoever comes is told at once, after hello.
    pub greeting: Vec<ToTrader>,
    pub beats: Vec<FromTrader>,
}

#[derive(Clone)]
pub struct Home {
    pub address: String,
    stage: Arc<Mutex<Stage>>,
    /// To whoever is connected; `None` cuts.
    say: broadcast::Sender<Option<ToTrader>>,
    server: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Home {
    /// Who is let in is attached under epoch 5, with what this says.
    pub async fn start(token: String, market_managers: Vec<String>) -> Self {
        Self::start_at("127.0.0.1:0", token, market_managers).await
    }

    pub async fn start_at(at: &str, session_token: String, market_managers: Vec<String>) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let access =
            AttachedAccess { session_token, market_managers, infrastructure_managers: Vec::new() };
        let (customer, epoch) = ("acme".parse().unwrap(), Epoch(5));
        let greeting = vec![
            ToTrader::Waiting { detail: "for Brokers".to_owned() },
            ToTrader::Attached { customer, epoch, wish: Wish::Run },
            ToTrader::Access { access },
        ];
        let stage = Stage { greeting, ..Stage::default() };
        let home = Self {
            address: listener.local_addr().unwrap().to_string(),
            stage: Arc::new(Mutex::new(stage)),
            say: broadcast::Sender::new(16),
            server: Arc::default(),
        };
        let routes = Router::new().route("/v1/attach", get(attach)).with_state(home.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        *home.server.lock().unwrap() = Some(serving);
        home
    }

    pub fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap()
    }

    /// Whoever comes from now on is given these to trade with.
    pub fn give(&self, market_managers: Vec<String>) {
        for frame in &mut self.stage().greeting {
            if let ToTrader::Access { access } = frame {
                access.market_managers.clone_from(&market_managers);
            }
        }
    }

    pub fn say(&self, frame: ToTrader) {
        self.say.send(Some(frame)).unwrap();
    }

    pub fn cut(&self) {
        let _ = self.say.send(None);
    }

    /// Nobody is listening any more.
    pub async fn leave(&self) {
        let server = self.server.lock().unwrap().take().unwrap();
        server.abort();
        let _ = server.await;
        self.cut();
    }
}

async fn attach(
    State(home): State<Home>,
    RawQuery(query): RawQuery,
    asked: WebSocketUpgrade,
) -> Response {
    let refusal = {
        let mut stage = home.stage();
        stage.came.push(query.unwrap_or_default());
        let (refused, reconnect_to) = (!stage.refusals.is_empty(), stage.reconnect_to.clone());
        refused.then(|| Misdirected { problem: stage.refusals.remove(0), reconnect_to })
    };
    match refusal {
        Some(told) => {
            (StatusCode::from_u16(told.problem.status).unwrap(), Json(told)).into_response()
        }
        None => {
            let told = home.say.subscribe();
            asked.on_upgrade(move |socket| serve(home, told, socket))
        }
    }
}

async fn send(socket: &mut WebSocket, frame: &ToTrader) {
    // Whether anybody still listens shows at the next read.
    let _ = socket.send(Message::text(serde_json::to_string(frame).unwrap())).await;
}

async fn serve(home: Home, mut told: broadcast::Receiver<Option<ToTrader>>, mut socket: WebSocket) {
    let manager = "i0.trader-manager".parse().unwrap();
    send(&mut socket, &ToTrader::Hello { manager, beat_ms: 1_000 }).await;
    let greeting = home.stage().greeting.clone();
    for frame in &greeting {
        send(&mut socket, frame).await;
    }
    loop {
        tokio::select! {
            said = told.recv() => match said {
                Ok(Some(frame)) => send(&mut socket, &frame).await,
                Ok(None) | Err(_) => return,
            },
            received = socket.recv() => {
                let Some(Ok(message)) = received else { return };
                let Ok(text) = message.into_text() else { continue };
                let Ok(beat) = serde_json::from_str::<FromTrader>(&text) else { continue };
                let FromTrader::Beat { n, .. } = &beat;
                let n = *n;
                home.stage().beats.push(beat);
                send(&mut socket, &ToTrader::BeatAnswer { n }).await;
            }
        }
    }
}
