//! Serving HTTP/1 with upgrades. Decides who gets a connection and how it ends: too many are turned away,
//! a header that does not arrive is cut, a stop lets requests under way finish for a moment. One request
//! is `listen/answer.rs`' work. The tasks may be cancelled at any await.

use super::{
    answer::Answerer,
    seats::{Seat, Seats},
};
use crate::{Failure, limits, socket::Socket};
use axum::{Router, response::IntoResponse as _};
use http_body_util::BodyExt as _;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::limits as system;
use tradewind_protocol::Code;

/// Bounds of one listener; the default is an InfrastructureManager's.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All headers of a request; at least 8 KiB.
    pub header_bytes: usize,
    /// From the opening of a connection, or the last answer, to the end of a request's headers.
    pub headers_within: Duration,
    pub body_bytes: usize,
    /// From the end of the headers to the beginning of the answer; an upgraded connection has no bound.
    pub request_within: Duration,
    /// Open connections, upgraded ones too: in all, and from one address.
    pub connections: usize,
    pub connections_per_address: usize,
    /// Requests under way have so long when the server stops.
    pub stop_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: system::HEADER_BYTES,
            headers_within: system::HEADERS_WITHIN,
            body_bytes: system::BODY_BYTES,
            request_within: system::REQUEST_WITHIN,
            connections: system::CONNECTIONS,
            connections_per_address: system::CONNECTIONS_PER_ADDRESS,
            stop_within: limits::SERVE_STOP_WITHIN,
        }
    }
}

/// Serves `router` until `shutdown`. Unknown paths, wrong methods, panics and everything else that goes
/// wrong outside the handlers is told as a problem. Handlers find the other side's address in
/// `ConnectInfo<SocketAddr>`. Upgraded connections end when their owners let go of them.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let seats = Seats::new(limits.connections, limits.connections_per_address);
    let answerer = Arc::new(Answerer::new(router, limits.clone()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match accepted {
            Ok((stream, peer)) => match seats.take(peer.ip()) {
                Some(seat) => {
                    let shutdown = shutdown.clone();
                    connections.spawn(connection(stream, peer, seat, answerer.clone(), shutdown));
                }
                None => {
                    tracing::warn!(%peer, "too many connections, one turned away");
                    connections.spawn(turn_away(stream));
                }
            },
            Err(error) => rest_after(&error).await,
        }
    }
    drop(listener);
    let all_done = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.stop_within, all_done).await.is_err() {
        tracing::debug!(left = connections.len(), "requests under way were cut at the stop");
    }
}

/// A connection that broke before it was accepted is nothing; being out of file descriptors takes time.
async fn rest_after(error: &io::Error) {
    let kinds = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
    if !kinds.contains(&error.kind()) {
        tracing::warn!(%error, "connection not accepted");
        sleep(limits::ACCEPT_AGAIN).await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    seat: Seat,
    answerer: Arc<Answerer>,
    shutdown: CancellationToken,
) {
    let limits = answerer.limits().clone();
    let service = service_fn(move |request| {
        let answerer = answerer.clone();
        async move { answerer.answer(request, peer).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers_within)
        .max_header_size(limits.header_bytes)
        .serve_connection(TokioIo::new(Socket::new(stream, seat)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "connection ended with an error");
    }
}

/// Tells a connection for which there is no seat so, before it has asked anything.
async fn turn_away(stream: TcpStream) {
    let detail = "Too many connections are open here; close some, or come back later.";
    let response = Failure::new(Code::TooManyRequests, detail).into_response();
    let Ok(body) = response.into_body().collect().await else { return };
    let body = body.to_bytes();
    let head = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // The sending buffer of a fresh connection takes this at once; the socket lingers by itself.
    let mut socket = Socket::new(stream, ());
    let _ = socket.write_all(&[head.as_bytes(), &body].concat()).await;
}
