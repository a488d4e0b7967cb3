//! Rate counters as Kraken keeps them. Decides what an action costs and whether there is room for it; the
//! same counter serves the adapter, which keeps its own with headroom, and the simulator. Points decay evenly;
//! they are counted in billionths so that nothing is rounded away.
//!
//! Per pair one counter of orders, shared by REST and WebSocket (Kraken's "trading rate limits"); per API key
//! one of REST calls ("REST rate limits").

use core::time::Duration;

use tradewind_domain::time::Monotonic;

const POINT: u64 = 1_000_000_000;

/// What an account may do. Documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Starter,
    Intermediate,
    Pro,
}

/// A counter's threshold in points and its decay in billionths of a point a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub points: u32,
    pub decay: u64,
}

impl Tier {
    /// Orders, per pair.
    #[must_use]
    pub fn orders(self) -> Rule {
        match self {
            Self::Starter => Rule { points: 60, decay: POINT },
            Self::Intermediate => Rule { points: 125, decay: 2_340_000_000 },
            Self::Pro => Rule { points: 180, decay: 3_750_000_000 },
        }
    }

    /// REST calls, per key.
    #[must_use]
    pub fn calls(self) -> Rule {
        match self {
            Self::Starter => Rule { points: 15, decay: 330_000_000 },
            Self::Intermediate => Rule { points: 20, decay: 500_000_000 },
            Self::Pro => Rule { points: 20, decay: POINT },
        }
    }

    /// Open orders, per pair.
    #[must_use]
    pub fn open_orders(self) -> usize {
        match self {
            Self::Starter => 60,
            Self::Intermediate => 80,
            Self::Pro => 225,
        }
    }
}

/// What is done, and how old the orders are it is done to: since they were made or last amended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Add,
    Amend { age: Duration },
    Cancel { age: Duration },
    AddBatch { orders: u32 },
    CancelBatch { orders: u32, age: Duration },
}

impl Action {
    /// In billionths of a point.
    #[must_use]
    pub fn cost(self) -> u64 {
        match self {
            Self::Add => POINT,
            Self::Amend { age } => POINT * (1 + by_age(age, [3, 2, 1, 0, 0, 0])),
            Self::Cancel { age } => POINT * by_age(age, CANCEL),
            Self::AddBatch { orders } => POINT / 2 * u64::from(orders),
            Self::CancelBatch { orders, age } => POINT * u64::from(orders) * by_age(age, CANCEL),
        }
    }
}

const CANCEL: [u64; 6] = [8, 6, 5, 4, 2, 1];
const AGES: [u64; 6] = [5, 10, 15, 45, 90, 300];

fn by_age(age: Duration, points: [u64; 6]) -> u64 {
    let found = AGES.iter().zip(points).find(|(below, _)| age < Duration::from_secs(**below));
    found.map_or(0, |(_, points)| points)
}

/// One counter.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    rule: Rule,
    /// Billionths of a point, as of `at`.
    value: u64,
    at: Monotonic,
}

impl Counter {
    /// Nothing was done yet.
    #[must_use]
    pub fn new(rule: Rule, now: Monotonic) -> Self {
        Self { rule, value: 0, at: now }
    }

    /// Points now, in billionths.
    #[must_use]
    pub fn value(&self, now: Monotonic) -> u64 {
        let decayed =
            now.since(self.at).as_nanos() * u128::from(self.rule.decay) / u128::from(POINT);
        self.value.saturating_sub(u64::try_from(decayed).unwrap_or(u64::MAX))
    }

    /// Adds a cost, whether there is room or not: what the venue has counted anyway.
    pub fn charge(&mut self, cost: u64, now: Monotonic) {
        self.value = self.value(now).saturating_add(cost);
        self.at = now;
    }

    /// Adds the cost if it fits below the threshold less the headroom (in points), or says how long until it
    /// will. A cost that never fits waits for an empty counter.
    pub fn admit(&mut self, cost: u64, headroom: u32, now: Monotonic) -> Result<(), Duration> {
        let most = u64::from(self.rule.points.saturating_sub(headroom)) * POINT;
        let value = self.value(now);
        if value.saturating_add(cost) <= most || value == 0 {
            self.charge(cost, now);
            return Ok(());
        }
        let over = u128::from(value.saturating_add(cost).saturating_sub(most).min(value));
        let nanos = (over * u128::from(POINT)).div_ceil(u128::from(self.rule.decay.max(1)));
        Err(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// It stands above its threshold: Kraken refuses until it has decayed.
    #[must_use]
    pub fn is_exceeded(&self, now: Monotonic) -> bool {
        self.value(now) > u64::from(self.rule.points) * POINT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic(millis * 1_000_000)
    }

    #[test]
    fn actions_cost_what_is_documented() {
        let age = Duration::from_secs;
        let table = [
            (Action::Add, 1.0),
            (Action::Amend { age: age(0) }, 4.0),
            (Action::Amend { age: age(5) }, 3.0),
            (Action::Amend { age: age(14) }, 2.0),
            (Action::Amend { age: age(15) }, 1.0),
            (Action::Amend { age: age(900) }, 1.0),
            (Action::Cancel { age: age(4) }, 8.0),
            (Action::Cancel { age: age(9) }, 6.0),
            (Action::Cancel { age: age(14) }, 5.0),
            (Action::Cancel { age: age(44) }, 4.0),
            (Action::Cancel { age: age(89) }, 2.0),
            (Action::Cancel { age: age(299) }, 1.0),
            (Action::Cancel { age: age(300) }, 0.0),
            (Action::AddBatch { orders: 5 }, 2.5),
            (Action::CancelBatch { orders: 3, age: age(1) }, 24.0),
        ];
        for (action, points) in table {
            let points: f64 = points * 1e9;
            assert_eq!(action.cost(), points as u64, "{action:?}");
        }
    }

    #[test]
    fn a_full_counter_takes_more_as_it_decays() {
        let mut counter = Counter::new(Tier::Starter.orders(), at(0));
        for _ in 0..60 {
            counter.admit(Action::Add.cost(), 0, at(0)).unwrap();
        }
        assert!(!counter.is_exceeded(at(0)));
        assert_eq!(counter.admit(Action::Add.cost(), 0, at(0)), Err(Duration::from_secs(1)));
        assert_eq!(counter.admit(Action::Add.cost(), 0, at(400)), Err(Duration::from_millis(600)));
        counter.admit(Action::Add.cost(), 0, at(1_000)).unwrap();
        counter.charge(Action::Cancel { age: Duration::ZERO }.cost(), at(1_000));
        assert!(counter.is_exceeded(at(8_999)));
        assert!(!counter.is_exceeded(at(9_000)));
    }

    proptest! {
        #[test]
        fn who_waits_as_long_as_he_is_told_is_let_in_and_never_exceeds(
            steps in prop::collection::vec((0_u64..3_000, 0_u32..9), 1..200), headroom in 0_u32..20
        ) {
            let (mut counter, mut now) = (Counter::new(Tier::Pro.orders(), at(0)), at(0));
            for (millis, points) in steps {
                now = now + Duration::from_millis(millis);
                let cost = u64::from(points) * POINT;
                if let Err(wait) = counter.admit(cost, headroom, now) {
                    prop_assert!(counter.admit(cost, headroom, now).is_err(), "a refusal costs nothing");
                    now = now + wait;
                    prop_assert_eq!(counter.admit(cost, headroom, now), Ok(()));
                }
                prop_assert!(counter.value(now) <= u64::from(180 - headroom) * POINT);
            }
        }
    }
}
