//! What a round of planning is carried out with. Decides nothing: the order is `domain::control::plan::round`'s, what is
//! proposed `plan`'s.

use super::{Context, inbox::Inbox, observe::Observations, time_of_keys};
use crate::limits::PROPOSALS_AT_ONCE;
use futures_util::{StreamExt as _, stream};
use tradewind_domain::{
    control::{
        Command, Outcome,
        plan::{
            Expiring,
            round::{Decided, Shell},
        },
    },
    time::Monotonic,
};
use tradewind_replication::ProposeError;

/// One round as of `now`.
pub(super) struct Round<'a> {
    pub(super) context: &'a Context,
    pub(super) seen: &'a mut Observations,
    pub(super) reports: &'a Inbox,
    pub(super) now: Monotonic,
}

impl Shell for Round<'_> {
    fn expiring<R>(&self, look: impl FnOnce(&mut Expiring) -> R) -> R {
        look(&mut self.reports.expiring())
    }

    fn plan(&mut self) -> Vec<Command> {
        // As an entry that is proposed now is stamped: by any other clock a step would be due here and refused there.
        self.seen.at(time_of_keys(&self.context.replica, &self.context.clocks));
        self.seen.plan(&self.context.replica.machine(), self.now)
    }

    async fn confirm(&mut self) -> bool {
        self.context.replica.read_barrier().await.is_ok()
    }

    fn hear(&mut self) {
        self.reports.take().into_iter().for_each(|report| self.seen.heard(report));
    }

    async fn propose(&mut self, commands: Vec<Command>) -> Vec<Decided> {
        let machine = self.context.replica.machine();
        let proposals = commands.clone().into_iter().map(|command| decided(self.context, command));
        let outcomes = stream::iter(proposals).buffer_unordered(PROPOSALS_AT_ONCE).collect().await;
        // Also where it is not known what came of it: the brake is rather on than off.
        self.seen.proposed(&machine, &commands, (self.context.clocks.monotonic)());
        outcomes
    }

    async fn settle(&mut self) -> bool {
        is_settled(self.context).await
    }
}

/// Has an entry decided that changes nothing: it is refused. All that this member proposed before is in the log by then, or
/// never will be.
pub(super) async fn is_settled(context: &Context) -> bool {
    let Some(incarnation) = context.replica.machine().cluster().opened() else { return false };
    decided(context, Command::OpenCluster { incarnation }).await != Decided::Unknown
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
