//! Writes that go on while leaders come and go: when each was begun and when it was accepted. Decides
//! what an outage is, for every system that is measured.

use super::{measured::quantile, report::Outages};
use anyhow::bail;
use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Writers at once: one of them may be stuck with a dead leader.
pub(crate) const WRITERS: u32 = 4;
/// Between two writes of one writer: what is measured is waiting, not load.
const PAUSE: Duration = Duration::from_millis(1);
const OVER_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);

/// Ends when it is dropped.
#[derive(Default)]
pub(crate) struct Writes {
    accepted: Rc<RefCell<Vec<Accepted>>>,
    writers: JoinSet<()>,
}

#[derive(Clone, Copy)]
struct Accepted {
    begun: Instant,
    at: Instant,
}

impl Writes {
    /// Adds a writer; `write` tells whether the write was accepted.
    pub(crate) fn add(&mut self, mut write: impl AsyncFnMut() -> bool + 'static) {
        let accepted = self.accepted.clone();
        self.writers.spawn_local(async move {
            loop {
                let begun = Instant::now();
                if write().await {
                    accepted.borrow_mut().push(Accepted { begun, at: Instant::now() });
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// From `since` to the first acceptance of a write that was begun after it.
    pub(crate) async fn outage_since(&self, since: Instant) -> anyhow::Result<Duration> {
        loop {
            let first = {
                let accepted = self.accepted.borrow();
                let later = accepted.iter().rev().take_while(|write| write.at >= since);
                later.filter(|write| write.begun >= since).map(|write| write.at).min()
            };
            if let Some(first) = first {
                return Ok(first - since);
            }
            if since.elapsed() > OVER_WITHIN {
                bail!("no write was accepted within {OVER_WITHIN:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The longest time between two acceptances, from the last one before `since` on.
    pub(crate) fn longest_pause_since(&self, since: Instant) -> Duration {
        let mut times: Vec<Instant> = self.accepted.borrow().iter().map(|write| write.at).collect();
        times.sort_unstable();
        let first = times.partition_point(|at| *at < since).saturating_sub(1);
        let pairs = times[first..].windows(2).map(|pair| pair[1] - pair[0]);
        pairs.max().unwrap_or_default()
    }

    pub(crate) fn clear(&self) {
        self.accepted.borrow_mut().clear();
    }
}

/// Median and worst, in milliseconds with one digit behind the point.
pub(crate) fn outages(mut all: Vec<Duration>) -> Outages {
    all.sort_unstable();
    let ms = |duration: Duration| (duration.as_secs_f64() * 10_000.0).round() / 10.0;
    let (median, worst) = (ms(quantile(&all, 0.5)), ms(all.last().copied().unwrap_or_default()));
    Outages { median, worst, kills: None, transfers: None, etcd: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_ends_with_a_write_begun_after_it_and_a_pause_counts_all() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let writes = Writes::default();
        let since = Instant::now();
        let ms = |ms| since + Duration::from_millis(ms);
        // The first was on its way already: the old leader may have accepted it.
        let before = Accepted { begun: since - Duration::from_millis(1), at: ms(2) };
        let after = Accepted { begun: ms(5), at: ms(90) };
        writes.accepted.borrow_mut().extend([before, after]);
        let outage = runtime.expect("a runtime").block_on(writes.outage_since(since));
        assert_eq!(outage.ok(), Some(Duration::from_millis(90)));
        assert_eq!(writes.longest_pause_since(ms(3)), Duration::from_millis(88));
    }
}
