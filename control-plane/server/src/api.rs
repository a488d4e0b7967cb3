//! The public interface: paths and what stands behind each. Handlers parse, ask and render; how a change
//! finds the leader is `service`'s work, what it does `domain::control`'s decision.

mod accounts;
mod addresses;
pub(crate) mod backup;
pub(crate) mod changes;
mod customers;
mod drains;
mod events;
mod exchange_days;
pub(crate) mod explained;
mod headers;
pub(crate) mod health;
mod keys;
mod locations;
mod markets;
mod members;
mod placed;
pub(crate) mod probes;
pub(crate) mod problems;
pub(crate) mod provisioning;
mod rebalance;
mod registers;
mod resources;
mod risk;
mod routes;
mod scale;
mod sessions;
mod stand;
mod state;
pub(crate) mod status;
mod traders;
mod trading_states;

use crate::service::{REVISION, Service};
use addresses::Addresses;
use axum::{
    Router, middleware,
    routing::{delete, get, post, put},
};
use tradewind_protocol::{
    control::PROBES,
    drains::DRAINS,
    events::{EVENTS, STATE},
    rebalance::REBALANCE,
    scale::PROVISIONING,
};

pub(crate) fn router(service: Service) -> Router {
    addresses()
        .router
        .fallback(stand::nothing_here)
        .method_not_allowed_fallback(stand::not_by_that_method)
        .layer(middleware::from_fn_with_state(service.clone(), stand::say))
        .with_state(service)
}

/// Everything that is served; what is said of it stands in `openapi`.
pub(crate) fn addresses() -> Addresses {
    Addresses::default()
        .route("/", get(status::front))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route(EVENTS, get(events::watch))
        .route(STATE, get(state::state))
        .route("/v1/status", get(status::status))
        .route(REVISION, get(status::revision))
        .route(PROBES, get(probes::probe))
        .route(backup::SNAPSHOT, get(backup::get))
        .route("/v1/managers/check-in", post(changes::check_in))
        .route("/v1/members", get(members::list).post(members::join))
        .route("/v1/members/voters-wanted", put(members::voters_wanted))
        .route(
            "/v1/members/{node}",
            get(members::get).put(changes::put_member).delete(members::remove),
        )
        .route("/v1/members/{node}/address", put(members::moved))
        .route("/v1/members/{node}/level", put(members::knows))
        .route("/v1/leader/transfer", post(members::transfer))
        .route("/v1/traders/{trader}/sessions", post(sessions::open_for_trader))
        .route("/v1/traders/{trader}/attachments", post(changes::attach))
        .route("/v1/implementations/{implementation}/drain", post(drains::begin_for_implementation))
        .route("/v1/managers/{manager}/drain", post(drains::begin_for_manager))
        .route(DRAINS, get(drains::list))
        .route("/v1/drains/{target}", get(drains::get).delete(drains::cancel))
        .route("/v1/drains/{target}/force", post(drains::force))
        .route("/v1/drains/{target}/drop", put(drains::reschedule))
        .route("/v1/drains/{target}/abandon", post(drains::abandon))
        .route(REBALANCE, get(rebalance::get).post(rebalance::begin).delete(rebalance::cancel))
        .route("/v1/sessions", post(sessions::open))
        .route("/v1/registers/{register}", get(registers::get).put(registers::put))
        .route("/v1/registers/{register}/cas", post(registers::compare_and_set))
        .merge(placed::routes())
        .merge(resource_routes())
        .merge(resources::routes::<scale::Scales>())
        .route(PROVISIONING, get(provisioning::list))
        .route("/v1/provisioning/{request}", get(provisioning::get).put(provisioning::tell))
}

/// What operators declare.
fn resource_routes() -> Addresses {
    Addresses::default()
        .merge(resources::routes::<accounts::Accounts>())
        .merge(resources::routes::<customers::Customers>())
        .route("/v1/customers/{customer}/keys", get(keys::list).post(keys::add))
        .route("/v1/customers/{customer}/keys/{key_id}", delete(keys::remove))
        .merge(resources::routes::<markets::Markets>())
        .route(routes::LIST, get(routes::list))
        .merge(resources::routes_of_one::<routes::Routes>())
        .merge(resources::routes::<traders::Traders>())
        .merge(resources::routes::<locations::Locations>())
        .merge(resources::routes::<exchange_days::ExchangeDays>())
        .merge(resources::routes::<risk::Risk>())
        .merge(resources::routes::<trading_states::TradingStates>())
}
