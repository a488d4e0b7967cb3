//! Claims about what operators declare: by example, and over random logs.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        drain::{By, DrainCommand, DropSchedule},
        machine::world::{World, name},
        row::{Route, TraderWish},
    },
    ids::DrainTarget,
    limits,
};
use alloc::{string::ToString, vec};
use proptest::prelude::*;

fn hash(text: &str) -> KeyHash {
    KeyHash::of(text)
}

fn customer(text: &str, keys: Option<&[&str]>) -> Declaration {
    let key_hashes = keys.map(|keys| keys.iter().map(|key| hash(key)).collect());
    Declaration::Customer { customer: name(text), key_hashes }
}

fn account(text: &str, customers: &[&str]) -> Declaration {
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "h:2".to_string(),
        customers: customers.iter().map(|text| name(text)).collect(),
    };
    Declaration::Account { account: name(text), spec }
}

fn trader(text: &str, of: &str, word: &str) -> Declaration {
    let spec = TraderSpec {
        customer: name(of),
        command: vec![word.to_string()],
        state: TraderWish::Running,
    };
    Declaration::Trader { trader: name(text), spec }
}

fn market(text: &str, instrument: &str) -> Declaration {
    let instrument = name(instrument);
    let route = Route { instrument, data_venue: name("sim"), order_venue: name("sim") };
    Declaration::Market { market: name(text), spec: MarketSpec { routes: vec![route] } }
}

fn hours(text: &str) -> Declaration {
    let window = crate::calendar::DailyWindow { from: name("01:00"), to: name("02:00") };
    let after_hours = vec![crate::calendar::Hours::Daily { window }];
    Declaration::Location { location: name(text), spec: LocationSpec { after_hours } }
}

fn route(text: &str, instrument: &str, venue: &str) -> Declaration {
    let instrument = name(instrument);
    let route = Route { instrument, data_venue: name("sim"), order_venue: name(venue) };
    Declaration::Route { market: name(text), route }
}

fn risk(scope: Scope, orders: u32) -> Declaration {
    Declaration::Risk {
        scope,
        spec: RiskSpec { max_open_orders: Some(orders), ..RiskSpec::default() },
    }
}

fn put(what: Declaration, on: Condition) -> Command {
    Command::Resource(ResourceCommand::Put { what, on })
}

fn delete(what: Resource, on: Condition, release: bool) -> Command {
    Command::Resource(ResourceCommand::Delete { what, on, release })
}

fn refused(world: &mut World, command: Command) -> Refusal {
    match world.apply(command).outcome {
        Outcome::Refused { refusal } => refusal,
        Outcome::Accepted { revision } => panic!("accepted at {revision}"),
    }
}

#[test]
fn what_is_declared_as_it_stands_keeps_its_revision_and_makes_no_event() {
    let mut world = World::new();
    for what in [
        customer("acme", Some(&["a"])),
        account("k", &["acme"]),
        market("crypto", "BTC/USD"),
        trader("t", "acme", "algo"),
        hours("here"),
        Declaration::ExchangeDays { exchange: Exchange::Xnys, days: BTreeMap::new() },
        route("crypto", "ETH/USD", "sim"),
        risk(Scope::Global, 1),
        Declaration::TradingState { scope: Scope::Global, state: TradingState::Halted },
    ] {
        let first = world.apply(put(what.clone(), Condition::Absent));
        assert_eq!(first.events.len(), 1, "{what:?}");
        let made = world.machine.declared_at(&what.resource());
        assert_eq!(made, Some(first.events[0].revision));
        let again = world.apply(put(what.clone(), Condition::Always));
        assert!(matches!(again.outcome, Outcome::Accepted { .. }));
        assert!(again.events.is_empty(), "{what:?}");
        assert_eq!(world.machine.declared_at(&what.resource()), made);
    }
}

#[test]
fn a_placement_does_not_change_the_revision_of_what_is_declared() {
    let mut world = World::with_a_customer_and_a_trader();
    let trader = Resource::Trader(name("sample"));
    let before = world.machine.declared_at(&trader);
    world.settle(&[]);
    assert!(world.machine.trader(&name("sample")).is_some_and(|row| row.assignment.is_some()));
    assert_eq!(world.machine.declared_at(&trader), before);
}

#[test]
fn keys_are_added_and_removed_one_by_one_and_stay_when_the_customer_is_declared_without() {
    let mut world = World::new();
    world.accept(put(customer("acme", Some(&["a"])), Condition::Absent));
    let add = |key: &str| {
        Command::Resource(ResourceCommand::AddKey { customer: name("acme"), hash: hash(key) })
    };
    let remove = |key: &str| {
        let key_id = hash(key).key_id();
        Command::Resource(ResourceCommand::RemoveKey { customer: name("acme"), key_id })
    };
    let added = world.apply(add("b"));
    let kind = EventKind::KeyAdded { customer: name("acme"), key_id: hash("b").key_id() };
    assert_eq!(added.events[0].kind, kind);
    assert!(world.apply(add("b")).events.is_empty());
    world.accept(put(customer("acme", None), Condition::Always));
    let held = |world: &World| {
        world.machine.customer(&name("acme")).map(|row| row.spec.key_hashes.clone())
    };
    assert_eq!(held(&world), Some([hash("a"), hash("b")].into()));
    world.accept(remove("a"));
    assert_eq!(held(&world), Some([hash("b")].into()));
    assert_eq!(refused(&mut world, remove("a")), Refusal::NotFound { what: Noun::Key });
    let bad = ResourceCommand::AddKey { customer: name("acme"), hash: KeyHash("a".to_string()) };
    assert_eq!(refused(&mut world, Command::Resource(bad)), Refusal::NotAHash);
    let bad = Declaration::Customer {
        customer: name("acme"),
        key_hashes: Some([KeyHash("A".repeat(64))].into()),
    };
    assert_eq!(refused(&mut world, put(bad, Condition::Always)), Refusal::NotAHash);
    for n in 1..limits::KEYS_PER_CUSTOMER {
        world.accept(add(&n.to_string()));
    }
    assert_eq!(refused(&mut world, add("one more")), Refusal::TooMany { what: Noun::Key });
}

#[test]
fn a_key_is_one_customers_until_it_is_removed_from_him() {
    let mut world = World::new();
    world.accept(put(customer("acme", Some(&["a"])), Condition::Always));
    world.accept(put(customer("bolt", None), Condition::Always));
    let add = |of: &str| {
        Command::Resource(ResourceCommand::AddKey { customer: name(of), hash: hash("a") })
    };
    let taken = || {
        let by = Need::Owner { customer: name("acme") };
        Refusal::InUse { what: Noun::Key, by }
    };
    assert_eq!(refused(&mut world, add("bolt")), taken());
    let whole = put(customer("bolt", Some(&["a"])), Condition::Always);
    assert_eq!(refused(&mut world, whole), taken());
    world.accept(add("acme"));
    assert_eq!(world.machine.key_owner(&hash("a")), Some(&name("acme")));
    let key_id = hash("a").key_id();
    let remove = ResourceCommand::RemoveKey { customer: name("acme"), key_id };
    world.accept(Command::Resource(remove));
    assert_eq!(world.machine.key_owner(&hash("a")), None);
    world.accept(add("bolt"));
    assert_eq!(world.machine.key_owner(&hash("a")), Some(&name("bolt")));
    world.accept(delete(Resource::Customer(name("bolt")), Condition::Always, false));
    assert_eq!(world.machine.key_owner(&hash("a")), None);
    // As commands of earlier builds still do.
    for of in ["acme", "bolt"] {
        let spec = CustomerSpec { key_hashes: [hash("a")].into() };
        world.accept(Command::PutCustomer { customer: name(of), spec });
    }
    assert_eq!(world.machine.key_owner(&hash("a")), Some(&name("acme")));
    world.accept(put(customer("acme", Some(&[])), Condition::Always));
    assert_eq!(world.machine.key_owner(&hash("a")), Some(&name("bolt")));
}

#[test]
fn what_is_in_use_is_not_deleted_and_the_answer_says_what_to_do_first() {
    let mut world = World::new();
    world.check_in("a.broker-manager", 1);
    world.accept(put(customer("acme", None), Condition::Always));
    world.accept(put(account("k", &["acme"]), Condition::Always));
    world.accept(put(trader("t", "acme", "algo"), Condition::Always));
    world.settle(&[]);
    let (acme, k) = (Resource::Customer(name("acme")), Resource::Account(name("k")));
    let in_use = |world: &mut World, what: &Resource, release| {
        let refusal = refused(world, delete(what.clone(), Condition::Always, release));
        assert!(refusal.to_string().contains("first") || refusal.to_string().contains("release"));
        match refusal {
            Refusal::InUse { by, .. } => by,
            other => panic!("{other}"),
        }
    };
    let by = in_use(&mut world, &acme, true);
    assert_eq!(by, Need::Traders { first: name("t"), count: 1 });
    world.accept(delete(Resource::Trader(name("t")), Condition::Always, false));
    let by = in_use(&mut world, &acme, true);
    assert_eq!(by, Need::Accounts { first: name("k"), count: 1 });
    let by = in_use(&mut world, &k, true);
    assert_eq!(by, Need::Customers { first: name("acme"), count: 1 });
    world.accept(put(account("k", &[]), Condition::Always));
    let by = in_use(&mut world, &k, false);
    assert_eq!(by, Need::Broker { manager: name("a.broker-manager") });
    let applied = world.apply(delete(k, Condition::Always, true));
    assert_eq!(applied.events[0].kind, EventKind::AccountDeleted { account: name("k") });
    world.accept(delete(acme.clone(), Condition::Always, false));
    assert_eq!(world.machine.brokers().count() + world.machine.customers().count(), 0);
    let gone = refused(&mut world, delete(acme, Condition::At(Revision(1)), false));
    assert_eq!(gone, Refusal::NotFound { what: Noun::Customer });
}

#[test]
fn an_account_without_a_manager_is_deleted_as_it_is() {
    let mut world = World::new();
    world.accept(put(account("k", &[]), Condition::Always));
    let at = world.machine.declared_at(&Resource::Account(name("k"))).expect("there");
    let late = delete(Resource::Account(name("k")), Condition::At(Revision(at.0 + 1)), false);
    assert_eq!(refused(&mut world, late), Refusal::NotAsExpected { held: Some(at) });
    world.accept(delete(Resource::Account(name("k")), Condition::At(at), false));
    assert_eq!(world.machine.brokers().count(), 0);
}

#[test]
fn hours_that_a_drain_waits_for_are_neither_deleted_nor_declared_away() {
    let mut world = World::new();
    world.check_in("a.trader-manager", 1);
    world.accept(put(hours("here"), Condition::Always));
    let target: DrainTarget = name("a");
    let by = By { who: "me".to_string(), why: "test".to_string() };
    let begin = DrainCommand::Begin {
        target: target.clone(),
        by: by.clone(),
        deadline: None,
        drop: DropSchedule::AfterHours,
    };
    world.accept(Command::Drain(begin));
    let here = || delete(Resource::Location(name("here")), Condition::Always, false);
    let by_drain = Need::Drain { target: target.clone() };
    let refusal = refused(&mut world, here());
    assert_eq!(refusal, Refusal::InUse { what: Noun::Location, by: by_drain.clone() });
    // Nor declared away: other hours may be, none may not.
    let none = LocationSpec { after_hours: vec![] };
    let none = Declaration::Location { location: name("here"), spec: none };
    let refusal = refused(&mut world, put(none, Condition::Always));
    assert_eq!(refusal, Refusal::InUse { what: Noun::Location, by: by_drain });
    world.accept(Command::Drain(DrainCommand::Cancel { target, at: None, by }));
    world.accept(here());
    assert!(world.machine.hours(&name("here")).is_empty());
}

fn any_scope() -> impl Strategy<Value = Scope> {
    "global|customer\\.[xyz]|account\\.[kl]|trader\\.[tu]".prop_map(|text| name(&text))
}

fn any_state() -> impl Strategy<Value = TradingState> {
    use TradingState::{Active, Halted, Reducing};
    prop::sample::select(vec![Active, Reducing, Halted])
}

/// Half of them say who asks, in too many words now and then.
fn any_change(change: ResourceChange, by: Option<usize>) -> ResourceCommand {
    match (by, change) {
        (Some(words), change) => {
            let by = By { who: "ann".to_string(), why: "why ".repeat(words) };
            ResourceCommand::Audited { by, change }
        }
        (None, ResourceChange::Put { what, on }) => ResourceCommand::Put { what, on },
        (None, ResourceChange::Delete { what, on, release }) => {
            ResourceCommand::Delete { what, on, release }
        }
        (None, ResourceChange::AddKey { customer, hash }) => {
            ResourceCommand::AddKey { customer, hash }
        }
        (None, ResourceChange::RemoveKey { customer, key_id }) => {
            ResourceCommand::RemoveKey { customer, key_id }
        }
    }
}

fn any_resource() -> impl Strategy<Value = Command> {
    let on = || {
        prop_oneof![
            4 => Just(Condition::Always),
            1 => Just(Condition::Absent),
            1 => Just(Condition::Present),
            2 => (1_u64..40).prop_map(|at| Condition::At(Revision(at))),
        ]
    };
    let keys = prop::option::of(prop::collection::btree_set("[kl]", 0..3));
    let declaration = prop_oneof![
        3 => ("[xyz]", keys).prop_map(|(text, keys)| Declaration::Customer {
            customer: name(&text),
            key_hashes: keys.map(|keys| keys.iter().map(|key| hash(key)).collect()),
        }),
        3 => ("[kl]", prop::collection::vec("[xyz]", 0..2)).prop_map(|(text, customers)| {
            account(&text, &customers.iter().map(String::as_str).collect::<Vec<_>>())
        }),
        3 => ("[tu]", "[xyz]", "[ab]").prop_map(|(text, of, word)| trader(&text, &of, &word)),
        1 => ("[mn]", "[AB]").prop_map(|(text, instrument)| market(&text, &instrument)),
        1 => "(here|there)".prop_map(|text| hours(&text)),
        1 => Just(Declaration::ExchangeDays { exchange: Exchange::Xnys, days: BTreeMap::new() }),
        2 => ("[mn]", "[AB]", "[vw]").prop_map(|(text, of, venue)| route(&text, &of, &venue)),
        2 => (any_scope(), 0_u32..2).prop_map(|(scope, orders)| risk(scope, orders)),
        3 => (any_scope(), any_state())
            .prop_map(|(scope, state)| Declaration::TradingState { scope, state }),
    ];
    let resource = prop_oneof![
        "[kl]".prop_map(|text| Resource::Account(name(&text))),
        "[xyz]".prop_map(|text| Resource::Customer(name(&text))),
        "[mn]".prop_map(|text| Resource::Market(name(&text))),
        "[tu]".prop_map(|text| Resource::Trader(name(&text))),
        "(here|there)".prop_map(|text| Resource::Location(name(&text))),
        Just(Resource::ExchangeDays(Exchange::Xnys)),
        ("[mn]", "[AB]").prop_map(|(text, of)| {
            Resource::Route { market: name(&text), instrument: name(&of) }
        }),
        any_scope().prop_map(Resource::Risk),
        any_scope().prop_map(Resource::TradingState),
    ];
    let command = prop_oneof![
        4 => (declaration, on()).prop_map(|(what, on)| ResourceChange::Put { what, on }),
        3 => (resource, on(), any::<bool>())
            .prop_map(|(what, on, release)| ResourceChange::Delete { what, on, release }),
        1 => ("[xyz]", "[klm]").prop_map(|(text, key)| {
            ResourceChange::AddKey { customer: name(&text), hash: hash(&key) }
        }),
        1 => ("[xyz]", "[klm]").prop_map(|(text, key)| {
            ResourceChange::RemoveKey { customer: name(&text), key_id: hash(&key).key_id() }
        }),
    ];
    let by = prop::option::of(prop_oneof![9 => 0_usize..3, 1 => Just(300)]);
    (command, by).prop_map(|(change, by)| Command::Resource(any_change(change, by)))
}

/// Resources among everything else that happens.
fn any_log() -> impl Strategy<Value = Vec<Command>> {
    let any = prop_oneof![
        3 => any_resource(),
        2 => crate::control::machine::tests::any_command(),
    ];
    prop::collection::vec(any, 1..60)
}

proptest! {
    /// The invariants are checked after each command.
    #[test]
    fn a_log_of_resources_makes_the_same_machine_again_from_any_snapshot_of_it(
        commands in any_log(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new();
        let (cut, mut snapshot) = (cut.index(commands.len()), (0, Vec::new()));
        for (n, command) in commands.into_iter().enumerate() {
            if n == cut {
                snapshot = (world.log.len(), world.machine.rows().collect());
            }
            world.apply(command);
            if n % 7 == 6 {
                world.settle(&["a.trader-manager"]);
            }
        }
        let mut again = Machine::from_rows(snapshot.1);
        for (n, entry) in world.log.iter().enumerate().skip(snapshot.0) {
            again.apply(Revision(n as u64 + 1), entry);
        }
        prop_assert_eq!(again.state_hash(), world.machine.state_hash());
        prop_assert!(again.rows().eq(world.machine.rows()));
    }
}

mod singly;
mod table;
