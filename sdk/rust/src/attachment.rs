//! What an algo that attaches as a Trader sees of it: its state, and what its TraderManager tells it. Decides nothing; the
//! connection is kept by `attach`. An algo that never looks trades just as well.

use crate::{access::Access, home::Homes};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::{broadcast, watch};
pub use tradewind_protocol::attach::Ended;
use tradewind_protocol::{
    attach::{AttachedAccess, Wish},
    domain::ids::{Epoch, TraderId},
};

/// What happens to an attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraderEvent {
    /// Orders are accepted under this right, and those of no copy before. Told again after a time away.
    Attached { epoch: Epoch, trader_manager: String },
    /// The connection is lost, and is being opened again. Orders are accepted as before.
    Away { why: String },
    /// The operator wants it not to trade for now.
    Pause,
    /// It may trade again.
    Resume,
    /// It has no right any more: the process should wind down and end.
    Ended { why: Ended, detail: String },
}

/// How the attachment stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Now {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) wish: Option<Wish>,
    pub(crate) access: Option<AttachedAccess>,
    pub(crate) ended: Option<(Ended, String)>,
    /// What went wrong last, or what is waited for.
    pub(crate) last: String,
}

/// What the algo says to its TraderManager.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) says: String,
}

/// How an algo is attached as a Trader. Clones are of the same attachment; each has the events from its making on.
#[derive(Debug)]
pub struct Attachment {
    pub(crate) trader: TraderId,
    pub(crate) now: watch::Receiver<Now>,
    pub(crate) events: broadcast::Receiver<TraderEvent>,
    /// The task ends when nobody holds it any more.
    pub(crate) said: Arc<watch::Sender<Said>>,
    /// That it is to pause, or to go on, has come to the algo.
    pub(crate) heard_pause: Arc<AtomicBool>,
    /// Where MarketManagers say that it belongs.
    pub(crate) homes: Homes,
}

impl Clone for Attachment {
    fn clone(&self) -> Self {
        Self {
            trader: self.trader.clone(),
            now: self.now.clone(),
            events: self.events.resubscribe(),
            said: self.said.clone(),
            heard_pause: self.heard_pause.clone(),
            homes: self.homes.clone(),
        }
    }
}

impl Attachment {
    #[must_use]
    pub fn trader(&self) -> &TraderId {
        &self.trader
    }

    /// The right of this copy.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.now.borrow().epoch
    }

    /// Whether the operator wants it not to trade for now. Having asked counts as having heard.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        let paused = self.now.borrow().wish == Some(Wish::Pause);
        self.heard_pause.store(paused, Ordering::Relaxed);
        paused
    }

    /// Why it has no right any more; `None` while it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.now.borrow().ended.as_ref().map(|(why, _)| *why)
    }

    /// A few words that operators see of it, at most 256 bytes of them; told within a second.
    pub fn say(&self, words: &str) {
        let mut end = words.len().min(SAYS_BYTES);
        while !words.is_char_boundary(end) {
            end -= 1;
        }
        let says = words.get(..end).unwrap_or_default().to_owned();
        self.said.send_modify(|said| said.says = says);
    }

    /// What happens next; `None` after the end. Whoever is slow misses what was long ago.
    pub async fn next(&mut self) -> Option<TraderEvent> {
        loop {
            match self.events.recv().await {
                Ok(event) => {
                    match event {
                        TraderEvent::Pause => self.heard_pause.store(true, Ordering::Relaxed),
                        TraderEvent::Resume => self.heard_pause.store(false, Ordering::Relaxed),
                        TraderEvent::Attached { .. }
                        | TraderEvent::Away { .. }
                        | TraderEvent::Ended { .. } => {}
                    }
                    return Some(event);
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// Returns once it has no right any more; never of one that is not attached.
pub(crate) async fn until_ended(attachment: Option<&Attachment>) {
    if let Some(attachment) = attachment {
        let mut now = attachment.now.clone();
        if now.wait_for(|now| now.ended.is_some()).await.is_ok() {
            return;
        }
    }
    std::future::pending().await
}

/// Takes over what the TraderManager gives to trade with, until the attachment is gone.
pub(crate) async fn feed(access: Arc<Access>, mut now: watch::Receiver<Now>) {
    while now.changed().await.is_ok() {
        let given = now.borrow_and_update().access.clone();
        if let Some(given) = given {
            access.give(given);
        }
    }
}

/// As much as a TraderManager takes.
const SAYS_BYTES: usize = 256;
