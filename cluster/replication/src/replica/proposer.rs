//! Requests on their way into the log. Decides how many become entries together: while a batch is out, those
//! that come wait and go as one, so that under load the disk, the links and the waking of threads are paid for once
//! for many. A request that comes alone waits for nobody. Entries are stamped here, in their order.

use super::refusal::not_written;
use crate::{
    ProposeError, Proposed,
    group_clock::GroupClock,
    limits::{
        APPEND_BYTES_MAX, APPEND_ENTRIES_MAX, BATCHES_OUT, GATHERED, GATHERING_TURNS,
        PROPOSAL_BYTES_MAX, PROPOSALS_QUEUED,
    },
    log::Stamps,
    raft::{Proposal, Raft, TypeConfig},
    state::Published,
};
use futures_util::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
    stream::{BoxStream, FuturesUnordered},
};
use openraft::{errors::Fatal, raft::WriteResult};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::timeout,
};
use tradewind_domain::{
    control::{Request, Stamped},
    time::UnixNanos,
};

type Answered = Result<Proposed, ProposeError>;

/// A request, and who waits for what becomes of it.
struct Waiting {
    request: Request,
    answer: oneshot::Sender<Answered>,
}

/// A cheap handle.
#[derive(Clone)]
pub(super) struct Proposer {
    inbox: mpsc::Sender<Waiting>,
    within: Duration,
}

/// What the proposer's task works with.
pub(super) struct Desk {
    pub(super) raft: Raft,
    pub(super) published: Arc<Published>,
    pub(super) clock: Arc<GroupClock>,
    pub(super) stamps: Stamps,
}

impl Proposer {
    /// The handle, and the task's work, which may be cancelled. No request waits longer than `within`.
    pub(super) fn new(desk: Desk, within: Duration) -> (Self, impl Future<Output = ()> + Send) {
        let (inbox, requests) = mpsc::channel(PROPOSALS_QUEUED);
        (Self { inbox, within }, desk.work(requests, within))
    }

    /// Has the group decide. Dropping the future, or no answer in time, leaves the outcome unknown.
    pub(super) async fn propose(&self, request: Request) -> Answered {
        let (answer, answered) = oneshot::channel();
        let decided = async {
            let queued = self.inbox.send(Waiting { request, answer }).await;
            queued.map_err(|_| ProposeError::Stopped)?;
            answered.await.unwrap_or(Err(ProposeError::Unknown))
        };
        // The whole of it: behind a disk that stands still already the queue may be full.
        timeout(self.within, decided).await.unwrap_or(Err(ProposeError::Unknown))
    }
}

impl Desk {
    async fn work(self, mut requests: mpsc::Receiver<Waiting>, within: Duration) {
        let mut out = FuturesUnordered::<BoxFuture<'static, ()>>::new();
        let mut expected = 0;
        loop {
            tokio::select! {
                Some(()) = out.next() => {}
                first = requests.recv(), if out.len() < BATCHES_OUT => {
                    let Some(first) = first else { return };
                    gathered(&requests, expected).await;
                    let (proposals, answers) = self.batch(first, &mut requests);
                    if proposals.is_empty() {
                        continue;
                    }
                    expected = answers.len();
                    match self.raft.client_write_many(proposals).await {
                        // Whoever waits in it has given up by then; the next ones need not.
                        Ok(written) => out.push(timeout(within, tell(written, answers)).map(drop).boxed()),
                        Err(_) => answers.into_iter().for_each(|answer| {
                            let _ = answer.send(Err(ProposeError::Stopped));
                        }),
                    }
                }
            }
        }
    }

    /// What is there by now, within bounds. Whoever cannot be served is told at once.
    fn batch(
        &self,
        first: Waiting,
        requests: &mut mpsc::Receiver<Waiting>,
    ) -> (Vec<Proposal>, Vec<oneshot::Sender<Answered>>) {
        let (mut proposals, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let at = self.time();
        let mut next = Some(first);
        while let Some(Waiting { request, answer }) = next {
            // Who has given up need not be proposed for: he was told that nothing is known.
            if !answer.is_closed() {
                match at.ok_or(ProposeError::NoTime).and_then(|at| stamped(at, request)) {
                    Ok(proposal) => {
                        bytes += proposal.body().len();
                        proposals.push(proposal);
                        answers.push(answer);
                    }
                    Err(error) => drop(answer.send(Err(error))),
                }
            }
            let full = bytes >= APPEND_BYTES_MAX || proposals.len() as u64 >= APPEND_ENTRIES_MAX;
            next = if full { None } else { requests.try_recv().ok() };
        }
        (proposals, answers)
    }

    /// Time never runs backwards in the log, neither by this clock nor by another leader's.
    fn time(&self) -> Option<UnixNanos> {
        let applied = self.published.machine.borrow().1.cluster().at;
        Some(self.clock.now()?.max(self.stamps.latest()).max(applied))
    }
}

/// Those who got their answers with the last batch tend to come back at once: it is worth some turns of the
/// runtime to go with them, instead of alone and before them. Larger batches have paid for themselves.
async fn gathered(requests: &mpsc::Receiver<Waiting>, expected: usize) {
    for _ in 0..GATHERING_TURNS {
        if requests.len() + 1 >= expected || expected > GATHERED {
            return;
        }
        yield_now().await;
    }
}

fn stamped(at: UnixNanos, request: Request) -> Result<Proposal, ProposeError> {
    let most = PROPOSAL_BYTES_MAX;
    let too_large = |bytes| ProposeError::TooLarge { bytes, most };
    let proposal = Proposal::new(Stamped { at, request }).map_err(|_| too_large(usize::MAX))?;
    let bytes = proposal.body().len();
    if bytes > most { Err(too_large(bytes)) } else { Ok(proposal) }
}

/// Tells each what became of his request; those after the end of the stream learn that nothing is known.
async fn tell(
    mut written: BoxStream<'static, Result<WriteResult<TypeConfig>, Fatal<TypeConfig>>>,
    answers: Vec<oneshot::Sender<Answered>>,
) {
    for answer in answers {
        let Some(Ok(written)) = written.next().await else { return };
        let _ = answer.send(match written {
            Ok(written) => match written.response.outcome {
                Some(outcome) => Ok(Proposed { revision: written.response.revision, outcome }),
                // Proposals always have one; whatever this is, nothing is known of the request.
                None => Err(ProposeError::Unknown),
            },
            Err(error) => Err(not_written(&error)),
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::{Command, IdempotencyKey},
        ids::ClusterIncarnation,
    };

    #[tokio::test]
    async fn a_proposal_that_cannot_even_be_queued_is_answered_in_its_time() {
        // As behind a disk that stands still, once the queue is full.
        let (inbox, _requests) = mpsc::channel(1);
        let proposer = Proposer { inbox, within: Duration::from_millis(100) };
        let key = IdempotencyKey { client: "c".parse().unwrap(), issued_at: UnixNanos(1), n: 1 };
        let command = Command::OpenCluster { incarnation: ClusterIncarnation(1) };
        let request = Request { key, command };
        let (queued, refused) =
            tokio::join!(proposer.propose(request.clone()), proposer.propose(request.clone()));
        assert_eq!((queued, refused), (Err(ProposeError::Unknown), Err(ProposeError::Unknown)));
    }
}
