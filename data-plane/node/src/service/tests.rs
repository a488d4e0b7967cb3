//! Claims about a service's shell, over real sockets; the Manager is played here.

#![allow(clippy::unwrap_used)]
use super::*;
use axum::{Router, routing::post};
use futures_util::FutureExt as _;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::BrokerWanted,
    ids::{ClusterIncarnation, Epoch, Fence, Incarnation},
};
use tradewind_link::{
    json::Json,
    listen,
    pipe::{self, Event, Events, Lost, Sender},
};
use tradewind_protocol::{
    Code,
    check_in::{ServiceCheckIn, ServiceCheckedIn},
    link::{Hello, PROTOCOL},
    supervision::{Configuration, FromService, ServiceState, ToService},
};

mod alone;
mod strangers;

const PATIENCE: Duration = Duration::from_secs(10);

/// A Manager that takes every check-in and opens pipes when it is told to.
struct Manager {
    address: String,
    check_ins: mpsc::Receiver<ServiceCheckIn>,
    _end: tokio_util::sync::DropGuard,
}

impl Manager {
    async fn start() -> Self {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (told, check_ins) = mpsc::channel(64);
        let take = post(move |Json(ask): Json<ServiceCheckIn>| async move {
            told.send(ask).await.unwrap();
            Json(ServiceCheckedIn { manager_incarnation: Incarnation(1) })
        });
        let router = Router::new().route("/v1/services/check-in", take);
        let end = CancellationToken::new();
        tokio::spawn(listen::serve(listener, router, listen::Limits::default(), end.clone()));
        Self { address, check_ins, _end: end.drop_guard() }
    }

    async fn checked_in(&mut self) -> ServiceCheckIn {
        timeout(PATIENCE, self.check_ins.recv()).await.unwrap().unwrap()
    }
}

fn dial(address: String, epoch: u64) -> (Sender<ToService>, Events<FromService>) {
    dial_as("a1.broker-manager", "broker.sim-1.0", address, epoch)
}

fn dial_as(
    from: &'static str,
    to: &'static str,
    address: String,
    epoch: u64,
) -> (Sender<ToService>, Events<FromService>) {
    present(None, from, to, address, epoch)
}

fn present(
    secret: Option<&str>,
    from: &'static str,
    to: &'static str,
    address: String,
    epoch: u64,
) -> (Sender<ToService>, Events<FromService>) {
    let hello = move || Hello {
        protocol: PROTOCOL,
        purpose: "service".to_string(),
        from: from.to_string(),
        to: to.to_string(),
        incarnation: Incarnation(1),
        fence: fence(epoch),
    };
    let target = move || {
        let url = format!("{address}/v1/pipe");
        async move { Ok(url) }.boxed()
    };
    let secret = secret.map(ToOwned::to_owned);
    pipe::dial_with_secret(secret, target, hello, pipe::Options::default())
}

fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(7), epoch: Epoch(epoch) }
}

fn configure(epoch: u64) -> ToService {
    let wanted = BrokerWanted {
        account: "sim-1".parse().unwrap(),
        shard: 0,
        fence: fence(epoch),
        venue: "sim".parse().unwrap(),
        adapter: "sim".to_string(),
        endpoint: String::new(),
        customers: BTreeSet::new(),
        fences: Vec::new(),
        controls: Default::default(),
        copies: None,
    };
    ToService::Configure { configuration: Configuration::Broker { wanted } }
}

/// Waits for an event that `wanted` takes; others are passed over.
async fn until<T>(
    events: &mut Events<FromService>,
    wanted: impl Fn(Event<FromService>) -> Option<T>,
) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(events.next().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(PATIENCE, found).await.expect("the event did not come in time")
}

async fn until_says(events: &mut Events<FromService>, words: &str) {
    until(events, |event| match event {
        Event::Message(FromService::Beat { state: ServiceState::Live, detail, .. }) => {
            (detail == words).then_some(())
        }
        _ => None,
    })
    .await;
}

struct World {
    manager: Manager,
    service: JoinHandle<Result<(), Error>>,
    address: String,
    shutdown: CancellationToken,
    _dir: tempfile::TempDir,
}

impl World {
    /// A service that says each configuration's epoch, and has checked in.
    async fn start(adopted_within: Duration) -> Self {
        Self::start_as("broker.sim-1.0", adopted_within).await
    }

    async fn start_as(id: &str, adopted_within: Duration) -> Self {
        Self::start_knowing(None, id, adopted_within).await
    }

    /// The same of one that was given what its Manager presents.
    async fn start_knowing(secret: Option<&str>, id: &str, adopted_within: Duration) -> Self {
        let mut manager = Manager::start().await;
        let dir = tempfile::tempdir().unwrap();
        let id = id.parse().unwrap();
        let (address, state) = (manager.address.clone(), dir.path().to_path_buf());
        let mut context = Context::new(id, address, "secret".to_string(), state).unwrap();
        context.pipe_token = secret.map(ToOwned::to_owned);
        context.adopted_within = adopted_within;
        (context.asks_every, context.asks_within) =
            (Duration::from_millis(20), Duration::from_millis(100));
        let shutdown = CancellationToken::new();
        let work = |mut told: tokio::sync::watch::Receiver<Option<Configuration>>,
                    reporter: StateReporter,
                    stop: CancellationToken| async move {
            while stop.run_until_cancelled(told.changed()).await.is_some() {
                match &*told.borrow_and_update() {
                    Some(Configuration::Broker { wanted }) => {
                        if wanted.fence.epoch == Epoch(666) {
                            return Err("its ledger is damaged".into());
                        }
                        reporter.live(wanted.fence.epoch.to_string());
                    }
                    Some(_) => reporter.live("told"),
                    None => {}
                }
            }
            Ok(())
        };
        let service = tokio::spawn(run(context, Router::new(), work, shutdown.clone()));
        let check_in = manager.checked_in().await;
        assert_eq!(check_in.token, "secret");
        Self { manager, service, address: check_in.address, shutdown, _dir: dir }
    }

    async fn ended(self) -> Result<(), Error> {
        timeout(PATIENCE, self.service).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_configuration_of_a_lower_epoch_is_ignored_and_a_stop_is_obeyed() {
    // given
    let world = World::start(PATIENCE).await;
    let (sender, mut events) = dial(world.address.clone(), 5);
    until(&mut events, |event| matches!(event, Event::Up { .. }).then_some(())).await;
    // when
    sender.send(configure(5)).await.unwrap();
    until_says(&mut events, "5").await;
    sender.send(configure(4)).await.unwrap();
    sender.send(configure(6)).await.unwrap();
    // then: had the 4 counted it would have been said before the 6
    until(&mut events, |event| match event {
        Event::Message(FromService::Beat { detail, .. }) => {
            assert_ne!(detail, "4");
            (detail == "6").then_some(())
        }
        _ => None,
    })
    .await;
    // when, then
    sender.send(ToService::Stop).await.unwrap();
    assert!(world.ended().await.is_ok());
}

#[tokio::test]
async fn a_manager_of_a_lower_epoch_is_not_let_in() {
    // given
    let world = World::start(PATIENCE).await;
    let (_sender, mut events) = dial(world.address.clone(), 5);
    until(&mut events, |event| matches!(event, Event::Up { .. }).then_some(())).await;
    // when
    let (_late, mut late_events) = dial(world.address.clone(), 4);
    // then
    let problem = until(&mut late_events, |event| match event {
        Event::Down(Lost::RefusedBy(problem)) => Some(problem),
        _ => None,
    })
    .await;
    assert_eq!(problem.code, Code::StaleEpoch);
    world.shutdown.cancel();
    assert!(world.ended().await.is_ok());
}

#[tokio::test]
async fn a_service_whose_pipe_is_lost_goes_on_and_checks_in_again() {
    // given
    let mut world = World::start(PATIENCE).await;
    let (sender, mut events) = dial(world.address.clone(), 5);
    until(&mut events, |event| matches!(event, Event::Up { .. }).then_some(())).await;
    sender.send(configure(5)).await.unwrap();
    until_says(&mut events, "5").await;
    // when
    drop((sender, events));
    // then
    let again = world.manager.checked_in().await;
    assert_eq!(again.address, world.address);
    let (_sender, mut events) = dial(again.address, 5);
    until_says(&mut events, "5").await;
    world.shutdown.cancel();
    assert!(world.ended().await.is_ok());
}

#[tokio::test]
async fn a_service_that_no_manager_comes_for_stops_itself() {
    let begun = Instant::now();
    let world = World::start(Duration::from_millis(300)).await;
    assert!(matches!(world.ended().await, Err(Error::Abandoned)));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn work_that_fails_ends_the_service_with_its_reason() {
    let world = World::start(PATIENCE).await;
    let (sender, mut events) = dial(world.address.clone(), 5);
    until(&mut events, |event| matches!(event, Event::Up { .. }).then_some(())).await;
    sender.send(configure(666)).await.unwrap();
    let error = world.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "its work failed: its ledger is damaged");
}
