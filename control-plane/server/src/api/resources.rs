//! What all resources share: how they are listed and shown, declared on a condition and deleted, by one handler for
//! all of them. Decides how much a page holds, and that each change says who asks for it; which of them are chosen is
//! decided beside, noun by noun, what may be declared and deleted in `domain::control`.

use super::{
    addresses::Addresses,
    changes::changed,
    headers::{Forwarded, Keyed, Said},
};
use crate::{
    leader::observe::View,
    limits::{PAGE_BYTES, PAGE_ITEMS, PAGE_ITEMS_MAX, PAGE_LOOKS},
    service::{Answerer, Change, Service},
};
use axum::{
    extract::State,
    http::{
        Uri,
        header::{ETAG, HeaderName},
    },
    response::{IntoResponse as _, Response},
    routing::get as getting,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{
    Value,
    value::{RawValue, to_raw_value},
};
use std::{fmt, ops::Deref, sync::Arc};
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

/// The state, and what the leader sees beside it, if the leader is asked.
pub(super) struct Seen {
    machine: Machine,
    pub(super) view: Option<Arc<View>>,
}

impl Deref for Seen {
    type Target = Machine;

    fn deref(&self) -> &Machine {
        &self.machine
    }
}

/// A kind of resource: where it stands, what it takes and what is told of it.
pub(super) trait Kind: Sized + 'static {
    const NOUN: Noun;
    /// Whether more is told of it than stands in the state: what the leader sees.
    const SEEN: bool = false;
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
    fn item(machine: &Seen, id: &Self::Id) -> Option<(Revision, Self::Info)>;
}

/// One that is listed for itself, at the address before its name's.
pub(super) trait Listed: Kind {
    const LIST: &'static str;
    type Select: DeserializeOwned + Selects + Send + 'static;

    /// Those that are chosen, a page of them.
    fn list(machine: &Seen, select: &Self::Select, stand: Stand) -> Result<Json<Items>, Failure>;
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
    Forwarded(forwarded): Forwarded,
    uri: Uri,
    Query(select): Query<K::Select>,
) -> Result<Response, Failure> {
    let asked = Asked { consistency: select.of_page().0, forwarded, uri, seen: K::SEEN };
    match answerer::<Page<Value>>(&service, asked).await? {
        Whose::Leaders(page) => Ok(Json(page).into_response()),
        Whose::Here(stand, seen) => Ok(K::list(&seen, &select, stand)?.into_response()),
    }
}

async fn get<K: Kind>(
    State(service): State<Service>,
    Path(id): Path<K::Id>,
    Forwarded(forwarded): Forwarded,
    uri: Uri,
    Query(options): Query<ReadOptions>,
) -> Result<Response, Failure> {
    let asked = Asked { consistency: options.consistency, forwarded, uri, seen: K::SEEN };
    let (stand, seen) = match answerer::<One<Value>>(&service, asked).await? {
        Whose::Leaders(one) => {
            let revision = one.item["revision"].as_u64().unwrap_or_default();
            return Ok(tagged(Revision(revision), one).into_response());
        }
        Whose::Here(stand, seen) => (stand, seen),
    };
    let Some((revision, item)) = K::item(&seen, &id) else {
        return Err(not_there(K::NOUN, &K::name(&id)));
    };
    Ok(tagged(revision, One { stand, item }).into_response())
}

pub(super) fn not_there(what: impl fmt::Display, name: &str) -> Failure {
    let detail = format!("there is no {what} {name}; see the list for those there are");
    Failure::new(Code::NotFound, detail)
}

/// A read, and whether it tells what only the leader sees.
pub(super) struct Asked {
    pub(super) consistency: Consistency,
    pub(super) forwarded: bool,
    pub(super) uri: Uri,
    pub(super) seen: bool,
}

pub(super) enum Whose<T> {
    /// The leader's answer.
    Leaders(T),
    Here(Stand, Box<Seen>),
}

/// What only the leader sees is told by the leader, and not at all by a member that is asked for what it knows itself.
pub(super) async fn answerer<T: DeserializeOwned>(
    service: &Service,
    asked: Asked,
) -> Result<Whose<T>, Problem> {
    let Asked { consistency, forwarded, uri, seen } = asked;
    let there = match consistency {
        Consistency::Linearizable | Consistency::Leader => seen,
        Consistency::Stale => false,
    };
    if !there {
        let (stand, machine) = look(service, consistency).await?;
        return Ok(Whose::Here(stand, Box::new(Seen { machine, view: None })));
    }
    let path = uri.path_and_query().map_or_else(|| uri.path(), |path| path.as_str());
    Ok(match service.read::<T>(path, consistency, forwarded).await? {
        Answerer::There(answer) => Whose::Leaders(answer),
        Answerer::Here(stand) => {
            let (revision, machine) = service.machine();
            let view = service.parts().view.borrow().clone();
            Whose::Here(Stand { revision, ..stand }, Box::new(Seen { machine, view }))
        }
    })
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
