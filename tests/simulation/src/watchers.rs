//! Watchers of events (W1). Decides what a watcher must see: revisions that rise, each once, the same events
//! as every other watcher, and no revision passed over unless it was told or came with a snapshot.

use crate::{caller::Caller, planted::Planted};
use tradewind_domain::{control::Event, ids::Revision};
use tradewind_replication::{Events, EventsError};

/// Follows the events of one member after another until the run finishes.
pub(crate) async fn run(caller: Caller) {
    while !caller.world.finishing.get() {
        caller.anybody();
        let at = caller.target();
        let running = caller.world.seats[at].running.borrow().clone();
        match running {
            Some(running) => {
                let events = running.replica.subscribe_events();
                let (from, _) = running.replica.machine_at();
                drop(running);
                follow(&caller, at, from, events).await;
            }
            None => caller.pause(10..100).await,
        }
    }
}

async fn follow(caller: &Caller, at: usize, from: Revision, mut events: Events) {
    let mut last = from;
    let patience = caller.chance.within(200..3_000);
    let until = tokio::time::Instant::now() + std::time::Duration::from_millis(patience);
    let mut seen = 0;
    loop {
        let next = tokio::time::timeout_at(until, events.next()).await;
        let (revision, events) = match next {
            Ok(Ok(next)) => next,
            // A gap that is told is none.
            Ok(Err(EventsError::Missed { .. } | EventsError::Stopped)) | Err(_) => return,
        };
        seen += 1;
        let skips = caller.world.planted == Some(Planted::WatchSkips) && seen % 7 == 0;
        let repeats = caller.world.planted == Some(Planted::WatchRepeats) && seen % 7 == 0;
        for _ in 0..if skips { 0 } else { 1 + usize::from(repeats) } {
            take(caller, at, &mut last, from, revision, &events);
        }
    }
}

fn take(
    caller: &Caller,
    at: usize,
    last: &mut Revision,
    from: Revision,
    revision: Revision,
    events: &[Event],
) {
    let world = &caller.world;
    // Published before the watcher looked where the state is: told, but not required.
    if revision <= from {
        return;
    }
    if revision <= *last {
        world.violation(format!("W1: revision {revision} after {last} at member {}", at + 1));
    }
    if events.iter().any(|event| event.revision != revision) {
        world.violation(format!("W1: revision {revision} holds another one's events"));
    }
    let shown = format!("{events:?}");
    let mut all = world.events.borrow_mut();
    let between = last.0 + 1..revision.0;
    let skipped: Vec<u64> = if between.is_empty() {
        Vec::new()
    } else {
        all.range(between).map(|(revision, _)| *revision).collect()
    };
    let first = all.entry(revision.0).or_insert_with(|| shown.clone()).clone();
    drop(all);
    if first != shown {
        world.violation(format!("W1: revision {revision} was {first}, is {shown}"));
    }
    if !skipped.is_empty() && !world.seats[at].installed_since(*last) {
        world.violation(format!("W1: {skipped:?} passed over at member {}", at + 1));
    }
    world.note(&format!("event {revision} at m{}", at + 1));
    *last = revision;
}
