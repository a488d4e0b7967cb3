//! Dialling, and dialling again for ever. Decides what a failed attempt proves and how long to wait
//! before the next; ends when its `Events` are dropped.

use super::{
    Event, Events, Line, Lost, Options, Sender,
    carry::{CLOSE_BAD_FRAME, Carried, carry, close, next},
    socket::{Incoming, Outgoing, PipeSocket, configuration, lost},
};
use crate::{failure::code_of, socket::Socket};
use futures_util::{SinkExt as _, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        Error as WsError,
        client::IntoClientRequest as _,
        http::{HeaderValue, header::AUTHORIZATION},
    },
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::Incarnation;
use tradewind_protocol::{
    Problem,
    link::{Hello, HelloAnswer},
};

/// Keeps a pipe to whatever `target` names: `host:port/path`, asked anew at each attempt, or why there is
/// none at the moment. `hello` is what we say first. Goes on until the `Events` are dropped.
pub fn dial<Out, In>(
    target: impl Fn() -> BoxFuture<'static, Result<String, String>> + Send + 'static,
    hello: impl Fn() -> Hello + Send + 'static,
    options: Options,
) -> (Sender<Out>, Events<In>)
where
    Out: Serialize + Send + 'static,
    In: DeserializeOwned + Send + 'static,
{
    dial_with_secret(None, target, hello, options)
}

/// The same, with the secret that the other side knows us by. It is presented as a bearer's with the upgrade, before a word
/// is said.
pub fn dial_with_secret<Out, In>(
    secret: Option<String>,
    target: impl Fn() -> BoxFuture<'static, Result<String, String>> + Send + 'static,
    hello: impl Fn() -> Hello + Send + 'static,
    options: Options,
) -> (Sender<Out>, Events<In>)
where
    Out: Serialize + Send + 'static,
    In: DeserializeOwned + Send + 'static,
{
    let (report, events) = mpsc::channel(options.queue_frames.max(1));
    let line = Arc::new(Line::default());
    let sender = Sender::new(line.clone(), options.frame_bytes);
    let dialler = Dialler { secret, target, hello, options, line, report };
    tokio::spawn(dialler.run());
    (sender, Events { events })
}

struct Dialler<T, H, In> {
    secret: Option<String>,
    target: T,
    hello: H,
    options: Options,
    line: Arc<Line>,
    report: mpsc::Sender<Event<In>>,
}

struct Welcomed {
    socket: PipeSocket,
    protocol: u32,
    incarnation: Incarnation,
}

impl<T, H, In> Dialler<T, H, In>
where
    T: Fn() -> BoxFuture<'static, Result<String, String>> + Send,
    H: Fn() -> Hello + Send,
    In: DeserializeOwned + Send + 'static,
{
    async fn run(self) {
        let mut wait = self.options.redial_first;
        loop {
            let target = (self.target)();
            let opened = tokio::select! {
                opened = open(target, self.secret.as_deref(), (self.hello)(), &self.options) => opened,
                () = self.report.closed() => return,
            };
            let lost = match opened {
                Ok(welcomed) => {
                    let since = Instant::now();
                    let carried = serve(welcomed, &self.options, &self.line, &self.report);
                    let Some(lost) = carried.await else { return };
                    // A pipe that falls at once is dialled more and more slowly too.
                    if since.elapsed() > self.options.redial_max {
                        wait = self.options.redial_first;
                    }
                    lost
                }
                Err(lost) => lost,
            };
            if self.report.send(Event::Down(lost)).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(jittered(wait)) => {}
                () = self.report.closed() => return,
            }
            wait = (wait * 2).min(self.options.redial_max);
        }
    }
}

/// Carries until the pipe is down; `None` if its owner let go.
async fn serve<In: DeserializeOwned>(
    welcomed: Welcomed,
    options: &Options,
    line: &Line,
    events: &mpsc::Sender<Event<In>>,
) -> Option<Lost> {
    let Welcomed { socket, protocol, incarnation } = welcomed;
    let outgoing = line.raise(options.queue_frames);
    let replaced = CancellationToken::new();
    let carried = Carried { outgoing, events, replaced, pings: true, options };
    let lost = match events.send(Event::Up { protocol, incarnation }).await {
        Ok(()) => carry(socket, carried).await,
        Err(_) => None,
    };
    line.lower();
    lost
}

/// Between half of the wait and all of it, so that many diallers of one address do not come at once.
fn jittered(wait: Duration) -> Duration {
    // Without randomness all wait the longest: slower, and still right.
    let part = getrandom::u32().unwrap_or(u32::MAX);
    wait.mul_f64(0.5 + 0.5 * f64::from(part) / f64::from(u32::MAX))
}

async fn open(
    target: BoxFuture<'static, Result<String, String>>,
    secret: Option<&str>,
    hello: Hello,
    options: &Options,
) -> Result<Welcomed, Lost> {
    let address = target.await.map_err(|reason| {
        tracing::debug!(reason, purpose = hello.purpose, to = hello.to, "no address to dial");
        Lost::Unreachable
    })?;
    let host = address.split_once('/').map_or(address.as_str(), |(host, _)| host);
    let stream = match timeout(options.dial_within, TcpStream::connect(host)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            return Err(Lost::ConnectRefused);
        }
        Ok(Err(_)) | Err(_) => return Err(Lost::Unreachable),
    };
    let greeted = greet(Socket::new(stream, ()), &address, secret, &hello, options);
    timeout(options.dial_within, greeted).await.unwrap_or(Err(Lost::Silent))
}

async fn greet(
    stream: Socket<()>,
    address: &str,
    secret: Option<&str>,
    hello: &Hello,
    options: &Options,
) -> Result<Welcomed, Lost> {
    let url = format!("ws://{address}");
    let mut request = url.into_client_request().map_err(|error| lost(&error))?;
    if let Some(secret) = secret {
        // What no header can carry was never given to anybody.
        let bearer = HeaderValue::try_from(format!("Bearer {secret}"));
        let mut bearer = bearer.map_err(|_| Lost::Unreachable)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    let opened = client_async_with_config(request, stream, Some(configuration(options))).await;
    let (socket, _) = opened.map_err(|error| not_opened(&error))?;
    let mut socket = PipeSocket::Dialled(socket);
    // A hello is strings and numbers: it always has a JSON form.
    let text = serde_json::to_string(hello).unwrap_or_default();
    socket.send(Outgoing::Text(text)).await?;
    let answer = loop {
        match next(&mut socket, options.silence).await? {
            Incoming::Text(text) => break serde_json::from_slice(&text).ok(),
            Incoming::Alive => {}
            Incoming::Binary => break None,
            Incoming::Close => return Err(Lost::Closed),
        }
    };
    match answer {
        Some(HelloAnswer::Refused { problem }) => Err(Lost::RefusedBy(problem)),
        Some(HelloAnswer::Welcome { protocol, incarnation })
            if (hello.protocol.min..=hello.protocol.max).contains(&protocol) =>
        {
            Ok(Welcomed { socket, protocol, incarnation })
        }
        Some(HelloAnswer::Welcome { .. }) | None => {
            let (reason, within) = ("not a welcome", options.dial_within);
            close(&mut socket, None::<&Hello>, CLOSE_BAD_FRAME, reason, within).await;
            Err(Lost::BadFrame)
        }
    }
}

/// An answer by HTTP is a refusal; anything else is a broken connection.
fn not_opened(error: &WsError) -> Lost {
    let WsError::Http(response) = error else { return lost(error) };
    let body = response.body().as_deref().unwrap_or_default();
    let problem = serde_json::from_slice(body).unwrap_or_else(|_| {
        let status = response.status();
        Problem::new(code_of(status), format!("The pipe was answered with {status}."))
    });
    Lost::RefusedBy(problem)
}
