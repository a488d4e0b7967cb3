//! Claims about risk settings and trading states.

use super::*;
use crate::{
    control::{
        Command, Outcome,
        machine::world::{World, name},
        resource::{Condition, Declaration, Need, Resource, ResourceChange, ResourceCommand},
        row::CustomerSpec,
    },
    ids::CustomerId,
};
use alloc::string::ToString;

fn audited(change: ResourceChange) -> Command {
    let by = By { who: "ann".to_string(), why: "a test".to_string() };
    Command::Resource(ResourceCommand::Audited { by, change })
}

fn put(what: Declaration) -> Command {
    audited(ResourceChange::Put { what, on: Condition::Always })
}

fn delete(what: Resource) -> Command {
    audited(ResourceChange::Delete { what, on: Condition::Always, release: false })
}

fn trading(scope: &Scope, state: TradingState) -> Command {
    put(Declaration::TradingState { scope: scope.clone(), state })
}

fn refused(world: &mut World, command: Command) -> Refusal {
    match world.apply(command).outcome {
        Outcome::Refused { refusal } => refusal,
        Outcome::Accepted { revision } => panic!("accepted at {revision}"),
    }
}

fn with_acme() -> (World, Scope) {
    let mut world = World::new();
    let acme: CustomerId = name("acme");
    world.accept(Command::PutCustomer {
        customer: acme.clone(),
        spec: CustomerSpec { key_hashes: [].into() },
    });
    (world, Scope::Customer(acme))
}

#[test]
fn tightening_keeps_the_version_and_loosening_raises_it() {
    use TradingState::{Active, Halted, Reducing};
    let (mut world, acme) = with_acme();
    let version = |world: &World| world.machine.trading_state(&acme).map(|row| row.version);
    let made = world.accept(trading(&acme, Reducing));
    assert_eq!(version(&world), Some(made));
    let tightened = world.accept(trading(&acme, Halted));
    assert_eq!(version(&world), Some(made));
    assert_eq!(world.machine.declared_at(&Resource::TradingState(acme.clone())), Some(tightened));
    let loosened = world.accept(trading(&acme, Reducing));
    assert_eq!(version(&world), Some(loosened));
    let again = world.accept(trading(&acme, Active));
    assert_eq!(version(&world), Some(again));
}

const SAID: [Option<TradingState>; 4] =
    [None, Some(TradingState::Active), Some(TradingState::Reducing), Some(TradingState::Halted)];

const STEPS: [TradingStep; 4] = [
    TradingStep::Set(TradingState::Active),
    TradingStep::Set(TradingState::Reducing),
    TradingStep::Set(TradingState::Halted),
    TradingStep::Delete,
];

#[test]
fn every_trading_state_takes_exactly_the_steps_of_the_table() {
    use TradingTurn::{Deleted, Same, VersionKept, VersionRaised};
    let (same, deleted) = (Some(Same), Some(Deleted));
    let (kept, raised) = (Some(VersionKept), Some(VersionRaised));
    let table = [
        [raised, raised, raised, None],
        [same, kept, kept, deleted],
        [raised, same, kept, None],
        [raised, raised, same, None],
    ];
    for (held, expected) in SAID.into_iter().zip(table) {
        assert_eq!(STEPS.map(|step| TradingState::after(held, step)), expected, "{held:?}");
    }
}

#[test]
fn the_machine_goes_by_the_table() {
    for (said, step) in SAID.into_iter().flat_map(|said| STEPS.map(|step| (said, step))) {
        // given
        let (mut world, acme) = with_acme();
        if let Some(state) = said {
            world.accept(trading(&acme, state));
        }
        let row =
            |world: &World| world.machine.trading_state(&acme).map(|row| (row.state, row.version));
        let before = row(&world);
        // when
        let outcome = match step {
            TradingStep::Set(state) => world.apply(trading(&acme, state)).outcome,
            TradingStep::Delete => {
                world.apply(delete(Resource::TradingState(acme.clone()))).outcome
            }
        };
        // then
        let (refused, now) = match outcome {
            Outcome::Accepted { revision } => (false, revision),
            Outcome::Refused { .. } => (true, Revision(0)),
        };
        let set = match step {
            TradingStep::Set(state) => Some(state),
            TradingStep::Delete => None,
        };
        let expected = match TradingState::after(said, step) {
            None | Some(TradingTurn::Same) => before,
            Some(TradingTurn::VersionKept) => set.zip(before.map(|(_, version)| version)),
            Some(TradingTurn::VersionRaised) => set.map(|state| (state, now)),
            Some(TradingTurn::Deleted) => None,
        };
        let is_refused = TradingState::after(said, step).is_none();
        assert_eq!((row(&world), refused), (expected, is_refused), "{said:?} {step:?}");
    }
}

#[test]
fn a_trading_state_is_deleted_only_when_it_is_active_and_its_successor_has_a_higher_version() {
    let (mut world, acme) = with_acme();
    world.accept(trading(&acme, TradingState::Halted));
    let gone = || delete(Resource::TradingState(Scope::Customer(name("acme"))));
    let refusal = refused(&mut world, gone());
    assert_eq!(refusal, Refusal::NotActive { state: TradingState::Halted });
    let loosened = world.accept(trading(&acme, TradingState::Active));
    world.accept(gone());
    assert_eq!(world.machine.trading_state(&acme), None);
    world.accept(trading(&acme, TradingState::Halted));
    assert!(world.machine.trading_state(&acme).is_some_and(|row| row.version > loosened));
}

#[test]
fn who_set_a_trading_state_is_kept_with_it_and_told() {
    let (mut world, acme) = with_acme();
    let applied = world.apply(trading(&acme, TradingState::Halted));
    let by = world.machine.trading_state(&acme).and_then(|row| row.by.clone());
    assert_eq!(by.map(|by| by.who), Some("ann".to_string()));
    assert_eq!(applied.events.len(), 2);
    let told = &applied.events[1].kind;
    assert!(matches!(told, EventKind::Audited { who, why, .. } if who == "ann" && why == "a test"));
}

#[test]
fn what_a_scope_names_is_there_and_stays_while_something_is_set_for_it() {
    let (mut world, acme) = with_acme();
    let spec = RiskSpec { max_open_orders: Some(5), ..RiskSpec::default() };
    for (scope, what) in [
        (Scope::Customer(name("nobody")), Noun::Customer),
        (Scope::Account(name("k")), Noun::Account),
        (Scope::Trader(name("t")), Noun::Trader),
    ] {
        let risk = put(Declaration::Risk { scope: scope.clone(), spec: spec.clone() });
        assert_eq!(refused(&mut world, risk), Refusal::NotFound { what });
        let state = trading(&scope, TradingState::Halted);
        assert_eq!(refused(&mut world, state), Refusal::NotFound { what });
    }
    world.accept(put(Declaration::Risk { scope: acme.clone(), spec }));
    world.accept(trading(&acme, TradingState::Active));
    let customer = || delete(Resource::Customer(name("acme")));
    let in_use = |by| Refusal::InUse { what: Noun::Customer, by };
    let need = Need::Risk { scope: acme.clone() };
    assert_eq!(refused(&mut world, customer()), in_use(need));
    world.accept(delete(Resource::Risk(acme.clone())));
    let need = Need::TradingState { scope: acme.clone() };
    assert_eq!(refused(&mut world, customer()), in_use(need));
    world.accept(delete(Resource::TradingState(acme)));
    world.accept(customer());
}

#[test]
fn a_risk_setting_that_no_order_could_keep_or_break_is_refused() {
    let mut world = World::new();
    let counted = |orders, within_ms| Some(OrdersWithin { orders, within_ms });
    let spec = RiskSpec::default;
    for (spec, fault) in [
        (RiskSpec { max_order_quantity: Some(Quantity::ZERO), ..spec() }, RiskFault::NoQuantity),
        (RiskSpec { price_band: Some(name("1.01")), ..spec() }, RiskFault::WideBand),
        (RiskSpec { order_rate: counted(0, 1_000), ..spec() }, RiskFault::Counting),
        (RiskSpec { equal_orders: counted(1, 0), ..spec() }, RiskFault::Counting),
        (RiskSpec { equal_orders: counted(1, 3_600_001), ..spec() }, RiskFault::Counting),
    ] {
        let risk = put(Declaration::Risk { scope: Scope::Global, spec });
        assert_eq!(refused(&mut world, risk), Refusal::Risk { fault });
    }
    let most = RiskSpec {
        max_order_quantity: Some(name("0.5")),
        max_order_notional: Some(name("10000")),
        price_band: Some(name("1")),
        max_position: Some(Quantity::ZERO),
        max_open_orders: Some(0),
        order_rate: counted(1, 3_600_000),
        equal_orders: counted(1, 1),
    };
    let risk = || put(Declaration::Risk { scope: Scope::Global, spec: most.clone() });
    world.accept(risk());
    assert!(world.apply(risk()).events.is_empty(), "as it stands");
}
