//! Whether this program understands the state that the group is at. Decides that it does not go on with one that it does
//! not: it would write other rows than the others, or could not read what comes. When the level rises is `domain`'s
//! decision; what this program understands stands in its environment.

use crate::raft::{Entry, Payload};
use tradewind_domain::control::{
    Command,
    level::{FeatureLevel, LevelCommand},
};

/// The group has gone on without this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cluster is at feature level {needed} and this build knows {known}: start this member with the build that the others \
     run, or a later one. Nothing of its directory is damaged"
)]
pub struct LevelNotKnown {
    pub needed: FeatureLevel,
    pub known: FeatureLevel,
}

impl LevelNotKnown {
    pub(crate) fn check(needed: FeatureLevel, known: FeatureLevel) -> Result<(), Self> {
        if needed > known { Err(Self { needed, known }) } else { Ok(()) }
    }

    /// Before an entry is applied.
    pub(crate) fn check_entry(entry: &Entry, known: FeatureLevel) -> Result<(), Self> {
        match &entry.payload {
            Payload::Blank | Payload::Membership(_) => Ok(()),
            Payload::Normal(proposal) => match &proposal.stamped().request.command {
                // Whether it is accepted or not: whoever proposed it knows this level.
                Command::Level(LevelCommand::Raise { to }) => Self::check(*to, known),
                _ => Ok(()),
            },
        }
    }
}
