//! The addresses that change something: what is asked for rightly, and how it is asked for wrongly.

use super::{
    Fault::{NotThere, TooLong, WrongState},
    Write, audited, delete, put, write,
};
use serde_json::{Value, json};
use tradewind_domain::{control::level::FeatureLevel, ids::KeyHash};
use tradewind_link::rest::Method;
use tradewind_protocol::Code;

pub(super) fn account(customers: &[&str]) -> Value {
    json!({"venue": "sim", "adapter": "sim", "endpoint": "127.0.0.1:1", "customers": customers})
}

pub(super) fn trader(customer: &str, words: usize) -> Value {
    json!({"customer": customer, "command": vec!["w"; words], "state": "running"})
}

pub(super) fn market(routes: usize) -> Value {
    let route = json!({"instrument": "BTC/USD", "data_venue": "sim", "order_venue": "sim"});
    json!({ "routes": vec![route; routes] })
}

pub(super) fn hours(count: usize) -> Value {
    let window = json!({"daily": {"window": {"from": "01:00", "to": "02:00"}}});
    json!({ "after_hours": vec![window; count] })
}

pub(super) fn days(count: u32) -> Value {
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
    Write { only_wrong: true, ..write(Method::POST, path, asked.clone()) }
        .without(
            WrongState,
            "of a stopped one, and of one that was taken over: tests/cluster/tests/attached.rs",
        )
        .at(&format!("/v1/traders/{}/attachments", "n".repeat(64)), Code::MalformedRequest)
        .with(asked, Code::Refused)
        .at("/v1/traders/nobody/attachments", Code::NotFound)
        .field("manager", "a".into(), Code::MalformedRequest)
        .field("incarnation", "x".into(), Code::MalformedRequest)
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
        Write { only_wrong: true, ..put("/v1/customers/acme", json!({})) }
            .with(json!({ "key_hashes": [KeyHash::of("other").0] }), Code::InUse),
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
            .without(
                WrongState,
                "hours that are needed are not taken away: domain::control::resource",
            )
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
    all.extend(bounds());
    all
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

/// How a location scales, by a program that no member here knows; and what came of a request that there is not.
pub(super) fn scaling() -> Vec<Write> {
    let marks = json!({ "out_percent": 80, "in_percent": 30 });
    let spec = json!({
        "provisioner": { "exec": { "program": "nobody", "arguments": {} } }, "least": 0, "most": 1,
        "traders": marks, "cool_down_seconds": 60,
    });
    let told = json!({ "revision": 5, "result": { "failed": { "why": "no quota" } } });
    let long = format!("/v1/locations/{}/scale", "n".repeat(64));
    vec![
        put("/v1/locations/here/scale", spec)
            .without(
                NotThere,
                "a program that no member knows is said by the request that needs it",
            )
            .without(WrongState, "settings have no state")
            .at(&long, Code::MalformedRequest)
            .field("least", 2.into(), Code::Refused)
            .field("most", 65.into(), Code::Refused)
            .field("deadline_seconds", 0.into(), Code::Refused)
            .field("drop", "never".into(), Code::Refused)
            .field("traders", json!({ "out_percent": 30, "in_percent": 30 }), Code::Refused)
            .field("traders", json!({ "out_percent": 30 }), Code::MalformedRequest)
            .field("provisioner", json!({ "process": { "capacity": 0 } }), Code::Refused)
            .field("provisioner", "process".into(), Code::MalformedRequest),
        audited(Write {
            only_wrong: true,
            ..write(Method::PUT, "/v1/provisioning/5", told.clone())
        })
        .without(WrongState, "there is no request here: tests/cluster/tests/scale.rs")
        .with(told, Code::NotFound)
        .field("result", "released".into(), Code::NotFound)
        .at("/v1/provisioning/first", Code::MalformedRequest)
        .with(json!({ "revision": 5, "result": { "failed": {} } }), Code::MalformedRequest),
    ]
}

/// What is deleted, in an order in which each can be.
pub(super) fn deletions() -> Vec<Write> {
    let key = KeyHash::of("secret").key_id();
    let path = format!("/v1/customers/acme/keys/{key}");
    let of_key = audited(write(Method::DELETE, &path, Value::Null));
    let in_use = |path| Write { only_wrong: true, ..delete(path) }.at(path, Code::InUse);
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
        Write { only_wrong: true, ..delete("/v1/trading-states/customer.acme") }
            .at("/v1/trading-states/customer.acme", Code::Conflict),
        write(Method::PUT, "/v1/trading-states/customer.acme", json!({"state": "active"})),
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
        delete("/v1/locations/here")
            .without(WrongState, "hours that are needed stay: domain::control::resource")
            .at("/v1/locations/there", Code::NotFound)
            .long_name(),
        delete("/v1/locations/here/scale")
            .without(WrongState, "settings have no state")
            .at("/v1/locations/there/scale", Code::NotFound),
        delete("/v1/exchange-days/XNYS")
            .without(WrongState, "days have no state")
            .at("/v1/exchange-days/XETR", Code::MalformedRequest),
        // Not a second time.
        Write { only_wrong: true, conditional: false, ..delete("/v1/exchange-days/XNYS") }
            .at("/v1/exchange-days/XNYS", Code::NotFound),
        of_key
            .without(WrongState, "a key has no state")
            .at("/v1/customers/acme/keys/000000000000", Code::NotFound)
            .at("/v1/customers/acme/keys/secret", Code::NotFound)
            .at(&format!("/v1/customers/nobody/keys/{key}"), Code::NotFound),
        // In use, until it is nobody's.
        write(Method::PUT, "/v1/accounts/k", account(&[])),
        delete("/v1/accounts/k").at("/v1/accounts/l", Code::NotFound).long_name(),
        delete("/v1/customers/bolt"),
        delete("/v1/customers/acme").at("/v1/customers/nobody", Code::NotFound).long_name(),
    ]
}

/// Members, Managers and registers.
pub(super) fn others() -> Vec<Write> {
    let check_in = json!({
        "manager": "a.broker-manager", "location": "here", "address": "127.0.0.1:1",
        "incarnation": 5, "capacity": 1, "services": [], "level": FeatureLevel::KNOWN,
    });
    let mut earlier = check_in.clone();
    earlier["incarnation"] = 4.into();
    let value = |length: usize| json!({ "value": "v".repeat(length), "expected": null });
    let cas = json!({ "value": "new", "expected": "v" });
    vec![
        write(Method::POST, "/v1/managers/check-in", check_in)
            .without(NotThere, "who checks in is there by that")
            .field("manager", "n".repeat(64).into(), Code::MalformedRequest)
            .field("address", "a".repeat(257).into(), Code::Refused)
            .field("level", 1.into(), Code::Refused),
        Write { only_wrong: true, ..write(Method::POST, "/v1/managers/check-in", earlier.clone()) }
            .with(earlier, Code::Superseded),
        audited(write(Method::PUT, "/v1/members/voters-wanted", json!({ "voters": 3 })))
            .without(NotThere, "it names nobody")
            .without(WrongState, "it is wanted whatever there is")
            .with(json!({ "voters": 4 }), Code::Refused),
        write(Method::PUT, "/v1/registers/r", value(1))
            .without(NotThere, "it is there by being written")
            .without(WrongState, "it is written over")
            .long_name()
            .with(value(1_025), Code::Refused),
        write(Method::POST, "/v1/registers/r/cas", cas)
            .without(NotThere, "one that is not there holds nothing, which is another value")
            .field("value", "v".repeat(1_025).into(), Code::Refused)
            .field("expected", "other".into(), Code::Conflict)
            .with(json!({ "value": "new" }), Code::MalformedRequest),
    ]
}

/// Of the Manager that has checked in before, which nobody reaches.
pub(super) fn drains() -> Vec<Write> {
    let by = json!({ "who": "ann", "why": "an upgrade" });
    let mut begin = by.clone();
    begin["drop"] = "never".into();
    let conditional = |write| Write { conditional: true, ..write };
    let drain = "/v1/drains/a.broker-manager";
    let change = |method, path: &str, body: &Value| {
        conditional(write(method, path, body.clone())).field(
            "why",
            "w".repeat(5_000).into(),
            Code::Refused,
        )
    };
    let dropped = "of a dropped one alone: domain::control::drain::tests";
    // One that goes on is not begun in other words.
    let again = |path: &str| {
        let mut other = begin.clone();
        other["drop"] = "when_idle".into();
        let begin = Write { only_wrong: true, ..write(Method::POST, path, other.clone()) };
        conditional(begin).with(other, Code::Conflict)
    };
    let whole = write(Method::POST, "/v1/implementations/a/drain", begin.clone());
    vec![
        conditional(whole)
            .at("/v1/implementations/b/drain", Code::NotFound)
            .at("/v1/implementations/a.broker-manager/drain", Code::MalformedRequest)
            .field("why", "w".repeat(5_000).into(), Code::Refused),
        again("/v1/implementations/a/drain"),
        change(Method::DELETE, "/v1/drains/a", &by)
            .without(WrongState, dropped)
            .at("/v1/drains/b", Code::NotFound),
        conditional(write(Method::POST, "/v1/managers/a.broker-manager/drain", begin.clone()))
            .at("/v1/managers/b.broker-manager/drain", Code::NotFound)
            .at("/v1/implementations/b/drain", Code::NotFound)
            .at("/v1/managers/a/drain", Code::MalformedRequest)
            .field("why", "w".repeat(5_000).into(), Code::Refused)
            .field("drop", "soon".into(), Code::MalformedRequest)
            .field("drop", "after_hours".into(), Code::Refused)
            .with(json!({ "who": "ann" }), Code::MalformedRequest),
        again("/v1/managers/a.broker-manager/drain"),
        change(Method::PUT, &format!("{drain}/drop"), &begin)
            .without(WrongState, dropped)
            .with(by.clone(), Code::MalformedRequest)
            .at("/v1/drains/a/drop", Code::NotFound),
        change(Method::POST, &format!("{drain}/abandon"), &by)
            .without(WrongState, dropped)
            .with(begin.clone(), Code::MalformedRequest)
            .at("/v1/drains/a/abandon", Code::NotFound),
        change(Method::POST, &format!("{drain}/force"), &by)
            .without(WrongState, dropped)
            .with(begin.clone(), Code::MalformedRequest)
            .at("/v1/drains/a/force", Code::NotFound),
        change(Method::DELETE, drain, &by).at("/v1/drains/a", Code::NotFound),
    ]
}

/// Without a TraderManager there is nothing to move: it ends as soon as it is begun.
pub(super) fn rebalances() -> Vec<Write> {
    let by = json!({ "who": "ann", "why": "a node was added" });
    let asked = |method| {
        write(method, "/v1/rebalance", by.clone())
            .field("why", "w".repeat(5_000).into(), Code::Refused)
            .with(json!({ "who": "ann" }), Code::MalformedRequest)
    };
    let cancel = asked(Method::DELETE).with(by.clone(), Code::NotFound);
    let cancel = cancel.without(WrongState, "what is under way has one state");
    let begin = asked(Method::POST)
        .without(NotThere, "it names nobody")
        .without(WrongState, "the one under way goes on, and is the answer");
    vec![Write { only_wrong: true, conditional: true, ..cancel }, begin]
}

/// The group's own members.
pub(super) fn group_members() -> Vec<Write> {
    let only_wrong = |method, path, body| Write { only_wrong: true, ..write(method, path, body) };
    let (disk, place) = ("0123456789abcdef".repeat(2), "127.0.0.1:1");
    let address = json!({ "disk": disk, "peer_address": place, "api_address": place });
    let mut join = address.clone();
    join["cluster"] = "other".into();
    let told = json!({ "api_address": place, "public_key": "0".repeat(64) });
    vec![
        only_wrong(Method::POST, "/v1/members", join.clone())
            .without(NotThere, "it asks to be let in")
            .with(join, Code::Conflict)
            .field("peer_address", "nowhere".into(), Code::Conflict)
            .field("level", "new".into(), Code::MalformedRequest)
            .field("disk", "short".into(), Code::MalformedRequest)
            .field("api_address", "a".repeat(257).into(), Code::Conflict),
        only_wrong(Method::PUT, "/v1/members/1", told)
            .without(WrongState, "a member tells how it is")
            .field("api_address", "a".repeat(257).into(), Code::Refused)
            .at("/v1/members/9", Code::NotFound)
            .at("/v1/members/x", Code::MalformedRequest)
            .field("public_key", "no key".into(), Code::MalformedRequest),
        only_wrong(Method::PUT, "/v1/members/1/address", address.clone())
            .with(address, Code::Conflict)
            .at("/v1/members/9/address", Code::NotFound)
            .field("api_address", "a".repeat(257).into(), Code::Conflict)
            .field("peer_address", "nowhere".into(), Code::MalformedRequest),
        only_wrong(Method::PUT, "/v1/members/1/level", json!({ "level": 1 }))
            .without(WrongState, "a level falls in no state")
            .without(TooLong, "a number")
            .with(json!({ "level": 1 }), Code::Refused)
            .at("/v1/members/9/level", Code::NotFound)
            .with(json!({ "level": "all" }), Code::MalformedRequest),
        audited(only_wrong(Method::DELETE, "/v1/members/1", Value::Null))
            .without(WrongState, "whom the group cannot spare: domain::control::membership")
            .at("/v1/members/9", Code::NotFound)
            .at("/v1/members/1?force=perhaps", Code::MalformedRequest),
        audited(only_wrong(Method::POST, "/v1/leader/transfer", json!({ "to": null })))
            .without(WrongState, "whoever leads hands over")
            .with(json!({ "to": 9 }), Code::NotFound)
            .with(json!({ "to": "anybody" }), Code::MalformedRequest),
    ]
}
