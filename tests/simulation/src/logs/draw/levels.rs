//! Feature levels in a random log: what builds understand, and when the level is raised. Decides nothing else.

use super::Draw;
use tradewind_domain::{
    control::{
        Machine,
        level::{FeatureLevel, LevelCommand},
    },
    ids::NodeId,
};

impl Draw {
    /// Mostly that of this build.
    pub(super) fn level_known(&self) -> FeatureLevel {
        match self.chance.below(12) {
            0 => FeatureLevel::FIRST,
            1 => FeatureLevel(3),
            _ => FeatureLevel::SECOND,
        }
    }

    /// The founders say what they know, and the level is raised.
    pub(super) fn level_of_beginning(&self, revision: u64) -> LevelCommand {
        let level = FeatureLevel::SECOND;
        match revision {
            2..5 => LevelCommand::Know { node: NodeId(revision - 1), level },
            _ => LevelCommand::Raise { to: level },
        }
    }

    pub(super) fn level(&self, machine: &Machine) -> LevelCommand {
        if self.chance.percent(40) {
            let to = machine.level().next();
            return LevelCommand::Raise {
                to: if self.chance.percent(90) { to } else { to.next() },
            };
        }
        LevelCommand::Know { node: self.node(machine), level: self.level_known() }
    }
}
