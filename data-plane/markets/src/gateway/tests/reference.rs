//! Claims about what an algo looks up before it trades: when an exchange and a Market trade, and what is traded where.

use crate::{
    gateway::{calendar::told, directory::Directory},
    limits::{CALENDAR_DAYS, INSTRUMENTS_AT_ONCE},
    world::{
        desired,
        edge::{Edge, quick_settings},
        instrument, market_wanted, venue,
    },
};
use serde_json::{Value, json};
use tradewind_domain::{
    calendar::{Day, Exchange, OperatorDay},
    control::{
        Desired,
        desired::{MarketWanted, Work},
        row::Route,
    },
};
use tradewind_link::rest::Method;
use tradewind_protocol::calendar::{CalendarQuery, CalendarTold};

async fn get(edge: &Edge, path: &str) -> (u16, Value) {
    edge.rest(Method::GET, path, None).await
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// What is told of the last week of November 2026: each day's date and close.
async fn closes(edge: &Edge) -> Vec<String> {
    let path = "/v1/calendar?exchange=XNYS&start=2026-11-23&end=2026-11-29";
    let (status, told) = get(edge, path).await;
    assert_eq!(status, 200, "{told}");
    let text = |day: &Value, name: &str| day[name].as_str().unwrap().to_string();
    let days = told["days"].as_array().unwrap().iter();
    days.map(|day| format!("{} {}", text(day, "date"), text(day, "close"))).collect()
}

fn with_days<const N: usize>(days: [(&str, OperatorDay); N]) -> Desired {
    let mut wanted = desired(vec![market_wanted("crypto")]);
    let Work::Markets { exchange_days, .. } = &mut wanted.work else { unreachable!() };
    let days = days.map(|(text, said)| (day(text), said));
    exchange_days.insert(Exchange::Xnys, days.into());
    wanted
}

/// A Market of so many instruments.
fn large(count: usize) -> MarketWanted {
    let route = |n| Route {
        instrument: instrument(&format!("I{n:05}")),
        data_venue: venue("sim"),
        order_venue: venue("sim"),
    };
    let mut wanted = market_wanted("crypto");
    wanted.spec.routes = (0..count).map(route).collect();
    wanted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_days_of_an_exchange_are_told_in_its_own_time_and_as_moments() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    // when: Thanksgiving, the short day after it and a weekend among them
    let asked = "start=2026-11-25&end=2026-11-29";
    let (status, told) = get(&edge, &format!("/v1/calendar?exchange=XNYS&{asked}")).await;
    // then
    let day = |date: &str, close: &str, close_at: &str| {
        let at = |time: &str| format!("{date}T{time}:00.000000000Z");
        let (open_at, close_at) = (at("14:30"), at(close_at));
        json!({"date": date, "open": "09:30", "close": close, "open_at": open_at,
            "close_at": close_at})
    };
    let days = [day("2026-11-25", "16:00", "21:00"), day("2026-11-27", "13:00", "18:00")];
    let expected = json!({"trades": "in_sessions", "exchange": "XNYS",
        "time_zone": "America/New_York", "start": "2026-11-25", "end": "2026-11-29", "days": days});
    assert_eq!((status, &told), (200, &expected));
    // and: the exchange may stand in the path
    assert_eq!(get(&edge, &format!("/v1/calendar/XNYS?{asked}")).await, (200, told));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_days_hold_as_soon_as_they_are_told_and_as_long() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    let table = ["2026-11-23 16:00", "2026-11-24 16:00", "2026-11-25 16:00", "2026-11-27 13:00"];
    assert_eq!(closes(&edge).await, table);
    // when
    let early = OperatorDay::EarlyClose { at: "11:00".parse().unwrap() };
    let days = [("2026-11-24", OperatorDay::Closed), ("2026-11-25", early)];
    edge.gateway.follow(&with_days(days));
    // then
    let told = ["2026-11-23 16:00", "2026-11-25 11:00", "2026-11-27 13:00"];
    assert_eq!(closes(&edge).await, told);
    // when
    edge.gateway.follow(&with_days([]));
    // then
    assert_eq!(closes(&edge).await, table);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_the_calendar_does_not_know_is_refused_in_words() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    let cases = [
        ("start=2027-12-30&end=2028-01-03", "2028-01-03"),
        ("start=1999-12-31&end=2000-01-05", "1999-12-31"),
        ("start=2028-02-01", "2028-02-01"),
        ("start=9999-12-31&end=9999-12-31", "9999-12-31"),
    ];
    for (asked, unknown) in cases {
        // when
        let (status, told) = get(&edge, &format!("/v1/calendar/XNYS?{asked}")).await;
        // then
        assert_eq!((status, &told["code"]), (422, &json!("unsupported")), "{asked}: {told}");
        let words = format!("XNYS on {unknown}: the table has 2000-01-01 to 2027-12-31");
        assert!(told["detail"].as_str().unwrap().contains(&words), "{asked}: {told}");
    }
}

#[test]
fn days_that_are_left_out_are_today_and_what_is_known_of_the_thirty_days_after_it() {
    // given
    let known = Directory::new(&desired(vec![market_wanted("crypto")])).unwrap();
    let cases = [("2026-11-25", "2026-12-25"), ("2027-12-20", "2027-12-31")];
    for (today, last) in cases {
        // when
        let query = CalendarQuery { exchange: Some(Exchange::Xnys), ..CalendarQuery::default() };
        let told = told(&known, query, day(today)).unwrap();
        // then
        let CalendarTold::InSessions { start, end, days, .. } = told else { panic!("{told:?}") };
        assert_eq!((start, end), (day(today), day(last)));
        assert!(!days.is_empty() && days.iter().all(|day| (start..=end).contains(&day.date)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_days_as_are_told_at_once_may_be_asked_for_and_no_more() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    let start = day("2020-01-01");
    for (days, legal) in [(1, 200), (CALENDAR_DAYS, 200), (CALENDAR_DAYS + 1, 400)] {
        // when
        let end = Day(start.0 + days - 1);
        let path = format!("/v1/calendar/XNYS?start={start}&end={end}");
        // then
        let (status, told) = get(&edge, &path).await;
        assert_eq!(status, legal, "{days} days: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_trades_around_the_clock_whatever_days_are_asked_for() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    for path in ["/v1/calendar?market=crypto", "/v1/calendar?market=crypto&start=2090-01-01"] {
        // when, then
        let expected = json!({"trades": "around_the_clock", "market": "crypto"});
        assert_eq!(get(&edge, path).await, (200, expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_looked_up_is_a_problem() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    let cases = [
        ("/v1/calendar", 400),
        ("/v1/calendar?start=2026-11-25&end=2026-11-27", 400),
        ("/v1/calendar?exchange=XNYS&market=crypto", 400),
        ("/v1/calendar?exchange=XETR", 400),
        ("/v1/calendar/XETR", 400),
        ("/v1/calendar/XNYS?market=crypto", 400),
        ("/v1/calendar/XNYS?exchange=XNYS", 400),
        ("/v1/calendar/XNYS?start=2026-11-31", 400),
        ("/v1/calendar/XNYS?start=2026-11-27&end=2026-11-26", 400),
        ("/v1/calendar/XNYS?colour=red", 400),
        ("/v1/calendar?market=unheard", 404),
        ("/v1/instruments?market=unheard", 404),
        ("/v1/instruments?colour=red", 400),
        ("/v1/instruments/XRP/USD", 404),
        ("/v1/instruments/xrp", 400),
    ];
    for (path, expected) in cases {
        // when
        let (status, told) = get(&edge, path).await;
        // then
        assert_eq!(status, expected, "{path}: {told}");
        assert_eq!(told["status"], expected, "{path}: {told}");
        assert_eq!(told["retry"], "never", "{path}: {told}");
        assert!(told["code"].is_string() && told["detail"].is_string(), "{path}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instrument_is_told_with_its_market_and_the_venues_of_its_route() {
    // given: of two Markets with the same instruments the first by name has them
    let edge = Edge::without_market(quick_settings()).await;
    let mut crypto = market_wanted("crypto");
    crypto.spec.routes[1].data_venue = venue("kraken");
    let desired = desired(vec![market_wanted("zeta"), crypto]);
    edge.gateway.follow(&desired);
    let btc = json!({"instrument": "BTC/USD", "market": "crypto", "data_venue": "sim",
        "order_venue": "sim"});
    let eth = json!({"instrument": "ETH/USD", "market": "crypto", "data_venue": "kraken",
        "order_venue": "sim"});
    // when, then
    let all = json!({"instruments": [btc, eth], "next": null});
    assert_eq!(get(&edge, "/v1/instruments").await, (200, all.clone()));
    assert_eq!(get(&edge, "/v1/instruments?market=crypto").await, (200, all));
    let none = json!({"instruments": [], "next": null});
    assert_eq!(get(&edge, "/v1/instruments?market=zeta").await, (200, none));
    let rest = json!({"instruments": [eth], "next": null});
    assert_eq!(get(&edge, "/v1/instruments?after=BTC/USD").await, (200, rest));
    assert_eq!(get(&edge, "/v1/instruments/ETH/USD").await, (200, eth));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instruments_are_told_in_parts_and_each_part_says_where_the_next_begins() {
    // given
    let edge = Edge::without_market(quick_settings()).await;
    edge.gateway.follow(&desired(vec![large(INSTRUMENTS_AT_ONCE + 2)]));
    // when
    let (_, first) = get(&edge, "/v1/instruments").await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = get(&edge, &format!("/v1/instruments?after={next}")).await;
    // then
    let count = |told: &Value| told["instruments"].as_array().unwrap().len();
    assert_eq!((count(&first), next), (INSTRUMENTS_AT_ONCE, "I00999"));
    assert_eq!((count(&second), &second["next"]), (2, &Value::Null));
    assert_eq!(second["instruments"][0]["instrument"], "I01000");
    // and: where they all fit there is no next one
    edge.gateway.follow(&desired(vec![large(INSTRUMENTS_AT_ONCE)]));
    let (_, whole) = get(&edge, "/v1/instruments").await;
    assert_eq!((count(&whole), &whole["next"]), (INSTRUMENTS_AT_ONCE, &Value::Null));
}
