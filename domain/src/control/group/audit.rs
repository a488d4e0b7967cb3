//! What operators ask of the group, told with who and why. Decides that a hand-over of leadership, which is no entry of its
//! own, stands in the log as asked for; what becomes of the others is decided beside.

use crate::{
    control::{
        drain::By,
        event::EventKind,
        machine::Machine,
        refusal::{Noun, Refusal},
    },
    ids::NodeId,
};
use alloc::{vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupAsk {
    Remove {
        node: NodeId,
        forced: bool,
    },
    WantVoters {
        voters: u8,
    },
    /// Asked of the leader, who hands over behind this entry.
    Transfer {
        to: Option<NodeId>,
    },
}

impl Machine {
    pub(super) fn asked_of_group(
        &mut self,
        by: By,
        ask: GroupAsk,
    ) -> Result<Vec<EventKind>, Refusal> {
        if by.check().is_err() {
            return Err(Refusal::TooLarge { what: Noun::Audit });
        }
        let (mut kinds, told) = match ask {
            GroupAsk::Remove { node, forced } => {
                let kinds = self.remove_member(node, forced)?;
                let told = !kinds.is_empty();
                (kinds, told)
            }
            GroupAsk::WantVoters { voters } => {
                let kinds = self.want_voters(voters)?;
                let told = !kinds.is_empty();
                (kinds, told)
            }
            GroupAsk::Transfer { .. } => {
                self.standing_group()?;
                (vec![], true)
            }
        };
        if told {
            let By { who, why } = by;
            kinds.push(EventKind::GroupAudited { ask, who, why });
        }
        Ok(kinds)
    }
}
