//! Generated market data: a street that is drawn, not recorded. Decides what it shows next: a middle that wanders about
//! its home, a spread, and levels of some size on both sides, all on the tick.
//!
//! G1 the same seed draws the same street for the same instrument, whatever else is traded. G2 it is never crossed.

use core::time::Duration;
use std::collections::BTreeSet;

use tradewind_domain::{ids::InstrumentId, trading::Side};

use crate::engine::StreetLevel;
use crate::instrument::{Lots, Ticks};
use crate::recording::Replay;

/// Levels a side.
const DEPTH: usize = 10;
/// The lowest home in ticks, and how far above it another one may be: BTC/USD from 20,000 to 40,000 USD.
const HOME: u64 = 200_000;
/// Most ticks of a step, between the middle and the best price of a side, and between two levels of it.
const STEP: u64 = 3;
const HALF_SPREAD: u64 = 4;
const GAP: u64 = 5;
/// Most lots of a level: five units of BTC/USD.
const LOTS: u64 = 500_000_000;

/// One instrument's street.
#[derive(Debug)]
pub struct Generated {
    random: u64,
    home: u64,
    middle: u64,
    bids: BTreeSet<Ticks>,
    asks: BTreeSet<Ticks>,
}

impl Generated {
    /// That of the instrument by this seed.
    #[must_use]
    pub fn new(seed: u64, instrument: &InstrumentId) -> Self {
        // FNV-1a of the name: each instrument draws for itself.
        let name = instrument.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let random = mixed(seed) ^ name;
        let (bids, asks) = (BTreeSet::new(), BTreeSet::new());
        let mut street = Self { random, home: HOME, middle: HOME, bids, asks };
        street.home += street.draw(HOME);
        street.middle = street.home;
        street
    }

    /// From 0 to below that.
    fn draw(&mut self, below: u64) -> u64 {
        // splitmix64
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.random) % below.max(1)
    }

    /// What is set next: levels that go, and then those that stand.
    pub fn step(&mut self) -> Vec<StreetLevel> {
        // The further up it is, the less often it goes further up.
        let up = self.draw(2 * self.home) >= self.middle;
        let by = self.draw(STEP + 1);
        let wandered = if up { self.middle + by } else { self.middle.saturating_sub(by) };
        self.middle = wandered.clamp(self.home / 2, self.home + self.home / 2);
        let mut levels = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            let drawn = self.draw_side(side);
            let stands: BTreeSet<Ticks> = drawn.iter().map(|level| level.price).collect();
            let stood = match side {
                Side::Buy => &mut self.bids,
                Side::Sell => &mut self.asks,
            };
            let gone = |price: &Ticks| StreetLevel { side, price: *price, quantity: Lots::ZERO };
            levels.extend(stood.difference(&stands).map(gone));
            *stood = stands;
            levels.extend(drawn);
        }
        // What goes first: a level of one side may come where one of the other has stood.
        levels.sort_by_key(|level| !level.quantity.is_zero());
        levels
    }

    fn draw_side(&mut self, side: Side) -> Vec<StreetLevel> {
        let mut away = 0;
        let mut levels = Vec::new();
        for place in 0..DEPTH {
            away += 1 + self.draw(if place == 0 { HALF_SPREAD } else { GAP });
            let quantity = Lots(1 + self.draw(LOTS));
            let price = match side {
                Side::Buy => self.middle.saturating_sub(away),
                Side::Sell => self.middle + away,
            };
            let Ok(price) = price.try_into().map(Ticks) else { continue };
            levels.push(StreetLevel { side, price, quantity });
        }
        levels
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What is played: the recording on all instruments alike, or each one's own street.
pub(crate) enum Streets {
    Recorded { replay: Replay, levels: Vec<StreetLevel> },
    Generated { streets: Vec<Generated>, levels: Vec<Vec<StreetLevel>>, pause: Duration },
}

impl Streets {
    pub(crate) fn recorded(replay: Replay) -> Self {
        Self::Recorded { replay, levels: Vec::new() }
    }

    /// Of these instruments, in this order.
    pub(crate) fn generated<'a>(
        seed: u64,
        instruments: impl Iterator<Item = &'a InstrumentId>,
        pause: Duration,
    ) -> Self {
        let streets = instruments.map(|instrument| Generated::new(seed, instrument)).collect();
        Self::Generated { streets, levels: Vec::new(), pause }
    }

    /// How long after the last step the next one comes.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::Recorded { replay, .. } => replay.pause(),
            Self::Generated { pause, .. } => *pause,
        }
    }

    pub(crate) fn step(&mut self) {
        match self {
            Self::Recorded { replay, levels } => *levels = replay.step(),
            Self::Generated { streets, levels, .. } => {
                *levels = streets.iter_mut().map(Generated::step).collect();
            }
        }
    }

    /// What the last step sets at the instrument of that place.
    pub(crate) fn levels(&self, place: usize) -> &[StreetLevel] {
        match self {
            Self::Recorded { levels, .. } => levels,
            Self::Generated { levels, .. } => levels.get(place).map_or(&[], Vec::as_slice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Book;
    use crate::limits::PRICE_TICKS;
    use proptest::prelude::*;

    fn instrument(name: &str) -> InstrumentId {
        InstrumentId::new(name).unwrap()
    }

    fn steps(street: &mut Generated, count: usize) -> Vec<Vec<StreetLevel>> {
        (0..count).map(|_| street.step()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        #[test]
        fn the_same_seed_draws_the_same_street_and_another_one_or_another_instrument_does_not(
            seed: u64, other: u64,
        ) {
            prop_assume!(seed != other);
            let (btc, eth) = (instrument("BTC/USD"), instrument("ETH/USD"));
            let drawn = |seed, of| steps(&mut Generated::new(seed, of), 50);
            prop_assert_eq!(drawn(seed, &btc), drawn(seed, &btc));
            prop_assert_ne!(drawn(seed, &btc), drawn(other, &btc));
            prop_assert_ne!(drawn(seed, &btc), drawn(seed, &eth));
        }

        #[test]
        fn a_drawn_street_is_never_crossed_and_stands_whole_about_its_home(seed: u64) {
            let mut street = Generated::new(seed, &instrument("BTC/USD"));
            let mut book = Book::default();
            for _ in 0..300 {
                let levels = street.step();
                prop_assert!(levels.iter().all(|level| level.price.0.get() <= PRICE_TICKS));
                prop_assert_eq!(book.set_street(&levels), []);
                let top = book.top();
                let (Some((bid, _)), Some((ask, _))) = (top.bid, top.ask) else {
                    return Err(TestCaseError::fail("a side is empty"));
                };
                prop_assert!(bid < ask, "{bid:?} {ask:?}");
                prop_assert!(ask.0.get() - bid.0.get() <= 2 * HALF_SPREAD);
                for side in [Side::Buy, Side::Sell] {
                    prop_assert_eq!(book.levels(side, 100).len(), DEPTH);
                }
            }
        }
    }

    #[test]
    fn what_a_seed_draws_never_changes() {
        let mut street = Generated::new(7, &instrument("BTC/USD"));
        let all = steps(&mut street, 100);
        let mut hash = 0_u64;
        for level in all.iter().flatten() {
            hash = mixed(hash ^ level.price.0.get() ^ level.quantity.0.rotate_left(32));
        }
        assert_eq!(hash, 0x6c7f_108f_f52b_8de3, "{hash:#x}");
    }

    #[test]
    fn each_instrument_has_its_own_street_wherever_it_stands_in_the_list() {
        let [btc, eth] = ["BTC/USD", "ETH/USD"].map(instrument);
        let streets = |names: [&InstrumentId; 2]| {
            let mut streets = Streets::generated(7, names.into_iter(), Duration::ZERO);
            streets.step();
            streets
        };
        let (one, other) = (streets([&btc, &eth]), streets([&eth, &btc]));
        assert_eq!(one.levels(0), other.levels(1));
        assert_eq!(one.levels(1), other.levels(0));
        assert_ne!(one.levels(0), one.levels(1));
        assert_eq!(one.levels(2), []);
    }
}
