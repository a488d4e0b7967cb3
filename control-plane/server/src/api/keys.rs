//! A customer's API keys, one by one. Decides that what is no hash goes no further: it may be a key, which is to
//! stand in no log.

use super::{
    changes::changed,
    headers::{Keyed, Said},
    problems, resources,
    resources::audited,
};
use crate::service::{Change, Service};
use axum::extract::State;
use tradewind_domain::{
    control::{
        Refusal,
        refusal::Noun,
        resource::{Condition, ResourceChange},
    },
    ids::{CustomerId, KeyHash},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
    rest::Method,
};
use tradewind_protocol::{
    Code,
    control::{Changed, ReadOptions},
    resources::{AddKey, KeyAdded, KeyInfo, Page},
};

pub(super) fn check(hash: &KeyHash) -> Result<(), Failure> {
    if hash.is_hash() { Ok(()) } else { Err(problems::refused(&Refusal::NotAHash).into()) }
}

/// A key has no revision: on a condition that is not looked at nothing is changed.
fn unconditional(on: Condition) -> Result<(), Failure> {
    match on {
        Condition::Always => Ok(()),
        Condition::Absent | Condition::Present | Condition::At(_) => {
            let detail = "keys are added and removed one by one, without If-Match or If-None-Match";
            Err(Failure::new(Code::MalformedRequest, detail))
        }
    }
}

pub(super) async fn list(
    State(service): State<Service>,
    Path(customer): Path<CustomerId>,
    Query(options): Query<ReadOptions>,
) -> Result<Json<Page<KeyInfo>>, Failure> {
    let (stand, machine) = resources::look(&service, options.consistency).await?;
    let hashes = machine.customer(&customer).map(|row| &row.spec.key_hashes);
    let missing = || resources::not_there(Noun::Customer, &customer.to_string());
    let hashes = hashes.ok_or_else(missing)?;
    let items = hashes.iter().map(|hash| KeyInfo { key_id: hash.key_id() });
    Ok(Json(Page { stand, items: items.collect(), next: None }))
}

pub(super) async fn add(
    State(service): State<Service>,
    Path(customer): Path<CustomerId>,
    Keyed { key, forwarded }: Keyed,
    Said(terms): Said,
    Json(add): Json<AddKey>,
) -> Result<Json<KeyAdded>, Failure> {
    check(&add.key_hash)?;
    let path = format!("/v1/customers/{customer}/keys");
    let hash = add.key_hash.clone();
    unconditional(terms.on)?;
    let command = audited(&terms, &key, ResourceChange::AddKey { customer, hash });
    let change = Change { method: Method::POST, path: &path, body: &add, key, command, forwarded };
    let key_id = add.key_hash.key_id();
    let render = |service: &Service, applied| KeyAdded {
        stand: service.stand(),
        applied,
        key_id: key_id.clone(),
    };
    Ok(Json(service.change_on(change, terms, render).await?))
}

pub(super) async fn remove(
    State(service): State<Service>,
    Path((customer, key_id)): Path<(CustomerId, String)>,
    Keyed { key, forwarded }: Keyed,
    Said(terms): Said,
) -> Result<Json<Changed>, Failure> {
    // Whatever else it is, it names no key; and it may be one.
    if !KeyHash::is_id(&key_id) {
        let detail = format!(
            "that is the id of no key, which has 12 hexadecimal digits: tradewind key ls {customer} lists those he has"
        );
        return Err(Failure::new(Code::NotFound, detail));
    }
    let path = format!("/v1/customers/{customer}/keys/{key_id}");
    unconditional(terms.on)?;
    let command = audited(&terms, &key, ResourceChange::RemoveKey { customer, key_id });
    let change = Change { method: Method::DELETE, path: &path, body: &(), key, command, forwarded };
    Ok(Json(service.change_on(change, terms, changed).await?))
}
