//! Appends that only tell how far the log is committed. Openraft sends one after every batch; the next batch
//! tells the same. Decides that such an append waits a moment for the next one, which then stands for both.
//! Nothing that carries entries ever waits here. A reader of a follower may see a write that much later.

use crate::{
    limits::COMMIT_HELD,
    raft::{LogId, TypeConfig},
};
use futures_util::{Stream, StreamExt as _, stream};
use openraft::raft::AppendEntriesRequest;
use tokio::time::{Instant, timeout_at};

type Append = AppendEntriesRequest<TypeConfig>;

/// An append as it is sent.
pub(super) struct Bundle {
    pub(super) append: Append,
    /// Where the appends ended that it stands for beside itself: answered with it, each for itself.
    pub(super) held: Vec<Option<LogId>>,
}

/// What is between two bundles.
struct State<S> {
    input: S,
    /// Taken from the input and not fit to stand for what was held.
    next: Option<Append>,
    ended: bool,
}

/// The appends in their order, those without entries held for at most [`COMMIT_HELD`].
pub(super) fn held<S>(input: S) -> impl Stream<Item = Bundle>
where
    S: Stream<Item = Append> + Unpin,
{
    stream::unfold(State { input, next: None, ended: false }, |mut state| async move {
        let bundle = state.bundle().await?;
        Some((bundle, state))
    })
}

impl<S: Stream<Item = Append> + Unpin> State<S> {
    async fn bundle(&mut self) -> Option<Bundle> {
        let append = match self.next.take() {
            Some(next) => next,
            None if self.ended => return None,
            None => self.input.next().await?,
        };
        let mut bundle = Bundle { append, held: Vec::new() };
        let until = Instant::now() + COMMIT_HELD;
        while bundle.append.entries.is_empty() {
            match timeout_at(until, self.input.next()).await {
                Ok(Some(next)) if stands_for(&next, &bundle.append) => {
                    bundle.held.push(bundle.append.prev_log_id);
                    bundle.append = next;
                }
                Ok(Some(next)) => {
                    self.next = Some(next);
                    break;
                }
                Ok(None) => {
                    self.ended = true;
                    break;
                }
                Err(_) => break,
            }
        }
        Some(bundle)
    }
}

/// Whether the success of `next` says all that the success of `held` would.
fn stands_for(next: &Append, held: &Append) -> bool {
    next.vote == held.vote
        && next.prev_log_id == held.prev_log_id
        && next.leader_commit >= held.leader_commit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Entry, LeaderId, Payload, Vote};

    fn id(index: u64) -> LogId {
        LogId::new(LeaderId { term: 1, node_id: 1 }, index)
    }

    /// Follows entry `after`, with as many entries, and tells of a commit.
    fn append(after: u64, entries: u64, committed: u64) -> Append {
        let entries = (after + 1..=after + entries)
            .map(|index| Entry { log_id: id(index), payload: Payload::Blank });
        Append {
            vote: Vote { leader_id: LeaderId { term: 1, node_id: 1 }, committed: true },
            prev_log_id: Some(id(after)),
            entries: entries.collect(),
            leader_commit: Some(id(committed)),
        }
    }

    fn shape(bundle: &Bundle) -> (usize, usize, Option<u64>) {
        let Bundle { append, held } = bundle;
        (held.len(), append.entries.len(), append.leader_commit.map(|id| id.index))
    }

    #[tokio::test]
    async fn a_commit_waits_for_the_next_entries_and_is_answered_with_them() {
        let input = [append(0, 3, 0), append(3, 0, 2), append(3, 0, 3), append(3, 2, 3)];
        let bundles: Vec<Bundle> = held(stream::iter(input)).collect().await;
        let shapes: Vec<_> = bundles.iter().map(shape).collect();
        assert_eq!(shapes, [(0, 3, Some(0)), (2, 2, Some(3))]);
        assert_eq!(bundles[1].held, [Some(id(3)), Some(id(3))]);
    }

    #[tokio::test]
    async fn a_commit_that_nothing_follows_leaves_after_a_moment() {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let input = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|next| (next, receiver))
        });
        let mut bundles = Box::pin(held(Box::pin(input)));
        let begun = Instant::now();
        assert!(sender.send(append(3, 0, 3)).await.is_ok());
        let first = bundles.next().await;
        assert_eq!(first.as_ref().map(shape), Some((0, 0, Some(3))));
        assert!(begun.elapsed() >= COMMIT_HELD);
        // What does not continue from there goes its own way, in its order.
        assert!(sender.send(append(3, 0, 3)).await.is_ok());
        assert!(sender.send(append(1, 2, 3)).await.is_ok());
        drop(sender);
        let rest: Vec<_> = bundles.map(|bundle| shape(&bundle)).collect().await;
        assert_eq!(rest, [(0, 0, Some(3)), (0, 2, Some(3))]);
    }
}
