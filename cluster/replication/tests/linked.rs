//! A program that links this crate as a library: what holds only if the linker plays its part.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, net::TcpListener, sync::Arc};
use tradewind_domain::{
    ids::{DiskId, NodeId},
    time::UnixNanos,
};
use tradewind_replication::{Member, Options, Replica, Snapshots, Timing};

/// A member refuses to start where a flush of sled does not reach `fdatasync`.
#[tokio::test]
async fn a_member_starts_where_sleds_flush_is_ours() {
    let home = tempfile::tempdir().unwrap();
    let peer_listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer_address = peer_listener.local_addr().unwrap();
    let options = Options {
        node: NodeId(1),
        cluster: "linked".to_owned(),
        state_dir: home.path().join("member"),
        new_disk: DiskId(1),
        peer_listener: peer_listener.into(),
        timing: Timing::default(),
        snapshots: Snapshots::default(),
        environment: Default::default(),
    };
    let replica = Replica::start(options, Arc::new(|| UnixNanos(1))).await.unwrap();
    let member = Member { peer_address, api_address: String::new(), disk: None };
    replica.initialize(BTreeMap::from([(NodeId(1), member)])).await.unwrap();
    let mut status = replica.watch_status();
    status.wait_for(|status| status.leader == Some(NodeId(1))).await.unwrap();
    replica.shutdown().await;
}
