//! What all resources share: how they are listed and shown, declared on a condition and deleted. Decides how much a
//! page holds; which of them are chosen is decided beside, noun by noun, what may be declared and deleted in
//! `domain::control`.

use super::{
    changes::changed,
    headers::{Expected, Keyed},
};
use crate::{
    limits::{PAGE_BYTES, PAGE_ITEMS, PAGE_ITEMS_MAX, PAGE_LOOKS},
    service::{Change, Service},
};
use axum::http::header::{ETAG, HeaderName};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tradewind_domain::{
    control::{
        Command, Machine,
        refusal::Noun,
        resource::{Declaration, Resource, ResourceCommand},
    },
    ids::Revision,
};
use tradewind_link::{Failure, json::Json, rest::Method};
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, Consistency, Stand},
    resources::{Declared, One, Page, format_etag},
};

/// Items as they are written: their bytes are counted before they are sent.
pub(super) type Items = Page<Box<RawValue>>;

/// An answer with the revision that it tells of.
pub(super) type Tagged<T> = ([(HeaderName, String); 1], Json<T>);

fn tagged<T>(revision: Revision, answer: T) -> Tagged<T> {
    ([(ETAG, format_etag(revision))], Json(answer))
}

/// The state as surely as asked for, and how the group stood then.
pub(super) async fn look(
    service: &Service,
    consistency: Consistency,
) -> Result<(Stand, Machine), Problem> {
    let stand = service.read_here(consistency).await?;
    let (revision, machine) = service.machine();
    Ok((Stand { revision, ..stand }, machine))
}

/// The first of `rows` that `shown` shows, as many as a page holds.
pub(super) fn page<R, T: Serialize>(
    stand: Stand,
    limit: Option<u64>,
    rows: impl Iterator<Item = R>,
    name: impl Fn(&R) -> String,
    shown: impl Fn(&R) -> Option<T>,
) -> Result<Json<Items>, Failure> {
    let limit = match limit {
        None => PAGE_ITEMS,
        Some(limit @ 1..=PAGE_ITEMS_MAX) => limit,
        Some(limit) => {
            let detail =
                format!("limit is {limit}: 1 to {PAGE_ITEMS_MAX} items are told at a time");
            return Err(Failure::new(Code::MalformedRequest, detail));
        }
    };
    let mut page = Page { stand, items: Vec::new(), next: None };
    let (mut looked, mut bytes) = (0, 0);
    let mut rows = rows.peekable();
    while let Some(row) = rows.next() {
        looked += 1;
        if let Some(item) = shown(&row) {
            let item = to_raw_value(&item).map_err(|error| {
                tracing::error!(%error, "a resource has no json form");
                Failure::new(Code::InternalError, "An item could not be written.")
            })?;
            bytes += item.get().len();
            page.items.push(item);
        }
        let full = page.items.len() as u64 >= limit || bytes >= PAGE_BYTES || looked >= PAGE_LOOKS;
        if full && rows.peek().is_some() {
            page.next = Some(name(&row));
            break;
        }
    }
    Ok(Json(page))
}

/// One of them, or that there is none of that name.
pub(super) fn one<T>(
    stand: Stand,
    what: Noun,
    name: &str,
    item: Option<(Revision, T)>,
) -> Result<Tagged<One<T>>, Failure> {
    let Some((revision, item)) = item else {
        let detail = format!("there is no {what} {name}; see the list for those there are");
        return Err(Failure::new(Code::NotFound, detail));
    };
    Ok(tagged(revision, One { stand, item }))
}

pub(super) async fn put<B: Serialize + Sync>(
    service: &Service,
    keyed: Keyed,
    Expected(on): Expected,
    path: &str,
    body: &B,
    what: Declaration,
) -> Result<Tagged<Declared>, Failure> {
    let Keyed { key, forwarded } = keyed;
    let resource = what.resource();
    let command = Command::Resource(ResourceCommand::Put { what, on });
    let change = Change { method: Method::PUT, path, body, key, command, forwarded };
    let render = |service: &Service, applied: Revision| {
        let held = service.machine().1.declared_at(&resource);
        // What a later entry made of it is not this one's: on condition of `applied` it is refused.
        let declared = held.filter(|held| *held <= applied).unwrap_or(applied);
        Declared { stand: service.stand(), applied, declared }
    };
    let declared = service.change_on(change, on, render).await?;
    Ok(tagged(declared.declared, declared))
}

pub(super) async fn delete(
    service: &Service,
    keyed: Keyed,
    Expected(on): Expected,
    path: &str,
    what: Resource,
    release: bool,
) -> Result<Json<Changed>, Failure> {
    let Keyed { key, forwarded } = keyed;
    let command = Command::Resource(ResourceCommand::Delete { what, on, release });
    let change = Change { method: Method::DELETE, path, body: &(), key, command, forwarded };
    Ok(Json(service.change_on(change, on, changed).await?))
}
