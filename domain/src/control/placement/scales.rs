//! Loads of Managers against each other. Decides which is the fullest and which the emptiest, and whether
//! moving something from the one to the other helps.

use crate::ids::ManagerId;
use alloc::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy)]
struct Pan {
    held: u32,
    capacity: u32,
}

impl Pan {
    /// In millionths of the capacity.
    fn load(self) -> u64 {
        u64::from(self.held) * 1_000_000 / u64::from(self.capacity.max(1))
    }

    fn with(self, weight: u32) -> Self {
        Self { held: self.held.saturating_add(weight), ..self }
    }

    fn without(self, weight: u32) -> Self {
        Self { held: self.held.saturating_sub(weight), ..self }
    }
}

#[derive(Default)]
pub(super) struct Scales<'a> {
    pans: BTreeMap<&'a ManagerId, Pan>,
    order: BTreeSet<(u64, &'a ManagerId)>,
}

impl<'a> Scales<'a> {
    pub(super) fn put(&mut self, manager: &'a ManagerId, held: u32, capacity: u32) {
        let pan = Pan { held, capacity };
        if let Some(before) = self.pans.insert(manager, pan) {
            self.order.remove(&(before.load(), manager));
        }
        self.order.insert((pan.load(), manager));
    }

    /// The fullest that is not among the `done`, and the emptiest.
    pub(super) fn ends(
        &self,
        done: &BTreeSet<&ManagerId>,
    ) -> Option<(&'a ManagerId, &'a ManagerId)> {
        let fullest = self.order.iter().rev().map(|(_, manager)| *manager);
        let from = fullest.into_iter().find(|manager| !done.contains(manager))?;
        let (_, to) = self.order.first()?;
        (from != *to).then_some((from, *to))
    }

    /// Whether it fits, and whether both are then less full than the first was.
    pub(super) fn helps(&self, from: &ManagerId, to: &ManagerId, weight: u32) -> bool {
        let (Some(from), Some(to)) = (self.pans.get(from), self.pans.get(to)) else { return false };
        let after = to.with(weight);
        after.held <= after.capacity && after.load() < from.load()
    }

    pub(super) fn shift(&mut self, from: &'a ManagerId, to: &'a ManagerId, weight: u32) {
        let (Some(less), Some(more)) = (self.pans.get(from), self.pans.get(to)) else { return };
        let (less, more) = (less.without(weight), more.with(weight));
        self.put(from, less.held, less.capacity);
        self.put(to, more.held, more.capacity);
    }
}
