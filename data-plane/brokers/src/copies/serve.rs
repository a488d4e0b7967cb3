//! The copy holder's side of a pipe. Decides the order of question and answer on one connection; whether a Broker is served
//! is decided by the copy's `Holder`. May be cancelled: what is not acknowledged was promised to nobody.

use super::{
    pipe::PURPOSE,
    shelf::{Copy, Shelf, ShelfError},
};
use crate::limits::COPY_FRAME_BYTES;
use axum::{
    Router,
    extract::{State, WebSocketUpgrade},
    response::Response,
    routing::get,
};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tradewind_domain::{
    ids::{AccountId, Incarnation, ManagerId},
    trading::copies::{Refused, Session},
};
use tradewind_link::pipe::{self, Accepted, Diallers, Event, Gate, SendError, Sender};
use tradewind_protocol::copies::{COPIES_PATH, CopyDown, CopyUp, RecordBytes};

/// A pipe that was taken.
pub(crate) type CopyPipe = Accepted<CopyUp, CopyDown>;

/// Where pipes are taken by the copy holder of this name, and where they arrive.
pub(crate) fn routes(
    holder: &ManagerId,
    incarnation: Incarnation,
) -> (Router, mpsc::Receiver<CopyPipe>) {
    type CopyGate = Arc<Gate<CopyUp, CopyDown>>;
    let options = pipe::Options::default();
    let (gate, pipes) =
        Gate::new(holder.to_string(), PURPOSE, incarnation, Diallers::Many, options);
    let take = async |State(gate): State<CopyGate>, upgrade: WebSocketUpgrade| -> Response {
        pipe::accept(upgrade, gate)
    };
    (Router::new().route(COPIES_PATH, get(take)).with_state(gate), pipes)
}

/// Whose copy it is about, and as whom.
struct Served {
    copy: Copy,
    /// Of a Broker that was greeted; a successor has none.
    session: Option<Session>,
}

/// Why a connection ends.
enum Ended {
    Pipe,
    Shelf(ShelfError),
}

impl From<ShelfError> for Ended {
    fn from(error: ShelfError) -> Self {
        Self::Shelf(error)
    }
}

impl From<SendError> for Ended {
    fn from(_: SendError) -> Self {
        Self::Pipe
    }
}

/// Until the pipe ends, or the Broker is not served any more.
pub(crate) async fn serve(accepted: CopyPipe, shelf: Arc<Shelf>) {
    let Accepted { hello, sender, mut events } = accepted;
    let mut served: Option<Served> = None;
    let mut synced: Option<watch::Receiver<u64>> = None;
    let ended = loop {
        let copy = served.as_ref().map(|served| served.copy.clone());
        if synced.is_none() {
            synced = copy.as_ref().map(Copy::synced);
        }
        let turn = tokio::select! {
            event = events.next() => match event {
                Some(Event::Message(message)) => take(message, &mut served, &shelf, &sender).await,
                Some(Event::Up { .. }) => Ok(()),
                Some(Event::Down(_)) | None => Err(Ended::Pipe),
            },
            () = news(&mut synced) => acknowledge(&served, &sender).await,
            failure = stopped(copy) => Err(Ended::Shelf(failure.into())),
        };
        if let Err(ended) = turn {
            break ended;
        }
    };
    let last = match ended {
        Ended::Pipe => return,
        Ended::Shelf(ShelfError::Refused(Refused::Sealed { by })) => CopyUp::Refused { by },
        Ended::Shelf(ShelfError::Refused(refused)) => {
            tracing::info!(from = hello.from, %refused, "no longer served");
            return;
        }
        Ended::Shelf(error) => {
            tracing::error!(
                from = hello.from,
                error = &error as &dyn std::error::Error,
                "a copy cannot be kept"
            );
            CopyUp::Failed { why: error.to_string() }
        }
    };
    // The pipe is let go of when the other side has heard it, or is gone.
    if sender.send(last).await.is_ok() {
        while let Some(Event::Message(_)) = events.next().await {}
    }
}

async fn news(synced: &mut Option<watch::Receiver<u64>>) {
    match synced {
        // The sender lives as long as the copy.
        Some(synced) => drop(synced.changed().await),
        None => std::future::pending().await,
    }
}

async fn stopped(copy: Option<Copy>) -> tradewind_journal::Failure {
    match copy {
        Some(copy) => copy.stopped().await,
        None => std::future::pending().await,
    }
}

async fn acknowledge(served: &Option<Served>, sender: &Sender<CopyUp>) -> Result<(), Ended> {
    let Some(Served { copy, session: Some(session), .. }) = served else { return Ok(()) };
    // Asked at the moment of the answer: it may have been sealed since.
    match copy.acknowledges(*session) {
        Some(index) => Ok(sender.send(CopyUp::Acknowledged { index }).await?),
        None => Err(Ended::Pipe),
    }
}

async fn take(
    message: CopyDown,
    served: &mut Option<Served>,
    shelf: &Arc<Shelf>,
    sender: &Sender<CopyUp>,
) -> Result<(), Ended> {
    match message {
        CopyDown::Greet { account, right } => {
            let copy = open(shelf, account).await?;
            let (session, greeting) = copy.greet(right)?;
            *served = Some(Served { copy, session: Some(session) });
            sender.send(CopyUp::Greeted { greeting }).await?;
        }
        CopyDown::Seal { account, right } => {
            let copy = open(shelf, account).await?;
            let sealed = copy.seal(right).await?;
            *served = Some(Served { copy, session: None });
            sender.send(CopyUp::Sealed { sealed }).await?;
        }
        CopyDown::Begin { since } => {
            let Some(Served { copy, session: Some(session), .. }) = served else {
                return Err(Ended::Pipe);
            };
            copy.begin(*session, since).await?;
            sender.send(CopyUp::Begun).await?;
        }
        CopyDown::Append { first, records } => {
            let Some(Served { copy, session: Some(session), .. }) = served else {
                return Err(Ended::Pipe);
            };
            let records = records.into_iter().map(|record| record.0).collect();
            copy.append(*session, first, records).await?;
        }
        CopyDown::Fetch { after } => {
            let Some(Served { copy, .. }) = served else { return Err(Ended::Pipe) };
            let records = copy.after(after, COPY_FRAME_BYTES)?;
            let records = records.into_iter().map(RecordBytes).collect();
            sender.send(CopyUp::Records { first: after + 1, records }).await?;
        }
    }
    Ok(())
}

async fn open(shelf: &Arc<Shelf>, account: AccountId) -> Result<Copy, ShelfError> {
    let shelf = shelf.clone();
    let opened = tokio::task::spawn_blocking(move || shelf.copy(&account));
    opened.await.map_err(|_| ShelfError::Lost)?
}
