//! What all resources share: how they are listed and shown, declared on a condition and deleted, by one handler for
//! all of them. Decides how much a page holds, and that each change says who asks for it; which of them are chosen is
//! decided beside, noun by noun, what may be declared and deleted in `domain::control`.

use super::{
    addresses::Addresses,
    changes::changed,
    headers::{Keyed, Said},
};
use crate::{
    limits::{PAGE_BYTES, PAGE_ITEMS, PAGE_ITEMS_MAX, PAGE_LOOKS},
    service::{Change, Service},
};
use axum::{
    extract::State,
    http::header::{ETAG, HeaderName},
    routing::get as getting,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine,
        refusal::Noun,
        resource::{Declaration, Resource, ResourceChange, ResourceCommand},
    },
    ids::Revision,
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
    rest::Method,
};
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, Consistency, ReadOptions, Stand},
    resources::{Declared, One, Page, Selects, format_etag},
    terms::Terms,
};

/// A kind of resource: where it stands, what it takes and what is told of it.
pub(super) trait Kind: Sized + 'static {
    const NOUN: Noun;
    /// The address of one of them, with its parameters.
    const ONE: &'static str;
    /// What its address names.
    type Id: DeserializeOwned + Clone + Send + Sync + 'static;
    /// What is declared, as it is written.
    type Spec: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What is told.
    type Info: Serialize + Send;
    /// What deleting may be told besides.
    type Options: DeserializeOwned + Options + Send + 'static;

    /// What is not proposed at all.
    fn check(_: &Self::Spec) -> Result<(), Failure> {
        Ok(())
    }

    fn name(id: &Self::Id) -> String;
    fn path(id: &Self::Id) -> String;
    fn resource(id: Self::Id) -> Resource;
    fn declaration(id: Self::Id, spec: &Self::Spec) -> Declaration;
    fn item(machine: &Machine, id: &Self::Id) -> Option<(Revision, Self::Info)>;
}

/// One that is listed for itself, at the address before its name's.
pub(super) trait Listed: Kind {
    const LIST: &'static str;
    type Select: DeserializeOwned + Selects + Send + 'static;

    /// Those that are chosen, a page of them.
    fn list(machine: &Machine, select: &Self::Select, stand: Stand)
    -> Result<Json<Items>, Failure>;
}

pub(super) trait Options {
    fn release(&self) -> bool {
        false
    }

    fn query(&self) -> &'static str {
        if self.release() { "?release=true" } else { "" }
    }
}

/// Deleting takes nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

impl Options for Nothing {}

pub(super) fn routes<K: Listed>() -> Addresses {
    let list = Addresses::default().route(K::LIST, getting(list::<K>));
    list.merge(routes_of_one::<K>())
}

pub(super) fn routes_of_one<K: Kind>() -> Addresses {
    Addresses::default().route(K::ONE, getting(get::<K>).put(put::<K>).delete(delete::<K>))
}

async fn list<K: Listed>(
    State(service): State<Service>,
    Query(select): Query<K::Select>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = look(&service, select.of_page().0).await?;
    K::list(&machine, &select, stand)
}

async fn get<K: Kind>(
    State(service): State<Service>,
    Path(id): Path<K::Id>,
    Query(options): Query<ReadOptions>,
) -> Result<Tagged<One<K::Info>>, Failure> {
    let (stand, machine) = look(&service, options.consistency).await?;
    let Some((revision, item)) = K::item(&machine, &id) else {
        let (what, name) = (K::NOUN, K::name(&id));
        let detail = format!("there is no {what} {name}; see the list for those there are");
        return Err(Failure::new(Code::NotFound, detail));
    };
    Ok(tagged(revision, One { stand, item }))
}

async fn put<K: Kind>(
    State(service): State<Service>,
    Path(id): Path<K::Id>,
    Keyed { key, forwarded }: Keyed,
    Said(terms): Said,
    Json(spec): Json<K::Spec>,
) -> Result<Tagged<Declared>, Failure> {
    K::check(&spec)?;
    let (path, resource) = (K::path(&id), K::resource(id.clone()));
    let change = ResourceChange::Put { what: K::declaration(id, &spec), on: terms.on };
    let command = audited(&terms, &key, change);
    let change = Change { method: Method::PUT, path: &path, body: &spec, key, command, forwarded };
    let render = |service: &Service, applied: Revision| {
        let held = service.machine().1.declared_at(&resource);
        // What a later entry made of it is not this one's: on condition of `applied` it is refused.
        let declared = held.filter(|held| *held <= applied).unwrap_or(applied);
        Declared { stand: service.stand(), applied, declared }
    };
    let declared = service.change_on(change, terms, render).await?;
    Ok(tagged(declared.declared, declared))
}

async fn delete<K: Kind>(
    State(service): State<Service>,
    Path(id): Path<K::Id>,
    Query(options): Query<K::Options>,
    Keyed { key, forwarded }: Keyed,
    Said(terms): Said,
) -> Result<Json<Changed>, Failure> {
    let path = format!("{}{}", K::path(&id), options.query());
    let (what, release) = (K::resource(id), options.release());
    let command = audited(&terms, &key, ResourceChange::Delete { what, on: terms.on, release });
    let change = Change { method: Method::DELETE, path: &path, body: &(), key, command, forwarded };
    Ok(Json(service.change_on(change, terms, changed).await?))
}

/// In the name of whoever says who he is, else of the client whose key it is.
pub(super) fn audited(terms: &Terms, key: &IdempotencyKey, change: ResourceChange) -> Command {
    Command::Resource(ResourceCommand::Audited { by: terms.by(&key.client), change })
}

/// Items as they are written: their bytes are counted before they are sent.
pub(super) type Items = Page<Box<RawValue>>;

/// An answer with the revision that it tells of.
pub(super) type Tagged<T> = ([(HeaderName, String); 1], Json<T>);

pub(super) fn tagged<T>(revision: Revision, answer: T) -> Tagged<T> {
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
    select: &impl Selects,
    rows: impl Iterator<Item = R>,
    name: impl Fn(&R) -> String,
    shown: impl Fn(&R) -> Option<T>,
) -> Result<Json<Items>, Failure> {
    let limit = match select.of_page().1 {
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
