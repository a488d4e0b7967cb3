//! Accounts at venues. Decides which are chosen, and refuses an adapter that is not built.

use super::{
    headers::{Expected, Keyed},
    problems, resources,
    resources::{Items, Tagged},
};
use crate::service::Service;
use axum::extract::State;
use tradewind_domain::{
    control::{
        Machine,
        refusal::Noun,
        resource::{Declaration, Resource},
        row::{AccountRow, AccountSpec},
    },
    ids::{AccountId, ManagerId},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Changed, ReadOptions},
    resources::{AccountInfo, BrokerInfo, Declared, DeleteAccount, One, SelectAccounts},
};

/// The adapters that are built.
const ADAPTERS: [&str; 1] = ["sim"];

fn info(machine: &Machine, row: &AccountRow) -> AccountInfo {
    let brokers = machine.brokers_of(&row.account);
    let brokers =
        brokers.map(|row| BrokerInfo { shard: row.shard, assignment: row.assignment.clone() });
    AccountInfo {
        account: row.account.clone(),
        revision: row.revision,
        spec: row.spec.clone(),
        brokers: brokers.collect(),
    }
}

fn chosen(machine: &Machine, row: &AccountRow, select: &SelectAccounts) -> bool {
    let holds = |manager: &ManagerId| {
        let mut held = machine.brokers_of(&row.account).filter_map(|row| row.assignment.as_ref());
        held.any(|held| held.manager == *manager)
    };
    select.venue.as_ref().is_none_or(|venue| row.spec.venue == *venue)
        && select.customer.as_ref().is_none_or(|customer| row.spec.customers.contains(customer))
        && select.manager.as_ref().is_none_or(holds)
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectAccounts>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let rows = machine.accounts_after(select.after.as_ref());
    let shown = |row: &&AccountRow| chosen(&machine, row, &select).then(|| info(&machine, row));
    resources::page(stand, select.limit, rows, |row| row.account.to_string(), shown)
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(account): Path<AccountId>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<AccountInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let item = machine.account(&account).map(|row| (row.revision, info(&machine, row)));
    resources::one(stand, Noun::Account, account.as_str(), item)
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(account): Path<AccountId>,
    keyed: Keyed,
    on: Expected,
    Json(spec): Json<AccountSpec>,
) -> Result<Tagged<Declared>, Failure> {
    if !ADAPTERS.contains(&spec.adapter.as_str()) {
        return Err(problems::adapter_not_built(&spec.adapter).into());
    }
    let path = format!("/v1/accounts/{account}");
    let what = Declaration::Account { account, spec: spec.clone() };
    resources::put(&service, keyed, on, &path, &spec, what).await
}

pub(super) async fn delete(
    State(service): State<Service>,
    Path(account): Path<AccountId>,
    Query(DeleteAccount { release }): Query<DeleteAccount>,
    keyed: Keyed,
    on: Expected,
) -> Result<Json<Changed>, Failure> {
    let path = format!("/v1/accounts/{account}?release={release}");
    resources::delete(&service, keyed, on, &path, Resource::Account(account), release).await
}
