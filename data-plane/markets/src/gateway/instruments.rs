//! What is traded, over REST. Decides how many instruments are told at once; which Market has an instrument is
//! `directory`'s decision, where it is traded the operator's.

use super::{Gateway, auth::Caller, directory::Directory};
use crate::limits::INSTRUMENTS_AT_ONCE;
use axum::{Router, extract::State, routing::get};
use tradewind_domain::ids::InstrumentId;
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    Problem,
    instruments::{InstrumentInfo, InstrumentQuery, Instruments},
};

pub(super) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/v1/instruments", get(instruments))
        // An instrument's name may hold a slash.
        .route("/v1/instruments/{*instrument}", get(instrument))
}

async fn instruments(
    State(gateway): State<Gateway>,
    _caller: Caller,
    Query(query): Query<InstrumentQuery>,
) -> Result<Json<Instruments>, Failure> {
    Ok(Json(page(&*gateway.known()?, &query)?))
}

async fn instrument(
    State(gateway): State<Gateway>,
    _caller: Caller,
    Path(instrument): Path<InstrumentId>,
) -> Result<Json<InstrumentInfo>, Failure> {
    Ok(Json(gateway.known()?.instrument(&instrument)?))
}

fn page(known: &Directory, query: &InstrumentQuery) -> Result<Instruments, Problem> {
    let InstrumentQuery { market, after } = query;
    if let Some(market) = market {
        known.market(market)?;
    }
    let asked = |info: &InstrumentInfo| {
        market.as_ref().is_none_or(|market| info.market == *market)
            && after.as_ref().is_none_or(|after| info.instrument > *after)
    };
    let mut instruments: Vec<InstrumentInfo> =
        known.instruments().filter(asked).take(INSTRUMENTS_AT_ONCE + 1).collect();
    let more = instruments.len() > INSTRUMENTS_AT_ONCE;
    instruments.truncate(INSTRUMENTS_AT_ONCE);
    let last = instruments.last().filter(|_| more);
    let next = last.map(|last| last.instrument.clone());
    Ok(Instruments { instruments, next })
}
