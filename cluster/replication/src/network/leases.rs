//! The leases that other members give a leader, as each told when it was dialled. Decides which one counts:
//! a leader must rely on the shortest, since members may be started with timers that differ.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<BTreeMap<u64, Duration>>);

impl Leases {
    pub(super) fn note(&self, of: u64, lease: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(of, lease);
    }

    /// Of these voters and this member's own. Whoever has told none has acknowledged nothing either.
    pub(crate) fn shortest(&self, voters: impl Iterator<Item = u64>, own: Duration) -> Duration {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        voters.filter_map(|voter| told.get(&voter).copied()).fold(own, Duration::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_lease_of_a_voter_counts() {
        let (leases, ms) = (Leases::default(), Duration::from_millis);
        assert_eq!(leases.shortest([1, 2, 3].into_iter(), ms(150)), ms(150));
        leases.note(2, ms(100));
        leases.note(3, ms(300));
        leases.note(4, ms(10));
        assert_eq!(leases.shortest([1, 2, 3].into_iter(), ms(150)), ms(100));
        assert_eq!(leases.shortest([1, 3].into_iter(), ms(150)), ms(150));
        leases.note(2, ms(200));
        assert_eq!(leases.shortest([1, 2, 3].into_iter(), ms(150)), ms(150));
    }
}
