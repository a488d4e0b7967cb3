//! Managers of all three kinds that are killed (`kill -9`): again and again, while what they should run changes, some of it
//! dies, and the group is written to; and at each step of a life, which is before its check-in, between that and the leader's
//! pipe, and while it stops. No service is lost, none is there twice. Real processes throughout. A disk that is slow for a file
//! of theirs holds them before their check-in.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tradewind_domain::{
    control::row::ManagerState,
    limits::{STOP_WITHIN, TRADER_STOPS_WITHIN},
};
use tradewind_faulty_disk::FaultyDisk;
use tradewind_launcher::{Passing, kill_process, process_is_alive};
use tradewind_tests_cluster::{
    asked, eventually, eventually_async,
    load::Load,
    other_venue::page,
    send,
    site::Site,
    started::{services, started_as, zombies},
};

const SOON: Duration = Duration::from_secs(120);
const KINDS: [Kind; 3] = [Kind::Broker, Kind::Market, Kind::Trader];

/// Of a Manager and its services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Broker,
    Market,
    Trader,
}

impl Kind {
    fn manager(self) -> &'static str {
        ["broker-manager", "market-manager", "trader-manager"][self as usize]
    }

    /// As its Manager calls the service of what is declared under this name.
    fn service(self, name: &str) -> String {
        match self {
            Self::Broker => format!("broker.{name}.0"),
            Self::Market => format!("market.{name}.0"),
            Self::Trader => format!("trader.{name}"),
        }
    }

    /// For so long one that is asked to stop is let live at least.
    fn stops_within(self) -> Duration {
        match self {
            Self::Broker | Self::Market => STOP_WITHIN,
            Self::Trader => TRADER_STOPS_WITHIN,
        }
    }

    fn declare(self, site: &Site, name: &str) {
        match self {
            Self::Broker => {
                let venue = ["--venue", "sim", "--endpoint", "127.0.0.1:1"];
                site.does(&[&["account", "put", name], &venue[..]].concat(), &[]);
            }
            Self::Market => {
                let route = format!("{}/USD=sim", name.to_uppercase().replace('-', ""));
                site.does(&["market", "put", name, "--route", &route], &[]);
            }
            Self::Trader => {
                site.does(&["trader", "put", name, "--customer", "acme"], &["sleep", "86400"]);
            }
        }
    }

    fn remove(self, site: &Site, name: &str) {
        match self {
            Self::Broker => site.does(&["account", "rm", name, "--release"], &[]),
            Self::Market => site.does(&["market", "rm", name], &[]),
            Self::Trader => site.does(&["trader", "rm", name], &[]),
        }
    }
}

/// Copies of algos of these Traders: their names are those of this test alone.
fn algos(mark: &str) -> Vec<String> {
    started_as("TRADEWIND_TRADER=", &format!("TRADEWIND_TRADER={mark}"))
}

struct World {
    site: Site,
    /// The node of each kind's Manager, and what it should run.
    nodes: [usize; 3],
    wanted: [BTreeSet<String>; 3],
    /// Begins the names of all that is declared.
    mark: String,
    named: u32,
}

impl World {
    async fn start() -> Self {
        let mut world = Self::empty(&|_| Vec::new()).await;
        world.fill().await;
        world
    }

    /// Managers that were just started, and nothing that they should run.
    async fn empty(environment: &dyn Fn(&Path) -> Vec<(String, String)>) -> Self {
        let mut site = Site::of(0).await;
        let mut nodes = [0; 3];
        for kind in KINDS {
            let node = site.start_on(kind.manager(), "n1", Passing::All, environment).await;
            nodes[kind as usize] = node;
        }
        let mark = format!("k{}-", std::process::id());
        Self { site, nodes, wanted: Default::default(), mark, named: 0 }
    }

    async fn fill(&mut self) {
        self.site.does(&["customer", "put", "acme"], &[]);
        for kind in [Kind::Broker, Kind::Broker, Kind::Market, Kind::Market, Kind::Market] {
            self.declare(kind);
        }
        (0..5).for_each(|_| self.declare(Kind::Trader));
        for kind in KINDS {
            self.settles(kind, "at first").await;
        }
    }

    fn declare(&mut self, kind: Kind) {
        self.named += 1;
        let name = format!("{}{}", self.mark, self.named);
        kind.declare(&self.site, &name);
        self.wanted[kind as usize].insert(name);
    }

    /// Takes back what was declared first, and gives its service; one account stays for the routes.
    fn remove(&mut self, kind: Kind) -> String {
        let first = self.wanted[kind as usize].iter().min_by_key(|name| name.len()).cloned();
        let first = first.unwrap();
        kind.remove(&self.site, &first);
        self.wanted[kind as usize].remove(&first);
        kind.service(&first)
    }

    fn wants(&self, kind: Kind, service: &str) -> bool {
        self.wanted[kind as usize].iter().any(|name| kind.service(name) == service)
    }

    fn node(&self, kind: Kind) -> usize {
        self.nodes[kind as usize]
    }

    async fn pids(&self, kind: Kind) -> BTreeMap<String, u32> {
        self.site.processes(self.node(kind)).await.unwrap_or_default()
    }

    /// The Manager runs what is wanted; there is nothing else, nothing twice, and nothing that has ended and was not reaped.
    async fn is_whole(&self, kind: Kind) -> bool {
        let (node, names) = (self.node(kind), &self.wanted[kind as usize]);
        let mut expected: Vec<String> = names.iter().map(|name| kind.service(name)).collect();
        expected.sort();
        let told: Vec<String> = self.pids(kind).await.into_keys().collect();
        told == expected
            && services(self.site.data(node)) == expected
            && zombies(self.site.pid(node)) == 0
            && (kind != Kind::Trader || algos(&self.mark).iter().eq(names))
    }

    /// Waits until that is so, and a leader stands behind all of it.
    async fn settles(&self, kind: Kind, when: &str) {
        let node = self.node(kind);
        let settled = async || self.is_whole(kind).await && self.site.is_confirmed(node).await;
        eventually_async(&format!("{kind:?}s are whole {when}"), SOON, settled).await;
    }

    /// Fails if one of these was started anew, but for Traders of a customer who was placed since that version of his affinity.
    async fn has_kept(&self, kind: Kind, kept: &BTreeMap<String, u32>, affinity: u64, when: &str) {
        // A customer who had to be placed anew has other copies of all his Traders.
        if kind == Kind::Trader && self.affinity().await != affinity {
            return;
        }
        let after = self.pids(kind).await;
        for (name, pid) in kept {
            assert_eq!(after.get(name), Some(pid), "{name} was started anew {when}");
        }
    }

    async fn is_down(&self, kind: Kind) -> bool {
        let managers = self.site.told().await.managers;
        managers.iter().any(|row| {
            row.manager.to_string().ends_with(kind.manager()) && row.state == ManagerState::Down
        })
    }

    async fn affinity(&self) -> u64 {
        self.site.told().await.customers.iter().map(|row| row.affinity_version).sum()
    }

    /// One Manager is killed, and comes back; sometimes after it was taken for down, and not all it ran lives to see it.
    async fn round(&mut self, round: u64) {
        let kind = KINDS[usize::try_from(round % 3).unwrap()];
        let (turn, node) = (round / 3, self.node(kind));
        let when = format!("in round {round}");
        let (before, affinity) = (self.pids(kind).await, self.affinity().await);
        // when
        self.site.kill(node);
        // then: what it ran runs on, although its parent is gone
        assert!(before.values().all(|pid| process_is_alive(*pid)), "{when}: {before:?}");
        assert_eq!(services(self.site.data(node)).len(), before.len(), "{when}");
        // when
        if turn % 2 == 1 {
            eventually_async("it is down", SOON, || self.is_down(kind)).await;
        }
        self.declare(kind);
        self.remove(kind);
        let mut kept = before;
        kept.retain(|name, _| self.wants(kind, name));
        if turn % 3 == 2 {
            let (_, victim) = kept.pop_last().unwrap();
            kill_process(victim);
        }
        self.site.start_again(node);
        // then
        self.settles(kind, &when).await;
        self.has_kept(kind, &kept, affinity, &when).await;
    }

    /// A life of its Manager is about to have its number.
    fn draws_a_number(&self, kind: Kind) -> bool {
        self.site.data(self.node(kind)).join("incarnation.tmp").exists()
    }

    /// A life of its Manager does not go on to its check-in: it has found these, or has no number yet.
    async fn is_held(&self, kind: Kind, found: Option<&BTreeMap<String, u32>>) -> bool {
        match found {
            Some(found) => self.pids(kind).await == *found,
            None => self.draws_a_number(kind),
        }
    }

    /// Its Manager is killed, and so is its next life before its check-in: without a number, or once it has found what runs.
    async fn begins_in_vain(&mut self, kind: Kind, finds: bool, disk: &FaultyDisk) {
        let node = self.node(kind);
        let life = self.site.life(node).await;
        let when = format!("once a life began in vain, which found them: {finds}");
        let (mut kept, affinity) = (self.pids(kind).await, self.affinity().await);
        let data = self.site.data(node).to_owned();
        // when
        self.site.kill(node);
        let held_at = if finds {
            // A life opens it when it has looked for services and has not begun to check in; only its making can be slow.
            fs::remove_file(data.join("beat")).unwrap();
            format!("slow create 600000 {}/beat", data.display())
        } else {
            format!("slow fdatasync 600000 {}/incarnation", data.display())
        };
        disk.rules(&held_at).unwrap();
        self.site.start_again(node);
        let held = || self.is_held(kind, finds.then_some(&kept));
        eventually_async(&format!("it is held {when}"), SOON, held).await;
        assert_eq!(self.site.life(node).await, life, "it has checked in {when}");
        self.site.kill(node);
        // then: what ran runs on
        assert!(kept.values().all(|pid| process_is_alive(*pid)), "{when}: {kept:?}");
        assert!(services(&data).iter().eq(kept.keys()), "{when}");
        // when
        disk.rules("").unwrap();
        self.declare(kind);
        let gone = self.remove(kind);
        kept.remove(&gone);
        self.site.start_again(node);
        // then
        self.settles(kind, &when).await;
        self.has_kept(kind, &kept, affinity, &when).await;
    }

    /// Its Manager is killed while it waits for one of its services alone. `false`: it waited no more, which it may once that one
    /// has had its time.
    async fn is_killed_while_it_stops(&mut self, kind: Kind) -> bool {
        let (node, mut before) = (self.node(kind), self.pids(kind).await);
        let (left, pid) = before.pop_last().unwrap();
        // when: one stands still, so that it does not end although it is asked to, and the others do
        send(pid, Signal::STOP);
        let asked = Instant::now();
        send(self.site.pid(node), Signal::TERM);
        let had_its_time = || !process_is_alive(pid) && asked.elapsed() >= kind.stops_within();
        let stopping = Some(vec!["stopping".to_owned()]);
        let waits = async || self.site.services(node).await == stopping || had_its_time();
        eventually_async("its Manager waits for that one alone", SOON, waits).await;
        let there = services(self.site.data(node));
        assert!(there == [left] || had_its_time(), "not all others have ended: {there:?}");
        self.site.kill(node);
        // Where its parent was the last of its session the kernel hangs it up and lets it go on: it is to stand still all the same.
        send(pid, Signal::STOP);
        let was_killed = !had_its_time();
        // then: nothing is started beside it
        self.site.start_again(node);
        let whole = || self.is_whole(kind);
        eventually_async(&format!("{kind:?}s are there once"), SOON, whole).await;
        // when
        send(pid, Signal::CONT);
        // then
        self.settles(kind, "once the one that was to stop is awake").await;
        assert!(!before.values().any(|pid| process_is_alive(*pid)), "{before:?}");
        was_killed
    }
}

/// `TRADEWIND_MANAGER_KILLS=50` for the long run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managers_that_are_killed_again_and_again_under_load_lose_and_double_no_service() {
    let mut world = World::start().await;
    let load = Load::start(&world.site.group, 4, 64);
    for round in 0..asked("TRADEWIND_MANAGER_KILLS", 9) {
        world.round(round).await;
    }
    load.goes_on(10, SOON).await;
    load.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managers_that_are_killed_before_their_check_in_lose_and_double_no_service() {
    // given: first lives, none of which comes to have a number
    let disk = FaultyDisk::of(Path::new("/")).unwrap();
    disk.rules("slow fdatasync 600000 /incarnation").unwrap();
    let mut world = World::empty(&|_| disk.environment()).await;
    for kind in KINDS {
        eventually("it draws its number", SOON, || world.draws_a_number(kind));
        assert_eq!(world.site.life(world.node(kind)).await, 0, "{kind:?}: it has checked in");
    }
    // when
    for node in world.nodes {
        world.site.kill(node);
    }
    disk.rules("").unwrap();
    for node in world.nodes {
        world.site.start_again(node);
    }
    // then
    world.fill().await;
    // and: lives that have services already
    for kind in KINDS {
        for finds in [false, true] {
            world.begins_in_vain(kind, finds, &disk).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managers_that_are_killed_between_check_in_and_pipe_lose_and_double_no_service_and_start_none_untold()
 {
    // given
    let mut world = World::start().await;
    for kind in KINDS {
        let node = world.node(kind);
        let life = world.site.life(node).await;
        let (mut kept, affinity) = (world.pids(kind).await, world.affinity().await);
        // when: one dies that is wanted no more, and nobody tells the next life so
        world.site.kill(node);
        let gone = world.remove(kind);
        kill_process(kept.remove(&gone).unwrap());
        world.site.let_through(node, Passing::AllButPipes);
        world.site.start_again(node);
        let found = async || world.site.life(node).await > life && world.pids(kind).await == kept;
        eventually_async("it has checked in, and has found what runs", SOON, found).await;
        // then
        let own = page(world.site.own(node), "/v1/status").await;
        assert!(own["manager"].is_string() && own["leader"].is_null(), "it has a pipe: {own}");
        let there = services(world.site.data(node));
        assert!(there.iter().eq(kept.keys()), "{gone} was started untold: {there:?}");
        // when
        world.site.kill(node);
        assert!(kept.values().all(|pid| process_is_alive(*pid)), "{kept:?}");
        world.declare(kind);
        world.site.let_through(node, Passing::All);
        world.site.start_again(node);
        // then
        let when = "once its Manager was killed before its pipe";
        world.settles(kind, when).await;
        world.has_kept(kind, &kept, affinity, when).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn managers_that_are_killed_while_they_stop_have_each_service_once_when_they_are_back() {
    // given
    let mut world = World::start().await;
    for kind in KINDS {
        // A machine that stands still for as long as a service is given shows nothing of this: then once more.
        let mut was_killed = false;
        for _ in 0..3 {
            was_killed = was_killed || world.is_killed_while_it_stops(kind).await;
        }
        assert!(was_killed, "{kind:?}: its Manager did not wait for its service each time");
    }
}
