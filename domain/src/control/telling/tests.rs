//! Claims about telling: whatever changes, the parts come to the desired state, each fits a frame, and what has not changed
//! is not told again.

use super::*;
use crate::{
    calendar::{Day, Exchange, MinuteOfDay, OperatorDay},
    control::{
        Command,
        desired::desired,
        machine::world::{World, name},
        resource::{Condition, Declaration, Resource, ResourceCommand},
        row::{
            AccountSpec, CustomerRow, CustomerSpec, MarketSpec, Route, Row, TraderSpec, TraderWish,
        },
    },
    ids::KeyHash,
    limits,
};
use alloc::{format, string::ToString, vec};

fn bytes(item: &Item) -> usize {
    serde_json::to_vec(item).expect("it has a form").len()
}

/// A Manager that is told what is news, in parts of so many bytes.
struct Listener {
    manager: ManagerId,
    teller: Teller,
    assembly: Assembly,
    held: Option<Desired>,
    parts: Vec<Part>,
}

impl Listener {
    fn new(manager: &str) -> Self {
        Self {
            manager: name(manager),
            teller: Teller::default(),
            assembly: Assembly::default(),
            held: None,
            parts: Vec::new(),
        }
    }

    /// Tells it what there is.
    fn tell(&mut self, machine: &Machine, revision: u64, room: usize) {
        self.parts.clear();
        let revision = Revision(revision);
        if let Some(mut news) = self.teller.news(machine, revision, &self.manager) {
            while let Some(part) = news.part(room, bytes) {
                self.parts.push(part.clone());
                if let Some(whole) = self.assembly.take(part).expect("in order") {
                    self.held = Some(whole);
                }
            }
            self.teller.told(news);
        }
    }

    /// And looks whether it is what it should be.
    fn hear(&mut self, machine: &Machine, revision: u64, room: usize) {
        self.tell(machine, revision, room);
        let now = desired(machine, Revision(revision), &self.manager);
        if let Some(now) = now {
            let held = self.held.as_ref().expect("told");
            assert!(held.says_the_same(&now), "{held:#?}\n is not\n{now:#?}");
        }
    }

    fn knows(&self) -> usize {
        match self.held.as_ref().map(|held| &held.work) {
            Some(Work::Markets { access, .. }) => access.customers.len(),
            _ => 0,
        }
    }

    fn items(&self) -> usize {
        self.parts.iter().map(|part| part.items.len() + part.gone.len()).sum()
    }
}

fn put(world: &mut World, what: Declaration) {
    let on = Condition::Always;
    world.accept(Command::Resource(ResourceCommand::Put { what, on }));
}

fn delete(world: &mut World, what: Resource) {
    let command = ResourceCommand::Delete { what, on: Condition::Always, release: true };
    world.accept(Command::Resource(command));
}

fn customer(world: &mut World, customer: &str, key: &str) {
    let key_hashes = Some([KeyHash::of(key)].into());
    put(world, Declaration::Customer { customer: name(customer), key_hashes });
}

fn account(world: &mut World, account: &str, customers: &[&str]) {
    let customers = customers.iter().map(|customer| name(customer)).collect();
    let (adapter, endpoint) = ("sim".to_string(), "h:1".to_string());
    let spec = AccountSpec { venue: name("sim"), adapter, endpoint, customers };
    put(world, Declaration::Account { account: name(account), spec });
}

fn market(world: &mut World, market: &str, venue: &str) {
    let (data_venue, order_venue) = (name(venue), name(venue));
    let route = Route { instrument: name("BTC/USD"), data_venue, order_venue };
    put(
        world,
        Declaration::Market { market: name(market), spec: MarketSpec { routes: vec![route] } },
    );
}

fn exchange_days(world: &mut World, days: &[(Day, OperatorDay)]) {
    let (exchange, days) = (Exchange::Xnys, days.iter().copied().collect());
    put(world, Declaration::ExchangeDays { exchange, days });
}

/// A Trader that is spawned, or with no command one that its customer runs.
fn trader(world: &mut World, trader: &str, customer: &str, command: &[&str]) {
    let command = command.iter().map(ToString::to_string).collect();
    let spec = TraderSpec { customer: name(customer), command, state: TraderWish::Running };
    let what = if spec.command.is_empty() {
        Declaration::SelfManaged {
            trader: name(trader),
            spec,
            run: crate::control::trader::TraderRun::default(),
        }
    } else {
        Declaration::Trader { trader: name(trader), spec }
    };
    put(world, what);
}

/// Steps that each change something that some Manager is told of.
fn steps() -> Vec<fn(&mut World)> {
    vec![
        |world| {
            for manager in ["a.broker-manager", "a.market-manager", "a.trader-manager"] {
                world.check_in(manager, 1);
            }
        },
        |world| customer(world, "acme", "one"),
        |world| customer(world, "zeta", "two"),
        |world| account(world, "acc", &["acme"]),
        |world| market(world, "crypto", "sim"),
        |world| trader(world, "t", "acme", &["algo"]),
        |world| trader(world, "own", "zeta", &[]),
        |world| drop(world.settle(&[])),
        |world| account(world, "acc", &["acme", "zeta"]),
        |world| account(world, "second", &["zeta"]),
        |world| drop(world.settle(&[])),
        |world| customer(world, "acme", "other"),
        // A TraderManager comes back elsewhere: its customers' access says so.
        |world| {
            let command = Command::CheckIn {
                manager: name("a.trader-manager"),
                location: name("here"),
                address: "127.0.0.1:2".to_string(),
                incarnation: crate::ids::Incarnation(2),
                capacity: 10,
            };
            world.accept(command);
        },
        |world| drop(world.check_in("b.trader-manager", 1)),
        |world| drop(world.settle(&["a.trader-manager"])),
        |world| market(world, "crypto", "other"),
        |world| drop(world.check_in("b.market-manager", 1)),
        |world| delete(world, Resource::Trader(name("t"))),
        |world| account(world, "second", &[]),
        |world| delete(world, Resource::Account(name("second"))),
        |world| {
            world.accept(Command::PutRegister {
                register: name("r"),
                value: "1".to_string(),
                expected: None,
            });
        },
        |world| exchange_days(world, &[(name("2026-11-24"), OperatorDay::Closed)]),
        |world| delete(world, Resource::Trader(name("own"))),
        |world| delete(world, Resource::ExchangeDays(Exchange::Xnys)),
        |world| account(world, "acc", &["acme"]),
        |world| delete(world, Resource::Customer(name("zeta"))),
    ]
}

#[test]
fn whatever_changes_the_parts_come_to_what_is_wanted() {
    for room in [1, 300, limits::DESIRED_PART_BYTES] {
        let mut world = World::new();
        let managers =
            ["a.broker-manager", "a.market-manager", "a.trader-manager", "b.trader-manager"];
        let mut listeners = managers.map(Listener::new);
        for step in steps() {
            step(&mut world);
            for listener in &mut listeners {
                listener.hear(&world.machine, world.revision, room);
            }
            // And one that hears of it for the first time.
            for manager in managers {
                Listener::new(manager).hear(&world.machine, world.revision, room);
            }
        }
    }
}

#[test]
fn what_has_not_changed_is_not_told_again() {
    let mut world = World::new();
    let mut listener = Listener::new("a.market-manager");
    for step in steps().into_iter().take(11) {
        step(&mut world);
    }
    listener.hear(&world.machine, world.revision, limits::DESIRED_PART_BYTES);
    assert!(listener.items() >= 5 && listener.parts[0].whole);
    // when: one customer has another key
    customer(&mut world, "zeta", "another");
    listener.hear(&world.machine, world.revision, limits::DESIRED_PART_BYTES);
    // then
    assert!(!listener.parts[0].whole);
    assert_eq!(listener.items(), 1, "{:?}", listener.parts);
    // when: nothing that it is told of
    let (register, value) = (name("r"), "1".to_string());
    world.accept(Command::PutRegister { register, value, expected: None });
    listener.hear(&world.machine, world.revision, limits::DESIRED_PART_BYTES);
    assert!(listener.parts.is_empty());
}

#[test]
fn an_operators_day_is_told_at_once_and_to_market_managers_alone() {
    // given
    let mut world = World::new();
    steps().into_iter().take(11).for_each(|step| step(&mut world));
    let managers = ["a.market-manager", "a.broker-manager", "a.trader-manager"];
    let mut listeners = managers.map(Listener::new);
    let hear = |listeners: &mut [Listener], world: &World| {
        for listener in listeners {
            listener.hear(&world.machine, world.revision, limits::DESIRED_PART_BYTES);
        }
    };
    hear(&mut listeners, &world);
    // when
    let days: [(Day, OperatorDay); 1] = [(name("2026-11-24"), OperatorDay::Closed)];
    exchange_days(&mut world, &days);
    hear(&mut listeners, &world);
    // then
    let told = listeners.each_ref().map(|listener| (listener.parts.len(), listener.items()));
    assert_eq!(told, [(1, 0), (0, 0), (0, 0)]);
    let Some(Work::Markets { exchange_days, .. }) = listeners[0].held.as_ref().map(|d| &d.work)
    else {
        panic!("no Markets")
    };
    assert_eq!(*exchange_days, OperatorDays::from([(Exchange::Xnys, days.into())]));
}

#[test]
fn as_many_days_as_an_operator_may_declare_leave_room_in_a_head() {
    let mut world = World::new();
    world.check_in("a.market-manager", 1);
    let early = OperatorDay::EarlyClose { at: MinuteOfDay::new(13, 0).expect("legal") };
    let days = (20_000..).take(limits::OPERATOR_DAYS).map(|day| (Day(day), early));
    exchange_days(&mut world, &days.collect::<Vec<_>>());
    // when
    let mut listener = Listener::new("a.market-manager");
    listener.hear(&world.machine, world.revision, limits::DESIRED_PART_BYTES);
    // then
    let head = serde_json::to_vec(&listener.parts[0].head).expect("a form").len();
    assert!(head > limits::OPERATOR_DAYS * 40, "{head} bytes: they are not in it");
    assert!(head * Exchange::ALL.len() < limits::DESIRED_HEAD_BYTES / 16, "{head} bytes");
}

#[test]
fn what_was_broken_off_is_told_whole() {
    let mut world = World::new();
    let mut listener = Listener::new("a.market-manager");
    steps().into_iter().take(6).for_each(|step| step(&mut world));
    listener.hear(&world.machine, world.revision, 1);
    // given: half of what changed
    customer(&mut world, "acme", "other");
    customer(&mut world, "zeta", "another");
    let mut news =
        listener.teller.news(&world.machine, Revision(99), &listener.manager).expect("news");
    listener.assembly.take(news.part(1, bytes).expect("one of two")).expect("in order");
    listener.teller.broke_off();
    assert!(listener.teller.has_told());
    // when, then
    listener.hear(&world.machine, world.revision, 1);
    assert!(listener.parts[0].whole);
}

#[test]
fn a_part_on_top_of_nothing_is_refused() {
    let part = Part { head: None, whole: false, items: vec![], gone: vec![], last: true };
    assert_eq!(Assembly::default().take(part), Err(Disordered));
}

/// A hundred thousand customers with names as long as may be.
fn town() -> World {
    let mut world = World::new();
    world.check_in("a.market-manager", 1);
    world.check_in("a.trader-manager", 1);
    let rows = (0..100_000u32).map(|n| {
        Row::Customer(CustomerRow {
            customer: name(&format!("{n:c>63}")),
            spec: CustomerSpec { key_hashes: [KeyHash::of(&n.to_string())].into() },
            affinity: Some(crate::control::row::Assignment {
                manager: name("a.trader-manager"),
                epoch: Epoch(2),
            }),
            affinity_version: 1,
            revision: Revision(3),
        })
    });
    let rows: Vec<Row> = world.machine.rows().chain(rows).collect();
    world.machine = Machine::from_rows(rows);
    world
}

#[test]
fn a_hundred_thousand_customers_are_told_in_frames_and_a_change_in_one() {
    let world = town();
    // when
    let mut listener = Listener::new("a.market-manager");
    listener.tell(&world.machine, 9, limits::DESIRED_PART_BYTES);
    // then
    assert_eq!((listener.items(), listener.knows()), (100_000, 100_000));
    let frames = listener.parts.iter().map(|part| serde_json::to_vec(part).expect("a form").len());
    let frames: Vec<usize> = frames.collect();
    let (whole, largest) = (frames.iter().sum::<usize>(), frames.iter().max());
    assert!(whole > 2 * limits::PIPE_FRAME_BYTES, "{whole} bytes nearly fit one frame");
    assert!(largest.is_some_and(|bytes| *bytes < limits::DESIRED_PART_BYTES * 2), "{largest:?}");
    // and: of a customer who is told differently the others hear nothing
    let mut machine = world.machine.clone();
    let mut row = machine.customers().nth(77_777).expect("there").clone();
    row.affinity_version = 2;
    let customer = row.customer.clone();
    machine.tables.put(Row::Customer(row));
    listener.tell(&machine, 10, limits::DESIRED_PART_BYTES);
    assert_eq!((listener.items(), listener.parts.len(), listener.knows()), (1, 1, 100_000));
    let Some(Work::Markets { access, .. }) = listener.held.map(|held| held.work) else {
        panic!("no Markets")
    };
    assert_eq!(access.customers.get(&customer).map(|access| access.affinity_version), Some(2));
}
