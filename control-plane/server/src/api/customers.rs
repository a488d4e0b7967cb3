//! Customers. Decides which are chosen, and that of their keys only ids are told.

use super::{
    keys,
    resources::{Items, Kind, Listed, Nothing, Seen, page},
};
use tradewind_domain::{
    control::{
        Machine,
        refusal::Noun,
        resource::{Declaration, Resource},
        row::CustomerRow,
    },
    ids::{CustomerId, KeyHash, Revision},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{CustomerInfo, PutCustomer, SelectCustomers},
};

pub(super) struct Customers;

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

impl Kind for Customers {
    const NOUN: Noun = Noun::Customer;
    const ONE: &'static str = "/v1/customers/{customer}";
    type Id = CustomerId;
    type Spec = PutCustomer;
    type Info = CustomerInfo;
    type Options = Nothing;

    fn check(spec: &PutCustomer) -> Result<(), Failure> {
        spec.key_hashes.iter().flatten().try_for_each(keys::check)
    }

    fn name(id: &CustomerId) -> String {
        id.to_string()
    }

    fn path(id: &CustomerId) -> String {
        format!("/v1/customers/{id}")
    }

    fn resource(id: CustomerId) -> Resource {
        Resource::Customer(id)
    }

    fn declaration(customer: CustomerId, spec: &PutCustomer) -> Declaration {
        Declaration::Customer { customer, key_hashes: spec.key_hashes.clone() }
    }

    fn item(machine: &Seen, id: &CustomerId) -> Option<(Revision, CustomerInfo)> {
        machine.customer(id).map(|row| (row.revision, info(row)))
    }
}

impl Listed for Customers {
    const LIST: &'static str = "/v1/customers";
    type Select = SelectCustomers;

    fn list(
        machine: &Seen,
        select: &SelectCustomers,
        stand: Stand,
    ) -> Result<Json<Items>, Failure> {
        let rows = machine.customers_after(select.after.as_ref());
        let shown = |row: &&CustomerRow| chosen(machine, row, select).then(|| info(row));
        page(stand, select, rows, |row| row.customer.to_string(), shown)
    }
}
