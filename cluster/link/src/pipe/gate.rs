//! The gate: who may open a pipe to this process. Decides by the dialler's hello: purpose, whom it takes
//! us for, version, life and right. G1: of one dialler only the newest life has a pipe. G2: a right lower
//! than one that was seen is refused.

use super::{Events, Options, Sender};
use crate::limits;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tradewind_domain::ids::{Fence, Incarnation};
use tradewind_protocol::{
    Code, Problem,
    link::{Hello, PROTOCOL},
};

/// Whether diallers of one purpose hold one right between them or each its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diallers {
    /// One holder at a time, such as the leader or a service's Manager: a higher fence ends the pipes of
    /// every lower one.
    One,
    /// Many side by side, such as the Markets of a Broker: fences are compared for each dialler alone.
    Many,
}

/// A pipe that was admitted and welcomed. `events` has no `Up`: this is it.
#[derive(Debug)]
pub struct Accepted<Out, In> {
    pub hello: Hello,
    pub sender: Sender<Out>,
    pub events: Events<In>,
}

struct Known {
    incarnation: Incarnation,
    fence: Fence,
    /// Ends the dialler's present pipe.
    replaced: CancellationToken,
}

#[derive(Default)]
struct Seen {
    highest: Option<Fence>,
    diallers: BTreeMap<String, Known>,
}

/// Admits pipes of one purpose and hands them to their owner.
pub struct Gate<Out, In> {
    identity: String,
    purpose: String,
    pub(super) incarnation: Incarnation,
    diallers: Diallers,
    pub(super) options: Options,
    pub(super) inbox: mpsc::Sender<Accepted<Out, In>>,
    seen: Mutex<Seen>,
}

impl<Out, In> fmt::Debug for Gate<Out, In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gate = f.debug_struct("Gate");
        gate.field("identity", &self.identity).field("purpose", &self.purpose);
        gate.finish_non_exhaustive()
    }
}

/// What an admitted dialler gets.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) protocol: u32,
    pub(super) replaced: CancellationToken,
}

impl<Out, In> Gate<Out, In> {
    /// A gate for `purpose` at the process called `identity` in its life `incarnation`, and the inbox of
    /// the pipes' owner.
    #[must_use]
    pub fn new(
        identity: impl Into<String>,
        purpose: impl Into<String>,
        incarnation: Incarnation,
        diallers: Diallers,
        options: Options,
    ) -> (Arc<Self>, mpsc::Receiver<Accepted<Out, In>>) {
        let (inbox, accepted) = mpsc::channel(limits::ACCEPTED_QUEUE);
        let (identity, purpose) = (identity.into(), purpose.into());
        let seen = Mutex::default();
        let gate = Self { identity, purpose, incarnation, diallers, options, inbox, seen };
        (Arc::new(gate), accepted)
    }

    /// The highest right that was admitted here; of [`Diallers::Many`] it is only told, never compared.
    #[must_use]
    pub fn highest_fence(&self) -> Option<Fence> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).highest
    }

    /// Admits a dialler or says why not; ends the pipes that this one replaces.
    pub(super) fn admit(&self, hello: &Hello) -> Result<Admitted, Problem> {
        let refused = |code, detail: String| Err(Problem::new(code, detail));
        if hello.purpose != self.purpose {
            let detail = format!(
                "Pipes for `{}` are taken here, not for `{}`.",
                self.purpose, hello.purpose
            );
            return refused(Code::Refused, detail);
        }
        if hello.to != self.identity {
            let detail = format!(
                "This is `{}`, not `{}`; look its address up again.",
                self.identity, hello.to
            );
            return refused(Code::Refused, detail);
        }
        if hello.from.is_empty() || hello.from.len() > limits::DIALLER_NAME_BYTES {
            let most = limits::DIALLER_NAME_BYTES;
            return refused(Code::MalformedRequest, format!("`from` must have 1 to {most} bytes."));
        }
        let Some(protocol) = PROTOCOL.common(hello.protocol) else {
            let (ours, theirs) = (PROTOCOL, hello.protocol);
            let detail = format!(
                "No version in common: this side speaks {} to {}, the other {} to {}; upgrade the older.",
                ours.min, ours.max, theirs.min, theirs.max
            );
            return refused(Code::Unsupported, detail);
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_rights(&seen, hello)?;
        seen.highest = match seen.highest {
            Some(highest) if !is_lower(highest, hello.fence) => Some(highest),
            _ => Some(hello.fence),
        };
        if self.diallers == Diallers::One {
            for known in seen.diallers.values() {
                if is_lower(known.fence, hello.fence) {
                    known.replaced.cancel();
                }
            }
        }
        let replaced = CancellationToken::new();
        let known = Known {
            incarnation: hello.incarnation,
            fence: hello.fence,
            replaced: replaced.clone(),
        };
        if let Some(before) = seen.diallers.insert(hello.from.clone(), known) {
            before.replaced.cancel();
        }
        Ok(Admitted { protocol, replaced })
    }

    fn check_rights(&self, seen: &Seen, hello: &Hello) -> Result<(), Problem> {
        let known = seen.diallers.get(&hello.from);
        if known.is_none() && seen.diallers.len() >= limits::DIALLERS {
            let detail = "Too many different diallers were seen here.";
            return Err(Problem::new(Code::TooManyRequests, detail));
        }
        if let Some(known) = known.filter(|known| hello.incarnation < known.incarnation) {
            let detail = format!(
                "A newer life of `{}` was here: {}, this one is {}.",
                hello.from, known.incarnation, hello.incarnation
            );
            return Err(Problem::new(Code::StaleEpoch, detail));
        }
        let held = match self.diallers {
            Diallers::One => seen.highest,
            Diallers::Many => known.map(|known| known.fence),
        };
        match held {
            Some(held) if held.cluster != hello.fence.cluster => {
                let detail = format!(
                    "This process belongs to life {} of the cluster, not to {}; restart it to change.",
                    held.cluster, hello.fence.cluster
                );
                Err(Problem::new(Code::Refused, detail))
            }
            Some(held) if is_lower(hello.fence, held) => {
                let detail =
                    format!("Epoch {} was superseded here by {}.", hello.fence.epoch, held.epoch);
                Err(Problem::new(Code::StaleEpoch, detail))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Only rights of one life of a cluster are comparable.
fn is_lower(left: Fence, right: Fence) -> bool {
    left.cluster == right.cluster && left.epoch < right.epoch
}
