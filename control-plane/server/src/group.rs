//! Who belongs to the group, brought about step by step while this member leads. Decides when the next step is
//! looked for, and proposes what the machine is to be told; which step comes next is
//! `domain::control::membership`'s decision, and how it is carried out `cluster/replication`'s.

use crate::{leader::Context, limits::LOOK_AT_MEMBERS_EVERY};
use tokio::time::{MissedTickBehavior, interval};
use tradewind_domain::control::Command;
use tradewind_replication::{GroupStep, GroupSteps};

/// Looks and acts whenever this member leads. Never returns; may be cancelled at any await.
pub(crate) async fn keep(context: Context) {
    let mut steps = GroupSteps::of(context.replica.clone());
    let mut every = interval(LOOK_AT_MEMBERS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match steps.next((context.clocks.monotonic)()).await {
            None | Some(GroupStep::Taken { done: Ok(()), .. }) => {}
            Some(GroupStep::Taken { change, done: Err(error) }) => {
                tracing::info!(?change, %error, "the group's change is not done; it is looked at again");
            }
            Some(GroupStep::Tell(command)) => {
                tracing::info!(?command, "the machine is told how the group stands");
                // A refusal means that the machine has moved on: the next look sees it.
                let request = context.request(Command::Group(command));
                if let Err(error) = context.replica.propose(request).await {
                    tracing::info!(%error, "the machine was not told; it is looked at again");
                }
            }
        }
    }
}
