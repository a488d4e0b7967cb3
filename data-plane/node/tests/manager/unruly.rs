//! Claims about services that do not behave, and about a Manager that is killed again and again.

use crate::world::{World, alive, eventually, kill, running};
use std::{collections::BTreeMap, fs};
use tradewind_domain::control::handed_back::{Exit, Failure};
use tradewind_protocol::supervision::{ServiceReport, ServiceState};

/// So many KiB of memory more are no leak, whatever the allocator keeps: with 10,000 services four KiB of each would be one.
const GROWTH_KIB: u64 = 32 << 10;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test]
async fn one_that_crashes_again_and_again_is_handed_back_and_tried_at_once_under_another_right() {
    // given
    let mut world = World::start().await;
    // when
    world.want(&["crashes"]);
    // then
    let ended = Failure::Ended { exit: Exit::Code(7) };
    world
        .until("the leader hears that it is handed back", |w| {
            w.leader.report("broker.crashes.0").is_some_and(|r| r.handed_back == Some(ended))
        })
        .await;
    world
        .until("it is tried again where it is", |w| w.report("crashes").unwrap().crashes >= 5)
        .await;
    let (status, text) = world.get("/readyz?verbose").await;
    assert_eq!(status, 200, "{text}");
    assert!(text.contains("1 services are handed back"), "{text}");
    // when: the leader gives it anew
    world.epoch += 1;
    world.want(&["crashes"]);
    // then: what was, is forgotten
    world
        .until("it is tried as if for the first time", |w| {
            w.report("crashes").is_some_and(|r| r.crashes < 5)
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn its_last_words_can_be_read_at_its_manager_also_when_it_runs_there_no_more() {
    let mut world = World::start().await;
    world.want(&["crashes"]);
    world.until("it has crashed", |w| w.report("crashes").is_some_and(|r| r.crashes >= 1)).await;
    let logs = "/v1/services/broker.crashes.0/logs?lines=1";
    let (status, text) = world.get(logs).await;
    assert_eq!((status, text.as_str()), (200, "its venue is on fire\n"));
    world.want(&[]);
    world.until("it is gone", |w| w.report("crashes").is_none()).await;
    assert_eq!(world.get(logs).await.1, "its venue is on fire\n");
    let (status, _) = world.get("/v1/services/broker.unheard.0/logs").await;
    assert_eq!(status, 404);
    let (status, _) = world.get("/v1/services/broker.crashes.0/logs?of=algo").await;
    assert_eq!(status, 400);
    let (status, _) = world.get("/v1/services/broker.crashes.0/logs?lines=10001").await;
    assert_eq!(status, 400);
    world.stop().await;
}

#[tokio::test]
async fn killed_before_its_check_in_it_is_started_again() {
    let mut world = World::start().await;
    world.want(&["mute"]);
    world.until("it runs", |w| w.report("mute").is_some_and(|r| r.pid.is_some())).await;
    let first = world.report("mute").unwrap();
    assert_eq!(first.state, ServiceState::Starting);
    kill(first.pid.unwrap());
    world
        .until("another runs", |w| {
            w.report("mute").is_some_and(|r| r.pid.is_some() && r.pid != first.pid)
        })
        .await;
    assert_eq!(running(&world.state_dir()), ["broker.mute.0"]);
    world.stop().await;
}

#[tokio::test]
async fn killed_between_its_check_in_and_its_pipe_it_is_started_again() {
    let mut world = World::start().await;
    world.want(&["homeless"]);
    world
        .until("it has checked in", |w| w.report("homeless").is_some_and(|r| r.address.is_some()))
        .await;
    let first = world.report("homeless").unwrap();
    kill(first.pid.unwrap());
    world
        .until("another has checked in", |w| {
            w.report("homeless").is_some_and(|r| r.address.is_some() && r.pid != first.pid)
        })
        .await;
    assert!(world.report("homeless").unwrap().incarnation > first.incarnation);
    assert_eq!(running(&world.state_dir()), ["broker.homeless.0"]);
    world.stop().await;
}

#[tokio::test]
async fn one_that_checks_in_and_is_not_where_it_said_is_killed() {
    let mut world = World::start().await;
    world.want(&["homeless"]);
    world
        .until("it counts as crashed", |w| w.report("homeless").is_some_and(|r| r.crashes >= 1))
        .await;
    world.stop().await;
}

#[tokio::test]
async fn killed_while_it_is_stopping_it_is_gone_and_not_started_again() {
    let mut world = World::start().await;
    world.want(&["stubborn"]);
    let report = world.until_live("stubborn").await;
    world.want(&[]);
    world
        .until("it stops", |w| {
            w.report("stubborn").is_some_and(|r| r.state == ServiceState::Stopping)
        })
        .await;
    kill(report.pid.unwrap());
    world.until("it is gone", |w| w.report("stubborn").is_none()).await;
    assert!(running(&world.state_dir()).is_empty());
    world.stop().await;
}

#[tokio::test]
async fn one_that_checks_in_twice_is_the_same_one_where_it_said_last() {
    let mut world = World::start().await;
    world.want(&["twice"]);
    let report = world.until_live("twice").await;
    assert_ne!(report.address.as_deref(), Some("127.0.0.1:1"));
    assert_eq!(report.crashes, 0);
    assert_eq!(running(&world.state_dir()), ["broker.twice.0"]);
    let (_, text) = world.get("/v1/services/broker.twice.0/logs").await;
    assert!(text.contains("first: 200"), "{text}");
    world.stop().await;
}

#[tokio::test]
async fn one_that_lies_about_itself_is_refused_counted_and_killed_and_others_are_as_they_were() {
    let mut world = World::start().await;
    world.want(&["good", "liar"]);
    let good = world.until_live("good").await;
    world.until("it counts as crashed", |w| w.report("liar").is_some_and(|r| r.crashes >= 1)).await;
    let (_, text) = world.get("/v1/services/broker.liar.0/logs").await;
    assert!(text.contains("as another: 401"), "{text}");
    assert!(text.contains("as another process: 401"), "{text}");
    let now = world.report("good").unwrap();
    assert_eq!((now.pid, &now.address), (good.pid, &good.address));
    let (_, figures) = world.get("/metrics").await;
    let counted = figures.lines().find_map(|line| {
        line.strip_prefix("tradewind_manager_check_ins_refused_total ")?.parse::<f64>().ok()
    });
    assert!(counted.is_some_and(|count| count >= 2.0), "{figures}");
    world.stop().await;
}

#[tokio::test]
async fn one_that_floods_its_pipe_holds_up_nobody() {
    // given
    let mut world = World::start().await;
    world.want(&["flood"]);
    let flood = world.until_live("flood").await;
    // when, then: another starts, the leader hears of both, and the lease holds
    world.want(&["flood", "good"]);
    world.until_live("good").await;
    world
        .until("the leader hears of the other", |w| {
            w.leader.heard_of("broker.good.0") == Some(ServiceState::Live)
        })
        .await;
    world.until_status("lease_holds", true).await;
    assert_eq!(world.report("flood").unwrap().pid, flood.pid, "it was killed for it");
    world.want(&["good"]);
    world.until("it stops when it is asked", |w| w.report("flood").is_none()).await;
    assert!(!alive(flood.pid.unwrap()));
    world.stop().await;
}

#[tokio::test]
async fn a_full_disk_for_logs_ends_nobody_and_keeps_nobody_from_starting() {
    // given: logs that cannot be written, and one that cannot even be opened
    let mut world = World::start().await;
    let logs = world.state_dir().join("logs");
    fs::create_dir_all(&logs).unwrap();
    std::os::unix::fs::symlink("/dev/full", logs.join("broker.good.0.log")).unwrap();
    fs::create_dir(logs.join("broker.other.0.log")).unwrap();
    // when
    world.want(&["good", "other"]);
    // then
    let good = world.until_live("good").await;
    world.until_live("other").await;
    kill(good.pid.unwrap());
    world
        .until("it is started again", |w| {
            w.report("good").is_some_and(|r| r.state == ServiceState::Live && r.pid != good.pid)
        })
        .await;
    world.until_status("lease_holds", true).await;
    world.stop().await;
}

/// `TRADEWIND_RESTARTS` for more.
#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_is_killed_again_and_again_under_load_loses_and_doubles_nothing() {
    // given
    let mut world = World::start().await;
    let names: Vec<String> = (0..12).map(|n| format!("good-{n}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    world.want(&all);
    let mut pids = BTreeMap::new();
    for name in &all {
        pids.insert(name.to_string(), world.until_live(name).await.pid.unwrap());
    }
    let restarts = number("TRADEWIND_RESTARTS", 50);
    for round in 0..restarts {
        // when: some are killed while nobody looks after them, and the wish changes
        world.crash().await;
        let victim = all[round % all.len()];
        if round % 3 == 0 {
            kill(pids[victim]);
        }
        world.epoch += 1;
        world.start_again().await;
        world.want(&all);
        // then
        for name in &all {
            let pid = world.until_live(name).await.pid.unwrap();
            let died = round % 3 == 0 && *name == victim;
            assert_eq!(pid == pids[*name], !died, "{name} in round {round}");
            pids.insert(name.to_string(), pid);
        }
        let mut expected: Vec<String> = all.iter().map(|name| format!("broker.{name}.0")).collect();
        expected.sort();
        assert_eq!(running(&world.state_dir()), expected, "in round {round}");
    }
    let dir = world.state_dir();
    world.stop().await;
    eventually("nothing is left", || running(&dir).is_empty()).await;
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn zombies() -> usize {
    let own = format!(" Z {} ", std::process::id());
    let stats = fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats.filter(|stat| stat.rsplit(')').next().unwrap_or_default().starts_with(&own)).count()
}

/// What this process, and so the Manager in it, has in memory.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test]
async fn the_checkers_see_a_descriptor_a_service_that_is_there_twice_a_zombie_and_memory() {
    let dir = tempfile::tempdir().unwrap();
    let before = descriptors();
    let file = fs::File::create(dir.path().join("x")).unwrap();
    assert_eq!(descriptors(), before + 1);
    drop(file);
    let before = resident_kib();
    let held = vec![1_u8; 2 * 1_024 * usize::try_from(GROWTH_KIB).unwrap()];
    assert!(resident_kib() > before + GROWTH_KIB, "{} bytes are not seen", held.len());
    drop(held);
    let start = || {
        let mut sleep = std::process::Command::new("sleep");
        sleep.arg("100").env("TRADEWIND_SERVICE", "broker.x.0");
        sleep.env("TRADEWIND_STATE_DIR", dir.path().join("services/broker.x.0"));
        sleep.spawn().unwrap()
    };
    let mut both = [start(), start()];
    // Between its fork and its exec a process has the environment of its parent.
    eventually("both are seen", || running(dir.path()) == ["broker.x.0", "broker.x.0"]).await;
    both[0].kill().unwrap();
    eventually("a zombie is seen", || zombies() == 1).await;
    assert_eq!(running(dir.path()), ["broker.x.0"], "a zombie counts as running");
    both[1].kill().unwrap();
    for child in &mut both {
        child.wait().unwrap();
    }
    assert_eq!(zombies(), 0);
}

/// `TRADEWIND_ROUNDS=10000` for the long run: so many services, twenty at a time. Every other twenty check in, have their pipes and
/// are live before they are stopped; the others are stopped while they start.
#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_started_and_stopped_leave_no_descriptor_no_zombie_and_no_memory() {
    // given
    let mut world = World::start().await;
    let kinds: [Vec<String>; 2] =
        ["good", "idle"].map(|kind| (0..20).map(|n| format!("{kind}-{n}")).collect());
    let rounds = number("TRADEWIND_ROUNDS", 200).div_ceil(kinds[0].len());
    let (mut least, mut first_kib) = (usize::MAX, None);
    for round in 0..rounds {
        // when
        let names = &kinds[round % 2];
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        world.want(&all);
        let is_there = |report: ServiceReport| match round % 2 {
            0 => report.state == ServiceState::Live,
            _ => report.pid.is_some(),
        };
        let are_there = |w: &World| all.iter().all(|name| w.report(name).is_some_and(is_there));
        world.until("all are there", are_there).await;
        world.want(&[]);
        world.until("none is left", |w| all.iter().all(|name| w.report(name).is_none())).await;
        // then: the first round opens what stays open; connections that have just ended are still there for a moment
        least = least.min(descriptors());
        first_kib.get_or_insert_with(resident_kib);
        assert_eq!(zombies(), 0, "after round {round}");
    }
    eventually("no descriptor is left", || descriptors() <= least + 2).await;
    let grown = resident_kib().saturating_sub(first_kib.unwrap());
    assert!(grown < GROWTH_KIB, "{grown} KiB of memory are left of {rounds} rounds");
    assert!(running(&world.state_dir()).is_empty());
    world.stop().await;
}
