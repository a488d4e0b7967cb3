//! Watching the group: each entry's events once and in order, at whichever member answers. Decides when a
//! member is given up, and that the next one is asked to go on after the last revision seen; a watcher hears
//! that something is gone only when no member keeps it any more.

use crate::{
    limits::{ROUND_PAUSE, ROUND_PAUSE_MAX, WATCH_FRAME_BYTES, WATCH_OPENS_WITHIN, WATCH_SILENCE},
    members::Members,
};
use futures_util::StreamExt as _;
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error as WsError, Message, protocol::WebSocketConfig},
};
use tradewind_domain::ids::{ClusterIncarnation, Revision};
use tradewind_link::limits::READ_BUFFER_BYTES;
use tradewind_protocol::{
    Code, Problem,
    events::{EVENTS, EntryEvents, EventFilter, EventFrame},
};

/// What a watcher is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A member has begun to tell what happened after this revision.
    Opened {
        member: String,
        since: Revision,
    },
    Events(EntryEvents),
    /// Nothing up to here is still to come.
    Beat {
        seen: Revision,
    },
}

/// Why there is nothing more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchEnd {
    /// No member keeps it any more, or the cluster has begun a new life: read the state (the problem says
    /// where) and watch from its revision.
    #[error("{0}")]
    Gone(Problem),
    /// What was asked for cannot be.
    #[error("{0}")]
    Refused(Problem),
}

/// A watcher's place, and his connection if he has one.
pub struct Watch {
    members: Arc<Members>,
    place: Option<Revision>,
    cluster: Option<ClusterIncarnation>,
    filter: EventFilter,
    open: Option<(String, Socket)>,
    pause: Duration,
}

type Socket = WebSocketStream<TcpStream>;

/// Why a member does not go on.
enum Lost {
    /// It, at least, no longer keeps it.
    Gone(Problem),
    Refused(Problem),
    /// Another one may.
    Away(String),
}

impl Watch {
    pub(crate) fn new(members: Arc<Members>, since: Option<Revision>) -> Self {
        let filter = EventFilter::default();
        Self { members, place: since, cluster: None, filter, open: None, pause: ROUND_PAUSE }
    }

    /// The place is of this life of the cluster: in another one the watch ends with [`WatchEnd::Gone`] instead of
    /// waiting for a revision that means something else there.
    #[must_use]
    pub fn of(self, cluster: Option<ClusterIncarnation>) -> Self {
        Self { cluster, ..self }
    }

    /// Only these events are told; beats go on past the others.
    #[must_use]
    pub fn only(self, filter: EventFilter) -> Self {
        Self { filter, ..self }
    }

    /// The life of the cluster that is watched, once a member has told it: to be kept beside the place.
    #[must_use]
    pub fn cluster(&self) -> Option<ClusterIncarnation> {
        self.cluster
    }

    /// The last revision seen: where another watch would go on.
    #[must_use]
    pub fn place(&self) -> Option<Revision> {
        self.place
    }

    /// What comes next, however long that takes. May be cancelled without loss.
    pub async fn next(&mut self) -> Result<Watched, WatchEnd> {
        loop {
            let Some((member, socket)) = &mut self.open else {
                return self.find_member().await;
            };
            let lost = match frame(socket, WATCH_SILENCE).await {
                Ok(EventFrame::Events(entry)) if self.place < Some(entry.revision) => {
                    self.place = Some(entry.revision);
                    self.pause = ROUND_PAUSE;
                    return Ok(Watched::Events(entry));
                }
                Ok(EventFrame::Beat { seen, .. }) if self.place <= Some(seen) => {
                    self.place = Some(seen);
                    self.pause = ROUND_PAUSE;
                    return Ok(Watched::Beat { seen });
                }
                Ok(EventFrame::End { problem }) => ended(problem),
                Ok(frame) => Lost::Away(format!("a frame out of order: {frame:?}")),
                Err(lost) => lost,
            };
            let why = match &lost {
                Lost::Gone(problem) | Lost::Refused(problem) => problem.to_string(),
                Lost::Away(why) => why.clone(),
            };
            tracing::debug!(%member, why, "watching goes on at another member");
            self.members.failed(member);
            self.open = None;
        }
    }

    /// Rounds over all members until one goes on. Only when every one that answers has said that it is gone
    /// is it: one that is starting keeps nothing yet, another may still have all.
    async fn find_member(&mut self) -> Result<Watched, WatchEnd> {
        loop {
            let (mut gone, mut away) = (None, false);
            for member in self.members.in_order() {
                match self.open(&member).await {
                    Ok(since) => {
                        self.members.worked(&member);
                        return Ok(Watched::Opened { member, since });
                    }
                    Err(Lost::Gone(problem)) => gone = Some(problem),
                    Err(Lost::Refused(problem)) => return Err(WatchEnd::Refused(problem)),
                    Err(Lost::Away(why)) => {
                        tracing::debug!(%member, why, "a member cannot be watched at");
                        away = true;
                    }
                }
            }
            // One that is away now may keep it; it is waited for as long as pauses still grow.
            if let Some(problem) = gone.filter(|_| !away || self.pause >= ROUND_PAUSE_MAX) {
                self.pause = ROUND_PAUSE;
                return Err(WatchEnd::Gone(problem));
            }
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(ROUND_PAUSE_MAX);
        }
    }

    async fn open(&mut self, member: &str) -> Result<Revision, Lost> {
        let path = events_path(self.place, self.cluster, &self.filter);
        let mut socket = timeout(WATCH_OPENS_WITHIN, dial(member, &path))
            .await
            .unwrap_or_else(|_| Err(Lost::Away("no answer in time".to_owned())))?;
        let hello = frame(&mut socket, WATCH_OPENS_WITHIN).await?;
        let EventFrame::Hello { cluster, since, .. } = hello else {
            return Err(Lost::Away(format!("not a hello: {hello:?}")));
        };
        if self.cluster.is_some() && cluster.is_some() && self.cluster != cluster {
            let detail =
                "the cluster was made anew; its revisions are not comparable to those before";
            return Err(Lost::Gone(Problem::new(Code::Gone, detail)));
        }
        if self.place.is_some_and(|place| place != since) {
            return Err(Lost::Away(format!("it goes on after {since}, not where it was asked to")));
        }
        self.cluster = cluster.or(self.cluster);
        self.place = Some(since);
        self.open = Some((member.to_owned(), socket));
        Ok(since)
    }
}

async fn dial(member: &str, path: &str) -> Result<Socket, Lost> {
    let address = format!("ws://{member}{path}");
    let away = |error: &dyn std::error::Error| Lost::Away(error.to_string());
    let stream = TcpStream::connect(member).await.map_err(|error| away(&error))?;
    stream.set_nodelay(true).map_err(|error| away(&error))?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(Some(WATCH_FRAME_BYTES))
        .max_frame_size(Some(WATCH_FRAME_BYTES));
    match client_async_with_config(address, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        // An answer by HTTP is a problem.
        Err(WsError::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(match serde_json::from_slice::<Problem>(body) {
                Ok(problem) => ended(problem),
                Err(_) => Lost::Away(format!("answered with {}", response.status())),
            })
        }
        Err(error) => Err(away(&error)),
    }
}

/// The path of events after a place, in a life of the cluster.
#[must_use]
pub fn events_path(
    since: Option<Revision>,
    cluster: Option<ClusterIncarnation>,
    filter: &EventFilter,
) -> String {
    let since = since.map(|since| format!("since={since}"));
    let cluster = cluster.map(|cluster| format!("cluster={cluster}"));
    let asked: Vec<String> = since.into_iter().chain(cluster).chain(filter.query()).collect();
    if asked.is_empty() { EVENTS.to_owned() } else { format!("{EVENTS}?{}", asked.join("&")) }
}

fn ended(problem: Problem) -> Lost {
    match problem.code {
        Code::Gone => Lost::Gone(problem),
        Code::MalformedRequest | Code::Unauthorized | Code::Forbidden => Lost::Refused(problem),
        _ => Lost::Away(problem.to_string()),
    }
}

/// The next frame, if one comes in time.
async fn frame(socket: &mut Socket, within: Duration) -> Result<EventFrame, Lost> {
    let next = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text);
                    return frame.map_err(|error| Lost::Away(error.to_string()));
                }
                Some(Ok(Message::Close(_))) | None => {
                    return Err(Lost::Away("it was closed".to_owned()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Lost::Away(error.to_string())),
            }
        }
    };
    timeout(within, next)
        .await
        .unwrap_or_else(|_| Err(Lost::Away(format!("silent for {within:?}"))))
}
