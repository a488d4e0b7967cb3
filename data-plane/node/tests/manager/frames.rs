//! Claims about what services put on their pipes: more than is taken of them, and what is no message. Whoever runs beside them
//! notices nothing.

use crate::{
    ticker::Ticker,
    watcher::Watcher,
    world::{World, eventually},
};
use std::{
    fs,
    time::{Duration, Instant},
};
use tradewind_domain::limits::BEAT_EVERY;
use tradewind_node::limits::MESSAGES_A_BEAT;
use tradewind_protocol::supervision::ServiceState;

/// Many times as long as words of one service are counted together.
const A_WHILE: Duration = Duration::from_secs(2);

/// It was live all the time; where the machine stood still its pipe may have been lost.
fn stays_live(watcher: &Watcher, service: &str, ticker: &Ticker) -> bool {
    watcher.states(service).iter().all(|state| match state {
        ServiceState::Live => true,
        ServiceState::Connecting => ticker.stood_still(),
        _ => false,
    })
}

#[tokio::test]
async fn of_one_that_floods_its_pipe_only_so_much_is_taken_and_its_neighbour_stays_live() {
    // given: each of its words is another one, and each that is taken is told
    let ticker = Ticker::start();
    let mut world = World::start().await;
    world.want(&["flood", "good"]);
    let flood = world.until_live("flood").await;
    let good = world.until_live("good").await;
    // when
    let began = Instant::now();
    let mut watcher = Watcher::start(&world).await;
    let allowed = usize::try_from(MESSAGES_A_BEAT).unwrap();
    let words = |w: &Watcher| w.reports["broker.flood.0"].len();
    let floods = |w: &Watcher| began.elapsed() >= A_WHILE && words(w) > allowed;
    watcher.until("it was watched for a while, and floods", floods).await;
    // then
    let told = words(&watcher);
    // The first and the last of the times in which so many are allowed are not whole.
    let times = began.elapsed().as_millis() / BEAT_EVERY.as_millis() + 2;
    let most = usize::try_from(times).unwrap() * allowed;
    assert!(told <= most, "{told} words were taken, at most {most} may be");
    assert!(stays_live(&watcher, "broker.good.0", &ticker));
    let now = world.report("good").unwrap();
    assert_eq!((now.pid, now.crashes), (good.pid, 0));
    assert_eq!(world.report("flood").unwrap().pid, flood.pid, "it was killed for it");
    world.stop().await;
}

#[tokio::test]
async fn what_is_no_message_ends_its_pipe_as_often_as_it_is_said_and_the_neighbour_stays_live() {
    // given
    let ticker = Ticker::start();
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await;
    let mut watcher = Watcher::start(&world).await;
    // when: on each of their pipes one says a beat that is too large, one a beat in binary, one half a beat
    let unruly = ["too-large", "binary", "no-json"];
    world.want(&["good", "too-large", "binary", "no-json"]);
    // then
    for account in unruly {
        let service = format!("broker.{account}.0");
        let says = |w: &Watcher| {
            let report = w.report(&service);
            report.is_some_and(|r| r.detail.contains("sent a frame that is not a message"))
        };
        watcher.until("it is said why there is no pipe", says).await;
        let log = world.state_dir().join(format!("logs/{service}.log"));
        let opened = || fs::read_to_string(&log).unwrap().matches("a pipe").count();
        eventually("its pipe is opened again and again", || opened() > 3).await;
    }
    world.until_status("lease_holds", true).await;
    // when
    world.want(&["good"]);
    let gone = |w: &Watcher| unruly.iter().all(|a| w.report(&format!("broker.{a}.0")).is_none());
    watcher.until("they are gone", gone).await;
    // then
    for account in unruly {
        let states = watcher.states(&format!("broker.{account}.0"));
        assert!(!states.contains(&ServiceState::Live), "{account}: {states:?}");
    }
    assert!(stays_live(&watcher, "broker.good.0", &ticker));
    let now = world.report("good").unwrap();
    assert_eq!((now.pid, now.crashes), (good.pid, 0));
    world.stop().await;
}
