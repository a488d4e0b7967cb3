//! Faults of a run, drawn as it goes. Decides what breaks, for how long and when it is whole again; every
//! draw comes from the seed, and what is broken at the same time may overlap.

mod members;
mod sites;

use crate::{chance::Chance, planted::Planted, scene::Scene, world::World};
use members::replace;
use sites::{ALONE, KINDS_OF_SITES};
use std::{ops::Range, rc::Rc, sync::atomic::Ordering, time::Duration};
use tradewind_replication::{Replica, Role};
use turmoil::Sim;

/// Between two faults, in milliseconds: a run is hectic, usual or calm.
const PAUSES: [Range<u64>; 3] = [15..120, 60..500, 250..1_500];

/// What can break, and how often it does beside the others.
const KINDS: [(Kind, u64); 7] = [
    (Kind::Crash, 40),
    (Kind::Partition, 25),
    (Kind::SlowDisk, 8),
    (Kind::SlowNetwork, 7),
    (Kind::Transfer, 10),
    (Kind::DiskFails, 4),
    (Kind::Stop, 6),
];

/// Where the group changes there is time for that.
const PAUSES_OF_MEMBERS: [Range<u64>; 2] = [150..1_500, 500..4_000];

/// And what can be lost for good there.
const KINDS_OF_MEMBERS: [(Kind, u64); 1] = [(Kind::DiskLost, 25)];

#[derive(Clone, Copy)]
enum Kind {
    Crash,
    Partition,
    SlowDisk,
    SlowNetwork,
    Transfer,
    DiskFails,
    Stop,
    DiskLost,
    SiteCrash,
    SiteStall,
    LeaderStall,
    SitePartition,
    SitesFromLeader,
    SitesRefuse,
    LeaderRefused,
}

/// Of a hundred runs with Managers, those in which nothing breaks but links of sites: a leader leads for long.
const ALONE_HAPPENS: u64 = 25;

/// Of a hundred runs, those in which a kind of fault happens at all: some orders of events are met only where
/// others do not disturb them.
const KIND_HAPPENS: u64 = 75;

pub(crate) struct Faults {
    chance: Chance,
    /// What happens in this run, each as often as it stands here.
    kinds: Vec<Kind>,
    pause: Range<u64>,
    next_at: u64,
    ends: Vec<End>,
    cuts: Vec<Cut>,
    /// Messages are held or lost in a run, not both: turmoil cannot tell them apart on one link.
    holds: bool,
    /// What was done, by kind.
    pub(crate) crashes: u64,
    pub(crate) partitions: u64,
    pub(crate) others: u64,
}

/// Something broken that is whole again at that time.
struct End {
    at: u64,
    what: Broken,
}

enum Broken {
    Down {
        seat: usize,
        power: bool,
    },
    /// Its disk fails, so that it stops by itself.
    Failing {
        seat: usize,
    },
    /// Asked to stop in order.
    Stopping {
        seat: usize,
    },
    Cut(u64),
    /// Its disk is another one, and it joins anew.
    Replaced {
        seat: usize,
    },
    Slow {
        seat: usize,
    },
    Latency,
    SiteDown {
        site: usize,
    },
    SiteStalled {
        site: usize,
    },
    /// A cut that keeps sites from members.
    SitesCut(u64),
}

/// Links that carry nothing, one way or both.
struct Cut {
    id: u64,
    from: String,
    to: String,
    both: bool,
}

impl Faults {
    pub(crate) fn new(chance: Chance, scene: Scene) -> Self {
        let holds = chance.percent(30);
        let next_at = 300 + chance.below(500);
        let mut kinds = Vec::new();
        let of_sites = KINDS_OF_SITES.into_iter().filter(|_| scene == Scene::Managers);
        let of_members = KINDS_OF_MEMBERS.into_iter().filter(|_| scene == Scene::Members);
        for (kind, weight) in KINDS.into_iter().chain(of_sites).chain(of_members) {
            if chance.percent(KIND_HAPPENS) {
                kinds.extend(std::iter::repeat_n(kind, weight as usize));
            }
        }
        let pauses: &[Range<u64>] =
            if scene == Scene::Members { &PAUSES_OF_MEMBERS } else { &PAUSES };
        let pause = chance.pick(pauses).cloned().unwrap_or(PAUSES[1].clone());
        if scene == Scene::Managers && chance.percent(ALONE_HAPPENS) {
            kinds = chance.pick(&ALONE).copied().into_iter().collect();
        }
        let (ends, cuts) = (Vec::new(), Vec::new());
        let (crashes, partitions, others) = (0, 0, 0);
        Self { chance, kinds, pause, next_at, ends, cuts, holds, crashes, partitions, others }
    }

    /// Does what is due. After the last fault nothing new breaks.
    pub(crate) fn step(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64, may_break: bool) {
        let (due, later) =
            std::mem::take(&mut self.ends).into_iter().partition(|end| end.at <= now);
        self.ends = later;
        let due: Vec<End> = due;
        for end in due {
            self.mend(sim, world, now, end.what);
        }
        self.look_at_members(sim, world, now);
        self.tell(sim, world, now);
        if may_break && now >= self.next_at {
            self.next_at = now + self.chance.within(self.pause.clone());
            self.break_something(sim, world, now);
        }
    }

    /// Everything broken is whole at once.
    pub(crate) fn mend_all(&mut self, world: &World) {
        self.ends.iter_mut().for_each(|end| end.at = 0);
        world.seats.iter().for_each(|seat| seat.stalled_until.set(0));
        let now = world.now_ms.get();
        world.refusals.borrow_mut().values_mut().for_each(|until| *until = (*until).min(now));
    }

    fn break_something(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        match self.chance.pick(&self.kinds) {
            // Every run has some faults.
            None | Some(Kind::Crash) => self.crash(sim, world, now),
            Some(Kind::Partition) => self.partition(sim, world, now),
            Some(Kind::SlowDisk) => self.slow_disk(world, now),
            Some(Kind::SlowNetwork) => self.slow_network(sim, world, now),
            Some(Kind::Transfer) => self.transfer(world),
            Some(Kind::DiskFails) => self.fail_disk(world, now),
            Some(Kind::Stop) => self.stop_in_order(world, now),
            Some(Kind::DiskLost) => self.lose_disk(sim, world, now),
            Some(Kind::SiteCrash) => self.crash_site(sim, world, now),
            Some(Kind::SiteStall) => self.stall_site(world, now),
            Some(Kind::LeaderStall) => self.stall_leader(world, now),
            Some(Kind::SitePartition) => self.partition_sites(sim, world, now),
            Some(Kind::SitesFromLeader) => self.cut_from_leader(sim, world, now),
            Some(Kind::SitesRefuse) => self.refuse_at_sites(world, now),
            Some(Kind::LeaderRefused) => self.refuse_leader(world, now),
        }
    }

    /// Seats whose process is up, the leader first if there is one.
    fn up(&self, world: &World) -> Vec<usize> {
        let leads = |at: &usize| {
            let running = world.seats[*at].running.borrow();
            running.as_ref().is_some_and(|running| running.replica.status().role == Role::Leader)
        };
        let up = (0..world.seats.len()).filter(|at| world.seats[*at].running.borrow().is_some());
        let (mut up, others): (Vec<usize>, Vec<usize>) = up.partition(leads);
        up.extend(others);
        up
    }

    fn crash(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let up = self.up(world);
        let members = world.seats.len();
        let who = match self.chance.below(10) {
            0..4 => up.first().copied().into_iter().collect(),
            4..7 => self.chance.some(&up, 1),
            7 => self.chance.some(&up, (members - 1) / 2),
            8 => self.chance.some(&up, members / 2 + 1),
            _ => up,
        };
        let power = self.chance.percent(60);
        for seat in who {
            self.crash_one(sim, world, now, seat, power);
        }
        self.crashes += 1;
    }

    fn crash_one(&mut self, sim: &mut Sim, world: &World, now: u64, seat: usize, power: bool) {
        world.note(&format!("crash m{} power {power}", seat + 1));
        world.seats[seat].unplug();
        sim.crash(world.seats[seat].name());
        let at = now + self.outage();
        self.ends.push(End { at, what: Broken::Down { seat, power } });
    }

    /// 1 ms to 3 s, mostly short.
    fn outage(&self) -> u64 {
        let longest = [3, 40, 400, 1_000, 3_000];
        1 + self.chance.below(*self.chance.pick(&longest).unwrap_or(&3))
    }

    fn fail_disk(&mut self, world: &Rc<World>, now: u64) {
        let up = self.up(world);
        let Some(&seat) = self.chance.pick(&up) else { return };
        world.note(&format!("syncs fail at m{}", seat + 1));
        world.seats[seat].fail_disk();
        let at = now + self.chance.within(50..1_500);
        self.ends.push(End { at, what: Broken::Failing { seat } });
        self.others += 1;
    }

    fn stop_in_order(&mut self, world: &Rc<World>, now: u64) {
        let up = self.up(world);
        let Some(&seat) = self.chance.pick(&up) else { return };
        if let Some(running) = world.seats[seat].running.borrow().as_ref() {
            world.note(&format!("stop m{}", seat + 1));
            running.stop.notify_one();
            let at = now + self.outage();
            self.ends.push(End { at, what: Broken::Stopping { seat } });
            self.others += 1;
        }
    }

    fn partition(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let names: Vec<String> = world.seats.iter().map(|seat| seat.name()).collect();
        let up = self.up(world);
        let alone = match self.chance.below(3) {
            0 => up.first().copied().into_iter().collect(),
            1 => self.chance.some(&(0..names.len()).collect::<Vec<_>>(), 1),
            _ => self.chance.some(&(0..names.len()).collect::<Vec<_>>(), names.len() / 2),
        };
        let one_way = !self.holds && self.chance.percent(40);
        let inwards = self.chance.percent(50);
        let id = self.chance.next();
        for &inside in &alone {
            for outside in (0..names.len()).filter(|at| !alone.contains(at)) {
                let (mut from, mut to) = (names[inside].clone(), names[outside].clone());
                if inwards {
                    std::mem::swap(&mut from, &mut to);
                }
                self.cuts.push(Cut { id, from, to, both: !one_way });
            }
        }
        world.note(&format!("cut {alone:?} one way {one_way} holds {}", self.holds));
        self.apply_cuts(sim, world);
        let at =
            now + 20 + self.chance.below(*self.chance.pick(&[100, 700, 2_000]).unwrap_or(&100));
        self.ends.push(End { at, what: Broken::Cut(id) });
        self.partitions += 1;
    }

    /// All links are mended, then what is still cut is cut.
    fn apply_cuts(&self, sim: &mut Sim, world: &World) {
        let seats = world.seats.iter().map(|seat| seat.name());
        let names: Vec<String> =
            seats.chain(world.sites().iter().map(|site| site.name.clone())).collect();
        let cut = self.cuts.iter().map(|cut| (cut.from.clone(), cut.to.clone()));
        world.cut(cut.collect());
        for (n, a) in names.iter().enumerate() {
            for b in &names[..n] {
                if self.holds {
                    sim.release(a.as_str(), b.as_str());
                } else {
                    sim.repair(a.as_str(), b.as_str());
                }
            }
        }
        for Cut { from, to, both, .. } in &self.cuts {
            match (self.holds, both) {
                (true, _) => sim.hold(from.as_str(), to.as_str()),
                (false, true) => sim.partition(from.as_str(), to.as_str()),
                (false, false) => sim.partition_oneway(from.as_str(), to.as_str()),
            }
        }
    }

    fn slow_disk(&mut self, world: &Rc<World>, now: u64) {
        let seat = self.chance.below(world.seats.len() as u64) as usize;
        let micros = self.chance.within(5_000..120_000);
        world.note(&format!("slow disk m{} {micros}", seat + 1));
        world.seats[seat].slow.store(micros, Ordering::Relaxed);
        let at = now + self.chance.within(100..1_500);
        self.ends.push(End { at, what: Broken::Slow { seat } });
        self.others += 1;
    }

    fn slow_network(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64) {
        let most = self.chance.within(10..80);
        world.note(&format!("latency up to {most} ms"));
        sim.set_max_message_latency(Duration::from_millis(most));
        let at = now + self.chance.within(100..1_000);
        self.ends.push(End { at, what: Broken::Latency });
        self.others += 1;
    }

    fn transfer(&mut self, world: &Rc<World>) {
        let up = self.up(world);
        let (Some(&leader), Some(&to)) = (up.first(), self.chance.pick(&up)) else { return };
        let running = world.seats[leader].running.borrow().clone();
        let Some(running) = running else { return };
        let to = self.chance.percent(70).then_some(world.seats[to].node.get());
        world.note(&format!("transfer from m{} to {to:?}", leader + 1));
        let hand_over =
            |replica: Replica| async move { drop(replica.transfer_leadership(to).await) };
        drop(running.runtime.spawn(hand_over(running.replica)));
        self.others += 1;
    }

    fn mend(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64, what: Broken) {
        match what {
            Broken::Down { seat, power } => {
                let member = &world.seats[seat];
                member.replug(power);
                let wipes = world.planted == Some(Planted::WipedUnderOldId);
                if wipes && power && seat > 0 {
                    member.wipe(world.planted);
                }
                world.note(&format!("boot m{}", seat + 1));
                sim.bounce(member.name());
            }
            Broken::Failing { seat } => {
                let member = &world.seats[seat];
                // It may have died and come back in the meantime.
                if member.failing.get() && member.running.borrow().is_some() {
                    member.unplug();
                    sim.crash(member.name());
                    self.mend(sim, world, now, Broken::Down { seat, power: true });
                }
            }
            Broken::Stopping { seat } => self.after_stop(sim, world, now, seat),
            Broken::Cut(id) => {
                self.cuts.retain(|cut| cut.id != id);
                world.note("mended a cut");
                self.apply_cuts(sim, world);
            }
            Broken::Replaced { seat } => replace(sim, world, seat),
            Broken::Slow { seat } => world.seats[seat].slow.store(0, Ordering::Relaxed),
            Broken::Latency => sim.set_max_message_latency(MAX_LATENCY),
            site @ (Broken::SiteDown { .. } | Broken::SiteStalled { .. } | Broken::SitesCut(_)) => {
                self.mend_site(sim, world, now, site);
            }
        }
    }

    /// A member that stops in order takes its time, unless it was crashed meanwhile.
    fn after_stop(&mut self, sim: &mut Sim, world: &Rc<World>, now: u64, seat: usize) {
        let member = &world.seats[seat];
        let gone = |what: &Broken| match what {
            Broken::Down { seat: gone, .. } | Broken::Replaced { seat: gone } => *gone == seat,
            _ => false,
        };
        let crashed = self.ends.iter().any(|end| gone(&end.what)) || member.retired.get();
        if crashed || member.running.borrow().is_some() {
            return;
        }
        if sim.is_host_running(member.name()) {
            self.ends.push(End { at: now + 5, what: Broken::Stopping { seat } });
            return;
        }
        world.note(&format!("boot m{} after a stop", seat + 1));
        member.hardware.borrow().stop();
        member.replug(false);
        sim.bounce(member.name());
    }
}

pub(crate) const MAX_LATENCY: Duration = Duration::from_millis(4);
