//! Opening sessions, as requests arrive. Decides nothing: who may, and what he is given, is `session`'s.

use super::headers::Bearer;
use crate::{service::Service, session};
use axum::extract::State;
use tradewind_domain::ids::TraderId;
use tradewind_link::{
    Failure,
    json::{Json, Path},
};
use tradewind_protocol::session::{OpenTraderSession, SessionOpened};

pub(super) async fn open(
    State(service): State<Service>,
    Bearer(secret): Bearer,
) -> Result<Json<SessionOpened>, Failure> {
    service.barrier().await?;
    let opened = session::open(&service, &secret).inspect_err(|problem| {
        tracing::warn!(why = problem.detail, "a session was refused");
    });
    Ok(Json(opened?))
}

pub(super) async fn open_for_trader(
    State(service): State<Service>,
    Path(trader): Path<TraderId>,
    Json(asked): Json<OpenTraderSession>,
) -> Result<Json<SessionOpened>, Failure> {
    service.barrier().await?;
    Ok(Json(session::open_for_trader(&service, &trader, &asked)?))
}
