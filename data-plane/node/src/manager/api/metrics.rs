//! `/metrics` of a Manager. Decides names and labels; all figures are taken when they are asked for. No label names a
//! service: there may be a thousand. Whatever its state, a service is counted, and once. The list is docs/metrics.md.

use super::Api;
use crate::{
    manager::Gauge,
    metrics::{Figures, answer},
};
use axum::{extract::State, response::Response};
use std::sync::Arc;
use tradewind_protocol::{
    copies::LedgerState,
    supervision::{ServiceReport, ServiceState},
    venue::VenueState,
};

pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    answer(figures(&api))
}

/// Each state with its value of the label `state`. One that has no row does not compile: what is in it would be counted
/// nowhere.
macro_rules! rows {
    ($of:ident: $($state:ident $name:literal),+ $(,)?) => {{
        const _: fn($of) = |state| match state { $($of::$state => (),)+ };
        &[$(($of::$state, $name)),+]
    }};
}

const STATES: &[(ServiceState, &str)] = rows![ServiceState:
    Starting "starting",
    Connecting "connecting",
    Live "live",
    Waiting "waiting",
    Stopping "stopping",
    Paused "paused",
    Completed "completed",
    Failed "failed",
    Away "away",
];

const LEDGERS: &[(LedgerState, &str)] = rows![LedgerState:
    Single "single",
    CatchingUp "catching_up",
    TwoCopies "two_copies",
    Loading "loading",
    Sealed "sealed",
];

const VENUES: &[(VenueState, &str)] = rows![VenueState:
    Connecting "connecting",
    Waiting "waiting",
    Live "live",
    Reconnecting "reconnecting",
];

/// How many of these are in each state.
fn counted<S: PartialEq>(
    rows: &[(S, &'static str)],
    of: impl Iterator<Item = S> + Clone,
) -> Vec<(&'static str, u64)> {
    let count = |state: &S| of.clone().filter(|one| one == state).count() as u64;
    rows.iter().map(|(state, name)| (*name, count(state))).collect()
}

fn by_state(to: &mut Figures, services: &[ServiceReport]) {
    let states = counted(STATES, services.iter().map(|report| report.state));
    to.gauges("manager_services", "Services here, by state", "state", states);
    let told = services.iter().filter_map(|report| report.ledger.as_ref());
    let ledgers = counted(LEDGERS, told.map(|told| told.state));
    let help = "Ledgers of accounts with a second copy, by how they stand";
    to.gauges("manager_ledgers", help, "state", ledgers);
    let told = services.iter().filter_map(|report| report.venue.as_ref());
    let venues = counted(VENUES, told.map(|told| told.state));
    let help = "Brokers, by how they stand with their venues";
    to.gauges("manager_venues", help, "state", venues);
}

fn figures(api: &Api) -> Figures {
    let mut to = Figures::default();
    let services = api.supervisor.services().borrow().clone();
    by_state(&mut to, &services);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::body::to_bytes;
    use serde::Serialize;
    use serde_json::{from_value, json, to_value};

    /// All there are, as they stand in JSON.
    const NAMES: [&str; 9] = [
        "starting",
        "connecting",
        "live",
        "waiting",
        "stopping",
        "paused",
        "completed",
        "failed",
        "away",
    ];

    /// So many services in the state of this name.
    fn reports(count: usize, state: &str) -> Vec<ServiceReport> {
        let report = |n| ServiceReport {
            state: from_value(json!(state)).unwrap(),
            ..ServiceReport::starting(format!("trader.{state}{n}").parse().unwrap())
        };
        (0..count).map(report).collect()
    }

    #[tokio::test]
    async fn every_service_is_counted_in_the_row_of_its_state_and_in_no_other() {
        // given: one in the first state, two in the second, and so on
        let expected: Vec<(&str, usize)> = NAMES.into_iter().zip(1..).collect();
        let services: Vec<ServiceReport> =
            expected.iter().flat_map(|(state, count)| reports(*count, state)).collect();
        // when
        let mut figures = Figures::default();
        by_state(&mut figures, &services);
        // then
        let told = to_bytes(answer(figures).into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(told.to_vec()).unwrap();
        let row = |line: &str| {
            let row = line.strip_prefix("tradewind_manager_services{state=\"")?;
            let (state, count) = row.split_once("\"} ")?;
            Some((state.to_owned(), count.parse().unwrap()))
        };
        let rows: Vec<(String, usize)> = text.lines().filter_map(row).collect();
        assert!(rows.iter().map(|(state, count)| (&**state, *count)).eq(expected), "{text}");
        assert_eq!(rows.iter().map(|(_, count)| count).sum::<usize>(), services.len());
    }

    #[test]
    fn a_row_is_named_as_its_state_stands_in_json() {
        fn all_are<S: Serialize>(rows: &[(S, &str)]) {
            for (state, name) in rows {
                assert_eq!(to_value(state).unwrap(), *name);
            }
        }
        all_are(STATES);
        all_are(LEDGERS);
        all_are(VENUES);
    }
}
