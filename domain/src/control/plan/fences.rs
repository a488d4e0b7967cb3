//! When a Trader may be started under its new right. Decides that this is when each Broker of each account that its
//! customer may use has told this leader that it has the right on record. A Broker whose Manager is away has told
//! nothing: it may run and take orders, so the Trader waits for it, and for one that was given up until the next has told.
//! One that was never placed takes none.

use super::Observed;
use crate::{
    control::{
        Command, Machine,
        fencing::{FencingRow, TraderCommand},
        row::{AccountRow, ManagerState},
    },
    ids::CustomerId,
    limits,
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

type Accounts<'a> = BTreeMap<&'a CustomerId, Vec<&'a AccountRow>>;

pub(super) fn fenced(machine: &Machine, observed: &Observed) -> Vec<Command> {
    if machine.fencings().next().is_none() {
        return Vec::new();
    }
    let accounts = accounts(machine);
    let over = machine
        .fencings()
        .filter(|row| machine.is_outdated(row) || is_on_record(machine, observed, &accounts, row));
    let fenced = over.map(|FencingRow { trader, epoch, .. }| {
        let (trader, epoch) = (trader.clone(), *epoch);
        Command::Trader(TraderCommand::Fenced { trader, epoch })
    });
    fenced.take(limits::PLACEMENTS_A_ROUND).collect()
}

/// Customers who may use an account: of nobody else's Traders an order is accepted anywhere.
pub(super) fn granted(machine: &Machine) -> BTreeSet<&CustomerId> {
    machine.accounts().flat_map(|row| &row.spec.customers).collect()
}

fn accounts(machine: &Machine) -> Accounts<'_> {
    let mut accounts = Accounts::new();
    for row in machine.accounts() {
        for customer in &row.spec.customers {
            accounts.entry(customer).or_default().push(row);
        }
    }
    accounts
}

fn is_on_record(
    machine: &Machine,
    observed: &Observed,
    accounts: &Accounts<'_>,
    row: &FencingRow,
) -> bool {
    let of_his = accounts.get(&row.customer).into_iter().flatten();
    // Shard 0 is the ledger: no other one takes orders.
    let mut ledgers = of_his.filter_map(|account| {
        let ledger = machine.brokers_of(&account.account).next()?;
        match &ledger.assignment {
            Some(held) => Some((account, Some(&held.manager))),
            None => machine.abandoned(&account.account, ledger.shard).map(|_| (account, None)),
        }
    });
    ledgers.all(|(account, manager)| {
        let manager = manager.and_then(|manager| machine.manager(manager));
        let manager = manager.filter(|row| row.state == ManagerState::Live);
        manager.is_some_and(|manager| {
            let told =
                observed.fenced.get(&manager.manager).filter(|_| observed.has_heard(manager));
            let told = told.and_then(|told| told.get(&account.account));
            told.and_then(|told| told.get(&row.trader)) == Some(&row.epoch)
        })
    })
}
