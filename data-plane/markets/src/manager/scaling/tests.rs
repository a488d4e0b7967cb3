//! Claims about how many shards of a Market a Manager has.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::market_wanted;
use std::time::Duration;
use tradewind_domain::{
    control::handed_back::Failure,
    limits::{SHARD_BUSY_FOR, SHARD_IDLE_FOR},
};

const MARKS: Marks = Marks { most: 4, busy: Load(600) };

struct World {
    scaling: Scaling,
    markets: Vec<MarketWanted>,
    services: Vec<ServiceReport>,
    used: BTreeSet<Shard>,
    open: bool,
    emptied: bool,
    now: Monotonic,
}

impl World {
    /// A Market of two instruments, of which so many shards run.
    fn with(shards: Shard) -> Self {
        let markets = vec![market_wanted("crypto")];
        let services = (0..shards).map(|shard| report(shard, ServiceState::Live)).collect();
        let mut world = Self {
            scaling: Scaling::new(MARKS),
            markets,
            services,
            used: (0..shards).collect(),
            open: true,
            emptied: false,
            now: Monotonic(0),
        };
        assert_eq!(world.wanted(), (0..shards.max(1)).collect());
        world.look();
        world
    }

    fn market(&self) -> &MarketId {
        &self.markets[0].market
    }

    fn wanted(&self) -> BTreeSet<Shard> {
        self.scaling.wanted(self.market(), &self.services, &self.used)
    }

    fn look(&mut self) -> Looked {
        let used = self.used.clone();
        let scene = Scene {
            markets: &self.markets,
            services: &self.services,
            open: self.open,
            emptied: self.emptied,
            used: &|_| used.clone(),
        };
        self.scaling.look_at(&scene, self.now)
    }

    /// Every shard takes so much for so long; whether other shards are to run then.
    fn takes(&mut self, load: u32, long: Duration) -> bool {
        let step = Duration::from_millis(500);
        let until = self.now + long + step;
        let mut changed = false;
        while self.now < until {
            self.now = self.now + step;
            let mut markets = self.scaling.markets();
            let told = &mut markets.get_mut(&self.markets[0].market).unwrap().told;
            for shard in 0..8 {
                told.insert(shard, (self.now, Load(load)));
            }
            drop(markets);
            changed |= self.look().changed;
        }
        changed
    }

    fn serving(&mut self) -> BTreeSet<Shard> {
        self.look().serving[0].1.clone()
    }
}

fn report(shard: Shard, state: ServiceState) -> ServiceReport {
    let service = ServiceId::Market { market: "crypto".parse().unwrap(), shard };
    ServiceReport { state, ..ServiceReport::starting(service) }
}

fn set(shards: &[Shard]) -> BTreeSet<Shard> {
    shards.iter().copied().collect()
}

#[test]
fn a_busy_market_gets_a_shard_which_serves_once_it_is_live_and_not_more_than_it_has_instruments() {
    let mut world = World::with(1);
    assert!(!world.takes(599, SHARD_BUSY_FOR * 2));
    assert!(world.takes(700, SHARD_BUSY_FOR));
    assert_eq!(world.wanted(), set(&[0, 1]));
    world.services.push(report(1, ServiceState::Starting));
    assert_eq!(world.serving(), set(&[0]));
    world.services[1] = report(1, ServiceState::Live);
    assert_eq!(world.serving(), set(&[0, 1]));
    world.used = set(&[0, 1]);
    // Its two instruments are on two shards.
    assert!(!world.takes(5_000, SHARD_IDLE_FOR * 3));
}

#[test]
fn a_shard_too_many_serves_no_more_and_is_stopped_when_nothing_comes_over_it() {
    let mut world = World::with(2);
    assert_eq!(world.serving(), set(&[0, 1]));
    assert!(!world.takes(200, SHARD_IDLE_FOR * 3), "one could not do it with room to spare");
    world.takes(100, SHARD_IDLE_FOR);
    assert_eq!(world.serving(), set(&[0]));
    assert_eq!(world.wanted(), set(&[0, 1]), "something comes over it");
    world.used = set(&[0]);
    assert!(world.look().changed);
    assert_eq!(world.wanted(), set(&[0]));
    assert!(!world.look().changed);
}

#[test]
fn one_that_dies_keeps_its_instruments_and_one_that_dies_again_and_again_does_not() {
    let mut world = World::with(2);
    for state in [ServiceState::Waiting, ServiceState::Starting, ServiceState::Connecting] {
        world.services[1] = report(1, state);
        assert_eq!(world.serving(), set(&[0, 1]), "{state:?}");
    }
    let handed_back = Some(Failure::Hung);
    world.services[1] = ServiceReport { handed_back, ..report(1, ServiceState::Live) };
    assert_eq!(world.serving(), set(&[0]));
    assert_eq!(world.wanted(), set(&[0, 1]), "it is tried again");
    world.services[1] = report(1, ServiceState::Connecting);
    assert_eq!(world.serving(), set(&[0]));
    world.services[1] = report(1, ServiceState::Live);
    assert_eq!(world.serving(), set(&[0, 1]));
}

#[test]
fn nothing_is_started_behind_a_cordon_and_what_is_emptied_comes_down_to_its_main_shard() {
    let mut world = World::with(1);
    world.open = false;
    assert!(!world.takes(5_000, SHARD_BUSY_FOR * 3));
    let mut world = World::with(2);
    world.open = false;
    assert!(!world.takes(5_000, SHARD_BUSY_FOR * 3), "what is there stays");
    world.emptied = true;
    world.takes(5_000, SHARD_BUSY_FOR * 3);
    world.used = set(&[0]);
    assert!(world.look().changed);
    assert_eq!(world.wanted(), set(&[0]));
}

#[test]
fn a_load_that_was_told_too_long_ago_decides_nothing() {
    let mut world = World::with(1);
    world.takes(700, Duration::from_secs(1));
    for _ in 0..20 {
        world.now = world.now + LOAD_COUNTS_FOR;
        assert!(!world.look().changed);
    }
    let figures = world.scaling.figures_at(world.now);
    assert_eq!(figures, Figures { wanted: 1, serving: 1, busiest: 0 });
    let mut world = World::with(1);
    let service = world.services[0].service.clone();
    world.scaling.heard(&service, Load(50));
    assert_eq!(world.scaling.figures().busiest, 50);
    // A Market that is wanted no more is forgotten.
    world.markets.clear();
    world.look();
    assert_eq!(world.scaling.figures(), Figures::default());
}
