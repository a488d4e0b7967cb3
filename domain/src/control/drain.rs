//! Drain: emptying an implementation or one Manager before it stops. Decides its states, what leads from
//! one to the next, and on which conditions; moving what is there is `plan`'s work, and when nothing is
//! there any more is what the leader has heard. A drain is a row, so no change of the leader forgets it.
//!
//! D1: from the moment a cordon is committed nothing new is placed there; the Managers' acknowledgement
//! says that nothing was under way either. D2: dropped only after drained, and only when its schedule says.

mod abandon;
mod decide;
mod hours;
mod progress;

pub use abandon::AbandonedRow;
pub(super) use abandon::violations;
pub(super) use decide::Entry;
pub use hours::HoursUnknownRow;
pub use progress::{Remains, remains};

#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    calendar::Span,
    control::resource::Condition,
    ids::{DrainTarget, Epoch, Incarnation, ManagerId, Revision},
    time::UnixNanos,
};
use alloc::{collections::BTreeMap, string::String};
use serde::{Deserialize, Serialize};

/// Changes of drains. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DrainCommand {
    /// Nothing new is placed there from here on. A second one changes nothing: the first goes on.
    Begin {
        target: DrainTarget,
        by: By,
        /// Passed, it raises an alarm and forces nothing.
        deadline: Option<UnixNanos>,
        drop: DropSchedule,
    },
    /// The leader has heard of every live Manager concerned, in these lives, that it knows of the cordon
    /// and has finished or refused what was under way.
    Acknowledge {
        target: DrainTarget,
        epoch: Epoch,
        confirmed: BTreeMap<ManagerId, Incarnation>,
    },
    /// The leader has heard that nothing is there any more.
    Emptied {
        target: DrainTarget,
        epoch: Epoch,
    },
    /// The deadline has passed.
    Overdue {
        target: DrainTarget,
        epoch: Epoch,
    },
    /// What is drained leaves the registry. `within`: the time after hours that the leader found.
    Drop {
        target: DrainTarget,
        epoch: Epoch,
        within: Option<Span>,
    },
    /// Back to active. `at`: only as of this revision of the drain.
    Cancel {
        target: DrainTarget,
        at: Option<Revision>,
        by: By,
    },
    /// Counts as drained whatever is still there. It is dropped as scheduled, not sooner.
    Force {
        target: DrainTarget,
        at: Option<Revision>,
        by: By,
    },
    Reschedule {
        target: DrainTarget,
        at: Option<Revision>,
        by: By,
        drop: DropSchedule,
    },
    /// As `Begin`, on condition of the drain that is there, and refused where one goes on that differs.
    BeginOn {
        target: DrainTarget,
        on: Condition,
        by: By,
        deadline: Option<UnixNanos>,
        drop: DropSchedule,
    },
    /// The Brokers there are given up: they begin elsewhere with empty ledgers.
    Abandon {
        target: DrainTarget,
        at: Option<Revision>,
        by: By,
    },
    /// The leader does not know when it is after hours: an alarm.
    HoursUnknown {
        target: DrainTarget,
        epoch: Epoch,
        why: String,
    },
    /// As `Drop`, by the word of every live Manager concerned, in these lives: one that has come since may have something.
    DropConfirmed {
        target: DrainTarget,
        epoch: Epoch,
        within: Option<Span>,
        confirmed: BTreeMap<ManagerId, Incarnation>,
    },
}

/// Who asked for something, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct By {
    pub who: String,
    pub why: String,
}

/// When what is drained is dropped. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum DropSchedule {
    /// When all calendars and windows of its location are closed.
    AfterHours,
    /// As soon as it is drained.
    WhenIdle,
    At(UnixNanos),
    /// It stays, drained, until it is rescheduled or cancelled.
    Never,
}

/// A target without a drain, or with one that was cancelled, is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum DrainState {
    /// Committed; not every Manager concerned has confirmed it.
    Cordoned,
    /// The cordon is acknowledged; what is there moves away.
    Draining,
    Drained,
    /// Gone from the registry. Kept for whoever asks how it ended, until a Manager of it begins a new life.
    Dropped,
}

/// What may happen to a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Acknowledge,
    Empty,
    Force,
    Drop,
    Cancel,
    Reschedule,
    Overdue,
    Abandon,
    HoursUnknown,
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Active,
    State(DrainState),
}

impl core::fmt::Display for DrainState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Cordoned => "cordoned",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Dropped => "dropped",
        })
    }
}

impl DrainState {
    pub const ALL: [Self; 4] = [Self::Cordoned, Self::Draining, Self::Drained, Self::Dropped];

    /// The whole table. `None`: the step is refused in this state.
    #[must_use]
    pub fn after(self, step: Step) -> Option<Next> {
        match (self, step) {
            (Self::Cordoned, Step::Acknowledge) => Some(Next::State(Self::Draining)),
            (Self::Draining, Step::Empty) => Some(Next::State(Self::Drained)),
            (Self::Cordoned | Self::Draining | Self::Drained, Step::Force) => {
                Some(Next::State(Self::Drained))
            }
            (Self::Drained, Step::Drop) => Some(Next::State(Self::Dropped)),
            (Self::Cordoned | Self::Draining | Self::Drained, Step::Cancel) => Some(Next::Active),
            (Self::Cordoned | Self::Draining | Self::Drained, Step::Reschedule)
            | (Self::Cordoned | Self::Draining, Step::Overdue)
            | (Self::Drained, Step::HoursUnknown)
            // Of one that was dropped by an earlier build something may be left.
            | (
                Self::Cordoned | Self::Draining | Self::Drained | Self::Dropped,
                Step::Abandon,
            ) => Some(Next::State(self)),
            (Self::Cordoned, Step::Empty | Step::Drop | Step::HoursUnknown)
            | (Self::Draining, Step::Acknowledge | Step::Drop | Step::HoursUnknown)
            | (Self::Drained, Step::Acknowledge | Step::Empty | Step::Overdue)
            | (
                Self::Dropped,
                Step::Acknowledge
                | Step::Empty
                | Step::Force
                | Step::Drop
                | Step::Cancel
                | Step::Reschedule
                | Step::Overdue
                | Step::HoursUnknown,
            ) => None,
        }
    }

    /// Whether nothing new is placed on what it covers.
    #[must_use]
    pub fn cordons(self) -> bool {
        match self {
            Self::Cordoned | Self::Draining | Self::Drained => true,
            Self::Dropped => false,
        }
    }

    /// Whether what is there is to move away.
    #[must_use]
    pub fn empties(self) -> bool {
        match self {
            Self::Draining | Self::Drained => true,
            Self::Cordoned | Self::Dropped => false,
        }
    }

    /// Whether every Manager concerned is known to take nothing new.
    #[must_use]
    pub fn is_acknowledged(self) -> bool {
        match self {
            Self::Cordoned => false,
            Self::Draining | Self::Drained | Self::Dropped => true,
        }
    }
}

/// A drain and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DrainRow {
    pub target: DrainTarget,
    /// The entry that began it: what Managers confirm.
    pub epoch: Epoch,
    /// The entry that last changed it.
    pub revision: Revision,
    pub state: DrainState,
    /// Of the state.
    pub since: UnixNanos,
    pub by: By,
    pub deadline: Option<UnixNanos>,
    /// When the alarm was raised that the deadline has passed.
    pub overdue: Option<UnixNanos>,
    pub drop: DropSchedule,
    /// Who forced it.
    pub forced: Option<By>,
    /// When it was drained, forced or not.
    pub drained: Option<UnixNanos>,
}

/// A Manager that was dropped: this life of it and earlier ones are not taken back, a later one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRow {
    pub manager: ManagerId,
    pub incarnation: Incarnation,
    pub at: UnixNanos,
}

#[cfg(test)]
mod tests;
