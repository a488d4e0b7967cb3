//! Asking every other member, again and again, what time it has and what its state's hashes are. Decides the
//! rhythm; what follows is decided by `group_clock` and `audit`. Members ask all to all, so that whoever is
//! elected knows the others' clocks already. The task may be cancelled at any point.

use crate::{
    Status,
    audit::{Audit, Finding, Outvoted},
    group_clock::GroupClock,
    limits::{REPORT_WITHIN, ROUND_EVERY, ROUND_SOON},
    network::peers::Peers,
    records::MemberRecord,
    runtime::Moment,
};
use futures_util::future::join_all;
use std::sync::Arc;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tradewind_domain::ids::NodeId;

pub(crate) struct Rounds {
    node: NodeId,
    peers: Peers,
    status: watch::Receiver<Status>,
    clock: Arc<GroupClock>,
    audit: Arc<Audit>,
}

impl Rounds {
    pub(crate) fn new(
        node: NodeId,
        peers: &Peers,
        status: &watch::Receiver<Status>,
        clock: &Arc<GroupClock>,
        audit: Arc<Audit>,
    ) -> Self {
        let (peers, status, clock) = (peers.clone(), status.clone(), clock.clone());
        Self { node, peers, status, clock, audit }
    }

    /// Runs until this member must stop, and gives the reason.
    pub(crate) async fn run(mut self) -> Outvoted {
        loop {
            let status = self.status.borrow_and_update().clone();
            self.ask(&status).await;
            let known = self.clock.settle(self.node, &status.voters);
            if let Finding::Stop(outvoted) = self.audit.judge(self.node, &status.voters) {
                return outvoted;
            }
            self.rest(known, &status).await;
        }
    }

    async fn ask(&self, status: &Status) {
        let above = self.audit.asked_above();
        let others = status.members.iter().filter(|(id, _)| **id != self.node);
        let asked = others.map(|(id, member)| async move {
            let (record, began) = (MemberRecord::from(member), Moment::now());
            let report = timeout(REPORT_WITHIN, self.peers.report(id.0, &record, above)).await;
            // Silence is no news: what was known of it stays.
            if let Ok(Ok(report)) = report {
                self.clock.told(*id, report.clock, report.calendar, began);
                self.audit.told(*id, &report.checkpoints());
            }
        });
        join_all(asked).await;
    }

    /// Until the next round; a change of the members does not wait for it.
    async fn rest(&mut self, known: bool, before: &Status) {
        let same =
            |status: &Status| status.voters == before.voters && status.members == before.members;
        let pause = sleep(if known { ROUND_EVERY } else { ROUND_SOON });
        let changed = async {
            if self.status.wait_for(|status| !same(status)).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = pause => {}
            () = changed => {}
        }
    }
}
