//! Feature levels: what all builds in a cluster understand. Decides when the level of the state is raised (when every
//! member, and every live Manager, has said that its build knows the next one), which commands wait for a level, and
//! which builds are not let in. What this build understands is `KNOWN`; telling it, and not going on with a state
//! that one does not understand, is left to members.
//!
//! FL1: the level never falls, and is raised one by one, to what everybody knows.
//!
//! | level | what is new with it |
//! |---|---|
//! | 1 | levels themselves |
//! | 2 | capacities are kept by the machine; nothing that a Manager holds is lost with it; accounts are given up by name, and their Traders fenced anew; ledgers have copies |
//! | 3 | an idempotency key belongs to one request; what operators say of provisioning is told with who and why; of an account's Traders no more are limited singly than its Broker can be told of |

mod commands;

use super::{
    command::Command,
    event::EventKind,
    machine::Machine,
    refusal::{Noun, Refusal},
    row::{ManagerRow, ManagerState, Row},
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    ids::{DiskId, Epoch, Incarnation, LocationId, ManagerId, NodeId, NodeName, Revision},
    time::UnixNanos,
};
use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A number for all that a build must understand; whoever knows one knows those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(value_type = u32))]
pub struct FeatureLevel(pub u32);

impl FeatureLevel {
    /// Of every state at its beginning, and of builds that say nothing.
    pub const FIRST: Self = Self(1);
    pub const SECOND: Self = Self(2);
    pub const THIRD: Self = Self(3);
    /// The highest that this build understands.
    pub const KNOWN: Self = Self::THIRD;

    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Default for FeatureLevel {
    fn default() -> Self {
        Self::FIRST
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The level of the state. There is none at the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelRow {
    pub level: FeatureLevel,
    /// The entry that raised it last.
    pub revision: Revision,
    pub since: UnixNanos,
}

/// What a member's build understands, by its own word at its last start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberLevelRow {
    pub node: NodeId,
    pub level: FeatureLevel,
}

/// What a Manager's build understands, by its own word at its check-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagerLevelRow {
    pub manager: ManagerId,
    pub level: FeatureLevel,
}

/// A Manager's check-in, as `CheckInFrom`, with what its build understands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckInKnowing {
    pub manager: ManagerId,
    pub location: LocationId,
    pub address: String,
    pub incarnation: Incarnation,
    pub capacity: u32,
    pub disk: Option<DiskId>,
    pub node: Option<NodeName>,
    pub level: FeatureLevel,
}

/// Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LevelCommand {
    /// A member's build understands this level and those below it.
    Know { node: NodeId, level: FeatureLevel },
    /// A Manager is there. One that does not understand what it would be told is not let in.
    CheckIn(CheckInKnowing),
    /// By one, to what everybody knows.
    Raise { to: FeatureLevel },
}

impl Machine {
    #[must_use]
    pub fn level(&self) -> FeatureLevel {
        self.tables.level.map_or(FeatureLevel::FIRST, |row| row.level)
    }

    /// What a member said last; `None`: nothing yet.
    #[must_use]
    pub fn member_level(&self, node: NodeId) -> Option<FeatureLevel> {
        self.tables.member_levels.get(&node).map(|row| row.level)
    }

    #[must_use]
    pub fn manager_level(&self, manager: &ManagerId) -> Option<FeatureLevel> {
        self.tables.manager_levels.get(manager).map(|row| row.level)
    }

    /// Whether the state has the level that a command needs. Asked before it is proposed: a member of an older build
    /// could not even read it.
    pub fn admits(&self, command: &Command) -> Result<(), Refusal> {
        let (needed, level) = (command.level(), self.level());
        if needed > level { Err(Refusal::LevelTooLow { needed, level }) } else { Ok(()) }
    }

    /// The first of those who have not said that they know a level: members first, then live Managers.
    #[must_use]
    pub fn not_knowing(&self, level: FeatureLevel) -> Option<String> {
        let knows = |said: Option<FeatureLevel>| said.is_some_and(|said| said >= level);
        let member = self.admissions().find(|row| !knows(self.member_level(row.node)));
        if let Some(row) = member {
            return Some(format!("member {}", row.node));
        }
        let live = self.managers().filter(|row| match row.state {
            ManagerState::Live => true,
            // Before it comes back it says what it knows.
            ManagerState::Down => false,
        });
        let mut lagging = live.filter(|row| !knows(self.manager_level(&row.manager)));
        lagging.next().map(|row| row.manager.to_string())
    }

    pub(super) fn decide_level(
        &mut self,
        revision: Revision,
        at: UnixNanos,
        command: LevelCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        match command {
            LevelCommand::Know { node, level } => self.know(node, level),
            LevelCommand::CheckIn(told) => self.check_in_knowing(at, Epoch(revision.0), told),
            LevelCommand::Raise { to } => self.raise(revision, at, to),
        }
    }

    fn let_in(&self, known: FeatureLevel) -> Result<(), Refusal> {
        let needed = self.level();
        if known < needed { Err(Refusal::LevelNotKnown { needed, known }) } else { Ok(()) }
    }

    fn know(&mut self, node: NodeId, level: FeatureLevel) -> Result<Vec<EventKind>, Refusal> {
        if self.admission(node).is_none() {
            return Err(Refusal::NotFound { what: Noun::Member });
        }
        self.let_in(level)?;
        if self.member_level(node) == Some(level) {
            return Ok(vec![]);
        }
        self.tables.put(Row::MemberLevel(MemberLevelRow { node, level }));
        Ok(vec![EventKind::LevelKnown { node, level }])
    }

    fn check_in_knowing(
        &mut self,
        since: UnixNanos,
        epoch: Epoch,
        told: CheckInKnowing,
    ) -> Result<Vec<EventKind>, Refusal> {
        let CheckInKnowing { manager, location, address, incarnation, capacity, disk, node, level } =
            told;
        self.let_in(level)?;
        let state = ManagerState::Live;
        let bound = ManagerLevelRow { manager: manager.clone(), level };
        let row =
            ManagerRow { manager, location, address, incarnation, epoch, state, capacity, since };
        let kinds = match (disk, node) {
            (Some(disk), Some(node)) => self.check_in_from(row, disk, node)?,
            // A disk without a name for its node is none that anything is bound to.
            (None, _) | (Some(_), None) => {
                self.admit_disk(&row.manager, None)?;
                self.check_in(row)?
            }
        };
        if self.manager_level(&bound.manager) != Some(level) {
            self.tables.put(Row::ManagerLevel(bound));
        }
        Ok(kinds)
    }

    fn raise(
        &mut self,
        revision: Revision,
        since: UnixNanos,
        to: FeatureLevel,
    ) -> Result<Vec<EventKind>, Refusal> {
        if self.group().is_none() {
            return Err(Refusal::NotFound { what: Noun::Group });
        }
        if to != self.level().next() {
            return Err(Refusal::Superseded);
        }
        if let Some(by) = self.not_knowing(to) {
            return Err(Refusal::LevelNotKnownBy { level: to, by });
        }
        self.tables.put(Row::Level(LevelRow { level: to, revision, since }));
        Ok(vec![EventKind::LevelRaised { level: to }])
    }
}

/// FL1, of one entry.
pub(super) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    let (from, to) = (before.level(), after.level());
    let mut found = Vec::new();
    if to < from {
        found.push(format!("FL1: the level fell from {from} to {to}"));
    }
    if to > from {
        if to != from.next() {
            found.push(format!("FL1: the level went from {from} to {to} at once"));
        }
        if let Some(who) = after.not_knowing(to) {
            found.push(format!("FL1: the level was raised to {to}, which {who} does not know"));
        }
    }
    found
}

#[cfg(test)]
mod tests;
