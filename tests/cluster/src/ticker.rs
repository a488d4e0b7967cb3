//! Sees the machine stand still, which whoever says how soon something is has to know. Decides what counts as that: one that wakes
//! again and again, and puts a word on the disk each time, is later than a busy machine alone makes it.

use crate::{eventually_async, load::unix_now, sharded::SOON};
use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};
use tradewind_domain::time::UnixNanos;

const WAKES_EVERY: Duration = Duration::from_millis(50);
/// Later than that is no matter of who else has work.
const STANDS_STILL: Duration = Duration::from_millis(300);

/// When it was awake, and how late.
type Tick = (UnixNanos, Duration);

/// Ticks until it is dropped.
pub struct Ticker {
    ticks: Arc<Mutex<Vec<Tick>>>,
    _ticking: JoinSet<()>,
}

impl Ticker {
    /// With a file in this directory, on the disk of those that are measured.
    #[must_use]
    pub fn start(directory: &Path) -> Self {
        let file = Arc::new(File::create(directory.join("ticker")).unwrap());
        let ticks = Arc::<Mutex<Vec<Tick>>>::default();
        let (noted, mut ticking) = (ticks.clone(), JoinSet::new());
        ticking.spawn(async move {
            loop {
                let (began, file) = (Instant::now(), file.clone());
                sleep(WAKES_EVERY).await;
                let syncs = move || (&*file).write_all(b".").and_then(|()| file.sync_data());
                spawn_blocking(syncs).await.unwrap().unwrap();
                let late = began.elapsed().saturating_sub(WAKES_EVERY);
                noted.lock().unwrap().push((unix_now(), late));
            }
        });
        Self { ticks, _ticking: ticking }
    }

    /// Whether the machine has stood still between then and now.
    pub async fn stood_still(&self, since: UnixNanos) -> bool {
        !self.stood(since).await.is_zero()
    }

    /// For how long in all.
    pub async fn stood(&self, since: UnixNanos) -> Duration {
        let now = unix_now();
        // What lasts at the moment is noted once it is over.
        let noted = async || self.ticks.lock().unwrap().last().is_some_and(|(at, _)| *at >= now);
        eventually_async("it ticks", SOON, noted).await;
        let ticks = self.ticks.lock().unwrap();
        let stood = ticks.iter().filter(|(at, late)| *at >= since && *late > STANDS_STILL);
        stood.map(|(_, late)| *late).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_stands_still_is_seen() {
        // given
        let dir = tempfile::tempdir().unwrap();
        let ticker = Ticker::start(dir.path());
        ticker.stood_still(UnixNanos(0)).await;
        let since = unix_now();
        // when: nothing here gets on
        std::thread::sleep(2 * STANDS_STILL);
        // then
        assert!(ticker.stood_still(since).await);
        assert!(!ticker.stood_still(UnixNanos(u64::MAX)).await, "it is told of the time to come");
    }
}
