//! What is registered and placed: Managers, implementations, Brokers. Decides how the state and what the leader sees are
//! put together, here and in the status, and which items are chosen; nothing of it can be changed by these addresses.

use super::{
    addresses::Addresses,
    headers::Forwarded,
    resources::{Asked, Items, Seen, Whose, answerer, not_there, page},
};
use crate::{
    leader::observe::{ManagerView, View},
    service::Service,
};
use axum::{
    extract::State,
    http::Uri,
    response::{IntoResponse as _, Response},
    routing::get as getting,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tradewind_domain::{
    control::{
        Machine,
        drain::DrainRow,
        row::{BrokerRow, ManagerRow, ManagerState},
    },
    ids::{BrokerId, DrainTarget, ImplementationId, ManagerId, ManagerKind, ServiceId},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Health, ReadOptions, Stand},
    placed::{
        BrokerTold, DrainOf, ImplementationInfo, ManagerInfo, ManagerPart, ManagerStanding,
        ManagerTold, Placed, ServiceNow, ServiceStanding,
    },
    resources::{One, Page, SelectBrokers, SelectImplementations, SelectManagers, Selects},
};

pub(super) const MANAGERS: &str = "/v1/managers";
pub(super) const IMPLEMENTATIONS: &str = "/v1/implementations";
pub(super) const BROKERS: &str = "/v1/brokers";

/// A kind of what is registered or placed.
trait Shown: 'static {
    const WORD: &'static str;
    type Id: DeserializeOwned + ToString + Send + Sync + 'static;
    type Info: Serialize + Send;
    type Select: DeserializeOwned + Selects + Send + 'static;

    fn item(seen: &Seen, id: &Self::Id) -> Option<Self::Info>;
    fn list(seen: &Seen, select: &Self::Select, stand: Stand) -> Result<Json<Items>, Failure>;
}

pub(super) fn routes() -> Addresses {
    Addresses::default()
        .route(MANAGERS, getting(list::<Managers>))
        .route("/v1/managers/{manager}", getting(get::<Managers>))
        .route(IMPLEMENTATIONS, getting(list::<Implementations>))
        .route("/v1/implementations/{implementation}", getting(get::<Implementations>))
        .route(BROKERS, getting(list::<Brokers>))
        .route("/v1/brokers/{broker}", getting(get::<Brokers>))
}

async fn list<S: Shown>(
    State(service): State<Service>,
    Forwarded(forwarded): Forwarded,
    uri: Uri,
    Query(select): Query<S::Select>,
) -> Result<Response, Failure> {
    let asked = Asked { consistency: select.of_page().0, forwarded, uri, seen: true };
    match answerer::<Page<Value>>(&service, asked).await? {
        Whose::Leaders(page) => Ok(Json(page).into_response()),
        Whose::Here(stand, seen) => Ok(S::list(&seen, &select, stand)?.into_response()),
    }
}

async fn get<S: Shown>(
    State(service): State<Service>,
    Path(id): Path<S::Id>,
    Forwarded(forwarded): Forwarded,
    uri: Uri,
    Query(options): Query<ReadOptions>,
) -> Result<Response, Failure> {
    let asked = Asked { consistency: options.consistency, forwarded, uri, seen: true };
    match answerer::<One<Value>>(&service, asked).await? {
        Whose::Leaders(one) => Ok(Json(one).into_response()),
        Whose::Here(stand, seen) => {
            let item = S::item(&seen, &id).ok_or_else(|| not_there(S::WORD, &id.to_string()))?;
            Ok(Json(One { stand, item }).into_response())
        }
    }
}

/// Between the registered state and what the leader hears.
fn standing(row: &ManagerRow, view: Option<&View>) -> ManagerStanding {
    let heard = view.and_then(|view| view.managers.get(&row.manager)).map(|seen| seen.health);
    let held =
        || view.is_some_and(|view| view.brake.held.values().any(|of| of.contains(&row.manager)));
    match (row.state, heard) {
        (ManagerState::Down, _) => ManagerStanding::Down,
        // Without a leader's view the registered state is all there is to tell.
        (ManagerState::Live, None | Some(Health::Well)) => ManagerStanding::Live,
        (ManagerState::Live, Some(Health::Suspect)) => ManagerStanding::Suspect,
        (ManagerState::Live, Some(Health::Down)) if held() => ManagerStanding::Held,
        (ManagerState::Live, Some(Health::Down)) => ManagerStanding::Lost,
    }
}

fn drain_of(row: &DrainRow) -> DrainOf {
    DrainOf { target: row.target.clone(), state: row.state, revision: row.revision }
}

fn placed(machine: &Machine, manager: &ManagerId) -> Placed {
    let given = machine.placed(manager);
    Placed {
        brokers: given.brokers as u64,
        customers: given.customers as u64,
        traders: u64::from(given.traders),
    }
}

/// What a Manager said last, if this leader has heard this life of it; one that is down says nothing.
pub(super) fn told<'a>(row: &ManagerRow, view: Option<&'a View>) -> Option<&'a ManagerView> {
    match row.state {
        ManagerState::Live => {
            let view = view?;
            view.observed.told(row)?;
            view.managers.get(&row.manager)
        }
        ManagerState::Down => None,
    }
}

pub(super) fn manager(machine: &Machine, view: Option<&View>, row: &ManagerRow) -> ManagerInfo {
    let covering = DrainTarget::of(&row.manager);
    let drains = covering.iter().filter_map(|target| machine.drain(target));
    let told = told(row, view);
    ManagerInfo {
        manager: row.manager.clone(),
        implementation: row.manager.implementation.clone(),
        kind: row.manager.kind,
        location: row.location.clone(),
        address: row.address.clone(),
        state: standing(row, view),
        since: row.since,
        incarnation: row.incarnation,
        epoch: row.epoch,
        capacity: row.capacity,
        placed: placed(machine, &row.manager),
        drains: drains.map(drain_of).collect(),
        level: machine.manager_level(&row.manager),
        told: told
            .map(|told| ManagerTold { sessions: told.sessions, services: told.services.clone() }),
    }
}

/// How a service is, by the word of the Manager that has it.
pub(super) fn now(
    machine: &Machine,
    view: &View,
    holder: Option<&ManagerId>,
    service: &ServiceId,
) -> ServiceNow {
    let Some(holder) = holder else {
        let mut now = ServiceNow::silent(ServiceStanding::Unplaced);
        if let ServiceId::Trader { trader } = service
            && let Some(full) = machine.waits_for_room(trader)
        {
            now.detail = format!(
                "{full}, where its customer is, has no room for it: start that with a higher --capacity, stop another Trader \
                 of his, or rebalance"
            );
        }
        return now;
    };
    let told = machine.manager(holder).and_then(|row| told(row, Some(view)));
    let reports = told.map_or(&[][..], |told| &told.services);
    let report = reports.iter().find(|report| report.service == *service);
    report.map_or_else(|| ServiceNow::silent(ServiceStanding::Unreported), ServiceNow::from)
}

/// Whether its Manager has told what it has, or nobody has it: what it does not tell of does not run.
pub(super) fn is_told(machine: &Machine, view: &View, holder: Option<&ManagerId>) -> bool {
    let Some(holder) = holder else { return true };
    let row = machine.manager(holder);
    row.is_some_and(|row| {
        standing(row, Some(view)) == ManagerStanding::Live && told(row, Some(view)).is_some()
    })
}

struct Managers;

impl Shown for Managers {
    const WORD: &'static str = "manager";
    type Id = ManagerId;
    type Info = ManagerInfo;
    type Select = SelectManagers;

    fn item(seen: &Seen, id: &ManagerId) -> Option<ManagerInfo> {
        seen.manager(id).map(|row| manager(seen, seen.view.as_deref(), row))
    }

    fn list(seen: &Seen, select: &SelectManagers, stand: Stand) -> Result<Json<Items>, Failure> {
        let view = seen.view.as_deref();
        let chosen = |row: &ManagerRow| {
            let SelectManagers { location, implementation, kind, state, .. } = select;
            location.as_ref().is_none_or(|location| *location == row.location)
                && implementation.as_ref().is_none_or(|of| *of == row.manager.implementation)
                && kind.is_none_or(|kind| kind == row.manager.kind)
                && state.is_none_or(|state| state == standing(row, view))
        };
        let shown = |row: &&ManagerRow| chosen(row).then(|| manager(seen, view, row));
        let rows = seen.managers_after(select.after.as_ref());
        page(stand, select, rows, |row| row.manager.to_string(), shown)
    }
}

struct Implementations;

/// The registered Managers of one.
fn parts<'a>(
    machine: &'a Machine,
    of: &'a ImplementationId,
) -> impl Iterator<Item = &'a ManagerRow> + 'a {
    let name = |kind| ManagerId { implementation: of.clone(), kind };
    ManagerKind::ALL.into_iter().filter_map(move |kind| machine.manager(&name(kind)))
}

fn implementation(seen: &Seen, of: &ImplementationId) -> Option<ImplementationInfo> {
    let view = seen.view.as_deref();
    parts(seen, of).next()?;
    let is_there = |kind: &ManagerKind| parts(seen, of).any(|row| row.manager.kind == *kind);
    let sum = |sum: Placed, row: &ManagerRow| {
        let more = placed(seen, &row.manager);
        Placed {
            brokers: sum.brokers + more.brokers,
            customers: sum.customers + more.customers,
            traders: sum.traders + more.traders,
        }
    };
    let gateway = parts(seen, of).find(|row| row.manager.kind == ManagerKind::MarketManager);
    let part =
        |row: &ManagerRow| ManagerPart { manager: row.manager.clone(), state: standing(row, view) };
    let whole = DrainTarget::Implementation(of.clone());
    let each = whole.managers().map(DrainTarget::Manager);
    let targets: Vec<DrainTarget> = std::iter::once(whole.clone()).chain(each).collect();
    Some(ImplementationInfo {
        implementation: of.clone(),
        locations: parts(seen, of).map(|row| row.location.clone()).collect(),
        managers: parts(seen, of).map(part).collect(),
        missing: ManagerKind::ALL.into_iter().filter(|kind| !is_there(kind)).collect(),
        placed: parts(seen, of).fold(Placed::default(), sum),
        sessions: gateway.and_then(|row| told(row, view)).map(|told| told.sessions),
        drains: targets.iter().filter_map(|target| seen.drain(target)).map(drain_of).collect(),
    })
}

impl Shown for Implementations {
    const WORD: &'static str = "implementation";
    type Id = ImplementationId;
    type Info = ImplementationInfo;
    type Select = SelectImplementations;

    fn item(seen: &Seen, id: &ImplementationId) -> Option<ImplementationInfo> {
        implementation(seen, id)
    }

    fn list(
        seen: &Seen,
        select: &SelectImplementations,
        stand: Stand,
    ) -> Result<Json<Items>, Failure> {
        // Behind the last of its Managers, by name.
        let last = ManagerKind::ALL.into_iter().max();
        let behind = select.after.clone().zip(last);
        let behind = behind.map(|(implementation, kind)| ManagerId { implementation, kind });
        let mut names: Vec<&ImplementationId> =
            seen.managers_after(behind.as_ref()).map(|row| &row.manager.implementation).collect();
        names.dedup();
        let here = |of: &ImplementationId| {
            let location = select.location.as_ref();
            location.is_none_or(|location| parts(seen, of).any(|row| row.location == *location))
        };
        let shown = |of: &&ImplementationId| here(of).then(|| implementation(seen, of)).flatten();
        page(stand, select, names.into_iter(), ToString::to_string, shown)
    }
}

struct Brokers;

fn broker(seen: &Seen, row: &BrokerRow) -> Option<BrokerTold> {
    let (account, shard) = (row.account.clone(), row.shard);
    let service = ServiceId::Broker { account: account.clone(), shard };
    let holder = row.assignment.as_ref().map(|held| &held.manager);
    Some(BrokerTold {
        broker: BrokerId { account: account.clone(), shard },
        venue: seen.account(&account)?.spec.venue.clone(),
        account,
        shard,
        assignment: row.assignment.clone(),
        now: seen.view.as_ref().map(|view| now(seen, view, holder, &service)),
    })
}

impl Shown for Brokers {
    const WORD: &'static str = "broker";
    type Id = BrokerId;
    type Info = BrokerTold;
    type Select = SelectBrokers;

    fn item(seen: &Seen, id: &BrokerId) -> Option<BrokerTold> {
        seen.broker(id).and_then(|row| broker(seen, row))
    }

    fn list(seen: &Seen, select: &SelectBrokers, stand: Stand) -> Result<Json<Items>, Failure> {
        let chosen = |told: &BrokerTold| {
            let holder = told.assignment.as_ref().map(|held| &held.manager);
            select.account.as_ref().is_none_or(|account| *account == told.account)
                && select.venue.as_ref().is_none_or(|venue| *venue == told.venue)
                && select.manager.as_ref().is_none_or(|manager| Some(manager) == holder)
                && select
                    .state
                    .is_none_or(|state| told.now.as_ref().is_some_and(|now| now.state == state))
        };
        let name = |row: &&BrokerRow| format!("{}.{}", row.account, row.shard);
        let shown = |row: &&BrokerRow| broker(seen, row).filter(chosen);
        page(stand, select, seen.brokers_after(select.after.as_ref()), name, shown)
    }
}
