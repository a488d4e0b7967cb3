//! Claims about what each account's Broker is told.

use super::*;
use crate::{
    control::{
        Command, Desired,
        desired::{Work, desired},
        machine::world::{World, name},
        resource::{Condition, Declaration, ResourceChange, ResourceCommand},
        risk::TradingState,
        row::{AccountSpec, CustomerSpec},
    },
    ids::{AccountId, ManagerId},
};
use alloc::{string::ToString, vec};

mod bound;
mod counted;

fn put(world: &mut World, what: Declaration) {
    let by = crate::control::drain::By { who: "ann".to_string(), why: "a test".to_string() };
    let change = ResourceChange::Put { what, on: Condition::Always };
    world.accept(Command::Resource(ResourceCommand::Audited { by, change }));
}

fn limits(most: &str, open: u32) -> RiskSpec {
    RiskSpec {
        max_position: most.parse().ok(),
        max_order_quantity: most.parse().ok(),
        max_open_orders: Some(open),
        order_rate: Some(OrdersWithin { orders: open, within_ms: 1_000 }),
        ..RiskSpec::default()
    }
}

/// acme trades on both accounts, bolt on the second one.
fn world() -> World {
    let mut world = World::with_a_customer_and_a_trader();
    world.check_in("a.broker-manager", 1);
    let spec = CustomerSpec { key_hashes: [].into() };
    world.accept(Command::PutCustomer { customer: name("bolt"), spec });
    for (account, customers) in [("one", vec!["acme"]), ("two", vec!["acme", "bolt"])] {
        let spec = AccountSpec {
            venue: name("sim"),
            adapter: "sim".to_string(),
            endpoint: "127.0.0.1:1".to_string(),
            customers: customers.into_iter().map(name).collect(),
        };
        world.accept(Command::PutAccount { account: name(account), spec });
    }
    world.settle(&[]);
    world
}

fn told(world: &World, account: &str) -> Controls {
    let manager: ManagerId = name("a.broker-manager");
    let Some(Desired { work: Work::Brokers { brokers, .. }, .. }) =
        desired(&world.machine, crate::ids::Revision(world.revision), &manager)
    else {
        panic!("no Brokers")
    };
    let account: AccountId = name(account);
    let broker = brokers.into_iter().find(|broker| broker.account == account);
    broker.expect("placed").controls
}

fn scopes(controls: &Controls) -> Vec<alloc::string::String> {
    controls.limits.iter().map(|limit| limit.scope.to_string()).collect()
}

#[test]
fn a_broker_is_told_what_concerns_its_account_and_nothing_else() {
    let mut world = world();
    assert!(told(&world, "one").is_empty());
    for scope in ["global", "customer.acme", "customer.bolt", "account.one", "trader.sample"] {
        let scope: Scope = name(scope);
        put(&mut world, Declaration::Risk { scope: scope.clone(), spec: limits("6", 4) });
        let state = TradingState::Reducing;
        put(&mut world, Declaration::TradingState { scope, state });
    }
    let one = told(&world, "one");
    assert_eq!(scopes(&one), ["global", "account.one", "customer.acme", "trader.sample"]);
    let standing: Vec<_> = one.states.iter().map(|standing| standing.scope.to_string()).collect();
    assert_eq!(standing, scopes(&one));
    let two = told(&world, "two");
    assert_eq!(scopes(&two), ["global", "customer.acme", "customer.bolt", "trader.sample"]);
}

#[test]
fn a_word_carries_the_version_under_which_it_was_last_loosened() {
    let mut world = world();
    let scope = Scope::Account(name("one"));
    for state in [TradingState::Active, TradingState::Halted] {
        put(&mut world, Declaration::TradingState { scope: scope.clone(), state });
    }
    let row = world.machine.trading_state(&scope).expect("set").clone();
    let word = Word { state: TradingState::Halted, version: row.version.0 };
    assert!(row.version < row.revision);
    assert_eq!(told(&world, "one").states, [Standing { scope, word }]);
}

#[test]
fn a_customer_s_counted_limits_are_split_over_his_accounts_and_an_order_s_are_not() {
    let mut world = world();
    for scope in ["customer.acme", "customer.bolt", "trader.sample", "account.two", "global"] {
        let spec = limits("7", 5);
        put(&mut world, Declaration::Risk { scope: name(scope), spec });
    }
    let two = told(&world, "two");
    let of = |scope: &str| {
        let found = two.limits.iter().find(|limit| limit.scope.to_string() == scope);
        found.expect("told").spec.clone()
    };
    for (scope, position, open) in [
        ("customer.acme", "3.500000000000", 2),
        ("trader.sample", "3.5", 2),
        ("customer.bolt", "7", 5),
        ("account.two", "7", 5),
        ("global", "7", 5),
    ] {
        let spec = of(scope);
        assert_eq!(spec.max_position, position.parse().ok(), "{scope}");
        assert_eq!(spec.max_open_orders, Some(open), "{scope}");
        assert_eq!(spec.order_rate.map(|rate| rate.orders), Some(open), "{scope}");
        assert_eq!(spec.max_order_quantity, "7".parse().ok(), "{scope}");
    }
}
