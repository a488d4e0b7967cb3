//! How many shards each Market has here, and which of them serve. Keeps what they have told and asks `domain::trading::shards`; a shard
//! that is one too many goes on until nothing comes over it. Starting and stopping is the Manager's work.

use crate::{clock::Clock, gateway::Shard};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tradewind_domain::{
    control::desired::MarketWanted,
    ids::{MarketId, ServiceId},
    limits::{LOAD_COUNTS_FOR, SHARDS_PER_MARKET},
    time::Monotonic,
    trading::shards::{Load, Marks, Shards, Standing, serving},
};
use tradewind_protocol::supervision::{ServiceReport, ServiceState};

#[derive(Debug)]
struct Sharded {
    shards: Shards,
    serving: BTreeSet<Shard>,
    told: BTreeMap<Shard, (Monotonic, Load)>,
    /// Those that were to run when it was looked last.
    runs: BTreeSet<Shard>,
}

/// What a look goes by.
pub(super) struct Scene<'a> {
    pub(super) markets: &'a [MarketWanted],
    pub(super) services: &'a [ServiceReport],
    /// Something may be started here.
    pub(super) open: bool,
    /// All that is here is to go.
    pub(super) emptied: bool,
    /// Shards of a Market over which something comes.
    pub(super) used: &'a dyn Fn(&MarketId) -> BTreeSet<Shard>,
}

/// What follows of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    pub(super) serving: Vec<(MarketId, BTreeSet<Shard>)>,
    /// Other shards are to run than before.
    pub(super) changed: bool,
}

/// All Markets here, for who measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) wanted: u64,
    pub(super) serving: u64,
    pub(super) busiest: u64,
}

pub(super) struct Scaling {
    clock: Clock,
    marks: Marks,
    markets: Mutex<BTreeMap<MarketId, Sharded>>,
}

impl Scaling {
    pub(super) fn new(marks: Marks) -> Self {
        let most = marks.most.clamp(1, SHARDS_PER_MARKET);
        let marks = Marks { most, ..marks };
        Self { clock: Clock::start(), marks, markets: Mutex::default() }
    }

    fn markets(&self) -> MutexGuard<'_, BTreeMap<MarketId, Sharded>> {
        self.markets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A service's word on its load.
    pub(super) fn heard(&self, service: &ServiceId, load: Load) {
        if let ServiceId::Market { market, shard } = service
            && let Some(sharded) = self.markets().get_mut(market)
        {
            sharded.told.insert(*shard, (self.clock.now(), load));
        }
    }

    /// The shards of a Market that should run. One that is seen for the first time has those that run already: an earlier life
    /// of this Manager has started them.
    pub(super) fn wanted(
        &self,
        market: &MarketId,
        services: &[ServiceReport],
        used: &BTreeSet<Shard>,
    ) -> BTreeSet<Shard> {
        let mut markets = self.markets();
        let sharded = markets.entry(market.clone()).or_insert_with(|| {
            let found = shards_of(market, services).map(|(shard, _)| shard).max().unwrap_or(0);
            Sharded {
                shards: Shards::new(found.saturating_add(1).min(SHARDS_PER_MARKET)),
                serving: BTreeSet::from([0]),
                told: BTreeMap::new(),
                runs: BTreeSet::new(),
            }
        });
        sharded.runs(used)
    }

    /// Looks at all of them.
    pub(super) fn look(&self, scene: &Scene<'_>) -> Looked {
        self.look_at(scene, self.clock.now())
    }

    fn look_at(&self, scene: &Scene<'_>, now: Monotonic) -> Looked {
        let mut markets = self.markets();
        markets.retain(|market, _| scene.markets.iter().any(|wanted| wanted.market == *market));
        let mut looked = Looked::default();
        for wanted in scene.markets {
            let Some(sharded) = markets.get_mut(&wanted.market) else { continue };
            let before = sharded.shards.count();
            // An instrument is on one shard: more of them than of it would have nothing to do.
            let routes = Shard::try_from(wanted.spec.routes.len()).unwrap_or(Shard::MAX);
            let most = match (scene.emptied, scene.open) {
                (true, _) => 1,
                (false, true) => self.marks.most.min(routes),
                (false, false) => self.marks.most.min(routes).min(before),
            };
            if sharded.look(now, Marks { most, ..self.marks }) {
                let shards = sharded.shards.count();
                tracing::info!(market = %wanted.market, before, shards, "another number of shards");
            }
            let standing = |shard| standing(&wanted.market, shard, scene.services);
            sharded.serving = serving(&sharded.serving, sharded.shards.count(), standing);
            looked.serving.push((wanted.market.clone(), sharded.serving.clone()));
            let runs = sharded.runs(&(scene.used)(&wanted.market));
            looked.changed |= runs != sharded.runs;
            sharded.runs = runs;
        }
        looked
    }

    pub(super) fn figures(&self) -> Figures {
        self.figures_at(self.clock.now())
    }

    fn figures_at(&self, now: Monotonic) -> Figures {
        let markets = self.markets();
        let fresh = markets.values().flat_map(|sharded| sharded.fresh(now));
        Figures {
            busiest: fresh.map(|(_, load)| u64::from(load.0)).max().unwrap_or(0),
            wanted: markets.values().map(|sharded| sharded.runs.len() as u64).sum(),
            serving: markets.values().map(|sharded| sharded.serving.len() as u64).sum(),
        }
    }
}

impl Sharded {
    fn look(&mut self, now: Monotonic, marks: Marks) -> bool {
        let fresh: BTreeMap<Shard, Load> = self.fresh(now).collect();
        // Before all of them serve, what each takes says nothing of what it will.
        let serve = |shard: &Shard| self.serving.contains(shard);
        let told = (0..self.shards.count())
            .map(|shard| fresh.get(&shard).copied().filter(|_| serve(&shard)))
            .collect::<Vec<_>>();
        self.shards.look(now, &told, marks)
    }

    fn fresh(&self, now: Monotonic) -> impl Iterator<Item = (Shard, Load)> {
        let told = self.told.iter().map(|(shard, told)| (*shard, *told));
        told.filter(move |(_, (at, _))| now.since(*at) < LOAD_COUNTS_FOR)
            .map(|(shard, (_, load))| (shard, load))
    }

    fn runs(&self, used: &BTreeSet<Shard>) -> BTreeSet<Shard> {
        (0..self.shards.count()).chain(used.iter().copied()).collect()
    }
}

fn shards_of<'a>(
    of: &'a MarketId,
    services: &'a [ServiceReport],
) -> impl Iterator<Item = (Shard, &'a ServiceReport)> {
    services.iter().filter_map(move |report| match &report.service {
        ServiceId::Market { market, shard } if market == of => Some((*shard, report)),
        ServiceId::Market { .. } | ServiceId::Broker { .. } | ServiceId::Trader { .. } => None,
    })
}

fn standing(market: &MarketId, shard: Shard, services: &[ServiceReport]) -> Standing {
    let report = shards_of(market, services).find(|(number, _)| *number == shard);
    let Some((_, report)) = report else { return Standing::Away };
    match report.state {
        _ if report.handed_back.is_some() => Standing::Away,
        ServiceState::Live => Standing::Live,
        ServiceState::Starting | ServiceState::Connecting | ServiceState::Waiting => {
            Standing::Starting
        }
        ServiceState::Stopping
        | ServiceState::Paused
        | ServiceState::Completed
        | ServiceState::Failed
        | ServiceState::Away => Standing::Away,
    }
}

#[cfg(test)]
mod tests;
