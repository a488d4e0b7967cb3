//! Kills, one after another. Decides whom and when from a seed; the kill itself is `kill -9` of a real
//! process that the cluster's own status names.

use std::time::Duration;
use tradewind_domain::time::UnixNanos;
use tradewind_launcher::Draw;

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
    draw: Draw,
    every: Duration,
    order: [Target; 4],
    next: usize,
}

impl Schedule {
    pub(crate) fn new(seed: u64, every: Duration) -> Self {
        let (mut draw, mut order) = (Draw::new(seed), Target::ALL);
        draw.shuffle(&mut order);
        Self { draw, every, order, next: 0 }
    }

    /// The next kill, and the time from the start of its turn. It varies by a tenth, so that kills meet
    /// the algo at different moments of its own turn.
    pub(crate) fn next(&mut self) -> (Target, Duration) {
        let target = self.order[self.next % self.order.len()];
        self.next += 1;
        let tenth = self.every / 10;
        let share = u32::try_from(self.draw.below(1_000)).unwrap_or(0);
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
