//! The minutes of an instrument whose trades are read. Decides how long they are kept, which bars are over and which may lack
//! trades. Whether trades are missing shows by their numbers, which whoever reads them compares.
//!
//! BA3 no bar is told to be without a gap in whose time trades are known to be missing, or that began before everything was read.

use super::{Bar, Tally, Timeframe};
use crate::{
    limits::{BAR_MINUTES, VENUE_CLOCK_SKEW},
    time::UnixNanos,
    trading::Trade,
};
use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};
use core::time::Duration;
use serde::{Deserialize, Serialize};

const MINUTE: Timeframe = Timeframe::OneMinute;

/// Trades are missing from `from` on until before `until`, or may be: whole minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub from: UnixNanos,
    pub until: UnixNanos,
}

/// The last minutes of an instrument, as far as something was traded in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// From here on everything was read but for the gaps.
    since: UnixNanos,
    /// The latest trade's time; that of the beginning before there is one.
    latest: UnixNanos,
    minutes: BTreeMap<UnixNanos, Tally>,
    /// One after the other; they do not touch.
    gaps: VecDeque<Gap>,
}

impl Series {
    /// Trades are read from now on. A trade of which nobody knows may already have the time that the venue's clock shows.
    #[must_use]
    pub fn begin(now: UnixNanos) -> Self {
        let since = now + VENUE_CLOCK_SKEW;
        let (minutes, gaps) = (BTreeMap::new(), VecDeque::new());
        Self { since, latest: now, minutes, gaps }
    }

    #[must_use]
    pub fn since(&self) -> UnixNanos {
        self.since
    }

    /// A trade was read. One that is older than what is kept counts to no bar. One from the future counts to now: its own time
    /// would close bars that are not over.
    pub fn trade(&mut self, now: UnixNanos, trade: &Trade) {
        self.tick(now);
        let at = trade.at.min(now + VENUE_CLOCK_SKEW);
        let minute = MINUTE.begin(at);
        if minute < MINUTE.begin(self.since) {
            return;
        }
        self.latest = self.latest.max(at);
        let tally = Tally::of(minute, trade);
        match self.minutes.get_mut(&minute) {
            Some(held) => held.join(&tally),
            None => {
                self.minutes.insert(minute, tally);
            }
        }
    }

    /// Trades are missing between the last that was read and now.
    pub fn missing(&mut self, now: UnixNanos) {
        self.tick(now);
        let from = MINUTE.begin(self.latest);
        // A clock that was set back must not make it end before it begins.
        let last = MINUTE.begin(now + VENUE_CLOCK_SKEW).max(from);
        let until = last + MINUTE.length();
        match self.gaps.back_mut().filter(|last| from <= last.until) {
            Some(last) => last.until = last.until.max(until),
            None => self.gaps.push_back(Gap { from, until }),
        }
    }

    /// Time has passed: minutes that are too old are kept no more.
    pub fn tick(&mut self, now: UnixNanos) {
        let kept = u64::try_from(kept().as_nanos()).unwrap_or(u64::MAX);
        let oldest = MINUTE.begin(UnixNanos(now.0.saturating_sub(kept)));
        if oldest <= self.since {
            return;
        }
        self.since = oldest;
        while self.minutes.first_key_value().is_some_and(|(at, _)| *at < oldest) {
            self.minutes.pop_first();
        }
        while self.gaps.front().is_some_and(|gap| gap.until <= oldest) {
            self.gaps.pop_front();
        }
    }

    /// The bars that begin from `start` to `end`, both included, as they are now.
    #[must_use]
    pub fn bars(
        &self,
        timeframe: Timeframe,
        (start, end): (UnixNanos, UnixNanos),
        now: UnixNanos,
    ) -> Vec<Bar> {
        let mut joined: Vec<Tally> = Vec::new();
        for (minute, tally) in self.minutes.range(start..) {
            let at = timeframe.begin(*minute);
            if at > end {
                break;
            }
            match joined.last_mut().filter(|last| last.at == at) {
                Some(last) => last.join(tally),
                None if at >= start => joined.push(Tally { at, ..tally.clone() }),
                None => {}
            }
        }
        let told = |tally| self.told(tally, timeframe, now);
        joined.into_iter().map(told).collect()
    }

    /// The gaps that fall into the time from `start` to `end`, both included.
    pub fn gaps(&self, start: UnixNanos, end: UnixNanos) -> impl Iterator<Item = Gap> {
        self.gaps.iter().copied().filter(move |gap| gap.from <= end && start < gap.until)
    }

    fn told(&self, tally: Tally, timeframe: Timeframe, now: UnixNanos) -> Bar {
        let (from, until) = (tally.at, tally.at + timeframe.length());
        // Over by a trade of a later one, or by time: what was traded in it has come by then.
        let complete = until <= self.latest || until + VENUE_CLOCK_SKEW <= now;
        tally.bar(complete, from < self.since || self.lacks(from, until))
    }

    /// Whether a gap falls into the time from there to before there.
    fn lacks(&self, from: UnixNanos, until: UnixNanos) -> bool {
        let next = self.gaps.partition_point(|gap| gap.until <= from);
        self.gaps.get(next).is_some_and(|gap| gap.from < until)
    }
}

/// How far back what is kept reaches, before the running minute.
fn kept() -> Duration {
    MINUTE.length() * (BAR_MINUTES - 1)
}
