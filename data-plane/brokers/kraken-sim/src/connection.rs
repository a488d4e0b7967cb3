//! One WebSocket. Decides how a connection ends: a client that does not read is cut, one that sends nothing for a
//! minute is closed; what the frames do is decided by the desk. Text and binary frames are the same to it: real
//! clients send JSON in both. The task may be cancelled at any await.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::desk::client::{ClientNumber, Out};
use crate::desk::{Desk, Joined, Request, Stopped};
use crate::limits::{CLIENT_SILENT, CLOSE_WITHIN};

/// How a connection ends.
enum End {
    /// The other side has closed it, or it is torn off.
    Gone,
    /// With a close frame.
    Closed,
}

/// Serves a client until one of both has had enough.
pub(crate) async fn serve(socket: WebSocket, desk: Desk, shutdown: CancellationToken) {
    let (mut sink, stream) = socket.split();
    let Ok(Joined { number, frames, cut }) = desk.join().await else { return };
    let end = tokio::select! {
        end = read(stream, &desk, number) => end,
        end = write(&mut sink, frames) => end,
        () = cut.cancelled() => End::Gone,
        () = shutdown.cancelled() => End::Closed,
    };
    // A desk that has stopped has no list to be taken from.
    let _ = desk.ask(Request::Leave { number }).await;
    if let End::Closed = end {
        let frame = CloseFrame { code: 1001, reason: Utf8Bytes::from_static("going away") };
        let _ = timeout(CLOSE_WITHIN, sink.send(Message::Close(Some(frame)))).await;
    }
}

async fn read(mut stream: SplitStream<WebSocket>, desk: &Desk, number: ClientNumber) -> End {
    loop {
        let text = match timeout(CLIENT_SILENT, stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => text.to_string(),
            Ok(Some(Ok(Message::Binary(bytes)))) => String::from_utf8_lossy(&bytes).into_owned(),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return End::Gone,
            Err(_) => return End::Closed,
        };
        if let Err(Stopped) = desk.ask(Request::Frame { number, text }).await {
            return End::Closed;
        }
    }
}

async fn write(sink: &mut SplitSink<WebSocket, Message>, mut frames: mpsc::Receiver<Out>) -> End {
    while let Some(mut out) = frames.recv().await {
        loop {
            match out {
                Out::Frame(frame) => {
                    if sink.feed(Message::Text(frame)).await.is_err() {
                        return End::Gone;
                    }
                }
                Out::Close => return End::Closed,
            }
            match frames.try_recv() {
                Ok(next) => out = next,
                Err(_) => break,
            }
        }
        if sink.flush().await.is_err() {
            return End::Gone;
        }
    }
    End::Gone
}
