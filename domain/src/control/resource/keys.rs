//! One API key at a time. Decides that a key is added and removed by itself, so that two operators do not
//! overwrite each other's, and that it is one customer's. Of the key only its hash is known here.

use super::Need;
use crate::{
    control::{
        event::EventKind,
        machine::Machine,
        refusal::{Noun, Refusal},
        row::{CustomerRow, Row},
    },
    ids::{CustomerId, KeyHash, Revision},
    limits,
};
use alloc::{string::String, vec, vec::Vec};

impl Machine {
    /// A customer's row, to be changed.
    fn owner(&self, customer: &CustomerId) -> Result<CustomerRow, Refusal> {
        let row = self.customer(customer).cloned();
        row.ok_or(Refusal::NotFound { what: Noun::Customer })
    }

    /// Each key opens sessions for one customer: nobody else has one of these.
    pub(super) fn check_keys<'a>(
        &self,
        customer: &CustomerId,
        hashes: impl IntoIterator<Item = &'a KeyHash>,
    ) -> Result<(), Refusal> {
        for hash in hashes {
            if !hash.is_hash() {
                return Err(Refusal::NotAHash);
            }
            let mut owners = self.tables.index.key_owners(hash);
            if let Some(other) = owners.find(|owner| *owner != customer) {
                let by = Need::Owner { customer: other.clone() };
                return Err(Refusal::InUse { what: Noun::Key, by });
            }
        }
        Ok(())
    }

    pub(super) fn add_key(
        &mut self,
        revision: Revision,
        customer: CustomerId,
        hash: KeyHash,
    ) -> Result<Vec<EventKind>, Refusal> {
        let mut row = self.owner(&customer)?;
        self.check_keys(&customer, [&hash])?;
        if row.spec.key_hashes.contains(&hash) {
            return Ok(vec![]);
        }
        if row.spec.key_hashes.len() >= limits::KEYS_PER_CUSTOMER {
            return Err(Refusal::TooMany { what: Noun::Key });
        }
        let key_id = hash.key_id();
        row.spec.key_hashes.insert(hash);
        row.revision = revision;
        self.tables.put(Row::Customer(row));
        Ok(vec![EventKind::KeyAdded { customer, key_id }])
    }

    pub(super) fn remove_key(
        &mut self,
        revision: Revision,
        customer: CustomerId,
        key_id: String,
    ) -> Result<Vec<EventKind>, Refusal> {
        let mut row = self.owner(&customer)?;
        let before = row.spec.key_hashes.len();
        row.spec.key_hashes.retain(|hash| hash.key_id() != key_id);
        if row.spec.key_hashes.len() == before {
            return Err(Refusal::NotFound { what: Noun::Key });
        }
        row.revision = revision;
        self.tables.put(Row::Customer(row));
        Ok(vec![EventKind::KeyRemoved { customer, key_id }])
    }
}
