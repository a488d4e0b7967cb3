//! Claims about many Traders that wait at once: what one BrokerManager is asked is bounded, all get through, and nobody
//! waits behind what cannot be done.

use super::*;
use crate::{
    control::{
        Request, Stamped,
        command::DownReason,
        row::{BrokerRow, CustomerRow, CustomerSpec, TraderRow},
    },
    limits::{DESIRED_ITEM_BYTES, FENCES_AT_ONCE, PIPE_FRAME_BYTES},
};
use alloc::{format, string::String};

const RIGHT: Epoch = Epoch(7);

/// A customer, how many Traders he has that wait, and his accounts with the BrokerManagers that have them.
struct Waiting<'a> {
    customer: &'a str,
    traders: u32,
    accounts: &'a [(String, &'a str)],
}

fn waiting(all: &[Waiting<'_>]) -> World {
    let mut world = World::new();
    for manager in ["a.trader-manager", "a.broker-manager", "b.broker-manager"] {
        world.check_in_taking(manager, 1, 100_000);
    }
    let mut rows: Vec<Row> = world.machine.rows().collect();
    let at = |manager: &str| Some(Assignment { manager: name(manager), epoch: RIGHT });
    let revision = Revision(7);
    for Waiting { customer, traders, accounts } in all {
        let of: CustomerId = name(customer);
        rows.push(Row::Customer(CustomerRow {
            customer: of.clone(),
            spec: CustomerSpec { key_hashes: [].into() },
            affinity: at("a.trader-manager"),
            affinity_version: 1,
            revision,
        }));
        for (account, manager) in *accounts {
            let (account, shard): (crate::ids::AccountId, _) = (name(account), 0);
            let spec = AccountSpec {
                venue: name("sim"),
                adapter: "sim".to_string(),
                endpoint: "h:1".to_string(),
                customers: [of.clone()].into(),
            };
            rows.push(Row::Account(AccountRow { account: account.clone(), spec, revision }));
            rows.push(Row::Broker(BrokerRow { account, shard, assignment: at(manager) }));
        }
        for n in 0..*traders {
            // As long as names may be.
            let trader: TraderId =
                name(&format!("{customer}-{n:->width$}", width = 62 - customer.len()));
            let command = vec!["algo".to_string()];
            let spec = TraderSpec { customer: of.clone(), command, state: TraderWish::Running };
            let assignment = at("a.trader-manager");
            rows.push(Row::Trader(TraderRow {
                trader: trader.clone(),
                spec,
                assignment,
                revision,
            }));
            rows.push(Row::Fencing(FencingRow { trader, customer: of.clone(), epoch: RIGHT }));
        }
    }
    world.machine = Machine::from_rows(rows);
    world.revision = 10;
    world
}

fn accounts(count: usize, manager: &str) -> Vec<(String, &str)> {
    (0..count).map(|n| (format!("{manager:.1}-{n:->61}"), manager)).collect()
}

fn brokers(world: &World, manager: &str) -> Vec<crate::control::desired::BrokerWanted> {
    let told = desired(&world.machine, Revision(world.revision), &name(manager)).expect("live");
    let bytes = serde_json::to_vec(&told).expect("a form").len();
    assert!(bytes < PIPE_FRAME_BYTES, "{bytes} bytes");
    let Work::Brokers { brokers, .. } = told.work else { panic!("no Brokers") };
    for broker in &brokers {
        assert!(serde_json::to_vec(broker).expect("a form").len() < DESIRED_ITEM_BYTES);
    }
    brokers
}

fn is_asked(world: &World, manager: &str, customer: &str) -> bool {
    let of = |broker: &crate::control::desired::BrokerWanted| {
        broker.fences.iter().any(|fence| fence.customer.as_str() == customer)
    };
    brokers(world, manager).iter().any(of)
}

/// What one BrokerManager has on record once it has done what it is told.
fn on_record(world: &World, manager: &str, observed: &mut Observed) -> usize {
    let brokers = brokers(world, manager);
    let asked = brokers.iter().map(|broker| broker.fences.len()).sum();
    let each = brokers.into_iter().map(|broker| {
        let rights = broker.fences.into_iter().map(|fence| (fence.trader, fence.epoch));
        (broker.account, rights.collect())
    });
    observed.fenced.insert(name(manager), each.collect());
    asked
}

/// Without a look at all invariants after each: there are thousands.
fn apply(world: &mut World, commands: Vec<Command>) {
    for command in commands {
        world.revision += 1;
        let key = crate::control::machine::world::key(world.revision, world.at);
        let at = crate::time::UnixNanos(world.at);
        let entry = Stamped { at, request: Request { key, command } };
        let outcome = world.machine.apply(Revision(world.revision), &entry).outcome;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    }
}

#[test]
fn traders_of_a_customer_with_many_accounts_get_through_in_messages_that_fit() {
    let mut world = waiting(&[Waiting {
        customer: "acme",
        traders: 2_048,
        accounts: &accounts(100, "a.broker-manager"),
    }]);
    for _ in 0..100 {
        let mut observed = world.observed(&[]);
        let asked = on_record(&world, "a.broker-manager", &mut observed);
        assert!(asked <= FENCES_AT_ONCE, "{asked}");
        let commands = plan(&world.machine, &observed, Monotonic(0));
        apply(&mut world, commands);
        if world.machine.fencings().next().is_none() {
            return;
        }
        assert!(asked > 0, "nothing is asked and some wait");
    }
    panic!("{} wait still", world.machine.fencings().count());
}

/// One with more Traders than are asked for at a time, at two BrokerManagers, and one with a single Trader at one of them.
fn a_crowd_before_one() -> World {
    let both = [("a-1".to_string(), "a.broker-manager"), ("b-1".to_string(), "b.broker-manager")];
    let crowd = FENCES_AT_ONCE as u32 + 100;
    waiting(&[
        Waiting { customer: "acme", traders: crowd, accounts: &both },
        Waiting {
            customer: "zeta",
            traders: 1,
            accounts: &[("z".to_string(), "a.broker-manager")],
        },
    ])
}

#[test]
fn nobody_waits_behind_those_who_wait_for_a_broker_manager_that_is_down() {
    // given
    let mut world = a_crowd_before_one();
    let row = world.machine.manager(&name("b.broker-manager")).expect("there").clone();
    let (manager, incarnation, epoch) = (row.manager, row.incarnation, row.epoch);
    world.accept(Command::ExpireManager { manager, incarnation, epoch, why: DownReason::Silent });
    assert!(is_asked(&world, "a.broker-manager", "zeta"));
    // when: the live one has done what it was told
    let mut observed = world.observed(&[]);
    on_record(&world, "a.broker-manager", &mut observed);
    let commands = plan(&world.machine, &observed, Monotonic(0));
    apply(&mut world, commands);
    // then: whoever waits for the one that is away goes on waiting
    let left: BTreeSet<&str> = world.machine.fencings().map(|row| row.customer.as_str()).collect();
    assert_eq!(left, BTreeSet::from(["acme"]));
    // and is asked for now that there is room
    assert!(is_asked(&world, "a.broker-manager", "acme"));
}

#[test]
fn nobody_waits_behind_a_crowd_that_another_broker_manager_does_not_get_on_with() {
    // The other one lives, and has put nothing on record.
    let world = a_crowd_before_one();
    assert!(is_asked(&world, "a.broker-manager", "zeta"));
    assert!(is_asked(&world, "b.broker-manager", "acme"));
}

#[test]
fn both_broker_managers_of_a_crowd_are_asked_for_the_same_first() {
    let world = a_crowd_before_one();
    let first = |manager| {
        let asked = brokers(&world, manager).into_iter().flat_map(|broker| broker.fences);
        asked.filter(|fence| fence.customer.as_str() == "acme").map(|fence| fence.trader).next()
    };
    assert_eq!(first("a.broker-manager"), first("b.broker-manager"));
}
