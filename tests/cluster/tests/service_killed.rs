//! A Broker, a Market and a Trader that are killed (`kill -9`) at each step of a life: before its check-in, between that and its
//! Manager's pipe, while it stops. Real processes throughout, with an algo that trades through them, and the venue's ledger to judge.
//! A disk that is slow for the number of their life holds them before their check-in.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use tradewind_faulty_disk::FaultyDisk;
use tradewind_launcher::{lies_unread, process_is_alive};
use tradewind_tests_cluster::{
    beside::{BESIDE, Of, TRADED, World},
    eventually, eventually_async, send,
    sharded::SOON,
};

const ALGO: &str = env!("CARGO_BIN_EXE_steady_algo");

/// With the disk of all services.
async fn world() -> (World, FaultyDisk) {
    let disk = FaultyDisk::of(Path::new("/services/")).unwrap();
    let world = World::start(&[ALGO], &|_| disk.environment()).await;
    (world, disk)
}

/// Its process dies, and the next one has not drawn the number of its life, and for so long does not. Gives both.
async fn begins_anew(world: &World, disk: &FaultyDisk, of: Of, held_for_ms: u64) -> [u32; 2] {
    disk.rules(&format!("slow fdatasync {held_for_ms} {}/incarnation", of.1)).unwrap();
    let first = world.pid(of).await;
    send(first, Signal::KILL);
    let another = async || {
        let report = world.report(of).await;
        report["pid"].is_u64() && report["pid"] != first
    };
    eventually_async("another one has begun", SOON, another).await;
    [first, world.pid(of).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_each_kind_that_is_killed_before_its_check_in_is_there_once_and_serves_again() {
    // given
    let (world, disk) = world().await;
    let trading = world.traded.trades();
    for of in TRADED {
        // when: another one has begun, and nothing was heard of it
        let begun = begins_anew(&world, &disk, of, 4_000).await;
        disk.rules("").unwrap();
        let report = world.report(of).await;
        assert_eq!((&report["state"], &report["address"]), (&"starting".into(), &Value::Null));
        send(begun[1], Signal::KILL);
        // then
        world.serves(of, &begun, "after it was killed before its check-in").await;
        trading.goes_on("with another").await;
    }
    // What a Broker has accepted and has not sent when it dies it says.
    assert!(world.traded.judge_all_but_rejected(trading).await <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_each_kind_that_is_killed_between_check_in_and_pipe_is_there_once_and_serves_again()
{
    // given
    let (world, disk) = world().await;
    let (trading, site) = (world.traded.trades(), &world.traded.site);
    for of in TRADED {
        // when: its Manager stands still while it checks in, and it does when its Manager reads that
        let begun = begins_anew(&world, &disk, of, 1_200).await;
        site.stop(of.0);
        disk.rules("").unwrap();
        let manager = site.own(of.0).parse().unwrap();
        eventually("it checks in", SOON, || lies_unread(begun[1], manager));
        send(begun[1], Signal::STOP);
        site.wake(of.0);
        let checked_in = async || world.report(of).await["address"].is_string();
        eventually_async("its Manager knows where it is", SOON, checked_in).await;
        assert_eq!(world.report(of).await["state"], "starting", "and has no pipe to it");
        send(begun[1], Signal::KILL);
        // then
        world.serves(of, &begun, "after it was killed before its pipe").await;
        trading.goes_on("with another").await;
    }
    assert!(world.traded.judge_all_but_rejected(trading).await <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_each_kind_that_is_killed_while_it_stops_is_gone_until_it_is_wanted_again() {
    // given
    let (world, _disk) = world().await;
    let trading = world.traded.trades();
    for of in BESIDE {
        // when: it stands still, so that it does not end although it is asked to
        let pid = world.pid(of).await;
        send(pid, Signal::STOP);
        world.remove(of);
        let stops = async || world.report(of).await["state"] == "stopping";
        eventually_async("it is to stop", SOON, stops).await;
        assert!(process_is_alive(pid));
        send(pid, Signal::KILL);
        // then
        let gone = async || world.report(of).await.is_null() && world.is_whole(of, &[pid]).await;
        eventually_async(&format!("nothing of {of:?} is left"), SOON, gone).await;
        trading.goes_on("without it").await;
        assert!(gone().await, "it came back");
        // when
        world.declare(of);
        // then
        world.serves(of, &[pid], "when it is wanted again").await;
    }
    world.traded.judge(trading).await;
}
