//! The addresses where something is declared or deleted.

use super::{
    cluster::waits_for_hours,
    fault::Fault::{NotThere, Twice, WrongState},
    write::{Write, audited, delete, put, write},
};
use crate::tests::{attached, group::now};
use serde_json::{Value, json};
use tradewind_domain::ids::KeyHash;
use tradewind_link::rest::Method;
use tradewind_protocol::Code;

fn account(customers: &[&str]) -> Value {
    json!({"venue": "sim", "adapter": "sim", "endpoint": "127.0.0.1:1", "customers": customers})
}

fn trader(customer: &str, words: usize) -> Value {
    json!({"customer": customer, "command": vec!["w"; words], "state": "running"})
}

fn market(routes: usize) -> Value {
    let route = json!({"instrument": "BTC/USD", "data_venue": "sim", "order_venue": "sim"});
    json!({ "routes": vec![route; routes] })
}

/// Half a day away from now: nothing is dropped here.
fn hours(count: usize) -> Value {
    let away = |hours| format!("{:02}:00", (now().0 / 3_600_000_000_000 + hours) % 24);
    let window = json!({"daily": {"window": {"from": away(12), "to": away(13)}}});
    json!({ "after_hours": vec![window; count] })
}

fn days(count: u32) -> Value {
    let day = |n| tradewind_domain::calendar::Day(20_000 + n).to_string();
    let days: serde_json::Map<_, _> = (0..count).map(|n| (day(n), json!("closed"))).collect();
    json!({ "days": days })
}

/// A TraderManager asks it; none has checked in here. Of a Trader that is run there nobody attaches.
fn attachment() -> Write {
    let asked = json!({
        "manager": "a.trader-manager", "incarnation": 5, "copy": "c1", "key_id": "0123456789ab",
        "takes_over": true,
    });
    let path = "/v1/traders/t/attachments";
    write(Method::POST, path, asked)
        .without(
            WrongState,
            "of a stopped one, and of one that was taken over: tests/cluster/tests/attached.rs",
        )
        .shown_by(Twice, attached::an_attachment_repeated_under_its_key_takes_no_place_again)
        .at(&format!("/v1/traders/{}/attachments", "n".repeat(64)), Code::MalformedRequest)
        .at("/v1/traders/nobody/attachments", Code::NotFound)
        .field("manager", "a".into(), Code::MalformedRequest)
        .field("incarnation", "x".into(), Code::MalformedRequest)
        .refused(Code::Refused)
}

/// What is declared, in an order in which each can be.
pub(super) fn declarations() -> Vec<Write> {
    let hash = KeyHash::of("secret").0;
    let many: Vec<String> = (0..65).map(|n| KeyHash::of(&n.to_string()).0).collect();
    let mut all = vec![
        put("/v1/customers/acme", json!({}))
            .without(NotThere, "he names nobody else")
            .long_name()
            .with(json!({ "key_hashes": many }), Code::Refused)
            .with(json!({ "key_hashes": ["secret"] }), Code::Refused),
        put("/v1/customers/bolt", json!({ "key_hashes": [KeyHash::of("other").0] })),
        // A key is of one customer.
        put("/v1/customers/acme", json!({ "key_hashes": [KeyHash::of("other").0] }))
            .refused(Code::InUse),
        audited(write(Method::POST, "/v1/customers/acme/keys", json!({ "key_hash": hash })))
            .at("/v1/customers/nobody/keys", Code::NotFound)
            .at(&format!("/v1/customers/{}/keys", "n".repeat(64)), Code::MalformedRequest)
            .with(json!({ "key_hash": format!("{hash}0") }), Code::Refused)
            .with(json!({ "key_hash": "secret" }), Code::Refused)
            .with(json!({ "key_hash": KeyHash::of("other").0 }), Code::InUse),
        put("/v1/accounts/k", account(&["acme"]))
            .without(WrongState, "it is declared whatever it was; what it was assigned to stays")
            .long_name()
            .field("endpoint", "e".repeat(257).into(), Code::Refused)
            .field("adapter", "schwab".into(), Code::Unsupported)
            .with(account(&["nobody"]), Code::NotFound),
        put("/v1/markets/crypto", market(1))
            .without(NotThere, "it names venues, which nobody declares")
            .without(WrongState, "it is declared whatever it was")
            .long_name()
            .with(market(801), Code::Refused),
        put("/v1/traders/t", trader("acme", 1))
            .without(WrongState, "it is declared whatever it was; what runs follows")
            .long_name()
            .with(trader("nobody", 1), Code::NotFound)
            .with(trader("acme", 65), Code::Refused),
        attachment(),
        put("/v1/locations/here", hours(1))
            .without(NotThere, "a location is there by its name")
            .long_name()
            .with(hours(17), Code::Refused),
        put("/v1/exchange-days/XNYS", days(1))
            .without(NotThere, "another exchange cannot even be read")
            .without(WrongState, "days have no state")
            .at("/v1/exchange-days/XETR", Code::MalformedRequest)
            .with(days(401), Code::Refused),
        put(
            "/v1/markets/crypto/routes/ETH%2FUSD",
            json!({"data_venue": "sim", "order_venue": "sim"}),
        )
        .without(WrongState, "it is declared whatever it was")
        .at("/v1/markets/nowhere/routes/ETH%2FUSD", Code::NotFound)
        .at("/v1/markets/crypto/routes/ETH/USD", Code::NotFound)
        .at("/v1/markets/crypto/routes/eth", Code::MalformedRequest)
        .at(&format!("/v1/markets/crypto/routes/{}", "I".repeat(33)), Code::MalformedRequest)
        .with(json!({"data_venue": "sim"}), Code::MalformedRequest),
    ];
    all.extend(hours_in_need());
    all.extend(bounds());
    all
}

/// Nobody takes away hours that a drain waits for; others they may be.
fn hours_in_need() -> Vec<Write> {
    let [begin, cancel] = waits_for_hours();
    let here = "/v1/locations/here";
    vec![
        begin,
        put(here, hours(0)).refused(Code::InUse),
        delete(here).refused(Code::InUse),
        put(here, hours(2)),
        cancel,
    ]
}

/// What orders must keep, and who may trade.
fn bounds() -> Vec<Write> {
    vec![
        put("/v1/risk/customer.acme", json!({"max_order_quantity": "0.5", "price_band": "0.05"}))
            .without(WrongState, "limits are set whatever they were")
            .at("/v1/risk/customer.nobody", Code::NotFound)
            .at("/v1/risk/account.nowhere", Code::NotFound)
            .at("/v1/risk/trader.nobody", Code::NotFound)
            .at("/v1/risk/acme", Code::MalformedRequest)
            .at(&format!("/v1/risk/trader.{}", "n".repeat(64)), Code::MalformedRequest)
            .field("max_order_quantity", "0".into(), Code::Refused)
            .field("max_order_quantity", 0.5.into(), Code::MalformedRequest)
            .field("max_order_notional", "-1".into(), Code::MalformedRequest)
            .field("price_band", "1.1".into(), Code::Refused)
            .field("order_rate", json!({"orders": 0, "within_ms": 1}), Code::Refused)
            .field("equal_orders", json!({"orders": 1}), Code::MalformedRequest),
        put("/v1/trading-states/customer.acme", json!({"state": "halted"}))
            .without(WrongState, "it is set whatever it was")
            .at("/v1/trading-states/customer.nobody", Code::NotFound)
            .at("/v1/trading-states/everybody", Code::MalformedRequest)
            .at(&format!("/v1/trading-states/trader.{}", "n".repeat(64)), Code::MalformedRequest)
            .field("state", "asleep".into(), Code::MalformedRequest),
    ]
}

/// What is deleted, in an order in which each can be.
pub(super) fn deletions() -> Vec<Write> {
    let key = KeyHash::of("secret").key_id();
    let path = format!("/v1/customers/acme/keys/{key}");
    let of_key = audited(write(Method::DELETE, &path, Value::Null));
    let in_use = |path| delete(path).refused(Code::InUse);
    vec![
        in_use("/v1/accounts/k").at("/v1/accounts/k?release=true", Code::InUse),
        in_use("/v1/customers/acme"),
        delete("/v1/markets/crypto/routes/ETH%2FUSD")
            .without(WrongState, "nothing holds a route")
            .at("/v1/markets/crypto/routes/SOL%2FUSD", Code::NotFound)
            .at("/v1/markets/nowhere/routes/ETH%2FUSD", Code::NotFound)
            .at("/v1/markets/crypto/routes/eth", Code::MalformedRequest),
        delete("/v1/risk/customer.acme")
            .without(WrongState, "limits have no state")
            .at("/v1/risk/global", Code::NotFound)
            .at("/v1/risk/acme", Code::MalformedRequest)
            .at("/v1/risk/customer.acme?release=true", Code::MalformedRequest),
        // Not before it is active.
        delete("/v1/trading-states/customer.acme").refused(Code::Conflict),
        put("/v1/trading-states/customer.acme", json!({"state": "active"})),
        delete("/v1/trading-states/customer.acme")
            .at("/v1/trading-states/global", Code::NotFound)
            .at("/v1/trading-states/everybody", Code::MalformedRequest),
        delete("/v1/traders/t")
            .without(WrongState, "it is deleted in any state; what runs of it ends")
            .at("/v1/traders/u", Code::NotFound)
            .long_name(),
        delete("/v1/markets/crypto")
            .without(WrongState, "nothing holds a Market")
            .at("/v1/markets/m", Code::NotFound)
            .long_name(),
        delete("/v1/locations/here").at("/v1/locations/there", Code::NotFound).long_name(),
        delete("/v1/locations/here/scale")
            .without(WrongState, "settings have no state")
            .at("/v1/locations/there/scale", Code::NotFound),
        delete("/v1/exchange-days/XNYS")
            .without(WrongState, "days have no state")
            .at("/v1/exchange-days/XETR", Code::MalformedRequest),
        // Not a second time.
        Write { conditional: false, ..delete("/v1/exchange-days/XNYS") }.refused(Code::NotFound),
        of_key
            .without(WrongState, "a key has no state")
            .at("/v1/customers/acme/keys/000000000000", Code::NotFound)
            .at("/v1/customers/acme/keys/secret", Code::NotFound)
            .at(&format!("/v1/customers/nobody/keys/{key}"), Code::NotFound),
        // In use, until it is nobody's.
        put("/v1/accounts/k", account(&[])),
        delete("/v1/accounts/k").at("/v1/accounts/l", Code::NotFound).long_name(),
        delete("/v1/customers/bolt"),
        delete("/v1/customers/acme").at("/v1/customers/nobody", Code::NotFound).long_name(),
    ]
}
