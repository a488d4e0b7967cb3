//! Faults of sites and of leaders' processes, beside those of members, and cuts that go through both. Decides what
//! breaks there, for how long, and what of it disturbs a site.

use super::{Broken, Cut, End, Faults, Kind};
use crate::{sites::Site, stories::Order, world::World};
use std::rc::Rc;
use turmoil::Sim;

/// What can break where there are Managers, and how often it does beside the rest.
pub(super) const KINDS_OF_SITES: [(Kind, u64); 6] = [
    (Kind::SiteCrash, 20),
    (Kind::SiteStall, 10),
    (Kind::LeaderStall, 20),
    (Kind::SitePartition, 25),
    (Kind::SitesFromLeader, 10),
    (Kind::SitesRefuse, 15),
];

/// And what happens alone, in runs in which nothing else does.
pub(super) const ALONE: [Kind; 4] =
    [Kind::SitesFromLeader, Kind::SitesFromLeader, Kind::SitePartition, Kind::LeaderRefused];

/// Longer than a Manager takes to be down, so that a leader that was cut off outlasts it.
const CUTS_MS: [u64; 5] = [100, 700, 2_000, 4_000, 4_500];
/// Those sites from which all finds a place elsewhere: a name is free for another disk once it holds nothing.
const MAY_LOSE_DISKS: usize = 2;
const STALLS_MS: [u64; 4] = [400, 1_500, 3_600, 4_500];

impl Faults {
    /// What a story wants: its leader is lost, a machine breaks or is there again.
    pub(super) fn tell(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let Some(story) = &world.story else { return };
        if let Some(seat) = story.loses(world) {
            self.crash_one(sim, world, now, seat, false);
            self.crashes += 1;
        }
        for order in story.orders.take() {
            match order {
                Order::Down(site) => self.site_down(sim, world, site, true),
                Order::Up(site) => self.mend_site(sim, world, now, Broken::SiteDown { site }),
            }
        }
    }

    pub(super) fn crash_site(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let Some(at) = self.site_up(world) else { return };
        let machine = self.chance.percent(40);
        self.site_down(sim, world, at, machine);
        if machine && at < MAY_LOSE_DISKS && self.chance.percent(30) {
            let (site, post) = (&world.sites()[at], &world.sites()[at].posts()[0]);
            world.note(&format!("the disk of {} is lost", post.manager));
            post.disk.set(site.new_disk());
            post.intent.replace(None);
        }
        let at_ms =
            now + self.chance.within(5..*self.chance.pick(&[60, 900, 3_500]).unwrap_or(&60));
        self.ends.push(End { at: at_ms, what: Broken::SiteDown { site: at } });
        self.crashes += 1;
    }

    pub(super) fn site_down(&self, sim: &mut Sim, world: &World, at: usize, machine: bool) {
        let site = &world.sites()[at];
        world.note(&format!("crash {} machine {machine}", site.name));
        sim.crash(site.name.as_str());
        site.crash(machine);
        site.disturb();
    }

    /// Something in between refuses connections in the place of a site or of several, and ends those that stand: to the
    /// leader alone, to some members or to all. All run on.
    pub(super) fn refuse_at_sites(&mut self, world: &Rc<World>, now: u64) {
        let all: Vec<usize> = (0..world.sites().len()).collect();
        let seats: Vec<usize> = (0..world.seats.len()).collect();
        let sites = self.chance.some(&all, 1 + self.chance.below(3) as usize);
        let to = match self.chance.below(4) {
            0 | 1 => self.up(world).first().copied().into_iter().collect(),
            2 => self.chance.some(&seats, seats.len() - 1),
            _ => seats,
        };
        let until = now + 100 + self.chance.below(*self.chance.pick(&CUTS_MS).unwrap_or(&100));
        let mut refusals = world.refusals.borrow_mut();
        for (site, seat) in sites.iter().flat_map(|site| to.iter().map(move |seat| (site, seat))) {
            let name = world.sites()[*site].name.clone();
            world.note(&format!("{name} refuses m{} until {until}", seat + 1));
            refusals.insert((*seat, name), until);
        }
        self.others += 1;
    }

    /// Something in between refuses the leader alone, in the place of two sites or three, for longer than it takes to ask the
    /// others about them.
    pub(super) fn refuse_leader(&mut self, world: &Rc<World>, now: u64) {
        let Some(&leader) = self.up(world).first() else { return };
        let all: Vec<usize> = (0..world.sites().len()).collect();
        let until = now + self.chance.within(2_000..4_000);
        for site in self.chance.some(&all, 2 + self.chance.below(2) as usize) {
            let name = world.sites()[site].name.clone();
            world.note(&format!("{name} refuses m{}, which leads, until {until}", leader + 1));
            world.refusals.borrow_mut().insert((leader, name), until);
        }
        self.others += 1;
    }

    fn site_up(&self, world: &World) -> Option<usize> {
        let down = |at: &usize| {
            let is = |end: &End| matches!(end.what, Broken::SiteDown { site } if site == *at);
            self.ends.iter().any(is)
        };
        let up: Vec<usize> = (0..world.sites().len()).filter(|at| !down(at)).collect();
        self.chance.pick(&up).copied()
    }

    pub(super) fn stall_site(&mut self, world: &Rc<World>, now: u64) {
        let Some(at) = self.site_up(world) else { return };
        let until = now + self.chance.within(300..4_000);
        world.note(&format!("{} stands still until {until}", world.sites()[at].name));
        world.sites()[at].disturb();
        world.sites()[at].stalled_until.set(until);
        self.ends.push(End { at: until, what: Broken::SiteStalled { site: at } });
        self.others += 1;
    }

    /// The leader's work stands still, and its member does not: it leads when it wakes up.
    pub(super) fn stall_leader(&mut self, world: &Rc<World>, now: u64) {
        let Some(&seat) = self.up(world).first() else { return };
        let until = now + 100 + self.chance.below(*self.chance.pick(&STALLS_MS).unwrap_or(&400));
        world.note(&format!("the leader's work at m{} stands still until {until}", seat + 1));
        world.seats[seat].stalled_until.set(until);
        self.others += 1;
    }

    /// Sites are cut off together with some members, or from some.
    pub(super) fn partition_sites(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let seats: Vec<usize> = (0..world.seats.len()).collect();
        let up = self.up(world);
        let inside: Vec<usize> = match self.chance.below(4) {
            0 | 1 => up.first().copied().into_iter().collect(),
            2 => self.chance.some(&seats, seats.len() / 2),
            _ => Vec::new(),
        };
        let with: Vec<usize> =
            (0..world.sites().len()).filter(|_| self.chance.percent(45)).collect();
        let one_way = !self.holds && self.chance.percent(25);
        let id = self.chance.next();
        let side = |is_inside: bool| {
            let members = seats.iter().filter(|at| inside.contains(at) == is_inside);
            let sites = (0..world.sites().len()).filter(|at| with.contains(at) == is_inside);
            let members = members.map(|at| world.seats[*at].name());
            members.chain(sites.map(|at| world.sites()[at].name.clone())).collect::<Vec<_>>()
        };
        let (these, those) = (side(true), side(false));
        for one in &these {
            for other in &those {
                let (mut from, mut to) = (one.clone(), other.clone());
                if self.chance.percent(50) {
                    std::mem::swap(&mut from, &mut to);
                }
                self.cuts.push(Cut { id, from, to, both: !one_way });
            }
        }
        world.note(&format!("cut {these:?} from {those:?} one way {one_way}"));
        self.apply_cuts(sim, world);
        self.cut_off(world, id).for_each(Site::disturb);
        let longest = *self.chance.pick(&CUTS_MS).unwrap_or(&100);
        let at = now + 20 + self.chance.below(longest);
        self.ends.push(End { at, what: Broken::SitesCut(id) });
        self.partitions += 1;
    }

    /// Most sites are cut off from the leader alone, which leads on, for longer than silence takes.
    pub(super) fn cut_from_leader(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let Some(&leader) = self.up(world).first() else { return };
        let all: Vec<usize> = (0..world.sites().len()).collect();
        let most = 2 + usize::from(self.chance.percent(30));
        let (id, from) = (self.chance.next(), world.seats[leader].name());
        for at in self.chance.some(&all, most) {
            let to = world.sites()[at].name.clone();
            self.cuts.push(Cut { id, from: from.clone(), to, both: true });
        }
        world.note(&format!("{most} sites are cut off from m{} alone", leader + 1));
        self.apply_cuts(sim, world);
        self.cut_off(world, id).for_each(Site::disturb);
        let at = now + self.chance.within(3_300..6_000);
        self.ends.push(End { at, what: Broken::SitesCut(id) });
        self.partitions += 1;
    }

    /// Sites that a cut keeps from some member: it may be their leader.
    fn cut_off<'a>(&'a self, world: &'a World, id: u64) -> impl Iterator<Item = &'a Site> {
        world.sites().iter().filter(move |site| {
            let mut of_it = self.cuts.iter().filter(|cut| cut.id == id);
            of_it.any(|cut| {
                let other = match (cut.from == site.name, cut.to == site.name) {
                    (true, _) => &cut.to,
                    (_, true) => &cut.from,
                    (false, false) => return false,
                };
                world.seats.iter().any(|seat| seat.name() == *other)
            })
        })
    }

    pub(super) fn mend_site(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64, what: Broken) {
        match what {
            Broken::SiteDown { site } => {
                world.note(&format!("boot {}", world.sites()[site].name));
                sim.bounce(world.sites()[site].name.as_str());
                world.sites()[site].calm(now);
            }
            Broken::SiteStalled { site } => {
                world.sites()[site].stalled_until.set(0);
                world.sites()[site].calm(now);
            }
            Broken::SitesCut(id) => {
                self.cut_off(world, id).for_each(|site| site.calm(now));
                self.cuts.retain(|cut| cut.id != id);
                world.note("mended a cut of sites");
                self.apply_cuts(sim, world);
            }
            Broken::Down { .. }
            | Broken::Failing { .. }
            | Broken::Stopping { .. }
            | Broken::Replaced { .. }
            | Broken::Cut(_)
            | Broken::Slow { .. }
            | Broken::Latency => {}
        }
    }
}
