//! Bars, over REST. Decides which bars are meant and how many are told at once; for which instruments there are any is decided in
//! `kept`, what a bar is in `domain::trading::bars`.

mod kept;

use super::{Gateway, auth::Caller, trade_link::Ask};
use crate::{hop::unavailable, limits::BARS_AT_ONCE};
use axum::{Router, extract::State, routing::get};
pub(super) use kept::{Kept, NoRoom};
use tokio::sync::oneshot;
use tradewind_domain::{
    ids::InstrumentId,
    time::UnixNanos,
    trading::bars::{Gap, RawBar, Timeframe},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    Code, Problem,
    bars::{BarQuery, Bars},
};

/// Which bars are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) timeframe: Timeframe,
    /// None: the last ones up to `end`.
    pub(crate) start: Option<UnixNanos>,
    pub(crate) end: UnixNanos,
    pub(crate) most: usize,
}

/// What a link knows of them: means are computed, and all of it is written, where it was asked for, since the link carries orders too.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) from: Option<UnixNanos>,
    pub(crate) bars: Vec<RawBar>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) next: Option<UnixNanos>,
}

impl Told {
    fn of(self, instrument: InstrumentId, timeframe: Timeframe) -> Bars {
        let Self { from, bars, gaps, next } = self;
        let bars = bars.into_iter().map(RawBar::bar).collect();
        Bars { instrument, timeframe, from, bars, gaps, next }
    }
}

pub(super) fn routes() -> Router<Gateway> {
    // An instrument's name may hold a slash.
    Router::new().route("/v1/bars/{*instrument}", get(bars))
}

async fn bars(
    State(gateway): State<Gateway>,
    _caller: Caller,
    Path(instrument): Path<InstrumentId>,
    Query(query): Query<BarQuery>,
) -> Result<Json<Bars>, Failure> {
    let asked = asked(&query)?;
    let market = gateway.known()?.market_of(&instrument)?.clone();
    let (reply, answer) = oneshot::channel();
    let of = instrument.clone();
    gateway.link(&market)?.ask(Ask::Bars { instrument: of, asked, reply }).await;
    let told = answer.await.map_err(|_| unavailable("this MarketManager is stopping"))?;
    Ok(Json(told?.of(instrument, asked.timeframe)))
}

fn asked(query: &BarQuery) -> Result<Asked, Problem> {
    let BarQuery { timeframe, start, end, limit } = *query;
    let end = end.unwrap_or(UnixNanos(u64::MAX));
    if let Some(start) = start.filter(|start| end < *start) {
        let detail = format!("`end` ({end}) is before `start` ({start})");
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    let most = limit.map_or(BARS_AT_ONCE, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if !(1..=BARS_AT_ONCE).contains(&most) {
        let detail = format!("`limit` is from 1 to {BARS_AT_ONCE}: ask for more in parts");
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    Ok(Asked { timeframe, start, end, most })
}

#[cfg(test)]
mod tests;
