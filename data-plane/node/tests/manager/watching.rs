//! Claims about what a Manager and its services tell of themselves, and how long their words are kept.

use crate::{
    watcher::Watcher,
    world::{World, eventually},
};
use futures_util::{SinkExt as _, StreamExt as _};
use std::{fs, time::Duration};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::Message;
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{
    Code, events::CLOSE_BAD_FRAME, managers::StatusFrame, supervision::ServiceState,
};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_watcher_is_told_the_whole_status_then_each_change_and_a_beat_while_nothing_changes() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    // when
    let mut watcher = Watcher::start(&world).await;
    // then
    assert_eq!(watcher.state("broker.good.0"), Some(ServiceState::Live));
    // when
    world.want(&["good", "other"]);
    // then: every state it went through
    watcher
        .until("the other lives", |w| w.state("broker.other.0") == Some(ServiceState::Live))
        .await;
    assert_eq!(watcher.states("broker.other.0")[0], ServiceState::Starting);
    // when
    world.want(&["other"]);
    watcher.until("the first is gone", |w| w.state("broker.good.0").is_none()).await;
    // then
    assert_eq!(watcher.states("broker.good.0").last(), Some(&ServiceState::Stopping));
    let mut beats = 0;
    while beats < 2 {
        beats += u32::from(matches!(watcher.next().await, StatusFrame::Beat { .. }));
    }
    // when: it says something
    watcher.socket.send(Message::text("hello")).await.unwrap();
    // then
    let problem = loop {
        if let StatusFrame::End { problem } = watcher.next().await {
            break problem;
        }
    };
    assert_eq!(problem.code, Code::MalformedRequest);
    let close = timeout(PATIENCE, watcher.socket.next()).await.unwrap().unwrap().unwrap();
    let Message::Close(Some(close)) = close else { panic!("{close:?}") };
    assert_eq!(u16::from(close.code), CLOSE_BAD_FRAME);
    world.stop().await;
}

#[tokio::test]
async fn the_leaders_coming_and_going_is_told() {
    let world = World::start().await;
    world.until_status("lease_holds", true).await;
    let mut watcher = Watcher::start(&world).await;
    let mut until_lease = async |holds| loop {
        if let StatusFrame::Standing { standing } = watcher.next().await
            && standing.lease_holds == holds
        {
            return standing;
        }
    };
    world.leader.answer_beats(false);
    let without = until_lease(false).await;
    assert_eq!(without.fences, 1);
    world.leader.answer_beats(true);
    let with = until_lease(true).await;
    assert_eq!(with.leader.as_deref(), Some("infrastructure-manager.1"));
    world.stop().await;
}

/// Reads what comes on a connection until the words are there.
async fn until_said(stream: &mut TcpStream, words: &str) -> String {
    let (mut text, mut piece) = (String::new(), [0_u8; 4_096]);
    let read = async {
        while !text.contains(words) {
            let bytes = stream.read(&mut piece).await.unwrap();
            assert!(bytes > 0, "it ended after {text}");
            text.push_str(&String::from_utf8_lossy(&piece[..bytes]));
        }
    };
    assert!(timeout(PATIENCE, read).await.is_ok(), "{words} was not said");
    text
}

#[tokio::test]
async fn a_log_is_followed_from_its_last_lines_on() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    let path = world.state_dir().join("logs/broker.good.0.log");
    fs::write(&path, "one\ntwo\nthree\n").unwrap();
    // when
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    let ask = "GET /v1/services/broker.good.0/logs?lines=2&follow=true HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    // then
    let begin = until_said(&mut stream, "three\n").await;
    assert!(begin.contains("two\n") && !begin.contains("one\n"), "{begin}");
    // when
    fs::write(&path, "one\ntwo\nthree\nfour\n").unwrap();
    // then
    until_said(&mut stream, "four\n").await;
    world.stop().await;
}

#[tokio::test]
async fn logs_of_services_that_are_gone_are_removed_after_their_time_and_those_of_others_are_not() {
    // given: one that runs, one that has gone a moment ago, and one that has for long, with an algo
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    world.crash().await;
    let home = world.state_dir();
    let file = |name: &str| home.join(name);
    let week = std::time::SystemTime::now() - tradewind_node::limits::GONE_LOGS_FOR;
    let files = [
        ("logs/broker.good.0.log", true),
        ("logs/broker.recent.0.log", false),
        ("logs/trader.old.log", true),
        ("logs/trader.old.log.1", true),
        ("services/trader.old/algo.log", true),
        ("services/trader.old/incarnation", true),
        ("logs/a stranger", true),
    ];
    for (name, old) in files {
        fs::create_dir_all(file(name).parent().unwrap()).unwrap();
        fs::write(file(name), "words\n").unwrap();
        if old {
            fs::File::options().write(true).open(file(name)).unwrap().set_modified(week).unwrap();
        }
    }
    // when
    world.start_again().await;
    // then
    let gone = || files[2..5].iter().all(|(name, _)| !file(name).exists());
    eventually("the old ones are gone", gone).await;
    for (name, _) in files.iter().take(2).chain(&files[5..]) {
        assert!(file(name).exists(), "{name} was removed");
    }
    world.stop().await;
}

pub(crate) async fn ready(address: &str) -> serde_json::Value {
    let (rest, none) = (Rest::default(), None::<&()>);
    let asked = rest.request(Method::GET, address, "/readyz?verbose", &[], none, PATIENCE).await;
    let (_, value): (u16, serde_json::Value) = asked.unwrap();
    value
}

pub(crate) fn says(ready: &serde_json::Value, name: &str) -> bool {
    let checks = ready["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == name).unwrap()["ok"] == true
}

pub(crate) async fn until_confirmed(address: &str, confirmed: bool) {
    let until = async {
        while says(&ready(address).await, "confirmed") != confirmed {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, until).await.is_ok(), "confirmed did not become {confirmed}");
}

#[tokio::test]
async fn a_service_is_fenced_without_a_leader_behind_its_manager_or_without_one_and_runs_on() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    let address = good.address.clone().unwrap();
    until_confirmed(&address, true).await;
    // when: the leader no longer answers
    world.leader.answer_beats(false);
    // then
    until_confirmed(&address, false).await;
    let told = ready(&address).await;
    assert!(told["ready"] == true && says(&told, "manager") && says(&told, "state"), "{told}");
    world.leader.answer_beats(true);
    until_confirmed(&address, true).await;
    // when: the Manager dies
    world.crash().await;
    until_confirmed(&address, false).await;
    assert!(!says(&ready(&address).await, "manager"));
    // and is there again, without a leader
    world.leader.answer_beats(false);
    world.start_again().await;
    let again = world.until_live("good").await;
    assert_eq!(again.pid, good.pid);
    assert!(!says(&ready(&address).await, "confirmed"), "taken over is not confirmed");
    world.leader.answer_beats(true);
    until_confirmed(&address, true).await;
    // and it tells its figures
    let (headers, body) = (Default::default(), Default::default());
    let raw = Rest::default().raw(Method::GET, &address, "/metrics", headers, body, PATIENCE).await;
    let figures = String::from_utf8(raw.unwrap().2.to_vec()).unwrap();
    assert!(figures.contains("tradewind_service_fences_total 2"), "{figures}");
    assert!(figures.contains("tradewind_service_confirmed 1"), "{figures}");
    world.stop().await;
}

#[tokio::test]
async fn figures_of_a_manager_have_no_names_of_services_in_them() {
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    let (status, figures) = world.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(figures.contains("tradewind_manager_services{state=\"live\"} 1"), "{figures}");
    assert!(figures.contains("tradewind_manager_services{state=\"waiting\"} 0"), "{figures}");
    assert!(figures.contains("tradewind_manager_services_started_total 1"), "{figures}");
    assert!(figures.contains("tradewind_build_info{version="), "{figures}");
    assert!(!figures.contains("good"), "{figures}");
    world.stop().await;
}

#[tokio::test]
async fn what_services_take_of_the_machine_is_told_with_their_beats_and_shown_as_their_manager_likes()
 {
    let mut world = World::start().await;
    world.want(&["good", "fine"]);
    world.until_live("good").await;
    world.until_live("fine").await;
    let deadline = std::time::Instant::now() + PATIENCE;
    while !world.get("/metrics").await.1.contains("tradewind_manager_loads_told 2") {
        assert!(std::time::Instant::now() < deadline, "{}", world.get("/metrics").await.1);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn more_services_than_one_address_may_have_elsewhere_reach_their_manager_at_a_time() {
    let world = World::start().await;
    let mut open = Vec::new();
    for _ in 0..2 * tradewind_domain::limits::CONNECTIONS_PER_ADDRESS {
        open.push(TcpStream::connect(world.address()).await.unwrap());
    }
    let asked = Rest::default()
        .request::<(), serde_json::Value>(
            Method::GET,
            &world.address(),
            "/v1/status",
            &[],
            None,
            PATIENCE,
        )
        .await;
    assert_eq!(asked.unwrap().0, 200);
}
