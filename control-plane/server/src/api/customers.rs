//! Customers. Decides which are chosen, and that of their keys only ids are told.

use super::{
    headers::{Expected, Keyed},
    keys, resources,
    resources::{Items, Tagged},
};
use crate::service::Service;
use axum::extract::State;
use tradewind_domain::{
    control::{
        Machine,
        refusal::Noun,
        resource::{Declaration, Resource},
        row::CustomerRow,
    },
    ids::{CustomerId, KeyHash},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::{
    control::{Changed, ReadOptions},
    resources::{CustomerInfo, Declared, One, PutCustomer, SelectCustomers},
};

fn info(row: &CustomerRow) -> CustomerInfo {
    CustomerInfo {
        customer: row.customer.clone(),
        revision: row.revision,
        key_ids: row.spec.key_hashes.iter().map(KeyHash::key_id).collect(),
        affinity: row.affinity.clone(),
        affinity_version: row.affinity_version,
    }
}

fn chosen(machine: &Machine, row: &CustomerRow, select: &SelectCustomers) -> bool {
    let with = row.affinity.as_ref().map(|affinity| &affinity.manager);
    select.manager.as_ref().is_none_or(|manager| with == Some(manager))
        && select.account.as_ref().is_none_or(|account| {
            let account = machine.account(account);
            account.is_some_and(|account| account.spec.customers.contains(&row.customer))
        })
}

pub(super) async fn list(
    State(service): State<Service>,
    Query(select): Query<SelectCustomers>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let rows = machine.customers_after(select.after.as_ref());
    let shown = |row: &&CustomerRow| chosen(&machine, row, &select).then(|| info(row));
    resources::page(stand, select.limit, rows, |row| row.customer.to_string(), shown)
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(customer): Path<CustomerId>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<CustomerInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let item = machine.customer(&customer).map(|row| (row.revision, info(row)));
    resources::one(stand, Noun::Customer, customer.as_str(), item)
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(customer): Path<CustomerId>,
    keyed: Keyed,
    on: Expected,
    Json(spec): Json<PutCustomer>,
) -> Result<Tagged<Declared>, Failure> {
    spec.key_hashes.iter().flatten().try_for_each(keys::check)?;
    let path = format!("/v1/customers/{customer}");
    let what = Declaration::Customer { customer, key_hashes: spec.key_hashes.clone() };
    resources::put(&service, keyed, on, &path, &spec, what).await
}

pub(super) async fn delete(
    State(service): State<Service>,
    Path(customer): Path<CustomerId>,
    keyed: Keyed,
    on: Expected,
) -> Result<Json<Changed>, Failure> {
    let path = format!("/v1/customers/{customer}");
    resources::delete(&service, keyed, on, &path, Resource::Customer(customer), false).await
}
