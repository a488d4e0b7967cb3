//! A Broker that does as it is told, and the BrokerManager that knows where it is. Speaks the real frames
//! over real pipes; keeps its private events over its own restarts, as a ledger would.
#![allow(clippy::unwrap_used)]

mod tape;

use super::{accepted, epoch, fill_event, quick_pipes, quote};
use axum::{
    Json, Router,
    extract::{State, WebSocketUpgrade},
    routing::get,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    ids::{Fence, Incarnation, InstrumentId, StreamEpoch},
    trading::risk::word::Word,
};
use tradewind_link::{
    listen,
    pipe::{self, Accepted, Diallers, Event, Gate, Sender},
};
use tradewind_protocol::{
    Problem,
    orders::{AccountPositions, CancelTimer},
    stream::{Mode, Position},
    supervision::{ServiceReport, ServiceState},
    trade::{
        CommandAnswer, OrderCommand, Principal, PrivateChannel, PrivateEvent, Seen, TradeDown,
        TradeUp,
    },
};

pub(crate) const SERVICE: &str = "broker.sim-1.0";

/// How commands are answered.
#[derive(Clone)]
pub(crate) enum Answers {
    /// A submit makes an order.
    Created,
    /// A submit finds the order of an earlier one.
    Repeated,
    Refused(Problem),
    Silent,
}

struct Entry {
    seq: u64,
    prev: u64,
    event: PrivateEvent,
}

struct Pipe {
    /// Who has opened it.
    from: String,
    sender: Sender<TradeUp>,
    instruments: BTreeSet<InstrumentId>,
    tapes: BTreeSet<InstrumentId>,
    /// Subscriptions of fills.
    privates: BTreeSet<u64>,
}

pub(crate) struct Scene {
    address: Option<String>,
    lives: u64,
    pub(crate) answers: Answers,
    epoch: StreamEpoch,
    fills: Vec<Entry>,
    pipes: BTreeMap<u64, Pipe>,
    pub(crate) commands: Vec<(Fence, Principal, OrderCommand)>,
    /// And who has sent each.
    pub(crate) senders: Vec<String>,
    /// Numbers of the last trades.
    trades: BTreeMap<InstrumentId, u64>,
    /// How often an instrument was subscribed, by the life of the Broker.
    pub(crate) quote_subscriptions: Vec<(u64, InstrumentId)>,
    /// Sessions that were told as connected, turn by turn.
    pub(crate) present: Vec<Seen>,
    /// Whether orders depend on all of them.
    pub(crate) watches: bool,
    /// From where fills were subscribed.
    pub(crate) resumed: Vec<Option<Position>>,
}

pub(crate) struct Broker {
    scene: Arc<Mutex<Scene>>,
    /// Held while an event or an answer is sent, so that a stream is opened before its first event.
    order: Arc<tokio::sync::Mutex<()>>,
    /// Where its BrokerManager is asked.
    pub(crate) manager: String,
    running: Option<JoinSet<()>>,
    _manager: JoinSet<()>,
}

impl Broker {
    /// A Broker that is known to its Manager and does not run yet.
    pub(crate) async fn new() -> Self {
        let scene = Arc::new(Mutex::new(Scene {
            address: None,
            lives: 0,
            answers: Answers::Created,
            epoch: epoch("ledger-1"),
            fills: Vec::new(),
            pipes: BTreeMap::new(),
            commands: Vec::new(),
            senders: Vec::new(),
            trades: BTreeMap::new(),
            quote_subscriptions: Vec::new(),
            present: Vec::new(),
            watches: false,
            resumed: Vec::new(),
        }));
        let router =
            Router::new().route("/v1/services/{service}", get(report)).with_state(scene.clone());
        let (manager, serving) = serve(router).await;
        let order = Arc::default();
        Self { scene, order, manager, running: None, _manager: serving }
    }

    pub(crate) fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap()
    }

    /// Starts a life on a fresh port.
    pub(crate) async fn start(&mut self) {
        let life = self.scene().lives + 1;
        let (gate, accepted) = Gate::<TradeUp, TradeDown>::new(
            SERVICE,
            "trade",
            Incarnation(life),
            Diallers::Many,
            quick_pipes(),
        );
        let (address, mut running) =
            serve(Router::new().route("/v1/trade", get(trade)).with_state(gate)).await;
        running.spawn(accept(accepted, self.scene.clone(), self.order.clone()));
        self.running = Some(running);
        let mut scene = self.scene();
        (scene.lives, scene.address) = (life, Some(address));
    }

    /// Ends the life as a crash would: all pipes are gone, nobody listens.
    pub(crate) async fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.shutdown().await;
        }
        self.scene().pipes.clear();
    }

    /// Whether someone is subscribed to the instrument in this life.
    pub(crate) fn is_subscribed(&self, instrument: &InstrumentId) -> bool {
        self.scene().pipes.values().any(|pipe| pipe.instruments.contains(instrument))
    }

    pub(crate) fn has_private_subscriber(&self) -> bool {
        self.scene().pipes.values().any(|pipe| !pipe.privates.is_empty())
    }

    /// Sends a quote with that number to whoever subscribed.
    pub(crate) fn quote(&self, instrument: &InstrumentId, seq: u64) {
        let scene = self.scene();
        let epoch = epoch(&format!("source-{}", scene.lives));
        for pipe in scene.pipes.values().filter(|pipe| pipe.instruments.contains(instrument)) {
            let (instrument, epoch, quote) = (instrument.clone(), epoch.clone(), quote(seq));
            let _ = pipe.sender.try_send(TradeUp::Quote { instrument, epoch, seq, quote });
        }
    }

    /// Writes the next fill into the ledger and sends it to whoever subscribed; waits for room.
    pub(crate) async fn fill(&self) {
        let _in_order = self.order.lock().await;
        let (sends, frames) = {
            let mut scene = self.scene();
            // Orders have numbers in between: a channel's own go up by two.
            let prev = scene.fills.last().map_or(0, |entry| entry.seq);
            let seq = prev + 2;
            let event = fill_event(seq);
            scene.fills.push(Entry { seq, prev, event: event.clone() });
            let epoch = scene.epoch.clone();
            let numbered = |subscription| TradeUp::Private {
                subscription,
                epoch: epoch.clone(),
                seq,
                prev,
                event: event.clone(),
            };
            let mut sends = Vec::new();
            let mut frames = Vec::new();
            for pipe in scene.pipes.values() {
                for subscription in &pipe.privates {
                    sends.push(pipe.sender.clone());
                    frames.push(numbered(*subscription));
                }
            }
            (sends, frames)
        };
        for (sender, frame) in sends.into_iter().zip(frames) {
            let _ = sender.send(frame).await;
        }
    }

    /// The ledger is lost and rebuilt: other numbers, the same fills.
    pub(crate) fn rebuild(&self) {
        let mut scene = self.scene();
        scene.epoch = epoch("ledger-2");
        for (at, entry) in scene.fills.iter_mut().enumerate() {
            (entry.prev, entry.seq) = (at as u64, at as u64 + 1);
        }
    }
}

async fn serve(router: Router) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let token = CancellationToken::new();
    let serving = listen::serve(listener, router, listen::Limits::default(), token);
    (address, JoinSet::from_iter([serving]))
}

async fn report(State(scene): State<Arc<Mutex<Scene>>>) -> Json<ServiceReport> {
    let address = scene.lock().unwrap().address.clone();
    Json(ServiceReport {
        service: SERVICE.parse().unwrap(),
        state: ServiceState::Live,
        detail: String::new(),
        incarnation: None,
        pid: None,
        address,
        crashes: 0,
        handed_back: None,
        fenced: Default::default(),
        venue: None,
        ledger: None,
    })
}

async fn trade(
    State(gate): State<Arc<Gate<TradeUp, TradeDown>>>,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    pipe::accept(upgrade, gate)
}

async fn accept(
    mut accepted: mpsc::Receiver<Accepted<TradeUp, TradeDown>>,
    scene: Arc<Mutex<Scene>>,
    order: Arc<tokio::sync::Mutex<()>>,
) {
    let mut pipes = JoinSet::new();
    let mut number = 0;
    while let Some(Accepted { sender, mut events, hello }) = accepted.recv().await {
        number += 1;
        let (id, scene, order) = (number, scene.clone(), order.clone());
        let pipe = Pipe {
            from: hello.from,
            sender: sender.clone(),
            instruments: BTreeSet::new(),
            tapes: BTreeSet::new(),
            privates: BTreeSet::new(),
        };
        scene.lock().unwrap().pipes.insert(id, pipe);
        pipes.spawn(async move {
            while let Some(Event::Message(frame)) = events.next().await {
                let _in_order = order.lock().await;
                let answers = scene.lock().unwrap().take(id, frame);
                for answer in answers {
                    let _ = sender.send(answer).await;
                }
            }
            scene.lock().unwrap().pipes.remove(&id);
        });
    }
}

impl Scene {
    /// Whether no Market has a pipe.
    pub(crate) fn is_left(&self) -> bool {
        self.pipes.is_empty()
    }

    fn take(&mut self, pipe: u64, frame: TradeDown) -> Vec<TradeUp> {
        let Some(pipe) = self.pipes.get_mut(&pipe) else { return Vec::new() };
        match frame {
            TradeDown::SubscribeQuotes { instrument } => {
                self.quote_subscriptions.push((self.lives, instrument.clone()));
                pipe.instruments.insert(instrument);
            }
            TradeDown::UnsubscribeQuotes { instrument } => {
                pipe.instruments.remove(&instrument);
            }
            TradeDown::SubscribeTrades { instrument } => {
                let seq = self.trades.get(&instrument).copied().unwrap_or_default();
                pipe.tapes.insert(instrument.clone());
                let epoch = epoch(&format!("source-{}", self.lives));
                return vec![TradeUp::TradesStand { instrument, epoch, seq }];
            }
            TradeDown::UnsubscribeTrades { instrument } => {
                pipe.tapes.remove(&instrument);
            }
            TradeDown::SubscribePrivate { subscription, channel, from, .. } => {
                if channel == PrivateChannel::Orders {
                    return vec![self.opened(subscription, Mode::Live)];
                }
                pipe.privates.insert(subscription);
                self.resumed.push(from.clone());
                return self.replay(subscription, from);
            }
            TradeDown::UnsubscribePrivate { subscription } => {
                pipe.privates.remove(&subscription);
            }
            TradeDown::Present { request, account: _, sessions } => {
                let watched = sessions.iter().filter(|_| self.watches);
                let sessions_of = watched.map(|seen| seen.session.clone()).collect();
                self.present.extend(sessions);
                if matches!(self.answers, Answers::Silent) {
                    return Vec::new();
                }
                let answer = CommandAnswer::Watched { sessions: sessions_of };
                return vec![TradeUp::Answer { request, answer }];
            }
            TradeDown::Command { request, fence, principal, command, routed: _ } => {
                let from = pipe.from.clone();
                self.senders.push(from);
                let answer = self.answer(&command);
                self.commands.push((fence, principal, command));
                return answer
                    .map(|answer| TradeUp::Answer { request, answer })
                    .into_iter()
                    .collect();
            }
        }
        Vec::new()
    }

    fn opened(&self, subscription: u64, mode: Mode) -> TradeUp {
        let seq = self.fills.last().map_or(0, |entry| entry.seq);
        let position = Position { epoch: self.epoch.clone(), seq };
        TradeUp::PrivateOpened { subscription, mode, position }
    }

    fn replay(&self, subscription: u64, from: Option<Position>) -> Vec<TradeUp> {
        let (mode, after) = match from {
            None => (Mode::Live, u64::MAX),
            Some(from) if from.epoch == self.epoch => (Mode::Replay, from.seq),
            Some(_) => (Mode::Snapshot, 0),
        };
        let kept = self.fills.iter().filter(|entry| entry.seq > after);
        let frames = kept.map(|entry| TradeUp::Private {
            subscription,
            epoch: self.epoch.clone(),
            seq: entry.seq,
            prev: entry.prev,
            event: entry.event.clone(),
        });
        std::iter::once(self.opened(subscription, mode)).chain(frames).collect()
    }

    fn answer(&self, command: &OrderCommand) -> Option<CommandAnswer> {
        let created = match &self.answers {
            Answers::Created => true,
            Answers::Repeated => false,
            Answers::Refused(problem) => {
                return Some(CommandAnswer::Problem { problem: problem.clone() });
            }
            Answers::Silent => return None,
        };
        let named = |name: &str| Box::new(accepted(&super::new_order(name)));
        Some(match command {
            OrderCommand::Submit { order, .. } => {
                CommandAnswer::Order { order: Box::new(accepted(order)), created }
            }
            OrderCommand::Cancel { .. }
            | OrderCommand::Get { .. }
            | OrderCommand::Replace { .. } => {
                CommandAnswer::Order { order: named("1"), created: false }
            }
            OrderCommand::List { .. } => CommandAnswer::Orders { orders: vec![*named("1")] },
            OrderCommand::Fills { .. } => CommandAnswer::Fills { fills: Vec::new() },
            OrderCommand::Positions { account } => CommandAnswer::Positions {
                positions: AccountPositions {
                    account: account.clone(),
                    as_of: Position { epoch: self.epoch.clone(), seq: 3 },
                    positions: Vec::new(),
                },
            },
            OrderCommand::CancelAllAfter { account, .. } => CommandAnswer::CancelTimer {
                timer: CancelTimer { account: account.clone(), cancel_at: None },
            },
            OrderCommand::Tighten { account, state } => CommandAnswer::TradingState {
                account: account.clone(),
                word: Word { state: *state, version: 7 },
            },
        })
    }
}
