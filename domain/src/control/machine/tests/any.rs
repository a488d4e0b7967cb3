//! What random logs have beside the rest: copies of Traders that attach, and copies of ledgers. What is conditional on the
//! state is drawn, and fitted to the state that it meets, or most of it would only be refused.

use super::*;
use crate::{
    control::{
        attach::Attach,
        copies::{Copies, CopyCommand},
        fencing::TraderCommand,
        resource::{Condition, Declaration, ResourceCommand},
        trader::TraderRun,
    },
    ids::{AccountId, Fence, KeyHash, TraderId},
};
use alloc::vec::Vec;

pub(super) fn key_of_customers() -> KeyHash {
    KeyHash::of("k")
}

fn declared(what: Declaration) -> Command {
    Command::Resource(ResourceCommand::Put { what, on: Condition::Always })
}

fn any_manager() -> impl Strategy<Value = ManagerId> {
    let kinds = prop::sample::select(ManagerKind::ALL.to_vec());
    ("[abc]", kinds).prop_map(|(i, kind)| ManagerId { implementation: name(&i), kind })
}

pub(super) fn any_attached() -> impl Strategy<Value = Command> {
    let trader = || "[tu]".prop_map(|text| name::<TraderId>(&text));
    let state = prop_oneof![4 => Just(TraderWish::Running), 1 => Just(TraderWish::Stopped)];
    prop_oneof![
        1 => (trader(), "[xyz]", state).prop_map(|(trader, customer, state)| {
            let (customer, command) = (name(&customer), Vec::new());
            let spec = TraderSpec { customer, command, state };
            declared(Declaration::SelfManaged { trader, spec, run: TraderRun::default() })
        }),
        2 => (trader(), any_manager(), 1_u64..4, "[pq]", any::<bool>()).prop_map(
            |(trader, manager, incarnation, copy, takes_over)| {
                Command::Trader(TraderCommand::Attach(Attach {
                    trader,
                    manager,
                    incarnation: Incarnation(incarnation),
                    copy: name(&copy),
                    key_id: key_of_customers().key_id(),
                    takes_over,
                    replaces: None,
                }))
            }
        ),
    ]
}

pub(super) fn any_copied() -> impl Strategy<Value = Command> {
    let account = || "(k|k|k|l)".prop_map(|text| name::<AccountId>(&text));
    let on = || (1_u64..60).prop_map(|at| Fence { epoch: Epoch(at), ..Fence::default() });
    let copies = |command| Command::Copies(command);
    prop_oneof![
        2 => ("[kl]", "[xyz]").prop_map(|(account, customer)| two_copies(&account, &customer)),
        2 => (account(), prop::option::weighted(0.9, any_manager()), on()).prop_map(
            move |(account, holder, on)| copies(CopyCommand::Name { account, holder, on })
        ),
        2 => (account(), on())
            .prop_map(move |(account, since)| copies(CopyCommand::Joined { account, since })),
        2 => (account(), any_manager(), on()).prop_map(move |(account, manager, on)| {
            copies(CopyCommand::Succeed { account, manager, on })
        }),
        1 => (account(), on())
            .prop_map(move |(account, right)| copies(CopyCommand::WentLive { account, right })),
        1 => (account(), on())
            .prop_map(move |(account, on)| copies(CopyCommand::GiveBack { account, on })),
    ]
}

/// How half of the logs begin: a ledger that is to have two copies and two nodes for it, and a Trader that its customer runs.
pub(super) fn begin(world: &mut World) {
    let managers =
        [("a.broker-manager", "h1:1"), ("b.broker-manager", "h2:1"), ("b.trader-manager", "h2:2")];
    for (manager, address) in managers {
        world.accept(Command::CheckIn {
            manager: name(manager),
            location: name("here"),
            address: address.to_string(),
            incarnation: Incarnation(1),
            capacity: 3,
        });
    }
    let customer: CustomerId = name("x");
    let spec = CustomerSpec { key_hashes: [key_of_customers()].into() };
    world.accept(Command::PutCustomer { customer: customer.clone(), spec });
    world.accept(two_copies("k", "x"));
    let spec = TraderSpec { customer, command: Vec::new(), state: TraderWish::Running };
    let (trader, run) = (name("t"), TraderRun::default());
    world.accept(declared(Declaration::SelfManaged { trader, spec, run }));
    world.settle(&[]);
}

fn two_copies(account: &str, customer: &str) -> Command {
    let spec = AccountSpec {
        venue: name("sim"),
        adapter: "sim".to_string(),
        endpoint: "h:2".to_string(),
        customers: BTreeSet::from([name(customer)]),
    };
    declared(Declaration::AccountCopies { account: name(account), spec, copies: Copies::Two })
}

/// Two of three as one would say it who has seen the state.
pub(super) fn fitted(machine: &Machine, command: Command, at: usize) -> Command {
    if at.is_multiple_of(3) {
        return command;
    }
    match command {
        Command::Trader(TraderCommand::Attach(mut ask)) => {
            let home = machine.trader(&ask.trader).and_then(|row| row.assignment.as_ref());
            let manager = home.map_or(ask.manager, |held| held.manager.clone());
            let life = machine.manager(&manager).map(|row| row.incarnation);
            ask.incarnation = life.unwrap_or(ask.incarnation);
            ask.replaces = machine.attachment(&ask.trader).map(|held| held.epoch);
            ask.manager = manager;
            Command::Trader(TraderCommand::Attach(ask))
        }
        Command::Copies(command) => Command::Copies(of_ledger(machine, command)),
        other => other,
    }
}

fn of_ledger(machine: &Machine, command: CopyCommand) -> CopyCommand {
    let held = |account: &AccountId| machine.copies(account).and_then(|row| row.view.clone());
    let since = |account: &AccountId, on| held(account).map_or(on, |view| view.naming.since);
    let highest = |account: &AccountId, on| held(account).map_or(on, |view| view.highest());
    match command {
        CopyCommand::Name { account, holder, on } => {
            let other = held(&account).and_then(|view| {
                let mut all = machine.managers().map(|row| &row.manager);
                let fits = |at: &&ManagerId| {
                    at.kind == ManagerKind::BrokerManager
                        && !machine.share_a_node(at, &view.live.at)
                };
                all.find(fits).cloned()
            });
            let holder = holder.map(|any| other.unwrap_or(any));
            CopyCommand::Name { on: since(&account, on), account, holder }
        }
        CopyCommand::Joined { account, since: on } => {
            CopyCommand::Joined { since: since(&account, on), account }
        }
        CopyCommand::Succeed { account, manager, on } => {
            let copy = held(&account).and_then(|view| view.naming.holder);
            let manager = copy.unwrap_or(manager);
            CopyCommand::Succeed { on: highest(&account, on), account, manager }
        }
        CopyCommand::WentLive { account, right } => {
            CopyCommand::WentLive { right: highest(&account, right), account }
        }
        CopyCommand::GiveBack { account, on } => {
            CopyCommand::GiveBack { on: highest(&account, on), account }
        }
    }
}

/// Of the same logs, drawn from one seed: a strategy whose commands are only refused would prove nothing.
#[test]
fn what_is_drawn_of_copies_is_accepted_and_refused() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut counted: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    let mut runner = TestRunner::deterministic();
    let logs = prop::collection::vec(any_command(), 1..60);
    for _ in 0..200 {
        let commands = logs.new_tree(&mut runner).expect("a log").current();
        let mut world = World::new();
        begin(&mut world);
        for (n, command) in commands.into_iter().enumerate() {
            let command = fitted(&world.machine, command, n);
            let shown = format!("{command:?}");
            let outcome = world.apply(command).outcome;
            if n % 10 == 9 {
                world.settle(&["a.trader-manager"]);
            }
            if !shown.starts_with("Copies(") && !shown.starts_with("Trader(Attach") {
                continue;
            }
            let of = shown.split(" {").next().unwrap_or_default().to_string();
            let (accepted, refused) = counted.entry(of).or_default();
            match outcome {
                Outcome::Accepted { .. } => *accepted += 1,
                Outcome::Refused { .. } => *refused += 1,
            }
        }
    }
    assert_eq!(counted.len(), 6, "{counted:?}");
    assert!(counted.values().all(|(yes, no)| *yes > 0 && *no > 0), "{counted:?}");
}
