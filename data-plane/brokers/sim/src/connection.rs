//! One client's WebSocket. Decides how a connection ends: a frame that is no message is told and closed, a
//! client that does not read is cut; what the messages do is decided by `venue`. The task may be cancelled
//! at any await.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::limits::CLOSE_WITHIN;
use crate::venue::{ClientSender, Joined, QueueReader, Stopped, Venue};
use crate::wire::{
    CLOSE_BAD_FRAME, CLOSE_GOING_AWAY, CLOSE_SLOW_CONSUMER, FromVenue, RefusalCode, ToVenue,
};

/// Frames handed to the socket before it is flushed.
const BATCH_FRAMES: usize = 64;

/// Why a connection ends.
enum End {
    /// The other side has closed it, or the network has.
    Gone,
    BadFrame(String),
    Slow,
    GoingAway,
}

/// Serves a client until one of both has had enough.
pub(crate) async fn serve(socket: WebSocket, venue: Venue, shutdown: CancellationToken) {
    let (mut sink, stream) = socket.split();
    let Ok(Joined { sender, frames }) = venue.join().await else {
        return close(sink, End::GoingAway).await;
    };
    drop(venue);
    let cut = frames.cut();
    let end = tokio::select! {
        end = read(stream, &sender) => end,
        end = write(&mut sink, frames) => end,
        () = cut.cancelled() => End::Slow,
        () = shutdown.cancelled() => End::GoingAway,
    };
    sender.leave().await;
    close(sink, end).await;
}

async fn read(mut stream: SplitStream<WebSocket>, venue: &ClientSender) -> End {
    while let Some(message) = stream.next().await {
        let frame = match message {
            Ok(Message::Text(text)) => match serde_json::from_str::<ToVenue>(&text) {
                Ok(frame) => frame,
                Err(error) => return End::BadFrame(error.to_string()),
            },
            Ok(Message::Binary(_)) => {
                return End::BadFrame("frames are JSON text, this one is binary".to_owned());
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(_)) => return End::Gone,
            // Too large, not UTF-8, or against the protocol: if the other side is there it will be told.
            Err(error) => return End::BadFrame(error.to_string()),
        };
        if let Err(Stopped) = venue.send(frame).await {
            return End::GoingAway;
        }
    }
    End::Gone
}

async fn write(sink: &mut SplitSink<WebSocket, Message>, mut frames: QueueReader) -> End {
    let mut batch = Vec::with_capacity(BATCH_FRAMES);
    while let Some(()) = frames.receive(&mut batch, BATCH_FRAMES).await {
        for frame in batch.drain(..) {
            if sink.feed(Message::Text(frame)).await.is_err() {
                return End::Gone;
            }
        }
        if sink.flush().await.is_err() {
            return End::Gone;
        }
    }
    End::GoingAway
}

/// Says goodbye, if there is anybody to hear it.
async fn close(mut sink: SplitSink<WebSocket, Message>, end: End) {
    let (code, reason) = match &end {
        End::Gone => return,
        End::BadFrame(_) => (CLOSE_BAD_FRAME, "bad frame"),
        End::Slow => (CLOSE_SLOW_CONSUMER, "slow consumer"),
        End::GoingAway => (CLOSE_GOING_AWAY, "going away"),
    };
    tracing::debug!(code, reason, "connection closed");
    let goodbye = async {
        if let End::BadFrame(reason) = end {
            let error = FromVenue::Error { code: RefusalCode::BadFrame, reason };
            if let Ok(text) = serde_json::to_string(&error) {
                sink.feed(Message::Text(text.into())).await?;
            }
        }
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        sink.send(Message::Close(Some(frame))).await
    };
    // A client that reads nothing is left alone with its socket.
    let _ = timeout(CLOSE_WITHIN, goodbye).await;
}
