//! The desk by Kraken's own words.

#![allow(clippy::unwrap_used)]

use super::*;
use tradewind_domain::{
    ids::{AccountId, InstrumentId},
    time::UnixNanos,
    trading::{Conditions, Side},
};
use tradewind_kraken::ws;

const NOW: u64 = 1_700_000_000_000_000_000;
const ID: &str = "000000000000000000000000000000a1";

fn at(millis: u64) -> Monotonic {
    Monotonic(millis * 1_000_000)
}

fn order(deadline_ms: u64) -> Submission {
    Submission {
        venue_order_id: ID.parse().unwrap(),
        account: AccountId::new("k-1").unwrap(),
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: "0.5".parse().unwrap(),
        limit_price: "20000.1".parse().ok(),
        time_in_force: TimeInForce::Ioc,
        conditions: Conditions::NONE,
        sent_at: UnixNanos(NOW),
        deadline: UnixNanos(NOW + deadline_ms * 1_000_000),
    }
}

fn hear(desk: &mut Desk, text: &str) -> Result<Vec<Event>, Broken> {
    desk.hear(ws::read(text).unwrap(), at(0)).map(|heard| heard.events)
}

fn status(system: &str) -> String {
    format!(
        r#"{{"channel":"status","type":"update","data":[{{"api_version":"v2","system":"{system}","version":"2.0.4"}}]}}"#
    )
}

fn execution(number: u64, more: &str) -> String {
    format!(
        r#"{{"channel":"executions","type":"update","data":[{{"order_id":"O1","timestamp":"2026-01-22T06:06:19.833306Z",{more}}}],"sequence":{number}}}"#
    )
}

const FILL: &str = r#""exec_type":"trade","order_status":"partially_filled","exec_id":"T1","last_qty":0.5,"last_price":20000.0,"cum_qty":0.5"#;

/// Connected, and the engine takes orders.
fn online() -> Desk {
    let mut desk = Desk::new(Tier::Pro, at(0));
    desk.begin("T".to_owned());
    let events = hear(&mut desk, &status("online")).unwrap();
    assert_eq!(events, [Event::Halted(None)]);
    desk
}

fn refusal(events: &[Event]) -> &Refusal {
    let [Event::Submitted { result: Err(refusal), .. }] = events else { panic!("{events:?}") };
    refusal
}

#[test]
fn an_order_goes_out_as_kraken_wants_it() {
    let (number, add) = online().submit(&order(1_000), at(0)).unwrap();
    let text = super::super::socket::frame("add_order", Some(add), number);
    assert_eq!(
        text,
        r#"{"method":"add_order","params":{"order_type":"limit","side":"buy","symbol":"BTC/USD","order_qty":0.5,"limit_price":20000.1,"time_in_force":"ioc","deadline":"2023-11-14T22:13:21.000000Z","cl_ord_id":"000000000000000000000000000000a1","token":"T"},"req_id":1}"#
    );
}

#[test]
fn an_order_that_kraken_would_not_take_now_is_not_sent() {
    let mut desk = online();
    assert!(desk.submit(&order(499), at(0)).is_err(), "its deadline is too near");
    for (state, takes, cancels) in [
        ("maintenance", false, false),
        ("cancel_only", false, true),
        ("something_new", false, false),
        ("post_only", true, true),
        ("online", true, true),
    ] {
        let events = hear(&mut desk, &status(state)).unwrap();
        let [Event::Halted(halted)] = &events[..] else { panic!("{state}: {events:?}") };
        assert_eq!(halted.is_none(), takes, "{state}");
        assert_eq!(desk.submit(&order(1_000), at(0)).is_ok(), takes, "{state}");
        assert_eq!(desk.cancel(ID.parse().unwrap(), at(0)).is_ok(), cancels, "{state}");
        assert_eq!(hear(&mut desk, &status(state)).unwrap(), [], "told once");
    }
}

#[test]
fn a_refusal_says_whether_the_order_may_be_there() {
    for (text, placed) in [
        ("EOrder:Insufficient funds", Placed::No),
        ("EService:Deadline elapsed", Placed::No),
        ("EOrder:Rate limit exceeded", Placed::No),
        ("EService:Unavailable", Placed::Perhaps),
        ("EOrder:cl_ord_id already in use", Placed::Perhaps),
        ("a text nobody knows", Placed::Perhaps),
    ] {
        let mut desk = online();
        let (number, _) = desk.submit(&order(1_000), at(0)).unwrap();
        let answer = format!(
            r#"{{"method":"add_order","error":"{text}","success":false,"req_id":{number}}}"#
        );
        let events = hear(&mut desk, &answer).unwrap();
        assert_eq!((refusal(&events).placed, refusal(&events).reason.as_str()), (placed, text));
        assert!(hear(&mut desk, &answer).unwrap().is_empty(), "an answer counts once");
    }
}

#[test]
fn with_a_token_that_is_not_known_nothing_is_sent_until_there_is_another() {
    let mut desk = online();
    let (number, _) = desk.submit(&order(1_000), at(0)).unwrap();
    let answer = format!(
        r#"{{"method":"add_order","error":"ESession:Invalid session","success":false,"req_id":{number}}}"#
    );
    let events = hear(&mut desk, &answer).unwrap();
    assert_eq!(refusal(&events).placed, Placed::No);
    assert!(desk.needs_token() && desk.submit(&order(1_000), at(0)).is_err());
    desk.renew("T2".to_owned());
    let (_, add) = desk.submit(&order(1_000), at(0)).unwrap();
    assert_eq!(add.token.as_deref(), Some("T2"));
}

#[test]
fn a_fill_is_told_once_and_the_end_apart_from_it() {
    let mut desk = online();
    let name: VenueOrderId = ID.parse().unwrap();
    let new =
        format!(r#""exec_type":"new","order_status":"new","order_qty":0.5,"cl_ord_id":"{ID}""#);
    let events = hear(&mut desk, &execution(1, &new)).unwrap();
    assert_eq!(events, [Event::Order(open(name))]);
    let events = hear(&mut desk, &execution(2, FILL)).unwrap();
    let [Event::Fill(fill), Event::Order(ended)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((fill.venue_order_id, fill.exec_id.as_str()), (name, "T1"));
    assert_eq!(ended.state, OrderState::Filled);
    assert!(hear(&mut desk, &execution(3, FILL)).unwrap().is_empty(), "told twice");
    let filled = r#""exec_type":"filled","order_status":"filled","cum_qty":0.5"#;
    assert!(hear(&mut desk, &execution(4, filled)).unwrap().is_empty());
    // nor after a reconnect, whose snapshot has it again
    desk.begin("T".to_owned());
    assert!(hear(&mut desk, &execution(1, FILL)).unwrap().is_empty());
}

#[test]
fn a_fill_whose_order_has_no_name_yet_waits_for_it() {
    let mut desk = online();
    assert!(hear(&mut desk, &execution(1, FILL)).unwrap().is_empty());
    let (number, _) = desk.submit(&order(1_000), at(0)).unwrap();
    let answer = format!(
        r#"{{"method":"add_order","result":{{"order_id":"O1"}},"success":true,"req_id":{number}}}"#
    );
    let events = hear(&mut desk, &answer).unwrap();
    assert!(matches!(events[0], Event::Submitted { result: Ok(_), .. }));
    assert!(
        events.iter().any(
            |event| matches!(event, Event::Fill(fill) if fill.venue_order_id == ID.parse().unwrap())
        ),
        "{events:?}"
    );
}

#[test]
fn a_fill_says_of_what_and_on_which_side_it_is_where_kraken_does() {
    let btc = (InstrumentId::new("BTC/USD").unwrap(), Side::Sell);
    for (said, expected) in [
        (r#","symbol":"BTC/USD","side":"sell""#, Some(btc)),
        (r#","symbol":"BTC/USD""#, None),
        ("", None),
    ] {
        let mut desk = online();
        let text = execution(1, &format!(r#"{FILL},"cl_ord_id":"{ID}"{said}"#));
        let events = hear(&mut desk, &text).unwrap();
        let traded = events.iter().find_map(|event| match event {
            Event::Fill(fill) => Some(fill.traded.clone()),
            _ => None,
        });
        assert_eq!(traded, Some(expected), "{said}");
    }
}

#[test]
fn an_order_is_not_told_as_ended_while_fills_are_missing() {
    let mut desk = online();
    let new =
        format!(r#""exec_type":"new","order_status":"new","order_qty":0.5,"cl_ord_id":"{ID}""#);
    hear(&mut desk, &execution(1, &new)).unwrap();
    let canceled = r#""exec_type":"canceled","order_status":"canceled","cum_qty":0.2,"reason":"User requested""#;
    assert!(hear(&mut desk, &execution(2, canceled)).unwrap().is_empty());
}

#[test]
fn a_hole_in_the_numbers_breaks_the_connection() {
    let mut desk = online();
    hear(&mut desk, &execution(1, r#""exec_type":"pending_new","order_status":"pending_new""#))
        .unwrap();
    let broken = hear(&mut desk, &execution(3, FILL)).unwrap_err();
    assert!(broken.0.contains("missing"), "{broken}");
    let refused =
        r#"{"method":"subscribe","error":"ESession:Invalid session","success":false,"req_id":0}"#;
    assert!(hear(&mut desk, refused).is_err());
}
