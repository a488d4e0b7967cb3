//! Spreading over connections. Decides which subscriptions go together. A symbol stays where it is when others come: only
//! what is new looks for room.

use std::collections::BTreeMap;

use tradewind_domain::ids::InstrumentId;

/// Which connection carries which instrument.
#[derive(Clone, Debug)]
pub struct Shards {
    most: usize,
    placed: BTreeMap<InstrumentId, usize>,
    /// How many each connection carries.
    loads: Vec<usize>,
}

impl Shards {
    /// With so many instruments a connection, at least one.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { most: most.max(1), placed: BTreeMap::new(), loads: Vec::new() }
    }

    /// The connection of an instrument; a new one goes to the first with room, or to a new connection.
    pub fn place(&mut self, instrument: &InstrumentId) -> usize {
        if let Some(shard) = self.placed.get(instrument) {
            return *shard;
        }
        let room = self.loads.iter().position(|load| *load < self.most);
        let shard = room.unwrap_or_else(|| {
            self.loads.push(0);
            self.loads.len() - 1
        });
        self.loads[shard] += 1;
        self.placed.insert(instrument.clone(), shard);
        shard
    }

    /// It is no longer subscribed. The connection it was on.
    pub fn remove(&mut self, instrument: &InstrumentId) -> Option<usize> {
        let shard = self.placed.remove(instrument)?;
        self.loads[shard] -= 1;
        Some(shard)
    }

    /// What a connection carries: to be subscribed again when it is new.
    pub fn on(&self, shard: usize) -> impl Iterator<Item = &InstrumentId> {
        self.placed.iter().filter(move |(_, on)| **on == shard).map(|(instrument, _)| instrument)
    }

    /// Connections that carry something or once did.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.loads.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(number: u8) -> InstrumentId {
        InstrumentId::new(&format!("A{number}/USD")).unwrap()
    }

    proptest! {
        #[test]
        fn no_connection_is_overfull_and_nobody_is_moved(
            steps in prop::collection::vec((any::<u8>(), any::<bool>()), 0..300), most in 1_usize..5
        ) {
            let mut shards = Shards::of(most);
            let mut expected = BTreeMap::new();
            for (number, comes) in steps {
                let name = name(number);
                if comes {
                    let shard = shards.place(&name);
                    prop_assert_eq!(*expected.entry(name).or_insert(shard), shard);
                } else {
                    prop_assert_eq!(shards.remove(&name), expected.remove(&name));
                }
            }
            for shard in 0..shards.connections() {
                let on: Vec<_> = shards.on(shard).collect();
                prop_assert!(on.len() <= most);
                prop_assert!(on.iter().all(|name| expected[*name] == shard));
            }
        }
    }
}
