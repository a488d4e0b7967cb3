//! What a service tells of itself by HTTP: `/livez`, `/readyz`, `/metrics`. Decides that it is ready once its Manager has
//! told it what to be; how it stands with its Manager is said with `?verbose` and does not make it less ready.

use super::{door::Refused, right::Standing};
use crate::{
    health::{Options, answer, check, livez, warn},
    metrics::{self, Figures},
};
use axum::{Router, extract::State, response::Response, routing::get};
use std::sync::atomic::Ordering;
use tokio::sync::watch;
use tradewind_link::json::Query;
use tradewind_protocol::supervision::{Configuration, ServiceState};

type Said = watch::Receiver<(ServiceState, String)>;

#[derive(Clone)]
pub(super) struct Seen {
    pub(super) configured: watch::Receiver<Option<Configuration>>,
    pub(super) said: Said,
    pub(super) standing: watch::Receiver<Standing>,
    pub(super) refused: Refused,
}

pub(super) fn routes(seen: Seen) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(figures))
        .with_state(seen)
}

async fn readyz(State(seen): State<Seen>, Query(options): Query<Options>) -> Response {
    let told = seen.configured.borrow().is_some();
    let standing = *seen.standing.borrow();
    let (state, detail) = seen.said.borrow().clone();
    let word = |good, is, is_not: &str| if good { is } else { is_not.to_owned() };
    let (configured, not) =
        ("its Manager has configured it".to_owned(), "not yet configured by its Manager");
    let checks = vec![
        check("configured", told, word(told, configured, not)),
        warn(
            "manager",
            standing.pipe,
            word(standing.pipe, "its Manager's pipe is up".to_owned(), "no Manager's pipe is up"),
        ),
        warn(
            "confirmed",
            standing.confirmed,
            format!("fenced {} times since its start", standing.fences),
        ),
        warn("state", state == ServiceState::Live, detail),
    ];
    answer(&options, checks)
}

async fn figures(State(seen): State<Seen>) -> Response {
    let standing = *seen.standing.borrow();
    let mut to = Figures::default();
    let live = u64::from(seen.said.borrow().0 == ServiceState::Live);
    to.gauge("service_live", "1 while it is at work", live);
    let told = u64::from(seen.configured.borrow().is_some());
    to.gauge("service_configured", "1 once its Manager has said what it is to be", told);
    to.gauge("service_manager_pipe", "1 while its Manager's pipe is up", standing.pipe.into());
    let help = "1 while its Manager, and a leader behind it, are sure of its right";
    to.gauge("service_confirmed", help, standing.confirmed.into());
    to.counter("service_fences", "Times it was fenced", standing.fences);
    to.counter("service_beats", "Beats sent to its Manager", standing.beats);
    let refused = seen.refused.load(Ordering::Relaxed);
    to.counter("service_pipes_refused", "Pipes that were not its Manager's", refused);
    metrics::answer(to)
}
