//! Claims about what is registered and placed, as any member tells it.

use super::{
    eventually,
    group::{Group, SOON},
    manager::Manager,
};
use serde_json::{Value, json};
use tradewind_domain::ids::Incarnation;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::{IDEMPOTENCY_KEY, format_key},
    supervision::{ServiceReport, ServiceState},
};

async fn get(group: &Group, member: usize, path: &str) -> (u16, Value) {
    let (status, _, answer) = group.ask(member, Method::GET, path, &[], &Value::Null).await;
    (status, answer)
}

async fn names(group: &Group, member: usize, path: &str, name: &str) -> Vec<String> {
    let (status, answer) = get(group, member, path).await;
    assert_eq!(status, 200, "{path}: {answer}");
    let items = answer["items"].as_array().unwrap().iter();
    items.map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

async fn put(group: &Group, path: &str, body: Value) {
    let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    let (status, _, answer) = group.ask(0, Method::PUT, path, &headers, &body).await;
    assert_eq!(status, 200, "{path}: {answer}");
}

fn live(service: &str) -> ServiceReport {
    ServiceReport {
        service: service.parse().unwrap(),
        state: ServiceState::Live,
        detail: "at work".to_owned(),
        incarnation: Some(Incarnation(1)),
        pid: Some(4_711),
        address: Some("127.0.0.1:2".to_owned()),
        crashes: 3,
        handed_back: None,
        fenced: Default::default(),
        venue: None,
        ledger: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_member_tells_what_the_leader_sees_of_a_manager_and_a_stale_one_what_is_registered() {
    // given
    let group = Group::of(3).await;
    let manager = Manager::check_in(&group, "a1.trader-manager", 1).await;
    let other = Manager::check_in(&group, "b1.market-manager", 1).await;
    eventually("they beat", SOON, async || manager.answered() > 0 && other.answered() > 0).await;
    let follower = group.followers().await[0];
    let one = async |query: &str| {
        get(&group, follower, &format!("/v1/managers/a1.trader-manager{query}")).await.1["item"]
            .take()
    };
    // then
    for member in [follower, group.leader().await] {
        let list = async |query: &str| {
            names(&group, member, &format!("/v1/managers{query}"), "manager").await
        };
        assert_eq!(list("").await, ["a1.trader-manager", "b1.market-manager"]);
        assert_eq!(list("?limit=1").await, ["a1.trader-manager"]);
        assert_eq!(list("?after=a1.trader-manager").await, ["b1.market-manager"]);
        assert_eq!(list("?kind=market_manager&consistency=leader").await, ["b1.market-manager"]);
        assert_eq!(list("?implementation=a1&state=live").await, ["a1.trader-manager"]);
        assert_eq!(list("?location=elsewhere").await, [""; 0]);
        let path = "/v1/implementations";
        assert_eq!(names(&group, member, path, "implementation").await, ["a1", "b1"]);
        let path = "/v1/implementations?after=a1";
        assert_eq!(names(&group, member, path, "implementation").await, ["b1"]);
    }
    eventually("its word is told", SOON, async || one("").await["told"]["sessions"] == 5).await;
    let told = one("").await;
    assert_eq!((&told["state"], &told["location"]), (&json!("live"), &json!("here")));
    assert_eq!(told["epoch"], json!(manager.checked_in.fence.epoch));
    let stale = one("?consistency=stale").await;
    assert_eq!((&stale["state"], &stale["told"]), (&json!("live"), &Value::Null));
    let (_, answer) = get(&group, follower, "/v1/implementations/b1").await;
    let missing = json!(["broker_manager", "trader_manager"]);
    assert_eq!((&answer["item"]["missing"], &answer["item"]["sessions"]), (&missing, &json!(5)));
    for path in ["/v1/managers/c1.trader-manager", "/v1/implementations/c1", "/v1/brokers/k.0"] {
        let (status, problem) = get(&group, follower, path).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")), "{path}");
    }
    for path in ["/v1/managers/a1", "/v1/managers?kind=broker", "/v1/brokers?colour=red"] {
        assert_eq!(get(&group, follower, path).await.0, 400, "{path}");
    }
    // when
    manager.stand_still();
    eventually("it is suspect", SOON, async || one("").await["state"] == "suspect").await;
    eventually("it is down", SOON, async || one("").await["state"] == "down").await;
    assert_eq!(one("").await["told"], Value::Null, "one that is down says nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_told_with_the_managers_that_it_covers() {
    let group = Group::of(1).await;
    let manager = Manager::check_in(&group, "a1.market-manager", 1).await;
    eventually("it beats", SOON, async || manager.answered() > 0).await;
    let body = json!({ "who": "ann", "why": "an upgrade", "drop": "never" });
    let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    group.ask(0, Method::POST, "/v1/implementations/a1/drain", &headers, &body).await;
    for path in ["/v1/managers/a1.market-manager", "/v1/implementations/a1"] {
        let drains = async || get(&group, 0, path).await.1["item"]["drains"].take();
        eventually("its drain is told", SOON, async || drains().await[0]["state"] == "draining")
            .await;
        assert_eq!(drains().await[0]["target"], "a1", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_a_trader_and_a_market_are_told_as_their_managers_have_them() {
    // given
    let group = Group::of(3).await;
    let follower = group.followers().await[0];
    let account =
        json!({"venue": "sim", "adapter": "sim", "endpoint": "127.0.0.1:1", "customers": []});
    put(&group, "/v1/accounts/k", account).await;
    put(&group, "/v1/customers/acme", json!({})).await;
    let trader = json!({"customer": "acme", "command": ["w"], "state": "running"});
    put(&group, "/v1/traders/t", trader.clone()).await;
    let route = json!({"instrument": "BTC/USD", "data_venue": "sim", "order_venue": "sim"});
    put(&group, "/v1/markets/m", json!({ "routes": [route] })).await;
    let item = async |path: &str| get(&group, follower, path).await.1["item"].take();
    let unplaced = item("/v1/brokers/k").await;
    assert_eq!((&unplaced["broker"], &unplaced["venue"]), (&json!("k.0"), &json!("sim")));
    assert_eq!(unplaced["now"]["state"], "unplaced");
    assert_eq!(item("/v1/markets/m").await["at"], json!([]));
    // when
    let managers = ["a1.broker-manager", "a1.market-manager", "a1.trader-manager"];
    let [brokers, markets, traders] = managers.map(|name| Manager::check_in(&group, name, 1));
    let (brokers, markets, traders) = (brokers.await, markets.await, traders.await);
    // then
    let state = async |path: &str| item(path).await["now"]["state"].take();
    for path in ["/v1/brokers/k.0", "/v1/traders/t"] {
        eventually("it is placed", SOON, async || state(path).await == "unreported").await;
    }
    *brokers.services.lock().unwrap() = vec![live("broker.k.0")];
    *markets.services.lock().unwrap() =
        vec![live("market.m.0"), live("market.m.1"), live("market.other.2")];
    *traders.services.lock().unwrap() = vec![live("trader.t")];
    for path in ["/v1/brokers/k.0", "/v1/traders/t"] {
        eventually("it is live", SOON, async || state(path).await == "live").await;
    }
    eventually("the Market is live, with all its shards and no other's", SOON, async || {
        let at = item("/v1/markets/m").await["at"].take();
        let row = |at: &Value| (at["shard"].as_u64().unwrap(), at["state"] == "live");
        let rows: Vec<_> = at.as_array().unwrap().iter().map(row).collect();
        rows == [(0, true), (1, true)]
    })
    .await;
    let broker = item("/v1/brokers/k.0").await;
    assert_eq!(broker["assignment"]["manager"], "a1.broker-manager");
    assert_eq!((&broker["now"]["pid"], &broker["now"]["crashes"]), (&json!(4_711), &json!(3)));
    let list = async |query: &str| {
        names(&group, follower, &format!("/v1/brokers?{query}"), "broker").await
    };
    assert_eq!(list("state=live&venue=sim&account=k").await, ["k.0"]);
    assert_eq!(list("manager=a1.broker-manager&limit=1").await, ["k.0"]);
    assert_eq!(list("state=waiting").await, [""; 0]);
    assert_eq!(list("after=k.0").await, [""; 0]);
    let manager = item("/v1/managers/a1.trader-manager").await;
    assert_eq!(manager["placed"], json!({"brokers": 0, "customers": 1, "traders": 1}));
    let whole = item("/v1/implementations/a1").await;
    assert_eq!(whole["placed"], json!({"brokers": 1, "customers": 1, "traders": 1}));
    assert_eq!((&whole["missing"], &whole["locations"]), (&json!([]), &json!(["here"])));
    let (_, list) = get(&group, follower, "/v1/traders?customer=acme").await;
    assert_eq!(list["items"][0]["now"]["state"], "live");
    // Of whom is elsewhere, or nowhere, none is chosen.
    put(&group, "/v1/customers/bolt", json!({})).await;
    for (path, name, one) in [("/v1/traders", "trader", "t"), ("/v1/customers", "customer", "acme")]
    {
        let with = async |manager: &str| {
            names(&group, follower, &format!("{path}?manager={manager}"), name).await
        };
        assert_eq!(with("a1.trader-manager").await, [one], "{path}");
        assert_eq!(with("b1.trader-manager").await, [""; 0], "{path}");
    }
    // A Trader that is not to run is told so once its Manager has no more of it.
    put(&group, "/v1/traders/t", json!({"customer": "acme", "command": ["w"], "state": "stopped"}))
        .await;
    traders.services.lock().unwrap().clear();
    eventually("it is stopped", SOON, async || state("/v1/traders/t").await == "stopped").await;
}
