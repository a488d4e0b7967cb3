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
}

impl Scene {
    pub const ALL: [Self; 3] = [Self::Group, Self::Managers, Self::Members];

    /// What asks for it, where anything must.
    #[must_use]
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::Group => None,
            Self::Managers => Some("--managers"),
            Self::Members => Some("--members"),
        }
    }

    /// For a person.
    #[must_use]
    pub fn shown(self) -> &'static str {
        match self {
            Self::Group => "",
            Self::Managers => " with Managers",
            Self::Members => " with changes of the group",
        }
    }
}
