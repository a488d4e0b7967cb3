//! Claims about how much may be said of single Traders: all of it fits what a Manager is told at once, and one more is refused.

use super::{super::*, put};
use crate::{
    control::{
        Command, Machine, Outcome, Refusal, Row,
        desired::{Work, desired},
        fencing::FencingRow,
        level::{FeatureLevel, LevelRow},
        machine::world::{World, name},
        refusal::Noun,
        resource::{Condition, Declaration, Resource, ResourceCommand},
        risk::TradingState,
        row::{
            AccountRow, AccountSpec, Assignment, BrokerRow, CustomerRow, CustomerSpec, TraderRow,
            TraderSpec, TraderWish,
        },
    },
    ids::{Epoch, Revision, TraderId},
    limits::{
        CUSTOMERS_PER_ACCOUNT, DESIRED_ITEM_BYTES, FENCES_AT_ONCE,
        SINGLE_TRADERS_PER_ACCOUNT as MOST,
    },
    time::UnixNanos,
};
use alloc::{
    format,
    string::{String, ToString},
    vec,
};

/// What is there stands since this entry; in numbers nearly as long as there are.
const SAID: Revision = Revision(1_000_000_000_000_000);

/// As long as a name may be.
fn long<T: core::str::FromStr>(what: &str, n: usize) -> T
where
    T::Err: core::fmt::Debug,
{
    name(&format!("{what}{n:->width$}", width = 63 - what.len()))
}

fn trader(n: usize) -> TraderId {
    long("t", n)
}

fn account_of(customers: impl IntoIterator<Item = usize>) -> AccountSpec {
    AccountSpec {
        venue: long("v", 0),
        adapter: "sim".to_string(),
        endpoint: "e".repeat(crate::limits::ADDRESS_BYTES),
        customers: customers.into_iter().map(|n| long("c", n)).collect(),
    }
}

/// All that can be said of a scope, in as many letters as it takes.
fn every_limit() -> RiskSpec {
    let digits = "1234567890123456.123456789012";
    let rate = OrdersWithin { orders: u32::MAX, within_ms: 3_600_000 };
    RiskSpec {
        max_order_quantity: digits.parse().ok(),
        max_order_notional: digits.parse().ok(),
        price_band: "0.1234567890123456789012345678".parse().ok(),
        max_position: digits.parse().ok(),
        max_open_orders: Some(u32::MAX),
        order_rate: Some(rate),
        equal_orders: Some(rate),
    }
}

fn said(scope: Scope) -> [Row; 2] {
    let revision = SAID;
    let risk = RiskRow { scope: scope.clone(), spec: every_limit(), revision };
    let state = TradingState::Reducing;
    let state = TradingStateRow { scope, state, version: revision, by: None, revision };
    [Row::Risk(risk), Row::TradingState(state)]
}

/// One account with all customers that it may have, of whom everything is said, and so much of single Traders as may be.
fn full() -> World {
    let mut world = World::new();
    world.check_in_taking("a.broker-manager", 1, 100_000);
    world.check_in_taking("a.trader-manager", 1, 100_000);
    let (revision, epoch) = (SAID, Epoch(SAID.0));
    let at = |manager: &str| Some(Assignment { manager: name(manager), epoch });
    let mut rows: Vec<Row> = world.machine.rows().collect();
    let (spec, account) = (account_of(0..CUSTOMERS_PER_ACCOUNT), long("k", 0));
    rows.push(Row::Account(AccountRow { account, spec, revision }));
    let assignment = at("a.broker-manager");
    rows.push(Row::Broker(BrokerRow { account: long("k", 0), shard: 0, assignment }));
    rows.extend(said(Scope::Global));
    rows.extend(said(Scope::Account(long("k", 0))));
    for n in 0..=CUSTOMERS_PER_ACCOUNT {
        let (customer, spec) = (long("c", n), CustomerSpec { key_hashes: [].into() });
        rows.extend(said(Scope::Customer(long("c", n))));
        let (affinity, affinity_version) = (at("a.trader-manager"), 1);
        rows.push(Row::Customer(CustomerRow {
            customer,
            spec,
            affinity,
            affinity_version,
            revision,
        }));
    }
    for n in 0..FENCES_AT_ONCE {
        let customer = long("c", n % 500);
        let spec =
            TraderSpec { customer, command: vec!["w".to_string()], state: TraderWish::Running };
        let (customer, assignment) = (spec.customer.clone(), at("a.trader-manager"));
        rows.push(Row::Trader(TraderRow { trader: trader(n), spec, assignment, revision }));
        rows.push(Row::Fencing(FencingRow { trader: trader(n), customer, epoch }));
    }
    rows.extend((0..MOST).flat_map(|n| said(Scope::Trader(trader(n)))));
    world.machine = Machine::from_rows(rows);
    // What is compared after each entry would take minutes for so many rows.
    world.revision = SAID.0 + 1;
    world
}

fn outcome(world: &mut World, what: Declaration) -> Outcome {
    let command = ResourceCommand::Put { what, on: Condition::Always };
    world.apply(Command::Resource(command)).outcome
}

fn refused(what: Noun) -> Outcome {
    Outcome::Refused { refusal: Refusal::TooManySingly { what, account: long("k", 0) } }
}

fn limits_of(n: usize) -> Declaration {
    Declaration::Risk { scope: Scope::Trader(trader(n)), spec: every_limit() }
}

fn halt_of(n: usize) -> Declaration {
    Declaration::TradingState { scope: Scope::Trader(trader(n)), state: TradingState::Halted }
}

#[test]
fn all_that_may_be_said_of_an_account_fits_what_its_broker_is_told_at_once() {
    let world = full();
    let told = desired(&world.machine, Revision(9), &name("a.broker-manager")).expect("live");
    let Work::Brokers { brokers, .. } = told.work else { panic!("no Brokers") };
    let [broker] = brokers.as_slice() else { panic!("{} Brokers", brokers.len()) };
    let both = CUSTOMERS_PER_ACCOUNT + MOST + 2;
    assert_eq!((broker.controls.limits.len(), broker.controls.states.len()), (both, both));
    assert_eq!(broker.fences.len(), FENCES_AT_ONCE);
    let bytes = serde_json::to_vec(broker).expect("a form").len();
    assert!(bytes < DESIRED_ITEM_BYTES, "{bytes} bytes");
    assert!(bytes > DESIRED_ITEM_BYTES / 2, "{bytes} bytes are not much");
}

#[test]
fn of_one_trader_more_than_a_broker_is_told_of_nothing_is_said() {
    let mut world = full();
    let message = Refusal::TooManySingly { what: Noun::Risk, account: long("k", 0) }.to_string();
    assert!(message.contains(&long::<String>("k", 0)) && message.contains("2000"), "{message}");
    assert_eq!(outcome(&mut world, limits_of(MOST)), refused(Noun::Risk));
    assert_eq!(outcome(&mut world, halt_of(MOST)), refused(Noun::TradingState));
    // What is said already may be said otherwise, and all are reached by one word.
    put(&mut world, halt_of(3));
    let scope = Scope::Trader(trader(3));
    put(&mut world, Declaration::Risk { scope, spec: RiskSpec::default() });
    let scope = Scope::Customer(long("c", 1));
    put(&mut world, Declaration::TradingState { scope, state: TradingState::Halted });
    // Where one is gone there is room.
    let what = Resource::Risk(Scope::Trader(trader(5)));
    let delete = ResourceCommand::Delete { what, on: Condition::Always, release: false };
    world.accept(Command::Resource(delete));
    put(&mut world, limits_of(MOST));
    assert_eq!(outcome(&mut world, limits_of(MOST + 1)), refused(Noun::Risk));
}

#[test]
fn none_comes_to_the_account_by_another_way() {
    let mut world = full();
    let elsewhere = CUSTOMERS_PER_ACCOUNT;
    // given: a Trader of who may not trade on it, with limits of its own
    let spec = |n: usize| TraderSpec {
        customer: long("c", n),
        command: vec!["w".to_string()],
        state: TraderWish::Running,
    };
    let (one, account) = (trader(FENCES_AT_ONCE), long("k", 0));
    put(&mut world, Declaration::Trader { trader: one.clone(), spec: spec(elsewhere) });
    put(&mut world, limits_of(FENCES_AT_ONCE));
    // when, then: it changes hands
    let comes = Declaration::Trader { trader: one.clone(), spec: spec(7) };
    assert_eq!(outcome(&mut world, comes.clone()), refused(Noun::Risk));
    // and: he is let in
    let with = |without: usize| Declaration::Account {
        account: name(&long::<String>("k", 0)),
        spec: account_of((0..=elsewhere).filter(|n| *n != without)),
    };
    // The last has no Traders, so he may go and change nothing.
    assert_eq!(outcome(&mut world, with(elsewhere - 1)), refused(Noun::Risk));
    let held = world.machine.account(&account).map(|row| row.spec.clone());
    assert_eq!(held, Some(account_of(0..elsewhere)));
    // One with Traders of his own makes room for him.
    put(&mut world, with(7));
    // Between two who trade on it a Trader changes hands whatever there is.
    let moved = Declaration::Trader { trader: trader(1), spec: spec(2) };
    put(&mut world, moved);
}

#[test]
fn what_a_group_of_earlier_builds_says_is_not_refused() {
    let mut world = full();
    let (level, revision, since) = (FeatureLevel::SECOND, Revision(0), UnixNanos(0));
    world.machine.tables.put(Row::Level(LevelRow { level, revision, since }));
    put(&mut world, limits_of(MOST));
    put(&mut world, halt_of(MOST));
    // Nor by the other ways: a Trader changes hands, a customer is let in.
    let elsewhere = CUSTOMERS_PER_ACCOUNT;
    let spec = |n: usize| TraderSpec {
        customer: long("c", n),
        command: vec!["w".to_string()],
        state: TraderWish::Running,
    };
    for (n, customer) in [(0, elsewhere), (0, 7), (1, elsewhere)] {
        put(
            &mut world,
            Declaration::Trader { trader: trader(FENCES_AT_ONCE + n), spec: spec(customer) },
        );
        put(&mut world, limits_of(FENCES_AT_ONCE + n));
    }
    let account = Declaration::Account {
        account: long("k", 0),
        spec: account_of((0..=elsewhere).filter(|n| *n != elsewhere - 1)),
    };
    put(&mut world, account);
}

#[test]
fn an_account_that_came_to_more_may_come_to_fewer_step_by_step() {
    // given: more than there may be, from before that was looked at
    let mut world = full();
    let rows = (MOST..MOST + 600).flat_map(|n| said(Scope::Trader(trader(n))));
    let all: Vec<Row> = world.machine.rows().chain(rows).collect();
    world.machine = Machine::from_rows(all);
    let elsewhere = CUSTOMERS_PER_ACCOUNT;
    let spec = TraderSpec {
        customer: long("c", elsewhere),
        command: vec!["w".to_string()],
        state: TraderWish::Running,
    };
    let one = trader(FENCES_AT_ONCE);
    put(&mut world, Declaration::Trader { trader: one, spec });
    put(&mut world, limits_of(FENCES_AT_ONCE));
    let with = |without: usize| Declaration::Account {
        account: long("k", 0),
        spec: account_of((0..=elsewhere).filter(|n| *n != without)),
    };
    // when, then: he comes in the place of one who has more of them, and not beside them
    assert_eq!(outcome(&mut world, with(elsewhere - 1)), refused(Noun::Risk));
    put(&mut world, with(7));
}
