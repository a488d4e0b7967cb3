//! When something trades, over REST. Decides which days are meant and how many are told at once; on which days an exchange
//! trades is `domain::calendar`'s decision. What it does not know is refused.

use super::{Gateway, auth::Caller, directory::Directory};
use crate::{
    clock,
    limits::{CALENDAR_DAYS, CALENDAR_DAYS_UNASKED},
};
use axum::{Router, extract::State, routing::get};
use std::collections::BTreeMap;
use tradewind_domain::calendar::{Calendar, Day, Exchange, OutsideTable, Session};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    Code, Problem,
    calendar::{CalendarDay, CalendarQuery, CalendarTold},
};

pub(super) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/v1/calendar", get(calendar))
        .route("/v1/calendar/{exchange}", get(calendar_of))
}

async fn calendar(
    State(gateway): State<Gateway>,
    _caller: Caller,
    Query(query): Query<CalendarQuery>,
) -> Result<Json<CalendarTold>, Failure> {
    let today = Day::of(clock::unix());
    Ok(Json(told(&*gateway.known()?, query, today)?))
}

/// The same of the exchange in the path.
async fn calendar_of(
    State(gateway): State<Gateway>,
    _caller: Caller,
    Path(exchange): Path<Exchange>,
    Query(query): Query<CalendarQuery>,
) -> Result<Json<CalendarTold>, Failure> {
    if query.exchange.is_some() {
        let detail = "the path names the exchange, and the query names one as well";
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    let (query, today) =
        (CalendarQuery { exchange: Some(exchange), ..query }, Day::of(clock::unix()));
    Ok(Json(told(&*gateway.known()?, query, today)?))
}

/// What is answered on a day that is `today` in UTC.
pub(super) fn told(
    known: &Directory,
    query: CalendarQuery,
    today: Day,
) -> Result<CalendarTold, Problem> {
    let CalendarQuery { exchange, market, start, end } = query;
    match (exchange, market) {
        (Some(exchange), None) => in_sessions(known, exchange, start.unwrap_or(today), end),
        (None, Some(market)) => {
            known.market(&market)?;
            Ok(CalendarTold::AroundTheClock { market })
        }
        (None, None) | (Some(_), Some(_)) => {
            let detail = "a calendar is one `exchange`'s, such as XNYS, or one `market`'s";
            Err(Problem::new(Code::MalformedRequest, detail))
        }
    }
}

fn in_sessions(
    known: &Directory,
    exchange: Exchange,
    start: Day,
    end: Option<Day>,
) -> Result<CalendarTold, Problem> {
    let none = BTreeMap::new();
    let calendar = Calendar::new(exchange, known.exchange_days().get(&exchange).unwrap_or(&none));
    let session_on = |day| calendar.session_on(day).map_err(unknown);
    let (_, last) = calendar.known();
    let unasked = Day(start.0.saturating_add(CALENDAR_DAYS_UNASKED)).min(last);
    session_on(start)?;
    let end = end.unwrap_or(unasked);
    session_on(end)?;
    if end < start {
        let detail = format!("`end` ({end}) is before `start` ({start})");
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    if end.0 - start.0 >= CALENDAR_DAYS {
        let detail = format!("at most {CALENDAR_DAYS} days are told at once: ask in parts");
        return Err(Problem::new(Code::MalformedRequest, detail));
    }
    let sessions = (start.0..=end.0).filter_map(|day| session_on(Day(day)).transpose());
    let days = sessions.map(|session| session.map(day)).collect::<Result<_, _>>()?;
    let time_zone = exchange.time_zone().to_string();
    Ok(CalendarTold::InSessions { exchange, time_zone, start, end, days })
}

fn day(session: Session) -> CalendarDay {
    let Session { day, open, close, opens, closes } = session;
    CalendarDay { date: day, open: opens, close: closes, open_at: open, close_at: close }
}

fn unknown(why: OutsideTable) -> Problem {
    Problem::new(Code::Unsupported, why.to_string())
}
