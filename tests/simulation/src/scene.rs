//! What a run has beside the group, its registers and its watchers. Decides the names of that on the command line.

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scene {
    /// Managers that check in, and somebody who plans on stale states.
    #[default]
    Group,
    /// Managers at sites of their own, a leader's work, operators and customers.
    Managers,
    /// Members that join, are promoted, removed and replaced, disks that are lost.
    Members,
    /// Managers, one change, and a leader that is lost at a step of it: which, is in the seed.
    Stories,
}

impl Scene {
    pub const ALL: [Self; 4] = [Self::Group, Self::Managers, Self::Members, Self::Stories];

    /// What asks for it, where anything must.
    #[must_use]
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::Group => None,
            Self::Managers => Some("--managers"),
            Self::Members => Some("--members"),
            Self::Stories => Some("--stories"),
        }
    }

    /// The level that a planted bug is found at.
    #[must_use]
    pub fn level(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Managers => "Managers",
            Self::Members => "members",
            Self::Stories => "stories",
        }
    }

    /// For a person.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Group => "",
            Self::Managers => " with Managers",
            Self::Members => " with changes of the group",
            Self::Stories => " of stories",
        }
    }
}
