//! What an operator sets for a location: between which marks it scales, how far, how fast, and by whom. Decides
//! what cannot work; how full a location is, is found in `load`.

#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    control::{
        drain::DropSchedule, event::EventKind, machine::Machine, refusal::Refusal, row::Row,
    },
    ids::{LocationId, ProgramId, Revision},
    limits,
    time::UnixNanos,
};
use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// Of a location. The order of the fields is the order in records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ScaleSpec {
    pub provisioner: Provisioner,
    /// Implementations in the location, whoever started them: at least, and at most.
    pub least: u32,
    pub most: u32,
    /// Brokers against the capacities of its BrokerManagers.
    #[serde(default)]
    pub brokers: Marks,
    /// Sessions against `sessions_each` of each of its MarketManagers.
    #[serde(default)]
    pub sessions: Marks,
    /// Traders that are to run, at least one a customer, against the capacities of its TraderManagers.
    #[serde(default)]
    pub traders: Marks,
    #[serde(default = "sessions_each")]
    pub sessions_each: u32,
    /// After one has come or has begun to go the next change waits for so long; and before one goes, the location
    /// must have been below its marks for so long.
    #[serde(default = "cool_down_seconds")]
    pub cool_down_seconds: u32,
    /// Of one attempt, from its start until all three Managers are there.
    #[serde(default = "deadline_seconds")]
    pub deadline_seconds: u32,
    /// When one that is drained is dropped: `when_idle` or `after_hours`.
    #[serde(default = "when_idle")]
    pub drop: DropSchedule,
}

fn sessions_each() -> u32 {
    u32::try_from(limits::SESSIONS_PER_MARKET_MANAGER).unwrap_or(u32::MAX)
}

fn cool_down_seconds() -> u32 {
    300
}

fn deadline_seconds() -> u32 {
    120
}

fn when_idle() -> DropSchedule {
    DropSchedule::WhenIdle
}

/// In whole percent of what the Managers of a kind take. At the upper one the location is full; below the lower one,
/// of all kinds, it has too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Marks {
    pub out_percent: u8,
    pub in_percent: u8,
}

impl Default for Marks {
    fn default() -> Self {
        Self { out_percent: 80, in_percent: 30 }
    }
}

/// Who starts implementations, and what it is told. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Provisioner {
    /// The member that leads when it is asked for starts it on its own machine.
    Process {
        /// Of its BrokerManager and its TraderManager.
        capacity: u32,
    },
    /// The leader runs a program that its own options have under this name.
    Exec {
        program: ProgramId,
        /// Told to it as they stand. Never a secret: they are in the state, in logs and in events.
        arguments: BTreeMap<String, String>,
    },
}

/// Settings, and how the location stands to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleRow {
    pub location: LocationId,
    pub spec: ScaleSpec,
    /// Of the entry that last changed what is declared.
    pub revision: Revision,
    /// When an implementation was last asked for, came, or began to go.
    pub acted_at: Option<UnixNanos>,
    /// Since when it has needed less than it has.
    pub quiet_since: Option<UnixNanos>,
    /// When that was last changed.
    pub looked_at: UnixNanos,
}

impl ScaleSpec {
    #[must_use]
    pub fn cool_down(&self) -> Duration {
        Duration::from_secs(self.cool_down_seconds.into())
    }

    /// Why it cannot work.
    #[must_use]
    pub fn fault(&self) -> Option<ScaleFault> {
        let legal = |marks: &Marks| {
            (1..=100).contains(&marks.out_percent) && marks.in_percent < marks.out_percent
        };
        if ![self.brokers, self.sessions, self.traders].iter().all(legal) {
            return Some(ScaleFault::Marks);
        }
        if self.least > self.most || !(1..=limits::SCALED_MAX).contains(&self.most) {
            return Some(ScaleFault::Counts);
        }
        let seconds = 1..=limits::SCALE_SECONDS_MAX;
        if !seconds.contains(&self.cool_down_seconds) || !seconds.contains(&self.deadline_seconds) {
            return Some(ScaleFault::Times);
        }
        match self.drop {
            DropSchedule::WhenIdle | DropSchedule::AfterHours => {}
            DropSchedule::At(_) | DropSchedule::Never => return Some(ScaleFault::Drop),
        }
        let takes = match &self.provisioner {
            Provisioner::Process { capacity } => *capacity,
            Provisioner::Exec { arguments, .. } if too_long(arguments) => {
                return Some(ScaleFault::Arguments);
            }
            Provisioner::Exec { .. } => 1,
        };
        (takes == 0 || self.sessions_each == 0).then_some(ScaleFault::Capacity)
    }
}

fn too_long(arguments: &BTreeMap<String, String>) -> bool {
    let long = |text: &String| text.len() > limits::SCALE_ARGUMENT_BYTES;
    arguments.len() > limits::SCALE_ARGUMENTS || arguments.iter().any(|(k, v)| long(k) || long(v))
}

/// Why settings cannot work, and what can. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum ScaleFault {
    #[error(
        "out_percent is 1 to 100 and in_percent below it: between the two nothing changes, else one would come and go"
    )]
    Marks,
    #[error("least is at most `most`, and `most` 1 to {}", limits::SCALED_MAX)]
    Counts,
    #[error("cool_down_seconds and deadline_seconds are 1 to {}", limits::SCALE_SECONDS_MAX)]
    Times,
    #[error("drop is when_idle or after_hours")]
    Drop,
    #[error(
        "at most {} arguments, each name and each value at most {} bytes",
        limits::SCALE_ARGUMENTS,
        limits::SCALE_ARGUMENT_BYTES
    )]
    Arguments,
    #[error("capacity and sessions_each are above zero")]
    Capacity,
}

impl Machine {
    pub(in crate::control) fn put_scale(
        &mut self,
        location: LocationId,
        spec: ScaleSpec,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        if let Some(fault) = spec.fault() {
            return Err(Refusal::ScaleNotPossible { fault });
        }
        let held = self.scale(&location);
        if held.is_some_and(|row| row.spec == spec) {
            return Ok(vec![]);
        }
        if held.is_none() && self.tables.scales.len() >= limits::LOCATIONS {
            let what = crate::control::refusal::Noun::Scale;
            return Err(Refusal::TooMany { what });
        }
        let row = ScaleRow {
            location: location.clone(),
            spec,
            revision,
            // What has happened has happened, whatever is set now.
            acted_at: held.and_then(|row| row.acted_at),
            quiet_since: None,
            looked_at: held.map_or(UnixNanos(0), |row| row.looked_at),
        };
        self.tables.put(Row::Scale(row));
        Ok(vec![EventKind::ScaleChanged { location }])
    }
}
