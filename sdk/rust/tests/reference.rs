//! What an algo looks up before it trades, against a scripted server on a real socket.
#![allow(clippy::unwrap_used)]

mod edge;

use edge::{Edge, ledger};
use tradewind_sdk::{CalendarOf, CalendarTold, Code, Day, Error, Exchange, Session};

async fn session() -> (Edge, Session) {
    let edge = Edge::start(&ledger()).await;
    edge.ledger().market_managers = vec![edge.address.clone()];
    edge.ledger().members = vec![edge.address.clone()];
    let builder = Session::builder().infrastructure_managers([&edge.address]).api_key("key");
    let session = builder.connect().await.unwrap();
    (edge, session)
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn code<T: std::fmt::Debug>(told: Result<T, Error>) -> Code {
    match told.unwrap_err() {
        Error::Refused(problem) => problem.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_calendar_is_that_of_an_exchange_or_of_a_market_and_of_unknown_days_there_is_none() {
    // given
    let (_edge, session) = session().await;
    let (start, end) = (day("2026-11-26"), day("2026-11-27"));
    let (exchange, market) =
        (CalendarOf::Exchange(Exchange::Xnys), CalendarOf::Market("crypto".parse().unwrap()));
    // when
    let told = session.calendar(&exchange, start, end).await.unwrap();
    // then
    let CalendarTold::InSessions { days, .. } = told else { panic!("{told:?}") };
    assert_eq!(days.len(), 1);
    assert_eq!((days[0].date, days[0].close.to_string()), (end, "13:00".to_string()));
    assert_eq!(days[0].close_at.to_string(), "2026-11-27T18:00:00.000000000Z");
    let told = session.calendar(&market, start, end).await.unwrap();
    assert!(matches!(told, CalendarTold::AroundTheClock { .. }), "{told:?}");
    let unknown = session.calendar(&exchange, start, day("2028-01-03")).await;
    assert_eq!(code(unknown), Code::Unsupported);
}

#[tokio::test]
async fn instruments_that_are_told_in_parts_are_asked_for_to_the_last() {
    // given
    let (_edge, session) = session().await;
    // when
    let all = session.instruments().await.unwrap();
    // then
    let names: Vec<&str> = all.iter().map(|info| info.instrument.as_str()).collect();
    assert_eq!(names, ["BTC/USD", "ETH/USD"]);
    assert_eq!(session.instrument("BTC/USD").await.unwrap(), all[0]);
    assert_eq!(code(session.instrument("XRP/USD").await), Code::NotFound);
    assert!(matches!(session.instrument("xrp").await, Err(Error::InvalidName(_))));
}
