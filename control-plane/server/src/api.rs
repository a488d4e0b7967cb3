//! The public interface: paths and what stands behind each. Handlers parse, ask and render; how a change
//! finds the leader is `service`'s work, what it does `domain::control`'s decision.

mod accounts;
pub(crate) mod backup;
pub(crate) mod changes;
mod customers;
mod drains;
mod events;
mod exchange_days;
mod headers;
pub(crate) mod health;
mod keys;
mod locations;
mod markets;
mod members;
pub(crate) mod problems;
mod rebalance;
mod registers;
mod resources;
mod sessions;
mod stand;
mod state;
pub(crate) mod status;
mod traders;

use crate::service::{REVISION, Service};
use axum::{
    Router, middleware,
    routing::{delete, get, post, put},
};
use tradewind_protocol::{
    drains::DRAINS,
    events::{EVENTS, STATE},
    rebalance::REBALANCE,
};

pub(crate) fn router(service: Service) -> Router {
    Router::new()
        .route("/", get(status::front))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route(EVENTS, get(events::watch))
        .route(STATE, get(state::state))
        .route("/v1/status", get(status::status))
        .route(REVISION, get(status::revision))
        .route(backup::SNAPSHOT, get(backup::get))
        .route("/v1/managers/check-in", post(changes::check_in))
        .route("/v1/members", get(members::list).post(members::join))
        .route("/v1/members/voters-wanted", put(members::voters_wanted))
        .route(
            "/v1/members/{node}",
            get(members::get).put(changes::put_member).delete(members::remove),
        )
        .route("/v1/members/{node}/address", put(members::moved))
        .route("/v1/leader/transfer", post(members::transfer))
        .route("/v1/traders/{trader}/sessions", post(sessions::open_for_trader))
        .route("/v1/implementations/{implementation}/drain", post(drains::begin_for_implementation))
        .route("/v1/managers/{manager}/drain", post(drains::begin_for_manager))
        .route(DRAINS, get(drains::list))
        .route("/v1/drains/{target}", get(drains::get).delete(drains::cancel))
        .route("/v1/drains/{target}/force", post(drains::force))
        .route("/v1/drains/{target}/drop", put(drains::reschedule))
        .route(REBALANCE, get(rebalance::get).post(rebalance::begin).delete(rebalance::cancel))
        .route("/v1/sessions", post(sessions::open))
        .route("/v1/registers/{register}", get(registers::get).put(registers::put))
        .route("/v1/registers/{register}/cas", post(registers::compare_and_set))
        .merge(resource_routes())
        .fallback(stand::nothing_here)
        .method_not_allowed_fallback(stand::not_by_that_method)
        .layer(middleware::from_fn_with_state(service.clone(), stand::say))
        .with_state(service)
}

/// What operators declare.
fn resource_routes() -> Router<Service> {
    Router::new()
        .route("/v1/accounts", get(accounts::list))
        .route(
            "/v1/accounts/{account}",
            get(accounts::get).put(accounts::put).delete(accounts::delete),
        )
        .route("/v1/customers", get(customers::list))
        .route(
            "/v1/customers/{customer}",
            get(customers::get).put(customers::put).delete(customers::delete),
        )
        .route("/v1/customers/{customer}/keys", get(keys::list).post(keys::add))
        .route("/v1/customers/{customer}/keys/{key_id}", delete(keys::remove))
        .route("/v1/markets", get(markets::list))
        .route("/v1/markets/{market}", get(markets::get).put(markets::put).delete(markets::delete))
        .route("/v1/traders", get(traders::list))
        .route("/v1/traders/{trader}", get(traders::get).put(traders::put).delete(traders::delete))
        .route("/v1/locations", get(locations::list))
        .route(
            "/v1/locations/{location}",
            get(locations::get).put(locations::put).delete(locations::delete),
        )
        .route("/v1/exchange-days", get(exchange_days::list))
        .route(
            "/v1/exchange-days/{exchange}",
            get(exchange_days::get).put(exchange_days::put).delete(exchange_days::delete),
        )
}
