//! One session of an algo: its WebSocket. Decides what is a message and what ends the session; reading,
//! writing and heartbeats go on side by side, so that a reader who takes nothing is still noticed.
//! The task may be cancelled: its seat tells the rest.

mod requests;
mod wishes;

use super::{
    Gateway, Settings,
    directory::revoked,
    home::Home,
    port::{Close, Port, encode},
};
use crate::{clock, limits};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::{
    FutureExt as _, SinkExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{FuturesUnordered, SplitSink, SplitStream},
};
use requests::{Requests, answers};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};
use tradewind_domain::limits::CLIENT_FRAME_BYTES;
use tradewind_protocol::{
    Code,
    stream::{ToAlgo, close},
    token::Claims,
};
use wishes::Wishes;

pub(crate) use super::sessions::Seat;

/// How a session ends.
enum End {
    /// The algo left, or its connection broke.
    Left,
    Close(Close),
}

/// Serves a session until it ends.
pub(crate) async fn run(socket: WebSocket, seat: Seat, gateway: Gateway, claims: Claims) {
    let number = seat.port.number();
    tracing::info!(session = %claims.session, customer = %claims.customer, number = number.0, "session opened");
    let (mut sink, mut stream) = socket.split();
    let settings = gateway.settings().clone();
    let port = seat.port.clone();
    let home = gateway.home(&claims.customer);
    port.ordered(&gateway.hello(&claims, &home));
    let end = first_end(&gateway, &claims, &port, (&mut sink, &mut stream), home).await;
    drop(seat);
    gateway.forget(number).await;
    let code = match end {
        End::Left => {
            // Answers the algo's close; a connection that broke says so at once.
            let _ = timeout(settings.close_within, sink.close()).await;
            None
        }
        End::Close(why) => {
            let code = why.code;
            let said = last_word(&mut sink, &mut stream, why);
            if timeout(settings.close_within, said).await.is_err() {
                tracing::debug!(number = number.0, "the last word was not taken");
            }
            Some(code)
        }
    };
    tracing::info!(session = %claims.session, number = number.0, code, "session ended");
}

/// Waits until something ends the session. What goes on meanwhile is looked at only when it has something to do: a
/// session that gets a quote does not look whether anything was sent, which costs more than the quote.
async fn first_end(
    gateway: &Gateway,
    claims: &Claims,
    port: &Arc<Port>,
    (sink, stream): (&mut SplitSink<WebSocket, Message>, &mut SplitStream<WebSocket>),
    home: Home,
) -> End {
    let settings = gateway.settings();
    let (requests, started) = Requests::new(gateway.clone(), port.clone(), claims);
    let untaken = requests.under_way();
    let wishes = Wishes::new(gateway.clone(), port.clone(), claims, requests);
    let mut all = FuturesUnordered::<BoxFuture<'_, End>>::new();
    all.push(read(stream, wishes, port, settings).boxed());
    all.push(
        async {
            match write(sink, port, settings.ping_every).await {
                Ok(never) => match never {},
                Err(error) => {
                    tracing::debug!(%error, number = port.number().0, "session not written");
                    End::Left
                }
            }
        }
        .boxed(),
    );
    all.push(port.closed().map(End::Close).boxed());
    all.push(
        async {
            revocation(gateway, claims).await;
            let error = Some((Code::Unauthorized, revoked(claims).detail));
            End::Close(Close { code: close::UNAUTHORIZED, error })
        }
        .boxed(),
    );
    all.push(async { match heartbeats(gateway, claims, port, home).await {} }.boxed());
    all.push(async { match answers(started, port).await {} }.boxed());
    all.push(async { match untaken.watch(port, settings.slow_after).await {} }.boxed());
    // There are seven of them, none of which has ended.
    all.next().await.unwrap_or(End::Left)
}

/// Reads until something ends the session.
async fn read(
    stream: &mut SplitStream<WebSocket>,
    mut wishes: Wishes,
    port: &Port,
    settings: &Settings,
) -> End {
    let mut heard = Instant::now();
    loop {
        let paused = Instant::now();
        // A reader who takes no answers is not asked for more questions.
        if !wishes.relieved(settings.silence).await {
            let detail = "nothing was taken for too long; resume from your last position";
            return bad_or_gone(close::SLOW_CONSUMER, Code::TooManyRequests, detail);
        }
        // While nothing is read here nobody is silent, but for so long at most.
        heard += paused.elapsed().min(settings.silence);
        let received = tokio::select! {
            // By when something was heard last: what the leader tells meanwhile is no word of the algo's.
            received = timeout_at(heard + settings.silence, stream.next()) => received,
            () = wishes.changed() => {
                wishes.follow().await;
                continue;
            }
        };
        let Ok(received) = received else {
            let detail = "nothing came for too long";
            return bad_or_gone(close::GOING_AWAY, Code::RequestTimeout, detail);
        };
        if let Some(Ok(_)) = received {
            port.heard();
            heard = Instant::now();
        }
        let text = match received {
            None | Some(Ok(Message::Close(_))) => return End::Left,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => {
                let detail = "frames are JSON as text, not binary";
                return bad_or_gone(close::BAD_FRAME, Code::MalformedRequest, detail);
            }
            // A broken connection takes the last word as little as any other.
            Some(Err(error)) => {
                let detail = format!("the frame cannot be read: {error}");
                return bad_or_gone(close::BAD_FRAME, Code::MalformedRequest, &detail);
            }
            Some(Ok(Message::Text(text))) => text,
        };
        let paused = Instant::now();
        port.reading_pauses();
        let taken = wishes.take(&text).await;
        port.reading_goes_on();
        if let Err(detail) = taken {
            return bad_or_gone(close::BAD_FRAME, Code::MalformedRequest, &detail);
        }
        heard += paused.elapsed().min(settings.silence);
    }
}

fn bad_or_gone(code: u16, problem: Code, detail: &str) -> End {
    End::Close(Close { code, error: Some((problem, detail.to_string())) })
}

/// Writes what is queued, as much as there is between two flushes.
async fn write(
    sink: &mut SplitSink<WebSocket, Message>,
    port: &Port,
    ping_every: Duration,
) -> Result<Infallible, axum::Error> {
    let mut ping = interval_at(Instant::now() + ping_every, ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frames = Vec::new();
    loop {
        tokio::select! {
            () = port.take(limits::COALESCE, &mut frames) => {
                port.writes(Some(frames.iter().map(|frame| frame.len()).sum()));
                for frame in frames.drain(..) {
                    sink.feed(Message::Text(frame)).await?;
                }
                sink.flush().await?;
            }
            _ = ping.tick() => {
                port.writes(Some(0));
                sink.send(Message::Ping(bytes::Bytes::new())).await?;
            }
            () = port.sign_wanted() => {
                port.writes(Some(0));
                sink.send(Message::Ping(bytes::Bytes::new())).await?;
            }
        }
        port.writes(None);
    }
}

/// Before one of them hello is said anew where the customer belongs elsewhere by then: a Trader that he runs himself, and
/// whom nobody else can tell, finds the way by it.
async fn heartbeats(gateway: &Gateway, claims: &Claims, port: &Port, mut told: Home) -> Infallible {
    let every = gateway.settings().heartbeat_every;
    let mut beat = interval_at(Instant::now() + every, every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        if let Some(home) = gateway.home_if_not(&told, &claims.customer) {
            port.ordered(&gateway.hello(claims, &home));
            told = home;
        }
        port.heartbeat(clock::unix());
    }
}

/// Waits until the customer or the key is good no more.
async fn revocation(gateway: &Gateway, claims: &Claims) {
    let mut directory = gateway.directory();
    let revoked = directory.wait_for(|directory| {
        directory.as_ref().is_some_and(|directory| !directory.is_good(claims))
    });
    if revoked.await.is_err() {
        // The gateway is gone; it closes its sessions itself.
        std::future::pending().await
    }
}

/// Says why, closes, and waits for the other side's close.
async fn last_word(
    sink: &mut SplitSink<WebSocket, Message>,
    stream: &mut SplitStream<WebSocket>,
    why: Close,
) {
    let reason = match why.error {
        Some((code, detail)) => {
            let error = encode(&ToAlgo::Error { code, detail });
            if sink.send(Message::Text(error)).await.is_err() {
                return;
            }
            "see the error before"
        }
        None => "going away",
    };
    let frame = CloseFrame { code: why.code, reason: reason.into() };
    if sink.send(Message::Close(Some(frame))).await.is_err() {
        return;
    }
    while let Some(Ok(_)) = stream.next().await {}
}

/// Bounds of the socket itself: what a client may send at once, and what it costs to read it.
pub(crate) fn bounded(upgrade: axum::extract::WebSocketUpgrade) -> axum::extract::WebSocketUpgrade {
    upgrade
        .max_message_size(CLIENT_FRAME_BYTES)
        .max_frame_size(CLIENT_FRAME_BYTES)
        .read_buffer_size(limits::READ_BUFFER_BYTES)
}
