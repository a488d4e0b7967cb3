//! `GET /v1/services/{id}/logs`: the last lines of a service's log, and with `follow` what is written from then on.
//! Decides what is told and for how long: until the service runs here no more and all its words were told, so that a reader
//! looks for it elsewhere; of one that does not run here only what is there. With `places` each piece stands behind a line
//! with the place that it reaches to, from which also this Manager's next life goes on. The logs are kept by `log_file`. A
//! reader that takes nothing holds up nobody: what he is told is read when he takes it.

use super::Api;
use crate::{
    limits,
    log_file::{Follower, Last, LogFile, PieceHead, Place, last_lines},
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
    time::{Interval, MissedTickBehavior, interval},
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
    /// Each piece with its place.
    #[serde(default)]
    places: bool,
    /// Instead of the last lines, what stands behind this place, as far as it is kept.
    from: Option<String>,
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
    let LogOptions { follow, places, from, .. } = options;
    if from.is_some() && !places {
        let detail = "from= goes with places=true: only there it is said that it is not kept";
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    // Seen before its words are read: what it said last is among them. Behind a place there may be more than one piece.
    let runs_here = api.handle.service(&service).is_some();
    let follow = follow && (runs_here || from.is_some());
    let last = blocking(move || begin(&log, lines, from.as_deref())).await.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            let detail = format!("{service} has said nothing here; see where it runs");
            return Failure::new(Code::NotFound, detail);
        }
        tracing::warn!(%error, %service, "a log cannot be read");
        Failure::new(Code::InternalError, format!("the log cannot be read: {error}"))
    })?;
    let body = if follow {
        let seat = api.seats.followers.clone().try_acquire_owned().map_err(|_| {
            let detail = "too many follow logs here; close one";
            Failure::new(Code::TooManyRequests, detail)
        })?;
        followed(last, places, seat, move || api.handle.service(&service).is_some())
    } else {
        Body::from(piece(places, &last.follower, last.text, last.cut))
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// Where a reader goes on from the place that he was told, or else the last lines: cut, if what stood behind it is not kept.
fn begin(log: &LogFile, lines: usize, from: Option<&str>) -> io::Result<Last> {
    let Some(from) = from else { return last_lines(log, lines) };
    // A place in the form of another build is in no file that this one knows.
    if let Ok(place) = from.parse::<Place>()
        && let Some(follower) = Follower::at(log, place)?
    {
        return Ok(Last { text: Vec::new(), follower, cut: false });
    }
    Ok(Last { cut: true, ..last_lines(log, lines)? })
}

/// As it is told: with places, behind the line that tells where the follower is.
fn piece(places: bool, follower: &Follower, text: Vec<u8>, cut: bool) -> Vec<u8> {
    if !places {
        return text;
    }
    let place = follower.place().to_string();
    let head = PieceHead { place, bytes: text.len() as u64, cut };
    [head.to_string().into_bytes(), text].concat()
}

/// Goes on until the service runs here no more, or the other side has gone: its connection is dropped with this.
fn followed(
    last: Last,
    places: bool,
    seat: OwnedSemaphorePermit,
    runs_here: impl Fn() -> bool + Send + 'static,
) -> Body {
    let mut look = interval(limits::LOG_FOLLOW_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let Last { text, follower, cut } = last;
    // Where it begins is told also while nothing is said.
    let begin = Some(piece(places, &follower, text, cut)).filter(|begin| !begin.is_empty());
    let full = false;
    let followed = Followed { begin, follower, places, look, full, runs_here, _seat: seat };
    let told = stream::unfold(followed, |mut followed| async move {
        let words = followed.next().await?;
        Some((words, followed))
    });
    Body::from_stream(told)
}

/// A log that is told while it is written.
struct Followed<R> {
    begin: Option<Vec<u8>>,
    follower: Follower,
    places: bool,
    look: Interval,
    /// Whether the last piece was: then more stands there already.
    full: bool,
    runs_here: R,
    _seat: OwnedSemaphorePermit,
}

impl<R: Fn() -> bool> Followed<R> {
    /// The next words. `None`: all were told, and no more are said here.
    async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        if let Some(begin) = self.begin.take() {
            return Some(Ok(begin));
        }
        loop {
            if !self.full {
                self.look.tick().await;
            }
            // Seen before its words are read: what it said last is among them.
            let runs_here = (self.runs_here)();
            let mut reader = self.follower.clone();
            let more = blocking(move || Ok((reader.more()?, reader)));
            let more = match more.await {
                Ok((more, reader)) => {
                    self.follower = reader;
                    more
                }
                // Not there at the moment: it is begun anew.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
                Err(error) => return Some(Err(error)),
            };
            self.full = more.len() as u64 >= limits::LOG_PIECE_BYTES;
            if !more.is_empty() {
                return Some(Ok(piece(self.places, &self.follower, more, false)));
            }
            if !runs_here {
                return None;
            }
        }
    }
}

/// Disks are waited for elsewhere than where pipes are read.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
