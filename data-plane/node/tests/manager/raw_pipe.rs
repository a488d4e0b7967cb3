//! The pipe's end of a service that plays it itself, frame by frame, behind a check-in that is as it should be. Decides by the
//! account's name who answers there and what is said first; what comes of it is the claims' affair.

use super::broker_process::{check_in, say};
use axum::{
    Router,
    extract::ws::{Message, WebSocket, WebSocketUpgrade},
    routing::get,
};
use std::future::pending;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{ids::Incarnation, limits::PIPE_FRAME_BYTES};
use tradewind_link::listen;
use tradewind_node::service::Context;
use tradewind_protocol::{
    link::{HelloAnswer, PROTOCOL},
    supervision::{FromService, ServiceState},
};

/// The same on each pipe that is opened.
#[derive(Clone, Copy)]
pub(crate) struct RawPipe {
    /// Whose life answers.
    incarnation: Incarnation,
    /// What follows on the welcome.
    first: fn() -> Message,
}

impl RawPipe {
    /// `None`: a service of this name does not play its pipe.
    pub(crate) fn of(context: &Context, account: &str) -> Option<Self> {
        let first: fn() -> Message = match account {
            "too-large" => too_large,
            "binary" => binary,
            "no-json" => no_json,
            "later" => live,
            _ => return None,
        };
        let own = context.incarnation;
        let incarnation = if account == "later" { Incarnation(own.0 + 1) } else { own };
        Some(Self { incarnation, first })
    }

    /// Checks in, and takes each pipe that its Manager opens, for as long as the process runs.
    pub(crate) async fn serve(self, context: &Context) {
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let take = move |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(move |socket| self.speak(socket))
        };
        let router = Router::new().route("/v1/pipe", get(take));
        let (limits, never) = (listen::Limits::default(), CancellationToken::new());
        tokio::spawn(listen::serve(listener, router, limits, never));
        check_in(context, context.service.clone(), std::process::id(), &address).await;
        pending::<()>().await;
    }

    async fn speak(self, mut socket: WebSocket) {
        // Of the hello nothing is looked at.
        if socket.recv().await.is_none() {
            return;
        }
        say("a pipe");
        let (protocol, incarnation) = (PROTOCOL.max, self.incarnation);
        let welcome = HelloAnswer::Welcome { protocol, incarnation };
        let welcome = serde_json::to_string(&welcome).unwrap();
        for message in [Message::Text(welcome.into()), (self.first)()] {
            // Whoever has heard enough takes no more.
            let _ = socket.send(message).await;
        }
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                say(&format!("told: {text}"));
            }
        }
    }
}

/// A beat as it should be, with so many bytes of words.
fn beat(bytes: usize) -> String {
    let beat = FromService::Beat {
        n: 1,
        state: ServiceState::Live,
        detail: "x".repeat(bytes),
        handed_back: None,
        fenced: Default::default(),
        venue: None,
        ledger: None,
        load: None,
    };
    serde_json::to_string(&beat).unwrap()
}

fn live() -> Message {
    Message::Text(beat(1).into())
}

/// With its words alone it is as large as a frame may be.
fn too_large() -> Message {
    Message::Text(beat(PIPE_FRAME_BYTES).into())
}

fn binary() -> Message {
    Message::Binary(beat(1).into())
}

fn no_json() -> Message {
    Message::Text("{\"type\":\"beat\",".into())
}
