//! The test range: single values, written and read like everything else. Decides nothing but that it is
//! off unless asked for.

use super::{
    changes::changed,
    headers::{Forwarded, Keyed},
    problems,
};
use crate::service::{Answerer, Change, Service};
use axum::extract::State;
use tradewind_domain::{control::Command, ids::RegisterId};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
    rest::Method,
};
use tradewind_protocol::{
    Code,
    control::{Changed, PutRegister, ReadOptions, RegisterAnswer, Stand},
};

fn enabled(service: &Service) -> Result<(), Failure> {
    if service.parts().enable_registers {
        Ok(())
    } else {
        Err(problems::registers_disabled().into())
    }
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(register): Path<RegisterId>,
    Query(options): Query<ReadOptions>,
    Forwarded(forwarded): Forwarded,
) -> Result<Json<RegisterAnswer>, Failure> {
    enabled(&service)?;
    let path = format!("/v1/registers/{register}");
    match service.read(&path, options.consistency, forwarded).await? {
        Answerer::There(answer) => Ok(Json(answer)),
        Answerer::Here(stand) => {
            // Looked at in place: a clone that is held would make the next change copy its table.
            let (revision, register) = service
                .parts()
                .replica
                .look(|revision, machine| (revision, machine.register(&register).cloned()));
            Ok(Json(RegisterAnswer { stand: Stand { revision, ..stand }, register }))
        }
    }
}

pub(super) async fn put(
    State(service): State<Service>,
    Path(register): Path<RegisterId>,
    keyed: Keyed,
    Json(body): Json<PutRegister>,
) -> Result<Json<Changed>, Failure> {
    let path = format!("/v1/registers/{register}");
    write(&service, keyed, Method::PUT, &path, register, body).await
}

/// The same with a value that must be there.
pub(super) async fn compare_and_set(
    State(service): State<Service>,
    Path(register): Path<RegisterId>,
    keyed: Keyed,
    Json(body): Json<PutRegister>,
) -> Result<Json<Changed>, Failure> {
    if body.expected.is_none() {
        let detail = "`expected` is missing: the value that is to be replaced";
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    let path = format!("/v1/registers/{register}/cas");
    write(&service, keyed, Method::POST, &path, register, body).await
}

async fn write(
    service: &Service,
    keyed: Keyed,
    method: Method,
    path: &str,
    register: RegisterId,
    body: PutRegister,
) -> Result<Json<Changed>, Failure> {
    enabled(service)?;
    let Keyed { key, forwarded } = keyed;
    let PutRegister { value, expected } = body.clone();
    let command = Command::PutRegister { register, value, expected };
    let change = Change { method, path, body: &body, key, command, forwarded };
    Ok(Json(service.change(change, changed).await?))
}
