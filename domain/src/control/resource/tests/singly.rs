//! Claims about routes that are changed one by one, and about who changes what.

use super::*;

#[test]
fn one_route_is_changed_live_and_the_others_stay() {
    let mut world = World::new();
    let at = |what: Declaration| put(what, Condition::Always);
    let missing = refused(&mut world, at(route("crypto", "BTC/USD", "v")));
    assert_eq!(missing, Refusal::NotFound { what: Noun::Market });
    world.accept(at(market("crypto", "BTC/USD")));
    let added = world.accept(put(route("crypto", "ETH/USD", "v"), Condition::Absent));
    let eth = Resource::Route { market: name("crypto"), instrument: name("ETH/USD") };
    let btc = Resource::Route { market: name("crypto"), instrument: name("BTC/USD") };
    assert_eq!(world.machine.declared_at(&eth), Some(added));
    let there = put(route("crypto", "ETH/USD", "w"), Condition::Absent);
    assert_eq!(refused(&mut world, there), Refusal::NotAsExpected { held: Some(added) });
    let moved = world.apply(put(route("crypto", "ETH/USD", "w"), Condition::At(added)));
    assert_eq!(moved.events[0].kind, EventKind::MarketChanged { market: name("crypto") });
    let venue = |world: &World, what: &str| {
        let route = world.machine.route(&name("crypto"), &name(what));
        route.map(|route| route.order_venue.to_string())
    };
    assert_eq!(venue(&world, "ETH/USD").as_deref(), Some("w"));
    assert_eq!(venue(&world, "BTC/USD").as_deref(), Some("sim"));
    world.accept(delete(btc.clone(), Condition::Always, false));
    assert_eq!(venue(&world, "BTC/USD"), None);
    let gone = refused(&mut world, delete(btc, Condition::Always, false));
    assert_eq!(gone, Refusal::NotFound { what: Noun::Route });
}

#[test]
fn a_market_has_as_many_routes_one_by_one_as_at_once() {
    let mut world = World::new();
    let of = |n: usize| {
        let instrument = name(&alloc::format!("I{n}"));
        Route { instrument, data_venue: name("sim"), order_venue: name("sim") }
    };
    let spec = MarketSpec { routes: (0..limits::ROUTES_PER_MARKET).map(of).collect() };
    world.accept(put(Declaration::Market { market: name("m"), spec }, Condition::Always));
    let more = put(route("m", "BTC/USD", "v"), Condition::Always);
    assert_eq!(refused(&mut world, more), Refusal::TooMany { what: Noun::Route });
    world.accept(put(route("m", "I7", "v"), Condition::Always));
}

#[test]
fn a_change_is_told_with_who_and_why_and_one_that_changes_nothing_is_not() {
    let mut world = World::new();
    let by = |why: &str| By { who: "ann".to_string(), why: why.to_string() };
    let asked = |why: &str| {
        let change = ResourceChange::Put { what: customer("acme", None), on: Condition::Always };
        Command::Resource(ResourceCommand::Audited { by: by(why), change })
    };
    let applied = world.apply(asked("a new customer"));
    let kinds: Vec<_> = applied.events.into_iter().map(|event| event.kind).collect();
    let audited = EventKind::Audited {
        what: Resource::Customer(name("acme")),
        deed: Deed::Declared,
        who: "ann".to_string(),
        why: "a new customer".to_string(),
    };
    assert_eq!(kinds, [EventKind::CustomerChanged { customer: name("acme") }, audited]);
    assert!(world.apply(asked("again")).events.is_empty());
    let long = refused(&mut world, asked(&"w".repeat(limits::WHY_BYTES + 1)));
    assert_eq!(long, Refusal::TooLarge { what: Noun::Audit });
}
