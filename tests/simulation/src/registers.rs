//! Clients that write, compare-and-set and read a few registers. Decides what they ask for; every value is
//! written once, so that a read tells which write it saw.

use crate::{caller::Caller, history::Write, planted::Planted};
use std::time::Duration;
use tokio::time::timeout;
use tradewind_domain::{
    control::{
        Command,
        invariants::registers::{RegisterEffect, RegisterOperation},
    },
    ids::{RegisterId, Revision},
};
use tradewind_replication::{ReadError, Replica, Role, Timing};

const REGISTERS: u64 = 3;

/// Whoever reads at a member that lags gives up after this.
const ARRIVES_WITHIN: Duration = Duration::from_secs(1);

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

/// How a read makes sure, and whose machine it looks at.
#[derive(Clone, Copy, Debug)]
enum How {
    /// At the leader, who asks a majority.
    Asked,
    /// At the leader, by its lease.
    Leased,
    /// At any member, once it has come to where the leader is for sure.
    Elsewhere(usize),
}

/// Reads once; asks another when the one it asks does not lead.
pub(crate) async fn read(caller: &Caller, register: RegisterId) -> Option<Seen> {
    let begun = caller.world.tick();
    let planted = caller.world.planted;
    let how = match caller.chance.below(4) {
        0 => How::Leased,
        1 => How::Elsewhere(caller.chance.below(caller.world.seats.len() as u64) as usize),
        _ => How::Asked,
    };
    for _ in 0..6 {
        let of = register.clone();
        let ask = move |replica: Replica| async move { see(&replica, &of, how, planted).await };
        let asked = caller.target();
        match caller.world.ask(asked, ask).await {
            Some(Ok(seen)) => {
                let (at, value) = match how {
                    How::Asked | How::Leased => seen,
                    How::Elsewhere(seat) => see_there(caller, seat, &register, seen.0).await?,
                };
                let ended = Some(caller.world.tick());
                caller
                    .world
                    .note(&format!("{register} is {value:?} at {at}, {how:?}, by m{}", asked + 1));
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
    how: How,
    planted: Option<Planted>,
) -> Result<Seen, ReadError> {
    let leads = replica.status().role == Role::Leader;
    let before = replica.machine_at();
    let lease = Timing::default().election_min;
    let age = replica.leader_age();
    match (planted, how) {
        (Some(Planted::StaleLeaderRead), _) if leads => {}
        (Some(Planted::StaleFollowerRead), _) => {}
        (Some(Planted::LeaseTooLong), How::Leased)
            if leads && age.is_some_and(|age| age < lease * 4) => {}
        (_, How::Leased) => drop(replica.read_lease().await?),
        (_, How::Asked | How::Elsewhere(_)) => drop(replica.read_barrier().await?),
    }
    let (at, machine) = match planted {
        Some(Planted::AppliedBefore) => before,
        _ => replica.machine_at(),
    };
    Ok((at, machine.register(register).map(|row| row.value.clone())))
}

/// Looks at another member's machine, as soon as it holds what the leader named.
async fn see_there(
    caller: &Caller,
    seat: usize,
    register: &RegisterId,
    least: Revision,
) -> Option<Seen> {
    let of = register.clone();
    let ask = move |replica: Replica| async move {
        let mut machine = replica.watch_machine();
        let arrived = machine.wait_for(|(revision, _)| *revision >= least);
        let arrived = timeout(ARRIVES_WITHIN, arrived).await;
        let (at, machine) = arrived.ok()?.ok()?.clone();
        Some((at, machine.register(&of).map(|row| row.value.clone())))
    };
    caller.world.ask(seat, ask).await.flatten()
}
