//! The brake: many nodes that fall silent together are more often a cut than a death, and moving everything away
//! from what still runs would be the greater harm. Decides who of the lost is expired now and who is held until
//! other members have looked too. A process whose death is proven is never held, and one node alone is an ordinary
//! failure. Managers at one host are one node.

use super::{Health, Observed};
use crate::{
    control::{
        Command, Machine,
        command::DownReason,
        row::{ManagerRow, ManagerState},
    },
    ids::{Incarnation, LocationId, ManagerId, NodeId},
    limits,
    time::Monotonic,
};
use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

/// What fails as one: the Managers of a location that have one host in their addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    pub location: LocationId,
    pub host: String,
}

impl Node {
    #[must_use]
    pub fn of(row: &ManagerRow) -> Self {
        let host = row.address.rsplit_once(':').map_or(row.address.as_str(), |(host, _)| host);
        Self { location: row.location.clone(), host: host.to_owned() }
    }
}

/// A node that this leader has taken for down in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lapse {
    pub at: Monotonic,
    /// It was held before, and others had found the same.
    pub braked: bool,
}

impl Lapse {
    /// Whether it still says something about those that fall silent now.
    #[must_use]
    pub fn counts(&self, now: Monotonic) -> bool {
        let within = if self.braked { limits::BRAKE_EVERY } else { limits::DOWN_AFTER };
        now.since(self.at) < within
    }
}

/// What the other members found when they were asked to reach a Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The life that was looked for.
    pub incarnation: Incarnation,
    /// When they were asked.
    pub at: Monotonic,
    /// Members whose votes count, the leader among them.
    pub voters: usize,
    pub reached_by: BTreeSet<NodeId>,
    /// Those that tried and got no answer. One that was not reached itself is in neither.
    pub missed_by: BTreeSet<NodeId>,
}

impl Probe {
    /// Nobody reaches it, and those who tried are, with the leader, a majority.
    fn confirms(&self, row: &ManagerRow, silent_since: Monotonic, now: Monotonic) -> bool {
        self.incarnation == row.incarnation
            && self.at >= silent_since
            && now.since(self.at) < limits::PROBE_COUNTS_FOR
            && self.reached_by.is_empty()
            && (self.missed_by.len() + 1) * 2 > self.voters
    }
}

/// Who is held, for the alarm and for those who look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brake {
    /// Silent Managers that are not expired, by their nodes.
    pub held: BTreeMap<Node, BTreeSet<ManagerId>>,
    /// Where the brake is on.
    pub locations: BTreeSet<LocationId>,
}

/// What becomes of the lost.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) expiries: Vec<Command>,
    pub(super) brake: Brake,
}

/// Costs a look at each Manager, and little more while none is lost.
pub(super) fn judge(machine: &Machine, observed: &Observed, now: Monotonic) -> Judged {
    let mut judged = Judged::default();
    let mut silent: BTreeMap<Node, Vec<&ManagerRow>> = BTreeMap::new();
    for row in live(machine) {
        match observed.health(row, now) {
            Health::Lost(why @ DownReason::Refused) => judged.expiries.push(expire(row, why)),
            Health::Lost(DownReason::Silent) => silent.entry(Node::of(row)).or_default().push(row),
            Health::Well | Health::Suspect => {}
        }
    }
    let locations: BTreeSet<_> = silent.keys().map(|node| node.location.clone()).collect();
    for location in locations {
        let of_it = silent.iter().filter(|(node, _)| node.location == location);
        if !is_on(machine, observed, now, &location) {
            let lost = of_it.flat_map(|(_, rows)| rows.iter());
            judged.expiries.extend(lost.map(|row| expire(row, DownReason::Silent)));
            continue;
        }
        let mut next = of_it.clone().find(|(_, rows)| {
            may_go_on(observed, now, &location)
                && rows.iter().all(|row| is_confirmed(observed, row, now))
        });
        for (node, rows) in of_it {
            if next.take_if(|(next, _)| *next == node).is_some() {
                let lost = rows.iter().map(|row| expire(row, DownReason::Silent));
                judged.expiries.extend(lost);
            } else {
                let managers = rows.iter().map(|row| row.manager.clone()).collect();
                judged.brake.held.insert(node.clone(), managers);
            }
        }
        judged.brake.locations.insert(location);
    }
    judged
}

fn live(machine: &Machine) -> impl Iterator<Item = &ManagerRow> {
    machine.managers().filter(|row| row.state == ManagerState::Live)
}

fn expire(row: &ManagerRow, why: DownReason) -> Command {
    Command::ExpireManager {
        manager: row.manager.clone(),
        incarnation: row.incarnation,
        epoch: row.epoch,
        why,
    }
}

/// More than one node, and at least a third of the location's, have fallen silent within one down time. One
/// that is suspect counts: cut off with the others, it is lost a beat later.
fn is_on(machine: &Machine, observed: &Observed, now: Monotonic, location: &LocationId) -> bool {
    let (mut nodes, mut lapsing) = (BTreeSet::new(), BTreeSet::new());
    for row in live(machine).filter(|row| row.location == *location) {
        nodes.insert(Node::of(row));
        match observed.health(row, now) {
            Health::Suspect | Health::Lost(DownReason::Silent) => {
                lapsing.insert(Node::of(row));
            }
            Health::Well | Health::Lost(DownReason::Refused) => {}
        }
    }
    for node in lapsed(observed, now, location) {
        nodes.insert(node.clone());
        lapsing.insert(node.clone());
    }
    lapsing.len() > 1 && lapsing.len() * 3 >= nodes.len()
}

fn lapsed<'a>(
    observed: &'a Observed,
    now: Monotonic,
    location: &'a LocationId,
) -> impl Iterator<Item = &'a Node> {
    let lapsed = observed.lapsed.iter().filter(move |(node, _)| node.location == *location);
    lapsed.filter(move |(_, lapse)| lapse.counts(now)).map(|(node, _)| node)
}

fn may_go_on(observed: &Observed, now: Monotonic, location: &LocationId) -> bool {
    let lapsed = observed.lapsed.iter().filter(|(node, _)| node.location == *location);
    lapsed.map(|(_, lapse)| lapse.at).all(|at| now.since(at) >= limits::BRAKE_EVERY)
}

fn is_confirmed(observed: &Observed, row: &ManagerRow, now: Monotonic) -> bool {
    let probe = observed.probes.get(&row.manager);
    probe.is_some_and(|probe| probe.confirms(row, observed.silent_since(row), now))
}

#[cfg(test)]
mod tests;
