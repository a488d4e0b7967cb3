//! What has changed from one state to the next, as far as Managers are told of it. Decides nothing: it only spares
//! looking at what both states share.

use super::{Change, Item, ItemKey};
use crate::{
    control::{desired, machine::Machine},
    ids::{CustomerId, ManagerId},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use imbl::ordmap::DiffItem;

pub(super) fn between(
    before: &BTreeMap<ItemKey, Item>,
    now: &BTreeMap<ItemKey, Item>,
) -> Vec<Change> {
    let put = now.iter().filter(|(key, item)| before.get(*key) != Some(*item));
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    let put = put.map(|(_, item)| Change::Put(item.clone()));
    put.chain(gone.cloned().map(Change::Gone)).collect()
}

/// Customers whose access is other than it was, who came or who went.
pub(super) fn customers(before: &Machine, now: &Machine) -> Vec<CustomerId> {
    let rows = before.tables.customers.diff(&now.tables.customers);
    let mut changed: BTreeSet<&CustomerId> = rows.map(|row| key_of(&row)).collect();
    // Where a TraderManager is stands with each customer of its.
    let managers = before.tables.managers.diff(&now.tables.managers);
    let moved: BTreeSet<&ManagerId> = managers.map(|row| key_of(&row)).collect();
    let moved = moved.into_iter().filter(|manager| {
        let address = |machine: &Machine| machine.manager(manager).map(|row| row.address.clone());
        address(before) != address(now)
    });
    for manager in moved {
        let held = now.tables.index.held(manager);
        changed.extend(held.into_iter().flat_map(|held| &held.customers));
    }
    let access = |machine: &Machine, customer: &CustomerId| {
        machine.customer(customer).map(|row| desired::access_of(machine, row))
    };
    let differs = |customer: &&CustomerId| access(before, customer) != access(now, customer);
    changed.into_iter().filter(differs).cloned().collect()
}

fn key_of<'a, K, V>(row: &DiffItem<'a, 'a, K, V>) -> &'a K {
    match row {
        DiffItem::Add(key, _) | DiffItem::Remove(key, _) => key,
        DiffItem::Update { new: (key, _), .. } => key,
    }
}
