//! What a service takes of its machine, told with its beats. Decides over what time that is taken: long enough to say something;
//! what follows of it is the Manager's matter.

use crate::{cpu, limits::SERVICE_BEAT_EVERY};
use std::time::{Duration, Instant};
use tradewind_domain::trading::shards::Load;

pub(super) struct LoadMeter {
    since: Instant,
    /// Of all its cores by then.
    taken: Duration,
    last: Option<Load>,
}

impl LoadMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, taken: cpu::own(), last: None }
    }

    /// What was taken of late; `None` before that is known.
    pub(super) fn look(&mut self, now: Instant) -> Option<Load> {
        let within = now.saturating_duration_since(self.since);
        if within >= SERVICE_BEAT_EVERY {
            let by_now = cpu::own();
            self.last = Some(Load::of(by_now.saturating_sub(self.taken), within));
            (self.since, self.taken) = (now, by_now);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn work_shows_as_load_once_there_was_time_enough() {
        let mut meter = LoadMeter::new(Instant::now());
        let began = meter.since;
        assert_eq!(meter.look(began + SERVICE_BEAT_EVERY / 2), None);
        let before = cpu::own();
        let mut sum = 0_u64;
        while cpu::own() < before + Duration::from_millis(100) {
            assert!(began.elapsed() < Duration::from_secs(60), "no time is counted");
            (0..100_000).for_each(|n| sum = std::hint::black_box(sum ^ n));
        }
        // A tenth of a second within one and of what is a core.
        let load = meter.look(began + SERVICE_BEAT_EVERY).unwrap();
        assert!(load >= Load(90), "{load:?}");
        assert_eq!(
            meter.look(began + SERVICE_BEAT_EVERY * 3 / 2),
            Some(load),
            "until the next time"
        );
    }
}
