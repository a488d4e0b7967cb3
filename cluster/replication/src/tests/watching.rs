//! Watching over members that come and go: W1 on real replicas, checked by `domain`'s checker.
#![allow(clippy::unwrap_used)]

use super::world::{PATIENCE, World, eventually, put};
use crate::{EventsError, Gone, Replica, Snapshots};
use std::collections::BTreeMap;
use tokio::time::timeout;
use tradewind_domain::{
    control::{
        Command, Event, Request,
        watch::{Seen, violations},
    },
    ids::{NodeId, Revision},
};

/// A request whose entry has an event.
fn tell(n: u64) -> Request {
    let mut request = put("r", "1");
    let (api_address, public_key) = ("a".to_owned(), n.to_string());
    request.command = Command::PutMember { node: NodeId(1), api_address, public_key };
    request
}

/// What happened, as one who was there from the beginning and read in time was shown it.
async fn happened(replica: &Replica, until: Revision) -> BTreeMap<Revision, Vec<Event>> {
    let mut stream = replica.events_since(Revision(0)).unwrap();
    let mut all = BTreeMap::new();
    while stream.place() < until {
        let ready = stream.ready(64).unwrap();
        all.extend(ready.into_iter().map(|(revision, events)| (revision, events.to_vec())));
        if stream.place() < until {
            stream.changed().await.unwrap();
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_goes_on_at_another_member_after_each_entry_sees_each_once_and_in_order() {
    let world = World::serving(3).await;
    let replicas: Vec<_> = world.running.values().cloned().collect();
    let mut seen = vec![];
    let (mut place, mut last) = (Revision(0), Revision(0));
    for n in 0..60_u64 {
        last = world.propose(if n % 3 == 0 { put("r", "1") } else { tell(n) }).await.revision;
        // By then at least three entries with events have come since the last visit.
        if n % 5 != 4 {
            continue;
        }
        // The next member may lag behind the place; it waits there.
        let mut stream = replicas[n as usize % 3].events_since(place).unwrap();
        seen.push(Seen::Opened { since: place });
        let (revision, events) = timeout(PATIENCE, stream.next()).await.unwrap().unwrap();
        seen.push(Seen::Events { revision, events: events.to_vec() });
        place = stream.place();
    }
    world.settled().await;
    let mut stream = replicas[0].events_since(place).unwrap();
    seen.push(Seen::Opened { since: place });
    for (revision, events) in stream.ready(1_000).unwrap() {
        seen.push(Seen::Events { revision, events: events.to_vec() });
    }
    seen.push(Seen::Beat { revision: stream.place() });
    let happened = happened(&replicas[1], last).await;
    assert_eq!(happened.len(), 40);
    let found = violations(&seen, &happened);
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_what_is_not_known_any_more_is_gone_and_the_rest_is_shown() {
    let mut world = World::serving(1).await;
    for n in 0..10 {
        world.propose(tell(n)).await;
    }
    let before = world.propose(tell(10)).await.revision;
    world.stop_all().await;
    world.start_all().await;
    let replica = world.leader().await;
    let gone = replica.events_since(Revision(1)).unwrap_err();
    assert!(gone.kept_after >= before, "{gone:?}");
    let mut stream = replica.events_since(gone.kept_after).unwrap();
    let after = world.propose(tell(11)).await.revision;
    assert_eq!(stream.next().await.unwrap().0, after);
    world.stop_all().await;
    assert_eq!(stream.next().await.unwrap_err(), EventsError::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_in_the_place_of_entries_is_told_to_who_watches() {
    let mut world = World::of(3);
    world.snapshots = Snapshots { every: 100, keep_entries: 20 };
    world.start_all().await;
    world.form().await;
    let early = world.propose(tell(0)).await.revision;
    world.settled().await;
    let node = world.follower().await.node();
    world.stop(node).await;
    for n in 1..350 {
        world.propose(tell(n)).await;
    }
    let leader = world.leader().await;
    eventually("the leader to purge", || leader.status().purged.filter(|index| *index > 100)).await;
    world.start(node).await;
    let back = world.running[&node].clone();
    let asked = back.events_since(early);
    world.settled().await;
    let gone = match asked {
        // Asked before the snapshot arrived: the stream itself tells.
        Ok(mut stream) => match timeout(PATIENCE, stream.next()).await.unwrap() {
            Err(EventsError::Gone(gone)) => gone,
            other => panic!("a hole passed over in silence: {other:?}"),
        },
        Err(gone) => gone,
    };
    assert!(gone.kept_after >= Revision(100), "{gone:?}");
    assert_eq!(back.events_since(early).unwrap_err(), Gone { ..gone });
}
