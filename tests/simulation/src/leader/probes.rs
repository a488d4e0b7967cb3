//! Asking the other members about Managers that the brake holds, as `control-plane/server` does. Decides what a member
//! reaches: the registered life, awake, over a link that carries something both ways. Whom it is asked about, and what
//! follows from what they find, is decided by the code of `domain`.

use super::Context;
use crate::{planted::Planted, sites::at, wire::millis};
use std::collections::BTreeMap;
use tokio::{task::JoinSet, time::sleep};
use tradewind_domain::{
    control::plan::{Brake, Probe},
    ids::{Incarnation, ManagerId, NodeId},
    limits::{PROBE_EVERY, PROBE_WITHIN},
    time::Monotonic,
};

type Found = BTreeMap<ManagerId, Probe>;

#[derive(Default)]
pub(super) struct Probes {
    asking: JoinSet<Found>,
    asked_at: Option<Monotonic>,
    questions: u64,
}

impl Probes {
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
        let voters = context.replica.status().voters;
        let probe =
            |(manager, incarnation)| (manager, Probe::begun(incarnation, now, voters.len()));
        let found = lives.map(probe).collect();
        let others = voters.iter().copied().filter(|node| *node != context.replica.node());
        self.asking.spawn_local(answers(context.clone(), others.collect(), found));
    }

    /// What came of a question; `None` while none is under way. May be cancelled.
    pub(super) async fn found(&mut self) -> Option<Found> {
        self.asking.join_next().await?.ok()
    }
}

async fn answers(context: Context, others: Vec<NodeId>, mut found: Found) -> Found {
    let (world, own) = (&context.world, context.seat);
    let within = PROBE_WITHIN.as_millis() as u64;
    let takes = world.seats[own].chance.within(10..within);
    sleep(millis(takes)).await;
    for node in others {
        let Some(seat) = world.seat_of(node) else { continue };
        let there = world.seats[seat].running.borrow().is_some();
        if !there || world.is_cut(&world.seats[own].name(), &world.seats[seat].name()) {
            continue;
        }
        for (manager, probe) in &mut found {
            let reached = world.planted != Some(Planted::MissedUnasked)
                && reaches(&context, seat, manager, probe.incarnation);
            let by = if reached { &mut probe.reached_by } else { &mut probe.missed_by };
            by.insert(node);
        }
    }
    found
}

/// Whether a member has an answer of this life of a Manager now.
pub(super) fn reaches(
    context: &Context,
    seat: usize,
    manager: &ManagerId,
    life: Incarnation,
) -> bool {
    let world = &context.world;
    let Some((site, post)) = world.post(manager) else { return false };
    let lives = post.life.get().is_some_and(|(running, _)| running == life.0);
    let awake = at(site.stalled_until.get()) <= at(world.elapsed_ms());
    let refused = world.refuses(seat, site, 0);
    lives && awake && !refused && !world.is_cut(&world.seats[seat].name(), &site.name)
}
