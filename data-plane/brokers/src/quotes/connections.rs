//! The connections that quotes and trades come over. Decides what is asked of which of them and whose word counts, as the
//! spread of `domain` says; dialling them is the work of `connection`.
//!
//! Q3 a connection that is lost concerns nothing that comes over another one. Q4 an instrument that moves from one to
//! another stays live, and its trades are whole.

use super::{Act, ConnectionNumber, Inner, InstrumentId, Link, NotSent, Quotes, StreamStatus};
use crate::{limits::VENUE_QUEUE, venue::Event};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::watch;
use tradewind_domain::trading::{
    Quote,
    spread::{Hearing, MAIN},
};

/// Which connections there are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The main one stands: orders come first.
    pub(crate) main_stands: bool,
    /// Those besides it.
    pub(crate) data: BTreeSet<ConnectionNumber>,
}

impl Quotes {
    /// As it changes.
    pub(crate) fn wish(&self) -> watch::Receiver<Wish> {
        self.inner().wish.subscribe()
    }

    /// A fresh connection, which takes so many instruments.
    pub(crate) fn connected(&self, at: ConnectionNumber, link: Arc<dyn Link>, room: Option<usize>) {
        let mut inner = self.inner();
        inner.forget(at);
        inner.links.insert(at, link);
        let acts = inner.spread.up(at, room);
        inner.act(acts);
        inner.say_who_is_away();
    }

    pub(crate) fn lost(&self, at: ConnectionNumber) {
        let mut inner = self.inner();
        inner.forget(at);
        let acts = inner.spread.down(at);
        inner.act(acts);
        inner.say_who_is_away();
    }

    /// Takes what is market data; gives back what is not.
    pub(crate) fn hear(&self, at: ConnectionNumber, event: Event) -> Option<Event> {
        let mut inner = self.inner();
        match event {
            Event::Quote { instrument, quote } => inner.quote(at, &instrument, quote),
            Event::Trade { instrument, number, trade } => {
                let hearing = inner.spread.hearing(at, &instrument);
                let source = inner.sources.get_mut(&instrument)?;
                match hearing {
                    Hearing::Counts => {
                        let told = source.comes.trade(number, trade);
                        inner.tell(&instrument, told);
                    }
                    Hearing::Waits => source.comes.waits(number, trade),
                    Hearing::Nothing => {}
                }
            }
            Event::Subscribed { instrument, stands } => {
                if inner.spread.awaits(at, &instrument)
                    && let Some(source) = inner.sources.get_mut(&instrument)
                {
                    source.comes.begins(stands);
                    source.next_quote = None;
                }
                let acts = inner.spread.subscribed(at, &instrument);
                inner.act(acts);
            }
            Event::Unsubscribed { instrument } => {
                let acts = inner.spread.unsubscribed(at, &instrument);
                inner.act(acts);
            }
            other => return Some(other),
        }
        None
    }
}

impl Inner {
    fn quote(&mut self, at: ConnectionNumber, instrument: &InstrumentId, quote: Quote) {
        match self.spread.hearing(at, instrument) {
            Hearing::Counts => self.publish(instrument, quote),
            Hearing::Waits => {
                if let Some(source) = self.sources.get_mut(instrument) {
                    source.next_quote = Some(quote);
                }
            }
            Hearing::Nothing => {}
        }
    }

    pub(super) fn act(&mut self, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Hear { instrument, .. } => self.hears(&instrument),
                Act::Subscribe { .. } | Act::Unsubscribe { .. } => {
                    if !self.unsent.is_empty() || self.send(&act).is_err() {
                        self.keep_unsent(act);
                    }
                }
            }
        }
        let data: BTreeSet<_> = self.spread.wanted().collect();
        self.links.retain(|at, _| *at == MAIN || data.contains(at));
        let wish = Wish { main_stands: self.links.contains_key(&MAIN), data };
        self.wish.send_if_modified(|said| {
            let changed = *said != wish;
            *said = wish;
            changed
        });
    }

    fn hears(&mut self, instrument: &InstrumentId) {
        let Some(source) = self.sources.get_mut(instrument) else { return };
        let (told, quote) = (source.comes.hears(), source.next_quote.take());
        self.tell(instrument, told);
        if let Some(quote) = quote {
            self.publish(instrument, quote);
        }
    }

    /// `Ok` also where there is nobody any more to send it to.
    fn send(&self, act: &Act) -> Result<(), NotSent> {
        let link = |at| self.links.get(at);
        match act {
            Act::Subscribe { at, instrument } => {
                link(at).map_or(Ok(()), |link| link.subscribe(instrument))
            }
            Act::Unsubscribe { at, instrument } => {
                link(at).map_or(Ok(()), |link| link.unsubscribe(instrument))
            }
            Act::Hear { .. } => Ok(()),
        }
    }

    /// In order: one that is left makes room for another.
    fn keep_unsent(&mut self, act: Act) {
        if self.unsent.len() < VENUE_QUEUE {
            self.unsent.push_back(act);
        } else {
            tracing::error!(?act, "not sent to the venue");
        }
    }

    pub(super) fn send_unsent(&mut self) {
        while let Some(act) = self.unsent.front() {
            if self.send(act).is_err() {
                return;
            }
            self.unsent.pop_front();
        }
    }

    /// What was to be said over a connection that is gone is not said over the next one.
    fn forget(&mut self, at: ConnectionNumber) {
        self.links.remove(&at);
        self.unsent.retain(|act| match act {
            Act::Subscribe { at: to, .. }
            | Act::Unsubscribe { at: to, .. }
            | Act::Hear { at: to, .. } => *to != at,
        });
    }

    fn say_who_is_away(&mut self) {
        for (instrument, source) in &mut self.sources {
            if !self.spread.is_heard(instrument) {
                source.say(StreamStatus::Reconnecting);
            }
        }
    }
}
