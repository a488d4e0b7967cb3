//! A simulated Manager: checks in, accepts the leader's pipe, beats, does what it is told, confirms cordons, and
//! leaves undone what it may not do without a lease. Decides its order of steps, as `data-plane/node` has it; when
//! its lease holds and which orders count is decided by the same code of `domain`.

mod told;

pub(crate) use told::wanted;

use crate::{
    caller::Caller,
    planted::Planted,
    sites::{Post, Service, Site, at},
    wire::{Frames, FromManager, ToManager, millis, read, write},
    world::World,
};
use std::{collections::BTreeSet, future::pending, net::Ipv4Addr, rc::Rc};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use told::{is_fencing, on_record};
use tradewind_domain::{
    control::{Command, Desired, Outcome, Refusal, desired::Verdict},
    ids::{Epoch, Fence, Incarnation, ServiceId},
    limits::{BEAT_EVERY, DIAL_WITHIN},
};
use turmoil::net::{TcpListener, TcpStream, tcp::OwnedWriteHalf};

pub(crate) const CAPACITY: u32 = 40;

/// As `data-plane/node` has them.
const ALONE_AFTER_MS: u64 = 1_000;
const CHECK_IN_AGAIN_MS: u64 = 100;
const CHECK_IN_ATTEMPT_MS: u64 = 2_000;

/// So soon one that stood still notices that it was woken.
const STALL_LOOK_MS: u64 = 20;

/// Both Managers of a site, until its host crashes.
pub(crate) async fn process(world: Rc<World>, site: usize) -> turmoil::Result {
    for post in 0..world.sites[site].posts.len() {
        tokio::task::spawn_local(lives(world.clone(), site, post));
    }
    pending().await
}

/// One life after the other: whoever is dropped stops, and is started anew after a while.
async fn lives(world: Rc<World>, site: usize, post: usize) {
    loop {
        let here = &world.sites[site].posts[post];
        let Ok(door) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, here.port)).await else { return };
        if let Some(manager) = Manager::new(world.clone(), site, post) {
            manager.live(door).await;
        }
        // It stops in order, and what it had with it.
        here.life.set(None);
        here.services.borrow_mut().clear();
        here.sessions.borrow_mut().clear();
        sleep(millis(world.sites[site].chance.within(300..1_500))).await;
    }
}

struct Leader {
    right: Fence,
    to: OwnedWriteHalf,
    frames: Frames<ToManager>,
}

struct Manager {
    world: Rc<World>,
    site: usize,
    post: usize,
    life: u64,
    caller: Rc<Caller>,
    leader: Option<Leader>,
    /// Whether this life was registered, as far as it was told: the leader's pipe may be for the life before.
    registered: bool,
    /// The highest right that was shown here.
    highest: Fence,
    beats: u64,
    /// The cordons that the last beat has confirmed.
    confirmed: BTreeSet<Epoch>,
    /// Before that its services have not been found again.
    adopted_at: u64,
    check_in_at: Instant,
    /// A check-in is under way; its end, when it comes.
    checking_in: bool,
}

enum Inbox {
    Greeted(Box<Leader>),
    CheckedIn(Option<Outcome>),
}

impl Manager {
    fn new(world: Rc<World>, site: usize, post: usize) -> Option<Self> {
        let (of, here) = (&world.sites[site], &world.sites[site].posts[post]);
        let (now, life) = (world.now_ms.get(), here.lives.get() + 1);
        here.lives.set(life);
        here.life.set(Some((life, now)));
        here.lease.replace(Default::default());
        let name = format!("{}-{}-{life}", of.name, here.manager.kind);
        let caller = Caller::new(&world, &name, of.chance.fork())?.at_site(site);
        world.note(&format!("{} begins life {life}", here.manager));
        let adopted_at = now + of.chance.within(20..400);
        Some(Self {
            caller: Rc::new(caller),
            world,
            site,
            post,
            life,
            leader: None,
            registered: false,
            highest: Fence::default(),
            beats: 0,
            confirmed: BTreeSet::new(),
            adopted_at,
            check_in_at: Instant::now(),
            checking_in: false,
        })
    }

    fn site(&self) -> &Site {
        &self.world.sites[self.site]
    }

    fn here(&self) -> &Post {
        &self.site().posts[self.post]
    }

    fn now(&self) -> u64 {
        self.world.elapsed_ms()
    }

    fn holds(&self) -> bool {
        self.here().lease.borrow().holds(at(self.now()))
    }

    async fn live(mut self, door: TcpListener) {
        let (sender, mut inbox) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        let mut beat = interval(BEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if let Some(desired) = self.here().intent.borrow().clone() {
            // All of it was assigned before: an earlier life ran it.
            self.apply(&desired, true, true);
        }
        loop {
            self.stand_still().await;
            while tasks.try_join_next().is_some() {}
            let unknown = !self.registered && self.world.planted != Some(Planted::PipeIsEnough);
            let alone = (self.leader.is_none() || unknown) && !self.checking_in;
            tokio::select! {
                Ok((stream, _)) = door.accept() => {
                    let life = Incarnation(self.life);
                    tasks.spawn_local(greet(stream, life, self.here().manager.clone(), sender.clone()));
                }
                Some(arrived) = inbox.recv() => match arrived {
                    Inbox::Greeted(leader) => self.on_pipe(*leader).await,
                    Inbox::CheckedIn(outcome) => {
                        if self.on_checked_in(outcome) {
                            return;
                        }
                    }
                },
                frame = next_of(&mut self.leader) => self.on_frame(frame).await,
                _ = beat.tick() => self.on_tick().await,
                () = sleep_until(self.check_in_at), if alone => {
                    self.checking_in = true;
                    let check_in = self.check_in();
                    let (caller, sender) = (self.caller.clone(), sender.clone());
                    tasks.spawn_local(async move {
                        let asked = caller.command(caller.key(), check_in);
                        let heard = timeout(millis(CHECK_IN_ATTEMPT_MS), asked).await;
                        let outcome = heard.ok().and_then(|heard| heard.outcome);
                        let _ = sender.send(Inbox::CheckedIn(outcome)).await;
                    });
                }
            }
        }
    }

    /// Its process stands still: nothing is done, and nothing is noticed.
    async fn stand_still(&self) {
        while self.site().stalled_until.get() > self.now() {
            sleep(millis(STALL_LOOK_MS.min(self.site().stalled_until.get() - self.now()))).await;
        }
    }

    fn check_in(&self) -> Command {
        let here = self.here();
        let address: std::net::IpAddr = turmoil::lookup(self.site().name.as_str());
        Command::CheckIn {
            manager: here.manager.clone(),
            location: self.site().location.clone(),
            address: format!("{address}:{}", here.port),
            incarnation: Incarnation(self.life),
            capacity: CAPACITY,
        }
    }

    /// Whether it was dropped and stops.
    fn on_checked_in(&mut self, outcome: Option<Outcome>) -> bool {
        self.checking_in = false;
        let refused = match outcome {
            Some(Outcome::Refused { refusal: Refusal::Dropped { .. } }) => return true,
            Some(Outcome::Accepted { .. }) => false,
            Some(Outcome::Refused { .. }) | None => true,
        };
        self.registered |= !refused;
        let wait = if refused { CHECK_IN_AGAIN_MS } else { ALONE_AFTER_MS };
        self.check_in_at = Instant::now() + millis(wait);
        false
    }

    /// Whoever shows a lower right than another has shown is refused: his end of the pipe just closes.
    async fn on_pipe(&mut self, leader: Leader) {
        if leader.right < self.highest {
            return;
        }
        self.highest = leader.right;
        self.leader = Some(leader);
        self.here().lease.borrow_mut().pipe_changed();
        self.beat().await;
    }

    async fn on_frame(&mut self, frame: Option<ToManager>) {
        match frame {
            Some(ToManager::Desired(desired)) => self.on_desired(*desired),
            Some(ToManager::Answer { n }) => {
                let held = self.holds();
                self.here().lease.borrow_mut().beat_answered(n);
                if !held && self.holds() {
                    // What was withheld without it is started now.
                    self.reconsider();
                }
            }
            Some(ToManager::Ping | ToManager::Hello { .. }) => {}
            None => {
                self.leader = None;
                self.check_in_at = Instant::now() + millis(ALONE_AFTER_MS);
                self.here().lease.borrow_mut().pipe_changed();
            }
        }
    }

    fn on_desired(&mut self, desired: Desired) {
        self.registered = true;
        let held = self.here().intent.borrow().clone();
        let registered = Some(desired.fence.cluster);
        match desired.verdict(held.as_ref(), registered) {
            Verdict::Newer => {
                self.here().intent.replace(Some(desired));
                self.reconsider();
            }
            Verdict::Same => drop(self.here().intent.replace(Some(desired))),
            Verdict::Older | Verdict::Foreign => {}
        }
    }

    fn reconsider(&self) {
        let Some(desired) = self.here().intent.borrow().clone() else { return };
        // Behind a cordon that it has confirmed nothing is started that was not there.
        let open = self.confirmed.is_disjoint(&desired.cordons)
            || self.world.planted == Some(Planted::CordonConfirmedEarly);
        self.apply(&desired, self.holds() && open, false);
    }

    /// `resumed`: it starts with what an earlier life had.
    fn apply(&self, desired: &Desired, start_new: bool, resumed: bool) {
        let (here, now, chance) = (self.here(), self.now(), &self.site().chance);
        here.reap(now);
        let wanted = wanted(desired);
        let mut services = here.services.borrow_mut();
        for (service, held) in services.iter_mut() {
            if wanted.get(service) != Some(&held.epoch) && held.ends_at.is_none() {
                held.ends_at = Some(now + chance.within(10..300));
            }
        }
        for (service, epoch) in wanted {
            // One that still stops is started anew once it has; T1: an earlier copy of a Trader may still be accepted.
            if !start_new || services.contains_key(&service) || is_fencing(desired, &service) {
                continue;
            }
            let live_at = now + chance.within(20..400);
            self.world.note(&format!("{} starts {service} {epoch}", here.manager));
            let new = here.started.borrow_mut().insert((service.clone(), epoch));
            if new && !resumed {
                self.world.overseen.borrow().came(&self.world, here, &service.to_string());
            }
            services.insert(service, Service { epoch, live_at, ends_at: None });
        }
        drop(services);
        if desired.empties {
            here.sessions.borrow_mut().pop_first();
        }
    }

    async fn on_tick(&mut self) {
        self.reconsider();
        self.beat().await;
    }

    async fn beat(&mut self) {
        let now = self.now();
        if self.leader.is_none() || now < self.adopted_at {
            return;
        }
        self.beats += 1;
        let n = self.beats;
        let (cordons, held, starting) = self.own_word(now);
        let fenced = on_record(self.here(), now);
        self.confirmed.clone_from(&cordons);
        let Some(leader) = &mut self.leader else { return };
        let beat = FromManager::Beat { n, cordons, held, starting, fenced };
        if write(&mut leader.to, &beat).await.is_ok() {
            self.here().lease.borrow_mut().beat_sent(n, at(now));
        }
    }

    /// The cordons it confirms, what it holds, and what of that is not at work yet.
    fn own_word(&self, now: u64) -> (BTreeSet<Epoch>, u64, u32) {
        let (here, planted) = (self.here(), self.world.planted);
        here.reap(now);
        let services = here.services.borrow();
        let arrived = |(service, epoch): (&ServiceId, &Epoch)| {
            let held = services.get(service).filter(|held| held.epoch == *epoch);
            held.is_some_and(|held| held.live_at <= now && held.ends_at.is_none())
        };
        let early = planted == Some(Planted::CordonConfirmedEarly);
        let cordons = match &*here.intent.borrow() {
            Some(desired) if early || wanted(desired).iter().all(arrived) => {
                desired.cordons.clone()
            }
            _ => BTreeSet::new(),
        };
        let starting = services.values().filter(|held| held.live_at > now).count() as u32;
        let held = match planted {
            Some(Planted::HeldUntold) => 0,
            _ => (services.len() + here.sessions.borrow().len()) as u64,
        };
        (cordons, held, starting)
    }
}

async fn greet(
    stream: TcpStream,
    incarnation: Incarnation,
    manager: tradewind_domain::ids::ManagerId,
    inbox: mpsc::Sender<Inbox>,
) {
    let (mut from, mut to) = stream.into_split();
    let hello = timeout(DIAL_WITHIN, read(&mut from)).await;
    let Ok(Ok(ToManager::Hello { fence: right, to: whom })) = hello else { return };
    if whom != manager || write(&mut to, &FromManager::Up { incarnation }).await.is_err() {
        return;
    }
    let leader = Leader { right, to, frames: Frames::of(from) };
    let _ = inbox.send(Inbox::Greeted(Box::new(leader))).await;
}

async fn next_of(leader: &mut Option<Leader>) -> Option<ToManager> {
    match leader {
        Some(leader) => leader.frames.next().await,
        None => pending().await,
    }
}
