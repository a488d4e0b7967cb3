//! What the sim venue's frames mean. Decides which event a frame is, by what was asked.

use super::{
    Asked, Requests,
    words::{not_replaced, refusal, venue_fill, venue_order},
};
use crate::venue::{Event, Page, Rest};
use std::sync::{Mutex, PoisonError};
use tradewind_domain::{time::UnixNanos, trading::spread::tape::Mark};
use tradewind_sim::wire::{FromVenue, Outcome};

pub(super) fn understand(frame: FromVenue, requests: &Mutex<Requests>) -> Option<Event> {
    match frame {
        FromVenue::Quote { instrument, quote, .. } => Some(Event::Quote { instrument, quote }),
        FromVenue::Trade { instrument, number, trade } => {
            Some(Event::Trade { instrument, number: Some(number), trade })
        }
        FromVenue::Subscribed { instrument, trades } => {
            let stands = Some(Mark { life: trades.life, number: trades.number });
            Some(Event::Subscribed { instrument, stands })
        }
        FromVenue::Unsubscribed { instrument } => Some(Event::Unsubscribed { instrument }),
        FromVenue::OrderUpdate { order } => Some(Event::Order(venue_order(order))),
        FromVenue::Fill { fill } => Some(Event::Fill(venue_fill(fill))),
        FromVenue::Answer { request, time, result } => {
            let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
            let asked = requests.asked.remove(&request)?;
            answer(asked, time, result)
        }
        FromVenue::Error { code, reason } => {
            tracing::warn!(?code, reason, "venue reports an error");
            None
        }
        FromVenue::LoggedIn { .. }
        | FromVenue::Observing { .. }
        | FromVenue::Heartbeat { .. }
        | FromVenue::Pong { .. } => None,
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
