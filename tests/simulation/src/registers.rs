//! Clients that write, compare-and-set and read a few registers. Decides what they ask for; every value is
//! written once, so that a read tells which write it saw.

use crate::{caller::Caller, history::Write, planted::Planted};
use tradewind_domain::{
    control::{
        Command,
        invariants::registers::{RegisterEffect, RegisterOperation},
    },
    ids::{RegisterId, Revision},
};
use tradewind_replication::{ReadError, Replica, Role};

const REGISTERS: u64 = 3;

/// What a read gives: the revision of what was seen, and the value.
type Seen = (Revision, Option<String>);

/// Asks until the run finishes.
pub(crate) async fn run(caller: Caller) {
    let mut held: Option<String> = None;
    while !caller.world.finishing.get() {
        caller.pause(4..50).await;
        let Ok(register) = RegisterId::new(&format!("r{}", caller.chance.below(REGISTERS))) else {
            return;
        };
        if caller.chance.percent(45) {
            if let Some((_, seen)) = read(&caller, register).await {
                held = seen;
            }
        } else {
            let expected = held.take().filter(|_| caller.chance.percent(40));
            write(&caller, register, expected).await;
        }
    }
}

async fn write(caller: &Caller, register: RegisterId, expected: Option<String>) {
    let (begun, key) = (caller.world.tick(), caller.key());
    let value = format!("{}-{}", key.client, key.n);
    let command = Command::PutRegister {
        register: register.clone(),
        value: value.clone(),
        expected: expected.clone(),
    };
    let heard = caller.command(key, command).await;
    let ended = heard.outcome.is_some().then(|| caller.world.tick());
    caller.world.note(&format!("{value} to {register}: {:?}", heard.outcome));
    let (key, outcome, judged_at) = (heard.key, heard.outcome, heard.judged_at);
    let write = Write { key, register, value, expected, begun, ended, outcome, judged_at };
    caller.world.history.borrow_mut().writes.push(write);
}

/// Reads once; asks another when the one it asks does not lead.
pub(crate) async fn read(caller: &Caller, register: RegisterId) -> Option<Seen> {
    let begun = caller.world.tick();
    let planted = caller.world.planted;
    for _ in 0..6 {
        let of = register.clone();
        let ask = move |replica: Replica| async move { see(&replica, &of, planted).await };
        match caller.world.ask(caller.target(), ask).await {
            Some(Ok((at, value))) => {
                let ended = Some(caller.world.tick());
                caller.world.note(&format!("{register} is {value:?} at {at}"));
                let effect = RegisterEffect::Seen(value.clone());
                let read = RegisterOperation { register, begun, ended, at, effect };
                caller.world.history.borrow_mut().reads.push(read);
                return Some((at, value));
            }
            Some(Err(ReadError::NotLeader { leader })) => caller.follow(&leader),
            Some(Err(ReadError::NoQuorum | ReadError::Stopped)) | None => caller.anybody(),
        }
        caller.pause(2..25).await;
    }
    None
}

async fn see(
    replica: &Replica,
    register: &RegisterId,
    planted: Option<Planted>,
) -> Result<Seen, ReadError> {
    let leads = replica.status().role == Role::Leader;
    let unasked = match planted {
        Some(Planted::StaleLeaderRead) => leads,
        Some(Planted::StaleFollowerRead) => true,
        _ => false,
    };
    if !unasked {
        replica.read_barrier().await?;
    }
    let (at, machine) = replica.machine_at();
    Ok((at, machine.register(register).map(|row| row.value.clone())))
}
