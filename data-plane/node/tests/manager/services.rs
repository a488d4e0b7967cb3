//! Claims about a Manager and its services that do as they are told, and about Managers that crash.

use crate::world::{World, alive, eventually, freeze, kill};
use std::{fs, time::Duration};
use tradewind_domain::ids::Incarnation;
use tradewind_link::rest::{Method, Rest, RestError};
use tradewind_node::process::Process;
use tradewind_protocol::{
    Code,
    check_in::{ServiceCheckIn, ServiceCheckedIn},
    supervision::ServiceState,
};

#[tokio::test]
async fn a_service_is_started_checks_in_gets_its_configuration_and_lives() {
    // given
    let mut world = World::start().await;
    // when
    world.want(&["good"]);
    // then
    let report = world.until_live("good").await;
    assert!(report.detail.contains("epoch 1"), "{}", report.detail);
    assert!(report.address.is_some() && report.incarnation.is_some());
    assert!(alive(report.pid.unwrap()));
    // and a new configuration is told to the same process
    world.epoch += 1;
    world.want(&["good"]);
    let pid = report.pid;
    world
        .until("the new configuration is there", |w| {
            w.report("good").is_some_and(|r| r.detail.contains("epoch 2") && r.pid == pid)
        })
        .await;
    world.stop().await;
    assert!(!alive(pid.unwrap()), "it outlived an orderly stop");
}

#[tokio::test]
async fn beats_tell_the_leader_of_the_services_and_their_answers_keep_the_lease() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    // when, then
    world
        .until("the leader hears of it", |w| {
            w.leader.heard_of("broker.good.0") == Some(ServiceState::Live)
        })
        .await;
    world.until_status("lease_holds", true).await;
    // when
    world.leader.answer_beats(false);
    // then
    world.until_status("lease_holds", false).await;
    world.want(&["good", "other"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.report("other").is_none(), "something new was started without a lease");
    assert_eq!(world.report("good").unwrap().state, ServiceState::Live);
    // when
    world.leader.answer_beats(true);
    // then
    world.until_live("other").await;
    world.stop().await;
}

#[tokio::test]
async fn a_crashed_service_is_started_again_at_once() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let first = world.until_live("good").await;
    // when
    kill(first.pid.unwrap());
    // then
    world
        .until("another process of it lives", |w| {
            w.report("good").is_some_and(|r| {
                r.state == ServiceState::Live && r.pid != first.pid && r.crashes == 1
            })
        })
        .await;
    let second = world.report("good").unwrap();
    assert!(second.incarnation > first.incarnation);
    assert!(!alive(first.pid.unwrap()));
    world.stop().await;
}

#[tokio::test]
async fn one_that_crashes_again_and_again_waits_and_says_why() {
    // given
    let mut world = World::start().await;
    // when
    world.want(&["crashes"]);
    // then
    world
        .until("it waits", |w| {
            w.report("crashes").is_some_and(|r| r.state == ServiceState::Waiting && r.crashes >= 4)
        })
        .await;
    let report = world.report("crashes").unwrap();
    assert!(report.detail.contains("exit status: 7"), "{}", report.detail);
    assert!(report.detail.contains("its venue is on fire"), "{}", report.detail);
    world.stop().await;
}

#[tokio::test]
async fn one_that_ignores_stop_and_sigterm_is_killed() {
    // given
    let mut world = World::start().await;
    world.want(&["stubborn"]);
    let report = world.until_live("stubborn").await;
    // when
    world.want(&[]);
    // then
    world
        .until("it stops", |w| {
            w.report("stubborn").is_some_and(|r| r.state == ServiceState::Stopping)
        })
        .await;
    world.until("it is gone", |w| w.report("stubborn").is_none()).await;
    assert!(!alive(report.pid.unwrap()));
    world.stop().await;
}

#[tokio::test]
async fn one_that_never_checks_in_is_killed() {
    // given
    let mut world = World::start().await;
    // when
    world.want(&["mute"]);
    world.until("it was started", |w| w.report("mute").is_some_and(|r| r.pid.is_some())).await;
    let first = world.report("mute").unwrap().pid.unwrap();
    // then
    world.until("it counts as crashed", |w| w.report("mute").is_some_and(|r| r.crashes == 1)).await;
    assert!(!alive(first));
    world.stop().await;
}

#[tokio::test]
async fn services_outlive_a_crash_of_their_manager_and_are_taken_over() {
    // given
    let mut world = World::start().await;
    world.want(&["good", "unwanted"]);
    let good = world.until_live("good").await;
    let unwanted = world.until_live("unwanted").await;
    // when
    world.crash().await;
    assert!(alive(good.pid.unwrap()));
    world.start_again().await;
    // then: taken over as it is, before any leader has said a word
    let again = world.until_live("good").await;
    assert_eq!((again.pid, again.incarnation), (good.pid, good.incarnation));
    // when
    world.want(&["good"]);
    // then
    world.until("the unwanted one is gone", |w| w.report("unwanted").is_none()).await;
    assert!(!alive(unwanted.pid.unwrap()));
    assert_eq!(world.report("good").unwrap().pid, good.pid);
    // and its end is seen although it is nobody's child
    kill(good.pid.unwrap());
    world
        .until("it is started anew", |w| {
            w.report("good").is_some_and(|r| r.state == ServiceState::Live && r.pid != good.pid)
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn a_process_of_another_program_under_a_recorded_number_is_left_alone() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    world.crash().await;
    kill(good.pid.unwrap());
    eventually("it is gone", || !alive(good.pid.unwrap())).await;
    let mut sleep = std::process::Command::new("sleep");
    sleep.arg("100");
    let mut stranger = Process::spawn(sleep).unwrap();
    let path = world.state_dir().join("services.json");
    let text = fs::read_to_string(&path).unwrap();
    let number = format!("\"pid\":{}", good.pid.unwrap());
    assert!(text.contains(&number));
    fs::write(&path, text.replace(&number, &format!("\"pid\":{}", stranger.pid()))).unwrap();
    // when
    world.start_again().await;
    // then
    let again = world.until_live("good").await;
    assert_ne!(again.pid, good.pid);
    assert!(alive(stranger.pid()), "a stranger was killed");
    stranger.kill().await;
    world.stop().await;
}

#[tokio::test]
async fn a_wrong_check_in_is_refused_without_a_hint() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let report = world.until_live("good").await;
    let ask = |token: &str, pid: u32, service: &str| ServiceCheckIn {
        service: service.parse().unwrap(),
        token: token.to_string(),
        incarnation: Incarnation(u64::MAX),
        pid,
        address: "127.0.0.1:1".to_string(),
    };
    let records = fs::read_to_string(world.state_dir().join("services.json")).unwrap();
    let records: serde_json::Value = serde_json::from_str(&records).unwrap();
    let token = records["broker.good.0"]["token"].as_str().unwrap().to_string();
    let pid = report.pid.unwrap();
    let wrong = [
        ask("0123456789abcdef0123456789abcdef", pid, "broker.good.0"),
        ask(&token, pid + 1, "broker.good.0"),
        ask(&token, pid, "broker.unheard.0"),
    ];
    // when
    let mut told = Vec::new();
    for ask in wrong {
        let address = world.address();
        let answer: Result<(u16, ServiceCheckedIn), _> = Rest::default()
            .request(
                Method::POST,
                &address,
                "/v1/services/check-in",
                &[],
                Some(&ask),
                Duration::from_secs(2),
            )
            .await;
        match answer {
            Err(RestError::Refused(problem)) => told.push(problem),
            other => panic!("{other:?}"),
        }
    }
    // then
    assert!(told.iter().all(|problem| problem.code == Code::Unauthorized && *problem == told[0]));
    assert_eq!(world.report("good").unwrap(), report);
    world.stop().await;
}

#[tokio::test]
async fn a_service_that_nobody_knows_stops_itself() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    // when: the Manager crashes and all it knew is lost
    world.crash().await;
    fs::remove_file(world.state_dir().join("services.json")).unwrap();
    fs::remove_file(world.state_dir().join("desired.json")).unwrap();
    world.start_again().await;
    // then
    eventually("it has stopped", || !alive(good.pid.unwrap())).await;
    world.stop().await;
}

#[tokio::test]
async fn an_older_desired_state_changes_nothing() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    // when
    world.want_as_of(&[], 0);
    // then
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.report("good").unwrap().pid, good.pid);
    world.stop().await;
}

#[tokio::test]
async fn a_manager_gets_into_a_new_life_of_the_cluster_however_often_its_leader_dials() {
    // given: it has a desired state of the last life, and its first check-ins fall into an election
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    world.crash().await;
    world.begin_cluster().await;
    world.leader.elect(true);
    world.epoch = 2;
    world.want(&["good"]);
    world.start_again().await;
    // more often than fits into the first attempt to check in
    world.until("the leader dials again and again", |w| w.leader.dialled() >= 14).await;
    // when
    world.leader.elect(false);
    // then
    world
        .until("the new life's wish counts", |w| {
            w.report("good").is_some_and(|r| r.detail.contains("epoch 2"))
        })
        .await;
    world.stop().await;
}

#[tokio::test]
async fn one_that_hangs_is_killed_and_started_anew() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    // when
    freeze(good.pid.unwrap());
    // then
    world
        .until("another one lives", |w| {
            w.report("good").is_some_and(|r| r.state == ServiceState::Live && r.pid != good.pid)
        })
        .await;
    assert!(!alive(good.pid.unwrap()));
    world.stop().await;
}

#[tokio::test]
async fn two_managers_never_share_a_state_directory() {
    let world = World::start().await;
    let error = world.second_manager().await;
    assert!(error.to_string().contains("another process uses"), "{error}");
    world.stop().await;
}

#[tokio::test]
async fn a_service_asks_its_manager_over_their_pipe_and_also_the_next_life_of_it() {
    // given
    let mut world = World::start().await;
    // when
    world.want(&["asks"]);
    // then
    let answered = |w: &World| {
        w.report("asks").is_some_and(|report| report.detail == "Ok(Connect { left: 4 })")
    };
    world.until("it was answered", answered).await;
    let first = world.report("asks").unwrap();
    // when
    world.crash().await;
    world.start_again().await;
    // then
    let again = |w: &World| answered(w) && w.report("asks").is_some_and(|r| r.pid == first.pid);
    world.until("it is answered again", again).await;
    world.stop().await;
}

#[tokio::test]
async fn an_idle_manager_says_that_nothing_has_changed_and_tells_what_has() {
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    let before = world.leader.still_beats();
    world.until("it says so", |w| w.leader.still_beats() > before + 3).await;
    // the leader still hears of each change
    let good = world.report("good").unwrap();
    kill(good.pid.unwrap());
    world
        .until("the leader hears of the crash", |w| {
            w.leader.report("broker.good.0").is_some_and(|r| r.crashes == 1)
        })
        .await;
    world.stop().await;
}
