//! What becomes of members beside their crashes: disks that are lost, and seats whose member was removed, which join
//! anew. Decides when a disk may be lost: only one of three or more voters at a time, and never while another member
//! is being removed, since of two that are gone for good no group of three recovers.

use super::{Broken, End, Faults};
use crate::{scene::Scene, world::World};
use std::rc::Rc;
use turmoil::Sim;

/// A member that was removed and has not found out is taken away by its operator after so long.
const UNNOTICED_MS: u64 = 4_000;

impl Faults {
    /// The disk of a voter goes, while the leader and all others have theirs.
    pub(super) fn lose_disk(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let grouping = &world.grouping;
        if grouping.lost.get().is_some() || grouping.removing.get().is_some() {
            return;
        }
        let sure =
            |seat: &crate::member::Seat| seat.confirmed.get().is_some_and(|at| now - at < 10);
        let Some(leader) = world.seats.iter().find(|seat| sure(seat)) else { return };
        let view = leader.running.borrow().as_ref().map(|running| running.replica.group());
        let Some(view) = view.filter(|view| view.committed) else { return };
        let [voters] = &view.voters[..] else { return };
        let machine = grouping.machine();
        if voters.len() < 3 || machine.admissions().any(|row| row.is_removing()) {
            return;
        }
        let up = self.up(world);
        let up: Vec<usize> =
            up.into_iter().filter(|at| voters.contains(&world.seats[*at].node.get())).collect();
        let Some(&seat) = self.chance.pick(&up) else { return };
        let member = &world.seats[seat];
        world.note(&format!("the disk of m{}, node {}, is lost", seat + 1, member.node.get()));
        grouping.lost.set(Some(member.node.get()));
        self.take_away(sim, world, now, seat);
        self.others += 1;
    }

    fn take_away(&mut self, sim: &mut Sim, world: &World, now: u64, seat: usize) {
        let member = &world.seats[seat];
        member.unplug();
        sim.crash(member.name());
        self.ends.push(End { at: now + self.outage(), what: Broken::Replaced { seat } });
    }

    /// Seats whose member was removed are given to new ones.
    pub(super) fn look_at_members(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        if world.scene != Scene::Members {
            return;
        }
        for (seat, member) in world.seats.iter().enumerate() {
            if self.ends.iter().any(|end| end.what.is_at(seat)) {
                continue;
            }
            let removed = world.grouping.was_removed(member.node.get());
            if member.retired.get() && !sim.is_host_running(member.name()) {
                world.note(&format!("m{} has found out that it was removed", seat + 1));
                let at = now + self.outage();
                self.ends.push(End { at, what: Broken::Replaced { seat } });
            } else if !removed {
                member.removed_at.set(None);
            } else if member.removed_at.get().is_none() {
                member.removed_at.set(Some(now));
            } else if member.removed_at.get().is_some_and(|at| now - at > UNNOTICED_MS) {
                world.note(&format!("m{} is taken away, it was removed", seat + 1));
                self.take_away(sim, world, now, seat);
            }
        }
    }
}

impl Broken {
    /// Whether a seat is down by it.
    fn is_at(&self, at: usize) -> bool {
        match self {
            Self::Down { seat, .. }
            | Self::Failing { seat }
            | Self::Stopping { seat }
            | Self::Replaced { seat } => *seat == at,
            Self::Cut(_)
            | Self::Slow { .. }
            | Self::Latency
            | Self::SiteDown { .. }
            | Self::SiteStalled { .. }
            | Self::SitesCut(_) => false,
        }
    }
}

/// A new disk, and a process that asks to join.
pub(super) fn replace(sim: &mut Sim, world: &Rc<World>, seat: usize) {
    let member = &world.seats[seat];
    member.unplug();
    member.replug(false);
    member.begin_anew(world.planted);
    member.removed_at.set(None);
    world.note(&format!("boot m{} with a new disk", seat + 1));
    sim.bounce(member.name());
}
