//! Finds a customer by the hash of his API key. Decides only how to look: the machine says who holds a
//! key, and each hit is checked against it, so an old index can miss but never let anyone in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tradewind_domain::{
    control::Machine,
    ids::{CustomerId, KeyHash, Revision},
};

#[derive(Default)]
pub(crate) struct KeyIndex {
    built: Mutex<Built>,
}

#[derive(Default)]
struct Built {
    at: Revision,
    owners: HashMap<KeyHash, CustomerId>,
}

impl KeyIndex {
    /// The customer who holds the key in this machine. Reads every customer only when the index does not
    /// know the key and the machine is newer than the index.
    pub(crate) fn owner(
        &self,
        hash: &KeyHash,
        revision: Revision,
        machine: &Machine,
    ) -> Option<CustomerId> {
        let holds = |customer: &CustomerId| {
            machine.customer(customer).is_some_and(|row| row.spec.key_hashes.contains(hash))
        };
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let known = built.owners.get(hash).filter(|customer| holds(customer)).cloned();
        if known.is_some() || built.at >= revision {
            return known;
        }
        let each = |row: &tradewind_domain::control::row::CustomerRow| {
            let hashes = row.spec.key_hashes.iter().cloned();
            hashes.map(|hash| (hash, row.customer.clone())).collect::<Vec<_>>()
        };
        built.owners = machine.customers().flat_map(each).collect();
        built.at = revision;
        built.owners.get(hash).cloned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::{Command, IdempotencyKey, Request, Stamped, row::CustomerSpec},
        time::UnixNanos,
    };

    fn put(machine: &mut Machine, n: u64, customer: &str, keys: &[&str]) {
        let spec = CustomerSpec { key_hashes: keys.iter().map(|key| KeyHash::of(key)).collect() };
        let command = Command::PutCustomer { customer: customer.parse().unwrap(), spec };
        let key = IdempotencyKey { client: "test".parse().unwrap(), issued_at: UnixNanos(1), n };
        let request = Request { key, command };
        machine.apply(Revision(n), &Stamped { at: UnixNanos(1), request });
    }

    #[test]
    fn a_revoked_key_opens_nothing_and_a_new_one_is_found() {
        let (index, mut machine) = (KeyIndex::default(), Machine::default());
        put(&mut machine, 1, "acme", &["old"]);
        let acme = Some("acme".parse().unwrap());
        assert_eq!(index.owner(&KeyHash::of("old"), Revision(1), &machine), acme);
        put(&mut machine, 2, "acme", &["new"]);
        assert_eq!(index.owner(&KeyHash::of("old"), Revision(2), &machine), None);
        assert_eq!(index.owner(&KeyHash::of("new"), Revision(2), &machine), acme);
        assert_eq!(index.owner(&KeyHash::of("never"), Revision(2), &machine), None);
    }

    #[test]
    fn a_key_that_moved_to_another_customer_is_found_there() {
        let (index, mut machine) = (KeyIndex::default(), Machine::default());
        put(&mut machine, 1, "acme", &["key"]);
        assert!(index.owner(&KeyHash::of("key"), Revision(1), &machine).is_some());
        put(&mut machine, 2, "acme", &[]);
        put(&mut machine, 3, "zeta", &["key"]);
        let owner = index.owner(&KeyHash::of("key"), Revision(3), &machine);
        assert_eq!(owner, Some("zeta".parse().unwrap()));
    }
}
