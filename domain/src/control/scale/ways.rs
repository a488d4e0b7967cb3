//! The states of a request and the whole table of its ways. Decides which step is refused in which state; SC1 and
//! SC2 are checked here for every two states of the machine, SC3 for every entry.

#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{control::machine::Machine, ids::LocationId};
use alloc::{collections::BTreeSet, format, string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProvisionState {
    /// Nobody has taken it on yet.
    Asked,
    /// A member was told to start it.
    Starting,
    /// An attempt failed; the next one comes after a while.
    Failed,
    /// All three Managers have checked in.
    There,
    /// It is being drained.
    Retiring,
    /// Nothing of it is registered; what started it is to take it away.
    Releasing,
    /// Nothing of it is left. Kept for whoever asks how it ended, as long as there is room.
    Released,
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisionStep {
    Start,
    Arrive,
    Fail,
    GiveUp,
    Retire,
    Keep,
    Release,
    Done,
}

impl core::fmt::Display for ProvisionState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Asked => "asked",
            Self::Starting => "starting",
            Self::Failed => "failed",
            Self::There => "there",
            Self::Retiring => "retiring",
            Self::Releasing => "releasing",
            Self::Released => "released",
        })
    }
}

impl ProvisionState {
    pub const ALL: [Self; 7] = [
        Self::Asked,
        Self::Starting,
        Self::Failed,
        Self::There,
        Self::Retiring,
        Self::Releasing,
        Self::Released,
    ];

    /// The whole table. `None`: the step is refused in this state.
    #[must_use]
    pub fn after(self, step: ProvisionStep) -> Option<Self> {
        use ProvisionStep::{Arrive, Done, Fail, GiveUp, Keep, Release, Retire, Start};
        match (self, step) {
            // Taken on, or taken over from a leader that is gone.
            (Self::Asked | Self::Starting | Self::Failed, Start) => Some(Self::Starting),
            (Self::Starting | Self::Failed, Arrive) | (Self::Retiring, Keep) => Some(Self::There),
            (Self::Asked | Self::Starting | Self::Failed, Fail) => Some(Self::Failed),
            (Self::There, Retire) => Some(Self::Retiring),
            // Something of it may run although nothing was heard of it.
            (Self::Failed, GiveUp) | (Self::There | Self::Retiring, Release) => {
                Some(Self::Releasing)
            }
            (Self::Releasing, Start | Fail) => Some(Self::Releasing),
            (Self::Asked, GiveUp) | (Self::Releasing, Done) => Some(Self::Released),
            (Self::Asked, Arrive | Retire | Keep | Release | Done)
            | (Self::Starting, GiveUp | Retire | Keep | Release | Done)
            | (Self::Failed, Retire | Keep | Release | Done)
            | (Self::There, Start | Arrive | Fail | GiveUp | Keep | Done)
            | (Self::Retiring, Start | Arrive | Fail | GiveUp | Retire | Done)
            | (Self::Releasing, Arrive | GiveUp | Retire | Keep | Release)
            | (Self::Released, Start | Arrive | Fail | GiveUp | Retire | Keep | Release | Done) => {
                None
            }
        }
    }

    /// Whether an implementation is still expected of it.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Asked | Self::Starting | Self::Failed => true,
            Self::There | Self::Retiring | Self::Releasing | Self::Released => false,
        }
    }
}

pub(super) const STEPS: [ProvisionStep; 8] = [
    ProvisionStep::Start,
    ProvisionStep::Arrive,
    ProvisionStep::Fail,
    ProvisionStep::GiveUp,
    ProvisionStep::Retire,
    ProvisionStep::Keep,
    ProvisionStep::Release,
    ProvisionStep::Done,
];

/// What does not hold of `after`, given the state `before` it, with any number of entries between.
pub(in crate::control) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = BTreeSet::<&LocationId>::new();
    for row in after.provisions() {
        if row.state.is_open() && !open.insert(&row.location) {
            found.push(format!("SC1: {} has two open requests", row.location));
        }
        let Some(old) = before.provision(row.request) else { continue };
        if !reachable(old.state, row.state) {
            found.push(format!(
                "SC2: request {} went from {} to {}",
                row.request, old.state, row.state
            ));
        }
        if old.implementation != row.implementation {
            found.push(format!("SC2: request {} is of another implementation", row.request));
        }
    }
    found
}

/// SC3, of one entry. `before` has the settings that it was decided by.
pub(in crate::control) fn bounds(before: &Machine, after: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    for row in after.provisions() {
        let spec = before.scale(&row.location).map(|scale| &scale.spec);
        let (least, most) = spec.map_or((0, 0), |spec| (spec.least as usize, spec.most as usize));
        let old = before.provision(row.request).map(|old| old.state);
        if old.is_none() {
            let there = after.implementations_at(&row.location).len();
            if there > most {
                found.push(format!("SC3: {} is to have {there}, at most {most}", row.location));
            }
        }
        if row.state == ProvisionState::Retiring && old == Some(ProvisionState::There) {
            let mut left = after.serving_at(&row.location);
            left.remove(&row.implementation);
            if left.len() < least {
                let left = left.len();
                found.push(format!("SC3: {} keeps {left}, at least {least}", row.location));
            }
        }
    }
    found
}

fn reachable(from: ProvisionState, to: ProvisionState) -> bool {
    let mut known = Vec::from([from]);
    let mut next = 0;
    while let Some(state) = known.get(next).copied() {
        for after in STEPS.into_iter().filter_map(|step| state.after(step)) {
            if !known.contains(&after) {
                known.push(after);
            }
        }
        next += 1;
    }
    known.contains(&to)
}
