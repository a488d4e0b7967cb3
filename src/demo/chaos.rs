//! Kills, one after another. Decides whom and when from a seed; the kill itself is `kill -9` of a real
//! process that the cluster's own status names.

use std::time::Duration;
use tradewind_domain::time::UnixNanos;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Leader,
    MarketManager,
    Market,
    Broker,
}

impl Target {
    const ALL: [Self; 4] = [Self::Leader, Self::MarketManager, Self::Market, Self::Broker];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Leader => "leader",
            Self::MarketManager => "market-manager",
            Self::Market => "market",
            Self::Broker => "broker",
        }
    }
}

/// A kill that was done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    pub(crate) target: Target,
    pub(crate) at: UnixNanos,
}

/// What is killed when, counted from the first fill.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    state: u64,
    every: Duration,
    order: [Target; 4],
    next: usize,
}

impl Schedule {
    pub(crate) fn new(seed: u64, every: Duration) -> Self {
        let mut schedule = Self { state: seed, every, order: Target::ALL, next: 0 };
        for last in (1..schedule.order.len()).rev() {
            let with = usize::try_from(schedule.draw() % (last as u64 + 1)).unwrap_or(0);
            schedule.order.swap(last, with);
        }
        schedule
    }

    /// SplitMix64: small, and the same on every machine.
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next kill, and the time from the start of its turn. It varies by a tenth, so that kills meet
    /// the algo at different moments of its own turn.
    pub(crate) fn next(&mut self) -> (Target, Duration) {
        let target = self.order[self.next % self.order.len()];
        self.next += 1;
        let tenth = self.every / 10;
        let share = u32::try_from(self.draw() % 1_000).unwrap_or(0);
        (target, self.every - tenth + tenth * share / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_kills_and_each_kind_once_a_round() {
        let every = Duration::from_secs(8);
        let draw = |seed| {
            let mut schedule = Schedule::new(seed, every);
            (0..8).map(|_| schedule.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        for target in Target::ALL {
            assert_eq!(draw(7)[..4].iter().filter(|(drawn, _)| *drawn == target).count(), 1);
        }
        assert!(draw(3).iter().all(|(_, wait)| *wait <= every && *wait >= every * 9 / 10));
    }
}
