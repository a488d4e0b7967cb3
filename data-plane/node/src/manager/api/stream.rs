//! `GET /v1/status/stream`: watching a Manager. Decides how a stream is opened, kept and ended: the whole status first,
//! then each change of a service and of the Manager's standing, a beat every second. A reader that takes nothing for
//! too long, or is too far behind, is let go: he comes back and begins with the whole status.

use super::Api;
use crate::{limits, supervision::Change};
use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use std::{convert::Infallible, sync::Arc};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tradewind_link::{Failure, limits::READ_BUFFER_BYTES};
use tradewind_protocol::{
    Code, Problem,
    events::{CLOSE_BAD_FRAME, CLOSE_SLOW},
    managers::StatusFrame,
};

pub(super) async fn watch(
    State(api): State<Arc<Api>>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Failure> {
    let seat =
        api.seats.watchers.clone().try_acquire_owned().map_err(|_| {
            Failure::new(Code::TooManyRequests, "too many watch here; close a stream")
        })?;
    let upgrade = upgrade.read_buffer_size(READ_BUFFER_BYTES).max_message_size(READ_BUFFER_BYTES);
    Ok(upgrade.on_upgrade(async move |mut socket| {
        let _seat = seat;
        let until = match tell(&mut socket, &api).await {
            Ok(never) => match never {},
            Err(until) => until,
        };
        close(socket, until).await;
    }))
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

fn slow() -> Until {
    let detail = "what was sent was not read in time; come back, the whole status is told first";
    Until::Ended { code: CLOSE_SLOW, problem: Problem::new(Code::SlowConsumer, detail) }
}

async fn tell(socket: &mut WebSocket, api: &Api) -> Result<Infallible, Until> {
    let mut standing = api.standing.clone();
    standing.mark_unchanged();
    let (services, mut changes) = api.supervisor.watch();
    send(socket, &StatusFrame::Status { status: api.status(services.to_vec()) }).await?;
    let every = limits::STATUS_BEAT_EVERY;
    let mut beat = interval_at(Instant::now() + every, every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut n = 0;
    loop {
        tokio::select! {
            // A beat says that all was told: what is ready goes first.
            biased;
            heard = socket.recv() => heed(heard)?,
            change = changes.recv() => match change {
                Ok(Change::Service(service)) => {
                    send(socket, &StatusFrame::Service { service }).await?;
                }
                Ok(Change::Gone(service)) => send(socket, &StatusFrame::Gone { service }).await?,
                Err(RecvError::Lagged(_)) => return Err(slow()),
                Err(RecvError::Closed) => return Err(Until::Left),
            },
            changed = standing.changed() => {
                changed.map_err(|_| Until::Left)?;
                send(socket, &StatusFrame::Standing { standing: api.standing() }).await?;
            }
            _ = beat.tick() => {
                n += 1;
                send(socket, &StatusFrame::Beat { n, sessions: (api.sessions)() }).await?;
            }
        }
    }
}

async fn send(socket: &mut WebSocket, frame: &StatusFrame) -> Result<(), Until> {
    let Ok(text) = serde_json::to_string(frame) else { return Err(Until::Left) };
    match timeout(limits::STATUS_TAKEN_WITHIN, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Until::Left),
        Err(_) => Err(slow()),
    }
}

/// Watchers have nothing to say but that they are there.
fn heed(heard: Option<Result<Message, axum::Error>>) -> Result<(), Until> {
    match heard {
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
        Some(Ok(Message::Text(_) | Message::Binary(_))) => {
            let problem = Problem::new(Code::MalformedRequest, "a watcher sends no frames");
            Err(Until::Ended { code: CLOSE_BAD_FRAME, problem })
        }
        Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Until::Left),
    }
}

/// The last frame and the close, to a reader who may take neither.
async fn close(mut socket: WebSocket, until: Until) {
    let Until::Ended { code, problem } = until else { return };
    let reason = problem.title.clone().into();
    let Ok(text) = serde_json::to_string(&StatusFrame::End { problem }) else { return };
    let last = async {
        socket.send(Message::Text(text.into())).await?;
        socket.send(Message::Close(Some(CloseFrame { code, reason }))).await
    };
    let _ = timeout(limits::STATUS_TAKEN_WITHIN, last).await;
}
