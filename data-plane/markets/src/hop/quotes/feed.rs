//! One instrument on a hop: what carries it, what is to carry it next, and what was told of it last. Decides whether
//! a quote is news, and when the next source may take over.

use super::{Last, tell_status};
use crate::hop::{Act, ReceiverId};
use std::collections::BTreeSet;
use tradewind_domain::ids::{Epoch, InstrumentId, StreamEpoch};
use tradewind_protocol::stream::StreamStatus;

/// Where an instrument's quotes come from.
pub(super) struct Source<U> {
    pub(super) via: U,
    /// Of the routes by which it was chosen.
    routes: Option<Epoch>,
    /// Its word on itself; `None` before it has said anything over the pipe that stands.
    pub(super) status: Option<StreamStatus>,
    /// It tells the same stream as the one before.
    pub(super) same: bool,
    /// Its stream epoch, and the one under which it is told on.
    named: Option<(StreamEpoch, StreamEpoch)>,
}

pub(super) struct Feed<U> {
    pub(super) carrier: Option<Source<U>>,
    /// Has been asked, and takes over when it has something to tell.
    pub(super) next: Option<Source<U>>,
    pub(super) wanted_by: BTreeSet<ReceiverId>,
    pub(super) last: Option<Last>,
    /// `None` until something is known.
    pub(super) status: Option<StreamStatus>,
}

impl<U> Source<U> {
    pub(super) fn new(via: U, routes: Option<Epoch>) -> Self {
        Self { via, routes, status: None, same: false, named: None }
    }

    /// One that another takes over from, with the same stream.
    pub(super) fn of_the_same(via: U) -> Self {
        Self { same: true, ..Self::new(via, None) }
    }

    /// The stream epoch under which what it sends is told on.
    fn name(&mut self, own: &StreamEpoch) -> StreamEpoch {
        let Some(routes) = self.routes else { return own.clone() };
        match &self.named {
            Some((of, name)) if of == own => name.clone(),
            Some(_) | None => {
                // Too long by its own name, it is told on under that.
                let name = StreamEpoch::new(&format!("{own}-{routes}"));
                let name = name.unwrap_or_else(|_| own.clone());
                self.named = Some((own.clone(), name.clone()));
                name
            }
        }
    }
}

impl<U: Clone + PartialEq> Feed<U> {
    pub(super) fn new(carrier: Option<Source<U>>, status: Option<StreamStatus>) -> Self {
        Self { carrier, next: None, wanted_by: BTreeSet::new(), last: None, status }
    }

    pub(super) fn is_carried_by(&self, via: &U) -> bool {
        self.carrier.as_ref().is_some_and(|source| source.via == *via)
    }

    /// How the instrument is while its carrier sends quotes.
    pub(super) fn word(&self) -> StreamStatus {
        self.carrier.as_ref().and_then(|source| source.status).unwrap_or(StreamStatus::Live)
    }

    pub(super) fn asks(&self, via: &U) -> bool {
        self.is_carried_by(via) || self.next.as_ref().is_some_and(|source| source.via == *via)
    }

    /// What carries it in the end.
    pub(super) fn destination(&self) -> Option<U> {
        self.next.as_ref().or(self.carrier.as_ref()).map(|source| source.via.clone())
    }

    /// Whether what this pipe sends is the first word of the next source. One that says that it is silent or away
    /// does not replace one that is live.
    pub(super) fn may_switch_to(&self, via: &U) -> bool {
        let Some(next) = self.next.as_ref().filter(|next| next.via == *via) else { return false };
        match (next.status, self.status) {
            (None | Some(StreamStatus::Live), _) => true,
            (Some(StreamStatus::Stale | StreamStatus::Reconnecting), now) => {
                now != Some(StreamStatus::Live)
            }
        }
    }

    /// The next source carries it from now on; gives the one before.
    pub(super) fn switch(&mut self) -> Option<U> {
        let mut next = self.next.take()?;
        if next.same && next.status.is_none() {
            // Of one stream the one's word is the other's.
            next.status = self.carrier.as_ref().and_then(|carrier| carrier.status);
        }
        self.carrier.replace(next).map(|before| before.via)
    }

    /// The quote as it is told on, if it is from the carrier and newer than the last.
    pub(super) fn newer(&mut self, via: &U, new: Last) -> Option<Last> {
        let source = self.carrier.as_mut().filter(|source| source.via == *via)?;
        let epoch = source.name(&new.epoch);
        let newer = self.last.as_ref().is_none_or(|last| last.epoch != epoch || last.seq < new.seq);
        newer.then_some(Last { epoch, ..new })
    }

    pub(super) fn become_status(
        &mut self,
        instrument: &InstrumentId,
        status: StreamStatus,
    ) -> Vec<Act<U>> {
        if self.status == Some(status) {
            return Vec::new();
        }
        self.status = Some(status);
        self.wanted_by.iter().map(|to| tell_status(*to, instrument, status)).collect()
    }
}
