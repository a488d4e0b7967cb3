//! `GET /v1/services/{id}/logs`: the last lines of a service's log, and with `follow` what is written from then on.
//! Decides what is told and for how long; the logs are kept by `log_file`. A reader that takes nothing holds up
//! nobody: what he is told is read when he takes it.

use super::Api;
use crate::{
    limits,
    log_file::{Follower, last_lines},
};
use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use serde::Deserialize;
use std::{io, sync::Arc};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tradewind_domain::ids::ServiceId;
use tradewind_link::{
    Failure,
    json::{Path, Query},
};
use tradewind_protocol::Code;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogOptions {
    lines: Option<usize>,
    #[serde(default)]
    follow: bool,
    #[serde(default)]
    of: Of,
}

/// Whose words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    #[default]
    Service,
    /// Of a Trader: what it runs.
    Algo,
}

pub(super) async fn logs(
    State(api): State<Arc<Api>>,
    Path(service): Path<ServiceId>,
    Query(options): Query<LogOptions>,
) -> Result<Response, Failure> {
    let lines = options.lines.unwrap_or(limits::LOG_LINES);
    if lines > limits::LOG_LINES_MAX {
        let most = limits::LOG_LINES_MAX;
        return Err(Failure::new(Code::MalformedRequest, format!("at most {most} lines")));
    }
    let log = match (options.of, &service) {
        (Of::Service, _) => api.supervisor.log(&service),
        (Of::Algo, ServiceId::Trader { .. }) => api.supervisor.algo_log(&service),
        (Of::Algo, ServiceId::Broker { .. } | ServiceId::Market { .. }) => {
            let detail = format!("{service} is no Trader: it runs no algo");
            return Err(Failure::new(Code::MalformedRequest, detail));
        }
    };
    let (text, follower) = blocking(move || last_lines(&log, lines)).await.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            let detail = format!("{service} has said nothing here; see where it runs");
            return Failure::new(Code::NotFound, detail);
        }
        tracing::warn!(%error, %service, "a log cannot be read");
        Failure::new(Code::InternalError, format!("the log cannot be read: {error}"))
    })?;
    let body = if options.follow {
        let seat = api.seats.followers.clone().try_acquire_owned().map_err(|_| {
            let detail = "too many follow logs here; close one";
            Failure::new(Code::TooManyRequests, detail)
        })?;
        followed(text, follower, seat)
    } else {
        Body::from(text)
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// Goes on until the other side has gone: its connection is dropped with this.
fn followed(text: Vec<u8>, follower: Follower, seat: OwnedSemaphorePermit) -> Body {
    let mut look = interval(limits::LOG_FOLLOW_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begin: Option<Vec<u8>> = Some(text).filter(|text| !text.is_empty());
    let told = stream::unfold((begin, follower, look, seat), |place| async move {
        let (mut begin, mut follower, mut look, seat) = place;
        if let Some(text) = begin.take() {
            return Some((Ok(text), (begin, follower, look, seat)));
        }
        loop {
            look.tick().await;
            let mut reader = follower.clone();
            let more = blocking(move || Ok((reader.more()?, reader)));
            match more.await {
                Ok((more, reader)) => {
                    follower = reader;
                    if !more.is_empty() {
                        return Some((Ok(more), (begin, follower, look, seat)));
                    }
                }
                // Not there at the moment: it is begun anew.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some((Err(error), (begin, follower, look, seat))),
            }
        }
    });
    Body::from_stream(told)
}

/// Disks are waited for elsewhere than where pipes are read.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
