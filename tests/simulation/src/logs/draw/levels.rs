//! Feature levels in a random log: what builds understand, when the level is raised, and commands that name the request
//! that they were made of. Decides nothing else.

use super::Draw;
use tradewind_domain::{
    control::{
        Command, Machine, RequestHash,
        level::{FeatureLevel, LevelCommand},
    },
    ids::NodeId,
};

impl Draw {
    /// Mostly that of this build.
    pub(super) fn level_known(&self) -> FeatureLevel {
        match self.chance.below(12) {
            0 => FeatureLevel::FIRST,
            1 => FeatureLevel::KNOWN.next(),
            2 => FeatureLevel::SECOND,
            _ => FeatureLevel::KNOWN,
        }
    }

    /// The founders say what they know, and the level is raised, by one each time.
    pub(super) fn level_of_beginning(&self, revision: u64) -> LevelCommand {
        match revision {
            2..5 => LevelCommand::Know { node: NodeId(revision - 1), level: FeatureLevel::KNOWN },
            _ => LevelCommand::Raise { to: FeatureLevel(revision as u32 - 3) },
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

    /// As a member proposes what it was asked for: by a request of its own, by the request of another command, as one that was
    /// decided anew has, now and then by two, as none does.
    pub(super) fn asked(&self, machine: &Machine, command: Command) -> Command {
        // Before its level nobody proposes it, but for a leader that sees an older state.
        let due = machine.level() >= FeatureLevel::THIRD;
        if !self.newest || !self.chance.percent(if due { 30 } else { 3 }) {
            return command;
        }
        let words = match self.chance.below(3) {
            0 => self.chance.below(4).to_string(),
            _ => format!("{command:?}"),
        };
        let request = RequestHash::of("POST", "/", words.as_bytes());
        let asked = Command::Asked { request, command: Box::new(command) };
        if self.chance.percent(97) {
            return asked;
        }
        Command::Asked { request, command: Box::new(asked) }
    }
}
