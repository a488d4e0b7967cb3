//! Faults as they happen. Decides what a fault does to an answer, to what is told and to when it is told; which faults
//! there are and whose turn it is stands in `fault`. What is written down is never touched: where nobody asks for
//! faults all of this passes everything on.

use std::collections::VecDeque;
use std::mem::take;

use axum::extract::ws::Utf8Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tradewind_domain::ids::{InstrumentId, VenueOrderId};

use super::{ClientNumber, Pending, Request, Stopped, Task, Venue, VenueError, encode};
use crate::exchange::{Done, Told};
use crate::fault::{About, Fault, Faults, Method, NotTaken};
use crate::limits::{CLIENT_QUEUE_FRAMES, FAULT_HELD, FAULTS};
use crate::wire::{FromVenue, Outcome, RefusalCode};

type Frame = (ClientNumber, Utf8Bytes);

/// See the module.
#[derive(Default)]
pub(super) struct Trouble {
    pub(super) faults: Faults,
    /// Answers held back, and until when.
    held: Vec<(Instant, Frame)>,
    /// Nothing is told until then.
    silent_until: Option<Instant>,
    /// What would have been.
    kept: VecDeque<Frame>,
    /// No quote and no trade of these is told until then.
    muted: Vec<(InstrumentId, Instant)>,
}

impl Trouble {
    /// When something of it is over: then [`Task::end_trouble`] is due.
    pub(super) fn over_at(&self) -> Option<Instant> {
        self.held.iter().map(|(until, _)| *until).chain(self.silent_until).min()
    }

    /// What is told, its fills where a fault wants them.
    pub(super) fn disordered(&mut self, mut told: Vec<Told>) -> Vec<Told> {
        if self.faults.waiting().is_empty() {
            return told;
        }
        if let Some((instrument, places)) = several_fills(&told)
            && self.faults.reverses_fills(&instrument)
        {
            let pairs = places.iter().zip(places.iter().rev()).take(places.len() / 2);
            pairs.for_each(|(first, last)| told.swap(*first, *last));
        }
        if let Some(instrument) = filled_and_ended(&told)
            && self.faults.is_late_with_fills(&instrument)
        {
            let is_late =
                |told: &Told| matches!(told, Told::Fill(_, fill) if fill.instrument == instrument);
            let (late, mut rest): (Vec<Told>, Vec<Told>) = told.into_iter().partition(is_late);
            rest.extend(late);
            return rest;
        }
        told
    }

    /// How often a frame is told that somebody is to be told.
    pub(super) fn times(&mut self, frame: &FromVenue) -> usize {
        match frame {
            FromVenue::Fill { fill } if self.faults.repeats_fill(&fill.instrument) => 2,
            FromVenue::Quote { instrument, .. }
                if self.mutes(instrument) || self.faults.skips_quote(instrument) =>
            {
                0
            }
            FromVenue::Trade { instrument, .. } if self.mutes(instrument) => 0,
            _ => 1,
        }
    }

    fn mutes(&self, instrument: &InstrumentId) -> bool {
        let muted =
            |(of, until): &(InstrumentId, Instant)| of == instrument && Instant::now() < *until;
        self.muted.iter().any(muted)
    }

    fn add(&mut self, fault: Fault) {
        let now = Instant::now();
        match fault {
            Fault::Silence { millis, instrument: None } => {
                self.silent_until = Some(now + core::time::Duration::from_millis(millis));
            }
            Fault::Silence { millis, instrument: Some(instrument) } => {
                self.muted.retain(|(of, until)| now < *until && *of != instrument);
                if self.muted.len() < FAULTS {
                    let until = now + core::time::Duration::from_millis(millis);
                    self.muted.push((instrument, until));
                }
            }
            waiting => self.faults.add(waiting),
        }
    }

    /// Gives the answer back unless it is lost, or held back.
    fn pass(&mut self, about: Option<&About>, answer: Frame) -> Option<Frame> {
        let Some(about) = about else { return Some(answer) };
        if self.faults.swallows(about) {
            return None;
        }
        match self.faults.delays(about) {
            Some(delay) if self.held.len() < FAULT_HELD => {
                self.held.push((Instant::now() + delay, answer));
                None
            }
            _ => Some(answer),
        }
    }
}

/// Where the fills stand of the first order that has several, and what was traded.
fn several_fills(told: &[Told]) -> Option<(InstrumentId, Vec<usize>)> {
    let of = |told: &Told| match told {
        Told::Fill(_, fill) => Some((fill.venue_order_id, fill.instrument.clone())),
        _ => None,
    };
    told.iter().filter_map(of).find_map(|(order, instrument)| {
        let is_its =
            |told: &Told| matches!(told, Told::Fill(_, fill) if fill.venue_order_id == order);
        let places = told.iter().enumerate().filter(|(_, told)| is_its(told));
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        (places.len() > 1).then_some((instrument, places))
    })
}

/// What was traded by an order that is told to be filled and to have ended.
fn filled_and_ended(told: &[Told]) -> Option<InstrumentId> {
    let ends = |id: VenueOrderId| {
        told.iter().any(|told| match told {
            Told::Order(_, order) => order.venue_order_id == id && order.state.is_terminal(),
            _ => false,
        })
    };
    told.iter().find_map(|told| match told {
        Told::Fill(_, fill) if ends(fill.venue_order_id) => Some(fill.instrument.clone()),
        _ => None,
    })
}

impl Task {
    /// What a request is about that names an order.
    pub(super) fn about(&self, number: ClientNumber, method: Method, id: VenueOrderId) -> About {
        if self.trouble.faults.waiting().is_empty() {
            // Nobody asks.
            return About { method, instrument: None };
        }
        let account = self.clients.account(number);
        let order = account.map(|account| self.exchange.query(&account, id));
        let instrument = match order {
            Some(Outcome::Order(order)) => Some(order.instrument),
            _ => None,
        };
        About { method, instrument }
    }

    /// Answers a request; what it is about is known of those that faults may wait for.
    pub(super) fn answer(
        &mut self,
        (number, request): (ClientNumber, u64),
        about: Option<&About>,
        result: Outcome,
        done: Done,
    ) -> Result<(), VenueError> {
        let errs = |about| self.trouble.faults.errs_after(about);
        let result = if matches!(result, Outcome::Done(_)) && about.is_some_and(errs) {
            let reason = "the venue is not available: what became of it is not said".to_owned();
            Outcome::Refused { code: RefusalCode::Unavailable, reason }
        } else {
            result
        };
        let answer = FromVenue::Answer { request, time: self.clock.now(), result };
        let answer = self.trouble.pass(about, (number, encode(&answer)?));
        self.finish(answer.into_iter().collect(), done)
    }

    pub(super) fn begin_trouble(&mut self, faults: Vec<Fault>) -> Result<(), NotTaken> {
        self.trouble.faults.check(&faults)?;
        faults.into_iter().for_each(|fault| self.trouble.add(fault));
        Ok(())
    }

    /// Nothing more goes wrong; what was held back is told.
    pub(super) fn forget_trouble(&mut self) {
        self.trouble.faults.clear();
        self.trouble.muted.clear();
        self.tell_held(|_| true);
        self.break_silence();
    }

    /// What is over by now.
    pub(super) fn end_trouble(&mut self) {
        let now = Instant::now();
        self.tell_held(|until| until <= now);
        if self.trouble.silent_until.is_some_and(|until| until <= now) {
            self.break_silence();
        }
    }

    /// Behind all that is not on disk yet: its own step may be among that.
    fn tell_held(&mut self, is_due: impl Fn(Instant) -> bool) {
        let held = take(&mut self.trouble.held);
        let (due, held): (Vec<_>, Vec<_>) = held.into_iter().partition(|(until, _)| is_due(*until));
        self.trouble.held = held;
        let frames: Vec<Frame> = due.into_iter().map(|(_, frame)| frame).collect();
        if !frames.is_empty() {
            self.pending.push_back(Pending { ticket: None, frames, page: None });
        }
    }

    fn break_silence(&mut self) {
        self.trouble.silent_until = None;
        for (number, frame) in take(&mut self.trouble.kept) {
            self.clients.send(number, frame);
        }
    }

    /// Tells it to the client, or keeps it while nothing is told. A silence in which more happens than can be kept is
    /// over early.
    pub(super) fn send(&mut self, number: ClientNumber, frame: Utf8Bytes) {
        if self.trouble.silent_until.is_none() {
            return self.clients.send(number, frame);
        }
        self.trouble.kept.push_back((number, frame));
        if self.trouble.kept.len() >= CLIENT_QUEUE_FRAMES {
            self.break_silence();
        }
    }
}

impl Venue {
    /// Lets faults happen: all of them or none.
    pub(crate) async fn cause(&self, faults: Vec<Fault>) -> Result<Result<(), NotTaken>, Stopped> {
        let (answer, taken) = oneshot::channel();
        self.ask(Request::Cause { faults, answer }).await?;
        taken.await.map_err(|_| Stopped)
    }

    /// Faults that wait for their occasion.
    pub(crate) async fn waiting(&self) -> Result<Vec<Fault>, Stopped> {
        let (answer, waiting) = oneshot::channel();
        self.ask(Request::Waiting { answer }).await?;
        waiting.await.map_err(|_| Stopped)
    }

    /// Ends all faults.
    pub(crate) async fn forget(&self) -> Result<(), Stopped> {
        let (answer, forgotten) = oneshot::channel();
        self.ask(Request::Forget { answer }).await?;
        forgotten.await.map_err(|_| Stopped)
    }
}
