//! What operators declare, by the commands they have: forms, conditions and exit codes, with members of the real
//! binary. An API key is shown to who asked for it and stands nowhere else.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{fs, path::Path};
use tradewind_tests_cluster::{members::Members, operator::Operator};

fn anywhere_below(directory: &Path, secret: &[u8]) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return anywhere_below(&path, secret);
        }
        // Sockets and files that go meanwhile have no text.
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(secret.len()).any(|window| window == secret)
    })
}

#[test]
fn what_operators_declare_is_shown_changed_on_a_condition_and_deleted_when_nobody_needs_it() {
    let mut members = Members::three();
    let operator = Operator::of(&members);
    operator.does("customer put acme --create");
    operator.refused("customer put acme --create", 4);

    let shown = operator.does("key add acme");
    let secret = shown.lines().next().unwrap().to_owned();
    operator.file("own", "a key of my own, too\n");
    operator.refused("key add acme --from own", 2);
    operator.file("own", "a-key-of-my-own-too\n");
    assert!(!operator.does("key add acme --from own -o json").contains("my-own"));
    let keys: Value = serde_json::from_str(&operator.does("key ls acme -o json")).unwrap();
    let ids: Vec<&str> =
        keys.as_array().unwrap().iter().map(|key| key["key_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert!(shown.contains(ids[0]) || shown.contains(ids[1]), "{shown} {ids:?}");
    for secret in [secret.as_str(), "a-key-of-my-own-too"] {
        assert!(!anywhere_below(members.home(), secret.as_bytes()));
    }
    operator.does(&format!("key rm acme {}", ids[0]));
    operator.refused(&format!("key rm acme {}", ids[0]), 3);

    operator.refused("account put k", 2);
    operator.does("account put k --venue sim --endpoint 127.0.0.1:1 --customers acme");
    operator.does("market put crypto --route BTC/USD=sim");
    operator.does("trader put t --customer acme -- tradewind sample-algo");
    let listed = operator.does("trader ls --customer acme -o jsonl");
    assert_eq!(listed.lines().count(), 1);
    assert_eq!(operator.does("trader ls --state stopped -o jsonl"), "");
    assert!(operator.does("account ls --venue sim").contains("127.0.0.1:1"));
    operator.refused("trader ls --colour red", 2);
    operator.refused("market", 2);

    operator.file("trader.json", &operator.does("trader get t -o json"));
    operator.does("trader put t --file trader.json");
    operator.does("trader put t --customer acme --stopped -- tradewind sample-algo");
    let said = operator.refused("trader put t --file trader.json", 4);
    assert!(said.contains("revision"), "{said}");
    operator.refused("trader put t --file trader.json --customer acme", 2);

    operator.file(
        "hours.toml",
        "[[after_hours]] # of all of these\nafter_close = { exchange = \"XNYS\", offset_minutes = 15 }\n",
    );
    operator.does("location put here --file hours.toml");
    operator.does("exchange-days put XNYS --closed 2026-12-24 --early-close 2026-11-27=13:00");
    assert!(operator.does("exchange-days get XNYS").contains("2026-12-24"));
    operator.file("wrong.toml", "after_hours = []\ncolour = \"red\"\n");
    operator.refused("location put here --file wrong.toml", 2);

    let said = operator.refused("customer rm acme", 4);
    assert!(said.contains("first"), "{said}");
    operator.does("trader rm t");
    operator.refused("trader get t", 3);
    operator.refused("account rm k", 4);
    operator.does("account put k --venue sim --endpoint 127.0.0.1:1");
    operator.refused("account rm k --if-match 1", 4);
    operator.does("account rm k");
    operator.does("customer rm acme");
    operator.does("market rm crypto");
    operator.does("location rm here");
    operator.does("exchange-days rm XNYS");
    assert_eq!(operator.does("market ls -o json").trim(), "[]");

    members.kill("1");
    members.kill("2");
    let operator = Operator::of(&members);
    operator.refused("trader ls", 5);
}
