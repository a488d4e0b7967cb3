//! What a leader has seen of the Managers in its own time: soft state, nothing of it is inherited and nothing is
//! written. Decides what counts as a proof of life or of death, and of which registration; what follows from
//! it is the plan's decision. The leader's pipes bring it, whatever they are made of.

use super::{Observed, Sighting, Told};
use crate::{
    control::row::ManagerRow,
    ids::{Epoch, Incarnation, ManagerId},
    time::{Monotonic, UnixNanos},
};
use alloc::{collections::BTreeMap, string::String};

/// A Manager as its leader's pipes have it: of an older registration nothing is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub manager: ManagerId,
    pub incarnation: Incarnation,
    pub epoch: Epoch,
    pub address: String,
}

impl From<&ManagerRow> for Registration {
    fn from(row: &ManagerRow) -> Self {
        Self {
            manager: row.manager.clone(),
            incarnation: row.incarnation,
            epoch: row.epoch,
            address: row.address.clone(),
        }
    }
}

/// What a pipe proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The pipe was accepted by this life of the Manager.
    Up { incarnation: Incarnation },
    /// The registered life has beaten, and said this of itself.
    Beat(Told),
    /// Nobody listens at its address.
    Refused,
}

#[derive(Debug, Default)]
pub struct Observations {
    observed: Observed,
    registered: BTreeMap<ManagerId, Registration>,
}

impl Observations {
    /// Begins at a confirmed leadership.
    #[must_use]
    pub fn since(leader_since: Monotonic) -> Self {
        let observed = Observed { leader_since, ..Observed::default() };
        Self { observed, ..Self::default() }
    }

    /// Time cannot be trusted: every age counts from now.
    pub fn restart_ages(&mut self, now: Monotonic) {
        self.observed.leader_since = now;
    }

    /// Notes the calendar's time, for what is planned next.
    pub fn at(&mut self, at: UnixNanos) {
        self.observed.at = at;
    }

    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// A registration that is new to this leader. `checked_in`: it was made in this leader's time, which
    /// is itself a proof of life; what was seen of an older one says nothing about it.
    pub fn registered(&mut self, of: Registration, checked_in: Option<Monotonic>) {
        self.observed.managers.remove(&of.manager);
        if let Some(at) = checked_in {
            let seen = Sighting { last_proof: at, ..unseen(&of) };
            self.observed.managers.insert(of.manager.clone(), seen);
        }
        self.registered.insert(of.manager.clone(), of);
    }

    /// It is not registered as live any more.
    pub fn forget(&mut self, manager: &ManagerId) {
        self.registered.remove(manager);
        self.observed.managers.remove(manager);
    }

    /// What a pipe of that registration has brought. `false`: it is not the one that stands, and nothing is taken.
    pub fn heard(&mut self, of: &Registration, at: Monotonic, proof: Proof) -> bool {
        if self.registered.get(&of.manager) != Some(of) {
            return false;
        }
        let sighting =
            self.observed.managers.entry(of.manager.clone()).or_insert_with(|| unseen(of));
        match proof {
            Proof::Up { incarnation } => {
                // Another life than the registered one proves nothing about that.
                if incarnation == sighting.incarnation {
                    (sighting.last_proof, sighting.refused) = (at, false);
                }
            }
            Proof::Beat(told) => {
                (sighting.last_proof, sighting.refused) = (at, false);
                sighting.told = Some(told);
            }
            Proof::Refused => sighting.refused = true,
        }
        true
    }
}

fn unseen(of: &Registration) -> Sighting {
    Sighting { incarnation: of.incarnation, last_proof: Monotonic(0), refused: false, told: None }
}
