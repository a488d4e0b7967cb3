//! Claims about placement as the planner carries it out: whole customers, a few moves at a time, and nothing
//! moved by what is new until an operator rebalances.

mod by_location;
mod leader_lost;

use crate::{
    control::{
        Command, Outcome, Refusal,
        desired::{Work, desired},
        drain::{By, DrainCommand, DropSchedule},
        machine::world::{World, name},
        placement::{Move, RebalanceCommand, rebalance},
        plan::{Told, plan},
        row::{AccountSpec, CustomerSpec, TraderSpec, TraderWish},
    },
    ids::{CustomerId, Epoch, Incarnation, ManagerId, Revision},
    limits,
    time::Monotonic,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use proptest::prelude::*;

fn by() -> By {
    By { who: "operator".to_string(), why: "test".to_string() }
}

impl World {
    fn manager(&mut self, manager: &str, capacity: u32) {
        let life = self.revision + 1;
        let command = Command::CheckIn {
            manager: name(manager),
            location: name("here"),
            address: "h:1".to_string(),
            incarnation: Incarnation(life),
            capacity,
        };
        self.apply(command);
    }

    fn customer(&mut self, customer: &str, traders: usize) {
        let spec = CustomerSpec { key_hashes: BTreeSet::new() };
        self.accept(Command::PutCustomer { customer: name(customer), spec });
        for n in 0..traders {
            let spec = TraderSpec {
                customer: name(customer),
                command: vec!["algo".to_string()],
                state: TraderWish::Running,
            };
            self.accept(Command::PutTrader { trader: name(&format!("{customer}-{n}")), spec });
        }
    }

    fn homes(&self) -> BTreeMap<CustomerId, (ManagerId, Epoch)> {
        let rows = self.machine.customers().filter_map(|row| {
            let held = row.affinity.clone()?;
            Some((row.customer.clone(), (held.manager, held.epoch)))
        });
        rows.collect()
    }

    fn weights(&self) -> BTreeMap<String, u32> {
        let mut weights = BTreeMap::new();
        for (customer, (manager, _)) in self.homes() {
            let weight = self.machine.tables.index.followers(&customer).weight();
            *weights.entry(manager.to_string()).or_default() += weight;
        }
        weights
    }

    /// All of a customer's Traders are with him.
    fn assert_whole(&self) {
        for row in self.machine.traders() {
            let home = self.machine.customer(&row.spec.customer).and_then(|c| c.affinity.as_ref());
            let at = row.assignment.as_ref();
            assert_eq!(at.map(|a| &a.manager), home.map(|a| &a.manager), "{}", row.trader);
        }
    }

    /// One round of the leader; gives how many moves are under way to each Manager after it.
    fn round(&mut self, lost: &[&str]) -> Option<BTreeMap<ManagerId, usize>> {
        let commands = plan(&self.machine, &self.observed(lost), Monotonic(0));
        if commands.is_empty() {
            return None;
        }
        let (mut given, mut moves) = (BTreeSet::new(), BTreeMap::<_, u32>::new());
        for command in commands {
            if let Command::AssignCustomer { manager, replaces, .. } = &command {
                given.insert(manager.clone());
                *moves.entry(manager.clone()).or_default() += u32::from(replaces.is_some());
            }
            let shown = format!("{command:?}");
            let outcome = self.apply(command).outcome;
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{shown}: {outcome:?}");
        }
        assert!(moves.values().all(|moves| *moves <= limits::MOVES_AT_ONCE), "{moves:?}");
        assert_desired_is_what_was_given(self);
        let weights = self.weights();
        for manager in given {
            let capacity = self.machine.manager(&manager).expect("there").capacity;
            assert!(weights[&manager.to_string()] <= capacity, "{manager} has more than it takes");
        }
        let mut under_way = BTreeMap::new();
        for customer in &self.machine.tables.index.unsettled {
            let row = self.machine.customer(customer).expect("there");
            if let Some(held) = &row.affinity {
                *under_way.entry(held.manager.clone()).or_default() += 1;
            }
        }
        Some(under_way)
    }
}

/// Twelve customers of different weight on one TraderManager.
fn loaded() -> World {
    let mut world = World::new();
    world.manager("a.trader-manager", 100);
    for n in 0..12 {
        world.customer(&format!("c{n}"), n % 4);
    }
    world.settle(&[]);
    world.assert_whole();
    world
}

#[test]
fn a_lost_managers_customers_move_whole_and_at_most_four_at_a_time_to_one_other() {
    let mut world = loaded();
    world.manager("b.trader-manager", 100);
    let mut rounds = 0;
    while let Some(under_way) = world.round(&["a.trader-manager"]) {
        let most = under_way.values().max().copied().unwrap_or_default();
        assert!(most <= limits::MOVES_AT_ONCE as usize, "{under_way:?}");
        rounds += 1;
    }
    assert!(rounds > 3, "{rounds} rounds");
    world.assert_whole();
    assert!(world.homes().values().all(|(at, _)| *at == name("b.trader-manager")));
}

#[test]
fn further_customers_wait_until_the_traders_of_those_before_have_moved() {
    let mut world = loaded();
    world.manager("b.trader-manager", 100);
    world.round(&["a.trader-manager"]);
    let moved = ["c1", "c2", "c3", "c5"].map(|customer| Command::AssignCustomer {
        customer: name(customer),
        manager: name("b.trader-manager"),
        replaces: Some(world.homes()[&name::<CustomerId>(customer)].1),
    });
    for command in moved {
        world.accept(command);
    }
    let next = plan(&world.machine, &world.observed(&["a.trader-manager"]), Monotonic(0));
    assert_eq!(next.len(), 1 + 2 + 3 + 1);
    assert!(next.iter().all(|command| matches!(command, Command::AssignTrader { .. })));
}

#[test]
fn services_that_have_not_started_yet_hold_up_further_moves_but_never_all_of_them() {
    let mut world = loaded();
    world.manager("b.trader-manager", 100);
    let told = Told { starting: 1_000, ..Told::default() };
    world.told.insert("b.trader-manager", told);
    world.round(&["a.trader-manager"]);
    let mut moved = Vec::new();
    for _ in 0..40 {
        let before = world.homes();
        world.round(&["a.trader-manager"]);
        let changed = world.homes().into_iter().filter(|(c, home)| before.get(c) != Some(home));
        moved.push(changed.count());
    }
    assert_eq!(moved.iter().max(), Some(&1));
    assert_eq!(moved.iter().sum::<usize>(), 12);
}

#[test]
fn a_new_manager_gets_nothing_until_an_operator_rebalances_and_then_no_more_than_evens_out() {
    let mut world = loaded();
    world.manager("b.trader-manager", 100);
    let before = world.homes();
    world.settle(&[]);
    assert_eq!(world.homes(), before);
    let moves = rebalance(&world.machine, &world.observed(&[]), Monotonic(0));
    assert!(!moves.is_empty());
    let begin = RebalanceCommand::Begin { by: by(), moves: moves.clone() };
    world.accept(Command::Rebalance(begin.clone()));
    let again = world.apply(Command::Rebalance(begin)).outcome;
    let epoch = world.machine.rebalance().expect("begun").epoch;
    assert_eq!(again, Outcome::Refused { refusal: Refusal::Rebalancing { epoch } });
    while let Some(under_way) = world.round(&[]) {
        let most = under_way.values().max().copied().unwrap_or_default();
        assert!(most <= limits::MOVES_AT_ONCE as usize, "{under_way:?}");
    }
    assert_eq!(world.machine.rebalance(), None);
    world.assert_whole();
    let moved = world.homes().into_iter().filter(|(c, home)| before.get(c) != Some(home));
    assert_eq!(moved.count(), moves.len());
    let weights: Vec<u32> = world.weights().into_values().collect();
    assert!(weights[0].abs_diff(weights[1]) <= 3, "{weights:?}");
    assert_eq!(rebalance(&world.machine, &world.observed(&[]), Monotonic(0)), []);
}

#[test]
fn a_move_of_a_rebalance_is_void_once_its_customer_or_its_target_is_elsewhere() {
    let mut world = loaded();
    world.manager("b.trader-manager", 100);
    world.manager("c.trader-manager", 100);
    let homes = world.homes();
    let to = |customer: &str, to: &str| {
        let customer: CustomerId = name(customer);
        Move { replaces: homes[&customer].1, customer, to: name(to) }
    };
    let stale = Move { replaces: Epoch(1), ..to("c1", "b.trader-manager") };
    let begin = |moves| Command::Rebalance(RebalanceCommand::Begin { by: by(), moves });
    let refused = world.apply(begin(vec![stale])).outcome;
    assert_eq!(refused, Outcome::Refused { refusal: Refusal::Superseded });
    world.accept(begin(vec![to("c1", "b.trader-manager"), to("c2", "c.trader-manager")]));
    let drain = DrainCommand::Begin {
        target: name("c"),
        by: by(),
        deadline: None,
        drop: DropSchedule::Never,
    };
    world.accept(Command::Drain(drain));
    let command = Command::AssignCustomer {
        customer: name("c1"),
        manager: name("a.trader-manager"),
        replaces: Some(homes[&name::<CustomerId>("c1")].1),
    };
    world.accept(command);
    world.settle(&[]);
    assert_eq!(world.machine.rebalance(), None);
    assert!(world.homes().values().all(|(at, _)| *at == name("a.trader-manager")));
}

#[test]
fn a_cancelled_rebalance_moves_nothing_more() {
    let mut world = loaded();
    world.manager("b.trader-manager", 100);
    let moves = rebalance(&world.machine, &world.observed(&[]), Monotonic(0));
    let before = world.homes();
    world.accept(Command::Rebalance(RebalanceCommand::Begin { by: by(), moves }));
    world.accept(Command::Rebalance(RebalanceCommand::Cancel { by: by() }));
    world.settle(&[]);
    assert_eq!(world.homes(), before);
}

#[test]
fn a_broker_whose_ledger_was_sealed_moves_and_others_of_a_lost_manager_wait() {
    let mut world = World::new();
    world.manager("a.broker-manager", 9);
    for account in ["one", "two"] {
        let spec = AccountSpec {
            venue: name("sim"),
            adapter: "sim".to_string(),
            endpoint: "h:1".to_string(),
            customers: BTreeSet::new(),
        };
        world.accept(Command::PutAccount { account: name(account), spec });
    }
    world.settle(&[]);
    world.manager("b.broker-manager", 9);
    world.settle(&["a.broker-manager"]);
    let mut observed = world.observed(&["a.broker-manager"]);
    assert_eq!(plan(&world.machine, &observed, Monotonic(0)), []);
    observed.sealed.insert((name("two"), 0));
    let commands = plan(&world.machine, &observed, Monotonic(0));
    let [Command::AssignBroker { account, manager, replaces: Some(_), .. }] = &commands[..] else {
        panic!("{commands:?}");
    };
    assert_eq!((account, manager), (&name("two"), &name("b.broker-manager")));
}

/// Each Manager is told of exactly the Traders that were given to it, also while their customers move.
fn assert_desired_is_what_was_given(world: &World) {
    for row in world.machine.managers() {
        let told = desired(&world.machine, Revision(1), &row.manager).map(|desired| desired.work);
        let Some(Work::Traders { traders, .. }) = told else { continue };
        let told: Vec<_> = traders.into_iter().map(|wanted| wanted.trader).collect();
        let given = world.machine.traders().filter(|trader| {
            trader.assignment.as_ref().is_some_and(|held| held.manager == row.manager)
        });
        let given: Vec<_> = given.map(|row| row.trader.clone()).collect();
        assert_eq!(told, given, "{}", row.manager);
    }
}

const MANAGERS: [&str; 4] =
    ["a.trader-manager", "b.trader-manager", "c.trader-manager", "d.trader-manager"];

#[derive(Clone, Debug)]
enum Happening {
    CheckIn(String, u32),
    Customer(String, usize),
    Lose(Vec<&'static str>),
    Drain(String),
    Undrain(String),
    Rebalance,
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let lost = prop::sample::subsequence(vec!["a.trader-manager", "b.trader-manager"], 0..=2);
    prop_oneof![
        ("[abcd]", 0_u32..12).prop_map(|(i, capacity)| {
            Happening::CheckIn(format!("{i}.trader-manager"), capacity)
        }),
        ("c[0-9]", 0_usize..4)
            .prop_map(|(customer, traders)| Happening::Customer(customer, traders)),
        lost.prop_map(Happening::Lose),
        "[abcd]".prop_map(Happening::Drain),
        "[abcd]".prop_map(Happening::Undrain),
        Just(Happening::Rebalance),
    ]
}

fn happen(world: &mut World, happening: Happening) {
    match happening {
        Happening::CheckIn(manager, capacity) => world.manager(&manager, capacity),
        Happening::Customer(customer, traders) => world.customer(&customer, traders),
        Happening::Lose(lost) => while world.round(&lost).is_some() {},
        Happening::Drain(target) => {
            let (target, drop) = (name(&target), DropSchedule::WhenIdle);
            let command = DrainCommand::Begin { target, by: by(), deadline: None, drop };
            world.apply(Command::Drain(command));
        }
        Happening::Undrain(target) => {
            let command = DrainCommand::Cancel { target: name(&target), at: None, by: by() };
            world.apply(Command::Drain(command));
        }
        Happening::Rebalance => {
            let moves = rebalance(&world.machine, &world.observed(&[]), Monotonic(0));
            world.apply(Command::Rebalance(RebalanceCommand::Begin { by: by(), moves }));
        }
    }
}

proptest! {
    /// The invariants (L1, A1, D1, D2) and the index are checked by the world after every command.
    #[test]
    fn whatever_happens_the_planner_comes_to_rest_with_whole_customers_within_capacity(
        happenings in prop::collection::vec(any_happening(), 1..24),
    ) {
        let mut world = World::new();
        for happening in happenings {
            happen(&mut world, happening);
            assert_desired_is_what_was_given(&world);
            let before = world.homes();
            // Every drain is confirmed, and every Manager is idle as soon as it holds nothing.
            let cordons: BTreeSet<Epoch> = world.machine.drains().map(|row| row.epoch).collect();
            for manager in MANAGERS {
                let told = Told { cordons: cordons.clone(), held: Some(0), ..Told::default() };
                world.told.insert(manager, told);
            }
            let empties: Vec<ManagerId> = before.values().map(|(at, _)| at.clone())
                .filter(|at| world.machine.cordon(at).is_some()).collect();
            let rebalancing = world.machine.rebalance().is_some();
            let mut rounds = 0;
            while world.round(&[]).is_some() {
                rounds += 1;
                prop_assert!(rounds < 60, "the planner does not come to rest");
            }
            assert_desired_is_what_was_given(&world);
            by_location::assert_whole_where_there_is_a_home(&world);
            for (customer, home) in world.homes() {
                let Some(held) = before.get(&customer) else { continue };
                let gone = world.machine.manager(&held.0).is_none_or(|row| {
                    row.state == crate::control::row::ManagerState::Down
                });
                let cause = gone || empties.contains(&held.0) || rebalancing;
                prop_assert!(*held == home || cause, "{customer} moved without a cause");
            }
        }
    }
}
