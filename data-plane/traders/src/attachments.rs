//! Who is attached here: connections of Traders that their customers run themselves. Decides what is told of each to whoever
//! asks for the state of services, and that a copy which dials again takes the place of its own earlier connection.
//! Which copy has the right is the group's decision.

use crate::limits;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::TraderWanted,
    ids::{CopyId, ServiceId, TraderId},
    time::UnixNanos,
};
use tradewind_protocol::{
    Code, Problem,
    attach::Wish,
    supervision::{ServiceReport, ServiceState},
};

/// How a connection stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    Waits(String),
    Attached,
    /// It belongs elsewhere, or ends.
    Leaves,
}

#[derive(Clone, Debug)]
struct Present {
    trader: TraderId,
    copy: CopyId,
    peer: SocketAddr,
    since: UnixNanos,
    stands: Stands,
    does: Wish,
    says: String,
    cut: CancellationToken,
}

#[derive(Default)]
struct Held {
    next: u64,
    present: BTreeMap<u64, Present>,
    /// When the last connection of a Trader ended, and why.
    left: BTreeMap<TraderId, (UnixNanos, String)>,
    /// The Manager stops.
    closed: bool,
}

#[derive(Default)]
pub(crate) struct Attachments {
    held: Mutex<Held>,
    /// Woken by each that leaves.
    left: Notify,
}

/// A connection's place; dropped, it is over.
pub(crate) struct Seat {
    number: u64,
    attachments: Arc<Attachments>,
    /// Cancelled when its copy has dialled again.
    pub(crate) cut: CancellationToken,
}

impl Attachments {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(
        self: &Arc<Self>,
        trader: &TraderId,
        copy: &CopyId,
        peer: SocketAddr,
        now: UnixNanos,
    ) -> Result<Seat, Problem> {
        let mut held = self.held();
        if held.closed {
            return Err(Problem::new(Code::Unavailable, "this TraderManager is stopping"));
        }
        let same = |one: &Present| one.trader == *trader && one.copy == *copy;
        for one in held.present.values().filter(|one| same(one)) {
            one.cut.cancel();
        }
        if held.present.len() >= limits::ATTACHED {
            let detail = format!("this TraderManager holds {} Traders, its most", limits::ATTACHED);
            return Err(Problem::new(Code::Unavailable, detail).retry_after_ms(1_000));
        }
        held.next += 1;
        let (number, cut) = (held.next, CancellationToken::new());
        let present = Present {
            trader: trader.clone(),
            copy: copy.clone(),
            peer,
            since: now,
            stands: Stands::Waits(String::new()),
            does: Wish::Run,
            says: String::new(),
            cut: cut.clone(),
        };
        held.present.insert(number, present);
        Ok(Seat { number, attachments: self.clone(), cut })
    }

    /// Nobody is let in any more.
    pub(crate) fn close(&self) {
        self.held().closed = true;
    }

    /// Returns when nobody is connected any more. May be cancelled.
    pub(crate) async fn all_gone(&self) {
        loop {
            let left = self.left.notified();
            if self.held().present.is_empty() {
                return;
            }
            left.await;
        }
    }

    /// One report of each of these that its customer runs himself, and of each that is here and belongs elsewhere.
    pub(crate) fn reports(&self, wanted: &[TraderWanted]) -> Vec<ServiceReport> {
        let mut held = self.held();
        let of_here: BTreeSet<&TraderId> = wanted.iter().map(|wanted| &wanted.trader).collect();
        held.left.retain(|trader, _| of_here.contains(trader));
        let mut reports = BTreeMap::new();
        for one in held.present.values() {
            let (state, detail) = (ServiceState::Stopping, "it is told to leave".to_owned());
            let from = format!("{detail}; attached from {}", one.peer);
            reports.insert(one.trader.clone(), report(&one.trader, state, from));
        }
        for wanted in wanted.iter().filter(|wanted| wanted.is_self_managed()) {
            let (state, detail) = held.standing(wanted);
            reports.insert(wanted.trader.clone(), report(&wanted.trader, state, detail));
        }
        reports.into_values().collect()
    }
}

impl Held {
    fn standing(&self, wanted: &TraderWanted) -> (ServiceState, String) {
        let copy = wanted.attached.as_ref().and_then(|held| held.copy.as_ref());
        let here = self.present.values().rev().filter(|one| one.trader == wanted.trader);
        let here = here.filter(|one| one.stands != Stands::Leaves);
        // The one that has the right, before one that waits for it.
        let of_copy = here.clone().find(|one| Some(&one.copy) == copy);
        match of_copy.or_else(|| here.clone().next()) {
            Some(one) => one.told(wanted.paused),
            None => {
                let away = match self.left.get(&wanted.trader) {
                    Some((at, why)) => format!("not attached since {at}: {why}"),
                    None => "not attached since this TraderManager began".to_owned(),
                };
                (ServiceState::Away, away)
            }
        }
    }
}

impl Present {
    fn told(&self, paused: bool) -> (ServiceState, String) {
        let state = match self.stands {
            Stands::Waits(_) => ServiceState::Connecting,
            Stands::Attached if paused => ServiceState::Paused,
            Stands::Attached => ServiceState::Live,
            Stands::Leaves => ServiceState::Stopping,
        };
        let mut detail = format!("attached from {} since {}", self.peer, self.since);
        if let Stands::Waits(why) = &self.stands {
            detail = format!("{detail}, waits {why}");
        }
        match (paused, self.does) {
            (true, Wish::Run) => detail.push_str("; told to pause, and runs"),
            (true, Wish::Pause) => detail.push_str("; paused"),
            (false, Wish::Pause) => detail.push_str("; it pauses"),
            (false, Wish::Run) => {}
        }
        if !self.says.is_empty() {
            detail = format!("{detail}; {}", self.says);
        }
        (state, detail)
    }
}

fn report(trader: &TraderId, state: ServiceState, detail: String) -> ServiceReport {
    ServiceReport {
        service: ServiceId::Trader { trader: trader.clone() },
        state,
        detail,
        incarnation: None,
        pid: None,
        address: None,
        crashes: 0,
        handed_back: None,
        fenced: BTreeMap::new(),
        venue: None,
        ledger: None,
    }
}

impl Seat {
    /// Whether that was news.
    pub(crate) fn stands(&self, stands: Stands) -> bool {
        self.change(|one| std::mem::replace(&mut one.stands, stands.clone()) != stands)
    }

    /// What the Trader says of itself.
    pub(crate) fn heard(&self, does: Wish, says: &str) -> bool {
        self.change(|one| {
            let news = one.does != does || one.says != says;
            one.does = does;
            says.clone_into(&mut one.says);
            news
        })
    }

    fn change(&self, change: impl FnOnce(&mut Present) -> bool) -> bool {
        self.attachments.held().present.get_mut(&self.number).is_some_and(change)
    }

    /// Gives the place up, and says when and why.
    pub(crate) fn leave(self, now: UnixNanos, why: &str) {
        let mut held = self.attachments.held();
        if let Some(one) = held.present.remove(&self.number) {
            held.left.insert(one.trader, (now, why.to_owned()));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.attachments.held().present.remove(&self.number);
        self.attachments.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
