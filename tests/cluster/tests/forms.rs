//! What commands print, as a table, as JSON and as JSON lines, with members of the real binary and something in every list: a
//! table has its titles and its rows, JSON is one document, and each of its lines is an object.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::BTreeSet;
use tradewind_tests_cluster::{
    operator::Operator,
    whole::{DRAINED, Whole},
};

/// Whatever stands first in a row.
const ANY: &str = "";

/// Commands that show something; the titles of the table; and what stands first in one of its rows.
const SHOWN: [(&str, &str, &str); 40] = [
    ("status", "MEMBER ROLE API PEER", "1"),
    ("status --stale", "MANAGER HEALTH ADDRESS SESSIONS DRAIN", "a1.broker-manager"),
    ("status", "MANAGER HEALTH ADDRESS SESSIONS DRAIN", "a1.broker-manager"),
    ("status", "SERVICE STATE PID MANAGER DETAIL", "broker.k.0"),
    ("status", "CUSTOMER TRADER MANAGER TRADERS", "acme"),
    ("member ls", "NODE ROLE API PEER DISK MATCHED LAG HEARD LEVEL VERSION", "1"),
    ("member get 1", "NODE ROLE API PEER DISK MATCHED LAG HEARD LEVEL VERSION", "1"),
    ("manager ls", MANAGERS, "a1.broker-manager"),
    ("manager get a1.trader-manager", MANAGERS, "a1.trader-manager"),
    ("implementation ls", IMPLEMENTATIONS, "a1"),
    ("implementation get b1", IMPLEMENTATIONS, "b1"),
    ("broker ls", BROKERS, "k.0"),
    ("broker get k.0", BROKERS, "k.0"),
    ("account ls", ACCOUNTS, "k"),
    ("account get k", ACCOUNTS, "k"),
    ("customer ls", "CUSTOMER REVISION TRADER MANAGER KEYS", "acme"),
    ("customer get acme", "CUSTOMER REVISION TRADER MANAGER KEYS", "acme"),
    ("key ls acme", "KEY", ANY),
    ("market ls", MARKETS, "crypto"),
    ("market get crypto", MARKETS, "crypto"),
    ("route ls crypto", "INSTRUMENT REVISION DATA ORDERS", "BTC/USD"),
    ("route get crypto BTC/USD", "INSTRUMENT REVISION DATA ORDERS", "BTC/USD"),
    ("trader ls", TRADERS, "sample"),
    ("trader get sample", TRADERS, "sample"),
    ("risk ls", RISK, "customer.acme"),
    ("risk get customer.acme", RISK, "customer.acme"),
    ("trading-state ls", "SCOPE REVISION STATE VERSION WHO WHY", "customer.bolt"),
    ("trading-state get customer.bolt", "SCOPE REVISION STATE VERSION WHO WHY", "customer.bolt"),
    ("location ls", "LOCATION REVISION AFTER HOURS", "here"),
    ("location get here", "LOCATION REVISION AFTER HOURS", "here"),
    ("exchange-days ls", "EXCHANGE REVISION DAYS", "XNYS"),
    ("exchange-days get XNYS", "EXCHANGE REVISION DAYS", "XNYS"),
    ("scale ls", "LOCATION REVISION PROVISIONER LEAST MOST QUIET SINCE", "here"),
    ("scale get here", "LOCATION REVISION PROVISIONER LEAST MOST QUIET SINCE", "here"),
    ("provisioning", PROVISIONING, ANY),
    ("provisioning ls", PROVISIONING, ANY),
    ("drain", "DRAIN STATE REVISION REMAINING", DRAINED),
    ("drain b1.market-manager --show", "DRAIN STATE REVISION REMAINING", DRAINED),
    ("rebalance", "CUSTOMER FROM TO WEIGHT", ANY),
    ("events", "REVISION AT EVENT", ANY),
];
const MANAGERS: &str =
    "MANAGER STATE LOCATION ADDRESS EPOCH BROKERS CUSTOMERS TRADERS SESSIONS LEVEL DRAIN";
const IMPLEMENTATIONS: &str =
    "IMPLEMENTATION STATE MISSING LOCATION BROKERS CUSTOMERS TRADERS SESSIONS DRAIN";
const BROKERS: &str =
    "BROKER STATE VENUE LEDGER CONNECTION STALE BROKER MANAGER EPOCH PID CRASHES DETAIL";
const ACCOUNTS: &str = "ACCOUNT REVISION VENUE ADAPTER ENDPOINT CUSTOMERS BROKER MANAGER";
const MARKETS: &str = "MARKET REVISION INSTRUMENTS DATA ORDERS STATE MARKET MANAGERS";
const TRADERS: &str = "TRADER REVISION CUSTOMER WANTED STATE TRADER MANAGER COMMAND";
const RISK: &str = "SCOPE REVISION QUANTITY NOTIONAL BAND POSITION OPEN RATE ORDERS WITHIN MS EQUAL ORDERS WITHIN MS";
const PROVISIONING: &str = "REQUEST REVISION LOCATION IMPLEMENTATION STATE SINCE NODE FAILED WHY";

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The titles, and below them, up to the next blank line, a row of what is named.
fn has_titles_and_rows(text: &str, titles: &str, name: &str) -> bool {
    let mut lines = text.lines().skip_while(|line| words(line).join(" ") != titles);
    lines.next().is_some()
        && lines
            .take_while(|line| !line.is_empty())
            .any(|row| name == ANY || words(row).first() == Some(&name))
}

fn one_document(command: &str, text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{command} -o json: {error}: {text}"))
}

fn lines(command: &str, text: &str) -> Vec<Value> {
    let line = |line: &str| match serde_json::from_str(line) {
        Ok(object @ Value::Object(_)) => object,
        other => panic!("{command} -o jsonl: {other:?}: {line}"),
    };
    text.lines().map(line).collect()
}

/// What a document lists: of the group and of a rebalance beside what else is so of them.
fn listed(command: &str, document: Value) -> Vec<Value> {
    let below = match command {
        "member ls" => Some("members"),
        "rebalance" => Some("plan"),
        _ => None,
    };
    match below.map_or(document.clone(), |name| document[name].clone()) {
        Value::Array(items) => items,
        one @ Value::Object(_) => vec![one],
        other => panic!("{command} -o json: {other}"),
    }
}

fn names(item: &Value) -> BTreeSet<&String> {
    item.as_object().unwrap().keys().collect()
}

/// Everybody's first name for what is shown.
fn mentions(items: &[Value], name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    let is_it = |item: &Value| {
        let text = item.to_string();
        text.contains(&quoted) || text.contains(&format!(":{name},"))
    };
    name == ANY || items.iter().any(is_it)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_shown_is_a_table_with_titles_and_rows_one_json_document_or_an_object_a_line() {
    // given
    let whole = Whole::started().await;
    let operator = &whole.operator;
    for (command, titles, name) in SHOWN {
        // when
        let shown = |form: &str| operator.does(&format!("{command} -o {form}"));
        let (table, json, jsonl) = (shown("table"), shown("json"), shown("jsonl"));
        // then
        assert!(has_titles_and_rows(&table, titles, name), "{command}: {titles}, {name}: {table}");
        let (items, lines) =
            (listed(command, one_document(command, &json)), lines(command, &jsonl));
        assert!(mentions(&items, name) && mentions(&lines, name), "{command}: {items:?} {lines:?}");
        // Events may come in between.
        let more = if command == "events" { lines.len().saturating_sub(items.len()) } else { 0 };
        assert!(!items.is_empty() && lines.len() == items.len() + more, "{command}: {jsonl}");
        assert_eq!(names(&items[0]), names(&lines[0]), "{command}");
    }
    let request = lines("provisioning", &operator.does("provisioning -o jsonl"));
    let get = format!("provisioning get {}", request[0]["request"]);
    assert!(has_titles_and_rows(&operator.does(&get), PROVISIONING, ANY));
    assert_eq!(
        one_document(&get, &operator.does(&format!("{get} -o json")))["request"],
        request[0]["request"]
    );
    changes(operator);
    waits(operator);
    applies(operator);
    goes_on(operator);
}

/// What was changed is told as a sentence, or as one object.
fn changes(operator: &Operator) {
    for form in ["table", "json", "jsonl"] {
        for command in [
            "customer put ezra",
            "customer rm ezra",
            "key add acme",
            "account put l --venue sim --endpoint 127.0.0.1:1",
            "account rm l --release",
            "market put crypto --route BTC/USD=sim",
            "route put crypto ETH/USD --venue sim",
            "route rm crypto ETH/USD",
            "trader pause sample",
            "trader resume sample",
            "risk put global --max-open-orders 99",
            "risk rm global",
            "trading-state put customer.dean --state halted",
            "trading-state put customer.dean --state active",
            "trading-state rm customer.dean",
            "member voters 3",
            "undrain b1.market-manager --why done",
            "drain b1.market-manager --why again --drop never",
        ] {
            let told = operator.does(&format!("{command} -o {form}"));
            match form {
                "table" => {
                    assert!(told.ends_with('\n') && !told.starts_with('{'), "{command}: {told}")
                }
                "json" => assert!(one_document(command, &told).is_object(), "{command}: {told}"),
                _ => assert!(!lines(command, &told).is_empty(), "{command}"),
            }
        }
    }
}

fn waits(operator: &Operator) {
    for command in [
        "wait leader",
        "wait member 1 --for voter",
        "wait member --for voters=3",
        "wait manager a1.trader-manager",
        "wait implementation a1",
        "wait broker k",
        "wait market crypto",
        "wait trader sample --for running --timeout 60s",
        "wait customer acme",
    ] {
        let said = operator.does(command);
        assert_eq!(said.lines().count(), 1, "{command}: {said}");
        let json = one_document(command, &operator.does(&format!("{command} -o json")));
        let lines = lines(command, &operator.does(&format!("{command} -o jsonl")));
        assert!(json.is_object() && lines.len() == 1, "{command}: {json} {lines:?}");
        assert_eq!(names(&json), names(&lines[0]), "{command}");
    }
}

fn applies(operator: &Operator) {
    for more in ["--plan", "--yes"] {
        // A step, and with it what it has come to.
        for (form, customer) in [("table", "hugh"), ("json", "iris"), ("jsonl", "june")] {
            operator.file("one.toml", &format!("[customers.{customer}]\n"));
            let told = operator.does(&format!("apply one.toml {more} -o {form}"));
            match form {
                "table" => {
                    let step = format!("+ {:<15} {customer}\n", "customer");
                    assert!(told.starts_with(&step), "{told}");
                    assert!(told.contains("1 to create"), "{told}");
                }
                "json" => assert!(one_document("apply", &told).is_object(), "{told}"),
                _ => {
                    let steps = lines("apply", &told);
                    assert_eq!(steps.len(), if more == "--yes" { 2 } else { 1 }, "{told}");
                }
            }
        }
    }
}

/// What goes on is shown as lines: it has no end that one document could have.
fn goes_on(operator: &Operator) {
    for command in [
        "status -w",
        "member ls -w",
        "member get 1 -w",
        "manager ls -w",
        "manager get a1.trader-manager -w",
        "key ls acme -w",
        "drain -w",
        "rebalance -w",
        "events --follow",
    ] {
        let said = operator.refused(&format!("{command} -o json"), 2);
        assert!(said.contains("-o jsonl"), "{command}: {said}");
    }
}
