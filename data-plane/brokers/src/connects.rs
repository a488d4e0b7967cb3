//! The right to connect to a venue. Decides who of the Brokers of one BrokerManager may dial a venue now: all of them
//! come from one address, and the venue counts connects by address. Pure; `connects::desk` takes the questions, and
//! `connects::right` asks them.
//!
//! C1 in any stretch of the venue's time there are no more grants than it allows. C2 no service has more than its share, so
//! that one that dies again and again leaves the others theirs. C3 of those who wait for the same purpose the first to come
//! is the first to go, and no orders wait for market data. C4 of each share and of the whole a part is never spent on market
//! data: feeds that fall again and again, whose ever they are, leave orders their connection. C5 what the venue allows is the
//! tightest word of those who asked within the stretch that it speaks of.

pub(crate) mod desk;
pub(crate) mod right;

use crate::{
    limits::{
        CONNECT_ASKED_AGAIN, CONNECT_PLACES, CONNECT_SHARES, CONNECTS_FOR_ORDERS, ORDER_DIALS,
        VENUE_CONNECT_WITHIN,
    },
    venue::{Dials, Purpose},
};
use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    time::Duration,
};
use tradewind_domain::{ids::ServiceId, time::Monotonic};
use tradewind_protocol::asks::ConnectsAllowed;

/// From when one should have asked again he has so long to do it before his turn goes to the next.
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

/// What a service says that the venue allows.
struct Word {
    allowed: ConnectsAllowed,
    /// When it last said so.
    at: Monotonic,
}

struct Counted {
    /// The tightest of the words.
    allowed: ConnectsAllowed,
    /// Of all who asked lately, one each.
    words: BTreeMap<ServiceId, Word>,
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

    /// What is counted there, from now on if need be; `None` if there are too many places.
    fn place(&mut self, place: &str, allowed: ConnectsAllowed) -> Option<&mut Counted> {
        let full = self.by_place.len() >= CONNECT_PLACES;
        match self.by_place.entry(place.to_owned()) {
            Entry::Occupied(counted) => Some(counted.into_mut()),
            Entry::Vacant(_) if full => None,
            Entry::Vacant(place) => Some(place.insert(Counted::new(self.born, allowed))),
        }
    }

    /// Grants the connects, all of them, and says how many more there are now; or says how long to wait before asking
    /// again.
    pub(crate) fn ask(
        &mut self,
        service: &ServiceId,
        dials: &Dials,
        now: Monotonic,
    ) -> Result<u32, Duration> {
        let Some(counted) = self.place(&dials.at, dials.allowed) else { return Err(TURN) };
        counted.hear(service, dials.allowed, now);
        counted.ask(service, dials, now)
    }
}

fn tightest(words: &BTreeMap<ServiceId, Word>) -> ConnectsAllowed {
    let all = || words.values().map(|word| word.allowed);
    ConnectsAllowed {
        connects: all().map(|allowed| allowed.connects).min().unwrap_or_default().max(1),
        within_ms: all().map(|allowed| allowed.within_ms).max().unwrap_or_default(),
    }
}

impl Counted {
    fn new(born: Monotonic, allowed: ConnectsAllowed) -> Self {
        let before = usize::try_from(allowed.connects / 2).unwrap_or(usize::MAX);
        let granted = || Granted { at: born, to: None, purpose: Purpose::Orders };
        let granted = std::iter::repeat_with(granted).take(before).collect();
        Self { allowed, words: BTreeMap::new(), granted, waiting: BTreeMap::new() }
    }

    /// Takes down what a service says that the venue allows, and forgets what no longer counts.
    fn hear(&mut self, service: &ServiceId, allowed: ConnectsAllowed, now: Monotonic) {
        self.words.insert(service.clone(), Word { allowed, at: now });
        // Whoever holds a grant that still counts has asked within the longest stretch: his word stands.
        self.allowed = tightest(&self.words);
        let within = self.within();
        self.words.retain(|_, word| now.since(word.at) < within);
        self.allowed = tightest(&self.words);
        let within = self.within();
        while self.granted.front().is_some_and(|granted| now.since(granted.at) >= within) {
            self.granted.pop_front();
        }
        self.waiting.retain(|_, wait| wait.until > now);
    }

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
            Purpose::MarketData => {
                // A share so small that nothing were left gives market data one.
                share - (share / CONNECTS_FOR_ORDERS).max(ORDER_DIALS).min(share - 1)
            }
        };
        usize::try_from(most).unwrap_or(usize::MAX)
    }

    /// How many of all have to be left when that is granted; `most` are allowed.
    fn kept(&self, dials: usize, purpose: Purpose, most: usize) -> usize {
        match purpose {
            Purpose::Orders => 0,
            // Who needs more than there are besides waits until nobody has any.
            Purpose::MarketData => {
                let kept = self.allowed.connects / CONNECTS_FOR_ORDERS;
                usize::try_from(kept).unwrap_or(usize::MAX).min(most - dials)
            }
        }
    }

    /// What those wait for who go before one who has waited since then.
    fn before(&self, key: &(ServiceId, Purpose), since: Monotonic) -> usize {
        let goes_first = |(who, wait): &(&(ServiceId, Purpose), &Wait)| match (who.1, key.1) {
            (Purpose::Orders, Purpose::MarketData) => true,
            (Purpose::MarketData, Purpose::Orders) => false,
            (Purpose::Orders, Purpose::Orders) | (Purpose::MarketData, Purpose::MarketData) => {
                *who != key && wait.since < since
            }
        };
        self.waiting.iter().filter(goes_first).map(|(_, wait)| wait.dials).sum()
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
        let most = usize::try_from(self.allowed.connects).unwrap_or(usize::MAX);
        let left = most.saturating_sub(self.granted.len());
        // No more than there ever are.
        let dials = usize::try_from(dials).unwrap_or(usize::MAX).clamp(1, most);
        // Those who go before have what is left, each what it waits for.
        let key = (service.clone(), purpose);
        let since = self.waiting.get(&key).map_or(now, |wait| wait.since);
        let before = self.before(&key, since);
        let shares = [purpose, Purpose::Orders].into_iter();
        let own = shares.filter_map(|purpose| self.over(service, dials, purpose)).max();
        let lacks = (before + dials + self.kept(dials, purpose, most)).saturating_sub(left);
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
        if own.is_some() {
            // One who is over his share has no turn to keep from others.
            self.waiting.remove(&key);
        } else {
            // However long he has to wait, he asks again soon, or is gone.
            let until = now + wait.min(CONNECT_ASKED_AGAIN) + TURN;
            self.waiting.insert(key, Wait { since, until, dials });
        }
        Err(wait.max(SOON))
    }
}

#[cfg(test)]
mod tests;
