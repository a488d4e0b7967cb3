//! Claims about what is counted of single Traders: after whatever log it is what one counts by hand.

use super::{super::*, limits};
use crate::{
    control::{
        Command, Machine,
        machine::world::{World, name},
        resource::{Condition, Declaration, Resource, ResourceCommand},
        risk::TradingState,
        row::{AccountSpec, CustomerSpec, Row, TraderSpec, TraderWish},
        table::Said,
    },
    ids::{AccountId, TraderId},
};
use alloc::{string::ToString, vec};
use proptest::prelude::*;

fn by_hand(machine: &Machine, customers: &BTreeSet<CustomerId>) -> Said {
    let counts = |scope: &Scope| match scope {
        Scope::Trader(trader) => {
            machine.trader(trader).is_some_and(|row| customers.contains(&row.spec.customer))
        }
        Scope::Global | Scope::Account(_) | Scope::Customer(_) => false,
    };
    let count = |many: usize| u32::try_from(many).expect("few");
    Said {
        limits: count(machine.risks_after(None).filter(|row| counts(&row.scope)).count()),
        states: count(machine.trading_states_after(None).filter(|row| counts(&row.scope)).count()),
    }
}

/// Of each account, of each customer, and who may use what. How many are counted in all.
fn check(machine: &Machine) -> u32 {
    let singles = &machine.tables.index.singles;
    for row in machine.customers() {
        let alone = BTreeSet::from([row.customer.clone()]);
        assert_eq!(singles.of_customer(&row.customer), by_hand(machine, &alone), "{row:?}");
        let his = machine.accounts().filter(|held| held.spec.customers.contains(&row.customer));
        let his: Vec<&AccountId> = his.map(|held| &held.account).collect();
        assert_eq!(singles.accounts(&row.customer).collect::<Vec<_>>(), his, "{row:?}");
    }
    let each = |row: &AccountRow| {
        let counted = singles.of_account(&row.account);
        assert_eq!(counted, by_hand(machine, &row.spec.customers), "{row:?}");
        counted.limits + counted.states
    };
    machine.accounts().map(each).sum()
}

fn customer() -> impl Strategy<Value = CustomerId> {
    "[xyz]".prop_map(|text| name(&text))
}

fn trader() -> impl Strategy<Value = TraderId> {
    "[t-w]".prop_map(|text| name(&text))
}

fn account() -> impl Strategy<Value = AccountId> {
    "[kl]".prop_map(|text| name(&text))
}

/// Of Traders for the most part.
fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        8 => trader().prop_map(Scope::Trader),
        1 => customer().prop_map(Scope::Customer),
        1 => account().prop_map(Scope::Account),
    ]
}

fn declared() -> impl Strategy<Value = Declaration> {
    let state = prop::sample::select(vec![TradingState::Active, TradingState::Halted]);
    let customers = prop::collection::btree_set(customer(), 0..4);
    prop_oneof![
        3 => (trader(), customer()).prop_map(|(trader, customer)| {
            let command = vec!["algo".to_string()];
            let spec = TraderSpec { customer, command, state: TraderWish::Running };
            Declaration::Trader { trader, spec }
        }),
        3 => (scope(), 0_u32..3).prop_map(|(scope, open)| {
            Declaration::Risk { scope, spec: limits("1", open) }
        }),
        3 => (scope(), state).prop_map(|(scope, state)| Declaration::TradingState { scope, state }),
        2 => (account(), customers).prop_map(|(account, customers)| {
            let (adapter, endpoint) = ("sim".to_string(), "h:1".to_string());
            let spec = AccountSpec { venue: name("sim"), adapter, endpoint, customers };
            Declaration::Account { account, spec }
        }),
        1 => customer().prop_map(|customer| {
            Declaration::Customer { customer, key_hashes: Some([].into()) }
        }),
    ]
}

fn deleted() -> impl Strategy<Value = Resource> {
    prop_oneof![
        2 => trader().prop_map(Resource::Trader),
        2 => scope().prop_map(Resource::Risk),
        2 => scope().prop_map(Resource::TradingState),
        1 => account().prop_map(Resource::Account),
        1 => customer().prop_map(Resource::Customer),
    ]
}

fn any_change() -> impl Strategy<Value = Command> {
    let on = Condition::Always;
    let put = declared().prop_map(move |what| ResourceCommand::Put { what, on });
    let delete =
        deleted().prop_map(move |what| ResourceCommand::Delete { what, on, release: true });
    prop_oneof![2 => put, 1 => delete].prop_map(Command::Resource)
}

fn begun() -> World {
    let mut world = World::new();
    for customer in ["x", "y", "z"] {
        let spec = CustomerSpec { key_hashes: [].into() };
        world.accept(Command::PutCustomer { customer: name(customer), spec });
    }
    world
}

proptest! {
    #[test]
    fn what_is_counted_of_single_traders_is_what_one_counts_by_hand(
        commands in prop::collection::vec(any_change(), 1..60),
        order in any::<prop::sample::Index>(),
    ) {
        let mut world = begun();
        for command in commands {
            world.apply(command);
            check(&world.machine);
        }
        // In whatever order the rows are loaded.
        let mut rows: Vec<Row> = world.machine.rows().collect();
        let middle = order.index(rows.len());
        rows.rotate_left(middle);
        let anew = Machine::from_rows(rows);
        check(&anew);
        prop_assert_eq!(&anew.tables.index, &world.machine.tables.index);
    }
}

/// Logs in which nothing is counted, or only ever more, would prove nothing.
#[test]
fn in_logs_as_they_are_drawn_counts_rise_and_fall() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let logs = prop::collection::vec(any_change(), 1..60);
    let (mut rises, mut falls) = (0, 0);
    for _ in 0..100 {
        let mut world = begun();
        let mut before = 0;
        for command in logs.new_tree(&mut runner).expect("a log").current() {
            world.apply(command);
            let now = check(&world.machine);
            rises += u32::from(now > before);
            falls += u32::from(now < before);
            before = now;
        }
    }
    assert!(rises > 50 && falls > 50, "{rises} times more, {falls} times less");
}
