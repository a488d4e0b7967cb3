//! Where the members are. Decides in which order they are asked: the one that answered last, then the
//! others in turn. Addresses named at the start are never forgotten: what was learnt may be wrong.

use crate::limits::MEMBERS_KEPT;
use std::sync::{Mutex, PoisonError};

pub(crate) struct Members {
    configured: Vec<String>,
    known: Mutex<Known>,
}

struct Known {
    addresses: Vec<String>,
    /// The one that answered last.
    first: usize,
}

impl Members {
    pub(crate) fn new(configured: Vec<String>) -> Self {
        let known = Known { addresses: kept(&configured, &[]), first: 0 };
        Self { configured, known: Mutex::new(known) }
    }

    fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All addresses, in the order to ask.
    pub(crate) fn in_order(&self) -> Vec<String> {
        self.known(|known| {
            let mut addresses = known.addresses.clone();
            addresses.rotate_left(known.first);
            addresses
        })
    }

    /// This one answered: it is asked first from now on.
    pub(crate) fn worked(&self, address: &str) {
        self.known(|known| {
            if let Some(at) = known.addresses.iter().position(|a| a == address) {
                known.first = at;
            }
        });
    }

    /// This one did not answer: if it was first, the next is asked first from now on.
    pub(crate) fn failed(&self, address: &str) {
        self.known(|known| {
            if known.addresses.get(known.first).is_some_and(|first| first == address) {
                known.first = (known.first + 1) % known.addresses.len();
            }
        });
    }

    /// The group's own list.
    pub(crate) fn learn(&self, members: &[String]) {
        if members.is_empty() {
            return;
        }
        let addresses = kept(members, &self.configured);
        self.known(|known| {
            if known.addresses != addresses {
                let first = known.addresses.get(known.first);
                let at = first.and_then(|first| addresses.iter().position(|a| a == first));
                *known = Known { addresses, first: at.unwrap_or(0) };
            }
        });
    }
}

/// Both lists without repetition, at most `MEMBERS_KEPT`.
fn kept(members: &[String], configured: &[String]) -> Vec<String> {
    let mut kept = Vec::<String>::new();
    for address in members.iter().chain(configured) {
        if kept.len() < MEMBERS_KEPT && !kept.contains(address) {
            kept.push(address.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_member_that_answered_last_is_asked_first_and_one_that_did_not_is_passed_over() {
        let members = Members::new(list(&["a", "b", "c"]));
        members.worked("b");
        assert_eq!(members.in_order(), ["b", "c", "a"]);
        members.failed("b");
        assert_eq!(members.in_order(), ["c", "a", "b"]);
        // Only the first is passed over: the others come later anyway.
        members.failed("b");
        assert_eq!(members.in_order(), ["c", "a", "b"]);
    }

    #[test]
    fn learnt_members_come_first_and_configured_ones_stay() {
        let members = Members::new(list(&["seed", "b"]));
        members.worked("b");
        members.learn(&list(&["a", "b", "c"]));
        assert_eq!(members.in_order(), ["b", "c", "seed", "a"]);
        members.learn(&[]);
        assert_eq!(members.in_order().len(), 4);
    }

    #[test]
    fn the_list_is_bounded_whatever_is_learnt() {
        let members = Members::new(list(&["a"]));
        let many: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
        members.learn(&many);
        assert_eq!(members.in_order().len(), MEMBERS_KEPT);
    }
}
