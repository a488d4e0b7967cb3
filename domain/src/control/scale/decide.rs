//! What becomes of the commands of scaling. Decides each by the table of states and by what the machine itself
//! can see, so that a leader that decided on an older state changes nothing.

use super::{ProvisionRow, ProvisionState, ProvisionStep, ScaleCommand, ScaleRow, Shortage};
use crate::{
    control::{
        drain::{By, Entry},
        event::EventKind,
        level::FeatureLevel,
        machine::Machine,
        refusal::{Noun, Refusal},
        row::{ManagerRow, ManagerState, Row},
    },
    ids::{
        DrainTarget, Epoch, ImplementationId, LocationId, ManagerId, ManagerKind, NodeId, Revision,
    },
    limits,
    time::UnixNanos,
};
use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::time::Duration;

/// Who asks for drains of what is too much.
pub(super) const WHO: &str = "scale";

impl Machine {
    pub(in crate::control) fn decide_scale(
        &mut self,
        entry: Entry,
        command: ScaleCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        use ProvisionStep::{Arrive, Done, GiveUp, Keep, Release};
        match command {
            ScaleCommand::Ask { location, settings, shortage } => {
                self.ask(entry, location, settings, shortage)
            }
            ScaleCommand::Start { request, revision, node } => {
                self.start(entry, request, revision, node)
            }
            ScaleCommand::Arrive { request, revision } => {
                self.arrive(entry, self.provision_step(request, revision, Arrive)?)
            }
            ScaleCommand::Fail { request, revision, why } => {
                let held = self.provision_step(request, revision, ProvisionStep::Fail)?;
                self.fail(entry, held, &why)
            }
            ScaleCommand::GiveUp { request, revision } => {
                let held = self.provision_step(request, revision, GiveUp)?;
                if self.managers_of(&held.0.implementation).next().is_some() {
                    return Err(Refusal::StillHeld);
                }
                Ok(self.leave(entry, held))
            }
            ScaleCommand::Retire { request, revision, settings } => {
                self.retire(entry, request, revision, settings)
            }
            ScaleCommand::Keep { request, revision } => {
                let held = self.provision_step(request, revision, Keep)?;
                if held.0.drain.is_some_and(|epoch| self.drains_by(&held.0, epoch)) {
                    return Err(Refusal::Superseded);
                }
                self.acted(&held.0.location, entry.at);
                Ok(self.put_provision(entry, held, |row| row.drain = None))
            }
            ScaleCommand::Release { request, revision } => {
                let held = self.provision_step(request, revision, Release)?;
                if self.managers_of(&held.0.implementation).next().is_some() {
                    return Err(Refusal::StillHeld);
                }
                self.acted(&held.0.location, entry.at);
                Ok(self.leave(entry, held))
            }
            ScaleCommand::Done { request, revision } => {
                let held = self.provision_step(request, revision, Done)?;
                Ok(self.put_provision(entry, held, |row| row.failure = None))
            }
            ScaleCommand::Quiet { location, settings, quiet } => {
                self.note_quiet(entry, &location, settings, quiet)
            }
            ScaleCommand::Tell { by, request, revision, said } => {
                self.said_of_provision(entry, by, (request, revision), said)
            }
        }
    }

    fn scale_as_of(&self, location: &LocationId, settings: Revision) -> Result<&ScaleRow, Refusal> {
        let row = self.scale(location).ok_or(Refusal::NotFound { what: Noun::Scale })?;
        if row.revision == settings { Ok(row) } else { Err(Refusal::Superseded) }
    }

    /// A request as it was seen, and where the step leads it.
    fn provision_step(
        &self,
        request: Epoch,
        revision: Revision,
        step: ProvisionStep,
    ) -> Result<(ProvisionRow, ProvisionState), Refusal> {
        let row = self.provision(request).ok_or(Refusal::NotFound { what: Noun::Provisioning })?;
        let state = row.state.after(step).filter(|_| row.revision == revision);
        state.map(|state| (row.clone(), state)).ok_or(Refusal::Superseded)
    }

    /// Puts a request in its next state, with what is to be changed besides; tells it.
    fn put_provision(
        &mut self,
        entry: Entry,
        (mut row, state): (ProvisionRow, ProvisionState),
        change: impl FnOnce(&mut ProvisionRow),
    ) -> Vec<EventKind> {
        (row.state, row.since, row.revision) = (state, entry.at, entry.revision);
        change(&mut row);
        let told = EventKind::ProvisionChanged {
            request: row.request,
            implementation: row.implementation.clone(),
            state,
            node: row.node,
            attempts: row.attempts,
            failure: row.failure.clone(),
        };
        self.tables.put(Row::Provision(row));
        vec![told]
    }

    /// The pause before the next change begins.
    fn acted(&mut self, location: &LocationId, at: UnixNanos) {
        if let Some(row) = self.scale(location).cloned() {
            let (acted_at, quiet_since) = (Some(at), None);
            self.tables.put(Row::Scale(ScaleRow { acted_at, quiet_since, ..row }));
        }
    }

    fn ask(
        &mut self,
        entry: Entry,
        location: LocationId,
        settings: Revision,
        shortage: Shortage,
    ) -> Result<Vec<EventKind>, Refusal> {
        let scale = self.scale_as_of(&location, settings)?;
        if !scale.may_act(entry.at) {
            return Err(Refusal::NotDue);
        }
        let spec = scale.spec.clone();
        let open = self.provisions().any(|row| row.location == location && row.state.is_open());
        if open || self.implementations_at(&location).len() >= spec.most as usize {
            return Err(Refusal::Superseded);
        }
        self.make_room_for_provision()?;
        let request = Epoch(entry.revision.0);
        let implementation = self.name_for(request);
        let row = ProvisionRow {
            request,
            revision: entry.revision,
            location: location.clone(),
            implementation: implementation.clone(),
            provisioner: spec.provisioner,
            deadline_seconds: spec.deadline_seconds,
            shortage,
            state: ProvisionState::Asked,
            since: entry.at,
            node: None,
            attempts: 0,
            not_before: entry.at,
            failure: None,
            drain: None,
        };
        self.tables.put(Row::Provision(row));
        self.acted(&location, entry.at);
        Ok(vec![EventKind::ProvisionAsked { request, location, implementation, shortage }])
    }

    /// Of this life of the cluster: what one that was restored over has started is another implementation.
    fn name_for(&self, request: Epoch) -> ImplementationId {
        let life = self.tables.cluster.opened().map_or(0, |life| life.0 & 0xffff);
        let text = format!("scaled-{request}-{life:04x}");
        // At most 7, 20, 1 and 4 characters.
        ImplementationId::new(&text).unwrap_or_else(|_| ImplementationId::below_all())
    }

    fn make_room_for_provision(&mut self) -> Result<(), Refusal> {
        if self.tables.provisions.len() < limits::PROVISIONS {
            return Ok(());
        }
        let done = self.provisions().find(|row| row.state == ProvisionState::Released);
        let oldest = done.map(|row| row.request);
        let oldest = oldest.ok_or(Refusal::TooMany { what: Noun::Provisioning })?;
        self.tables.forget_provision(oldest);
        Ok(())
    }

    fn start(
        &mut self,
        entry: Entry,
        request: Epoch,
        revision: Revision,
        node: NodeId,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.provision_step(request, revision, ProvisionStep::Start)?;
        if entry.at < held.0.not_before {
            return Err(Refusal::NotDue);
        }
        if self.bound_to(&held.0).is_some_and(|bound| bound != node) {
            return Err(Refusal::Superseded);
        }
        Ok(self.put_provision(entry, held, |row| row.node = Some(node)))
    }

    fn arrive(
        &mut self,
        entry: Entry,
        held: (ProvisionRow, ProvisionState),
    ) -> Result<Vec<EventKind>, Refusal> {
        if !self.missing(&held.0.location, &held.0.implementation).is_empty() {
            return Err(Refusal::NotDue);
        }
        self.acted(&held.0.location, entry.at);
        Ok(self.put_provision(entry, held, |row| {
            (row.attempts, row.failure) = (0, None);
        }))
    }

    fn fail(
        &mut self,
        entry: Entry,
        held: (ProvisionRow, ProvisionState),
        why: &str,
    ) -> Result<Vec<EventKind>, Refusal> {
        Ok(self.put_provision(entry, held, |row| {
            row.attempts = row.attempts.saturating_add(1);
            row.not_before = entry.at + backoff(row.attempts);
            row.failure = Some(shortened(why));
        }))
    }

    /// On its way out: what started it takes it away.
    fn leave(&mut self, entry: Entry, held: (ProvisionRow, ProvisionState)) -> Vec<EventKind> {
        self.put_provision(entry, held, |row| {
            (row.attempts, row.not_before, row.failure) = (0, entry.at, None);
        })
    }

    fn retire(
        &mut self,
        entry: Entry,
        request: Epoch,
        revision: Revision,
        settings: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.provision_step(request, revision, ProvisionStep::Retire)?;
        let location = held.0.location.clone();
        let scale = self.scale_as_of(&location, settings)?;
        if !scale.may_act(entry.at) || !scale.was_quiet(entry.at) {
            return Err(Refusal::NotDue);
        }
        let (least, drop) = (scale.spec.least as usize, scale.spec.drop);
        let open = self.provisions().any(|row| row.location == location && row.state.is_open());
        let serving = self.serving_at(&location);
        let counts = serving.len() > least && serving.contains(&held.0.implementation);
        if open || self.drained_at(&location) || !counts {
            return Err(Refusal::Superseded);
        }
        let broker = ManagerKind::BrokerManager;
        let broker = ManagerId { implementation: held.0.implementation.clone(), kind: broker };
        if self.tables.index.held(&broker).is_some_and(|held| !held.brokers.is_empty()) {
            // A Broker stays with its node: the drain would not end.
            return Err(Refusal::StillHeld);
        }
        let target = DrainTarget::Implementation(held.0.implementation.clone());
        let why = format!("{location} needs less than it has; provisioned by request {request}");
        let by = By { who: WHO.to_string(), why };
        // Logs of before have none.
        let deadline =
            (self.level() >= FeatureLevel::SECOND).then(|| entry.at + limits::RETIRED_WITHIN);
        let mut events = self.begin_drain(entry, target, by, deadline, drop)?;
        self.acted(&location, entry.at);
        let drain = Some(Epoch(entry.revision.0));
        events.extend(self.put_provision(entry, held, |row| row.drain = drain));
        Ok(events)
    }

    fn note_quiet(
        &mut self,
        entry: Entry,
        location: &LocationId,
        settings: Revision,
        quiet: bool,
    ) -> Result<Vec<EventKind>, Refusal> {
        let row = self.scale_as_of(location, settings)?.clone();
        if row.quiet_since.is_some() == quiet {
            return Err(Refusal::Superseded);
        }
        let quiet_since = quiet.then_some(entry.at);
        self.tables.put(Row::Scale(ScaleRow { quiet_since, looked_at: entry.at, ..row }));
        Ok(vec![])
    }
}

impl ScaleRow {
    /// Whether the pause after the last change is over.
    #[must_use]
    pub fn may_act(&self, at: UnixNanos) -> bool {
        self.acted_at.is_none_or(|acted| at >= acted + self.spec.cool_down())
    }

    /// Whether it has needed less than it has for long enough.
    #[must_use]
    pub fn was_quiet(&self, at: UnixNanos) -> bool {
        self.quiet_since.is_some_and(|since| at >= since + self.spec.cool_down())
    }
}

/// What the machine itself can see of a location's implementations.
impl Machine {
    /// Its registered Managers.
    pub(super) fn managers_of(
        &self,
        implementation: &ImplementationId,
    ) -> impl Iterator<Item = &ManagerRow> {
        let all = ManagerKind::ALL.into_iter();
        let names = all.map(|kind| ManagerId { implementation: implementation.clone(), kind });
        names.filter_map(|manager| self.manager(&manager))
    }

    /// Those that are not registered as live in this location.
    pub(super) fn missing(
        &self,
        location: &LocationId,
        implementation: &ImplementationId,
    ) -> Vec<ManagerKind> {
        let there = |kind: &ManagerKind| {
            let manager = ManagerId { implementation: implementation.clone(), kind: *kind };
            self.manager(&manager)
                .is_some_and(|row| row.state == ManagerState::Live && row.location == *location)
        };
        ManagerKind::ALL.into_iter().filter(|kind| !there(kind)).collect()
    }

    /// All that a location has or is to get: a Manager that is down may be back in a moment.
    pub(super) fn implementations_at(&self, location: &LocationId) -> BTreeSet<ImplementationId> {
        let registered = self.managers().filter(|row| row.location == *location);
        let registered = registered.map(|row| row.manager.implementation.clone());
        let open = self.provisions().filter(|row| {
            row.location == *location && (row.state.is_open() || row.state == ProvisionState::There)
        });
        registered.chain(open.map(|row| row.implementation.clone())).collect()
    }

    /// Those that are whole and take something new.
    pub(super) fn serving_at(&self, location: &LocationId) -> BTreeSet<ImplementationId> {
        let mut all = self.implementations_at(location);
        all.retain(|implementation| {
            self.missing(location, implementation).is_empty()
                && self.managers_of(implementation).all(|row| self.cordon(&row.manager).is_none())
        });
        all
    }

    /// Whether anything is being drained there, by whomever.
    pub(super) fn drained_at(&self, location: &LocationId) -> bool {
        let mut under_way = self.drains().filter(|row| row.state.cordons());
        under_way.any(|row| self.concerned(&row.target).any(|each| each.location == *location))
    }

    /// Whether the drain by which it goes is still there.
    pub(super) fn drains_by(&self, row: &ProvisionRow, epoch: Epoch) -> bool {
        let target = DrainTarget::Implementation(row.implementation.clone());
        self.drain(&target).is_some_and(|drain| drain.epoch == epoch)
    }
}

/// Doubled with each failure, up to a cap.
pub(super) fn backoff(attempts: u32) -> Duration {
    let doubled = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    limits::PROVISION_AGAIN_FIRST.saturating_mul(doubled).min(limits::PROVISION_AGAIN_MAX)
}

/// As many bytes as are kept, cut between characters.
fn shortened(why: &str) -> String {
    let mut end = why.len().min(limits::WHY_BYTES);
    while !why.is_char_boundary(end) {
        end -= 1;
    }
    why[..end].to_string()
}
