//! What the sim venue's frames mean. Decides which event a frame is, by what was asked and what was told before.

use super::{
    Asked, Requests,
    told::{Quoted, Told},
    words::{not_replaced, refusal, venue_fill, venue_order},
};
use crate::venue::{Event, Page, Rest, external::Externals};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc::WeakSender;
use tradewind_domain::{ids::InstrumentId, time::UnixNanos, trading::spread::tape::Mark};
use tradewind_sim::wire::{FromVenue, Outcome, ToVenue};

/// Hears one connection.
pub(super) struct Ear {
    pub(super) requests: Arc<Mutex<Requests>>,
    pub(super) told: Told,
    /// Weak: the writer ends with the link.
    pub(super) outbound: WeakSender<ToVenue>,
}

impl Ear {
    /// What a frame is: nothing, one event, or a fill and the end that has waited for it.
    pub(super) fn hear(&mut self, frame: FromVenue) -> [Option<Event>; 2] {
        let one = match frame {
            FromVenue::Fill { fill } => {
                let (fill, end) = self.told.fill(fill);
                let end = end.map(|order| Event::Order(venue_order(order)));
                return [fill.map(|fill| Event::Fill(venue_fill(fill))), end];
            }
            FromVenue::Quote { instrument, seq, quote } => {
                match self.told.quote(&instrument, seq) {
                    Quoted::Next => Some(Event::Quote { instrument, quote }),
                    Quoted::Late => None,
                    Quoted::Hole => {
                        self.begin_anew(instrument);
                        None
                    }
                }
            }
            FromVenue::Trade { instrument, number, trade } => {
                Some(Event::Trade { instrument, number: Some(number), trade })
            }
            FromVenue::Subscribed { instrument, trades } => {
                self.told.begins(&instrument);
                let stands = Some(Mark { life: trades.life, number: trades.number });
                Some(Event::Subscribed { instrument, stands })
            }
            FromVenue::Unsubscribed { instrument } => {
                self.told.begins(&instrument);
                Some(Event::Unsubscribed { instrument })
            }
            FromVenue::OrderUpdate { order } => {
                self.told.order(order).map(|order| Event::Order(venue_order(order)))
            }
            FromVenue::Answer { request, time, result } => {
                let asked = self.requests().asked.remove(&request);
                asked.and_then(|asked| answer(asked, time, result))
            }
            FromVenue::Error { code, reason } => {
                tracing::warn!(?code, reason, "venue reports an error");
                None
            }
            FromVenue::LoggedIn { .. }
            | FromVenue::Observing { .. }
            | FromVenue::Heartbeat { .. }
            | FromVenue::Pong { .. } => None,
        };
        [one, None]
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes once more, if it is subscribed and there is room; else the next quote shows the hole again.
    fn begin_anew(&mut self, instrument: InstrumentId) {
        // Locked until it is queued: what leaves the instrument comes before this, and it is not wanted, or behind it.
        let requests = self.requests();
        let again = ToVenue::Subscribe { instrument: instrument.clone() };
        let asked = requests.wanted.contains(&instrument)
            && self.outbound.upgrade().is_some_and(|queue| queue.try_send(again).is_ok());
        drop(requests);
        if asked {
            tracing::warn!(%instrument, "quotes of the venue are missing");
            self.told.begins_anew(instrument);
        }
    }
}

fn answer(asked: Asked, time: UnixNanos, result: Outcome) -> Option<Event> {
    match (asked, result) {
        (Asked::Submit(order), Outcome::Done(now)) => {
            Some(Event::Submitted { order, result: Ok(venue_order(now)) })
        }
        (Asked::Submit(order), Outcome::Refused { code, reason }) => {
            Some(Event::Submitted { order, result: Err(refusal(code, reason)) })
        }
        (Asked::Cancel(order), Outcome::Done(now)) => {
            Some(Event::Canceled { order, result: Ok(venue_order(now)) })
        }
        (Asked::Cancel(order), Outcome::Refused { code, reason }) => {
            Some(Event::Canceled { order, result: Err(refusal(code, reason)) })
        }
        (Asked::Replace(by), Outcome::Done(now)) => {
            Some(Event::Replaced { by, result: Ok(venue_order(now)) })
        }
        (Asked::Replace(by), Outcome::Refused { code, reason }) => {
            Some(Event::Replaced { by, result: Err(not_replaced(code, reason)) })
        }
        (Asked::Query, Outcome::Order(order)) => Some(Event::Order(venue_order(order))),
        (Asked::Query, Outcome::Refused { .. }) => None,
        (Asked::Sweep { since, cursor }, Outcome::Page(page)) => Some(Event::Page(Page {
            since,
            cursor,
            orders: page.orders.into_iter().map(venue_order).collect(),
            fills: page.fills.into_iter().map(venue_fill).collect(),
            external: Externals::default(),
            at: time,
            rest: match page.complete {
                false => Rest::More(page.next),
                true => Rest::Nothing { resume: Some(page.next) },
            },
        })),
        (_, other) => {
            tracing::error!(?other, "venue answers something else than was asked");
            None
        }
    }
}
