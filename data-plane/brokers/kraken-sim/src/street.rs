//! The streets: what stands in the books besides orders. Decides what a recorded or a drawn street shows next; the
//! drawn one is the same for the same seed.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::BTreeMap;

use tradewind_domain::trading::Side;
use tradewind_sim::engine::StreetLevel;
use tradewind_sim::instrument::{Lots, Ticks};
use tradewind_sim::recording::{Recording, Replay};

use crate::limits::PAUSE_MAX;

/// Levels a side of a drawn street.
const DEPTH: u64 = 25;
/// Ticks between two of its levels.
const STEP: u64 = 10;
const LOTS_MAX: u64 = 500_000_000;

/// A street that is played.
pub(crate) enum Street {
    Recorded(Box<Replay>),
    Drawn(Drawn),
}

impl Street {
    pub(crate) fn recorded(speed: NonZeroU32) -> Self {
        let recording = Recording::kraken_btc_usd();
        Self::Recorded(Box::new(Replay::new(recording, speed, PAUSE_MAX)))
    }

    /// Until the next step.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::Recorded(replay) => replay.pause(),
            Self::Drawn(_) => PAUSE_MAX,
        }
    }

    /// What the next step sets.
    pub(crate) fn step(&mut self) -> Vec<StreetLevel> {
        match self {
            Self::Recorded(replay) => replay.step(),
            Self::Drawn(drawn) => drawn.step(),
        }
    }
}

/// Prices that wander about their beginning.
pub(crate) struct Drawn {
    random: u64,
    middle: u64,
    home: u64,
    stands: BTreeMap<Ticks, Side>,
}

impl Drawn {
    /// Begins at that price in ticks.
    pub(crate) fn new(seed: u64, home: u64) -> Self {
        Self { random: seed | 1, middle: home, home, stands: BTreeMap::new() }
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below.max(1)
    }

    fn step(&mut self) -> Vec<StreetLevel> {
        let up = self.draw(2 * self.home) >= self.middle;
        let by = self.draw(3);
        self.middle = if up { self.middle + by } else { self.middle - by };
        let mut levels = Vec::new();
        let mut stands = BTreeMap::new();
        for place in 0..DEPTH {
            let quantity = |drawn: u64| Lots(drawn + 1);
            let (bid, ask) = (self.middle - 1 - place * STEP, self.middle + 1 + place * STEP);
            for (side, price) in [(Side::Buy, bid), (Side::Sell, ask)] {
                let Ok(price) = price.try_into().map(Ticks) else { continue };
                let quantity = quantity(self.draw(LOTS_MAX));
                stands.insert(price, side);
                levels.push(StreetLevel { side, price, quantity });
            }
        }
        let gone = self.stands.iter().filter(|(price, side)| stands.get(*price) != Some(*side));
        let gone = gone.map(|(price, side)| StreetLevel {
            side: *side,
            price: *price,
            quantity: Lots::ZERO,
        });
        let mut all: Vec<StreetLevel> = gone.collect();
        all.extend(levels);
        self.stands = stands;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_street_repeats_and_is_never_crossed() {
        let (mut one, mut two) = (Drawn::new(7, 300_000), Drawn::new(7, 300_000));
        let mut book = tradewind_sim::engine::Book::default();
        for _ in 0..500 {
            let levels = one.step();
            assert_eq!(levels, two.step());
            assert_eq!(book.set_street(&levels), []);
            let top = book.top();
            assert!(top.bid.unwrap().0 < top.ask.unwrap().0);
            assert_eq!(book.levels(Side::Buy, 100).len(), 25);
        }
    }
}
