//! The brake: many nodes that fall silent together are more often a cut than a death, and moving everything away
//! from what still runs would be the greater harm. Decides who of the lost is expired now and who is held until
//! other members have looked too. A process whose death is proven is never held, and one node alone is an ordinary
//! failure. Managers that name one node, or have one host, are one node. What proves a death is `refusal`'s decision.

use super::{Health, Observed, refusal::Refusing};
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

    /// By the name that the Manager gave of its node, else by its address.
    #[must_use]
    pub fn named(machine: &Machine, row: &ManagerRow) -> Self {
        match machine.manager_disk(&row.manager) {
            Some(held) => {
                Self { location: row.location.clone(), host: held.node.as_str().to_owned() }
            }
            None => Self::of(row),
        }
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
    /// Those of them that had got none when they were asked before, too: one lost packet is no evidence.
    pub missed_again: BTreeSet<NodeId>,
}

impl Probe {
    /// Nobody has answered yet.
    #[must_use]
    pub fn begun(incarnation: Incarnation, at: Monotonic, voters: usize) -> Self {
        let nobody = BTreeSet::new;
        let (reached_by, missed_by, missed_again) = (nobody(), nobody(), nobody());
        Self { incarnation, at, voters, reached_by, missed_by, missed_again }
    }

    /// Notes who had missed the same life a moment before.
    pub(super) fn follows(&mut self, before: &Self) {
        let soon = self.at.since(before.at) < limits::PROBE_COUNTS_FOR;
        if soon && before.incarnation == self.incarnation {
            self.missed_again = self.missed_by.intersection(&before.missed_by).copied().collect();
        }
    }

    /// Nobody reaches it, and those who tried twice are, with the leader, a majority.
    fn confirms(&self, row: &ManagerRow, silent_since: Monotonic, now: Monotonic) -> bool {
        self.incarnation == row.incarnation
            && self.at >= silent_since
            && now.since(self.at) < limits::PROBE_COUNTS_FOR
            && self.reached_by.is_empty()
            && (self.missed_again.len() + 1) * 2 > self.voters
    }
}

/// Who is held, for the alarm and for those who look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brake {
    /// Silent Managers that are not expired, by their nodes.
    pub held: BTreeMap<Node, BTreeSet<ManagerId>>,
    /// Where the brake is on.
    pub locations: BTreeSet<LocationId>,
    /// Managers that others are asked about, though none is held: their ports refuse, which is no proof by itself, or
    /// no pipe has stood to them and it is not known whether that is so for all.
    pub doubted: BTreeSet<ManagerId>,
}

/// Questions in a row about the same Managers: after two there is evidence, and a round of the plan that sees it.
const QUESTIONS_IN_A_ROW: u64 = 3;

impl Brake {
    /// Whom the other members are asked about in their so manieth question: all that are held or doubted, or,
    /// where those are more than a member looks for at a time, one part after the other.
    #[must_use]
    pub fn asked(&self, question: u64) -> Vec<&ManagerId> {
        let all: BTreeSet<&ManagerId> = self.held.values().flatten().chain(&self.doubted).collect();
        let parts = all.len().div_ceil(limits::PROBES_A_MEMBER).max(1);
        let part = usize::try_from(question / QUESTIONS_IN_A_ROW).unwrap_or_default() % parts;
        all.into_iter().skip(part * limits::PROBES_A_MEMBER).take(limits::PROBES_A_MEMBER).collect()
    }
}

/// What becomes of the lost.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) expiries: Vec<Command>,
    pub(super) brake: Brake,
}

/// How a location stands.
#[derive(Default)]
struct Site<'a> {
    nodes: BTreeSet<Node>,
    /// Of which something is suspect or silent, or which were taken for down in silence a moment ago.
    lapsing: BTreeSet<Node>,
    /// Something is suspect or silent.
    unwell: bool,
    /// Something was not heard since ages count: nothing is known of it.
    unheard: bool,
    silent: BTreeMap<Node, Vec<&'a ManagerRow>>,
}

/// Costs a look at each Manager, and little more while none is lost.
pub(super) fn judge(machine: &Machine, observed: &Observed, now: Monotonic) -> Judged {
    let mut judged = Judged::default();
    let mut any = !observed.braked.is_empty();
    let refusing = Refusing::of(machine, observed, now);
    judged.brake.doubted = refusing.doubtful();
    for row in live(machine) {
        let health = refusing.health(row);
        if is_unreached(observed, row, now) && health != Health::Lost(DownReason::Refused) {
            judged.brake.doubted.insert(row.manager.clone());
        }
        match health {
            Health::Lost(why @ DownReason::Refused) => judged.expiries.push(expire(row, why)),
            Health::Lost(why @ DownReason::Silent) if stalls(observed, row, now) => {
                judged.expiries.push(expire(row, why));
            }
            Health::Lost(DownReason::Silent) => any = true,
            Health::Well | Health::Suspect => {}
        }
    }
    if any {
        for (location, site) in sites(machine, observed, now, &refusing) {
            site.judge(observed, location, now, &mut judged);
        }
    }
    judged
}

pub(super) fn live(machine: &Machine) -> impl Iterator<Item = &ManagerRow> {
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

/// The network is well and the Manager is not: its pipe stands, and it does not beat. For longer than a dead pipe can
/// look alive: a disk that stands still must not keep a lease.
pub(super) fn stalls(observed: &Observed, row: &ManagerRow, now: Monotonic) -> bool {
    observed.piped.contains(&row.manager)
        && now.since(observed.silent_since(row)) >= limits::DOWN_AFTER + limits::PIPE_SILENCE
}

/// No pipe of this leader has stood to it, and neither do others reach it: a wrong address says nothing of the network. That
/// the leader alone does not reach it does.
pub(super) fn is_nowhere(observed: &Observed, row: &ManagerRow, now: Monotonic) -> bool {
    observed.newcomers.contains(&row.manager) && is_confirmed(observed, row, now)
}

/// It has checked in, and a dial has had its time. A check-in goes over whatever member the Manager reaches: where the leader
/// is cut off it would hide that for as long as it counts as a proof of life.
fn is_unreached(observed: &Observed, row: &ManagerRow, now: Monotonic) -> bool {
    observed.newcomers.contains(&row.manager)
        && now.since(observed.silent_since(row)) >= limits::DIAL_WITHIN
}

fn sites<'a>(
    machine: &'a Machine,
    observed: &'a Observed,
    now: Monotonic,
    refusing: &Refusing<'_>,
) -> BTreeMap<&'a LocationId, Site<'a>> {
    let mut sites: BTreeMap<&LocationId, Site<'a>> = BTreeMap::new();
    for row in live(machine) {
        let node = Node::named(machine, row);
        let site = sites.entry(&row.location).or_default();
        let known = !is_nowhere(observed, row, now);
        site.unheard |= !observed.has_heard(row);
        match refusing.health(row) {
            Health::Lost(DownReason::Silent) if stalls(observed, row, now) => {}
            Health::Lost(DownReason::Silent) => {
                site.silent.entry(node.clone()).or_default().push(row);
                site.lapses(&node, known);
            }
            Health::Suspect => site.lapses(&node, known),
            Health::Well if is_unreached(observed, row, now) => site.lapses(&node, known),
            Health::Well | Health::Lost(DownReason::Refused) => {}
        }
        site.nodes.insert(node);
    }
    for (node, _) in observed.lapsed.iter().filter(|(_, lapse)| lapse.counts(now)) {
        let site = sites.entry(&node.location).or_default();
        site.nodes.insert(node.clone());
        site.lapsing.insert(node.clone());
    }
    sites
}

impl Site<'_> {
    fn lapses(&mut self, node: &Node, known: bool) {
        if known {
            self.lapsing.insert(node.clone());
            self.unwell = true;
        }
    }

    /// More than one node, and at least a third, have fallen silent within one down time. One that is suspect
    /// counts: cut off with the others, it is lost a beat later. Once on it stays on until all are well or gone: as a cut
    /// heals, those that are heard first say nothing of the others.
    fn is_braked(&self, observed: &Observed, location: &LocationId) -> bool {
        let many = self.lapsing.len() > 1 && self.lapsing.len() * 3 >= self.nodes.len();
        let stays = observed.braked.contains(location) && (self.unwell || self.unheard);
        stays || (many && self.unwell)
    }

    /// Of those that others find silent too, the one that has been so for longest: one that comes and goes does not
    /// keep the others waiting.
    fn next(&self, observed: &Observed, now: Monotonic, location: &LocationId) -> Option<&Node> {
        if !may_go_on(observed, now, location) {
            return None;
        }
        let confirmed = self
            .silent
            .iter()
            .filter(|(_, rows)| rows.iter().all(|row| is_confirmed(observed, row, now)));
        let since = |rows: &[&ManagerRow]| rows.iter().map(|row| observed.silent_since(row)).max();
        confirmed.min_by_key(|(_, rows)| since(rows)).map(|(node, _)| node)
    }

    fn judge(
        &self,
        observed: &Observed,
        location: &LocationId,
        now: Monotonic,
        judged: &mut Judged,
    ) {
        let braked = self.is_braked(observed, location);
        let mut next = self.next(observed, now, location);
        for (node, rows) in &self.silent {
            if !braked || next.take_if(|next| *next == node).is_some() {
                let lost = rows.iter().map(|row| expire(row, DownReason::Silent));
                judged.expiries.extend(lost);
            } else {
                let managers = rows.iter().map(|row| row.manager.clone()).collect();
                judged.brake.held.insert(node.clone(), managers);
            }
        }
        if braked {
            judged.brake.locations.insert(location.clone());
        }
    }
}

fn may_go_on(observed: &Observed, now: Monotonic, location: &LocationId) -> bool {
    let mut let_go =
        observed.lapsed.iter().filter(|(node, lapse)| node.location == *location && lapse.braked);
    let_go.all(|(_, lapse)| now.since(lapse.at) >= limits::BRAKE_EVERY)
}

fn is_confirmed(observed: &Observed, row: &ManagerRow, now: Monotonic) -> bool {
    let probe = observed.probes.get(&row.manager);
    probe.is_some_and(|probe| probe.confirms(row, observed.silent_since(row), now))
}

#[cfg(test)]
mod tests;
