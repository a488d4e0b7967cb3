//! A leader whose disk does not answer, without an error. Followers commit what it sends, it may apply nothing, so every
//! write would wait for its disk. Decides when it hands leadership over: nothing became durable here for a
//! while, and another voter already holds durably what waits here; if nobody does, all disks are slow, and another leader
//! would be no better.

use super::{Replica, Shared};
use crate::{Role, Status, log::LogStore, runtime::Moment};
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};
use tokio::time::sleep;
use tradewind_domain::ids::NodeId;

/// Looks in the time after which a disk counts as one that does not answer.
const LOOKS: u32 = 8;

/// How long nothing was synced although something was to be.
struct Standstill {
    /// The last append that was durable when the next began to wait.
    durable: Option<u64>,
    since: Moment,
}

impl Standstill {
    fn look(&mut self, waiting_behind: Option<u64>, now: Moment) -> Duration {
        if waiting_behind.is_none() || waiting_behind != self.durable {
            *self = Self { durable: waiting_behind, since: now };
        }
        now.since(self.since)
    }
}

/// Looks after the disk until the member is gone. May be cancelled.
pub(super) async fn watch(shared: Weak<Shared>, log: LogStore) {
    let mut standstill = Standstill { durable: None, since: Moment::now() };
    loop {
        let Some(after) = shared.upgrade().map(|shared| shared.timing.disk_silent()) else {
            return;
        };
        sleep(after / LOOKS).await;
        let Some(shared) = shared.upgrade() else { return };
        let silent = standstill.look(log.waits_behind(), Moment::now());
        shared.published.meters.disk_silent(silent);
        if silent >= after {
            leave(shared, silent).await;
        }
    }
}

/// Hands leadership over once in a term, if that helps.
async fn leave(shared: Arc<Shared>, silent: Duration) {
    let status = shared.status.borrow().clone();
    let leads = status.role == Role::Leader;
    if !leads || shared.handed_over.load(Ordering::SeqCst) >= status.term {
        return;
    }
    let Some(heir) = quicker(&status) else { return };
    let silent_ms = silent.as_millis();
    tracing::error!(silent_ms, %heir, "this member's disk does not answer: leadership is handed over");
    if let Err(error) = (Replica { shared }).transfer_leadership(Some(heir)).await {
        tracing::warn!(%error, %heir, "leadership was not handed over from the disk that does not answer");
    }
}

/// A voter that holds durably all that is in this member's log.
fn quicker(status: &Status) -> Option<NodeId> {
    let holds_all = |id: &&NodeId| {
        **id != status.node && status.replicated.get(id).copied().flatten() >= status.last_log
    };
    status.voters.iter().find(holds_all).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_stands_still_only_as_long_as_the_same_append_waits() {
        let (start, ms) = (Moment::now(), Duration::from_millis);
        let mut standstill = Standstill { durable: None, since: start };
        let mut look = |waits, at| standstill.look(waits, start + ms(at));
        assert_eq!(look(None, 10), ms(0));
        assert_eq!(look(Some(3), 20), ms(0));
        assert_eq!(look(Some(3), 50), ms(30));
        assert_eq!(look(Some(4), 60), ms(0));
        assert_eq!(look(Some(4), 75), ms(15));
        assert_eq!(look(None, 90), ms(0));
    }

    #[test]
    fn only_who_holds_what_waits_here_is_worth_the_change() {
        let mut status = Status {
            node: NodeId(1),
            role: Role::Leader,
            term: 1,
            leader: Some(NodeId(1)),
            members: [].into(),
            voters: [1, 2, 3].map(NodeId).into(),
            last_log: Some(9),
            committed: Some(8),
            applied: Some(7),
            snapshot: None,
            purged: None,
            replicated: [(NodeId(2), Some(8)), (NodeId(4), Some(9))].into(),
            failure: None,
        };
        assert_eq!(quicker(&status), None);
        status.replicated.insert(NodeId(3), Some(9));
        assert_eq!(quicker(&status), Some(NodeId(3)));
    }
}
