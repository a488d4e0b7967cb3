//! Logs of services that are gone for good. Decides which are removed: those to which nothing was written for
//! `limits::GONE_LOGS_FOR`, and of the others the oldest, as far as all together take more than `limits::GONE_LOGS_BYTES`.
//! Nothing else of a service is touched: a ledger is nobody's to remove.

use super::setup::Setup;
use crate::limits;
use std::{
    cmp::Reverse,
    collections::BTreeSet,
    fs,
    future::pending,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Interval, MissedTickBehavior, interval},
};
use tradewind_domain::ids::ServiceId;

/// What a service has left in logs: its own words and, of a Trader, its algo's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) service: ServiceId,
    /// When something was written last.
    written: SystemTime,
    bytes: u64,
}

/// Looks from time to time.
pub(super) struct Looks {
    setup: Arc<Setup>,
    every: Interval,
    looking: Option<JoinHandle<Vec<Left>>>,
}

impl Looks {
    pub(super) fn new(setup: Arc<Setup>) -> Self {
        let mut every = interval(limits::GONE_LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { setup, every, looking: None }
    }

    /// All logs there are, each time they were looked for. May be cancelled.
    pub(super) async fn next(&mut self) -> Vec<Left> {
        if self.looking.is_none() {
            self.every.tick().await;
            let setup = self.setup.clone();
            self.looking = Some(spawn_blocking(move || all_of(&setup)));
        }
        let Some(looking) = &mut self.looking else { return pending().await };
        let found = looking.await.unwrap_or_default();
        self.looking = None;
        found
    }
}

/// Of those whose services are gone, the ones whose time or room is over.
pub(super) fn over(mut gone: Vec<Left>, now: SystemTime) -> Vec<Left> {
    gone.sort_by_key(|left| Reverse(left.written));
    let mut room = limits::GONE_LOGS_BYTES;
    gone.retain(|left| {
        let age = now.duration_since(left.written).unwrap_or(Duration::ZERO);
        match room.checked_sub(left.bytes).filter(|_| age < limits::GONE_LOGS_FOR) {
            Some(still) => {
                room = still;
                false
            }
            None => {
                // Nor does one that is older stay in its place.
                room = 0;
                true
            }
        }
    });
    gone
}

pub(super) fn remove(setup: &Setup, over: &[Left]) {
    for Left { service, bytes, .. } in over {
        for log in [setup.log(service), setup.algo_log(service)] {
            if let Err(error) = log.remove() {
                tracing::warn!(%service, %error, "the log of a service that is gone cannot be removed");
            }
        }
        tracing::info!(%service, bytes, "the log of a service that is gone was removed");
    }
}

fn all_of(setup: &Setup) -> Vec<Left> {
    // A file of another name is none of ours.
    let own =
        names_in(&setup.logs_dir()).filter_map(|name| name.split_once(".log")?.0.parse().ok());
    let algos = names_in(&setup.services_dir()).filter_map(|name| name.parse().ok());
    let services: BTreeSet<ServiceId> = own.chain(algos).collect();
    let left = |service: ServiceId| {
        let logs = [setup.log(&service).written(), setup.algo_log(&service).written()];
        let both = logs.into_iter().flatten();
        let (written, bytes) =
            both.reduce(|(at, bytes), (other, more)| (at.max(other), bytes + more))?;
        Some(Left { service, written, bytes })
    };
    services.into_iter().filter_map(left).collect()
}

fn names_in(directory: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    fn left(name: &str, days: u32, bytes: u64) -> Left {
        let written = SystemTime::UNIX_EPOCH + DAY * (1_000 - days);
        Left { service: format!("trader.{name}").parse().unwrap(), written, bytes }
    }

    fn names(left: &[Left]) -> Vec<String> {
        left.iter().map(|left| left.service.to_string()).collect()
    }

    #[test]
    fn old_ones_go_and_of_the_others_the_oldest_until_the_rest_has_room() {
        let now = SystemTime::UNIX_EPOCH + DAY * 1_000;
        let most = limits::GONE_LOGS_BYTES;
        let within = [left("a", 0, most / 2), left("b", 1, most / 2), left("c", 8, 1)];
        assert_eq!(names(&over(within.to_vec(), now)), ["trader.c"]);
        let full = [left("old", 3, 1), left("young", 1, most - 10), left("middle", 2, 11)];
        assert_eq!(names(&over(full.to_vec(), now)), ["trader.middle", "trader.old"]);
        assert_eq!(names(&over(vec![left("a", 0, most + 1)], now)), ["trader.a"]);
        // One from the future, by a clock that was set: it is kept, as if written now.
        assert!(over(vec![left("a", 0, 1)], now - DAY).is_empty());
        assert!(over(Vec::new(), now).is_empty());
    }
}
