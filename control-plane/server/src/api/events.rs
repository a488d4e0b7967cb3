//! `GET /v1/events`: watching. Decides how a stream is opened, kept and ended: each entry's events once and in
//! order, a beat every second, an end with a reason for a reader who is too slow, asks for what is no longer
//! kept, or hangs on a member that has lost its leader. What is kept, the replica decides (W1).

use super::problems;
use crate::{
    limits::{EVENT_BEAT_EVERY, EVENT_FRAMES_AT_ONCE, EVENT_PAGE, EVENT_TAKEN_WITHIN},
    service::Service,
};
use axum::{
    extract::{
        FromRequestParts, Request, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::{IntoResponse as _, Response},
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tradewind_domain::ids::{ClusterIncarnation, Revision};
use tradewind_link::{
    Failure,
    json::{Json, Query},
    limits::READ_BUFFER_BYTES,
};
use tradewind_protocol::{
    Code, Problem,
    events::{
        CLOSE_BAD_FRAME, CLOSE_GONE, CLOSE_NO_LEADER, CLOSE_SLOW, EntryEvents, EventFilter,
        EventFrame, EventPage, EventsOptions,
    },
};
use tradewind_replication::{EventStream, EventsError};

pub(super) async fn watch(
    State(service): State<Service>,
    Query(options): Query<EventsOptions>,
    request: Request,
) -> Result<Response, Failure> {
    let filter = EventFilter::of(&options)?;
    if request.headers().get("upgrade").is_none() {
        return Ok(page(&service, &options, &filter)?.into_response());
    }
    if !service.in_touch() {
        return Err(problems::out_of_touch().into());
    }
    let stream = opened(&service, &options)?;
    let seat = service.parts().watchers.clone().try_acquire_owned().map_err(|_| {
        let detail = "too many watch here; close a stream, or ask another member";
        Failure::new(Code::TooManyRequests, detail)
    })?;
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &service).await;
    let upgrade = upgrade.map_err(|bad| Failure::new(Code::MalformedRequest, bad.body_text()))?;
    let upgrade = upgrade.read_buffer_size(READ_BUFFER_BYTES).max_message_size(READ_BUFFER_BYTES);
    let seat = (seat, service.parts().metrics.watcher());
    Ok(upgrade.on_upgrade(async move |socket| {
        let _seat = seat;
        let since = stream.place();
        let cluster = options.cluster.or_else(|| service.life());
        let (socket, until) =
            Watching { socket, stream, service, cluster, filter }.run(since).await;
        close(socket, until).await;
    }))
}

/// Whether this member is in the life that was asked for, as far as it knows its own.
fn check_life(service: &Service, asked: Option<ClusterIncarnation>) -> Result<(), Problem> {
    let Some(asked) = asked else { return Ok(()) };
    service.in_another_life(asked).map_or(Ok(()), |own| Err(problems::other_life(asked, &own)))
}

fn opened(service: &Service, options: &EventsOptions) -> Result<EventStream, Problem> {
    check_life(service, options.cluster)?;
    let replica = &service.parts().replica;
    let since = options.since.unwrap_or_else(|| replica.events_kept_after());
    replica.events_since(since).map_err(|gone| problems::gone(&gone))
}

fn page(
    service: &Service,
    options: &EventsOptions,
    filter: &EventFilter,
) -> Result<Json<EventPage>, Problem> {
    let most = options.limit.map_or(EVENT_PAGE, |most| usize::from(most).clamp(1, EVENT_PAGE));
    let mut stream = opened(service, options)?;
    let ready = stream.ready(most).map_err(|gone| problems::gone(&gone))?;
    let entries = ready.iter().filter_map(|(at, events)| EntryEvents::new(*at, events));
    let entries = entries.filter_map(|entry| filter.of_entry(entry)).collect();
    let (stand, cluster, next) = (service.stale_stand(), service.life(), stream.place());
    Ok(Json(EventPage { stand, cluster, next, entries }))
}

/// One watcher's connection. May be cancelled: he goes on by revision.
struct Watching {
    socket: WebSocket,
    stream: EventStream,
    service: Service,
    /// The life of the cluster that he is told of.
    cluster: Option<ClusterIncarnation>,
    filter: EventFilter,
}

/// Why a stream ends.
enum Until {
    /// The other side has gone; nobody is left to tell.
    Left,
    Ended {
        code: u16,
        problem: Problem,
    },
}

fn ended(code: u16, problem: Problem) -> Until {
    Until::Ended { code, problem }
}

impl Watching {
    async fn run(mut self, since: Revision) -> (WebSocket, Until) {
        let until = match self.carry(since).await {
            Ok(never) => match never {},
            Err(until) => until,
        };
        (self.socket, until)
    }

    async fn carry(&mut self, since: Revision) -> Result<std::convert::Infallible, Until> {
        let parts = self.service.parts();
        let (node, cluster) = (parts.node, self.service.life());
        let stand = self.service.stand();
        self.send(&EventFrame::Hello { stand, node, cluster, since }).await?;
        let mut beat = interval_at(Instant::now() + EVENT_BEAT_EVERY, EVENT_BEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let more = self.show_what_is_ready().await?;
            tokio::select! {
                changed = self.stream.changed(), if !more => changed.map_err(|end| over(&end))?,
                _ = beat.tick() => self.beat(more).await?,
                heard = self.socket.recv() => heed(heard)?,
                () = std::future::ready(()), if more => {}
            }
        }
    }

    /// Says whether there may be more at once.
    async fn show_what_is_ready(&mut self) -> Result<bool, Until> {
        let ready = self.stream.ready(EVENT_FRAMES_AT_ONCE).map_err(|gone| over(&gone.into()))?;
        let more = ready.len() == EVENT_FRAMES_AT_ONCE;
        for (revision, events) in ready {
            let entry = EntryEvents::new(revision, &events);
            if let Some(entry) = entry.and_then(|entry| self.filter.of_entry(entry)) {
                self.send(&EventFrame::Events(entry)).await?;
            }
        }
        Ok(more)
    }

    async fn beat(&mut self, more: bool) -> Result<(), Until> {
        if !self.service.in_touch() {
            return Err(ended(CLOSE_NO_LEADER, problems::out_of_touch()));
        }
        // One that has only begun knows its own life later than its watcher's.
        self.cluster = self.cluster.or_else(|| self.service.life());
        check_life(&self.service, self.cluster).map_err(|gone| ended(CLOSE_GONE, gone))?;
        if more {
            // It would claim what was not shown yet; frames are on their way anyway.
            return Ok(());
        }
        let (stand, seen) = (self.service.stand(), self.stream.place());
        self.send(&EventFrame::Beat { stand, seen }).await
    }

    /// A reader that takes nothing for so long is let go: he comes back by revision.
    async fn send(&mut self, frame: &EventFrame) -> Result<(), Until> {
        let Ok(text) = serde_json::to_string(frame) else { return Err(Until::Left) };
        match timeout(EVENT_TAKEN_WITHIN, self.socket.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Until::Left),
            Err(_) => Err(ended(CLOSE_SLOW, problems::slow_consumer())),
        }
    }
}

fn over(end: &EventsError) -> Until {
    match end {
        EventsError::Gone(gone) => ended(CLOSE_GONE, problems::gone(gone)),
        EventsError::Stopped => ended(CLOSE_NO_LEADER, problems::no_leader(true)),
    }
}

/// Watchers have nothing to say but that they are there.
fn heed(heard: Option<Result<Message, axum::Error>>) -> Result<(), Until> {
    match heard {
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
        Some(Ok(Message::Text(_) | Message::Binary(_))) => {
            let detail = "a watcher sends no frames; what to watch stands in the address";
            Err(ended(CLOSE_BAD_FRAME, Problem::new(Code::MalformedRequest, detail)))
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Until::Left),
    }
}

/// The last frame and the close, to a reader who may take neither.
async fn close(mut socket: WebSocket, until: Until) {
    let Until::Ended { code, problem } = until else { return };
    let reason = problem.title.clone().into();
    let Ok(text) = serde_json::to_string(&EventFrame::End { problem }) else { return };
    let last = async {
        socket.send(Message::Text(text.into())).await?;
        socket.send(Message::Close(Some(CloseFrame { code, reason }))).await
    };
    // Whoever hears of it in time knows why; the others see the connection end.
    let _ = timeout(EVENT_BEAT_EVERY, last).await;
}
