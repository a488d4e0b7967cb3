//! Who is not a member is told so, and is listened to no further.
#![allow(clippy::unwrap_used)]

use super::world::{World, eventually, is_stopped};
use crate::limits::{PEER_CONNECTIONS_MAX, UNKNOWN_CALLERS_MAX};
use crate::network::{
    Lane,
    handshake::{Answer, Hello, VERSIONS, read_answer, read_hello, send_answer, send_hello},
    life::Life,
    standing::Notice,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
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
        life: Life::Unknown,
    }
}

async fn greet(world: &World, hello: &Hello) -> (TcpStream, Result<u16, String>) {
    let address = world.members[&NodeId(1)].peer_address;
    let mut stream = TcpStream::connect(address).await.unwrap();
    send_hello(&mut stream, hello).await.unwrap();
    let verdict = read_answer(&mut stream).await.unwrap().verdict;
    (stream, verdict.map_err(|notice| notice.reason))
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
    assert_eq!(greet(&world, &hello("test")).await.1, Ok(VERSIONS.1));
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
        assert_eq!(verdict, Ok(VERSIONS.1));
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
        assert_eq!(verdict, Ok(VERSIONS.1));
        lost.push(stream);
    }
    // when
    let (mut latest, verdict) = greet(&world, &hello("test")).await;
    // then
    assert_eq!(verdict, Ok(VERSIONS.1));
    assert!(hung_up(&mut lost[0]).await);
    assert!(timeout(Duration::from_millis(200), latest.read_u8()).await.is_err());
    // Another lane is another connection.
    let (mut other, _) = greet(&world, &Hello { lane: Lane::Append, ..hello("test") }).await;
    assert!(timeout(Duration::from_millis(200), latest.read_u8()).await.is_err());
    assert!(timeout(Duration::from_millis(200), other.read_u8()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_say_nothing_keep_no_member_out() {
    let world = World::serving(1).await;
    let address = world.members[&NodeId(1)].peer_address;
    let mut silent = Vec::new();
    for _ in 0..2 * PEER_CONNECTIONS_MAX {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    // when: a member calls while all of them hang on
    let asked = timeout(Duration::from_millis(1_500), greet(&world, &hello("test"))).await;
    // then
    assert_eq!(asked.unwrap().1, Ok(VERSIONS.1));
    assert!(hung_up(&mut silent[0]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_claims_to_know_another_disk_stops_nobody() {
    let world = World::serving(3).await;
    let told = Hello { expected: Some(DiskId(77)), ..hello("test") };
    for _ in 0..3 {
        let (_, verdict) = greet(&world, &told).await;
        assert!(verdict.unwrap_err().contains("known with another disk"));
    }
    let mut status = world.running[&NodeId(1)].watch_status();
    let stopped = timeout(Duration::from_secs(1), status.wait_for(is_stopped)).await;
    assert!(stopped.is_err(), "it stopped on a stranger's word");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_word_of_removal_from_whoever_has_a_members_address_is_not_believed() {
    // given: a follower, and in the place of the other one somebody who tells everybody that he was removed
    let mut world = World::serving(3).await;
    let follower = world.follower().await;
    let leader = world.leader().await.node();
    let other = [1, 2, 3].map(NodeId).into_iter().find(|n| ![leader, follower.node()].contains(n));
    let other = other.unwrap();
    world.stop(other).await;
    let door = TcpListener::bind(world.members[&other].peer_address).await.unwrap();
    let told = Arc::new(AtomicU64::new(0));
    let (asking, counting) = (follower.node().0, told.clone());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = door.accept().await.unwrap();
            let Ok(hello) = read_hello(&mut stream).await else { continue };
            let verdict = Err(Notice::removed(hello.from));
            let (disk, life) = (DiskId(u128::from(other.0)), Life::Unknown);
            let answer = Answer { disk, life, lease: Duration::from_millis(150), verdict };
            let _ = send_answer(&mut stream, &hello, &answer).await;
            counting.fetch_add(u64::from(hello.from == asking), Ordering::SeqCst);
        }
    });
    // when: it has said so several times
    eventually("it was told", || {
        (told.load(Ordering::SeqCst) >= 4 || is_stopped(&follower.status())).then_some(())
    })
    .await;
    // then
    assert!(!is_stopped(&follower.status()), "{:?}", follower.status().failure);
    world.put("r", "acknowledged by both").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_are_nobodys_fill_their_own_places_only() {
    let world = World::serving(1).await;
    let mut welcome = Vec::new();
    for from in 100..100 + UNKNOWN_CALLERS_MAX as u64 {
        let (stream, verdict) = greet(&world, &Hello { from, ..hello("test") }).await;
        assert_eq!(verdict, Ok(VERSIONS.1));
        welcome.push(stream);
    }
    let full = greet(&world, &hello("test")).await.1.unwrap_err();
    assert!(full.contains("numbers that are no member's, 9 among them"), "{full}");
    // One that lets go makes room.
    welcome.pop();
    let deadline = Instant::now() + Duration::from_secs(5);
    while greet(&world, &hello("test")).await.1.is_err() {
        assert!(Instant::now() < deadline, "no place was given back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_calls_nothing_is_shown_out_and_a_quiet_group_keeps_its_connections() {
    let mut world = World::of(3);
    world.timing.peer_idle = Duration::from_millis(600);
    world.start_all().await;
    world.form().await;
    world.put("r", "1").await;
    let leader = world.leader().await.node();
    let follower = world.running[&world.follower().await.node()].clone();
    eventually("appends have come", || (follower.peer_connections()["append"] >= 1).then_some(()))
        .await;
    // when
    let begun = Instant::now();
    let (mut idle, verdict) = greet(&world, &hello("test")).await;
    // then
    assert_eq!(verdict, Ok(VERSIONS.1));
    assert!(hung_up(&mut idle).await);
    assert!(begun.elapsed() >= world.timing.peer_idle);
    while begun.elapsed() < world.timing.peer_idle * 3 {
        // An append of a leader that has nothing to write comes on this connection only to keep it.
        assert!(follower.peer_connections()["append"] >= 1, "the connection was given up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.leader().await.node(), leader);
}
