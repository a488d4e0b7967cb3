//! Whether this member reaches Managers: asked by a leader that does not. Decides what counts as reached: an
//! answer of the registered life within the time, over HTTP and so by the process itself. Only registered
//! Managers are dialled, so many at a time, and each not again until a moment is over: whoever asks has a share in
//! the look of another.

use crate::service::Service;
use axum::extract::State;
use futures_util::future::join_all;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};
use tradewind_domain::{
    control::row::{ManagerRow, ManagerState},
    ids::{Incarnation, ManagerId},
    limits::{PROBE_WITHIN, PROBES_A_MEMBER, PROBES_AT_ONCE},
};
use tradewind_link::{
    Failure,
    json::{Json, Query},
    rest::{Method, Rest},
};
use tradewind_protocol::{
    Code,
    control::{ManagerProbed, Probed},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Names, with commas between them.
    managers: String,
}

/// What is taken of a Manager's own status.
#[derive(Debug, Deserialize)]
struct Itself {
    manager: ManagerId,
    incarnation: Incarnation,
}

pub(super) async fn probe(
    State(service): State<Service>,
    Query(asked): Query<Asked>,
) -> Result<Json<Probed>, Failure> {
    let names: BTreeSet<&str> = asked.managers.split(',').collect();
    if names.len() > PROBES_AT_ONCE {
        let detail = format!("at most {PROBES_AT_ONCE} Managers at a time");
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    let mut rows = Vec::new();
    let (_, machine) = service.machine();
    for name in names {
        let manager: ManagerId = name.parse().map_err(|wrong| {
            Failure::new(Code::MalformedRequest, format!("{name:?} names no Manager: {wrong}"))
        })?;
        let row = machine.manager(&manager).filter(|row| row.state == ManagerState::Live);
        rows.extend(row.cloned());
    }
    let (looks, rest) = (&service.parts().probes, &service.parts().rest);
    let each = rows.iter().map(|row| looks.at(row, reach(rest, row)));
    let managers: Option<Vec<bool>> = join_all(each).await.into_iter().collect();
    let reached = managers.ok_or_else(|| {
        Failure::new(Code::Unavailable, "this member looks for as many Managers as it may already")
    })?;
    let told = rows.into_iter().zip(reached).map(|(row, reached)| ManagerProbed {
        manager: row.manager,
        incarnation: row.incarnation,
        reached,
    });
    Ok(Json(Probed { node: service.parts().node, managers: told.collect() }))
}

async fn reach(rest: &Rest, row: &ManagerRow) -> bool {
    let within = PROBE_WITHIN;
    let asked =
        rest.request::<(), Itself>(Method::GET, &row.address, "/v1/status", &[], None, within);
    let itself = asked.await.ok().map(|(_, itself)| itself);
    itself.is_some_and(|itself| {
        itself.manager == row.manager && itself.incarnation == row.incarnation
    })
}

/// What was found a moment ago, of each Manager. While one looks the others wait for what it finds.
pub(crate) struct Looks {
    seats: Semaphore,
    shared_for: Duration,
    found: std::sync::Mutex<BTreeMap<ManagerId, Arc<Mutex<Option<Found>>>>>,
}

/// The last look.
struct Found {
    at: Instant,
    incarnation: Incarnation,
    /// Where it was looked for.
    address: String,
    reached: bool,
}

impl Looks {
    /// At most so many Managers are dialled at a time; what was found counts for so long.
    pub(crate) fn new(at_once: usize, shared_for: Duration) -> Self {
        Self { seats: Semaphore::new(at_once), shared_for, found: std::sync::Mutex::default() }
    }

    fn place(&self, manager: &ManagerId) -> Arc<Mutex<Option<Found>>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= PROBES_A_MEMBER && !found.contains_key(manager) {
            // Forgotten it costs no more than another look.
            found.retain(|_, place| Arc::strong_count(place) > 1);
        }
        found.entry(manager.clone()).or_default().clone()
    }

    /// Whether it is reached, by a look of now or of a moment ago; `None`: as many as may are dialled already.
    async fn at(&self, row: &ManagerRow, look: impl Future<Output = bool>) -> Option<bool> {
        let place = self.place(&row.manager);
        let mut last = place.lock().await;
        let recent = last.as_ref().filter(|found| {
            found.at.elapsed() < self.shared_for
                && found.incarnation == row.incarnation
                && found.address == row.address
        });
        if let Some(found) = recent {
            return Some(found.reached);
        }
        let _seat = self.seats.try_acquire().ok()?;
        let reached = look.await;
        let (incarnation, address) = (row.incarnation, row.address.clone());
        *last = Some(Found { at: Instant::now(), incarnation, address, reached });
        Some(reached)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tokio::task::yield_now;
    use tradewind_domain::{ids::Epoch, time::UnixNanos};

    const LONG: Duration = Duration::from_secs(3_600);

    fn row(name: &str, incarnation: u64) -> ManagerRow {
        ManagerRow {
            manager: name.parse().unwrap(),
            location: "here".parse().unwrap(),
            address: "127.0.0.1:1".to_owned(),
            incarnation: Incarnation(incarnation),
            epoch: Epoch(1),
            state: ManagerState::Live,
            capacity: 1,
            since: UnixNanos(1),
        }
    }

    #[derive(Default)]
    struct Dialled(AtomicU32);

    impl Dialled {
        async fn look(&self) -> bool {
            self.0.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            true
        }

        fn count(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn whoever_asks_within_a_moment_has_a_share_in_one_look() {
        let (looks, dialled) = (Looks::new(2, LONG), Dialled::default());
        let first = row("a1.broker-manager", 1);
        // when: many at once, more than there are seats
        let asked = (0..50).map(|_| looks.at(&first, dialled.look()));
        assert!(join_all(asked).await.into_iter().all(|found| found == Some(true)));
        assert_eq!(looks.at(&first, dialled.look()).await, Some(true));
        // then
        assert_eq!(dialled.count(), 1);
        let next = row("a1.broker-manager", 2);
        assert_eq!(looks.at(&next, dialled.look()).await, Some(true));
        assert_eq!(dialled.count(), 2, "another life is another look");
    }

    #[tokio::test]
    async fn a_look_that_is_over_counts_no_more() {
        let (looks, dialled) = (Looks::new(2, Duration::ZERO), Dialled::default());
        let one = row("a1.broker-manager", 1);
        for _ in 0..2 {
            assert_eq!(looks.at(&one, dialled.look()).await, Some(true));
        }
        assert_eq!(dialled.count(), 2);
    }

    #[tokio::test]
    async fn no_more_managers_are_dialled_at_a_time_than_may() {
        let (looks, dialled) = (Looks::new(1, LONG), Dialled::default());
        let (one, two) = (row("a1.broker-manager", 1), row("b1.broker-manager", 1));
        let both = tokio::join!(looks.at(&one, dialled.look()), looks.at(&two, dialled.look()));
        assert_eq!(both, (Some(true), None));
        assert_eq!(looks.at(&two, dialled.look()).await, Some(true));
    }
}
