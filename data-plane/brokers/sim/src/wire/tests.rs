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
    ];
    assert_eq!(samples::<FromVenue>(include_str!("golden/from_venue.jsonl")), expected);
}
