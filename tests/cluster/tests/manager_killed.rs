//! Managers of all three kinds that are killed (`kill -9`) again and again, while what they should run changes, some of it
//! dies, and the group is written to: no service is lost, none is there twice. Real processes throughout.
#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tradewind_domain::control::row::ManagerState;
use tradewind_launcher::{Passing, kill_process, process_is_alive};
use tradewind_tests_cluster::{
    asked, eventually_async,
    load::Load,
    site::Site,
    started::{services, started_as},
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
        let mut site = Site::of(0).await;
        let mut nodes = [0; 3];
        for kind in KINDS {
            nodes[kind as usize] = site.start(kind.manager(), "n1", Passing::All).await;
        }
        site.does(&["customer", "put", "acme"], &[]);
        let mark = format!("k{}-", std::process::id());
        let mut world = Self { site, nodes, wanted: Default::default(), mark, named: 0 };
        for kind in [Kind::Broker, Kind::Broker, Kind::Market, Kind::Market, Kind::Market] {
            world.declare(kind);
        }
        (0..5).for_each(|_| world.declare(Kind::Trader));
        for kind in KINDS {
            world.settles(kind, "at first").await;
        }
        world
    }

    fn declare(&mut self, kind: Kind) {
        self.named += 1;
        let name = format!("{}{}", self.mark, self.named);
        kind.declare(&self.site, &name);
        self.wanted[kind as usize].insert(name);
    }

    /// Takes back what was declared first; one account stays for the routes.
    fn remove(&mut self, kind: Kind) {
        let first = self.wanted[kind as usize].iter().min_by_key(|name| name.len()).cloned();
        let first = first.unwrap();
        kind.remove(&self.site, &first);
        self.wanted[kind as usize].remove(&first);
    }

    fn node(&self, kind: Kind) -> usize {
        self.nodes[kind as usize]
    }

    async fn pids(&self, kind: Kind) -> BTreeMap<String, u32> {
        self.site.processes(self.node(kind)).await.unwrap_or_default()
    }

    /// Waits until the Manager runs what is wanted, and there is nothing else, and nothing twice.
    async fn settles(&self, kind: Kind, when: &str) {
        let expected: Vec<String> = {
            let mut names: Vec<_> =
                self.wanted[kind as usize].iter().map(|name| kind.service(name)).collect();
            names.sort();
            names
        };
        let data = self.site.data(self.node(kind)).to_owned();
        let whole = || async {
            let told: Vec<String> = self.pids(kind).await.into_keys().collect();
            told == expected
                && services(&data) == expected
                && (kind != Kind::Trader
                    || algos(&self.mark)
                        == self.wanted[kind as usize].iter().cloned().collect::<Vec<_>>())
        };
        eventually_async(&format!("{kind:?}s are whole {when}"), SOON, whole).await;
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
        let kept =
            |name: &String| self.wanted[kind as usize].iter().any(|n| kind.service(n) == *name);
        let mut kept: Vec<_> = before.iter().filter(|(name, _)| kept(name)).collect();
        if turn % 3 == 2 {
            let (_, victim) = kept.pop().unwrap();
            kill_process(*victim);
        }
        self.site.start_again(node);
        // then
        self.settles(kind, &when).await;
        let after = self.pids(kind).await;
        // A customer who had to be placed anew has other copies of all his Traders.
        if kind != Kind::Trader || self.affinity().await == affinity {
            for (name, pid) in kept {
                assert_eq!(after.get(name), Some(pid), "{name} was started anew {when}");
            }
        }
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

#[test]
fn a_service_that_is_there_twice_and_one_that_is_left_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let mark = format!("seen{}-", std::process::id());
    let start = |name: &str| {
        let mut sleep = std::process::Command::new("sleep");
        sleep.arg("100").env("TRADEWIND_SERVICE", name);
        sleep.env("TRADEWIND_TRADER", format!("{mark}t"));
        sleep.env("TRADEWIND_STATE_DIR", dir.path().join("services").join(name)).spawn().unwrap()
    };
    let mut all = [start("trader.a"), start("trader.a"), start("trader.b")];
    // A process that has just been made has the environment of its parent for a moment.
    let twice = || services(dir.path()) == ["trader.a", "trader.a", "trader.b"];
    tradewind_tests_cluster::eventually("both are seen", SOON, twice);
    assert_eq!(algos(&mark).len(), 3);
    for child in &mut all {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(services(dir.path()).is_empty());
}
