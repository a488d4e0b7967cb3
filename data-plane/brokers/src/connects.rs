//! The right to connect to a venue. Decides who of the Brokers of one BrokerManager may dial a venue now: all of them
//! come from one address, and the venue counts connects by address. Pure; `connects::desk` takes the questions, and
//! `connects::right` asks them.
//!
//! C1 in any stretch of the venue's time there are no more grants than it allows. C2 no service has more than its share, so
//! that one that dies again and again leaves the others theirs. C3 of those who wait the first to come is the first to go.

pub(crate) mod desk;
pub(crate) mod right;

use crate::limits::{CONNECT_PLACES, CONNECT_SHARES, VENUE_CONNECT_WITHIN};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tradewind_domain::{
    ids::{ServiceId, VenueId},
    time::Monotonic,
};
use tradewind_protocol::asks::ConnectsAllowed;

/// After its wait one has so long to ask again before his turn goes to the next.
const TURN: Duration = Duration::from_secs(1);
/// The least wait: one whose turn it is may come at any moment.
const SOON: Duration = Duration::from_millis(50);

/// Where connects are counted: a venue, at an address of it.
pub(crate) type Place = (VenueId, String);

struct Wait {
    since: Monotonic,
    /// Asks again by then, or has given up.
    until: Monotonic,
}

struct Counted {
    allowed: ConnectsAllowed,
    /// When, and to whom; `None` for what a former life of this process may have granted.
    granted: VecDeque<(Monotonic, Option<ServiceId>)>,
    waiting: BTreeMap<ServiceId, Wait>,
}

/// See the module.
pub(crate) struct Connects {
    born: Monotonic,
    by_place: BTreeMap<Place, Counted>,
}

impl Connects {
    /// For a process that began then: what its life before had granted is not known, and half of all is taken for
    /// granted.
    pub(crate) fn new(born: Monotonic) -> Self {
        Self { born, by_place: BTreeMap::new() }
    }

    /// What the venue allows; of several words the tightest counts. `false` if there are too many places.
    fn allow(&mut self, place: &Place, allowed: ConnectsAllowed) -> bool {
        if let Some(counted) = self.by_place.get_mut(place) {
            let held = &mut counted.allowed;
            held.connects = held.connects.min(allowed.connects).max(1);
            held.within_ms = held.within_ms.max(allowed.within_ms);
            return true;
        }
        if self.by_place.len() >= CONNECT_PLACES {
            return false;
        }
        let allowed = ConnectsAllowed { connects: allowed.connects.max(1), ..allowed };
        let before = usize::try_from(allowed.connects / 2).unwrap_or(usize::MAX);
        let granted = std::iter::repeat_n((self.born, None), before).collect();
        self.by_place.insert(place.clone(), Counted { allowed, granted, waiting: BTreeMap::new() });
        true
    }

    /// Grants one connect, and says how many more there are now; or says how long to wait before asking again.
    pub(crate) fn ask(
        &mut self,
        service: &ServiceId,
        place: &Place,
        allowed: ConnectsAllowed,
        now: Monotonic,
    ) -> Result<u32, Duration> {
        if !self.allow(place, allowed) {
            return Err(TURN);
        }
        let Some(counted) = self.by_place.get_mut(place) else { return Err(TURN) };
        counted.ask(service, now)
    }
}

impl Counted {
    /// From a grant to the venue's count of it lies as much as a dial takes: two may arrive nearer to each other than
    /// they were granted.
    fn within(&self) -> Duration {
        Duration::from_millis(self.allowed.within_ms) + VENUE_CONNECT_WITHIN
    }

    fn share(&self) -> usize {
        let share = (self.allowed.connects / CONNECT_SHARES).max(2).min(self.allowed.connects);
        usize::try_from(share).unwrap_or(usize::MAX)
    }

    fn ask(&mut self, service: &ServiceId, now: Monotonic) -> Result<u32, Duration> {
        let within = self.within();
        while self.granted.front().is_some_and(|(at, _)| now.since(*at) >= within) {
            self.granted.pop_front();
        }
        self.waiting.retain(|_, wait| wait.until > now);
        let most = usize::try_from(self.allowed.connects).unwrap_or(usize::MAX);
        let left = most.saturating_sub(self.granted.len());
        // Those who came before have what is left, each one.
        let since = self.waiting.get(service).map_or(now, |wait| wait.since);
        let earlier = |(who, wait): &(&ServiceId, &Wait)| *who != service && wait.since < since;
        let before = self.waiting.iter().filter(earlier).count();
        let own = self.granted.iter().filter(|(_, who)| who.as_ref() == Some(service));
        let over = own.count().checked_sub(self.share());
        let wait = if let Some(over) = over {
            let mut own = self.granted.iter().filter(|(_, who)| who.as_ref() == Some(service));
            Some(own.nth(over).map_or(SOON, |(at, _)| within.saturating_sub(now.since(*at))))
        } else if left <= before {
            // As many as are before it go first.
            let nth = (before - left).min(self.granted.len().saturating_sub(1));
            let freed = self.granted.get(nth);
            Some(freed.map_or(SOON, |(at, _)| within.saturating_sub(now.since(*at))))
        } else {
            None
        };
        match wait {
            None => {
                self.waiting.remove(service);
                self.granted.push_back((now, Some(service.clone())));
                Ok(u32::try_from(left - 1).unwrap_or(u32::MAX))
            }
            Some(wait) => {
                // One who is over his share has no turn to keep from others.
                if over.is_none() {
                    let until = now + wait + TURN;
                    self.waiting.insert(service.clone(), Wait { since, until });
                }
                Err(wait.max(SOON))
            }
        }
    }
}

#[cfg(test)]
mod tests;
