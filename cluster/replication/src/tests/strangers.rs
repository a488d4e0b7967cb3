//! Who is not a member is told so, and is listened to no further.
#![allow(clippy::unwrap_used)]

use super::world::{World, eventually};
use crate::limits::PEER_CONNECTIONS_MAX;
use crate::network::{
    Lane,
    handshake::{Hello, VERSIONS, read_verdict, send_hello},
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tradewind_domain::ids::{DiskId, NodeId};

fn hello(cluster: &str) -> Hello {
    Hello {
        versions: VERSIONS,
        lane: Lane::Control,
        from: 9,
        to: 1,
        cluster: cluster.to_owned(),
        disk: DiskId(9),
        expected: None,
    }
}

async fn greet(world: &World, hello: &Hello) -> (TcpStream, Result<u16, String>) {
    let address = world.members[&NodeId(1)].peer_address;
    let mut stream = TcpStream::connect(address).await.unwrap();
    send_hello(&mut stream, hello).await.unwrap();
    let verdict = read_verdict(&mut stream).await.unwrap();
    (stream, verdict.map(|welcome| welcome.version).map_err(|notice| notice.reason))
}

/// The peer has hung up: an end or a reset, but soon.
async fn hung_up(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_from_another_cluster_is_refused_and_told_why() {
    let world = World::serving(1).await;
    let (mut stream, verdict) = greet(&world, &hello("other")).await;
    assert_eq!(verdict, Err("this is cluster test, not other".to_owned()));
    assert!(hung_up(&mut stream).await);
    assert_eq!(greet(&world, &hello("test")).await.1, Ok(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_another_cluster_cannot_be_led_or_voted_for() {
    // Two worlds under different names; the second takes the first's member for its own.
    let first = World::serving(1).await;
    let mut second = World::of(1);
    second.start_all().await;
    let mut members = second.members.clone();
    let address = first.members[&NodeId(1)].clone();
    members.insert(NodeId(2), address);
    second.running[&NodeId(1)].initialize(members).await.unwrap();
    let candidate = &second.running[&NodeId(1)];
    eventually("a campaign", || (candidate.status().term > 0).then_some(())).await;
    assert!(!candidate.confirmed_leader());
    let leader = first.leader().await;
    assert_eq!(leader.status().voters.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_ends_the_connection_and_nothing_else() {
    let world = World::serving(1).await;
    let address = world.members[&NodeId(1)].peer_address;
    let mut http = TcpStream::connect(address).await.unwrap();
    http.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    assert!(hung_up(&mut http).await);

    let frames: [&[u8]; 3] = [
        &[0xff; 16],
        &[0, 0, 0, 1, 0],
        // A frame of a right length whose body is none of ours.
        &[0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4],
    ];
    for noise in frames {
        let (mut stream, verdict) = greet(&world, &hello("test")).await;
        assert_eq!(verdict, Ok(2));
        stream.write_all(noise).await.unwrap();
        assert!(hung_up(&mut stream).await, "{noise:?}");
    }
    world.put("r", "served all the same").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_calls_anew_ends_its_old_connection_so_that_lost_ones_never_fill_the_door() {
    let world = World::serving(1).await;
    // given: connections whose peer lost its power or its network: nobody ever hears of their end
    let mut lost = Vec::new();
    for _ in 0..PEER_CONNECTIONS_MAX {
        let (stream, verdict) = greet(&world, &hello("test")).await;
        assert_eq!(verdict, Ok(2));
        lost.push(stream);
    }
    // when
    let (mut latest, verdict) = greet(&world, &hello("test")).await;
    // then
    assert_eq!(verdict, Ok(2));
    assert!(hung_up(&mut lost[0]).await);
    assert!(timeout(Duration::from_millis(200), latest.read_u8()).await.is_err());
    // Another lane is another connection.
    let (mut other, _) = greet(&world, &Hello { lane: Lane::Append, ..hello("test") }).await;
    assert!(timeout(Duration::from_millis(200), latest.read_u8()).await.is_err());
    assert!(timeout(Duration::from_millis(200), other.read_u8()).await.is_err());
}
