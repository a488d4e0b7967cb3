//! Accepting a pipe. Decides in which order things happen: hello, a place at the owner's, admission,
//! welcome; who is admitted is the gate's decision.

use super::{
    Event, Events, Line, Sender,
    carry::{CLOSE_BAD_FRAME, CLOSE_REFUSED, CLOSE_SILENT, Carried, carry, close, next},
    gate::{Accepted, Gate},
    socket::{Incoming, Outgoing, PipeSocket, configured},
};
use axum::{extract::ws::WebSocketUpgrade, response::Response};
use futures_util::SinkExt as _;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use tokio::{sync::mpsc, time::timeout};
use tradewind_protocol::{
    Code, Problem,
    link::{Hello, HelloAnswer},
};

/// Answers the upgrade; the pipe goes to the inbox of the gate's owner once its dialler was admitted.
pub fn accept<Out, In>(upgrade: WebSocketUpgrade, gate: Arc<Gate<Out, In>>) -> Response
where
    Out: Serialize + Send + 'static,
    In: DeserializeOwned + Send + 'static,
{
    configured(upgrade, &gate.options)
        .on_failed_upgrade(|error| tracing::debug!(%error, "pipe not upgraded"))
        .on_upgrade(move |socket| welcome(PipeSocket::Accepted(socket), gate))
}

async fn welcome<Out, In>(mut socket: PipeSocket, gate: Arc<Gate<Out, In>>)
where
    Out: Serialize + Send + 'static,
    In: DeserializeOwned + Send + 'static,
{
    let within = gate.options.dial_within;
    let hello = match timeout(within, hear_hello(&mut socket)).await {
        Ok(Heard::Hello(hello)) => *hello,
        Ok(Heard::Gone) => return,
        Ok(Heard::Wrong(why)) => {
            let problem = Problem::new(Code::MalformedRequest, why);
            return refuse(&mut socket, problem, CLOSE_BAD_FRAME, &gate).await;
        }
        Err(_) => {
            let problem =
                Problem::new(Code::RequestTimeout, format!("No hello within {within:?}."));
            return refuse(&mut socket, problem, CLOSE_SILENT, &gate).await;
        }
    };
    let Ok(Ok(place)) = timeout(within, gate.inbox.reserve()).await else {
        let detail =
            "Nobody takes pipes here at the moment; this process is starting, stopping or busy.";
        let problem = Problem::new(Code::Unavailable, detail);
        return refuse(&mut socket, problem, CLOSE_REFUSED, &gate).await;
    };
    let admitted = match gate.admit(&hello) {
        Ok(admitted) => admitted,
        Err(problem) => {
            tracing::info!(from = hello.from, purpose = hello.purpose, %problem, "pipe refused");
            return refuse(&mut socket, problem, CLOSE_REFUSED, &gate).await;
        }
    };
    let welcome =
        HelloAnswer::Welcome { protocol: admitted.protocol, incarnation: gate.incarnation };
    // An answer is numbers: it always has a JSON form.
    let text = serde_json::to_string(&welcome).unwrap_or_default();
    if !matches!(timeout(within, socket.send(Outgoing::Text(text))).await, Ok(Ok(()))) {
        return;
    }
    let options = gate.options.clone();
    let line = Arc::new(Line::default());
    let outgoing = line.raise(options.queue_frames);
    let (report, events) = mpsc::channel(options.queue_frames.max(1));
    let sender = Sender::new(line.clone(), options.frame_bytes);
    place.send(Accepted { hello, sender, events: Events { events } });
    drop(gate);
    let replaced = admitted.replaced;
    let carried = Carried { outgoing, events: &report, replaced, pings: false, options: &options };
    let lost = carry(socket, carried).await;
    line.lower();
    if let Some(lost) = lost {
        // Nobody to tell if the owner let go meanwhile.
        let _ = report.send(Event::Down(lost)).await;
    }
}

enum Heard {
    Hello(Box<Hello>),
    Gone,
    Wrong(String),
}

async fn hear_hello(socket: &mut PipeSocket) -> Heard {
    loop {
        // The bound on the whole is the caller's; this one never comes first.
        match next(socket, std::time::Duration::MAX).await {
            Ok(Incoming::Text(text)) => {
                return match serde_json::from_slice(&text) {
                    Ok(hello) => Heard::Hello(hello),
                    Err(error) => {
                        Heard::Wrong(format!("The first frame must be a hello: {error}."))
                    }
                };
            }
            Ok(Incoming::Alive) => {}
            Ok(Incoming::Binary) => {
                return Heard::Wrong("The first frame must be a hello, as text.".to_string());
            }
            Err(super::Lost::BadFrame) => {
                return Heard::Wrong(
                    "The first frame breaks the protocol or is too large.".to_string(),
                );
            }
            Ok(Incoming::Close) | Err(_) => return Heard::Gone,
        }
    }
}

async fn refuse<Out, In>(
    socket: &mut PipeSocket,
    problem: Problem,
    code: u16,
    gate: &Gate<Out, In>,
) {
    let answer = HelloAnswer::Refused { problem };
    close(socket, Some(&answer), code, "refused", gate.options.dial_within).await;
}
