//! A repeated request gets its first answer, whatever has become of the member that gave it.
#![allow(clippy::unwrap_used)]

use super::world::{World, put, value};
use crate::Snapshots;
use std::fs;
use tradewind_domain::ids::NodeId;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_gets_its_first_answer_after_restarts_and_from_a_snapshot() {
    let mut world = World::of(1);
    world.snapshots = Snapshots { every: 50, keep_entries: 10 };
    world.start_all().await;
    world.form().await;
    let request = put("r", "once");
    let first = world.propose(request.clone()).await.outcome;
    for n in 0..120 {
        world.put("r", &n.to_string()).await;
    }
    // Once as it was, once from the snapshot and the journal above it.
    for rebuilt in [false, true] {
        world.stop_all().await;
        if rebuilt {
            fs::remove_dir_all(world.directory(NodeId(1)).join("state")).unwrap();
        }
        world.start_all().await;
        let again = world.propose(request.clone()).await;
        assert_eq!(again.outcome, first, "rebuilt: {rebuilt}");
        let machine = &world.settled().await[0];
        assert_eq!(value(machine, "r").as_deref(), Some("119"), "it was not applied again");
    }
}
