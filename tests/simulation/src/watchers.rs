//! Watchers of events (W1). Decides what a watcher does: he goes on at one member after another where he was,
//! also at one that was away or lags, and starts anew only when he is told that it is gone. What he may see
//! is decided by `domain::control::watch`, against what all watchers were shown.

use crate::{caller::Caller, planted::Planted};
use tradewind_domain::{
    control::watch::{Seen, violations},
    ids::Revision,
};
use tradewind_replication::{EventStream, Gone};

/// Follows the events of one member after another until the run finishes.
pub(crate) async fn run(caller: Caller) {
    let mut place = None;
    while !caller.world.finishing.get() {
        caller.anybody();
        let at = caller.target();
        let running = caller.world.seats[at].running.borrow().clone();
        let Some(running) = running else {
            caller.pause(10..100).await;
            continue;
        };
        let since = place.unwrap_or_else(|| running.replica.events_kept_after());
        match running.replica.events_since(since) {
            Ok(stream) => {
                drop(running);
                place = follow(&caller, at, stream).await;
            }
            // A gap that is told is none.
            Err(Gone { .. }) => place = None,
        }
    }
}

/// Gives the place to go on from; none if what comes next is gone.
async fn follow(caller: &Caller, at: usize, mut stream: EventStream) -> Option<Revision> {
    let patience = caller.chance.within(200..3_000);
    let until = tokio::time::Instant::now() + std::time::Duration::from_millis(patience);
    let mut seen = vec![Seen::Opened { since: stream.place() }];
    let mut count = 0;
    let place = loop {
        let Ok(ready) = stream.ready(16) else {
            seen.push(Seen::Gone);
            break None;
        };
        let rest = ready.len() < 16;
        for (revision, events) in ready {
            count += 1;
            caller.world.note(&format!("event {revision} at m{}", at + 1));
            let planted = |what| caller.world.planted == Some(what) && count % 7 == 0;
            let shown = Seen::Events { revision, events: events.to_vec() };
            if planted(Planted::WatchRepeats) {
                seen.push(shown.clone());
            }
            if !planted(Planted::WatchSkips) {
                seen.push(shown);
            }
            let mut happened = caller.world.events.borrow_mut();
            happened.entry(revision).or_insert_with(|| events.to_vec());
        }
        if rest {
            seen.push(Seen::Beat { revision: stream.place() });
        }
        match tokio::time::timeout_at(until, stream.changed()).await {
            Ok(Ok(())) => {}
            // He loses patience, or the member stops: he goes on elsewhere.
            Ok(Err(_)) | Err(_) => break Some(stream.place()),
        }
    };
    for violation in violations(&seen, &caller.world.events.borrow()) {
        caller.world.violation(format!("{violation}, at member {}", at + 1));
    }
    place
}
