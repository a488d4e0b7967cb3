//! How far a ledger's second copy is, and the whole table of what may follow. Decides it by that alone; that a change was
//! decided on what stands, and that a copy is on another node than its ledger, is looked at beside it.

use super::view::Unfit;

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody is named to keep one.
    Single,
    /// Somebody is, and it has not joined.
    Filling,
    /// It has joined, and can be continued from.
    Whole,
    /// Somebody is to continue from it, and does not count yet.
    Succeeding,
}

/// What may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody else, or the same anew, is to keep it.
    Name,
    NameNobody,
    Join,
    Succeed,
    /// The successor counts from here on, and the copy is where it was.
    GoLive,
    /// The same, where the successor's place is the copy's own: there is one left.
    GoLiveBesideCopy,
    GiveBack,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Single, Self::Filling, Self::Whole, Self::Succeeding];

    /// The whole table.
    pub fn after(self, change: Change) -> Result<Self, Unfit> {
        use Change::{GiveBack, GoLive, GoLiveBesideCopy, Join, Name, NameNobody, Succeed};
        match (self, change) {
            (Self::Single | Self::Filling | Self::Whole, Name) => Ok(Self::Filling),
            (Self::Single | Self::Filling | Self::Whole, NameNobody)
            | (Self::Succeeding, GoLiveBesideCopy) => Ok(Self::Single),
            // True for ever of its naming, whoever tells it.
            (Self::Filling | Self::Whole, Join) | (Self::Succeeding, GoLive | GiveBack) => {
                Ok(Self::Whole)
            }
            // Another one may be told to, in place of whoever was before.
            (Self::Whole | Self::Succeeding, Succeed) | (Self::Succeeding, Join) => {
                Ok(Self::Succeeding)
            }
            (Self::Single | Self::Filling, Succeed) => Err(Unfit::NotWhole),
            // He continues from the copy that is named now.
            (Self::Succeeding, Name | NameNobody) => Err(Unfit::Succeeding),
            (Self::Single, Join | GoLive | GoLiveBesideCopy | GiveBack)
            | (Self::Filling | Self::Whole, GoLive | GoLiveBesideCopy | GiveBack) => {
                Err(Unfit::Superseded)
            }
        }
    }

    /// Whether the copy holds all of the ledger.
    #[must_use]
    pub fn is_whole(self) -> bool {
        match self {
            Self::Single | Self::Filling => false,
            Self::Whole | Self::Succeeding => true,
        }
    }
}

#[cfg(test)]
mod tests;
