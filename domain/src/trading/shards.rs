//! Shards of a Market: how many processes of it a MarketManager runs, and over which of them an instrument goes. Decides both
//! from loads, the time and what stands; starting and stopping them is the MarketManager's, handing an instrument over the
//! gateway's work.
//!
//! SH1 one shard more or less at a time, and none before the load after the last change was seen for long enough. SH2 as long
//! as every instrument's load stays what it is, the number only grows, or only falls, and then stays. SH3 a shard more takes its instruments
//! from the others, one less gives its own to them, and nothing else moves. SH4 there is always shard 0.

use crate::{
    ids::InstrumentId,
    limits::{SHARD_BUSY_FOR, SHARD_IDLE_FOR, SHARD_REST},
    time::Monotonic,
};
use alloc::{collections::BTreeSet, vec::Vec};
use core::{cmp::Reverse, time::Duration};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

/// How much of a processor's core a process takes, in thousandths: 1,500 is one and a half.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Load(pub u32);

impl Load {
    /// Of a process that took so much of its cores in so much time.
    #[must_use]
    pub fn of(taken: Duration, within: Duration) -> Self {
        let thousandths = taken.as_micros().saturating_mul(1_000) / within.as_micros().max(1);
        Self(u32::try_from(thousandths).unwrap_or(u32::MAX))
    }

    fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// What an operator lets a Market have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Shards, at most.
    pub most: u16,
    /// A shard that takes as much is relieved by another. What one would take that has to do for two must be below half of it.
    pub busy: Load,
}

/// Which way the load pulls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pull {
    More,
    Less,
    /// There are more than there may be.
    TooMany,
}

/// How many shards a Market has.
#[derive(Clone, Debug)]
pub struct Shards {
    count: u16,
    /// And since when.
    pull: Option<(Pull, Monotonic)>,
    changed: Option<Monotonic>,
}

impl Shards {
    /// As many as there are; at least one.
    #[must_use]
    pub fn new(count: u16) -> Self {
        Self { count: count.max(1), pull: None, changed: None }
    }

    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Looks at what the shards have told, by their numbers; whether there is to be another number of them from now on. Without
    /// the word of one of them nothing is decided by load.
    pub fn look(&mut self, now: Monotonic, told: &[Option<Load>], marks: Marks) -> bool {
        let pull = self.pull(told, marks);
        let since = match (self.pull, pull) {
            (Some((before, since)), Some(pull)) if before == pull => since,
            _ => now,
        };
        self.pull = pull.map(|pull| (pull, since));
        let rests = self.changed.is_some_and(|changed| now.since(changed) < SHARD_REST);
        let for_long = |long: Duration| !rests && now.since(since) >= long;
        match pull {
            Some(Pull::More) if for_long(SHARD_BUSY_FOR) => self.count += 1,
            Some(Pull::Less) if for_long(SHARD_IDLE_FOR) => self.count -= 1,
            Some(Pull::TooMany) if for_long(Duration::ZERO) => self.count -= 1,
            Some(Pull::More | Pull::Less | Pull::TooMany) | None => return false,
        }
        (self.pull, self.changed) = (None, Some(now));
        true
    }

    fn pull(&self, told: &[Option<Load>], marks: Marks) -> Option<Pull> {
        let most = marks.most.max(1);
        if self.count > most {
            return Some(Pull::TooMany);
        }
        let loads: Option<Vec<Load>> =
            (0..self.count).map(|shard| told.get(usize::from(shard)).copied().flatten()).collect();
        let loads = loads?;
        let (last, rest) = loads.split_last()?;
        let busiest = loads.iter().max()?;
        if *busiest >= marks.busy {
            return (self.count < most).then_some(Pull::More);
        }
        // Whatever the last one has may all come to the busiest of the others.
        let relieving = rest.iter().max()?.and(*last);
        (relieving < Load(marks.busy.0 / 2)).then_some(Pull::Less)
    }
}

/// How a shard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Live,
    /// It is being started, or started again: soon it is there.
    Starting,
    /// There is none, or it crashes again and again.
    Away,
}

/// Over which shards instruments go from now on. One serves from when it is live; one that dies goes on serving, since it is back
/// sooner than its instruments were elsewhere, unless it dies again and again.
pub fn serving(
    before: &BTreeSet<u16>,
    count: u16,
    standing: impl Fn(u16) -> Standing,
) -> BTreeSet<u16> {
    let serves = |shard: &u16| match standing(*shard) {
        Standing::Live => true,
        Standing::Starting => before.contains(shard),
        Standing::Away => false,
    };
    let mut serving: BTreeSet<u16> = (1..count).filter(serves).collect();
    serving.insert(0);
    serving
}

/// The one of these shards that an instrument goes over: shard 0 if there is none. By rendezvous hashing: whichever of them has the
/// highest number drawn from both names.
#[must_use]
pub fn shard_of(instrument: &InstrumentId, among: &BTreeSet<u16>) -> u16 {
    let drawn = |shard: u16| {
        XxHash3_128::oneshot_with_seed(u64::from(shard), instrument.as_str().as_bytes())
    };
    let highest = among.iter().copied().max_by_key(|shard| (drawn(*shard), Reverse(*shard)));
    highest.unwrap_or(0)
}

#[cfg(test)]
mod tests;
