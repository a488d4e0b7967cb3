//! Claims about every address that changes something: what is wrong with a request is told with its own code and
//! changes nothing, and a repeat gets the first answer, by way of any member.

use super::group::Group;
use serde_json::{Value, json};
use tradewind_domain::ids::KeyHash;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::{IDEMPOTENCY_KEY, format_key},
    resources::IF_MATCH,
    terms::{WHO, WHY},
};

/// One address. What is asked for wrongly stands beside what is asked for rightly.
struct Write {
    method: Method,
    path: String,
    body: Value,
    /// Takes `If-Match`.
    conditional: bool,
    /// Takes who asks for it, and why.
    audited: bool,
    /// Here it is only asked for wrongly: done, it would change the group that the test runs on.
    only_wrong: bool,
    wrong: Vec<(String, Value, Code)>,
}

fn write(method: Method, path: &str, body: Value) -> Write {
    Write {
        method,
        path: path.to_owned(),
        body,
        conditional: false,
        audited: false,
        only_wrong: false,
        wrong: Vec::new(),
    }
}

fn put(path: &str, body: Value) -> Write {
    Write { conditional: true, audited: true, ..write(Method::PUT, path, body) }
}

fn delete(path: &str) -> Write {
    Write { conditional: true, audited: true, ..write(Method::DELETE, path, Value::Null) }
}

fn audited(write: Write) -> Write {
    Write { audited: true, ..write }
}

impl Write {
    /// The same request at another address.
    fn at(self, path: &str, code: Code) -> Self {
        let body = self.body.clone();
        self.wrong(path.to_owned(), body, code)
    }

    /// The same request with another body.
    fn with(self, body: Value, code: Code) -> Self {
        let path = self.path.clone();
        self.wrong(path, body, code)
    }

    /// The same request with one field changed.
    fn field(self, name: &str, value: Value, code: Code) -> Self {
        let mut body = self.body.clone();
        body[name] = value;
        self.with(body, code)
    }

    /// The same request for a name that is too long by one letter.
    fn long_name(self) -> Self {
        let (before, _) = self.path.rsplit_once('/').unwrap();
        let path = format!("{before}/{}", "n".repeat(64));
        self.at(&path, Code::MalformedRequest)
    }

    fn wrong(mut self, path: String, body: Value, code: Code) -> Self {
        self.wrong.push((path, body, code));
        self
    }
}

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

fn hours(count: usize) -> Value {
    let window = json!({"daily": {"window": {"from": "01:00", "to": "02:00"}}});
    json!({ "after_hours": vec![window; count] })
}

fn days(count: u32) -> Value {
    let day = |n| tradewind_domain::calendar::Day(20_000 + n).to_string();
    let days: serde_json::Map<_, _> = (0..count).map(|n| (day(n), json!("closed"))).collect();
    json!({ "days": days })
}

/// What is declared, in an order in which each can be.
fn declarations() -> Vec<Write> {
    let hash = KeyHash::of("secret").0;
    let many: Vec<String> = (0..65).map(|n| KeyHash::of(&n.to_string()).0).collect();
    vec![
        put("/v1/customers/acme", json!({}))
            .long_name()
            .with(json!({ "key_hashes": many }), Code::Refused)
            .with(json!({ "key_hashes": ["secret"] }), Code::Refused),
        put("/v1/customers/bolt", json!({ "key_hashes": [KeyHash::of("other").0] })),
        audited(write(Method::POST, "/v1/customers/acme/keys", json!({ "key_hash": hash })))
            .at("/v1/customers/nobody/keys", Code::NotFound)
            .with(json!({ "key_hash": format!("{hash}0") }), Code::Refused)
            .with(json!({ "key_hash": "secret" }), Code::Refused)
            .with(json!({ "key_hash": KeyHash::of("other").0 }), Code::InUse),
        put("/v1/accounts/k", account(&["acme"]))
            .long_name()
            .field("endpoint", "e".repeat(257).into(), Code::Refused)
            .field("adapter", "kraken".into(), Code::Unsupported)
            .with(account(&["nobody"]), Code::NotFound),
        put("/v1/markets/crypto", market(1)).long_name().with(market(801), Code::Refused),
        put("/v1/traders/t", trader("acme", 1))
            .long_name()
            .with(trader("nobody", 1), Code::NotFound)
            .with(trader("acme", 65), Code::Refused)
            .with(trader("acme", 0), Code::Refused),
        put("/v1/locations/here", hours(1)).long_name().with(hours(17), Code::Refused),
        put("/v1/exchange-days/XNYS", days(1))
            .at("/v1/exchange-days/XETR", Code::MalformedRequest)
            .with(days(401), Code::Refused),
        put(
            "/v1/markets/crypto/routes/ETH%2FUSD",
            json!({"data_venue": "sim", "order_venue": "sim"}),
        )
        .at("/v1/markets/nowhere/routes/ETH%2FUSD", Code::NotFound)
        .at("/v1/markets/crypto/routes/ETH/USD", Code::NotFound)
        .at("/v1/markets/crypto/routes/eth", Code::MalformedRequest)
        .at(&format!("/v1/markets/crypto/routes/{}", "I".repeat(33)), Code::MalformedRequest)
        .with(json!({"data_venue": "sim"}), Code::MalformedRequest),
        put("/v1/risk/customer.acme", json!({"max_order_quantity": "0.5", "price_band": "0.05"}))
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
            .at("/v1/trading-states/customer.nobody", Code::NotFound)
            .at("/v1/trading-states/everybody", Code::MalformedRequest)
            .at(&format!("/v1/trading-states/trader.{}", "n".repeat(64)), Code::MalformedRequest)
            .field("state", "asleep".into(), Code::MalformedRequest),
    ]
}

/// How a location scales, by a program that no member here knows; and what came of a request that there is not.
fn scaling() -> Vec<Write> {
    let marks = json!({ "out_percent": 80, "in_percent": 30 });
    let spec = json!({
        "provisioner": { "exec": { "program": "nobody", "arguments": {} } }, "least": 0, "most": 1,
        "traders": marks, "cool_down_seconds": 60,
    });
    let told = json!({ "revision": 5, "result": "released" });
    let long = format!("/v1/locations/{}/scale", "n".repeat(64));
    vec![
        put("/v1/locations/here/scale", spec)
            .at(&long, Code::MalformedRequest)
            .field("least", 2.into(), Code::Refused)
            .field("most", 65.into(), Code::Refused)
            .field("deadline_seconds", 0.into(), Code::Refused)
            .field("drop", "never".into(), Code::Refused)
            .field("traders", json!({ "out_percent": 30, "in_percent": 30 }), Code::Refused)
            .field("traders", json!({ "out_percent": 30 }), Code::MalformedRequest)
            .field("provisioner", json!({ "process": { "capacity": 0 } }), Code::Refused)
            .field("provisioner", "process".into(), Code::MalformedRequest),
        Write { only_wrong: true, ..write(Method::PUT, "/v1/provisioning/5", told.clone()) }
            .with(told, Code::NotFound)
            .at("/v1/provisioning/first", Code::MalformedRequest)
            .with(json!({ "revision": 5, "result": { "failed": {} } }), Code::MalformedRequest),
    ]
}

/// What is deleted, in an order in which each can be.
fn deletions() -> Vec<Write> {
    let key = KeyHash::of("secret").key_id();
    let path = format!("/v1/customers/acme/keys/{key}");
    let of_key = audited(write(Method::DELETE, &path, Value::Null));
    vec![
        delete("/v1/markets/crypto/routes/ETH%2FUSD")
            .at("/v1/markets/crypto/routes/SOL%2FUSD", Code::NotFound)
            .at("/v1/markets/nowhere/routes/ETH%2FUSD", Code::NotFound)
            .at("/v1/markets/crypto/routes/eth", Code::MalformedRequest),
        delete("/v1/risk/customer.acme")
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
        delete("/v1/traders/t").at("/v1/traders/u", Code::NotFound).long_name(),
        delete("/v1/markets/crypto").at("/v1/markets/m", Code::NotFound).long_name(),
        delete("/v1/locations/here").at("/v1/locations/there", Code::NotFound).long_name(),
        delete("/v1/locations/here/scale").at("/v1/locations/there/scale", Code::NotFound),
        delete("/v1/exchange-days/XNYS").at("/v1/exchange-days/XETR", Code::MalformedRequest),
        of_key
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
fn others() -> Vec<Write> {
    let check_in = json!({
        "manager": "a.broker-manager", "location": "here", "address": "127.0.0.1:1",
        "incarnation": 5, "capacity": 1, "services": [],
    });
    let value = |length: usize| json!({ "value": "v".repeat(length), "expected": null });
    let cas = json!({ "value": "new", "expected": "v" });
    vec![
        write(Method::POST, "/v1/managers/check-in", check_in)
            .field("manager", "n".repeat(64).into(), Code::MalformedRequest)
            .field("address", "a".repeat(257).into(), Code::Refused),
        write(Method::PUT, "/v1/members/voters-wanted", json!({ "voters": 3 }))
            .with(json!({ "voters": 4 }), Code::Refused),
        write(Method::PUT, "/v1/registers/r", value(1))
            .long_name()
            .with(value(1_025), Code::Refused),
        write(Method::POST, "/v1/registers/r/cas", cas)
            .field("expected", "other".into(), Code::Conflict)
            .with(json!({ "value": "new" }), Code::MalformedRequest),
    ]
}

/// Of the Manager that has checked in before, which nobody reaches.
fn drains() -> Vec<Write> {
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
    vec![
        write(Method::POST, "/v1/managers/a.broker-manager/drain", begin.clone())
            .at("/v1/managers/b.broker-manager/drain", Code::NotFound)
            .at("/v1/implementations/b/drain", Code::NotFound)
            .at("/v1/managers/a/drain", Code::MalformedRequest)
            .field("why", "w".repeat(5_000).into(), Code::Refused)
            .field("drop", "soon".into(), Code::MalformedRequest)
            .field("drop", "after_hours".into(), Code::Refused)
            .with(json!({ "who": "ann" }), Code::MalformedRequest),
        change(Method::PUT, &format!("{drain}/drop"), &begin)
            .with(by.clone(), Code::MalformedRequest)
            .at("/v1/drains/a/drop", Code::NotFound),
        change(Method::POST, &format!("{drain}/force"), &by)
            .with(begin, Code::MalformedRequest)
            .at("/v1/drains/a/force", Code::NotFound),
        change(Method::DELETE, drain, &by).at("/v1/drains/a", Code::NotFound),
    ]
}

/// Without a TraderManager there is nothing to move: it ends as soon as it is begun.
fn rebalances() -> Vec<Write> {
    let by = json!({ "who": "ann", "why": "a node was added" });
    let asked = |method| {
        write(method, "/v1/rebalance", by.clone())
            .field("why", "w".repeat(5_000).into(), Code::Refused)
            .with(json!({ "who": "ann" }), Code::MalformedRequest)
    };
    let cancel = asked(Method::DELETE).with(by.clone(), Code::NotFound);
    vec![Write { only_wrong: true, ..cancel }, asked(Method::POST)]
}

/// The group's own members.
fn group_members() -> Vec<Write> {
    let only_wrong = |method, path, body| Write { only_wrong: true, ..write(method, path, body) };
    let (disk, place) = ("0123456789abcdef".repeat(2), "127.0.0.1:1");
    let address = json!({ "disk": disk, "peer_address": place, "api_address": place });
    let mut join = address.clone();
    join["cluster"] = "other".into();
    let told = json!({ "api_address": place, "public_key": "0".repeat(64) });
    vec![
        only_wrong(Method::POST, "/v1/members", join.clone())
            .with(join, Code::Conflict)
            .field("peer_address", "nowhere".into(), Code::Conflict)
            .field("disk", "short".into(), Code::MalformedRequest),
        only_wrong(Method::PUT, "/v1/members/1", told)
            .at("/v1/members/9", Code::NotFound)
            .at("/v1/members/x", Code::MalformedRequest)
            .field("public_key", "no key".into(), Code::MalformedRequest),
        only_wrong(Method::PUT, "/v1/members/1/address", address.clone())
            .with(address, Code::Conflict)
            .field("peer_address", "nowhere".into(), Code::MalformedRequest),
        only_wrong(Method::DELETE, "/v1/members/1", Value::Null)
            .at("/v1/members/9", Code::NotFound)
            .at("/v1/members/1?force=perhaps", Code::MalformedRequest),
        only_wrong(Method::POST, "/v1/leader/transfer", json!({ "to": 9 }))
            .with(json!({ "to": 9 }), Code::NotFound)
            .with(json!({ "to": "anybody" }), Code::MalformedRequest),
    ]
}

async fn refused(group: &Group, member: usize, method: &Method, asked: Asked<'_>, code: Code) {
    let Asked { path, body, headers } = asked;
    let (status, headers, answer) = group.ask(member, method.clone(), path, &headers, body).await;
    let place = format!("{method} {path} {body}: {answer}");
    assert_eq!(headers.get("content-type").unwrap(), "application/problem+json", "{place}");
    let problem: Problem = serde_json::from_value(answer).unwrap();
    assert_eq!((problem.code, status), (code, code.status()), "{place}");
    assert!(!problem.detail.is_empty() && !problem.detail.contains("\"secret\""), "{place}");
}

struct Asked<'a> {
    path: &'a str,
    body: &'a Value,
    headers: Vec<(&'static str, String)>,
}

/// Everything that can be wrong with it first; then as it should be, twice.
async fn check(group: &Group, members: [usize; 2], write: &Write) {
    let Write { method, path, body, .. } = write;
    let keyed = || (IDEMPOTENCY_KEY, format_key(&group.keys.next()));
    for member in members {
        let asked = Asked { path, body, headers: Vec::new() };
        refused(group, member, method, asked, Code::IdempotencyKeyMissing).await;
        let headers = vec![(IDEMPOTENCY_KEY, "no key".to_owned())];
        refused(group, member, method, Asked { path, body, headers }, Code::MalformedRequest).await;
        if body.is_object() {
            let mut body = body.clone();
            body["colour"] = "red".into();
            let asked = Asked { path, body: &body, headers: vec![keyed()] };
            refused(group, member, method, asked, Code::MalformedRequest).await;
        }
        for (path, body, code) in &write.wrong {
            let asked = Asked { path, body, headers: vec![keyed()] };
            refused(group, member, method, asked, *code).await;
        }
        for (name, text) in [(WHO, "%zz"), (WHY, "a%0Ab")] {
            let headers = vec![keyed(), (name, text.to_owned())];
            if write.audited {
                let code = Code::MalformedRequest;
                refused(group, member, method, Asked { path, body, headers }, code).await;
            }
        }
        if write.audited {
            let headers = vec![keyed(), (WHY, "w".repeat(1_025))];
            refused(group, member, method, Asked { path, body, headers }, Code::Refused).await;
        }
        for (tag, code) in [("\"1\"", Code::PreconditionFailed), ("1", Code::MalformedRequest)] {
            let headers = vec![keyed(), (IF_MATCH, tag.to_owned())];
            if write.conditional {
                refused(group, member, method, Asked { path, body, headers }, code).await;
            }
        }
    }
    if write.only_wrong {
        return;
    }
    let headers = [keyed()];
    let mut first = None;
    for member in members {
        let (status, _, mut answer) = group.ask(member, method.clone(), path, &headers, body).await;
        assert!([200, 202].contains(&status), "{method} {path}: {status} {answer}");
        // How the group stands is as of each answer.
        let fields = answer.as_object_mut().unwrap();
        fields.retain(|name, _| !["term", "revision", "leader"].contains(&name.as_str()));
        assert_eq!(*first.get_or_insert(answer.clone()), answer, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_change_is_told_by_its_code_and_a_repeat_gets_the_first_answer() {
    let group = Group::of(3).await;
    let members = [group.followers().await[0], group.leader().await];
    let all = [group_members(), others(), drains(), scaling(), rebalances(), declarations()];
    for write in all.iter().flatten() {
        check(&group, members, write).await;
    }
    let headers = || vec![(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    // As long as something needs it.
    for path in ["/v1/customers/acme", "/v1/accounts/k", "/v1/accounts/k?release=true"] {
        for member in members {
            let asked = Asked { path, body: &Value::Null, headers: headers() };
            refused(&group, member, &Method::DELETE, asked, Code::InUse).await;
        }
    }
    for write in &deletions() {
        check(&group, members, write).await;
    }
    for path in [
        "/v1/customers",
        "/v1/accounts",
        "/v1/markets",
        "/v1/traders",
        "/v1/locations",
        "/v1/risk",
        "/v1/trading-states",
        "/v1/scale",
    ] {
        let (_, _, answer) = group.ask(members[0], Method::GET, path, &[], &Value::Null).await;
        assert_eq!(answer["items"], json!([]), "{path}");
    }
}
