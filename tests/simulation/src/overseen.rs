//! What must hold of Managers, services and resources, against the newest state that any member has applied. D1: after
//! an acknowledged cordon nothing new comes there. D2: what is dropped held nothing. L1 and T1: of two copies under
//! one right not both act, and none after one of a higher right; nobody is taken for down while his lease holds.
//! A Manager that is undisturbed is never taken for down. Decides these sentences; `domain`'s own are in `checks`.

use crate::{
    planted::Planted,
    sites::{Post, Site, at},
    world::World,
};
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        Machine,
        drain::DrainState,
        level::FeatureLevel,
        row::{Assignment, ManagerRow, ManagerState, TraderRow, TraderWish},
    },
    ids::{DrainTarget, Epoch, Incarnation, ManagerId, Revision, ServiceId},
    limits::DOWN_AFTER,
};

/// Undisturbed for so much longer than silence takes, a Manager has been heard.
const HEARD_WITHIN_MS: u64 = 200;

/// Undisturbed for so long, under a leader that has seen its life before fall silent, a Manager is registered.
const REGISTERED_WITHIN_MS: u64 = 2_300;

/// A check-in is a proof of life, and silence takes longer than this, whatever a leader's clock ticks like.
const FORGIVEN_FOR_MS: u64 = 2_400;

#[derive(Default)]
pub(crate) struct Overseen {
    pub(crate) revision: Revision,
    pub(crate) machine: Machine,
    /// Who was given what, under which epoch.
    assigned: BTreeMap<(ServiceId, Epoch), ManagerId>,
    /// When a registration was first seen.
    registered: BTreeMap<(ManagerId, Epoch), u64>,
    /// Cordons in force that are acknowledged, and the lives that have confirmed them.
    acknowledged: BTreeMap<DrainTarget, BTreeMap<ManagerId, Incarnation>>,
    /// Of Brokers that an operator gave up the right that they had: their ledgers are continued by nobody.
    given_up: BTreeMap<ServiceId, Epoch>,
    /// Traders that were stopped and are to run again, as builds before the third level have it: where they were.
    resumed: BTreeMap<ServiceId, Epoch>,
    /// The highest right under which each resource was used, and by whose copy.
    used: BTreeMap<ServiceId, (Epoch, ManagerId)>,
    pub(crate) downs: u64,
    pub(crate) drops: u64,
    pub(crate) acted: u64,
    pub(crate) fenced: u64,
}

impl Overseen {
    /// A state that is newer than the last one.
    pub(crate) fn look(&mut self, world: &World, revision: Revision, machine: &Machine) {
        if revision <= self.revision {
            return;
        }
        if revision.0 == self.revision.0 + 1 {
            machine.managers().for_each(|row| self.registered_from(world, row));
        }
        for row in machine.managers() {
            let registration = (row.manager.clone(), row.epoch);
            let since = *self.registered.entry(registration).or_insert(world.now_ms.get());
            let before = self.machine.manager(&row.manager);
            let was_live = before.is_some_and(|before| {
                before.state == ManagerState::Live && before.incarnation == row.incarnation
            });
            if row.state == ManagerState::Down && was_live {
                self.downs += 1;
                taken_for_down(world, row, since);
            }
        }
        for row in machine.drains().filter(|row| row.state == DrainState::Dropped) {
            let before = self.machine.drain(&row.target);
            if before.is_some_and(|held| held.epoch == row.epoch && held.state != row.state) {
                self.drops += 1;
                if row.forced.is_none() {
                    self.dropped(world, &row.target);
                }
            }
        }
        self.acknowledge(machine);
        self.note_assigned(machine);
        (self.revision, self.machine) = (revision, machine.clone());
    }

    /// M3, by the disks that lives really have: a name that is live or holds something keeps its own.
    fn registered_from(&self, world: &World, row: &ManagerRow) {
        let Some(before) = self.machine.manager(&row.manager) else { return };
        let Some((_, post)) = world.post(&row.manager) else { return };
        let disk = |life: Incarnation| post.disks.borrow().get(&life.0).copied();
        let held = |to: Option<&Assignment>| to.is_some_and(|to| to.manager == row.manager);
        let holds = self.machine.customers().any(|each| held(each.affinity.as_ref()))
            || self.machine.brokers().any(|each| held(each.assignment.as_ref()));
        let kept = before.state == ManagerState::Live || holds;
        if kept && disk(before.incarnation) != disk(row.incarnation) {
            world.violation(format!("M3: what {} holds went to another disk", row.manager));
        }
    }

    fn dropped(&self, world: &World, target: &DrainTarget) {
        let drained = self.machine.drain(target).map(|row| row.revision.0);
        // Before the third level a drop does not say whom it was decided for: it may take one that came back meanwhile.
        let came_since = |row: &ManagerRow| {
            self.machine.level() < FeatureLevel::THIRD && Some(row.epoch.0) > drained
        };
        let live = self.machine.concerned(target).filter(|row| row.state == ManagerState::Live);
        for row in live.filter(|row| !came_since(row)) {
            let Some((_, post)) = world.post(&row.manager) else { continue };
            // Of a life that is gone, services go on until they are found.
            let lives = post.life.get().is_some_and(|(life, _)| life == row.incarnation.0);
            let held = post.services.borrow().len() + post.sessions.borrow().len();
            if lives && held > 0 {
                world.violation(format!("D2: {} was dropped and still holds {held}", row.manager));
            }
        }
    }

    fn acknowledge(&mut self, machine: &Machine) {
        let in_force = |target: &DrainTarget| {
            let row = machine.drain(target);
            row.is_some_and(|row| row.state.cordons() && row.state.is_acknowledged())
        };
        self.acknowledged.retain(|target, _| in_force(target));
        for row in machine.drains().filter(|row| in_force(&row.target)) {
            if row.forced.is_some() || self.acknowledged.contains_key(&row.target) {
                continue;
            }
            let live = machine.concerned(&row.target).filter(|row| row.state == ManagerState::Live);
            let lives = live.map(|row| (row.manager.clone(), row.incarnation)).collect();
            self.acknowledged.insert(row.target.clone(), lives);
        }
    }

    fn note_assigned(&mut self, machine: &Machine) {
        for row in machine.brokers() {
            let Some(held) = &row.assignment else { continue };
            let service = ServiceId::Broker { account: row.account.clone(), shard: row.shard };
            self.assigned.entry((service, held.epoch)).or_insert_with(|| held.manager.clone());
        }
        for row in machine.all_abandoned() {
            let service = ServiceId::Broker { account: row.account.clone(), shard: row.shard };
            self.given_up.insert(service, row.epoch);
        }
        for row in machine.traders() {
            let Some(held) = &row.assignment else { continue };
            let service = ServiceId::Trader { trader: row.trader.clone() };
            let stopped = |before: &TraderRow| before.spec.state == TraderWish::Stopped;
            if machine.level() < FeatureLevel::THIRD
                && self.machine.trader(&row.trader).is_some_and(stopped)
                && row.spec.state != TraderWish::Stopped
            {
                self.resumed.insert(service.clone(), held.epoch);
            }
            self.assigned.entry((service, held.epoch)).or_insert_with(|| held.manager.clone());
        }
    }

    /// D1. Something that was not there before begins at a Manager. A life that has not confirmed the cordon itself may
    /// still be told of what was placed before it, and of nothing after.
    pub(crate) fn came(
        &self,
        world: &World,
        post: &Post,
        what: &str,
        begun: Option<(&ServiceId, Epoch)>,
    ) {
        let Some((life, _)) = post.life.get() else { return };
        let epoch = begun.map(|(_, epoch)| epoch);
        if begun.is_some_and(|(service, epoch)| self.resumed.get(service) == Some(&epoch)) {
            return;
        }
        for (target, lives) in &self.acknowledged {
            let confirmed = lives.get(&post.manager) == Some(&Incarnation(life));
            let drain = self.machine.drain(target).map(|row| row.epoch);
            let after = epoch.is_none() || epoch > drain;
            if target.covers(&post.manager) && (confirmed || after && !is_refused(world, post)) {
                world.violation(format!(
                    "D1: {what} came to {} after the cordon of {target} was acknowledged",
                    post.manager
                ));
            }
        }
    }

    /// Something is started by a life that no leader has told anything.
    pub(crate) fn resumed(&self, world: &World, post: &Post, service: &ServiceId, epoch: Epoch) {
        let held = self.machine.holder(service);
        if !held.is_some_and(|held| held.manager == post.manager && held.epoch == epoch) {
            world.violation(format!(
                "a return: {} starts {service} in {epoch} unasked, which is not its any more: {held:?}",
                post.manager
            ));
        }
    }

    /// A copy acts on what it has the right to. The resource keeps the highest right it has seen.
    /// `copied`: of a Broker whose ledger has a second copy, to whom no venue says that he was superseded.
    pub(crate) fn act(
        &mut self,
        world: &World,
        post: &Post,
        service: &ServiceId,
        epoch: Epoch,
        copied: bool,
    ) {
        let highest = self.used.get(service).cloned();
        let lower = highest.as_ref().is_some_and(|(highest, _)| epoch < *highest);
        let given_up = self.given_up.get(service) == Some(&epoch);
        if lower && copied && !given_up {
            let manager = &post.manager;
            world.violation(format!(
                "CP: {service} acts at {manager} in {epoch}, and its ledger was continued: {highest:?}"
            ));
        }
        if lower && world.planted != Some(Planted::FenceIgnored) {
            self.fenced += 1;
            return;
        }
        self.acted += 1;
        let manager = &post.manager;
        if lower {
            world.violation(format!(
                "T1: {service} acted at {manager} in {epoch}, after {highest:?}"
            ));
        }
        if let Some((same, other)) = &highest
            && *same == epoch
            && other != manager
        {
            world.violation(format!("L1: {service} acts at {manager} and at {other} in {epoch}"));
        }
        if let Some(given) = self.assigned.get(&(service.clone(), epoch))
            && given != manager
        {
            world.violation(format!("L1: {service} acts at {manager} by the right of {given}"));
        }
        self.used.insert(service.clone(), (epoch, manager.clone()));
    }
}

/// Whether something refuses in its place, or did a moment ago: it may be taken for dead and live on with its lease.
fn is_refused(world: &World, post: &Post) -> bool {
    let Some((site, _)) = world.post(&post.manager) else { return false };
    (0..world.seats.len()).any(|seat| world.refuses(seat, site, FORGIVEN_FOR_MS))
}

fn taken_for_down(world: &World, row: &ManagerRow, registered: u64) {
    let Some((site, post)) = world.post(&row.manager) else { return };
    let (now, life) = (world.now_ms.get(), row.incarnation.0);
    let sound: u64 = Site::sound_for(site, post, life, now);
    world.note(&format!("{} life {life} is taken for down, sound for {sound} ms", row.manager));
    if is_refused(world, post) {
        // Where its pipe stood and no other refuses, that is a proof, right or wrong; else B2 is about it.
        return;
    }
    let heard = DOWN_AFTER.as_millis() as u64 + HEARD_WITHIN_MS;
    if sound > heard {
        world.violation(format!(
            "a false down: {} was undisturbed for {sound} ms and is taken for down",
            row.manager
        ));
    }
    let disk = |life: u64| post.disks.borrow().get(&life).copied();
    if let Some((running, _)) = post.life.get()
        && running > life
        // One on another disk waits until the name is free.
        && disk(running) == disk(life)
        && Site::sound_for(site, post, running, now) > REGISTERED_WITHIN_MS
    {
        world.violation(format!(
            "a false down: {} is taken for down as life {life}, and life {running} is there for long",
            row.manager
        ));
    }
    let lives = post.life.get().is_some_and(|(running, _)| running == life);
    if lives && now - registered < FORGIVEN_FOR_MS {
        world.violation(format!(
            "a false down: {} is there, and is taken for down {} ms after it had checked in",
            row.manager,
            now - registered
        ));
    }
    if lives && post.lease.borrow().holds(at(now)) {
        world.violation(format!("L1: {} is taken for down while its lease holds", row.manager));
    }
}
