//! Claims about the machine: by example, and over random logs.

use super::{world::*, *};
use crate::{
    control::{
        command::{DownReason, Request},
        drain::{By, DrainCommand, DropSchedule},
        row::{AccountSpec, CustomerSpec, TraderSpec, TraderWish},
    },
    ids::{ClientId, CustomerId, DrainTarget, NodeId},
    limits,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
};
use proptest::prelude::*;

#[test]
fn a_repeated_key_gets_the_first_answer_and_changes_nothing() {
    let mut world = World::new();
    let write = |value: &str| Command::PutRegister {
        register: name("x"),
        value: value.to_string(),
        expected: None,
    };
    let first = world.apply_as(key(1, SECOND), SECOND, write("1"));
    let again = world.apply_as(key(1, SECOND), SECOND, write("2"));
    assert_eq!(again.outcome, first.outcome);
    assert!(again.events.is_empty());
    assert_eq!(world.machine.register(&name("x")).map(|row| row.value.as_str()), Some("1"));
}

#[test]
fn a_key_older_than_the_window_is_refused_and_never_applied() {
    let mut world = World::new();
    let window = u64::try_from(limits::IDEMPOTENCY_WINDOW.as_nanos()).expect("fits");
    let write =
        || Command::PutRegister { register: name("x"), value: String::new(), expected: None };
    let late = world.apply_as(key(1, SECOND), SECOND + window, write());
    assert_eq!(late.outcome, Outcome::Refused { refusal: Refusal::KeyExpired });
    let ahead = world.apply_as(key(2, 3 * window), SECOND + window, write());
    assert_eq!(ahead.outcome, Outcome::Refused { refusal: Refusal::KeyFromFuture });
    assert!(world.machine.register(&name("x")).is_none());
}

#[test]
fn what_is_forgotten_is_refused_whether_by_age_or_by_number() {
    let mut world = World::new();
    let write =
        || Command::PutRegister { register: name("x"), value: String::new(), expected: None };
    let many = u64::from(limits::IDEMPOTENCY_PER_CLIENT) + 10;
    for n in 0..many {
        world.machine.apply(
            Revision(n + 1),
            &Stamped {
                at: UnixNanos(SECOND),
                request: Request { key: key(n, SECOND), command: write() },
            },
        );
    }
    assert_eq!(world.machine.tables.answered.len() as u64, many - 10);
    let repeated = world.apply_as(key(3, SECOND), SECOND, write());
    assert_eq!(repeated.outcome, Outcome::Refused { refusal: Refusal::KeyExpired });
    let later = SECOND * 1_000;
    for n in 0..many {
        let key = IdempotencyKey { client: name("other"), issued_at: UnixNanos(later), n };
        world.machine.apply(
            Revision(many + n),
            &Stamped { at: UnixNanos(later), request: Request { key, command: write() } },
        );
    }
    assert!(!world.machine.tables.clients.contains_key(&name::<ClientId>("test")));
}

#[test]
fn time_in_the_log_never_runs_backwards() {
    let mut world = World::new();
    let put = || Command::PutRegister { register: name("x"), value: String::new(), expected: None };
    world.apply_as(key(1, 9 * SECOND), 9 * SECOND, put());
    world.apply_as(key(2, 9 * SECOND), 3 * SECOND, put());
    assert_eq!(world.machine.cluster().at, UnixNanos(9 * SECOND));
}

#[test]
fn a_newer_incarnation_replaces_an_older_one_and_never_the_reverse() {
    let mut world = World::new();
    world.check_in("a.broker-manager", 5);
    let first = world.machine.manager(&name("a.broker-manager")).map(|row| row.epoch);
    world.check_in("a.broker-manager", 6);
    let second = world.machine.manager(&name("a.broker-manager")).map(|row| row.epoch);
    assert!(second > first);
    let refusal = Refusal::StaleIncarnation { held: Incarnation(6) };
    assert_eq!(world.check_in("a.broker-manager", 5), Outcome::Refused { refusal });
}

#[test]
fn an_address_longer_than_any_real_one_is_refused_and_kept_nowhere() {
    let mut world = World::new();
    let too_long = "a".repeat(limits::ADDRESS_BYTES + 1);
    let check_in = Command::CheckIn {
        manager: name("a.market-manager"),
        location: name("here"),
        address: too_long.clone(),
        incarnation: Incarnation(1),
        capacity: 1,
    };
    let (node, public_key) = (NodeId(1), String::new());
    let member = Command::PutMember { node, api_address: too_long, public_key };
    for (command, what) in [(check_in, Noun::Manager), (member, Noun::Member)] {
        let refused = world.apply(command).outcome;
        assert_eq!(refused, Outcome::Refused { refusal: Refusal::TooLarge { what } });
    }
    assert_eq!(world.machine.managers().count() + world.machine.members().count(), 0);
}

#[test]
fn an_expiry_decided_on_an_older_life_is_refused() {
    let mut world = World::new();
    world.check_in("a.broker-manager", 5);
    let epoch = world.machine.manager(&name("a.broker-manager")).map(|row| row.epoch);
    world.check_in("a.broker-manager", 6);
    let command = Command::ExpireManager {
        manager: name("a.broker-manager"),
        incarnation: Incarnation(5),
        epoch: epoch.expect("registered"),
        why: DownReason::Silent,
    };
    let outcome = world.apply(command).outcome;
    assert_eq!(outcome, Outcome::Refused { refusal: Refusal::Superseded });
}

#[test]
fn a_customer_moves_whole_when_his_trader_manager_is_lost_and_stays_when_it_returns() {
    let mut world = World::with_a_customer_and_a_trader();
    world.settle(&[]);
    let home = |world: &World| {
        world.machine.customer(&name("acme")).and_then(|row| row.affinity.clone()).expect("placed")
    };
    let first = home(&world);
    world.settle(&[first.manager.to_string().as_str()]);
    let second = home(&world);
    assert_ne!(first.manager, second.manager);
    let trader = world.machine.trader(&name("sample")).and_then(|row| row.assignment.clone());
    let trader = trader.expect("placed");
    assert_eq!(trader.manager, second.manager);
    assert!(trader.epoch > second.epoch);
    world.check_in(&first.manager.to_string(), 2);
    world.settle(&[]);
    assert_eq!(home(&world), second);
}

#[test]
fn a_stale_assignment_is_refused() {
    let mut world = World::with_a_customer_and_a_trader();
    world.settle(&[]);
    let outcome = world
        .apply(Command::AssignCustomer {
            customer: name("acme"),
            manager: name("b.trader-manager"),
            replaces: None,
        })
        .outcome;
    assert_eq!(outcome, Outcome::Refused { refusal: Refusal::Superseded });
}

fn any_drain() -> impl Strategy<Value = Command> {
    let target =
        || "[abc](\\.trader-manager|\\.broker-manager)?".prop_map(|t| name::<DrainTarget>(&t));
    let epoch = || (1_u64..60).prop_map(Epoch);
    let at = || prop::option::of((1_u64..60).prop_map(Revision));
    let by = || By { who: "me".to_string(), why: "test".to_string() };
    let drop = prop::sample::select(vec![
        DropSchedule::WhenIdle,
        DropSchedule::Never,
        DropSchedule::At(UnixNanos(2 * SECOND)),
        DropSchedule::AfterHours,
    ]);
    let command = prop_oneof![
        3 => (target(), drop.clone()).prop_map(move |(target, drop)| {
            DrainCommand::Begin { target, by: by(), deadline: Some(UnixNanos(0)), drop }
        }),
        1 => (target(), epoch()).prop_map(|(target, epoch)| {
            DrainCommand::Acknowledge { target, epoch, confirmed: BTreeMap::new() }
        }),
        1 => (target(), epoch()).prop_map(|(target, epoch)| DrainCommand::Emptied { target, epoch }),
        1 => (target(), epoch()).prop_map(|(target, epoch)| DrainCommand::Overdue { target, epoch }),
        1 => (target(), epoch()).prop_map(|(target, epoch)| {
            DrainCommand::Drop { target, epoch, within: None }
        }),
        1 => (target(), epoch()).prop_map(|(target, epoch)| {
            DrainCommand::DropConfirmed { target, epoch, within: None, confirmed: BTreeMap::new() }
        }),
        1 => (target(), at()).prop_map(move |(target, at)| {
            DrainCommand::Cancel { target, at, by: by() }
        }),
        2 => (target(), at()).prop_map(move |(target, at)| {
            DrainCommand::Force { target, at, by: by() }
        }),
        1 => (target(), at(), drop).prop_map(move |(target, at, drop)| {
            DrainCommand::Reschedule { target, at, by: by(), drop }
        }),
    ];
    command.prop_map(Command::Drain)
}

mod any;
mod assigned;

pub(in crate::control) fn any_command() -> impl Strategy<Value = Command> {
    let manager = || {
        let kinds = prop::sample::select(ManagerKind::ALL.to_vec());
        ("[abc]", kinds).prop_map(|(i, kind)| ManagerId { implementation: name(&i), kind })
    };
    let epoch = || (1_u64..60).prop_map(Epoch);
    let customer = || "[xyz]".prop_map(|text| name::<CustomerId>(&text));
    prop_oneof![
        1 => any_drain(),
        1 => any::any_attached(),
        3 => any::any_copied(),
        1 => (manager(), 1_u64..4, 0_u32..4, "h[12]:1").prop_map(
            |(manager, incarnation, capacity, address)| {
                Command::CheckIn {
                    manager,
                    location: name("here"),
                    address,
                    incarnation: Incarnation(incarnation),
                    capacity,
                }
            }
        ),
        1 => (manager(), 1_u64..4, epoch()).prop_map(|(manager, incarnation, epoch)| {
            let incarnation = Incarnation(incarnation);
            Command::ExpireManager { manager, incarnation, epoch, why: DownReason::Silent }
        }),
        1 => (customer(), prop::collection::btree_set(Just(any::key_of_customers()), 0..2)).prop_map(
            |(customer, key_hashes)| {
                Command::PutCustomer { customer, spec: CustomerSpec { key_hashes } }
            }
        ),
        1 => ("[tu]", customer(), "[a-c]").prop_map(|(trader, customer, word)| Command::PutTrader {
            trader: name(&trader),
            spec: TraderSpec { customer, command: vec![word], state: TraderWish::Running },
        }),
        1 => ("[kl]", customer()).prop_map(|(account, customer)| Command::PutAccount {
            account: name(&account),
            spec: AccountSpec {
                venue: name("sim"),
                adapter: "sim".to_string(),
                endpoint: "h:2".to_string(),
                customers: BTreeSet::from([customer]),
            },
        }),
        1 => (customer(), manager(), prop::option::of(epoch())).prop_map(
            |(customer, manager, replaces)| Command::AssignCustomer { customer, manager, replaces }
        ),
        1 => ("[tu]", manager(), prop::option::of(epoch())).prop_map(|(trader, manager, replaces)| {
            Command::AssignTrader { trader: name(&trader), manager, replaces }
        }),
        1 => ("[kl]", manager(), prop::option::of(epoch())).prop_map(|(account, manager, replaces)| {
            Command::AssignBroker { account: name(&account), shard: 0, manager, replaces }
        }),
    ]
}

proptest! {
    #[test]
    fn any_log_keeps_the_invariants_and_its_rows_are_the_machine(
        commands in prop::collection::vec(any_command(), 1..60),
        repeat in prop::collection::vec(any::<bool>(), 60),
        begun in any::<bool>(),
    ) {
        let mut world = World::new();
        if begun {
            any::begin(&mut world);
        }
        let mut stored: BTreeMap<_, _> =
            world.machine.rows().map(|row| (row.key(), row)).collect();
        for (n, command) in commands.into_iter().enumerate() {
            let command = any::fitted(&world.machine, command, n);
            // Half of the keys are used twice.
            for _ in 0..=usize::from(repeat[n]) {
                let applied = world.apply_as(key(10_000 + n as u64, SECOND), SECOND, command.clone());
                for changed in applied.changed {
                    match world.machine.row(&changed) {
                        Some(row) => drop(stored.insert(changed, row)),
                        None => drop(stored.remove(&changed)),
                    }
                }
            }
            if n % 10 == 9 {
                world.settle(&["a.trader-manager"]);
                stored = world.machine.rows().map(|row| (row.key(), row)).collect();
            }
        }
        let loaded = Machine::from_rows(stored.into_values());
        let rows = |machine: &Machine| machine.rows().map(|r| format!("{r:?}")).collect::<Vec<_>>();
        prop_assert_eq!(rows(&loaded), rows(&world.machine));
        prop_assert_eq!(loaded.state_hash(), world.machine.state_hash());
    }
}
