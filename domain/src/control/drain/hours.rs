//! A drain that is to drop after hours, where nobody knows when that is: the calendar ends, or the location has no hours
//! any more. Decides that it is told once for each reason, not each time a leader looks; the drain waits.

use super::{DropSchedule, Entry, Step};
use crate::{
    control::{
        event::EventKind,
        machine::Machine,
        refusal::{Noun, Refusal},
        row::Row,
    },
    ids::{DrainTarget, Epoch},
    limits,
};
use alloc::{string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// What was told of a drain. It goes with the drain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoursUnknownRow {
    pub target: DrainTarget,
    /// Of the drain.
    pub epoch: Epoch,
    pub why: String,
}

impl Machine {
    /// Whether this was told of this drain already.
    #[must_use]
    pub fn knows_hours_unknown(&self, target: &DrainTarget, epoch: Epoch, why: &str) -> bool {
        let told = self.tables.hours_unknown.get(target);
        told.is_some_and(|row| row.epoch == epoch && row.why == why)
    }

    pub(super) fn hours_unknown(
        &mut self,
        entry: Entry,
        target: &DrainTarget,
        epoch: Epoch,
        why: String,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (row, next) = self.planned(target, epoch, Step::HoursUnknown)?;
        let waits = match row.drop {
            DropSchedule::AfterHours => true,
            DropSchedule::WhenIdle | DropSchedule::At(_) | DropSchedule::Never => false,
        };
        if !waits || self.knows_hours_unknown(target, epoch, &why) {
            return Err(Refusal::Superseded);
        }
        if why.len() > limits::WHY_BYTES {
            return Err(Refusal::TooLarge { what: Noun::Drain });
        }
        let target = target.clone();
        self.put_drain(entry, row, next);
        let told = HoursUnknownRow { target: target.clone(), epoch, why: why.clone() };
        self.tables.put(Row::HoursUnknown(told));
        Ok(vec![EventKind::DropHoursUnknown { target, epoch, why }])
    }
}
