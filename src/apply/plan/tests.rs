//! Claims about plans: what is done first, what is told of a change, what is pruned, and that a second plan has nothing to do.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::apply::file::read;

const FILE: &str = r#"
[customers.acme]
[accounts.k]
venue = "sim"
adapter = "sim"
endpoint = "h:1"
customers = ["acme"]
[markets.m.routes."BTC/USD"]
data_venue = "sim"
order_venue = "sim"
[traders.t]
customer = "acme"
command = ["algo"]
[risk."trader.t"]
max_open_orders = 5
[risk.global]
price_band = "0.05"
[trading_states."customer.acme"]
state = "active"
"#;

fn made(text: &str, there: &There, prune: bool) -> Plan {
    plan(&read("file", text).unwrap(), there, prune, prune).unwrap()
}

fn steps(plan: &Plan) -> Vec<String> {
    let line = |one: &Planned| {
        let sign = match one.step {
            Step::Create => "+",
            Step::Change { .. } => "~",
            Step::Delete { .. } => "-",
        };
        format!("{sign}{} {}", one.kind.word(), one.name)
    };
    plan.steps.iter().map(line).collect()
}

/// What the group tells once a plan is carried out: with `null` for what is not set.
fn carried_out(plan: &Plan) -> There {
    let told = |one: &Planned| {
        let mut spec = one.spec.clone();
        if one.kind == Kind::Customer {
            spec = json!({ "key_ids": [] });
        } else if one.kind == Kind::Risk {
            spec["max_position"] = Value::Null;
        }
        ((one.kind, one.name.clone()), (Revision(7), spec))
    };
    plan.steps.iter().map(told).collect()
}

#[test]
fn what_is_named_comes_first_and_a_second_plan_has_nothing_to_do() {
    let first = made(FILE, &There::new(), true);
    let expected = [
        "+customer acme",
        "+account k",
        "+risk global",
        "+trading-state customer.acme",
        "+market m",
        "+trader t",
        "+risk trader.t",
    ];
    assert_eq!(steps(&first), expected);
    let second = made(FILE, &carried_out(&first), true);
    assert_eq!((steps(&second), second.unchanged), (Vec::new(), 7));
}

#[test]
fn what_differs_is_changed_on_what_was_seen_and_told_field_by_field() {
    let there = carried_out(&made(FILE, &There::new(), false));
    let file = FILE
        .replace("\"h:1\"", "\"h:2\"")
        .replace("BTC/USD", "ETH/USD")
        .replace("price_band = \"0.05\"", "max_open_orders = 3");
    let plan = made(&file, &there, false);
    assert_eq!(steps(&plan), ["~account k", "~risk global", "~market m"]);
    assert!(plan.steps.iter().all(|one| one.step == Step::Change { at: Revision(7) }));
    let told: Vec<&str> =
        plan.steps.iter().flat_map(|one| &one.changes).map(String::as_str).collect();
    let expected = [
        "endpoint: \"h:1\" -> \"h:2\"",
        "max_open_orders: null -> 3",
        "price_band: \"0.05\" -> null",
        "- route BTC/USD",
        "+ route ETH/USD: sim sim",
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_not_in_the_file_stays_unless_it_is_to_be_pruned_and_then_goes_in_reverse() {
    let there = carried_out(&made(FILE, &There::new(), false));
    let kept = made("", &there, false);
    assert_eq!((kept.steps.len(), kept.undeclared.len()), (0, 7));
    let pruned = made("", &there, true);
    let expected = [
        "-risk trader.t",
        "-trader t",
        "-market m",
        "-trading-state customer.acme",
        "-risk global",
        "-account k",
        "-customer acme",
    ];
    assert_eq!(steps(&pruned), expected);
    let account = pruned.steps.iter().find(|one| one.kind == Kind::Account).unwrap();
    assert_eq!(account.spec["customers"], json!([]), "nobody may use it any more before it goes");
}

#[test]
fn keys_are_compared_by_their_ids_and_left_alone_when_none_are_named() {
    let hash = KeyHash::of("secret");
    let held = |ids: Value| (Revision(7), json!({ "key_ids": ids }));
    let acme = || (Kind::Customer, "acme".to_owned());
    let there = There::from([(acme(), held(json!([hash.key_id()])))]);
    assert_eq!(made("[customers.acme]\n", &there, false).unchanged, 1);
    let file = format!("[customers.acme]\nkey_hashes = [\"{}\"]\n", hash.0);
    assert_eq!(made(&file, &there, false).unchanged, 1);
    let other = There::from([(acme(), held(json!([])))]);
    assert_eq!(steps(&made(&file, &other, false)), ["~customer acme"]);
}
