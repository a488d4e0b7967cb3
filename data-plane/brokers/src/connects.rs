//! The right to connect to a venue. Decides who of the Brokers of one BrokerManager may dial a venue now: all of them
//! come from one address, and the venue counts connects by address. Pure; `connects::desk` takes the questions, and
//! `connects::right` asks them.
//!
//! C1 in any stretch of the venue's time there are no more grants than it allows. C2 no service has more than its share, so
//! that one that dies again and again leaves the others theirs. C3 of those who wait the first to come is the first to go.
//! C4 of its share a part is never spent on market data: feeds that fall again and again leave orders their connection.

pub(crate) mod desk;
pub(crate) mod right;

use crate::{
    limits::{CONNECT_PLACES, CONNECT_SHARES, CONNECTS_FOR_ORDERS, VENUE_CONNECT_WITHIN},
    venue::{Dials, Purpose},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tradewind_domain::{ids::ServiceId, time::Monotonic};
use tradewind_protocol::asks::ConnectsAllowed;

/// After its wait one has so long to ask again before his turn goes to the next.
const TURN: Duration = Duration::from_secs(1);
/// The least wait: one whose turn it is may come at any moment.
const SOON: Duration = Duration::from_millis(50);

struct Wait {
    since: Monotonic,
    /// Asks again by then, or has given up.
    until: Monotonic,
    /// How many it waits for.
    dials: usize,
}

struct Granted {
    at: Monotonic,
    /// `None` for what a former life of this process may have granted.
    to: Option<ServiceId>,
    purpose: Purpose,
}

struct Counted {
    allowed: ConnectsAllowed,
    /// In the order of time.
    granted: VecDeque<Granted>,
    waiting: BTreeMap<(ServiceId, Purpose), Wait>,
}

/// See the module.
pub(crate) struct Connects {
    born: Monotonic,
    /// By the address of the venue, as it counts: what the venue is called plays no part in that.
    by_place: BTreeMap<String, Counted>,
}

impl Connects {
    /// For a process that began then: what its life before had granted is not known, and half of all is taken for
    /// granted.
    pub(crate) fn new(born: Monotonic) -> Self {
        Self { born, by_place: BTreeMap::new() }
    }

    /// What the venue allows; of several words the tightest counts. `false` if there are too many places.
    fn allow(&mut self, place: &str, allowed: ConnectsAllowed) -> bool {
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
        let granted = || Granted { at: self.born, to: None, purpose: Purpose::Orders };
        let granted = std::iter::repeat_with(granted).take(before).collect();
        self.by_place
            .insert(place.to_owned(), Counted { allowed, granted, waiting: BTreeMap::new() });
        true
    }

    /// Grants the connects, all of them, and says how many more there are now; or says how long to wait before asking
    /// again.
    pub(crate) fn ask(
        &mut self,
        service: &ServiceId,
        dials: &Dials,
        now: Monotonic,
    ) -> Result<u32, Duration> {
        if !self.allow(&dials.at, dials.allowed) {
            return Err(TURN);
        }
        let Some(counted) = self.by_place.get_mut(&dials.at) else { return Err(TURN) };
        counted.ask(service, dials, now)
    }
}

impl Counted {
    /// From a grant to the venue's count of it lies as much as a dial takes: two may arrive nearer to each other than
    /// they were granted.
    fn within(&self) -> Duration {
        Duration::from_millis(self.allowed.within_ms) + VENUE_CONNECT_WITHIN
    }

    fn share(&self) -> u32 {
        (self.allowed.connects / CONNECT_SHARES).max(2).min(self.allowed.connects)
    }

    /// How many of its own a service may have for that, at a time.
    fn most(&self, purpose: Purpose) -> usize {
        let share = self.share();
        let most = match purpose {
            Purpose::Orders => share,
            Purpose::MarketData => share - (share / CONNECTS_FOR_ORDERS).max(1).min(share - 1),
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// What a service has been granted for that; whatever it has counts against what orders may have.
    fn own(&self, service: &ServiceId, purpose: Purpose) -> impl Iterator<Item = Monotonic> {
        let of = move |granted: &&Granted| granted.to.as_ref() == Some(service);
        let counts = move |granted: &&Granted| match purpose {
            Purpose::Orders => true,
            Purpose::MarketData => granted.purpose == Purpose::MarketData,
        };
        self.granted.iter().filter(of).filter(counts).map(|granted| granted.at)
    }

    /// When so many of its own are old enough, if a service has too many of them for these.
    fn over(&self, service: &ServiceId, dials: usize, purpose: Purpose) -> Option<Monotonic> {
        // Who needs more at once than its share has them alone.
        let dials = dials.min(self.most(purpose));
        let over = (self.own(service, purpose).count() + dials).checked_sub(self.most(purpose))?;
        self.own(service, purpose).nth(over.checked_sub(1)?)
    }

    fn ask(
        &mut self,
        service: &ServiceId,
        &Dials { dials, purpose, .. }: &Dials,
        now: Monotonic,
    ) -> Result<u32, Duration> {
        let within = self.within();
        while self.granted.front().is_some_and(|granted| now.since(granted.at) >= within) {
            self.granted.pop_front();
        }
        self.waiting.retain(|_, wait| wait.until > now);
        let most = usize::try_from(self.allowed.connects).unwrap_or(usize::MAX);
        let left = most.saturating_sub(self.granted.len());
        // No more than there ever are.
        let dials = usize::try_from(dials).unwrap_or(usize::MAX).clamp(1, most);
        // Those who came before have what is left, each what it waits for; a Broker's orders do not wait for its feeds.
        let key = (service.clone(), purpose);
        let since = self.waiting.get(&key).map_or(now, |wait| wait.since);
        let earlier = |(who, wait): &(&(ServiceId, Purpose), &Wait)| {
            let orders_first = who.0 == *service && purpose == Purpose::Orders;
            **who != key && !orders_first && wait.since < since
        };
        let before: usize = self.waiting.iter().filter(earlier).map(|(_, wait)| wait.dials).sum();
        let shares = [purpose, Purpose::Orders].into_iter();
        let own = shares.filter_map(|purpose| self.over(service, dials, purpose)).max();
        let lacks = (before + dials).saturating_sub(left);
        let freed = |at: Monotonic| within.saturating_sub(now.since(at));
        let wait = match (own, lacks.checked_sub(1)) {
            (Some(at), _) => freed(at),
            // As many as are before it go first.
            (None, Some(nth)) => {
                let nth = nth.min(self.granted.len().saturating_sub(1));
                self.granted.get(nth).map_or(SOON, |granted| freed(granted.at))
            }
            (None, None) => {
                self.waiting.remove(&key);
                let granted = || Granted { at: now, to: Some(service.clone()), purpose };
                self.granted.extend(std::iter::repeat_with(granted).take(dials));
                return Ok(u32::try_from(left - dials).unwrap_or(u32::MAX));
            }
        };
        // One who is over his share has no turn to keep from others.
        if own.is_none() {
            let until = now + wait + TURN;
            self.waiting.insert(key, Wait { since, until, dials });
        }
        Err(wait.max(SOON))
    }
}

#[cfg(test)]
mod tests;
