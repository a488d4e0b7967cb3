//! One request: from its headers to the beginning of its answer. Decides what is told when a handler
//! panics or takes too long, and that a body nobody read does not spoil the connection.

use super::Limits;
use crate::{Failure, failure::told_as_problem, limits};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, DefaultBodyLimit},
    http::{HeaderValue, Request, Response, StatusCode, header},
    response::IntoResponse as _,
};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    body::{Body as _, Frame, Incoming, SizeHint},
    service::Service as _,
};
use hyper_util::service::TowerToHyperService;
use std::{
    any::Any,
    convert::Infallible,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::time::timeout;
use tradewind_protocol::Code;

/// Answers the requests of all connections of one listener.
pub(super) struct Answerer {
    router: TowerToHyperService<Router>,
    limits: Limits,
}

impl Answerer {
    pub(super) fn new(router: Router, limits: Limits) -> Self {
        // The bound is set on the body itself, for handlers that stream it too.
        let router = TowerToHyperService::new(router.layer(DefaultBodyLimit::disable()));
        Self { router, limits }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Infallible> {
        let (parts, body) = request.into_parts();
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let waits_for_continue = parts.headers.contains_key(header::EXPECT);
        let unread = Unread::default();
        let body = Body::new(Limited::new(unread.lend(body), self.limits.body_bytes));
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(ConnectInfo(peer));

        let handled = AssertUnwindSafe(self.router.call(request)).catch_unwind();
        let mut keeps = true;
        let mut response = match timeout(self.limits.request_within, handled).await {
            Ok(Ok(Ok(response))) => told_as_problem(response, &method, &uri).await,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(panic)) => {
                let panic = text_of(&*panic);
                tracing::error!(%peer, %method, path = uri.path(), panic, "handler panicked");
                let detail = "This request hit a fault of ours; it stands in this process' log.";
                Failure::new(Code::InternalError, detail).into_response()
            }
            Err(_) if unread.has_some() => {
                keeps = false;
                let detail =
                    format!("The body did not arrive within {:?}.", self.limits.request_within);
                Failure::new(Code::RequestTimeout, detail).into_response()
            }
            Err(_) => {
                let detail = format!(
                    "No answer within {:?}; it may still be done.",
                    self.limits.request_within
                );
                Failure::new(Code::Unknown, detail).into_response()
            }
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // One that waits for our `100 Continue` does not send a body it is not asked for.
            keeps = keeps && (waits_for_continue || unread.discard().await);
            if !keeps {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        Ok(response)
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// The place where a handler's body comes back to if it was not read to its end.
#[derive(Clone, Default)]
struct Unread(Arc<Mutex<Option<Incoming>>>);

impl Unread {
    fn lend(&self, body: Incoming) -> Lent {
        Lent { body: Some(body), back_to: self.clone() }
    }

    fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn has_some(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Reads what was left, within bounds. False if the connection must be closed after the answer.
    async fn discard(&self) -> bool {
        let Some(mut body) = self.take() else { return true };
        if body.size_hint().lower() > limits::DISCARDED_BYTES as u64 {
            return false;
        }
        let mut left = limits::DISCARDED_BYTES;
        let read_all = async {
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return false };
                let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else {
                    return false;
                };
                left = rest;
            }
            true
        };
        timeout(limits::DISCARDED_WITHIN, read_all).await.unwrap_or(false)
    }
}

/// A request's body in a handler's hands.
struct Lent {
    /// `None` once it was read to its end.
    body: Option<Incoming>,
    back_to: Unread,
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.back_to.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Incoming::size_hint)
    }
}
