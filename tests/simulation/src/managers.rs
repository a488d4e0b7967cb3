//! Managers that check in, die, come back under a new incarnation, and an operator and a planner that give
//! them customers. Decides what they ask for, on purpose often on stale grounds: it is the machine that must
//! refuse what no longer fits (R2, L1, A1).

use crate::caller::Caller;
use std::collections::BTreeSet;
use tradewind_domain::{
    control::{
        Command, Machine,
        command::DownReason,
        row::{CustomerSpec, TraderSpec, TraderWish},
    },
    ids::{
        CustomerId, ImplementationId, Incarnation, LocationId, ManagerId, ManagerKind, TraderId,
    },
};
use tradewind_replication::Replica;

const CAPACITY: u32 = 8;

fn manager(n: u64) -> Option<ManagerId> {
    let implementation = ImplementationId::new(&format!("a{n}")).ok()?;
    Some(ManagerId { implementation, kind: ManagerKind::TraderManager })
}

async fn command(caller: &Caller, command: Command) {
    let shown = format!("{command:?}");
    let heard = caller.command(caller.key(), command).await;
    caller.world.note(&format!("{shown}: {:?}", heard.outcome));
    caller.world.history.borrow_mut().commands.push((heard.key, heard.outcome));
}

/// One Manager's lives, one after the other. Now and then an old one speaks up again.
pub(crate) async fn live(caller: Caller, n: u64) {
    let (Some(manager), Ok(location)) = (manager(n), LocationId::new("here")) else { return };
    let mut life = 1;
    while !caller.world.finishing.get() {
        caller.pause(60..400).await;
        if caller.chance.percent(25) {
            life += 1;
        }
        let old = caller.chance.percent(10);
        let incarnation = Incarnation(if old { life - 1 } else { life });
        let check_in = Command::CheckIn {
            manager: manager.clone(),
            location: location.clone(),
            address: format!("10.0.0.{n}:9000"),
            incarnation,
            capacity: CAPACITY,
        };
        command(&caller, check_in).await;
    }
}

/// Decides on what some member shows, however old that is.
pub(crate) async fn plan(caller: Caller) {
    let (Ok(customer), Ok(trader)) = (CustomerId::new("c1"), TraderId::new("t1")) else { return };
    let spec = CustomerSpec { key_hashes: BTreeSet::new() };
    command(&caller, Command::PutCustomer { customer: customer.clone(), spec }).await;
    let spec = TraderSpec {
        customer: customer.clone(),
        command: vec!["tradewind".to_owned()],
        state: TraderWish::Running,
    };
    command(&caller, Command::PutTrader { trader: trader.clone(), spec }).await;
    while !caller.world.finishing.get() {
        caller.pause(80..400).await;
        caller.anybody();
        let look = |replica: Replica| async move { replica.machine() };
        let Some(machine) = caller.world.ask(caller.target(), look).await else { continue };
        if let Some(next) = decide(&caller, &machine, &customer, &trader) {
            command(&caller, next).await;
        }
    }
}

fn decide(
    caller: &Caller,
    machine: &Machine,
    customer: &CustomerId,
    trader: &TraderId,
) -> Option<Command> {
    let to = manager(1 + caller.chance.below(2))?;
    let affinity = machine.customer(customer).and_then(|row| row.affinity.clone());
    match caller.chance.below(3) {
        0 => {
            let row = machine.manager(&to)?;
            Some(Command::ExpireManager {
                manager: to,
                incarnation: row.incarnation,
                epoch: row.epoch,
                why: DownReason::Silent,
            })
        }
        1 => Some(Command::AssignCustomer {
            customer: customer.clone(),
            manager: to,
            replaces: affinity.map(|held| held.epoch),
        }),
        _ => {
            let held = machine.traders().find(|row| row.trader == *trader)?.assignment.clone();
            Some(Command::AssignTrader {
                trader: trader.clone(),
                manager: affinity?.manager,
                replaces: held.map(|held| held.epoch),
            })
        }
    }
}
