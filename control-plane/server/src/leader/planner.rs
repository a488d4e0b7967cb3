//! One round of planning: look, make sure, look again, propose. Decides the order of these alone; what is
//! proposed is `domain::control::plan`'s decision. Each command is conditional, so a round may be cut off
//! or repeated at any point.

use super::{Context, inbox::Inbox, observe::Observations, time_of_keys};
use crate::limits::PROPOSALS_AT_ONCE;
use futures_util::{StreamExt as _, stream};
use tradewind_domain::{
    control::{Command, Outcome},
    time::Monotonic,
};

/// Plans as of `now` and carries it out. Ages are taken first, then a quorum confirms the leadership,
/// then what the pipes have brought meanwhile is heard: an old age is never acted on by a leader that
/// was replaced, nor against a beat that had already arrived. Says whether anything was accepted.
pub(super) async fn round(
    context: &Context,
    seen: &mut Observations,
    reports: &Inbox,
    now: Monotonic,
) -> bool {
    // As an entry that is proposed now is stamped: by any other clock a step would be due here and refused there.
    seen.at(time_of_keys(&context.replica, &context.clocks));
    let planned = seen.plan(&context.replica.machine(), now);
    if planned.is_empty() {
        return false;
    }
    // Before anything is heard: a beat from here on stays unanswered.
    let expiring = reports.expiring(&planned);
    if context.replica.read_barrier().await.is_err() {
        return false;
    }
    reports.take().into_iter().for_each(|report| seen.heard(report));
    let machine = context.replica.machine();
    let commands = expiring.proposable(seen.plan(&machine, now));
    let proposals = commands.clone().into_iter().map(|command| propose(context, command));
    let decided = stream::iter(proposals).buffer_unordered(PROPOSALS_AT_ONCE);
    let accepted = decided.fold(false, async |any, accepted| any || accepted).await;
    // Also where it is not known what came of it: the brake is rather on than off.
    seen.proposed(&machine, &commands, (context.clocks.monotonic)());
    accepted
}

/// Says whether it was accepted. A refused or unanswered command is decided anew by the next round.
pub(super) async fn propose(context: &Context, command: Command) -> bool {
    tracing::info!(?command, "leader proposes");
    match context.replica.propose(context.request(command.clone())).await {
        Ok(proposed) => match proposed.outcome {
            Outcome::Accepted { .. } => return true,
            Outcome::Refused { refusal } => {
                tracing::info!(?command, %refusal, "leader's command refused");
            }
        },
        Err(error) => tracing::info!(?command, %error, "leader's command not decided"),
    }
    false
}
