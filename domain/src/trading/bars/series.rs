//! The minutes of an instrument whose trades are read. Decides how long they are kept, which bars are over and which may lack
//! trades. Whether trades are missing shows by their numbers, which whoever reads them compares.
//!
//! BA3 no bar is told to be without a gap in whose time trades are known to be missing, or that began before everything was read.

use super::{RawBar, Tally, Timeframe};
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

/// Which of the bars that there are, if there are more than so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    First(usize),
    Last(usize),
}

/// The last minutes of an instrument, as far as something was traded in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// From here on everything was read but for the gaps.
    since: UnixNanos,
    /// The latest trade's time; that of the beginning before there is one.
    latest: UnixNanos,
    /// When the last one was read.
    read: UnixNanos,
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
        Self { since, latest: now, read: now, minutes, gaps }
    }

    #[must_use]
    pub fn since(&self) -> UnixNanos {
        self.since
    }

    /// A trade was read. One that is older than what is kept counts to no bar. One from the future counts to now: its own time
    /// would close bars that are not over.
    pub fn trade(&mut self, now: UnixNanos, trade: &Trade) {
        self.tick(now);
        self.read = now;
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

    /// Trades are missing between the last that was read and now. Their times are the venue's: as far from ours as its clock, and
    /// not in the order in which they are told.
    pub fn missing(&mut self, now: UnixNanos) {
        self.tick(now);
        let skew = u64::try_from(VENUE_CLOCK_SKEW.as_nanos()).unwrap_or(u64::MAX);
        let earliest = self.latest.min(self.read).min(now);
        let from = MINUTE.begin(UnixNanos(earliest.0.saturating_sub(skew)));
        // A clock that was set back must not make it end before what was read.
        let last = MINUTE.begin((now + VENUE_CLOCK_SKEW).max(self.latest));
        let mut gap = Gap { from, until: last + MINUTE.length() };
        while let Some(before) = self.gaps.pop_back_if(|before| gap.from <= before.until) {
            let (from, until) = (gap.from.min(before.from), gap.until.max(before.until));
            gap = Gap { from, until };
        }
        self.gaps.push_back(gap);
    }

    /// Lets look at it while its source is away: what is traded meanwhile is missing, or may be. What was missing is known when the
    /// source is back.
    pub fn while_away<T>(&mut self, now: UnixNanos, look: impl FnOnce(&Self) -> T) -> T {
        let known = self.gaps.clone();
        self.missing(now);
        let seen = look(self);
        self.gaps = known;
        seen
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

    /// Of the bars that begin from `start` to `end`, both included, those of `part`, as they are now. No more minutes are walked than
    /// that takes.
    #[must_use]
    pub fn bars(
        &self,
        timeframe: Timeframe,
        (start, end): (UnixNanos, UnixNanos),
        part: Part,
        now: UnixNanos,
    ) -> Vec<RawBar> {
        let (start, most) = match part {
            Part::First(most) => (start, most),
            Part::Last(most) => (self.begin_of_last(timeframe, (start, end), most), most),
        };
        let mut joined: Vec<Tally> = Vec::new();
        for (minute, tally) in self.minutes.range(start..) {
            let at = timeframe.begin(*minute);
            if at > end {
                break;
            }
            let full = joined.len() >= most;
            match joined.last_mut().filter(|last| last.at == at) {
                Some(last) => last.join(tally),
                None if full => break,
                None if at >= start => joined.push(Tally { at, ..tally.clone() }),
                None => {}
            }
        }
        let told = |tally| self.told(tally, timeframe, now);
        joined.into_iter().map(told).collect()
    }

    /// From when on there are no more than so many bars up to `end`.
    fn begin_of_last(
        &self,
        timeframe: Timeframe,
        (start, end): (UnixNanos, UnixNanos),
        most: usize,
    ) -> UnixNanos {
        let (mut begin, mut bars) = (None, 0);
        let until = timeframe.begin(end) + timeframe.length();
        for (minute, _) in self.minutes.range(start..until.max(start)).rev() {
            let at = timeframe.begin(*minute);
            if begin == Some(at) {
                continue;
            }
            if bars >= most || at < start {
                break;
            }
            (begin, bars) = (Some(at), bars + 1);
        }
        begin.unwrap_or(start)
    }

    /// The gaps that fall into the time from `start` to `end`, both included.
    pub fn gaps(&self, start: UnixNanos, end: UnixNanos) -> impl Iterator<Item = Gap> {
        self.gaps.iter().copied().filter(move |gap| gap.from <= end && start < gap.until)
    }

    fn told(&self, tally: Tally, timeframe: Timeframe, now: UnixNanos) -> RawBar {
        let (from, until) = (tally.at, tally.at + timeframe.length());
        // Over by a trade of a later one, or by time: what was traded in it has come by then.
        let complete = until <= self.latest || until + VENUE_CLOCK_SKEW <= now;
        let gap = from < self.since || self.lacks(from, until);
        RawBar { tally, complete, gap }
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
