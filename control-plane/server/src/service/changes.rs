//! A change on its way to the leader. It keeps its key, so it may be handed on again while an earlier
//! attempt is still out: it is done once. Decides when that happens, that `no_leader` is said only when no
//! attempt was handed to a leader, and that a key is told as refused only when no other attempt may be done.

use super::{Service, Turn};
use crate::{
    api::{explained, problems},
    limits::RETRY_EVERY,
};
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::FuturesUnordered,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep_until};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Outcome, Refusal, Request, RequestHash, level::FeatureLevel,
    },
    ids::{NodeId, Revision},
    limits::{FORWARD_ATTEMPT, HOLD_THROUGH_ELECTION},
};
use tradewind_link::rest::{Method, RestError};
use tradewind_protocol::{
    Code, Problem, Retry,
    control::{FORWARDED, IDEMPOTENCY_KEY, format_key},
    terms::Terms,
};
use tradewind_replication::ProposeError;

/// A change: as a command, and as the request that carries it to another member.
pub(crate) struct Change<'a, B, C = Command> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: &'a B,
    pub(crate) key: IdempotencyKey,
    pub(crate) command: C,
    /// Another member handed it here: it is tried once and not handed on.
    pub(crate) forwarded: bool,
}

/// Which command a change is, and what its refusal says.
pub(crate) trait Decide: Sync {
    /// `None`: this member cannot say yet, though it leads; it is asked again in a moment.
    fn command(&self, service: &Service) -> Option<Command>;

    /// The entry that made the change after all, or what is told of the refusal.
    fn refused(&self, service: &Service, refusal: &Refusal) -> Result<Revision, Problem> {
        Err(match self.command(service) {
            Some(command) => explained::refused(&service.machine().1, &command, refusal),
            None => problems::refused(refusal),
        })
    }
}

impl Decide for Command {
    fn command(&self, _: &Service) -> Option<Command> {
        Some(self.clone())
    }
}

/// What one attempt came to.
enum Attempt<T> {
    Done(Result<T, Problem>),
    /// Surely not proposed.
    NotHanded,
    /// It may have been proposed.
    Maybe,
}

impl Service {
    /// Has the group decide, here or at the leader. `render` makes the answer from the state of the
    /// member that proposed and the entry that made the change.
    pub(crate) async fn change<B, C, T, R>(
        &self,
        change: Change<'_, B, C>,
        render: R,
    ) -> Result<T, Problem>
    where
        B: Serialize + Sync,
        C: Decide,
        T: DeserializeOwned + Send,
        R: Fn(&Self, Revision) -> T + Send + Sync,
    {
        self.change_on(change, Terms::default(), render).await
    }

    /// The same of a change that is made on a condition, or in a name, which go with it to the leader.
    pub(crate) async fn change_on<B, C, T, R>(
        &self,
        change: Change<'_, B, C>,
        terms: impl Into<Terms> + Send,
        render: R,
    ) -> Result<T, Problem>
    where
        B: Serialize + Sync,
        C: Decide,
        T: DeserializeOwned + Send,
        R: Fn(&Self, Revision) -> T + Send + Sync,
    {
        if change.forwarded {
            return match self.attempt_here(&change, &render).await {
                Attempt::Done(result) => result,
                Attempt::NotHanded => Err(self.no_leader()),
                Attempt::Maybe => Err(problems::unknown()),
            };
        }
        self.held(&change, &terms.into(), &render).await
    }

    async fn held<B, C, T, R>(
        &self,
        change: &Change<'_, B, C>,
        terms: &Terms,
        render: &R,
    ) -> Result<T, Problem>
    where
        B: Serialize + Sync,
        C: Decide,
        T: DeserializeOwned + Send,
        R: Fn(&Self, Revision) -> T + Send + Sync,
    {
        let mut leading = self.parts().leading.clone();
        let until = Instant::now() + HOLD_THROUGH_ELECTION;
        let mut attempts = FuturesUnordered::<BoxFuture<'_, Attempt<T>>>::new();
        let (mut handed, mut asked) = (false, None::<NodeId>);
        let mut again = Instant::now();
        loop {
            leading.borrow_and_update();
            match self.turn() {
                Turn::Here if due(asked, self.parts().node, again) => {
                    // This member answers for itself in its own time: no second attempt beside it.
                    (asked, again) = (Some(self.parts().node), until);
                    attempts.push(self.attempt_here(change, render).boxed());
                }
                Turn::There { node, address } if due(asked, node, again) => {
                    (asked, again) = (Some(node), Instant::now() + FORWARD_ATTEMPT);
                    self.parts().metrics.forwarded_change();
                    attempts.push(self.attempt_there(change, terms, address, until).boxed());
                }
                Turn::Here | Turn::There { .. } | Turn::Nowhere => {}
            }
            let wake = again.max(Instant::now() + RETRY_EVERY).min(until);
            tokio::select! {
                Some(attempt) = attempts.next() => match attempt {
                    Attempt::Done(Err(problem)) if of_the_key(&problem) && handed => break,
                    // Nothing more is asked: what is still out may tell.
                    Attempt::Done(Err(problem)) if of_the_key(&problem) && !attempts.is_empty() => {
                        again = until;
                    }
                    Attempt::Done(result) => return result,
                    Attempt::NotHanded => again = Instant::now() + RETRY_EVERY,
                    Attempt::Maybe => {
                        handed = true;
                        again = Instant::now() + RETRY_EVERY;
                    }
                },
                changed = leading.changed() => if changed.is_err() { break },
                () = sleep_until(wake) => {}
            }
            if Instant::now() >= until {
                break;
            }
        }
        // What is still out may have arrived.
        if handed || !attempts.is_empty() {
            Err(problems::unknown())
        } else {
            Err(self.no_leader())
        }
    }

    async fn attempt_here<B, C, T, R>(&self, change: &Change<'_, B, C>, render: &R) -> Attempt<T>
    where
        R: Fn(&Self, Revision) -> T + Send + Sync,
        B: Serialize + Sync,
        C: Decide,
    {
        // A right given before the cluster has its incarnation could be compared with none given later.
        if self.parts().replica.look(|_, machine| machine.cluster().opened().is_none()) {
            return Attempt::NotHanded;
        }
        let Some(command) = change.command.command(self) else { return Attempt::NotHanded };
        // Before it is in the log: a member of an older build could not read it there.
        if let Err(refusal) = self.parts().replica.look(|_, machine| machine.admits(&command)) {
            return Attempt::Done(Err(problems::refused(&refusal)));
        }
        let request = Request { key: change.key.clone(), command: self.asked(change, command) };
        match self.parts().replica.propose(request).await {
            Ok(proposed) => Attempt::Done(match proposed.outcome {
                Outcome::Accepted { revision } => Ok(render(self, revision)),
                Outcome::Refused { refusal } => {
                    change.command.refused(self, &refusal).map(|revision| render(self, revision))
                }
            }),
            Err(error @ ProposeError::TooLarge { .. }) => {
                Attempt::Done(Err(Problem::new(Code::Refused, error.to_string())))
            }
            Err(ProposeError::NotLeader { .. } | ProposeError::Stopped | ProposeError::NoTime) => {
                Attempt::NotHanded
            }
            Err(ProposeError::Unknown) => Attempt::Maybe,
        }
    }

    /// With the request that it is made of, once all builds know that: its key is answered for no other.
    fn asked<B: Serialize, C>(&self, change: &Change<'_, B, C>, command: Command) -> Command {
        let level = self.parts().replica.look(|_, machine| machine.level());
        // In the one form in which every member writes it, whatever form it came in.
        let body = serde_json::to_vec(change.body).ok().filter(|_| level >= FeatureLevel::THIRD);
        let Some(body) = body else { return command };
        let request = RequestHash::of(change.method.as_str(), change.path, &body);
        Command::Asked { request, command: Box::new(command) }
    }

    async fn attempt_there<B, C, T>(
        &self,
        change: &Change<'_, B, C>,
        terms: &Terms,
        address: String,
        until: Instant,
    ) -> Attempt<T>
    where
        B: Serialize + Sync,
        C: Decide,
        T: DeserializeOwned + Send,
    {
        let within = until.saturating_duration_since(Instant::now());
        let (key, node) = (format_key(&change.key), self.parts().node.to_string());
        let terms = terms.headers();
        let mut headers = vec![(IDEMPOTENCY_KEY, key.as_str()), (FORWARDED, node.as_str())];
        headers.extend(terms.iter().map(|(name, value)| (*name, value.as_str())));
        let (method, body) = (change.method.clone(), Some(change.body));
        let rest = &self.parts().rest;
        let answer =
            rest.request::<B, T>(method, &address, change.path, &headers, body, within).await;
        match answer {
            Ok((_, answer)) => Attempt::Done(Ok(answer)),
            Err(RestError::NotSent { .. }) => Attempt::NotHanded,
            Err(RestError::Unknown { .. }) => Attempt::Maybe,
            Err(RestError::Refused(problem)) => match problem.retry {
                Retry::Never => Attempt::Done(Err(problem)),
                Retry::After => Attempt::NotHanded,
                Retry::SameId => Attempt::Maybe,
            },
        }
    }
}

/// Refused for its key alone: nothing is remembered of that, and an earlier attempt under the same key may have been
/// applied, or may be yet. Every other refusal is the answer to all attempts.
fn of_the_key(problem: &Problem) -> bool {
    matches!(problem.code, Code::KeyExpired | Code::KeyFromFuture)
}

/// A leader is asked when it is another one than before, and again after a while.
fn due(asked: Option<NodeId>, leader: NodeId, again: Instant) -> bool {
    asked != Some(leader) || Instant::now() >= again
}
