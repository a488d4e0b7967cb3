//! Faults on demand: each strikes what it was asked for, as often, and the ledger says what was all the same.

use std::time::{Duration, Instant};

use tradewind_domain::trading::Side;
use tradewind_sim::fault::Fault;
use tradewind_sim::wire::{
    ArrivalOutcome, FromVenue, Outcome, RefusalCode, Replacement, ToVenue, VenueOrderState,
};

use crate::client::{Client, Running, WITHIN, btc_usd, id, limit, market, now};

/// What is told until the pong of a ping that is sent now, in short.
async fn told(client: &mut Client) -> Vec<String> {
    client.send(&ToVenue::Ping {}).await;
    let mut told = Vec::new();
    loop {
        match client.next().await {
            FromVenue::Answer { request, result: Outcome::Done(_), .. } => {
                told.push(format!("answer {request}"));
            }
            FromVenue::Answer { request, result: Outcome::Refused { code, .. }, .. } => {
                told.push(format!("answer {request} {code:?}"));
            }
            FromVenue::OrderUpdate { order } => told.push(format!("{:?}", order.state)),
            FromVenue::Fill { fill } => told.push(format!("fill at {}", fill.price)),
            FromVenue::Quote { .. } => told.push("quote".to_owned()),
            FromVenue::Pong { .. } => return told,
            _ => {}
        }
    }
}

#[tokio::test]
async fn an_answer_is_lost_once_and_the_next_one_is_not() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let asked = r#"[{"fault":"swallow_answer","method":"submit"},{"fault":"swallow_answer","method":"cancel"}]"#;
    assert_eq!(venue.fault(asked).await, 204);
    for (request, number) in [(1, 1), (2, 2)] {
        let order = limit(number, Side::Buy, "29000.0", "1");
        client.send(&ToVenue::Submit { request, order }).await;
    }
    assert_eq!(told(&mut client).await, ["New", "answer 2", "New"]);
    for (request, number) in [(3, 1), (4, 2)] {
        client.send(&ToVenue::Cancel { request, venue_order_id: id(number) }).await;
    }
    assert_eq!(told(&mut client).await, ["Canceled", "answer 4", "Canceled"]);
    venue.stop().await;
}

#[tokio::test]
async fn an_answer_is_held_back_for_its_time() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    client.submit(limit(1, Side::Buy, "29000.0", "1")).await;
    let asked =
        r#"{"fault":"delay_answer","method":"replace","millis":300,"instrument":"BTC/USD"}"#;
    assert_eq!(venue.fault(asked).await, 204);
    let by = Replacement {
        venue_order_id: id(2),
        quantity: "2".parse().unwrap(),
        limit_price: "29000.0".parse().unwrap(),
        sent_at: now(),
        deadline: now() + WITHIN,
    };
    let began = Instant::now();
    client.send(&ToVenue::Replace { request: 9, venue_order_id: id(1), by }).await;
    client.state(2, VenueOrderState::New).await;
    let answered = |frame| matches!(frame, FromVenue::Answer { request: 9, .. }).then_some(());
    client.until(answered).await;
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    venue.stop().await;
}

#[tokio::test]
async fn an_order_that_is_taken_and_answered_with_an_error_is_in_the_ledger() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    assert_eq!(venue.fault(r#"{"fault":"error_after","method":"submit"}"#).await, 204);
    // One that is refused anyway is no occasion.
    for (request, price) in [(1, "0.05"), (2, "29000.0"), (3, "29000.0")] {
        let order = limit(request, Side::Buy, price, "1");
        client.send(&ToVenue::Submit { request, order }).await;
    }
    let expected = ["answer 1 InvalidOrder", "answer 2 Unavailable", "New", "answer 3", "New"];
    assert_eq!(told(&mut client).await, expected);
    let states: Vec<_> = venue.ledger().await.orders.iter().map(|order| order.state).collect();
    assert_eq!(states, [VenueOrderState::Rejected, VenueOrderState::New, VenueOrderState::New]);
    venue.stop().await;
}

#[tokio::test]
async fn submits_are_refused_so_often_and_nothing_of_them_is_placed() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    let asked = r#"[{"fault":"refuse","times":2},{"fault":"refuse","instrument":"ETH/USD"}]"#;
    assert_eq!(venue.fault(asked).await, 204);
    let mut placed = Vec::new();
    for number in 1..=3 {
        placed.push(client.submit(market(number, Side::Buy, "0.1")).await);
    }
    let refused = |outcome: &Outcome| {
        matches!(outcome, Outcome::Refused { code: RefusalCode::InvalidOrder, .. })
    };
    assert_eq!(placed.iter().map(refused).collect::<Vec<_>>(), [true, true, false]);
    let page = venue.ledger().await;
    let outcomes: Vec<_> = page.arrivals.iter().map(|arrival| arrival.outcome).collect();
    let refused = ArrivalOutcome::Refused(RefusalCode::InvalidOrder);
    assert_eq!(outcomes, [refused, refused, ArrivalOutcome::Placed]);
    assert_eq!(page.fills.len(), 1);
    venue.stop().await;
}

#[tokio::test]
async fn fills_are_told_twice_late_and_backwards_and_are_in_the_ledger_as_they_were() {
    let (first, second) = ("fill at 29430.3", "fill at 29430.4");
    let cases: [(&str, &[&str]); 3] = [
        ("repeat_fill", &["New", first, first, "PartiallyFilled", second, "Filled"]),
        ("late_fills", &["New", "PartiallyFilled", "Filled", first, second]),
        ("reverse_fills", &["New", second, "PartiallyFilled", first, "Filled"]),
    ];
    for (fault, expected) in cases {
        // Each at a venue whose book stands as at first.
        let home = tempfile::tempdir().unwrap();
        let venue = Running::still(home.path()).await;
        let mut client = Client::log_in(&venue).await;
        assert_eq!(venue.fault(&format!(r#"{{"fault":"{fault}"}}"#)).await, 204);
        client.send(&ToVenue::Submit { request: 1, order: market(1, Side::Buy, "8.5") }).await;
        let told = told(&mut client).await;
        assert_eq!(told[0], "answer 1", "{fault}");
        assert_eq!(told[1..], *expected, "{fault}");
        let fills = venue.ledger().await.fills;
        let prices: Vec<_> = fills.iter().map(|fill| fill.price.to_string()).collect();
        assert_eq!(prices, ["29430.3", "29430.4"], "{fault}");
        venue.stop().await;
    }
}

#[tokio::test]
async fn a_silence_keeps_all_that_is_to_be_told_and_of_an_instrument_loses_its_quotes() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    let mut client = Client::log_in(&venue).await;
    client.send(&ToVenue::Subscribe { instrument: btc_usd() }).await;
    assert_eq!(told(&mut client).await, ["quote"]);
    let asked = r#"{"fault":"silence","millis":60000,"instrument":"BTC/USD"}"#;
    assert_eq!(venue.fault(asked).await, 204);
    client.send(&ToVenue::Submit { request: 1, order: market(1, Side::Buy, "0.1") }).await;
    let expected = ["answer 1", "New", "fill at 29430.3", "Filled"];
    assert_eq!(told(&mut client).await, expected);
    let gone = reqwest::Client::new().delete(venue.faults()).send().await.unwrap();
    assert_eq!(gone.status(), 204);

    assert_eq!(venue.fault(r#"{"fault":"silence","millis":300}"#).await, 204);
    let began = Instant::now();
    client.send(&ToVenue::Submit { request: 2, order: market(2, Side::Buy, "0.1") }).await;
    let expected = ["answer 2", "New", "fill at 29430.3", "Filled", "quote"];
    assert_eq!(told(&mut client).await, expected);
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    venue.stop().await;
}

#[tokio::test]
async fn a_quote_is_lost_with_its_number() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::playing(home.path()).await;
    let mut client = Client::connect(&venue).await;
    client.send(&ToVenue::Subscribe { instrument: btc_usd() }).await;
    let number = |frame| match frame {
        FromVenue::Quote { seq, .. } => Some(seq),
        _ => None,
    };
    let mut last = client.until(number).await;
    assert_eq!(venue.fault(r#"{"fault":"skip_quote","times":3}"#).await, 204);
    let mut lost = 0;
    while lost < 3 {
        let next = client.until(number).await;
        lost += next - last - 1;
        last = next;
    }
    for _ in 0..10 {
        let next = client.until(number).await;
        assert_eq!(next, last + 1);
        last = next;
    }
    venue.stop().await;
}

#[tokio::test]
async fn faults_are_listed_forgotten_and_refused_when_they_are_none() {
    let home = tempfile::tempdir().unwrap();
    let venue = Running::still(home.path()).await;
    for body in [
        "",
        "earthquake",
        r#"{"fault":"earthquake"}"#,
        r#"[{"fault":"refuse"},{"fault":"refuse","tiems":2}]"#,
        r#"[{"fault":"refuse"},{"fault":"silence","millis":3600000}]"#,
    ] {
        assert_eq!(venue.fault(body).await, 400, "{body}");
    }
    let list = async || -> Vec<Fault> {
        reqwest::get(venue.faults()).await.unwrap().json().await.unwrap()
    };
    assert_eq!(list().await, []);
    let asked = r#"[{"fault":"late_fills","times":2},{"fault":"refuse"}]"#;
    assert_eq!(venue.fault(asked).await, 204);
    assert_eq!(list().await, serde_json::from_str::<Vec<Fault>>(asked).unwrap());
    let gone = reqwest::Client::new().delete(venue.faults()).send().await.unwrap();
    assert_eq!(gone.status(), 204);
    assert_eq!(list().await, []);
    let mut client = Client::log_in(&venue).await;
    assert!(matches!(client.submit(market(1, Side::Buy, "0.1")).await, Outcome::Done(_)));
    venue.stop().await;
}
