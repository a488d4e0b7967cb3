//! What every answer says of the group: term, revision, leader, time and life, in headers, and in the body of a
//! problem as well. Decides nothing about any of them.

use crate::service::Service;
use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderValue, Method, Uri, header},
    middleware::Next,
    response::Response,
};
use tradewind_domain::limits::HEADER_BYTES;
use tradewind_link::{Failure, failure::PROBLEM_JSON};
use tradewind_protocol::{
    Code,
    control::{CLUSTER, GROUP_TIME, REVISION, Stand, TERM},
};

/// The header in which every answer, also a problem, says who leads, if anybody does.
const LEADER: &str = "tradewind-leader";

pub(super) async fn say(State(service): State<Service>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let stand = service.stand();
    let mut response = in_problem(response, stand).await;
    let headers = response.headers_mut();
    headers.insert(TERM, HeaderValue::from(stand.term));
    headers.insert(REVISION, HeaderValue::from(stand.revision.0));
    if let Some(leader) = stand.leader {
        headers.insert(LEADER, HeaderValue::from(leader.0));
    }
    if let Some(time) = service.group_time() {
        headers.insert(GROUP_TIME, HeaderValue::from(time.0));
    }
    // That it is in none yet is said as well: who says nothing is taken for a member of an earlier build.
    let life = service.life().map_or(0, |life| life.0);
    headers.insert(CLUSTER, HeaderValue::from(life));
    response
}

/// A problem does not know where it arises; its members are added here.
async fn in_problem(response: Response, stand: Stand) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_none_or(|kind| kind != PROBLEM_JSON) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Ours are far smaller; one that were not is told without its text.
    let bytes = to_bytes(body, HEADER_BYTES).await.unwrap_or_default();
    let problem = serde_json::from_slice(&bytes);
    let Ok(serde_json::Value::Object(mut problem)) = problem else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    if let Ok(serde_json::Value::Object(stand)) = serde_json::to_value(stand) {
        problem.extend(stand);
    }
    let bytes = serde_json::to_vec(&problem).unwrap_or_else(|_| bytes.to_vec());
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(bytes))
}

/// An address that nothing stands at.
pub(super) async fn nothing_here(uri: Uri) -> Failure {
    Failure::new(Code::NotFound, format!("There is no {} here.", uri.path()))
}

pub(super) async fn not_by_that_method(method: Method, uri: Uri) -> Failure {
    Failure::new(Code::MethodNotAllowed, format!("{} does not take {method}.", uri.path()))
}
