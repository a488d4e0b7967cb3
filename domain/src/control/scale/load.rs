//! How full a location is. Decides what counts as used and what as taken: what placement has put there, by the
//! machine, and the sessions that its MarketManagers have told this leader of. What moves away is used and what
//! takes nothing new is no room; of what was not told there is no picture, and nothing follows from it.

use super::{Provisioner, ScaleSpec};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    control::{
        command::Command,
        machine::Machine,
        placement::{Door, Item, anything_waits, gather, solve},
        plan::{Health, Observed},
        row::{ManagerRow, ManagerState},
    },
    ids::{ImplementationId, LocationId, ManagerId, ManagerKind},
    time::Monotonic,
};
use alloc::collections::BTreeMap;
use serde::{Deserialize, Serialize};

/// Why one more is asked for. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Shortage {
    /// Fewer than the least.
    Least { there: u32 },
    /// As full as its upper mark, or fuller.
    Load { kind: ManagerKind, percent: u32 },
    /// What found no place, for want of room.
    Waiting { kind: ManagerKind, count: u32 },
}

/// Of one kind of Managers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub used: u64,
    pub capacity: u64,
}

impl Load {
    /// In whole percent, downwards.
    #[must_use]
    pub fn percent(self) -> u32 {
        let percent = self.used.saturating_mul(100).checked_div(self.capacity);
        percent.map_or(u32::MAX, |percent| u32::try_from(percent).unwrap_or(u32::MAX))
    }

    pub(super) fn reaches(self, percent: u8) -> bool {
        self.used > 0
            && self.used.saturating_mul(100) >= self.capacity.saturating_mul(percent.into())
    }

    fn without(self, capacity: u64) -> Self {
        Self { capacity: self.capacity.saturating_sub(capacity), ..self }
    }
}

/// A location as this leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    pub loads: BTreeMap<ManagerKind, Load>,
    /// Every live Manager of it is well and has told this leader what it has.
    pub settled: bool,
}

impl Default for Site {
    fn default() -> Self {
        let none = ManagerKind::ALL.into_iter().map(|kind| (kind, Load::default()));
        Self { loads: none.collect(), settled: true }
    }
}

/// The locations that have settings.
#[must_use]
pub fn sites(machine: &Machine, observed: &Observed, now: Monotonic) -> BTreeMap<LocationId, Site> {
    let all = machine.scales().map(|row| (row.location.clone(), Site::default()));
    let mut sites: BTreeMap<LocationId, Site> = all.collect();
    for row in machine.managers() {
        let Some(scale) = machine.scale(&row.location) else { continue };
        let Some(site) = sites.get_mut(&row.location) else { continue };
        site.add(machine, observed, now, row, &scale.spec);
    }
    sites
}

fn is_well(observed: &Observed, now: Monotonic, row: &ManagerRow) -> bool {
    observed.has_heard(row) && observed.health(row, now) == Health::Well
}

fn is_live(row: &ManagerRow) -> bool {
    match row.state {
        ManagerState::Live => true,
        ManagerState::Down => false,
    }
}

/// How much one Manager takes.
fn capacity(row: &ManagerRow, spec: &ScaleSpec) -> u64 {
    match row.manager.kind {
        ManagerKind::BrokerManager | ManagerKind::TraderManager => row.capacity.into(),
        ManagerKind::MarketManager => spec.sessions_each.into(),
    }
}

impl Site {
    fn add(
        &mut self,
        machine: &Machine,
        observed: &Observed,
        now: Monotonic,
        row: &ManagerRow,
        spec: &ScaleSpec,
    ) {
        let live = is_live(row);
        let open = live && machine.cordon(&row.manager).is_none();
        let held = machine.tables.index.held(&row.manager);
        let used = match row.manager.kind {
            // A Broker stays where it is: on a Manager that takes nothing new it needs no room elsewhere.
            ManagerKind::BrokerManager => {
                held.filter(|_| open).map(|held| held.brokers.len() as u64)
            }
            ManagerKind::TraderManager => held.map(|held| held.weight.into()),
            ManagerKind::MarketManager if live => {
                let told = observed.told(row).and_then(|told| told.held);
                self.settled &= told.is_some();
                told
            }
            ManagerKind::MarketManager => None,
        };
        self.settled &= !live || is_well(observed, now, row);
        let load = self.loads.entry(row.manager.kind).or_default();
        load.used = load.used.saturating_add(used.unwrap_or_default());
        if open {
            load.capacity = load.capacity.saturating_add(capacity(row, spec));
        }
    }

    /// The first kind that is as full as its upper mark.
    pub(super) fn overload(&self, spec: &ScaleSpec) -> Option<Shortage> {
        let full = |(kind, load): (&ManagerKind, &Load)| {
            let percent = load.percent();
            load.reaches(spec.marks(*kind).out_percent)
                .then_some(Shortage::Load { kind: *kind, percent })
        };
        self.loads.iter().find_map(full).filter(|_| self.settled)
    }

    /// Whether every kind is below its lower mark.
    pub(super) fn is_quiet(&self, spec: &ScaleSpec) -> bool {
        let below = |(kind, load): (&ManagerKind, &Load)| {
            let in_percent = spec.marks(*kind).in_percent;
            load.used.saturating_mul(100) < load.capacity.saturating_mul(in_percent.into())
                || (load.used == 0 && in_percent > 0)
        };
        self.settled && self.loads.iter().all(below)
    }

    /// Whether every kind stays below its upper mark without one implementation: else one would be asked for again.
    pub(super) fn bears_loss_of(
        &self,
        machine: &Machine,
        spec: &ScaleSpec,
        implementation: &ImplementationId,
    ) -> bool {
        let left = |(kind, load): (&ManagerKind, &Load)| {
            let manager = ManagerId { implementation: implementation.clone(), kind: *kind };
            let own = machine.manager(&manager).map_or(0, |row| capacity(row, spec));
            !load.without(own).reaches(spec.marks(*kind).out_percent)
        };
        self.loads.iter().all(left)
    }
}

impl ScaleSpec {
    pub(super) fn marks(&self, kind: ManagerKind) -> super::Marks {
        match kind {
            ManagerKind::BrokerManager => self.brokers,
            ManagerKind::MarketManager => self.sessions,
            ManagerKind::TraderManager => self.traders,
        }
    }
}

impl Provisioner {
    /// How much of a kind one more will take, as far as is known.
    fn takes(&self) -> Option<u32> {
        match self {
            Self::Process { capacity } => Some(*capacity),
            Self::Exec { .. } => None,
        }
    }
}

/// What waits for a place that nobody has room for, by the kind that would take it. `planned`: what placement does in
/// this round; while it does anything, what waits may just be waiting for its turn, and there is no picture.
pub(super) fn waiting(
    machine: &Machine,
    observed: &Observed,
    now: Monotonic,
    planned: &[Command],
) -> Option<BTreeMap<ManagerKind, (u32, u32)>> {
    let mut found = BTreeMap::new();
    let places = planned.iter().any(|command| {
        matches!(command, Command::AssignBroker { .. } | Command::AssignCustomer { .. })
    });
    if places {
        return None;
    }
    if !anything_waits(machine, observed) {
        return Some(found);
    }
    let mut managers = machine.managers();
    if managers.any(|row| is_live(row) && !is_well(observed, now, row)) {
        return None;
    }
    let gathered = gather(machine, observed, now);
    let mut room = BTreeMap::<ManagerKind, u32>::new();
    for (manager, place) in &gathered.problem.places {
        if place.door == Door::Open {
            let most = room.entry(manager.kind).or_default();
            *most = (*most).max(place.capacity.saturating_sub(place.held));
        }
    }
    for (item, weight) in &gathered.problem.items {
        let kind = item.kind();
        if room.get(&kind).is_none_or(|room| room < weight) {
            let (count, least) = found.entry(kind).or_insert((0_u32, *weight));
            *count = count.saturating_add(1);
            *least = (*least).min(*weight);
        }
    }
    Some(found)
}

/// What waits that one implementation more, by these settings, would take.
pub(super) fn helped(
    machine: &Machine,
    waiting: &BTreeMap<ManagerKind, (u32, u32)>,
    spec: &ScaleSpec,
) -> Option<Shortage> {
    waiting.iter().find_map(|(kind, (count, least))| {
        let known = machine.managers().filter(|row| row.manager.kind == *kind);
        let usual = known.map(|row| row.capacity).max().unwrap_or(u32::MAX);
        let fits = spec.provisioner.takes().unwrap_or(usual) >= *least;
        fits.then_some(Shortage::Waiting { kind: *kind, count: *count })
    })
}

/// Whether the other TraderManagers of its location take all that an implementation has.
pub(super) fn fits_elsewhere(
    machine: &Machine,
    observed: &Observed,
    now: Monotonic,
    implementation: &ImplementationId,
) -> bool {
    let kind = ManagerKind::TraderManager;
    let from = ManagerId { implementation: implementation.clone(), kind };
    let Some(held) = machine.tables.index.held(&from) else { return true };
    let location = machine.manager(&from).map(|row| &row.location);
    let mut gathered = gather(machine, observed, now);
    let problem = &mut gathered.problem;
    problem.places.retain(|_, place| Some(&place.location) == location);
    problem.moves_at_once = u32::MAX;
    if let Some(place) = problem.places.get_mut(&from) {
        place.door = Door::Leaving;
    }
    for customer in &held.customers {
        let item = Item::Customer { customer: customer.clone() };
        let weight = machine.tables.index.followers(customer).weight();
        problem.items.insert(item.clone(), weight);
        gathered.previous.insert(item, from.clone());
    }
    solve(problem, &gathered.previous).values().all(|to| *to != from)
}
