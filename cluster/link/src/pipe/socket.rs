//! A WebSocket, whichever side opened it. Decides which errors of the protocol stack mean what for a
//! pipe; nothing else in this crate knows tungstenite's or axum's frames.

use super::{Lost, Options};
use crate::{limits, socket::Socket};
use axum::extract::ws as accepted;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message,
        error::ProtocolError,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// What comes in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Text(Bytes),
    Binary,
    /// A ping or a pong: the other side lives.
    Alive,
    Close,
}

/// What goes out.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(String),
    Ping,
    Close { code: u16, reason: &'static str },
}

pub(super) enum PipeSocket {
    Dialled(WebSocketStream<Socket<()>>),
    Accepted(accepted::WebSocket),
}

/// The configuration of a dialler's WebSocket.
pub(super) fn configuration(options: &Options) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(limits::READ_BUFFER_BYTES)
        .write_buffer_size(limits::BATCH_BYTES)
        .max_message_size(Some(options.frame_bytes))
        .max_frame_size(Some(options.frame_bytes))
}

/// The same for an acceptor's.
pub(super) fn configured<F>(
    upgrade: accepted::WebSocketUpgrade<F>,
    options: &Options,
) -> accepted::WebSocketUpgrade<F> {
    upgrade
        .read_buffer_size(limits::READ_BUFFER_BYTES)
        .write_buffer_size(limits::BATCH_BYTES)
        .max_message_size(options.frame_bytes)
        .max_frame_size(options.frame_bytes)
}

/// What a broken WebSocket says about the other side.
pub(super) fn lost(error: &WsError) -> Lost {
    match error {
        WsError::ConnectionClosed
        | WsError::AlreadyClosed
        | WsError::Protocol(
            ProtocolError::SendAfterClosing | ProtocolError::ReceivedAfterClosing,
        ) => Lost::Closed,
        WsError::Io(_) | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            Lost::Reset
        }
        _ => Lost::BadFrame,
    }
}

/// axum hands tungstenite's error on in a box.
fn lost_accepted(error: axum::Error) -> Lost {
    error.into_inner().downcast_ref::<WsError>().map_or(Lost::Reset, lost)
}

impl Stream for PipeSocket {
    type Item = Result<Incoming, Lost>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let incoming = match self.get_mut() {
            Self::Dialled(socket) => match ready!(Pin::new(socket).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => Err(lost(&error)),
                Some(Ok(Message::Text(text))) => Ok(Incoming::Text(text.into())),
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => Ok(Incoming::Binary),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Incoming::Alive),
                Some(Ok(Message::Close(_))) => Ok(Incoming::Close),
            },
            Self::Accepted(socket) => match ready!(Pin::new(socket).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => Err(lost_accepted(error)),
                Some(Ok(accepted::Message::Text(text))) => Ok(Incoming::Text(text.into())),
                Some(Ok(accepted::Message::Binary(_))) => Ok(Incoming::Binary),
                Some(Ok(accepted::Message::Ping(_) | accepted::Message::Pong(_))) => {
                    Ok(Incoming::Alive)
                }
                Some(Ok(accepted::Message::Close(_))) => Ok(Incoming::Close),
            },
        };
        Poll::Ready(Some(incoming))
    }
}

impl Sink<Outgoing> for PipeSocket {
    type Error = Lost;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match self.get_mut() {
            Self::Dialled(socket) => Pin::new(socket).poll_ready(cx).map_err(|error| lost(&error)),
            Self::Accepted(socket) => Pin::new(socket).poll_ready(cx).map_err(lost_accepted),
        }
    }

    fn start_send(self: Pin<&mut Self>, frame: Outgoing) -> Result<(), Lost> {
        match self.get_mut() {
            Self::Dialled(socket) => {
                let message = match frame {
                    Outgoing::Text(text) => Message::Text(text.into()),
                    Outgoing::Ping => Message::Ping(Bytes::new()),
                    Outgoing::Close { code, reason } => Message::Close(Some(CloseFrame {
                        code: CloseCode::from(code),
                        reason: reason.into(),
                    })),
                };
                Pin::new(socket).start_send(message).map_err(|error| lost(&error))
            }
            Self::Accepted(socket) => {
                let message = match frame {
                    Outgoing::Text(text) => accepted::Message::Text(text.into()),
                    Outgoing::Ping => accepted::Message::Ping(Bytes::new()),
                    Outgoing::Close { code, reason } => {
                        let reason = reason.into();
                        accepted::Message::Close(Some(accepted::CloseFrame { code, reason }))
                    }
                };
                Pin::new(socket).start_send(message).map_err(lost_accepted)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match self.get_mut() {
            Self::Dialled(socket) => Pin::new(socket).poll_flush(cx).map_err(|error| lost(&error)),
            Self::Accepted(socket) => Pin::new(socket).poll_flush(cx).map_err(lost_accepted),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        match self.get_mut() {
            Self::Dialled(socket) => Pin::new(socket).poll_close(cx).map_err(|error| lost(&error)),
            Self::Accepted(socket) => Pin::new(socket).poll_close(cx).map_err(lost_accepted),
        }
    }
}
