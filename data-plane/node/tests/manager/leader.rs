//! Plays the leader over the real protocol: takes check-ins by REST, opens the pipe, tells the desired
//! state and answers beats.

use axum::{Router, extract::State, routing::post};
use futures_util::FutureExt as _;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tradewind_domain::{
    control::{Desired, telling::Part},
    ids::{Epoch, Fence, Incarnation, ManagerId},
};
use tradewind_link::{
    Failure,
    json::Json,
    listen,
    pipe::{self, Event},
};
use tradewind_protocol::{
    Code,
    check_in::{ManagerCheckIn, ManagerCheckedIn},
    control::Stand,
    link::{Hello, PROTOCOL},
    supervision::{FromManager, ServiceReport, ServiceState, ToManager},
};

#[derive(Default)]
struct Known {
    /// Where the Manager said it is.
    manager: watch::Sender<Option<String>>,
    desired: watch::Sender<Option<Desired>>,
    answering: watch::Sender<bool>,
    /// Check-ins are turned away.
    electing: watch::Sender<bool>,
    /// How often its pipe stood.
    dialled: watch::Sender<u32>,
    heard: Mutex<BTreeMap<String, ServiceReport>>,
    /// Beats that told everything.
    full: watch::Sender<u64>,
    /// Beats that told nothing anew.
    still: watch::Sender<u64>,
    /// Check-ins are answered with this.
    refusing: watch::Sender<Option<Code>>,
}

pub(crate) struct Leader {
    pub(crate) address: String,
    known: Arc<Known>,
    _end: DropGuard,
}

// Each test program uses what it needs of it.
#[allow(dead_code)]
impl Leader {
    /// `beside` are routes of the member beside the check-in.
    pub(crate) async fn start(manager: ManagerId, fence: Fence, beside: Router) -> Self {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let known = Arc::new(Known::default());
        known.answering.send_replace(true);
        let router = Router::new()
            .route(
                "/v1/managers/check-in",
                post(move |State(known): State<Arc<Known>>, Json(ask): Json<ManagerCheckIn>| async move {
                    known.manager.send_replace(Some(ask.address));
                    if let Some(code) = *known.refusing.borrow() {
                        return Err(Failure::new(code, "as the group would"));
                    }
                    if *known.electing.borrow() {
                        return Err(Failure::new(Code::Unavailable, "an election is going on"));
                    }
                    let stand = Stand::default();
                    Ok(Json(ManagerCheckedIn { stand, fence, members: Vec::new() }))
                }),
            )
            .with_state(known.clone())
            .merge(beside);
        let end = CancellationToken::new();
        tokio::spawn(listen::serve(listener, router, listen::Limits::default(), end.clone()));
        let lead = lead(known.clone(), manager, fence);
        tokio::spawn(end.clone().run_until_cancelled_owned(lead));
        Self { address, known, _end: end.drop_guard() }
    }

    pub(crate) fn tell(&self, desired: Desired) {
        self.known.desired.send_replace(Some(desired));
    }

    pub(crate) fn answer_beats(&self, answer: bool) {
        self.known.answering.send_replace(answer);
    }

    pub(crate) fn elect(&self, electing: bool) {
        self.known.electing.send_replace(electing);
    }

    /// Check-ins are answered with this.
    pub(crate) fn refuse(&self, code: Code) {
        self.known.refusing.send_replace(Some(code));
    }

    /// How often its pipe stood.
    pub(crate) fn dialled(&self) -> u32 {
        *self.known.dialled.borrow()
    }

    /// Beats that told everything.
    pub(crate) fn full_beats(&self) -> u64 {
        *self.known.full.borrow()
    }

    /// Beats that told nothing anew.
    pub(crate) fn still_beats(&self) -> u64 {
        *self.known.still.borrow()
    }

    /// The state of a service in the last beat.
    pub(crate) fn heard_of(&self, service: &str) -> Option<ServiceState> {
        self.report(service).map(|report| report.state)
    }

    /// A service in the last beat.
    pub(crate) fn report(&self, service: &str) -> Option<ServiceReport> {
        self.known.heard.lock().unwrap().get(service).cloned()
    }
}

async fn lead(known: Arc<Known>, manager: ManagerId, fence: Fence) {
    let (mut told, mut desired) = (known.manager.subscribe(), known.desired.subscribe());
    let address = told.wait_for(Option::is_some).await.unwrap().clone();
    drop(address);
    let here = told.clone();
    let target = move || {
        let address = here.borrow().clone().unwrap();
        async move { Ok(format!("{address}/v1/pipe")) }.boxed()
    };
    let hello = move || Hello {
        protocol: PROTOCOL,
        purpose: "manager".to_string(),
        from: "infrastructure-manager.1".to_string(),
        to: manager.to_string(),
        incarnation: Incarnation(1),
        fence: Fence { epoch: Epoch(1), ..fence },
    };
    let (sender, mut events) =
        pipe::dial::<ToManager, FromManager>(target, hello, pipe::Options::default());
    loop {
        tokio::select! {
            event = events.next() => match event.unwrap() {
                Event::Up { .. } => {
                    known.dialled.send_modify(|times| *times += 1);
                    desired.mark_changed();
                }
                Event::Message(beat) => {
                    let n = match beat {
                        FromManager::Beat { n, services, .. } => {
                            known.full.send_modify(|beats| *beats += 1);
                            *known.heard.lock().unwrap() =
                                services.into_iter().map(|r| (r.service.to_string(), r)).collect();
                            n
                        }
                        FromManager::StillBeat { n, .. } => {
                            known.still.send_modify(|beats| *beats += 1);
                            n
                        }
                    };
                    if *known.answering.borrow() {
                        let _ = sender.try_send(ToManager::BeatAnswer { n });
                    }
                }
                Event::Down(_) => {}
            },
            _ = desired.changed() => {
                let desired = desired.borrow_and_update().clone();
                if let Some(desired) = desired {
                    let part = Part::whole_of(&desired);
                    let _ = sender.try_send(ToManager::Desired { part });
                }
            }
        }
    }
}
