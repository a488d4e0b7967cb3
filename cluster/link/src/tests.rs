//! Tests over real loopback sockets, and what they share: a server, a client that speaks raw HTTP.
#![allow(clippy::unwrap_used)]

mod listen;
mod misuse;
mod pipe;
mod raw;
mod requests;
mod rest;
mod rights;

use crate::{json::Json, listen as ours, pipe as ours_pipe};
use axum::{Router, extract::ws::WebSocketUpgrade, routing::any};
use futures_util::FutureExt as _;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::{ClusterIncarnation, Epoch, Fence, Incarnation};
use tradewind_protocol::link::{Hello, PROTOCOL};

/// Longer than anything here takes on a loaded machine.
const SOON: Duration = Duration::from_secs(10);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, limits: ours::Limits) -> Self {
        let listener = ours::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(ours::serve(listener, router, limits, stop.clone()));
        Self { address, stop, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// Takes a request with two fields and gives one back.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Echo {
    word: String,
    times: u32,
}

async fn echo(Json(echo): Json<Echo>) -> Json<Echo> {
    Json(echo)
}

type Gate = ours_pipe::Gate<Said, Said>;
type Accepted = ours_pipe::Accepted<Said, Said>;

/// The messages of the pipes under test, both ways.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    Word { n: u64, filling: String },
}

fn word(n: u64) -> Said {
    Said::Word { n, filling: String::new() }
}

/// Timings a test can wait for.
fn quick() -> ours_pipe::Options {
    ours_pipe::Options {
        ping_every: Duration::from_millis(40),
        silence: Duration::from_millis(300),
        dial_within: Duration::from_millis(300),
        redial_first: Duration::from_millis(5),
        redial_max: Duration::from_millis(40),
        ..ours_pipe::Options::default()
    }
}

/// A server with one gate at `/pipe`, for `child` in its life 7.
async fn pipe_server(
    diallers: ours_pipe::Diallers,
    options: ours_pipe::Options,
    limits: ours::Limits,
) -> (Server, Arc<Gate>, mpsc::Receiver<Accepted>) {
    let (gate, accepted) = Gate::new("child", "test", Incarnation(7), diallers, options);
    let at_pipe = gate.clone();
    let router = Router::new()
        .route("/pipe", any(move |up: WebSocketUpgrade| async { ours_pipe::accept(up, at_pipe) }));
    (Server::start(router, limits).await, gate, accepted)
}

fn hello(from: &str, incarnation: u64, epoch: u64) -> Hello {
    Hello {
        protocol: PROTOCOL,
        purpose: "test".to_string(),
        from: from.to_string(),
        to: "child".to_string(),
        incarnation: Incarnation(incarnation),
        fence: Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) },
    }
}

type Dialled = (ours_pipe::Sender<Said>, ours_pipe::Events<Said>);

fn dial(address: SocketAddr, hello: Hello, options: ours_pipe::Options) -> Dialled {
    let target = move || async move { Ok(format!("{address}/pipe")) }.boxed();
    ours_pipe::dial(target, move || hello.clone(), options)
}

/// The next event, which must come soon.
async fn next(events: &mut ours_pipe::Events<Said>) -> Option<ours_pipe::Event<Said>> {
    timeout(SOON, events.next()).await.expect("an event")
}

/// Reads until an event is what is wanted.
async fn until(
    events: &mut ours_pipe::Events<Said>,
    wanted: impl Fn(&ours_pipe::Event<Said>) -> bool,
) -> ours_pipe::Event<Said> {
    loop {
        let event = next(events).await.expect("the pipe goes on");
        if wanted(&event) {
            return event;
        }
    }
}

async fn taken(accepted: &mut mpsc::Receiver<Accepted>) -> Accepted {
    timeout(SOON, accepted.recv()).await.expect("a pipe").expect("the gate lives")
}

/// Waits until a condition holds.
async fn eventually(mut condition: impl FnMut() -> bool) {
    let checked = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, checked).await.expect("the condition holds at last");
}
