//! What operators see of a cluster while they watch, with processes of the real binary: whatever becomes of what is registered,
//! placed and under way is shown again as it changes, and events are followed past the death of who tells them.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::{Value, json};
use tradewind_tests_cluster::{
    members::Members,
    operator::Operator,
    send,
    whole::{BROKER_MANAGER, DRAINED, MARKET_MANAGER, TRADER_MANAGER, Whole},
};

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// One of a list, by its name.
fn of<'a>(list: &'a Value, field: &str, name: &str) -> &'a Value {
    let mut all = list.as_array().unwrap().iter();
    all.find(|one| one[field] == name).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managers_death_is_shown_to_all_who_watch_what_it_was_part_of() {
    // given
    let mut whole = Whole::started().await;
    let name = whole.site.nodes[MARKET_MANAGER].manager.clone();
    let operator = &whole.operator;
    let status = operator.watches("status --watch -o jsonl");
    let page = operator.watches("status -w");
    let managers = operator.watches("manager ls --watch -o jsonl");
    let one = operator.watches(&format!("manager get {name} -w"));
    let implementations = operator.watches("implementation ls -w -o jsonl");
    let implementation = operator.watches("implementation get a1 --watch");
    let markets = operator.watches("market ls --watch -o jsonl");
    let health = |line: &str| of(&object(line)["managers"], "manager", &name)["health"].clone();
    status.until("a Manager that is well", |line| health(line) == "well");
    page.until("its row", |line| line.starts_with(&name) && line.contains("well"));
    managers.until("its line", |line| object(line)["manager"] == name && line.contains("live"));
    one.until("its row", |line| line.starts_with(&name) && line.contains("live"));
    let state = |line: &str| of(&object(line)["managers"], "manager", &name)["state"].clone();
    implementations.until("its implementation", |line| state(line) == "live");
    implementation.until("its row", |line| line.starts_with("a1") && !line.contains("down"));
    let at = |line: &str| of(&object(line)["at"], "manager", &name)["state"].clone();
    markets.until("its Market", |line| at(line) == "live");
    // when
    whole.site.kill(MARKET_MANAGER);
    // then
    status.until("its loss", |line| health(line) == "down");
    page.until("its loss", |line| line.starts_with(&name) && line.contains("down"));
    managers.until("its loss", |line| object(line)["manager"] == name && line.contains("\"down\""));
    one.until("its loss", |line| line.starts_with(&name) && line.contains("down"));
    implementations.until("its loss", |line| state(line) == "down");
    implementation.until("its loss", |line| line.starts_with("a1") && line.contains("down"));
    markets.until("its loss", |line| at(line) != "live");
    // when
    whole.site.start_again(MARKET_MANAGER);
    // then
    status.until("its return", |line| health(line) == "well");
    managers
        .until("its return", |line| object(line)["manager"] == name && line.contains("\"live\""));
    one.until("its return", |line| line.starts_with(&name) && line.contains("live"));
    markets.until("its return", |line| at(line) == "live");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_services_death_is_shown_to_who_watches_brokers_and_traders() {
    // given
    let whole = Whole::started().await;
    let (operator, site) = (&whole.operator, &whole.site);
    let row = operator.watches("broker get k.0 -w");
    let wish = operator.watches("trader get sample --watch");
    row.until("its row", |line| line.contains("live"));
    wish.until("its row", |line| line.contains("running"));
    for (node, service, list) in [
        (BROKER_MANAGER, "broker.k.0", "broker ls --watch -o jsonl"),
        (TRADER_MANAGER, "trader.sample", "trader ls -w -o jsonl"),
    ] {
        let pid = site.processes(node).await.unwrap()[service];
        let all = operator.watches(list);
        let now = |line: &str| object(line)["now"].clone();
        all.until("its process", |line| now(line)["pid"] == pid && now(line)["state"] == "live");
        // when
        send(pid, Signal::KILL);
        // then
        let another = |line: &str| now(line)["state"] == "live" && now(line)["pid"] != pid;
        let shown = all.until("another process", another);
        assert_eq!(now(&shown)["crashes"], 1, "{shown}");
    }
    let now = site.processes(BROKER_MANAGER).await.unwrap()["broker.k.0"].to_string();
    row.until("another process", |line| line.split_whitespace().any(|word| word == now));
    // when
    operator.does("trader pause sample");
    // then
    wish.until("that it is to be paused", |line| {
        line.starts_with("sample") && line.contains("paused")
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drains_and_moves_are_shown_again_as_they_go_on_and_when_they_are_over() {
    // given
    let whole = Whole::started().await;
    let operator = &whole.operator;
    let (drains, table) =
        (operator.watches("drain -w -o jsonl"), operator.watches("drain --watch"));
    let moves = operator.watches("rebalance --watch -o jsonl");
    let plan = operator.watches("rebalance -w");
    drains.until("what is drained", |line| object(line)["state"] == "drained");
    table.until("its row", |line| line.starts_with(DRAINED) && line.contains("drained"));
    let first = [object(&moves.line()), object(&moves.line())];
    plan.until("what it comes to", |line| line.starts_with("2 would move"));
    // when
    operator.does(&format!("undrain {DRAINED} --why done"));
    // then
    drains.until("that it is over", |line| object(line) == json!({ "deleted": DRAINED }));
    table.until("that it is over", |line| line == "nothing is being drained");
    // when: the only Broker stays where its ledger is
    operator.does("drain a1.broker-manager --why disk --drop never --detach");
    // then
    let draining = |line: &str| object(line)["target"] == "a1.broker-manager";
    drains.until("the next one", draining);
    table.until("the next one", |line| line.starts_with("a1.broker-manager"));
    let mut drain = operator.watches("drain a1.broker-manager --watch -o jsonl");
    drain.until("how far it is", |line| draining(line) && object(line)["state"] == "draining");
    // when
    operator.does("undrain a1.broker-manager --why enough");
    // then
    assert_eq!(drain.ends(), Some(4), "it was cancelled");
    operator.refused("drain a1.broker-manager --watch", 3);
    // when
    operator.does("rebalance --apply --why even");
    // then
    let mut left: Vec<Value> = first.iter().map(|one| one["customer"].clone()).collect();
    while !left.is_empty() {
        let moved = moves.until("a move", |line| object(line)["deleted"].is_string());
        left.retain(|customer| *customer != object(&moved)["deleted"]);
    }
    plan.until("that it is done", |line| line.starts_with("nothing to move"));
}

#[test]
fn who_watches_while_nobody_leads_waits_for_the_next_leader() {
    // given
    let mut members = Members::three();
    let operator = Operator::of(&members);
    operator.does("customer put acme");
    let customers = operator.watches("customer ls -w -o jsonl");
    let one = operator.watches("customer get acme -w");
    assert!(customers.line().contains("acme") && one.line().starts_with("CUSTOMER"));
    // when: whoever asks meanwhile asks in vain, twice as long as one question waits
    members.kill("1");
    members.kill("2");
    operator.refused("customer ls -o json", 5);
    operator.refused("customer ls -o json", 5);
    members.start("1");
    // then
    let operator = Operator::of(&members);
    operator.does("wait leader --timeout 30s");
    operator.does("key add acme");
    customers.until("another key", |line| !object(line)["key_ids"][0].is_null());
    one.until("a row with a key", |line| line.starts_with("acme") && !line.ends_with('-'));
}

#[test]
fn events_are_followed_each_once_and_in_order_past_the_death_of_the_member_that_tells_them() {
    // given: whoever follows knows of the leader alone, and learns of the others
    let mut members = Members::three();
    let leader = members.leader().unwrap().to_string();
    let first = Operator::at(&[members.address(&leader)]);
    let lines = first.watches("events --follow --kind customer_changed -o jsonl");
    let table = first.watches("events -f --kind customer_changed");
    assert_eq!(table.line().split_whitespace().collect::<Vec<_>>(), ["REVISION", "AT", "EVENT"]);
    let mut shown = Vec::new();
    for (customer, dies) in [("acme", false), ("bolt", false), ("cobb", true), ("dean", false)] {
        // when
        if dies {
            members.kill(&leader);
        }
        let operator = Operator::of(&members);
        operator.does("wait leader --timeout 30s");
        operator.does(&format!("customer put {customer}"));
        // then: it comes next, and nothing comes twice
        let (line, row) = (object(&lines.line()), table.line());
        assert_eq!(line["events"], json!([{ "customer_changed": { "customer": customer } }]));
        assert!(row.contains(&format!("customer={customer}")), "{row}");
        shown.push(line["revision"].as_u64().unwrap());
    }
    assert!(shown.is_sorted_by(|one, next| one < next), "{shown:?}");
    // The one that died is there again, and has nothing to add.
    members.start(&leader);
    members.await_voters(&[1, 2, 3]);
    let operator = Operator::of(&members);
    operator.does("customer put ezra");
    assert!(lines.line().contains("\"ezra\"") && table.line().contains("customer=ezra"));
}
