//! What becomes of a drain's commands. Decides each by the table of states and by what the machine itself
//! can see; what only the leader can see it says by asking.

use super::{By, DrainCommand, DrainRow, DrainState, DropSchedule, Next, Step};
use crate::{
    calendar::Span,
    control::{
        event::EventKind,
        level::FeatureLevel,
        machine::Machine,
        refusal::{Noun, Refusal},
        resource::Condition,
        row::{ManagerState, Row},
    },
    ids::{DrainTarget, Epoch, Incarnation, ManagerId, Revision},
    limits,
    time::UnixNanos,
};
use alloc::{collections::BTreeMap, vec, vec::Vec};

/// The entry that is applied.
#[derive(Clone, Copy)]
pub(in crate::control) struct Entry {
    pub(in crate::control) revision: Revision,
    pub(in crate::control) at: UnixNanos,
}

impl Machine {
    pub(in crate::control) fn decide_drain(
        &mut self,
        entry: Entry,
        command: DrainCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        match command {
            DrainCommand::Begin { target, by, deadline, drop } => {
                self.begin_drain(entry, target, by, deadline, drop)
            }
            DrainCommand::BeginOn { target, on, by, deadline, drop } => {
                self.begin_drain_on(entry, target, on, (by, deadline, drop))
            }
            DrainCommand::Acknowledge { target, epoch, confirmed } => {
                self.acknowledge_cordon(entry, &target, epoch, &confirmed)
            }
            DrainCommand::Emptied { target, epoch } => self.emptied(entry, &target, epoch),
            DrainCommand::Overdue { target, epoch } => self.overdue(entry, &target, epoch),
            DrainCommand::Drop { target, epoch, within } => {
                self.drop_drained(entry, &target, epoch, within, None)
            }
            DrainCommand::DropConfirmed { target, epoch, within, confirmed } => {
                self.drop_drained(entry, &target, epoch, within, Some(&confirmed))
            }
            DrainCommand::Cancel { target, at, by } => self.cancel_drain(entry, &target, at, by),
            DrainCommand::Force { target, at, by } => self.force_drain(entry, &target, at, by),
            DrainCommand::Reschedule { target, at, by, drop } => {
                self.reschedule_drop(entry, &target, at, by, drop)
            }
            DrainCommand::Abandon { target, at, by } => self.abandon(entry, &target, at, &by),
            DrainCommand::HoursUnknown { target, epoch, why } => {
                self.hours_unknown(entry, &target, epoch, why)
            }
        }
    }

    /// One that goes on is the same, or it is said how it differs.
    fn begin_drain_on(
        &mut self,
        entry: Entry,
        target: DrainTarget,
        on: Condition,
        (by, deadline, drop): (By, Option<UnixNanos>, DropSchedule),
    ) -> Result<Vec<EventKind>, Refusal> {
        by.check()?;
        // One that is over is none: another one may begin.
        let goes_on = self.drain(&target).filter(|row| row.state.cordons());
        on.check(goes_on.map(|row| row.revision))?;
        if let Some(row) = goes_on.filter(|row| (row.drop, row.deadline) != (drop, deadline)) {
            return Err(Refusal::AlreadyDraining { drop: row.drop, deadline: row.deadline });
        }
        self.begin_drain(entry, target, by, deadline, drop)
    }

    pub(in crate::control) fn begin_drain(
        &mut self,
        entry: Entry,
        target: DrainTarget,
        by: By,
        deadline: Option<UnixNanos>,
        drop: DropSchedule,
    ) -> Result<Vec<EventKind>, Refusal> {
        by.check()?;
        if self.drain(&target).is_some_and(|row| row.state.cordons()) {
            // The first one goes on.
            return Ok(vec![]);
        }
        if self.concerned(&target).next().is_none() {
            return Err(Refusal::NotFound { what: Noun::Manager });
        }
        self.check_schedule(&target, drop)?;
        self.make_room_for_drain(&target)?;
        let epoch = Epoch(entry.revision.0);
        let row = DrainRow {
            target: target.clone(),
            epoch,
            revision: entry.revision,
            state: DrainState::Cordoned,
            since: entry.at,
            by: by.clone(),
            deadline,
            overdue: None,
            drop,
            forced: None,
            drained: None,
        };
        self.tables.put(Row::Drain(row));
        Ok(vec![EventKind::Cordoned { target, epoch, by, deadline, drop }])
    }

    /// Nobody is to wait for hours that nobody has told.
    fn check_schedule(&self, target: &DrainTarget, drop: DropSchedule) -> Result<(), Refusal> {
        match drop {
            DropSchedule::WhenIdle | DropSchedule::At(_) | DropSchedule::Never => Ok(()),
            DropSchedule::AfterHours => {
                let mut locations = self.concerned(target).map(|row| &row.location);
                match locations.find(|location| self.hours(location).is_empty()) {
                    Some(location) => Err(Refusal::NoHours { location: location.clone() }),
                    None => Ok(()),
                }
            }
        }
    }

    /// The oldest that is done makes room.
    fn make_room_for_drain(&mut self, target: &DrainTarget) -> Result<(), Refusal> {
        if self.tables.drains.len() < limits::DRAINS || self.tables.drains.contains_key(target) {
            return Ok(());
        }
        let done = self.drains().filter(|row| !row.state.cordons());
        let oldest = done.min_by_key(|row| row.since).map(|row| row.target.clone());
        let oldest = oldest.ok_or(Refusal::TooMany { what: Noun::Drain })?;
        self.tables.forget_drain(&oldest);
        Ok(())
    }

    /// A drain to which this step may happen, and what it leads to.
    fn step(&self, target: &DrainTarget, step: Step) -> Result<(DrainRow, Next), Refusal> {
        let row = self.drain(target).ok_or(Refusal::NotFound { what: Noun::Drain })?;
        let next = row.state.after(step).ok_or(Refusal::WrongState { state: row.state })?;
        Ok((row.clone(), next))
    }

    /// The same, of the leader's: decided on this very drain.
    pub(super) fn planned(
        &self,
        target: &DrainTarget,
        epoch: Epoch,
        step: Step,
    ) -> Result<(DrainRow, Next), Refusal> {
        let (row, next) = self.step(target, step)?;
        if row.epoch == epoch { Ok((row, next)) } else { Err(Refusal::Superseded) }
    }

    /// The same, of an operator: on condition of the revision he saw, if he gave one.
    pub(super) fn asked(
        &self,
        target: &DrainTarget,
        at: Option<Revision>,
        by: &By,
        step: Step,
    ) -> Result<(DrainRow, Next), Refusal> {
        by.check()?;
        let (row, next) = self.step(target, step)?;
        let same = at.is_none_or(|at| at == row.revision);
        let held = Some(row.revision);
        if same { Ok((row, next)) } else { Err(Refusal::NotAsExpected { held }) }
    }

    pub(super) fn put_drain(&mut self, entry: Entry, mut row: DrainRow, next: Next) {
        match next {
            Next::Active => self.tables.forget_drain(&row.target),
            Next::State(state) => {
                if row.state != state {
                    (row.state, row.since) = (state, entry.at);
                }
                row.revision = entry.revision;
                self.tables.put(Row::Drain(row));
            }
        }
    }

    fn acknowledge_cordon(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        epoch: Epoch,
        confirmed: &BTreeMap<ManagerId, Incarnation>,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (row, next) = self.planned(target, epoch, Step::Acknowledge)?;
        self.all_confirm(target, confirmed)?;
        self.put_drain(entry, row, next);
        Ok(vec![EventKind::CordonAcknowledged { target: target.clone(), epoch }])
    }

    fn all_confirm(
        &self,
        target: &DrainTarget,
        confirmed: &BTreeMap<ManagerId, Incarnation>,
    ) -> Result<(), Refusal> {
        // One that is down has had no lease for a while.
        let missing = self.concerned(target).any(|row| match row.state {
            ManagerState::Live => confirmed.get(&row.manager) != Some(&row.incarnation),
            ManagerState::Down => false,
        });
        if missing { Err(Refusal::NotConfirmed) } else { Ok(()) }
    }

    fn emptied(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        epoch: Epoch,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (mut row, next) = self.planned(target, epoch, Step::Empty)?;
        if !self.is_empty(target) {
            return Err(Refusal::StillHeld);
        }
        row.drained = Some(entry.at);
        self.put_drain(entry, row, next);
        Ok(vec![EventKind::Drained { target: target.clone(), epoch }])
    }

    fn overdue(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        epoch: Epoch,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (mut row, next) = self.planned(target, epoch, Step::Overdue)?;
        let passed = row.deadline.is_some_and(|deadline| entry.at >= deadline);
        if !passed || row.overdue.is_some() {
            return Err(Refusal::NotDue);
        }
        row.overdue = Some(entry.at);
        self.put_drain(entry, row, next);
        Ok(vec![EventKind::DrainOverdue { target: target.clone(), epoch }])
    }

    fn drop_drained(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        epoch: Epoch,
        within: Option<Span>,
        confirmed: Option<&BTreeMap<ManagerId, Incarnation>>,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (row, next) = self.planned(target, epoch, Step::Drop)?;
        // The calendar is the leader's to read: members of two versions must not differ by their tables.
        let due = match row.drop {
            DropSchedule::AfterHours => within.is_some_and(|span| span.contains(entry.at)),
            DropSchedule::WhenIdle => true,
            DropSchedule::At(time) => entry.at >= time,
            DropSchedule::Never => false,
        };
        if !due {
            return Err(Refusal::NotDue);
        }
        if row.forced.is_none() {
            if !self.is_empty(target) {
                return Err(Refusal::StillHeld);
            }
            confirmed.map_or(Ok(()), |confirmed| self.all_confirm(target, confirmed))?;
        }
        let mut events = self.leave_nothing(&row)?;
        let gone: Vec<ManagerId> = self.concerned(target).map(|row| row.manager.clone()).collect();
        gone.into_iter().for_each(|manager| self.drop_manager(entry.at, manager));
        self.forget_old_dropped();
        self.forget_covered_drains(target);
        self.put_drain(entry, row, next);
        events.push(EventKind::Dropped { target: target.clone(), epoch });
        Ok(events)
    }

    fn forget_old_dropped(&mut self) {
        while self.tables.dropped.len() > limits::DROPPED {
            let oldest = self.tables.dropped.values().min_by_key(|row| row.at);
            let Some(oldest) = oldest.map(|row| row.manager.clone()) else { return };
            self.tables.forget_dropped(&oldest);
        }
    }

    /// Drains of single Managers end with that of their implementation.
    fn forget_covered_drains(&mut self, target: &DrainTarget) {
        let covered = self.drains().filter(|row| match &row.target {
            DrainTarget::Manager(manager) => row.target != *target && target.covers(manager),
            DrainTarget::Implementation(_) => false,
        });
        let covered: Vec<DrainTarget> = covered.map(|row| row.target.clone()).collect();
        covered.iter().for_each(|each| self.tables.forget_drain(each));
    }

    fn cancel_drain(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        at: Option<Revision>,
        by: By,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (row, next) = self.asked(target, at, &by, Step::Cancel)?;
        let epoch = row.epoch;
        self.put_drain(entry, row, next);
        Ok(vec![EventKind::DrainCancelled { target: target.clone(), epoch, by }])
    }

    fn force_drain(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        at: Option<Revision>,
        by: By,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (mut row, next) = self.asked(target, at, &by, Step::Force)?;
        row.drained = row.drained.or(Some(entry.at));
        row.forced = Some(by.clone());
        let epoch = row.epoch;
        self.put_drain(entry, row, next);
        Ok(vec![EventKind::DrainForced { target: target.clone(), epoch, by }])
    }

    fn reschedule_drop(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        at: Option<Revision>,
        by: By,
        drop: DropSchedule,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (mut row, next) = self.asked(target, at, &by, Step::Reschedule)?;
        self.check_schedule(target, drop)?;
        if row.drop == drop {
            return Ok(vec![]);
        }
        row.drop = drop;
        let epoch = row.epoch;
        self.put_drain(entry, row, next);
        Ok(vec![EventKind::DropRescheduled { target: target.clone(), epoch, by, drop }])
    }

    /// A life that is let in is active: what was dropped is forgotten.
    pub(in crate::control) fn admit_life(&mut self, manager: &ManagerId) -> Result<(), Refusal> {
        // Whoever started it takes it away: what is placed on it would go with it.
        if self.is_released(&manager.implementation) {
            return Err(Refusal::Dropped { manager: manager.clone() });
        }
        // Also by one that was not there when its implementation was dropped: the drain says nothing of it.
        let late = self.level() >= FeatureLevel::SECOND;
        if !late && !self.tables.dropped.contains_key(manager) {
            return Ok(());
        }
        self.tables.forget_dropped(manager);
        for target in DrainTarget::of(manager) {
            if self.drain(&target).is_some_and(|row| !row.state.cordons()) {
                self.tables.forget_drain(&target);
            }
        }
        Ok(())
    }
}

impl By {
    pub(in crate::control) fn check(&self) -> Result<(), Refusal> {
        let long = self.who.len() > limits::WHO_BYTES || self.why.len() > limits::WHY_BYTES;
        if long { Err(Refusal::TooLarge { what: Noun::Drain }) } else { Ok(()) }
    }
}
