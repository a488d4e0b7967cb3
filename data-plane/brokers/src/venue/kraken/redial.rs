//! When Kraken is dialled again. Decides the wait before each connection: none for the first few, then longer and
//! longer, each a little by chance. Whether the address may open one more is asked for beside that (`Permission`). Pure:
//! time and chance are passed in.

use std::time::Duration;
use tradewind_domain::time::Monotonic;
use tradewind_kraken::limits::{RECONNECT_MAX, RECONNECT_MIN, RECONNECTS_AT_ONCE};

/// Of one Broker, for all its connections.
#[derive(Debug, Default)]
pub(super) struct Redial {
    /// Connections in a row that came soon after one another.
    row: u32,
    last: Option<Monotonic>,
}

impl Redial {
    /// How long to wait before an attempt is made. `chance` is any number.
    pub(super) fn wait(&mut self, now: Monotonic, chance: u64) -> Duration {
        let soon = self.last.is_some_and(|last| now.since(last) < RECONNECT_MAX * 2);
        self.row = if soon { self.row.saturating_add(1) } else { 1 };
        let wait = match self.row.checked_sub(RECONNECTS_AT_ONCE + 1) {
            None => Duration::ZERO,
            Some(times) => {
                let wait = RECONNECT_MIN.saturating_mul(1 << times.min(8)).min(RECONNECT_MAX);
                // So that those whom one outage hit do not come back all at once.
                wait + RECONNECT_MIN.mul_f64((chance % 1_000) as f64 / 1_000.0)
            }
        };
        self.last = Some(now + wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * 1_000_000_000)
    }

    #[test]
    fn the_first_drops_are_made_good_at_once_and_then_ever_later() {
        let mut redial = Redial::default();
        let waits: Vec<u64> = (0..8).map(|_| redial.wait(at(1), 0).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 5, 10, 20, 30, 30]);
        let by_chance = redial.wait(at(1), 999);
        assert!(by_chance > RECONNECT_MAX && by_chance < RECONNECT_MAX + RECONNECT_MIN);
        assert_eq!(redial.wait(at(1_000), 0), Duration::ZERO, "after one that stood");
    }
}
