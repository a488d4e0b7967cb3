//! Claims about what operators declare: read as surely as asked for, chosen, page by page, and changed by several at
//! once.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use serde_json::{Value, json};
use tradewind_domain::{control::desired::Work, ids::KeyHash};
use tradewind_link::rest::{HeaderMap, Method};
use tradewind_protocol::{
    control::{IDEMPOTENCY_KEY, format_key},
    resources::{IF_MATCH, IF_NONE_MATCH},
    terms::{WHO, WHY, format_text},
};

async fn put(group: &Group, path: &str, body: Value) -> (u16, HeaderMap, Value) {
    put_on(group, path, body, None).await
}

async fn put_on(
    group: &Group,
    path: &str,
    body: Value,
    on: Option<(&'static str, &str)>,
) -> (u16, HeaderMap, Value) {
    let follower = group.followers().await.first().copied().unwrap_or_default();
    let mut headers = vec![(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    headers.extend(on.map(|(name, value)| (name, value.to_owned())));
    group.ask(follower, Method::PUT, path, &headers, &body).await
}

async fn get(group: &Group, member: usize, path: &str) -> (u16, HeaderMap, Value) {
    group.ask(member, Method::GET, path, &[], &Value::Null).await
}

fn etag(headers: &HeaderMap) -> String {
    headers.get("etag").unwrap().to_str().unwrap().to_owned()
}

fn trader(customer: &str, state: &str) -> Value {
    json!({"customer": customer, "command": ["algo"], "state": state})
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_what_they_read_the_later_is_told_to_read_again() {
    let group = Group::of(3).await;
    put(&group, "/v1/customers/acme", json!({})).await;
    let path = "/v1/traders/t";
    let create = Some((IF_NONE_MATCH, "*"));
    let (status, made, _) = put_on(&group, path, trader("acme", "running"), create).await;
    assert_eq!(status, 200);
    let (status, _, problem) = put_on(&group, path, trader("acme", "stopped"), create).await;
    assert_eq!((status, &problem["code"]), (412, &json!("precondition_failed")));
    for member in 0..3 {
        let (status, read, answer) = get(&group, member, path).await;
        assert_eq!((status, etag(&read)), (200, etag(&made)), "{answer}");
        assert_eq!(answer["item"]["spec"], trader("acme", "running"));
        assert_eq!(format!("\"{}\"", answer["item"]["revision"]), etag(&read));
    }
    let seen = etag(&made);
    let on = Some((IF_MATCH, seen.as_str()));
    let (status, changed, _) = put_on(&group, path, trader("acme", "stopped"), on).await;
    assert_eq!(status, 200);
    assert_ne!(etag(&changed), seen);
    let (status, _, problem) = put_on(&group, path, trader("acme", "running"), on).await;
    assert_eq!(status, 412);
    assert!(problem["detail"].as_str().unwrap().contains(etag(&changed).trim_matches('"')));
    // Nothing to change: it is what was read.
    let (_, same, answer) = put(&group, path, trader("acme", "stopped")).await;
    assert_eq!(etag(&same), etag(&changed));
    assert!(answer["applied"].as_u64() > answer["declared"].as_u64());
    let twice = [(IF_MATCH, seen.clone()), (IF_NONE_MATCH, "*".to_owned())];
    let key = (IDEMPOTENCY_KEY, format_key(&group.keys.next()));
    let headers: Vec<_> = twice.into_iter().chain([key]).collect();
    let body = trader("acme", "running");
    let (status, ..) = group.ask(0, Method::PUT, path, &headers, &body).await;
    assert_eq!(status, 400);
    let (status, _, problem) = get(&group, 0, "/v1/traders/nobody").await;
    assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
}

/// Names of what a list has, page by page.
async fn listed(group: &Group, path: &str, name: &str) -> Vec<String> {
    let (mut names, mut after) = (Vec::new(), String::new());
    for _ in 0..20 {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = format!("{path}{separator}limit=2{after}");
        let (status, _, answer) = get(group, 0, &page).await;
        assert_eq!(status, 200, "{page}: {answer}");
        let items = answer["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        names.extend(items.iter().map(|item| item[name].as_str().unwrap().to_owned()));
        match answer["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return names,
        }
    }
    panic!("{path} does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_what_was_chosen_in_order_and_page_by_page() {
    let group = Group::of(1).await;
    for customer in ["acme", "bolt"] {
        put(&group, &format!("/v1/customers/{customer}"), json!({})).await;
    }
    for (name, customer, state) in [
        ("a", "acme", "running"),
        ("b", "bolt", "running"),
        ("c", "acme", "stopped"),
        ("d", "acme", "running"),
        ("e", "acme", "running"),
    ] {
        put(&group, &format!("/v1/traders/{name}"), trader(customer, state)).await;
    }
    for (name, venue, customers) in [("k", "sim", vec!["acme"]), ("l", "sim-2", vec!["bolt"])] {
        let spec =
            json!({"venue": venue, "adapter": "sim", "endpoint": "x:1", "customers": customers});
        put(&group, &format!("/v1/accounts/{name}"), spec).await;
    }
    for (name, instrument, venue) in [("m", "BTC/USD", "sim"), ("n", "ETH/USD", "sim-2")] {
        let route = json!({"instrument": instrument, "data_venue": venue, "order_venue": "sim"});
        put(&group, &format!("/v1/markets/{name}"), json!({ "routes": [route] })).await;
    }
    let close = json!({"after_close": {"exchange": "XNYS", "offset_minutes": 15}});
    put(&group, "/v1/locations/here", json!({ "after_hours": [close] })).await;
    put(&group, "/v1/locations/there", json!({ "after_hours": [] })).await;
    put(&group, "/v1/exchange-days/XNYS", json!({ "days": {} })).await;
    for (path, name, expected) in [
        ("/v1/traders", "trader", "a b c d e"),
        ("/v1/traders?customer=acme", "trader", "a c d e"),
        ("/v1/traders?customer=acme&state=running", "trader", "a d e"),
        ("/v1/traders?state=stopped&consistency=stale", "trader", "c"),
        ("/v1/traders?customer=nobody", "trader", ""),
        ("/v1/traders?manager=x.trader-manager", "trader", ""),
        ("/v1/customers", "customer", "acme bolt"),
        ("/v1/customers?account=l", "customer", "bolt"),
        ("/v1/customers?manager=x.trader-manager", "customer", ""),
        ("/v1/accounts?venue=sim", "account", "k"),
        ("/v1/accounts?customer=bolt", "account", "l"),
        ("/v1/accounts?manager=x.broker-manager", "account", ""),
        ("/v1/markets?instrument=ETH/USD", "market", "n"),
        ("/v1/markets?venue=sim", "market", "m n"),
        ("/v1/markets?venue=sim-2&instrument=BTC/USD", "market", ""),
        ("/v1/locations?exchange=XNYS", "location", "here"),
        ("/v1/exchange-days", "exchange", "XNYS"),
        ("/v1/exchange-days?after=XNYS", "exchange", ""),
    ] {
        assert_eq!(listed(&group, path, name).await.join(" "), expected, "{path}");
    }
    for path in [
        "/v1/traders?limit=0",
        "/v1/traders?limit=1001",
        "/v1/traders?colour=red",
        "/v1/traders?customer=A",
        "/v1/traders?after=A",
        "/v1/traders?state=dead",
        "/v1/locations?exchange=XETR",
    ] {
        let (status, _, problem) = get(&group, 0, path).await;
        assert_eq!((status, &problem["code"]), (400, &json!("malformed_request")), "{path}");
    }
    let (_, _, stale) = get(&group, 0, "/v1/markets/m?consistency=stale").await;
    assert!(stale["age_ms"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_added_by_several_at_once_and_nobody_is_told_more_than_their_ids() {
    let group = Group::of(3).await;
    put(&group, "/v1/customers/acme", json!({})).await;
    let hashes: Vec<KeyHash> = (0..6).map(|n| KeyHash::of(&format!("key {n}"))).collect();
    let adds =
        hashes.iter().enumerate().map(|(n, hash)| {
            let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
            let (group, body) = (&group, json!({ "key_hash": hash }));
            async move {
                group.ask(n % 3, Method::POST, "/v1/customers/acme/keys", &headers, &body).await
            }
        });
    for ((status, _, answer), hash) in
        futures_util::future::join_all(adds).await.into_iter().zip(&hashes)
    {
        assert_eq!((status, &answer["key_id"]), (200, &json!(hash.key_id())), "{answer}");
    }
    let (_, _, keys) = get(&group, 0, "/v1/customers/acme/keys").await;
    assert_eq!(keys["items"].as_array().unwrap().len(), 6);
    let (_, _, customer) = get(&group, 1, "/v1/customers/acme").await;
    assert_eq!(customer["item"]["key_ids"].as_array().unwrap().len(), 6);
    let (_, _, events) = get(&group, 2, "/v1/events?since=0").await;
    assert!(events.to_string().contains("key_added"));
    for told in [keys, customer, events] {
        assert!(hashes.iter().all(|hash| !told.to_string().contains(&hash.0)), "{told}");
    }
    let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    let path = format!("/v1/customers/acme/keys/{}", hashes[0].key_id());
    let (status, ..) = group.ask(0, Method::DELETE, &path, &headers, &Value::Null).await;
    assert_eq!(status, 200);
    let (status, ..) = get(&group, 0, "/v1/customers/nobody/keys").await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_is_released_only_on_request_and_its_manager_is_told_of_it_no_longer() {
    let group = Group::of(1).await;
    let manager = Manager::check_in(&group, "a1.broker-manager", 1).await;
    let spec = json!({"venue": "sim", "adapter": "sim", "endpoint": "x:1", "customers": []});
    put(&group, "/v1/accounts/k", spec).await;
    let brokers = || match manager.desired().map(|desired| desired.work) {
        Some(Work::Brokers { brokers, .. }) => Some(brokers.len()),
        _ => None,
    };
    eventually("the Broker is given to it", SOON, async || brokers() == Some(1)).await;
    let (_, _, chosen) = get(&group, 0, "/v1/accounts?manager=a1.broker-manager").await;
    assert_eq!(chosen["items"][0]["brokers"][0]["assignment"]["manager"], "a1.broker-manager");
    let delete = async |path: &str| {
        let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
        group.ask(0, Method::DELETE, path, &headers, &Value::Null).await
    };
    let (status, _, problem) = delete("/v1/accounts/k").await;
    assert_eq!((status, &problem["code"]), (409, &json!("in_use")));
    assert!(problem["detail"].as_str().unwrap().contains("release=true"), "{problem}");
    assert_eq!(delete("/v1/accounts/k?release=true").await.0, 200);
    eventually("it is told", SOON, async || brokers() == Some(0)).await;
    assert_eq!(get(&group, 0, "/v1/accounts/k").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changed_what_and_why_is_told_to_whoever_watches_whichever_member_was_asked() {
    let group = Group::of(3).await;
    let why = "größer: 50 %";
    let said = |who: &str| {
        let key = (IDEMPOTENCY_KEY, format_key(&group.keys.next()));
        vec![key, (WHO, format_text(who)), (WHY, format_text(why))]
    };
    let (leader, follower) = (group.leader().await, group.followers().await[0]);
    let customer = ("/v1/customers/acme", json!({}));
    let state = ("/v1/trading-states/customer.acme", json!({"state": "halted"}));
    for ((path, body), member) in [(customer, follower), (state, leader)] {
        let (status, _, told) = group.ask(member, Method::PUT, path, &said("ann"), &body).await;
        assert_eq!(status, 200, "{told}");
    }
    // Who does not say who he is, is the client whose key it is.
    put(&group, "/v1/customers/bolt", json!({})).await;
    let expected = [
        json!({"what": {"customer": "acme"}, "deed": "declared", "who": "ann", "why": why}),
        json!({"what": {"trading_state": "customer.acme"}, "deed": "declared", "who": "ann", "why": why}),
        json!({"what": {"customer": "bolt"}, "deed": "declared", "who": "test", "why": ""}),
    ];
    let audited = async || {
        let (_, _, page) = get(&group, follower, "/v1/events?since=0").await;
        let entries = page["entries"].as_array().unwrap().iter();
        let events = entries.flat_map(|entry| entry["events"].as_array().unwrap());
        events.filter_map(|event| event.get("audited")).cloned().collect::<Vec<Value>>()
    };
    eventually("all are told", SOON, async || audited().await.len() >= expected.len()).await;
    assert_eq!(audited().await, expected);
    let (_, _, held) = get(&group, follower, "/v1/trading-states/customer.acme").await;
    assert_eq!(held["item"]["by"], json!({"who": "ann", "why": why}));
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_risk_settings_and_trading_states_are_chosen_shown_and_changed_one_by_one() {
    let group = Group::of(1).await;
    let market = json!({"routes": [
        {"instrument": "ETH/USD", "data_venue": "sim", "order_venue": "sim"},
        {"instrument": "AAPL", "data_venue": "sim", "order_venue": "other"},
        {"instrument": "ETH/USD", "data_venue": "last", "order_venue": "sim"},
    ]});
    put(&group, "/v1/markets/m", market).await;
    put(&group, "/v1/customers/acme", json!({})).await;
    put(&group, "/v1/risk/global", json!({"max_open_orders": 5})).await;
    put(&group, "/v1/risk/customer.acme", json!({"max_position": "0"})).await;
    put(&group, "/v1/trading-states/global", json!({"state": "active"})).await;
    put(&group, "/v1/trading-states/customer.acme", json!({"state": "reducing"})).await;
    for (path, name, expected) in [
        ("/v1/markets/m/routes", "instrument", "AAPL ETH/USD"),
        ("/v1/markets/m/routes?venue=other", "instrument", "AAPL"),
        ("/v1/markets/m/routes?after=AAPL", "instrument", "ETH/USD"),
        ("/v1/risk", "scope", "global customer.acme"),
        ("/v1/risk?after=global", "scope", "customer.acme"),
        ("/v1/risk?kind=global", "scope", "global"),
        ("/v1/risk?kind=trader", "scope", ""),
        ("/v1/trading-states?state=reducing", "scope", "customer.acme"),
        ("/v1/trading-states?state=reducing&kind=global", "scope", ""),
    ] {
        assert_eq!(listed(&group, path, name).await.join(" "), expected, "{path}");
    }
    let route = "/v1/markets/m/routes/ETH%2FUSD";
    let (_, headers, eth) = get(&group, 0, route).await;
    // The last of two for one instrument is the one that Markets take.
    assert_eq!(eth["item"]["spec"]["data_venue"], "last");
    let tag = headers.get("etag").unwrap().to_str().unwrap().to_owned();
    let moved = json!({"data_venue": "moved", "order_venue": "sim"});
    let (status, ..) = put_on(&group, route, moved.clone(), Some((IF_MATCH, &tag))).await;
    assert_eq!(status, 200);
    let (status, _, problem) = put_on(&group, route, moved, Some((IF_MATCH, &tag))).await;
    assert_eq!((status, &problem["code"]), (412, &json!("precondition_failed")));
    let (_, _, market) = get(&group, 0, "/v1/markets/m").await;
    let routes = market["item"]["spec"]["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 2, "{market}");
    for path in ["/v1/markets/none/routes", "/v1/markets/m/routes/BTC%2FUSD"] {
        assert_eq!(get(&group, 0, path).await.0, 404, "{path}");
    }
}
