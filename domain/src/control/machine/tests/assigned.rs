//! Claims about what is given to Managers: whether it has a place or none, what an assignment makes of it that was decided
//! on one right or another.

use super::*;

/// What is given to one Manager at a time.
#[derive(Clone, Copy, Debug)]
enum Given {
    Broker,
    Customer,
    Trader,
}

fn world() -> World {
    let mut world = World::with_a_customer_and_a_trader();
    world.check_in("a.broker-manager", 1);
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "h:1".to_string(),
        customers: BTreeSet::new(),
    };
    world.accept(Command::PutAccount { account: name("k"), spec });
    world
}

fn assign(given: Given, replaces: Option<Epoch>) -> Command {
    let manager = name("a.trader-manager");
    match given {
        Given::Broker => {
            let (account, manager) = (name("k"), name("a.broker-manager"));
            Command::AssignBroker { account, shard: 0, manager, replaces }
        }
        Given::Customer => Command::AssignCustomer { customer: name("acme"), manager, replaces },
        Given::Trader => Command::AssignTrader { trader: name("sample"), manager, replaces },
    }
}

fn held(world: &World, given: Given) -> Option<Assignment> {
    let machine = &world.machine;
    match given {
        Given::Broker => machine.brokers().next().and_then(|row| row.assignment.clone()),
        Given::Customer => machine.customer(&name("acme")).and_then(|row| row.affinity.clone()),
        Given::Trader => machine.trader(&name("sample")).and_then(|row| row.assignment.clone()),
    }
}

#[test]
fn what_is_given_takes_exactly_the_assignments_of_the_table() {
    // Decided on no right, on the one that stands, on another.
    let table = [(false, [true, false, false]), (true, [false, true, false])];
    for given in [Given::Broker, Given::Customer, Given::Trader] {
        for (has_a_place, expected) in table {
            let found = [0, 1, 2].map(|which| {
                // given: a Trader follows his customer
                let mut world = world();
                if let Given::Trader = given {
                    world.accept(assign(Given::Customer, None));
                }
                if has_a_place {
                    world.accept(assign(given, None));
                }
                let before = held(&world, given);
                let right = before.as_ref().map_or(Epoch(1), |held| held.epoch);
                let decided_on = [None, Some(right), Some(Epoch(right.0 + 99))];
                // when
                let outcome = world.apply(assign(given, decided_on[which])).outcome;
                // then
                let after = held(&world, given);
                match outcome {
                    Outcome::Accepted { revision } => {
                        let epoch = after.map(|held| held.epoch);
                        assert_eq!(epoch, Some(Epoch(revision.0)), "{given:?}");
                        true
                    }
                    Outcome::Refused { refusal } => {
                        assert_eq!((refusal, after), (Refusal::Superseded, before), "{given:?}");
                        false
                    }
                }
            });
            assert_eq!(found, expected, "{given:?}, has a place: {has_a_place}");
        }
    }
}
