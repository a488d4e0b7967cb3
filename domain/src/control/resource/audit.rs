//! Who changes what is declared, and why. Decides that each change that changed something is told with both, behind
//! what it made. What was asked for by earlier builds names nobody, and is told without.

use super::{Condition, Declaration, Resource, ResourceCommand};
use crate::{
    control::{
        drain::By,
        event::EventKind,
        machine::Machine,
        refusal::{Noun, Refusal},
    },
    ids::{CustomerId, KeyHash, Revision},
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// A change of one resource. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResourceChange {
    Put {
        what: Declaration,
        on: Condition,
    },
    Delete {
        what: Resource,
        on: Condition,
        /// An account's Broker is stopped by it. Its ledger stays on the disk of its BrokerManager.
        release: bool,
    },
    /// One key more, whatever keys others add at the same time.
    AddKey {
        customer: CustomerId,
        hash: KeyHash,
    },
    RemoveKey {
        customer: CustomerId,
        key_id: String,
    },
}

/// What was done to a resource. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Declared,
    Deleted,
    KeyAdded,
    KeyRemoved,
}

impl ResourceChange {
    fn told(&self) -> (Resource, Deed) {
        match self {
            Self::Put { what, .. } => (what.resource(), Deed::Declared),
            Self::Delete { what, .. } => (what.clone(), Deed::Deleted),
            Self::AddKey { customer, .. } => (Resource::Customer(customer.clone()), Deed::KeyAdded),
            Self::RemoveKey { customer, .. } => {
                (Resource::Customer(customer.clone()), Deed::KeyRemoved)
            }
        }
    }
}

impl ResourceCommand {
    fn parts(self) -> (Option<By>, ResourceChange) {
        let change = match self {
            Self::Put { what, on } => ResourceChange::Put { what, on },
            Self::Delete { what, on, release } => ResourceChange::Delete { what, on, release },
            Self::AddKey { customer, hash } => ResourceChange::AddKey { customer, hash },
            Self::RemoveKey { customer, key_id } => ResourceChange::RemoveKey { customer, key_id },
            Self::Audited { by, change } => return (Some(by), change),
        };
        (None, change)
    }
}

impl Machine {
    pub(in crate::control) fn decide_resource(
        &mut self,
        revision: Revision,
        command: ResourceCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        let (by, change) = command.parts();
        if by.as_ref().is_some_and(|by| by.check().is_err()) {
            return Err(Refusal::TooLarge { what: Noun::Audit });
        }
        let (what, deed) = change.told();
        let mut kinds = self.change_resource(revision, by.as_ref(), change)?;
        if let Some(By { who, why }) = by.filter(|_| !kinds.is_empty()) {
            kinds.push(EventKind::Audited { what, deed, who, why });
        }
        Ok(kinds)
    }
}
