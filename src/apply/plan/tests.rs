//! Claims about plans: what is done first, what is told of a change, what is pruned, and that a second plan has nothing to do.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::apply::file::read;
use tradewind_domain::{ids::KeyHash, limits::SINGLE_TRADERS_PER_ACCOUNT};

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
        "~account k",
        "~trader t",
        "-risk trader.t",
        "-trader t",
        "-market m",
        "-trading-state customer.acme",
        "-risk global",
        "-account k",
        "-customer acme",
    ];
    assert_eq!(steps(&pruned), expected);
    let [account, trader] = [&pruned.steps[0], &pruned.steps[1]];
    assert_eq!(account.spec["customers"], json!([]), "nobody may use it before any limit goes");
    assert_eq!(trader.spec["state"], "stopped", "and a Trader with limits of his own runs no more");
    assert!(trader.until_stopped && !account.until_stopped);
    let loosened: Vec<&str> =
        pruned.steps.iter().filter(|one| one.loosens).map(|one| one.name.as_str()).collect();
    assert_eq!(loosened, ["global"], "of those that go nothing is left to limit");
}

/// With so many Traders of others that have limits of their own.
fn beside(there: &There, others: usize) -> There {
    let other = |n| {
        let scope = format!("trader.other{n}");
        ((Kind::TraderRisk, scope), (Revision(7), json!({ "max_open_orders": 5 })))
    };
    there.clone().into_iter().chain((0..others).map(other)).collect()
}

#[test]
fn where_an_account_might_be_full_traders_that_go_with_limits_of_their_own_make_room_for_others() {
    let first = made(FILE, &There::new(), false);
    let there = carried_out(&first);
    let file = FILE.replace("traders.t]", "traders.u]").replace("trader.t", "trader.u");
    let tighter = file.replace("\"0.05\"", "\"0.04\"");
    let of_these = |there: &There| -> Vec<String> {
        let all = steps(&made(&tighter, there, true));
        all.into_iter().filter(|step| !step.contains("other")).collect()
    };
    let first =
        ["~risk global", "~trader t", "-risk trader.t", "-trader t", "+trader u", "+risk trader.u"];
    assert_eq!(of_these(&beside(&there, SINGLE_TRADERS_PER_ACCOUNT - 1)), first);
    // Where there is room, or none come, nothing is stopped before it must be.
    let last =
        ["~risk global", "+trader u", "+risk trader.u", "~trader t", "-risk trader.t", "-trader t"];
    assert_eq!(of_these(&beside(&there, SINGLE_TRADERS_PER_ACCOUNT - 2)), last);
    let file = file.replace("[risk.\"trader.u\"]\nmax_open_orders = 5\n", "");
    let none = steps(&made(&file, &beside(&there, SINGLE_TRADERS_PER_ACCOUNT), true));
    assert_eq!(none[..2], ["+trader u", "~trader t"]);
}

#[test]
fn a_trader_that_stays_keeps_its_limits_until_all_else_is_declared() {
    let there = carried_out(&made(FILE, &There::new(), false));
    let file = format!("{FILE}[traders.u]\ncustomer = \"acme\"\ncommand = [\"algo\"]\n");
    let file = file.replace("trader.t", "trader.u");
    let expected = ["+trader u", "+risk trader.u", "-risk trader.t"];
    assert_eq!(steps(&made(&file, &there, true)), expected);
}

#[test]
fn a_trader_without_limits_of_its_own_is_deleted_in_one_step() {
    let file = FILE.replace("[risk.\"trader.t\"]", "[risk.\"account.k\"]");
    let there = carried_out(&made(&file, &There::new(), false));
    assert!(!steps(&made("", &there, true)).contains(&"~trader t".to_owned()));
}

#[test]
fn what_is_halted_is_pruned_only_by_a_plan_that_says_that_it_is_loosened() {
    let file = FILE.replace("state = \"active\"", "state = \"halted\"");
    let there = carried_out(&made(&file, &There::new(), false));
    let pruned = made("", &there, true);
    let loosened: Vec<&Planned> = pruned.steps.iter().filter(|one| one.loosens).collect();
    let loosened: Vec<&Planned> =
        loosened.into_iter().filter(|one| one.kind == Kind::TradingState).collect();
    assert_eq!(loosened.len(), 1);
    assert_eq!(loosened[0].name, "customer.acme");
    assert_eq!(loosened[0].spec, json!({ "state": "active" }));
    assert_eq!(loosened[0].changes, ["state: \"halted\" -> \"active\""]);
}

#[test]
fn what_would_go_while_its_limits_are_declared_is_refused_before_anything_is_done() {
    let there = carried_out(&made(FILE, &There::new(), false));
    for (scope, what) in [("customer.acme", "customer acme"), ("trader.t", "trader t")] {
        let file = format!("[risk.\"{scope}\"]\nmax_open_orders = 5\n");
        let refused = plan(&read("file", &file).unwrap(), &there, true, true).unwrap_err();
        assert!(refused.to_string().contains(what), "{refused}");
    }
}

#[test]
fn amounts_are_compared_and_not_their_digits() {
    let file = |amount: &str| format!("[risk.global]\nmax_order_quantity = \"{amount}\"\n");
    let there = carried_out(&made(&file("10"), &There::new(), false));
    assert_eq!(steps(&made(&file("10.0"), &there, false)), [""; 0]);
    let changed = made(&file("10.01"), &there, false);
    assert_eq!(changed.steps[0].changes, ["max_order_quantity: \"10\" -> \"10.01\""]);
    // Beside a field that does change one that is written otherwise is not told.
    let both = format!("{}max_open_orders = 3\n", file("10.00"));
    assert_eq!(made(&both, &there, false).steps[0].changes, ["max_open_orders: null -> 3"]);
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

#[test]
fn a_wider_limit_is_told_as_looser_and_a_tighter_one_is_not() {
    let file = |amount: &str| format!("[risk.global]\nmax_order_quantity = \"{amount}\"\n");
    let there = carried_out(&made(&file("10"), &There::new(), false));
    assert!(made(&file("11"), &there, false).steps[0].loosens);
    assert!(!made(&file("9"), &there, false).steps[0].loosens);
    assert!(made("", &there, true).steps[0].loosens, "gone");
}

#[test]
fn how_a_location_scales_is_declared_in_the_file_too() {
    let file = "[scale.here]\nprovisioner = { process = { capacity = 10 } }\nleast = 0\nmost = 2\n";
    let first = made(file, &There::new(), false);
    assert_eq!(steps(&first), ["+scale here"]);
    assert_eq!(first.steps[0].kind.path("here"), "/v1/locations/here/scale");
    let there = carried_out(&first);
    assert_eq!(steps(&made(file, &there, true)), [""; 0]);
    let changed = made(&file.replace("most = 2", "most = 3"), &there, false);
    assert_eq!(changed.steps[0].changes, ["most: 2 -> 3"]);
    assert_eq!(steps(&made("", &there, true)), ["-scale here"]);
}
