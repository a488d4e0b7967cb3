//! The states of a member and the whole table of its ways. Decides which step is refused in which state; that a number
//! names one disk, and that one removal waits for another, is `group`'s to see to.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionState {
    Admitted,
    Removing { forced: bool },
}

/// What may happen to a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionStep {
    /// A disk asks to be one.
    Admit,
    Tell,
    Remove {
        forced: bool,
    },
    Forget,
}

/// Where a step leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    State(AdmissionState),
    /// Nothing is left of it but its number, which is not given again.
    Gone,
}

impl AdmissionState {
    /// The whole table. `held`: none of a disk without a number, or of a number that is nobody's. `None`: the step is
    /// refused in this state.
    #[must_use]
    pub fn after(held: Option<Self>, step: AdmissionStep) -> Option<Next> {
        use AdmissionStep::{Admit, Forget, Remove, Tell};
        match (held, step) {
            (None, Admit) => Some(Next::State(Self::Admitted)),
            // A disk that has a number keeps it, and tells where it is now.
            (Some(state @ (Self::Admitted | Self::Removing { .. })), Admit | Tell) => {
                Some(Next::State(state))
            }
            (Some(Self::Admitted), Remove { forced }) => {
                Some(Next::State(Self::Removing { forced }))
            }
            // Asked again: only force adds something.
            (Some(Self::Removing { forced: already }), Remove { forced }) => {
                Some(Next::State(Self::Removing { forced: already || forced }))
            }
            (Some(Self::Removing { .. }), Forget) => Some(Next::Gone),
            (None, Tell | Remove { .. } | Forget) | (Some(Self::Admitted), Forget) => None,
        }
    }
}
