//! `/metrics` of a Manager. Decides names and labels; all figures are taken when they are asked for. No label names a
//! service: there may be a thousand. The list is docs/metrics.md.

use super::Api;
use crate::{
    manager::Gauge,
    metrics::{Figures, answer},
};
use axum::{extract::State, response::Response};
use std::sync::Arc;
use tradewind_protocol::{copies::LedgerState, supervision::ServiceState, venue::VenueState};

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    answer(figures(&api))
}

const STATES: [(ServiceState, &str); 6] = [
    (ServiceState::Starting, "starting"),
    (ServiceState::Connecting, "connecting"),
    (ServiceState::Live, "live"),
    (ServiceState::Waiting, "waiting"),
    (ServiceState::Stopping, "stopping"),
    (ServiceState::Away, "away"),
];

const LEDGERS: [(LedgerState, &str); 5] = [
    (LedgerState::Single, "single"),
    (LedgerState::CatchingUp, "catching_up"),
    (LedgerState::TwoCopies, "two_copies"),
    (LedgerState::Loading, "loading"),
    (LedgerState::Sealed, "sealed"),
];

const VENUES: [(VenueState, &str); 4] = [
    (VenueState::Connecting, "connecting"),
    (VenueState::Waiting, "waiting"),
    (VenueState::Live, "live"),
    (VenueState::Reconnecting, "reconnecting"),
];

fn figures(api: &Api) -> Figures {
    let mut to = Figures::default();
    let services = api.supervisor.services().borrow().clone();
    let of = |state| services.iter().filter(|report| report.state == state).count() as u64;
    let states = STATES.map(|(state, name)| (name, of(state)));
    to.gauges("manager_services", "Services here, by state", "state", states.to_vec());
    let of = |state| {
        let told = services.iter().filter_map(|report| report.ledger.as_ref());
        told.filter(|told| told.state == state).count() as u64
    };
    let ledgers = LEDGERS.map(|(state, name)| (name, of(state)));
    let help = "Ledgers of accounts with a second copy, by how they stand";
    to.gauges("manager_ledgers", help, "state", ledgers.to_vec());
    let of = |state| {
        let told = services.iter().filter_map(|report| report.venue.as_ref());
        told.filter(|told| told.state == state).count() as u64
    };
    let venues = VENUES.map(|(state, name)| (name, of(state)));
    let help = "Brokers, by how they stand with their venues";
    to.gauges("manager_venues", help, "state", venues.to_vec());
    let stale = services.iter().filter_map(|report| report.venue.as_ref());
    let stale = stale.map(|told| u64::from(told.stale)).sum();
    to.gauge("manager_stale_subscriptions", "Instruments of Brokers that are stale", stale);
    let given_up = services.iter().filter(|report| report.handed_back.is_some()).count();
    to.gauge("manager_services_handed_back", "Services that are handed back", given_up as u64);
    let standing = api.standing();
    let leads = u64::from(standing.leader.is_some());
    to.gauge("manager_leader_pipe", "1 while a leader's pipe is up", leads);
    let holds = u64::from(standing.lease_holds);
    to.gauge("manager_lease", "1 while the lease holds", holds);
    let fences = standing.fences;
    to.counter("manager_fences", "Times the lease has run out", fences);
    let help = "Beats that were too large to be sent";
    to.counter("manager_beats_unsendable", help, api.standing.borrow().unsendable);
    to.gauge("manager_sessions", "Sessions of algos held here", (api.sessions)());
    let counts = api.supervisor.counts();
    to.counter("manager_services_started", "Processes started", counts.started);
    to.counter("manager_services_crashed", "Lives of services that failed", counts.crashed);
    let help = "Times a service was handed back";
    to.counter("manager_services_handed_back_times", help, counts.handed_back);
    let help = "Check-ins refused: of processes that were not started here, or lie";
    to.counter("manager_check_ins_refused", help, counts.refused_check_ins);
    let held = |seats: &tokio::sync::Semaphore, all| (all - seats.available_permits()) as u64;
    let watchers = held(&api.seats.watchers, crate::limits::WATCHERS);
    to.gauge("manager_watchers", "Streams of the status open here", watchers);
    let followers = held(&api.seats.followers, crate::limits::FOLLOWERS);
    to.gauge("manager_log_followers", "Logs followed here", followers);
    for Gauge { name, help, value } in (api.gauges)() {
        to.gauge(name, help, value);
    }
    to
}
