//! Claims about whole members: three in one process, real sockets and disks. What they share stands in
//! `tests/group.rs` and `tests/manager.rs`.

#![allow(clippy::unwrap_used)]

mod attached;
mod braked;
mod changes;
mod dialled;
mod doors;
mod drains;
mod group;
mod leadership;
mod levels;
mod manager;
mod managers;
mod members;
mod openapi;
mod placed;
mod provisioned;
mod reads;
mod rebalance;
mod repeated;
mod resources;
mod sessions;
mod told;
mod watching;
mod writes;

use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Waits until `condition` holds; fails with `what` after `within`.
async fn eventually<F: Future<Output = bool>>(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> F,
) {
    let deadline = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
