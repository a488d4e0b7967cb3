//! A whole cluster from one file, with members of the real binary: planned, applied, applied again, pruned, refused; and
//! what operators see of it while they watch.

use serde_json::Value;
use tradewind_domain::limits::SINGLE_TRADERS_PER_ACCOUNT;
use tradewind_tests_cluster::{members::Members, operator::Operator};

const SAMPLE: &str = include_str!("../../../examples/cluster.toml");

#[test]
fn a_cluster_is_made_what_a_file_declares_and_a_second_time_there_is_nothing_to_do() {
    let members = Members::three();
    let operator = Operator::of(&members);
    operator.file("cluster.toml", SAMPLE);
    let said = operator.refused("apply cluster.toml", 2);
    assert!(said.contains("--yes"), "{said}");
    let plan = operator.does("apply cluster.toml --plan");
    assert!(plan.contains("+ customer") && plan.contains("9 to create"), "{plan}");
    assert_eq!(operator.does("customer ls -o jsonl"), "", "a plan does nothing");

    let done = operator.does("apply cluster.toml --yes --who ann --why begin");
    assert!(done.contains("created trader sample"), "{done}");
    assert!(operator.does("risk get customer.acme -o json").contains("\"0.5\""));
    assert!(operator.does("route ls crypto").contains("ETH/USD"));
    let again = operator.does("apply cluster.toml --yes");
    assert!(again.contains("nothing to do") && again.contains("9 unchanged"), "{again}");
    let events = operator.does("events --since 0 -o jsonl");
    assert!(events.contains("\"who\":\"ann\",\"why\":\"begin\""), "{events}");
    let table = operator.does("events --since 0");
    assert!(table.contains("audited") && table.contains("who=ann"), "{table}");

    let changed = SAMPLE.replace("price_band = \"0.05\"", "price_band = \"0.04\"");
    operator.file("changed.toml", &changed.replace("ETH/USD", "SOL/USD"));
    let done = operator.does("apply changed.toml --yes -o jsonl");
    assert!(done.contains("\"action\":\"change\"") && done.contains("+ route SOL/USD"), "{done}");
    assert_eq!(done.lines().count(), 4, "two steps planned, two done: {done}");
    let asked = operator.does("events --since 0 -o jsonl");
    assert!(asked.contains("\"why\":\"apply changed.toml\""), "{asked}");
}

#[test]
fn what_the_file_does_not_declare_stays_unless_it_is_pruned_and_what_fails_is_told_by_its_code() {
    let members = Members::three();
    let operator = Operator::of(&members);
    operator.file("cluster.toml", SAMPLE);
    operator.does("apply cluster.toml --yes");
    operator.file("less.toml", "[customers.acme]\n[customers.bolt]\n");
    let kept = operator.does("apply less.toml --yes");
    assert!(kept.contains("kept") && kept.contains("account sim-1"), "{kept}");
    operator.does("trading-state put global --state halted --why trouble");
    let said = operator.refused("apply cluster.toml --yes", 1);
    assert!(said.contains("global") && said.contains("--loosen"), "{said}");
    let said = operator.refused("apply less.toml --yes --prune", 2);
    assert!(said.contains("account sim-1") && said.contains("--release"), "{said}");
    let said = operator.refused("apply less.toml --yes --prune --release", 1);
    assert!(said.contains("global") && said.contains("nothing was done"), "{said}");
    assert!(operator.does("trader ls").contains("sample"), "nothing was done");
    let done = operator.does("apply less.toml --yes --prune --release --loosen");
    assert!(done.contains("deleted account sim-1"), "{done}");
    let released = done.find("\"halted\" -> \"active\"").unwrap();
    assert!(released < done.find("deleted trading-state global").unwrap(), "{done}");
    assert!(operator.does("apply less.toml --yes --prune").contains("nothing to do"));
    assert_eq!(operator.does("account ls -o jsonl"), "");

    operator.file("wrong.toml", "[customers.acme]\n[acounts.k]\n");
    let said = operator.refused("apply wrong.toml --plan", 2);
    assert!(said.contains("did you mean `accounts`?"), "{said}");
    operator.file("nobody.toml", "[traders.t]\ncustomer = \"nobody\"\ncommand = [\"x\"]\n");
    let said = operator.refused("apply nobody.toml --yes", 3);
    assert!(said.contains("trader t") && said.contains("0 of 1 steps"), "{said}");
    operator.file("band.toml", "[risk.global]\nprice_band = \"5\"\n");
    let said = operator.refused("apply band.toml --yes", 1);
    assert!(said.contains("five percent"), "{said}");
    operator.refused("apply nowhere.toml --yes", 2);
}

#[test]
fn at_an_account_that_is_full_of_limits_of_single_traders_a_file_replaces_some_of_them() {
    let members = Members::three();
    let operator = Operator::of(&members);
    let bound = |name: &str| {
        format!(
            "[traders.{name}]\ncustomer = \"acme\"\ncommand = [\"algo\"]\nstate = \"stopped\"\n\
             [risk.\"trader.{name}\"]\nmax_open_orders = 5\n"
        )
    };
    let account = "[customers.acme]\n[accounts.k]\nvenue = \"sim\"\nadapter = \"sim\"\n\
                   endpoint = \"127.0.0.1:1\"\ncustomers = [\"acme\"]\n";
    let full = |names: &mut dyn Iterator<Item = String>| {
        names.fold(account.to_owned(), |file, name| file + &bound(&name))
    };
    let name = |n: usize| format!("t{n}");
    operator.file("full.toml", &full(&mut (0..SINGLE_TRADERS_PER_ACCOUNT).map(name)));
    operator.does("apply full.toml --yes");
    let others = (2..SINGLE_TRADERS_PER_ACCOUNT).map(name);
    let others = others.chain(["u0".to_owned(), "u1".to_owned()]);
    let others = full(&mut others.into_iter());
    // One more than there is room for: told by name, and what to do.
    operator.file("more.toml", &format!("{others}{}", bound("u2")));
    let said = operator.refused("apply more.toml --yes --prune", 1);
    assert!(said.contains("risk trader.u2") && said.contains("2000 Traders"), "{said}");
    operator.file("others.toml", &others);
    let done = operator.does("apply others.toml --yes --prune");
    assert!(done.contains("deleted trader u2"), "{done}");
    assert!(operator.does("apply others.toml --yes --prune").contains("nothing to do"));
}

#[test]
fn routes_risk_settings_and_trading_states_have_commands_and_a_change_is_shown_to_who_watches() {
    let members = Members::three();
    let operator = Operator::of(&members);
    operator.does("market put crypto --route BTC/USD=sim");
    operator.does("customer put acme");
    let watched = operator.watches("route ls crypto --watch -o jsonl");
    assert!(watched.line().contains("BTC/USD"));
    let one = operator.watches("trading-state ls --kind customer -w");
    assert!(one.line().starts_with("SCOPE"));

    operator.does("route put crypto ETH/USD --venue sim --orders other --create");
    operator.refused("route put crypto ETH/USD --venue sim --create", 4);
    // The revision of a route is its Market's: that of the other one has changed as well.
    let lines = [watched.line(), watched.line()];
    let lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap_or_default());
    assert_eq!(lines[1]["instrument"], "ETH/USD", "{lines:?}");
    assert_eq!(lines[1]["spec"]["order_venue"], "other");
    operator.does("route rm crypto BTC/USD");
    assert_eq!(watched.line(), "{\"deleted\":\"BTC/USD\"}");
    operator.refused("route get crypto BTC/USD", 3);
    operator.refused("route put nowhere BTC/USD --venue sim", 3);
    operator.refused("route put crypto btc --venue sim", 2);

    operator.refused("risk put customer.acme", 2);
    operator.does("risk put customer.acme --max-order-quantity 0.5 --order-rate 50/1s");
    operator.refused("risk put customer.nobody --max-open-orders 1", 3);
    operator.refused("risk put customer.acme --max-order-quantity 0", 1);
    operator.refused("risk put customer.acme --max-open-orders 1 --if-match 1", 4);
    assert!(operator.does("risk ls --kind customer").contains("customer.acme"));
    operator.does("trading-state put customer.acme --state halted --who ann --why trouble");
    assert_eq!(one.line(), "");
    assert!(one.line().starts_with("SCOPE"));
    let shown = one.line();
    assert!(
        shown.contains("halted") && shown.contains("ann") && shown.contains("trouble"),
        "{shown}"
    );
    operator.refused("trading-state rm customer.acme", 4);
    operator.refused("customer rm acme", 4);
    operator.does("trading-state put customer.acme --state active");
    operator.does("trading-state rm customer.acme");
    operator.does("risk rm customer.acme");
    operator.does("customer rm acme");
}

#[test]
fn keys_and_members_are_shown_to_who_watches_as_they_change() {
    let mut members = Members::three();
    let operator = Operator::of(&members);
    operator.does("customer put acme");
    let keys = operator.watches("key ls acme --watch -o jsonl");
    let group = operator.watches("member ls -w -o jsonl");
    let first: Vec<String> = (0..3).map(|_| group.line()).collect();
    assert!(first.iter().all(|line| line.contains("\"standing\"")), "{first:?}");
    let lost = (1..=3).find(|node| Some(*node) != members.leader()).unwrap_or(3);
    let one = operator.watches(&format!("member get {lost} --watch"));
    assert!(one.line().starts_with("NODE"));

    let added = operator.does("key add acme -o json");
    let added: Value = serde_json::from_str(&added).unwrap_or_default();
    let shown: Value = serde_json::from_str(&keys.line()).unwrap_or_default();
    assert_eq!(shown["key_id"], added["key_id"]);
    let key = added["key_id"].as_str().unwrap_or_default();
    operator.does(&format!("key rm acme {key}"));
    assert_eq!(keys.line(), format!("{{\"deleted\":\"{key}\"}}"));

    // The writes have made the log longer, which is no change of a member; that one has gone is.
    members.kill(&lost.to_string());
    // What a young group learns of its members may be shown before it.
    let mut lines = (0..20).map(|_| serde_json::from_str::<Value>(&group.line()));
    let gone = |line: Value| line["node"] == lost && line["version"] == Value::Null;
    assert!(lines.any(|line| line.is_ok_and(gone)), "the loss of {lost} was not shown");
    assert!(one.line().starts_with(&lost.to_string()));
    assert!(one.line().is_empty() && one.line().starts_with("NODE"), "shown once more");
}
