//! A simulated Manager: checks in, accepts the leader's pipe, beats, does what it is told, confirms cordons, and
//! leaves undone what it may not do without a lease. Decides its order of steps, as `data-plane/node` has it; when
//! its lease holds and which orders count is decided by the same code of `domain`.

mod ledgers;
mod registration;
mod told;
mod work;

pub(crate) use ledgers::{Copies, Ledger, may_act};
pub(crate) use told::wanted;

use crate::{
    caller::Caller,
    planted::Planted,
    sites::{Post, Site, at},
    wire::{Frames, FromManager, ToManager, millis, read, write},
    world::World,
};
use registration::exchanged;
use std::{collections::BTreeSet, future::pending, net::Ipv4Addr, rc::Rc};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use told::{given_up, has_brokers, on_record};
use tradewind_domain::{
    control::{
        Desired, Outcome, desired::Verdict, level::FeatureLevel, telling::Assembly,
        unasked::Unasked,
    },
    ids::{Epoch, Fence, Incarnation, NodeName},
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

/// All Managers of a site, until its host crashes.
pub(crate) async fn process(world: Rc<World>, site: usize) -> turmoil::Result {
    for post in 0..world.sites()[site].posts().len() {
        tokio::task::spawn_local(lives(world.clone(), site, post));
    }
    pending().await
}

/// One life after the other: whoever is dropped stops, and is started anew after a while.
async fn lives(world: Rc<World>, site: usize, post: usize) {
    let here = &world.sites()[site].posts()[post];
    while !here.ended.get() && !world.sites()[site].gone.get() {
        let Ok(door) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, here.port)).await else { return };
        if let Some(manager) = Manager::new(world.clone(), site, post) {
            tokio::select! {
                () = manager.live(door) => {}
                () = taken_away(&world.sites()[site]) => return,
                () = exchanged(&world, site, post) => {
                    // Its services outlive it, as they do a crash.
                    world.note(&format!("{} is exchanged", here.manager));
                    here.life.set(None);
                    here.lease.replace(Default::default());
                    here.sessions.borrow_mut().clear();
                    sleep(millis(world.sites()[site].chance.within(30..400))).await;
                    continue;
                }
            }
        }
        // It stops in order, and what it had with it.
        here.life.set(None);
        here.services.borrow_mut().clear();
        here.sessions.borrow_mut().clear();
        // What was asked for is not started again when it was dropped: whoever started it takes it away.
        here.ended.set(world.sites()[site].request.get().is_some());
        sleep(millis(world.sites()[site].chance.within(300..1_500))).await;
    }
}

/// Returns when the machine is no longer this site's.
async fn taken_away(site: &Site) {
    if site.request.get().is_none() {
        return pending().await;
    }
    while !site.gone.get() {
        sleep(millis(STALL_LOOK_MS)).await;
    }
}

struct Leader {
    right: Fence,
    to: OwnedWriteHalf,
    frames: Frames<ToManager>,
    assembly: Assembly,
}

struct Manager {
    world: Rc<World>,
    site: usize,
    post: usize,
    life: u64,
    caller: Rc<Caller>,
    node: NodeName,
    /// What its build knows, if it says so.
    knows: Option<FeatureLevel>,
    leader: Option<Leader>,
    /// Whether this life was registered, as far as it was told: the leader's pipe may be for the life before.
    registered: bool,
    unasked: Unasked<Instant>,
    /// A leader has said in this life what should run.
    told: bool,
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
        let (of, here) = (&world.sites()[site], &world.sites()[site].posts()[post]);
        let (now, life) = (world.now_ms.get(), here.lives.get() + 1);
        here.lives.set(life);
        here.life.set(Some((life, now)));
        here.lease.replace(Default::default());
        here.disks.borrow_mut().insert(life, here.disk.get());
        let unasked = Unasked::new(here.intent.borrow().is_some(), Instant::now());
        let name = format!("{}-{}-{life}", of.name, here.manager.kind);
        let caller = Caller::new(&world, &name, of.chance.fork())?.at_site(site);
        world.note(&format!("{} begins life {life}", here.manager));
        let adopted_at = now + of.chance.within(20..400);
        let knows = world.builds.of_manager(site, post, world.elapsed_ms());
        Some(Self {
            knows,
            caller: Rc::new(caller),
            node: NodeName::new(&world.sites()[site].name).ok()?,
            world,
            site,
            post,
            life,
            leader: None,
            registered: false,
            unasked,
            told: false,
            highest: Fence::default(),
            beats: 0,
            confirmed: BTreeSet::new(),
            adopted_at,
            check_in_at: Instant::now(),
            checking_in: false,
        })
    }

    fn site(&self) -> &Site {
        &self.world.sites()[self.site]
    }

    fn here(&self) -> &Post {
        &self.site().posts()[self.post]
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
        if self.world.planted == Some(Planted::StartsUnasked) {
            self.go_on_alone();
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
                () = due(&mut self.unasked) => self.go_on_alone(),
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
            Some(ToManager::Desired(part)) => {
                match self.leader.as_mut().map(|leader| leader.assembly.take(*part)) {
                    Some(Ok(Some(desired))) => self.on_desired(desired),
                    Some(Ok(None)) | None => {}
                    Some(Err(_)) => self.leader = None,
                }
            }
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
        self.told = true;
        let held = self.here().intent.borrow().clone();
        let registered = Some(desired.fence.cluster);
        match desired.verdict(held.as_ref(), registered) {
            Verdict::Newer => {
                self.unasked.told();
                self.here().intent.replace(Some(desired));
                self.reconsider();
            }
            Verdict::Same => {
                self.here().intent.replace(Some(desired));
                // What is to run is no news, and that it still is may be.
                if self.unasked.told() {
                    self.reconsider();
                }
            }
            Verdict::Older | Verdict::Foreign => {}
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
        let given_up = given_up(self.here(), now);
        let brokers = has_brokers(self.here());
        let ledgers = self.tell_ledgers();
        let Some(leader) = &mut self.leader else { return };
        let beat =
            FromManager::Beat { n, cordons, held, starting, fenced, given_up, brokers, ledgers };
        if write(&mut leader.to, &beat).await.is_ok() {
            self.here().lease.borrow_mut().beat_sent(n, at(now));
        }
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
    let leader = Leader { right, to, frames: Frames::of(from), assembly: Assembly::default() };
    let _ = inbox.send(Inbox::Greeted(Box::new(leader))).await;
}

async fn due(unasked: &mut Unasked<Instant>) {
    match unasked.at() {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

async fn next_of(leader: &mut Option<Leader>) -> Option<ToManager> {
    match leader {
        Some(leader) => leader.frames.next().await,
        None => pending().await,
    }
}
