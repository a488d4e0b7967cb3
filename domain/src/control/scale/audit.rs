//! What an operator says of a request that does not go on by itself, told with who and why. Decides that it is what the member
//! that was asked could have said, on the same conditions: it is told behind what it made.

use super::ScaleCommand;
use crate::{
    control::{
        drain::{By, Entry},
        event::EventKind,
        machine::Machine,
        refusal::{Noun, Refusal},
    },
    ids::{Epoch, Revision},
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing is left of what was to be taken away.
    Released,
    /// It was not done, and why.
    Failed { why: String },
}

impl Machine {
    pub(super) fn said_of_provision(
        &mut self,
        entry: Entry,
        by: By,
        (request, revision): (Epoch, Revision),
        said: Said,
    ) -> Result<Vec<EventKind>, Refusal> {
        if by.check().is_err() {
            return Err(Refusal::TooLarge { what: Noun::Audit });
        }
        let command = match said.clone() {
            Said::Released => ScaleCommand::Done { request, revision },
            Said::Failed { why } => ScaleCommand::Fail { request, revision, why },
        };
        let mut kinds = self.decide_scale(entry, command)?;
        let By { who, why } = by;
        kinds.push(EventKind::ProvisionAudited { request, said, who, why });
        Ok(kinds)
    }
}
