//! Asking the other members to reach Managers that the brake holds, or whose ports refuse. Decides whom and how often; what follows from
//! what they find is `domain::control::plan`'s decision. Dropped, it asks no more.

use super::Context;
use crate::service::api_address;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinSet;
use tradewind_domain::{
    control::plan::{Brake, Probe},
    ids::{ManagerId, NodeId},
    limits::{PROBE_EVERY, PROBE_WITHIN, PROBES_AT_ONCE},
    time::Monotonic,
};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::control::{PROBES, Probed};

type Found = BTreeMap<ManagerId, Probe>;

#[derive(Default)]
pub(super) struct Probes {
    asking: JoinSet<Found>,
    asked_at: Option<Monotonic>,
    questions: u64,
}

impl Probes {
    /// Asks about those who are held or refuse, unless that was done a moment ago.
    pub(super) fn ask(&mut self, context: &Context, brake: &Brake, now: Monotonic) {
        let soon = self.asked_at.is_some_and(|at| now.since(at) < PROBE_EVERY);
        let nobody = brake.held.is_empty() && brake.doubted.is_empty();
        if nobody || soon || !self.asking.is_empty() {
            return;
        }
        self.asked_at = Some(now);
        let machine = context.replica.machine();
        let asked = brake.asked(self.questions).into_iter();
        self.questions += 1;
        let lives = asked.filter_map(|id| Some((id.clone(), machine.manager(id)?.incarnation)));
        let voters: BTreeSet<NodeId> = context.replica.status().voters.into_iter().collect();
        let nothing = lives
            .map(|(manager, incarnation)| (manager, Probe::begun(incarnation, now, voters.len())));
        let nothing: Found = nothing.collect();
        let others = voters.into_iter().filter(|node| *node != context.node);
        let others = others.filter_map(|node| Some((node, api_address(&context.replica, node)?)));
        self.asking.spawn(ask(context.rest.clone(), others.collect(), nothing));
    }

    /// What came of a question; `None` while none is under way. May be cancelled.
    pub(super) async fn found(&mut self) -> Option<Found> {
        self.asking.join_next().await?.ok()
    }
}

async fn ask(rest: Rest, members: Vec<(NodeId, String)>, mut found: Found) -> Found {
    let names: Vec<String> = found.keys().map(ToString::to_string).collect();
    let paths =
        names.chunks(PROBES_AT_ONCE).map(|some| format!("{PROBES}?managers={}", some.join(",")));
    let paths: Vec<String> = paths.collect();
    let (rest, asked) =
        (&rest, members.iter().flat_map(|to| paths.iter().map(move |path| (to, path))));
    let answers = asked.map(|((node, address), path)| async move {
        // The members give up on a Manager in time to answer.
        let within = PROBE_WITHIN * 2;
        let asked = rest.request::<(), Probed>(Method::GET, address, path, &[], None, within);
        // Another process may have taken the port.
        asked.await.ok().map(|(_, answer)| answer).filter(|answer| answer.node == *node)
    });
    for answer in join_all(answers).await.into_iter().flatten() {
        for each in answer.managers {
            let probe = found.get_mut(&each.manager);
            let Some(probe) = probe.filter(|probe| probe.incarnation == each.incarnation) else {
                continue;
            };
            let by = if each.reached { &mut probe.reached_by } else { &mut probe.missed_by };
            by.insert(answer.node);
        }
    }
    found
}
