//! What the leader proposes for scaling: the next step of each request, and of each location whether it needs one
//! implementation more or has one too many. Decides steps only: one a request, one a location and round; each is
//! conditional, and one that no longer fits is refused by the machine.

use super::{
    ProvisionRow, ProvisionState, Provisioner, ScaleCommand, ScaleRow, Shortage, Site,
    load::{fits_elsewhere, helped, sites, waiting},
};
use crate::{
    control::{
        command::Command, drain::DropSchedule, machine::Machine, plan::Observed, row::ManagerState,
    },
    ids::{LocationId, ManagerId, ManagerKind, NodeId, ProgramId},
    limits,
    time::Monotonic,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{cmp::Reverse, time::Duration};

/// What the member that leads may start, by its own options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// `None`: nothing.
    pub node: Option<NodeId>,
    pub process: bool,
    pub programs: BTreeSet<ProgramId>,
}

impl Offered {
    /// Who takes it on; else why not.
    fn taken_by(&self, provisioner: &Provisioner) -> Result<NodeId, String> {
        let Some(node) = self.node else { return Err("the leader offers no provisioner".into()) };
        match provisioner {
            Provisioner::Process { .. } if self.process => Ok(node),
            Provisioner::Exec { program, .. } if self.programs.contains(program) => Ok(node),
            Provisioner::Process { .. } => Err(format!(
                "the leader, node {node}, starts no processes: start members with --provision-process DIRECTORY"
            )),
            Provisioner::Exec { program, .. } => Err(format!(
                "the leader, node {node}, knows no program {program}: start members with \
                 --provision-exec {program}=PATH"
            )),
        }
    }
}

/// `planned`: what is proposed for placement in the same round.
pub(in crate::control) fn steps(
    machine: &Machine,
    observed: &Observed,
    now: Monotonic,
    planned: &[Command],
) -> Vec<Command> {
    if machine.tables.scales.is_empty() && machine.tables.provisions.is_empty() {
        return Vec::new();
    }
    let sites = sites(machine, observed, now);
    let waiting = waiting(machine, observed, now, planned);
    let round = Round { machine, observed, now, sites, waiting };
    let requests = machine.provisions().filter_map(|row| round.of_request(row));
    let mut steps: Vec<ScaleCommand> = requests.collect();
    // One request is answered before another is made for what may wait for the same.
    let mut awaited = machine.provisions().any(|row| match row.state {
        ProvisionState::Asked | ProvisionState::Starting => true,
        ProvisionState::Failed
        | ProvisionState::There
        | ProvisionState::Retiring
        | ProvisionState::Releasing
        | ProvisionState::Released => false,
    });
    for row in machine.scales() {
        let step = round.of_location(row, awaited);
        awaited |=
            matches!(step, Some(ScaleCommand::Ask { shortage: Shortage::Waiting { .. }, .. }));
        steps.extend(step);
    }
    steps.into_iter().map(Command::Scale).collect()
}

struct Round<'a> {
    machine: &'a Machine,
    observed: &'a Observed,
    now: Monotonic,
    sites: BTreeMap<LocationId, Site>,
    /// How many, and the weight of the lightest. Without a picture nothing is known to wait, nor not to.
    waiting: Option<BTreeMap<ManagerKind, (u32, u32)>>,
}

impl Round<'_> {
    fn of_request(&self, row: &ProvisionRow) -> Option<ScaleCommand> {
        let (request, revision) = (row.request, row.revision);
        let at = self.observed.at;
        match row.state {
            ProvisionState::Asked => {
                if self.is_wanted(row) {
                    Some(self.started(row))
                } else {
                    Some(ScaleCommand::GiveUp { request, revision })
                }
            }
            ProvisionState::Starting => self.while_starting(row),
            ProvisionState::Failed => {
                if self.is_there(row) {
                    return Some(ScaleCommand::Arrive { request, revision });
                }
                let nothing = self.machine.managers_of(&row.implementation).next().is_none();
                if nothing && !self.is_wanted(row) {
                    return Some(ScaleCommand::GiveUp { request, revision });
                }
                (at >= row.not_before).then(|| self.started(row))
            }
            ProvisionState::There => {
                self.is_gone(row).then_some(ScaleCommand::Release { request, revision })
            }
            ProvisionState::Retiring => {
                let drains = row.drain.is_some_and(|epoch| self.machine.drains_by(row, epoch));
                if self.is_gone(row) {
                    Some(ScaleCommand::Release { request, revision })
                } else {
                    (!drains).then_some(ScaleCommand::Keep { request, revision })
                }
            }
            ProvisionState::Releasing => self.while_releasing(row),
            ProvisionState::Released => None,
        }
    }

    /// By the member on whose machine some of it is; else by the leader, if it may; else it has failed.
    fn started(&self, row: &ProvisionRow) -> ScaleCommand {
        let (request, revision) = (row.request, row.revision);
        if let Some(node) = self.machine.bound_to(row) {
            return ScaleCommand::Start { request, revision, node };
        }
        match self.observed.offered.taken_by(&row.provisioner) {
            Ok(node) => ScaleCommand::Start { request, revision, node },
            Err(why) => ScaleCommand::Fail { request, revision, why },
        }
    }

    fn while_starting(&self, row: &ProvisionRow) -> Option<ScaleCommand> {
        let (request, revision) = (row.request, row.revision);
        let missing = self.machine.missing(&row.location, &row.implementation);
        if missing.is_empty() {
            return Some(ScaleCommand::Arrive { request, revision });
        }
        let deadline = Duration::from_secs(row.deadline_seconds.into());
        // Who was asked may say first what it was.
        if self.observed.at >= row.since + deadline + limits::PROVISION_SAYS_WITHIN {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let why = format!(
                "not checked in at {} within {} s: {}",
                row.location,
                row.deadline_seconds,
                missing.join(", ")
            );
            return Some(ScaleCommand::Fail { request, revision, why });
        }
        self.taken_over(row)
    }

    /// What the leader before may have left half done is asked for again, under the same id. What was to run on
    /// a machine is that machine's member's to do, whoever leads.
    fn taken_over(&self, row: &ProvisionRow) -> Option<ScaleCommand> {
        let (request, revision) = (row.request, row.revision);
        match &row.provisioner {
            Provisioner::Process { .. } => None,
            Provisioner::Exec { .. } if self.observed.at < row.not_before => None,
            Provisioner::Exec { .. } => match self.observed.offered.taken_by(&row.provisioner) {
                Ok(node) => (row.node != Some(node)).then_some(ScaleCommand::Start {
                    request,
                    revision,
                    node,
                }),
                // The one that was asked says itself what is missing.
                Err(_) if row.node.is_some() && row.node == self.observed.offered.node => None,
                Err(why) => Some(ScaleCommand::Fail { request, revision, why }),
            },
        }
    }

    fn while_releasing(&self, row: &ProvisionRow) -> Option<ScaleCommand> {
        let (request, revision) = (row.request, row.revision);
        let on_a_machine = match &row.provisioner {
            Provisioner::Process { .. } => true,
            Provisioner::Exec { .. } => false,
        };
        // A member that is gone for good takes nothing away any more, and has left nothing that is known.
        let member = row.node.is_some_and(|node| self.machine.admission(node).is_some());
        if on_a_machine && !member {
            return Some(ScaleCommand::Done { request, revision });
        }
        let deadline = Duration::from_secs(row.deadline_seconds.into());
        let deadline = deadline.max(limits::PROVISION_RELEASED_WITHIN);
        let begun = row.since.max(row.not_before);
        if self.observed.at >= begun + deadline + limits::PROVISION_SAYS_WITHIN {
            let who = row.node.map_or_else(|| "nobody".into(), |node| format!("node {node}"));
            let why =
                format!("not taken away within {} s: {who} has not said so", deadline.as_secs());
            return Some(ScaleCommand::Fail { request, revision, why });
        }
        self.taken_over(row)
    }

    fn is_there(&self, row: &ProvisionRow) -> bool {
        self.machine.missing(&row.location, &row.implementation).is_empty()
    }

    fn is_gone(&self, row: &ProvisionRow) -> bool {
        self.machine.managers_of(&row.implementation).next().is_none()
    }

    /// Whether a request that is not answered yet is still to be. Where there is no picture, it is.
    fn is_wanted(&self, row: &ProvisionRow) -> bool {
        let Some(scale) = self.machine.scale(&row.location) else { return false };
        let Some(site) = self.sites.get(&row.location) else { return false };
        // With the one that is asked for.
        let few = self.machine.implementations_at(&row.location).len() <= scale.spec.least as usize;
        few || self.helped(scale) != Some(None) || !site.is_quiet(&scale.spec)
    }

    fn of_location(&self, row: &ScaleRow, awaited: bool) -> Option<ScaleCommand> {
        let site = self.sites.get(&row.location)?;
        if let Some(asked) = self.asked(row, site, awaited) {
            return Some(asked);
        }
        self.loosened(row, site)
    }

    fn asked(&self, row: &ScaleRow, site: &Site, awaited: bool) -> Option<ScaleCommand> {
        let at = self.observed.at;
        let open = || {
            let mut of_location = self.machine.provisions();
            of_location.any(|each| each.location == row.location && each.state.is_open())
        };
        if !row.may_act(at) || open() || !self.has_room() {
            return None;
        }
        let there = self.machine.implementations_at(&row.location).len();
        if there >= row.spec.most as usize {
            return None;
        }
        let few = there < row.spec.least as usize;
        let few = few.then(|| Shortage::Least { there: u32::try_from(there).unwrap_or(u32::MAX) });
        let waits = || self.helped(row).flatten().filter(|_| !awaited);
        let load = || {
            let back = self.may_be_back(&row.location);
            if back { None } else { site.overload(&row.spec).or_else(waits) }
        };
        let shortage = few.or_else(load)?;
        let (location, settings) = (row.location.clone(), row.revision);
        Some(ScaleCommand::Ask { location, settings, shortage })
    }

    /// A Manager that was provisioned has ended a moment ago: whoever started it starts it again, and what has lost
    /// its place finds it there. One more would come later than that.
    fn may_be_back(&self, location: &LocationId) -> bool {
        let of_location = self.machine.provisions().filter(|row| row.location == *location);
        let mut there = of_location.filter(|row| row.state == ProvisionState::There);
        there.any(|row| {
            self.machine.managers_of(&row.implementation).any(|manager| match manager.state {
                ManagerState::Live => false,
                ManagerState::Down => {
                    self.observed.at < manager.since + limits::PROVISION_BACK_WITHIN
                }
            })
        })
    }

    /// What waits that one more in a location would take; `None` where there is no picture.
    fn helped(&self, row: &ScaleRow) -> Option<Option<Shortage>> {
        self.waiting.as_ref().map(|waiting| helped(self.machine, waiting, &row.spec))
    }

    fn has_room(&self) -> bool {
        let rows = &self.machine.tables.provisions;
        rows.len() < limits::PROVISIONS
            || rows.values().any(|row| row.state == ProvisionState::Released)
    }

    /// Notes when a location begins to need less than it has, and takes one away when that has lasted.
    fn loosened(&self, row: &ScaleRow, site: &Site) -> Option<ScaleCommand> {
        // While customers are being placed their load is not seen yet.
        let helped = self.helped(row).filter(|_| site.settled)?;
        let at = self.observed.at;
        let candidate = (site.is_quiet(&row.spec) && helped.is_none())
            .then(|| self.candidate(row, site))
            .flatten();
        let (location, settings) = (row.location.clone(), row.revision);
        let quiet = candidate.is_some();
        if row.quiet_since.is_some() != quiet {
            let due = at >= row.looked_at + limits::SCALE_LOOK_EVERY;
            return due.then_some(ScaleCommand::Quiet { location, settings, quiet });
        }
        let candidate = candidate.filter(|_| row.may_act(at) && row.was_quiet(at))?;
        let (request, revision) = (candidate.request, candidate.revision);
        fits_elsewhere(self.machine, self.observed, self.now, &candidate.implementation)
            .then_some(ScaleCommand::Retire { request, revision, settings })
    }

    /// Which one goes: that has the least to move, of equals the newest. Only what was provisioned, is whole, has no
    /// Broker, and is not needed.
    fn candidate(&self, row: &ScaleRow, site: &Site) -> Option<&ProvisionRow> {
        let machine = self.machine;
        // Nobody is to wait for hours that nobody has told.
        let hours = match row.spec.drop {
            DropSchedule::AfterHours => !machine.hours(&row.location).is_empty(),
            DropSchedule::WhenIdle | DropSchedule::At(_) | DropSchedule::Never => true,
        };
        let mut own = machine.provisions().filter(|each| each.location == row.location).peekable();
        own.peek()?;
        let own: Vec<&ProvisionRow> = own.collect();
        let there = own.iter().filter(|each| each.state == ProvisionState::There);
        let open = own.iter().any(|each| each.state.is_open());
        let serving = machine.serving_at(&row.location);
        if open || !hours || serving.len() <= row.spec.least as usize {
            return None;
        }
        if machine.drained_at(&row.location) {
            return None;
        }
        let goes = there.filter(|each| {
            serving.contains(&each.implementation)
                && self.brokers(each) == 0
                && site.bears_loss_of(machine, &row.spec, &each.implementation)
        });
        goes.min_by_key(|each| (self.moves(each), Reverse(each.request))).copied()
    }

    fn brokers(&self, row: &ProvisionRow) -> usize {
        let manager = of(row, ManagerKind::BrokerManager);
        self.machine.tables.index.held(&manager).map_or(0, |held| held.brokers.len())
    }

    /// How much would have to move: Traders and sessions.
    fn moves(&self, row: &ProvisionRow) -> u64 {
        let traders = of(row, ManagerKind::TraderManager);
        let traders = self.machine.tables.index.held(&traders).map_or(0, |held| held.weight);
        let sessions = self.machine.manager(&of(row, ManagerKind::MarketManager));
        let sessions = sessions.and_then(|row| self.observed.told(row)).and_then(|told| told.held);
        sessions.unwrap_or_default().saturating_add(traders.into())
    }
}

fn of(row: &ProvisionRow, kind: ManagerKind) -> ManagerId {
    ManagerId { implementation: row.implementation.clone(), kind }
}
