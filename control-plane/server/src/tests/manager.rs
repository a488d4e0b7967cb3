//! A Manager as its leader sees it: takes the pipe, beats, and remembers what it was told; to other members it says who it
//! is. The real one is `data-plane/node`'s, which this crate never names.

use super::group::{Group, SOON};
use axum::{Json, Router, extract::ws::WebSocketUpgrade, routing::get};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet, time::interval};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{Desired, telling::Assembly},
    ids::{Fence, Incarnation, ManagerId},
};
use tradewind_link::{
    listen,
    pipe::{self, Accepted, Diallers, Event, Gate},
};
use tradewind_protocol::{
    check_in::{ManagerCheckIn, ManagerCheckedIn},
    supervision::{FromManager, ServiceReport, ToManager},
};

#[derive(Default)]
pub(super) struct Told {
    pub(super) desired: Option<Desired>,
    pub(super) answered: u64,
    /// Of these, on a pipe on which nothing was told before.
    pub(super) answered_untold: u64,
    /// The right that the latest leader to dial has shown.
    pub(super) leader: Option<Fence>,
}

pub(super) struct Manager {
    pub(super) id: ManagerId,
    pub(super) told: Arc<Mutex<Told>>,
    pub(super) checked_in: ManagerCheckedIn,
    /// Cleared: the Manager stands still and says nothing.
    beats: Arc<Mutex<bool>>,
    /// How many it says to hold.
    pub(super) sessions: Arc<Mutex<u64>>,
    /// What it says of the services below it.
    pub(super) services: Arc<Mutex<Vec<ServiceReport>>>,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Manager {
    pub(super) async fn check_in(group: &Group, id: &str, incarnation: u64) -> Self {
        Self::at("127.0.0.1", group, id, incarnation).await
    }

    /// The same on a machine of this address.
    pub(super) async fn at(host: &str, group: &Group, id: &str, incarnation: u64) -> Self {
        let (id, incarnation) = (id.parse::<ManagerId>().unwrap(), Incarnation(incarnation));
        let (gate, accepted) = Gate::<FromManager, ToManager>::new(
            id.to_string(),
            "manager",
            incarnation,
            Diallers::One,
            pipe::Options::default(),
        );
        let listener = listen::bind(format!("{host}:0").parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let upgrade = move |upgrade: WebSocketUpgrade| {
            let gate = gate.clone();
            async move { pipe::accept(upgrade, gate) }
        };
        let itself = Json(json!({ "manager": id, "incarnation": incarnation }));
        let status = async move || itself;
        let router = Router::new().route("/v1/pipe", get(upgrade)).route("/v1/status", get(status));
        let (told, beats) = (Arc::new(Mutex::new(Told::default())), Arc::new(Mutex::new(true)));
        let sessions = Arc::new(Mutex::new(5));
        let services = Arc::new(Mutex::new(Vec::new()));
        let says =
            Says { beats: beats.clone(), sessions: sessions.clone(), services: services.clone() };
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let limits = listen::Limits::default();
        tasks.spawn(listen::serve(listener, router, limits, shutdown.clone()));
        tasks.spawn(own(accepted, told.clone(), says));
        let check_in = ManagerCheckIn {
            manager: id.clone(),
            location: "here".parse().unwrap(),
            address,
            incarnation,
            capacity: 1_000,
            services: vec![],
            disk: None,
            node: None,
            level: Some(tradewind_domain::control::level::FeatureLevel::KNOWN),
        };
        let answer = group.client().check_in(&check_in, &group.keys.next(), SOON).await;
        let checked_in = answer.accepted().unwrap();
        Self { id, told, checked_in, beats, sessions, services, shutdown, tasks }
    }

    pub(super) fn desired(&self) -> Option<Desired> {
        self.told.lock().unwrap().desired.clone()
    }

    pub(super) fn answered(&self) -> u64 {
        self.told.lock().unwrap().answered
    }

    pub(super) fn stand_still(&self) {
        *self.beats.lock().unwrap() = false;
    }

    pub(super) fn go_on(&self) {
        *self.beats.lock().unwrap() = true;
    }

    /// Its sockets close and nobody listens there any more.
    pub(super) async fn die(mut self) {
        self.shutdown.cancel();
        self.tasks.shutdown().await;
    }
}

/// What its beats say, and whether there are any.
#[derive(Clone)]
struct Says {
    beats: Arc<Mutex<bool>>,
    sessions: Arc<Mutex<u64>>,
    services: Arc<Mutex<Vec<ServiceReport>>>,
}

async fn own(
    mut accepted: mpsc::Receiver<Accepted<FromManager, ToManager>>,
    told: Arc<Mutex<Told>>,
    says: Says,
) {
    let mut pipes = JoinSet::new();
    while let Some(pipe) = accepted.recv().await {
        pipes.spawn(serve(pipe, told.clone(), says.clone()));
    }
}

async fn serve(mut pipe: Accepted<FromManager, ToManager>, told: Arc<Mutex<Told>>, says: Says) {
    told.lock().unwrap().leader = Some(pipe.hello.fence);
    let mut beat = interval(Duration::from_millis(50));
    let (mut n, mut heard, mut said) = (0, false, None);
    let mut assembly = Assembly::default();
    loop {
        tokio::select! {
            _ = beat.tick() => if *says.beats.lock().unwrap() {
                n += 1;
                let services = says.services.lock().unwrap().clone();
                let sessions = *says.sessions.lock().unwrap();
                let cordons = told.lock().unwrap().desired.as_ref().map(|d| d.cordons.clone());
                let cordons = cordons.unwrap_or_default();
                let beat = if said.as_ref() == Some(&(services.clone(), cordons.clone())) {
                    FromManager::StillBeat { n, sessions }
                } else {
                    said = Some((services.clone(), cordons.clone()));
                    FromManager::Beat { n, services, sessions, cordons }
                };
                let _ = pipe.sender.try_send(beat);
            },
            event = pipe.events.next() => match event {
                Some(Event::Message(ToManager::Desired { part })) => {
                    if let Some(desired) = assembly.take(part).unwrap() {
                        heard = true;
                        told.lock().unwrap().desired = Some(desired);
                    }
                }
                Some(Event::Message(ToManager::BeatAnswer { .. })) => {
                    let mut told = told.lock().unwrap();
                    told.answered += 1;
                    told.answered_untold += u64::from(!heard);
                }
                Some(Event::Up { .. }) => {}
                Some(Event::Down(_)) | None => return,
            }
        }
    }
}
