//! A refused dial: a process that has ended, or something between that answers for one that lives, such as a filter
//! that rejects or a proxy with nothing behind it. Decides when it proves a death: at once where a pipe to this very
//! life stood before and no other node of the location refuses at the time; otherwise another member must have missed
//! it too, asked after the refusal. What else follows is `brake`'s decision.

use super::{Health, Node, Observed, Probe, brake::live};
use crate::{
    control::{command::DownReason, machine::Machine, row::ManagerRow},
    ids::{LocationId, ManagerId},
    limits,
    time::Monotonic,
};
use alloc::collections::{BTreeMap, BTreeSet};

/// Whose ports refuse now, and who of them is dead for sure.
pub(super) struct Refusing<'a> {
    observed: &'a Observed,
    now: Monotonic,
    /// With those that were taken for dead for it a moment ago.
    nodes: BTreeMap<LocationId, BTreeSet<Node>>,
    dead: BTreeSet<ManagerId>,
    doubtful: BTreeSet<ManagerId>,
}

impl<'a> Refusing<'a> {
    /// Costs a look at each Manager while one refuses.
    pub(super) fn of(machine: &Machine, observed: &'a Observed, now: Monotonic) -> Self {
        let (nodes, dead, doubtful) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut refusing = Self { observed, now, nodes, dead, doubtful };
        let rows = || live(machine).filter(move |row| refuses(observed, row));
        for (node, at) in &observed.refused {
            if now.since(*at) < limits::DOWN_AFTER {
                refusing.note(node.clone());
            }
        }
        rows().for_each(|row| refusing.note(Node::named(machine, row)));
        for row in rows() {
            let into =
                if refusing.is_dead(row) { &mut refusing.dead } else { &mut refusing.doubtful };
            into.insert(row.manager.clone());
        }
        refusing
    }

    fn note(&mut self, node: Node) {
        self.nodes.entry(node.location.clone()).or_default().insert(node);
    }

    fn is_dead(&self, row: &ManagerRow) -> bool {
        let stood = self.observed.managers.get(&row.manager).is_some_and(|seen| seen.refused);
        let alone = self.nodes.get(&row.location).is_some_and(|nodes| nodes.len() == 1);
        let since = self.observed.refusals.get(&row.manager).copied().unwrap_or_default();
        let probe = self.observed.probes.get(&row.manager);
        let missed = probe.is_some_and(|probe| probe.misses(row, since, self.now));
        (stood && alone) || missed
    }

    /// Those that others should be asked about.
    pub(super) fn doubtful(&self) -> BTreeSet<ManagerId> {
        self.doubtful.clone()
    }

    /// How a Manager is doing when a refusal that proves nothing counts for nothing but suspicion.
    pub(super) fn health(&self, row: &ManagerRow) -> Health {
        if self.dead.contains(&row.manager) {
            return Health::Lost(DownReason::Refused);
        }
        self.observed.silence(row, self.now)
    }
}

fn refuses(observed: &Observed, row: &ManagerRow) -> bool {
    let seen = observed.managers.get(&row.manager);
    let seen = seen.filter(|sighting| sighting.incarnation == row.incarnation);
    seen.is_some_and(|sighting| sighting.refused) || observed.refusals.contains_key(&row.manager)
}

impl Probe {
    /// Another member has not reached this life either, and none has; or there is no other one to ask.
    fn misses(&self, row: &ManagerRow, refused_since: Monotonic, now: Monotonic) -> bool {
        self.incarnation == row.incarnation
            && self.at >= refused_since
            && now.since(self.at) < limits::PROBE_COUNTS_FOR
            && self.reached_by.is_empty()
            && (self.voters <= 1 || !self.missed_by.is_empty())
    }
}

#[cfg(test)]
mod tests;
