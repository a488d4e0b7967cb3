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
use tradewind_replication::ProposeError;

/// Plans as of `now` and carries it out. Ages are taken first, then a quorum confirms the leadership,
/// then what the pipes have brought meanwhile is heard: an old age is never acted on by a leader that
/// was replaced, nor against a beat that had already arrived. Says whether there may be more to do at once.
pub(super) async fn round(
    context: &Context,
    seen: &mut Observations,
    reports: &Inbox,
    now: Monotonic,
) -> bool {
    // As an entry that is proposed now is stamped: by any other clock a step would be due here and refused there.
    settle(context, reports).await;
    seen.at(time_of_keys(&context.replica, &context.clocks));
    let planned = seen.plan(&context.replica.machine(), now);
    if planned.is_empty() {
        return false;
    }
    // Before anything is heard: a beat from here on stays unanswered.
    reports.expiring().begin(&planned);
    if context.replica.read_barrier().await.is_err() {
        reports.expiring().end(true);
        return false;
    }
    reports.take().into_iter().for_each(|report| seen.heard(report));
    let machine = context.replica.machine();
    let planned = seen.plan(&machine, now);
    let all = planned.len();
    let commands = reports.expiring().proposable(planned);
    let proposals = commands.clone().into_iter().map(|command| decided(context, command));
    let outcomes = stream::iter(proposals).buffer_unordered(PROPOSALS_AT_ONCE);
    let outcomes: Vec<Decided> = outcomes.collect().await;
    reports.expiring().end(!outcomes.contains(&Decided::Unknown));
    // Also where it is not known what came of it: the brake is rather on than off.
    seen.proposed(&machine, &commands, (context.clocks.monotonic)());
    // What was left out is decided anew at once.
    commands.len() < all || outcomes.contains(&Decided::Accepted)
}

/// Whether something became an entry of which nothing is known is known once a later one is decided.
async fn settle(context: &Context, reports: &Inbox) {
    if reports.expiring().is_undecided() && is_settled(context).await {
        reports.expiring().settled();
    }
}

/// Has an entry decided that changes nothing: it is refused. All that this member proposed before is in the log by then, or
/// never will be.
pub(super) async fn is_settled(context: &Context) -> bool {
    let Some(incarnation) = context.replica.machine().cluster().opened() else { return false };
    decided(context, Command::OpenCluster { incarnation }).await != Decided::Unknown
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decided {
    Accepted,
    /// Or surely not proposed. It is decided anew by the next round.
    Refused,
    /// It may become an entry yet.
    Unknown,
}

/// Says whether it was accepted.
pub(super) async fn propose(context: &Context, command: Command) -> bool {
    decided(context, command).await == Decided::Accepted
}

async fn decided(context: &Context, command: Command) -> Decided {
    tracing::info!(?command, "leader proposes");
    match context.replica.propose(context.request(command.clone())).await {
        Ok(proposed) => match proposed.outcome {
            Outcome::Accepted { .. } => return Decided::Accepted,
            Outcome::Refused { refusal } => {
                tracing::info!(?command, %refusal, "leader's command refused");
            }
        },
        Err(error) => {
            tracing::info!(?command, %error, "leader's command not decided");
            if error == ProposeError::Unknown {
                return Decided::Unknown;
            }
        }
    }
    Decided::Refused
}
