//! Leaders come and go, and no Manager notices: none is taken for down, none fences itself, none gets another
//! epoch. `TRADEWIND_LEADER_CHANGES` asks for more changes than the gate has time for.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};
use tradewind_protocol::control::{Health, ManagerStatus};
use tradewind_tests_cluster::{asked, eventually_async, site::Site};

const SOON: Duration = Duration::from_secs(30);

fn epochs(managers: &[ManagerStatus]) -> Vec<(String, u64)> {
    managers.iter().map(|manager| (manager.manager.to_string(), manager.epoch.0)).collect()
}

/// Half of the changes are hand-overs; for the others the leader is stopped for longer than an election takes, and
/// wakes to find another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_often_the_leader_changes_no_manager_is_taken_for_down_or_fences_itself() {
    let changes = asked("TRADEWIND_LEADER_CHANGES", 30);
    let mut site = Site::of(3).await;
    let before = site.status().await.unwrap();
    let (mut term, mut seen) = (before.stand.term, 0);
    while seen < changes {
        let leader = site.group.leader().await;
        if seen % 2 == 0 {
            hand_over(&site, leader).await;
        } else {
            stop_for_a_while(&mut site, leader, term).await;
        }
        let newer = async || site.status().await.is_some_and(|now| now.stand.term > term);
        eventually_async("there is another reign", SOON, newer).await;
        let status = site.status().await.unwrap();
        assert!(
            status.managers.iter().all(|manager| manager.health != Health::Down),
            "after {seen} changes: {:?}",
            status.managers
        );
        (term, seen) = (status.stand.term, seen + 1);
    }
    let after = site.status().await.unwrap();
    assert_eq!(epochs(&after.managers), epochs(&before.managers), "no other registration");
    assert_eq!(site.fences().await, [0, 0, 0], "no lease ran out");
}

/// `TRADEWIND_OUTAGE_SECONDS` asks for a longer one than the gate has time for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_all_members_gone_for_a_while_what_runs_runs_on_and_everything_is_found_again() {
    // given
    let mut site = Site::of(2).await;
    site.does(&["customer", "put", "acme"], &[]);
    site.does(&["trader", "put", "t", "--customer", "acme"], &["sleep", "86400"]);
    let placed = async || site.manager_of("acme").await.is_some();
    eventually_async("the customer has a place", SOON, placed).await;
    let holder = site.manager_of("acme").await;
    let at = site.nodes.iter().position(|node| Some(&node.manager) == holder.as_ref()).unwrap();
    let live = Some(vec!["live".to_owned()]);
    let runs = async || site.services(at).await == live;
    eventually_async("his Trader runs", SOON, runs).await;
    let (before, copy) = (site.status().await.unwrap(), site.pids(at).await);
    // when
    for node in [1, 2, 3] {
        site.group.member(node).kill();
    }
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(asked("TRADEWIND_OUTAGE_SECONDS", 5)) {
        assert_eq!(site.pids(at).await, copy, "after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for node in [1, 2, 3] {
        site.group.spawn(node);
    }
    // then
    site.eventually("all are well", |managers| {
        managers.iter().all(|manager| manager.health == Health::Well)
    })
    .await;
    let after = site.status().await.unwrap();
    assert_eq!(epochs(&after.managers), epochs(&before.managers), "no other registration");
    assert_eq!(after.customers, before.customers);
    assert_eq!(site.pids(at).await, copy, "the very same copy");
}

async fn hand_over(site: &Site, leader: u64) {
    let address = site.group.addresses()[usize::try_from(leader).unwrap() - 1].clone();
    let to = leader % 3 + 1;
    let binary = tradewind_tests_cluster::binary();
    let to = to.to_string();
    let words = ["member", "transfer", &to, "--addr", &address];
    // Refused when another leads by now: then that is the change.
    let _ = tokio::process::Command::new(binary).args(words).output().await.unwrap();
}

async fn stop_for_a_while(site: &mut Site, leader: u64, term: u64) {
    let pid = site.group.member(leader).pid();
    tradewind_tests_cluster::send(pid, rustix::process::Signal::STOP);
    let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    let elected = async || {
        for node in &others {
            let stand: Option<serde_json::Value> =
                site.group.told_by(*node, "/v1/status?consistency=stale").await;
            let new = stand.is_some_and(|stand| stand["term"].as_u64() > Some(term));
            if new {
                return true;
            }
        }
        false
    };
    eventually_async("the others have a leader of their own", SOON, elected).await;
    tradewind_tests_cluster::send(pid, rustix::process::Signal::CONT);
}
