//! What BrokerManagers are told of ledgers' copies: who keeps them, who is to continue one. Derives it from the `View` of
//! each account.

use super::BrokerWanted;
use crate::{
    control::{
        controls::Controls,
        machine::Machine,
        row::{AccountSpec, BrokerRow},
    },
    ids::{AccountId, Epoch, Fence, ManagerId},
    trading::copies::{Naming, View},
};
use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};

/// What a Broker is told of its ledger's copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesWanted {
    /// By which it greets and seals.
    pub right: Fence,
    pub naming: Naming<ManagerId>,
    /// Where the copy holder is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// It is to load the ledger from the copy, and does nothing more before it is told that it counts.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub succeeds: bool,
}

/// A copy that a BrokerManager keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyKept {
    pub account: AccountId,
    /// Its naming.
    pub since: Fence,
}

/// Of a Broker that is the account's ledger.
pub(super) fn of(machine: &Machine, row: &BrokerRow) -> Option<CopiesWanted> {
    let view = machine.copies(&row.account)?.view.as_ref().filter(|_| row.shard == 0)?;
    Some(wanted(machine, view, view.live.right.epoch, false))
}

/// Those that are to continue a ledger from its copy. They take no orders, and need not know to what those are held.
pub(super) fn successors<'a>(
    machine: &'a Machine,
    manager: &'a ManagerId,
) -> impl Iterator<Item = BrokerWanted> + 'a {
    machine.all_copies().filter_map(move |row| {
        let view = row.view.as_ref()?;
        let epoch = view.successor.as_ref().filter(|held| held.at == *manager)?.right.epoch;
        let AccountSpec { venue, adapter, endpoint, customers } =
            machine.account(&row.account)?.spec.clone();
        Some(BrokerWanted {
            account: row.account.clone(),
            shard: 0,
            fence: machine.fence(epoch),
            venue,
            adapter,
            endpoint,
            customers,
            fences: Vec::new(),
            controls: Controls::default(),
            copies: Some(wanted(machine, view, epoch, true)),
        })
    })
}

fn wanted(machine: &Machine, view: &View<ManagerId>, right: Epoch, succeeds: bool) -> CopiesWanted {
    let naming = view.naming.clone();
    let holder = naming.holder.as_ref().and_then(|holder| machine.manager(holder));
    let address = holder.map(|row| row.address.clone());
    CopiesWanted { right: machine.fence(right), naming, address, succeeds }
}

pub(super) fn kept(machine: &Machine, manager: &ManagerId) -> Vec<CopyKept> {
    let kept = machine.all_copies().filter_map(|row| {
        let naming = &row.view.as_ref()?.naming;
        let (account, since) = (row.account.clone(), naming.since);
        (naming.holder.as_ref() == Some(manager)).then_some(CopyKept { account, since })
    });
    kept.collect()
}
