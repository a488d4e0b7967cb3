//! The public interface: paths and what stands behind each. Handlers parse, ask and render; how a change
//! finds the leader is `service`'s work, what it does `domain::control`'s decision.

pub(crate) mod backup;
pub(crate) mod changes;
mod events;
mod headers;
pub(crate) mod health;
mod members;
pub(crate) mod problems;
mod registers;
mod sessions;
mod stand;
mod state;
pub(crate) mod status;

use crate::service::{REVISION, Service};
use axum::{
    Router, middleware,
    routing::{get, post, put},
};
use tradewind_protocol::events::{EVENTS, STATE};

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
        .route("/v1/customers/{customer}", put(changes::put_customer))
        .route("/v1/accounts/{account}", put(changes::put_account))
        .route("/v1/markets/{market}", put(changes::put_market))
        .route("/v1/traders/{trader}", put(changes::put_trader))
        .route("/v1/traders/{trader}/sessions", post(sessions::open_for_trader))
        .route("/v1/sessions", post(sessions::open))
        .route("/v1/registers/{register}", get(registers::get).put(registers::put))
        .route("/v1/registers/{register}/cas", post(registers::compare_and_set))
        .fallback(stand::nothing_here)
        .method_not_allowed_fallback(stand::not_by_that_method)
        .layer(middleware::from_fn_with_state(service.clone(), stand::say))
        .with_state(service)
}
