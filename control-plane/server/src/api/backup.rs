//! `GET /v1/snapshot`: a backup of the whole state, made when it is asked for. Decides that it holds
//! everything acknowledged before the call, whichever member is asked, and that one is made at a time; its
//! form is `cluster/replication`'s.

use crate::{limits::BACKUP_PIECE_BYTES, service::Service};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use std::io;
use tradewind_link::Failure;
use tradewind_protocol::Code;
use tradewind_replication::Export;

pub const SNAPSHOT: &str = "/v1/snapshot";
/// The revision that the backup holds; `tradewind-revision` tells where the member stands.
const BACKUP_REVISION: &str = "tradewind-backup-revision";

pub(super) async fn get(State(service): State<Service>) -> Result<Response, Failure> {
    let Ok(turn) = service.parts().backups.clone().try_acquire_owned() else {
        let detail = "a backup is being made or fetched here already; ask again, or another member";
        return Err(Failure::new(Code::TooManyRequests, detail));
    };
    service.barrier().await?;
    let export = service.parts().replica.export().await;
    let export = export.map_err(|error| Failure::new(Code::Unavailable, error.to_string()))?;
    let (bytes, revision) = (export.bytes(), export.info().revision);
    tracing::info!(bytes, revision = revision.0, "backup made");
    // The turn ends when the last piece is sent, or the caller has gone.
    let pieces = stream::try_unfold((export, 0, turn), |(export, offset, turn)| async move {
        let piece = Export::chunk(&export, offset, BACKUP_PIECE_BYTES).await?;
        let next = offset + piece.len() as u64;
        io::Result::Ok((!piece.is_empty()).then_some((piece, (export, next, turn))))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(BACKUP_REVISION, HeaderValue::from(revision.0));
    Ok(response)
}
