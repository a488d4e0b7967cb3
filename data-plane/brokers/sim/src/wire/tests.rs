//! Tests of the wire: one sample of each message, as a client in any language would write and read it.

use super::*;

fn samples<T: Serialize + serde::de::DeserializeOwned>(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let message: T = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_value(&message).unwrap(), value);
            value["type"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn every_message_to_the_venue_has_its_sample() {
    let expected = [
        "login",
        "subscribe",
        "unsubscribe",
        "submit",
        "submit",
        "cancel",
        "query_order",
        "sweep",
        "sweep",
        "ping",
        "replace",
        "observe",
    ];
    assert_eq!(samples::<ToVenue>(include_str!("golden/to_venue.jsonl")), expected);
}

#[test]
fn every_message_from_the_venue_has_its_sample() {
    let expected = [
        "logged_in",
        "quote",
        "order_update",
        "fill",
        "answer",
        "answer",
        "answer",
        "answer",
        "heartbeat",
        "pong",
        "error",
        "order_update",
        "answer",
        "trade",
        "observing",
        "subscribed",
        "unsubscribed",
        "fill",
    ];
    assert_eq!(samples::<FromVenue>(include_str!("golden/from_venue.jsonl")), expected);
}

#[test]
fn what_a_later_venue_says_of_a_fill_is_passed_over() {
    let fill = include_str!("golden/from_venue.jsonl").lines().last().unwrap();
    let later = fill.replace(r#","fee":"#, r#","surcharge":"1","fee":"#);
    assert_ne!(later, fill);
    let read = |text| serde_json::from_str::<FromVenue>(text).unwrap();
    assert_eq!(read(&later), read(fill));
}
