//! What a drain empties: a whole implementation, or one Manager of it. Decides its form only.

use super::{ImplementationId, InvalidName, ManagerId, ManagerKind};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Written `a1` or `a1.trader-manager`: a name of an implementation has no dot.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainTarget {
    Implementation(ImplementationId),
    Manager(ManagerId),
}

impl DrainTarget {
    #[must_use]
    pub fn covers(&self, manager: &ManagerId) -> bool {
        match self {
            Self::Implementation(implementation) => *implementation == manager.implementation,
            Self::Manager(one) => one == manager,
        }
    }

    /// The Managers that it covers, registered or not.
    pub fn managers(&self) -> impl Iterator<Item = ManagerId> + '_ {
        let all = ManagerKind::ALL.into_iter().map(|kind| match self {
            Self::Implementation(implementation) => {
                ManagerId { implementation: implementation.clone(), kind }
            }
            Self::Manager(one) => ManagerId { implementation: one.implementation.clone(), kind },
        });
        all.filter(|manager| self.covers(manager))
    }

    /// Every target that covers a Manager.
    #[must_use]
    pub fn of(manager: &ManagerId) -> [Self; 2] {
        [Self::Implementation(manager.implementation.clone()), Self::Manager(manager.clone())]
    }
}

impl fmt::Display for DrainTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Implementation(implementation) => implementation.fmt(f),
            Self::Manager(manager) => manager.fmt(f),
        }
    }
}

impl fmt::Debug for DrainTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DrainTarget {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.contains('.') {
            text.parse().map(Self::Manager)
        } else {
            text.parse().map(Self::Implementation)
        }
    }
}

serde_as_text!(DrainTarget);
