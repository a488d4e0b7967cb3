//! Claims about plans that prune what is said of single Traders: an account that has as many as it may is replaced some of them
//! without a refusal, and without a Trader that trades on and has lost what it is to have.

use super::*;

/// Traders of a customer, each with or without a limit of its own.
fn file(traders: &[(&str, &str, bool)]) -> String {
    let mut file = "[customers.acme]\n[customers.bolt]\n".to_owned();
    for (name, customer, limited) in traders {
        file += &format!("[traders.{name}]\ncustomer = \"{customer}\"\ncommand = [\"algo\"]\n");
        if *limited {
            file += &format!("[risk.\"trader.{name}\"]\nmax_open_orders = 5\n");
        }
    }
    file
}

fn there(file: &str) -> There {
    carried_out(&made(file, &There::new(), false))
}

#[test]
fn what_goes_of_single_traders_goes_before_what_comes_of_them() {
    let held = [("t", "acme", true), ("u", "acme", false), ("v", "acme", true)];
    let there = there(&file(&held));
    let wanted = [("u", "acme", true), ("v", "acme", true), ("w", "acme", true)];
    let wanted = file(&wanted).replace(
        "[risk.\"trader.v\"]\nmax_open_orders = 5",
        "[risk.\"trader.v\"]\nmax_open_orders = 4",
    );
    let expected = [
        // What is only changed stays where it is, and is never gone.
        "~risk trader.v",
        "~trader t",
        "-risk trader.t",
        // A new Trader does not run without its limit while others are waited for.
        "+trader w",
        "+risk trader.u",
        "+risk trader.w",
        "-trader t",
    ];
    assert_eq!(steps(&made(&wanted, &there, true)), expected);
}

#[test]
fn nothing_waits_where_nothing_is_pruned_of_single_traders() {
    let there = there(&file(&[("t", "acme", false), ("u", "acme", true)]));
    let wanted = file(&[("u", "bolt", true), ("w", "acme", true)]);
    let expected = ["~trader u", "+trader w", "+risk trader.w", "-trader t"];
    assert_eq!(steps(&made(&wanted, &there, true)), expected);
}

#[test]
fn a_trader_that_stays_has_what_it_is_to_have_before_its_own_limit_goes() {
    let there = there(&file(&[("t", "acme", true)]));
    let stays = file(&[("t", "acme", false)]);
    let limited = format!("{stays}[risk.\"customer.acme\"]\nmax_open_orders = 5\n");
    let expected = ["+risk customer.acme", "-risk trader.t"];
    assert_eq!(steps(&made(&limited, &there, true)), expected);
    let halted = format!("{stays}[trading_states.\"trader.t\"]\nstate = \"halted\"\n");
    let expected = ["+trading-state trader.t", "-risk trader.t"];
    assert_eq!(steps(&made(&halted, &there, true)), expected);
    let stopped = stays.replace("[\"algo\"]\n", "[\"algo\"]\nstate = \"stopped\"\n");
    assert_eq!(steps(&made(&stopped, &there, true)), ["~trader t", "-risk trader.t"]);
}

#[test]
fn what_brings_traders_with_limits_to_an_account_waits_and_what_takes_them_away_does_not() {
    let account = |customers: &str| {
        format!(
            "[accounts.k]\nvenue = \"sim\"\nadapter = \"sim\"\nendpoint = \"h:1\"\ncustomers = [{customers}]\n"
        )
    };
    let traders = |owner| file(&[("t", owner, true), ("u", "acme", false)]);
    let held = file(&[("t", "bolt", true), ("u", "acme", true)]) + &account("\"acme\"");
    let there = there(&held);
    // A Trader changes hands, and a customer is let in.
    let moved = traders("acme") + &account("\"acme\"");
    assert_eq!(steps(&made(&moved, &there, true)), ["-risk trader.u", "~trader t"]);
    let let_in = traders("bolt") + &account("\"acme\", \"bolt\"");
    assert_eq!(steps(&made(&let_in, &there, true)), ["-risk trader.u", "~account k"]);
    // Whoever is let out trades no more there when his limit goes.
    for customers in ["", "\"bolt\""] {
        let let_out = traders("bolt") + &account(customers);
        assert_eq!(steps(&made(&let_out, &there, true)), ["~account k", "-risk trader.u"]);
    }
}
