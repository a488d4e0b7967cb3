//! What a member does on requests of implementations that name it, as `control-plane/server` has it: an attempt a
//! revision of a request, by a confirmed leader, no longer than the request stands so. What is asked for is decided by
//! the code of `domain`, what the program does in `provided`.

use super::Context;
use crate::wire::millis;
use std::collections::BTreeSet;
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};
use tradewind_domain::{
    control::{
        Command,
        scale::{ProvisionRow, ProvisionState, ScaleCommand},
    },
    ids::{Epoch, ProgramId, Revision},
};

/// As `control-plane/server` has them.
const LOOK_EVERY_MS: u64 = 200;
const AGAIN_AFTER_MS: u64 = 500;

/// What the operator's program is called.
pub(crate) fn program() -> Option<ProgramId> {
    "spawn".parse().ok()
}

/// A request as this revision of it has it.
type Attempt = (Epoch, Revision);

/// Never returns. With the member its attempts end, wherever they are.
pub(super) async fn run(context: &Context) {
    let mut begun = BTreeSet::<Attempt>::new();
    let mut attempts = JoinSet::new();
    let mut look = interval(millis(LOOK_EVERY_MS));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            Some(ended) = attempts.join_next() => if let Ok((attempt, false)) = ended {
                begun.remove(&attempt);
                // Not at once again: who leads is not settled.
                look.reset();
                continue;
            },
        }
        context.stand_still().await;
        let node = context.replica.node();
        let rows: Vec<ProvisionRow> = context.replica.look(|_, machine| {
            let own = machine.provisions().filter(|row| row.node == Some(node) && is_turn(row));
            own.cloned().collect()
        });
        begun.retain(|(request, revision)| {
            rows.iter().any(|row| row.request == *request && row.revision == *revision)
        });
        let time = context.group_time();
        for row in rows.into_iter().filter(|row| row.not_before <= time) {
            if begun.insert((row.request, row.revision)) {
                attempts.spawn_local(attempt(context.clone(), row));
            }
        }
    }
}

fn is_turn(row: &ProvisionRow) -> bool {
    match row.state {
        ProvisionState::Starting | ProvisionState::Releasing => true,
        ProvisionState::Asked
        | ProvisionState::Failed
        | ProvisionState::There
        | ProvisionState::Retiring
        | ProvisionState::Released => false,
    }
}

/// With it: whether it was made, or is to be made when this member leads again.
async fn attempt(context: Context, row: ProvisionRow) -> (Attempt, bool) {
    let id = (row.request, row.revision);
    let made = tokio::select! {
        made = make(&context, &row) => made,
        () = overtaken(&context, &row) => true,
    };
    (id, made)
}

/// Returns when the request has gone on.
async fn overtaken(context: &Context, row: &ProvisionRow) {
    let mut machine = context.replica.watch_machine();
    let gone = machine.wait_for(|(_, machine)| {
        machine.provision(row.request).is_none_or(|held| held.revision != row.revision)
    });
    // An error: this member stops.
    let _ = gone.await;
}

fn stands(context: &Context, row: &ProvisionRow) -> bool {
    context.replica.look(|_, machine| {
        machine.provision(row.request).is_some_and(|held| held.revision == row.revision)
    })
}

async fn make(context: &Context, row: &ProvisionRow) -> bool {
    while context.replica.read_barrier().await.is_err() {
        sleep(millis(AGAIN_AFTER_MS)).await;
    }
    if !stands(context, row) {
        return true;
    }
    if !context.replica.confirmed_leader() {
        return false;
    }
    let (request, revision) = (row.request, row.revision);
    let done = program_run(context, row).await;
    let told = match (done, row.state) {
        (Err(why), _) => ScaleCommand::Fail { request, revision, why },
        (Ok(()), ProvisionState::Releasing) => ScaleCommand::Done { request, revision },
        // Its Managers tell by checking in.
        (Ok(()), _) => return true,
    };
    while stands(context, row) && !context.propose(Command::Scale(told.clone())).await {
        sleep(millis(AGAIN_AFTER_MS)).await;
    }
    true
}

/// Begins, takes its time, does what it does, and takes its time to say so.
async fn program_run(context: &Context, row: &ProvisionRow) -> Result<(), String> {
    let (world, chance) = (&context.world, &context.world.seats[context.seat].chance);
    sleep(millis(chance.within(20..400))).await;
    if world.program_fails(chance) {
        return Err("no machine has answered".to_owned());
    }
    if row.state == ProvisionState::Releasing {
        world.take_away(row.request);
    } else {
        world.provide(row.request, &row.implementation)?;
    }
    sleep(millis(chance.within(10..300))).await;
    Ok(())
}
