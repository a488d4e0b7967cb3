//! Claims about Traders that their customers run themselves, against a real TraderManager on a real socket. The group is
//! the real machine, played by `group`.

#![allow(clippy::unwrap_used)]

#[path = "attach/algo.rs"]
mod algo;
#[path = "attach/group.rs"]
mod group;
#[path = "../../node/tests/manager/leader.rs"]
mod leader;

use algo::Algo;
use group::{Group, elsewhere, forged, here, token};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tradewind_domain::{
    control::row::TraderWish,
    ids::{Epoch, Incarnation},
    time::UnixNanos,
};
use tradewind_node::manager::{self, Options, Running};
use tradewind_protocol::{
    Code, Problem, Retry,
    attach::{Ended, Misdirected, ToTrader, Wish},
    supervision::{ServiceReport, ServiceState},
    token::claims_unchecked,
};
use tradewind_traders::TraderManager;

const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    group: Group,
    dir: TempDir,
    running: Option<Running<TraderManager>>,
    address: String,
}

impl World {
    /// A TraderManager that acme belongs to.
    async fn start() -> Self {
        let (group, dir) = (Group::start().await, tempfile::tempdir().unwrap());
        let mut world = Self { group, dir, running: None, address: "127.0.0.1:0".to_owned() };
        world.start_again().await;
        let life = world.running.as_ref().unwrap().handle().incarnation();
        world.group.check_in(elsewhere(), "192.0.2.9:4202", Incarnation(1));
        world.group.check_in(here(), &world.address, life);
        world.group.belongs(&here());
        eventually("it is told of its Traders", || world.told("t").is_some()).await;
        world
    }

    async fn start_again(&mut self) {
        let options = Options {
            manager: here(),
            location: "here".parse().unwrap(),
            advertise: None,
            listen: self.address.parse().unwrap(),
            node: None,
            members: vec![self.group.address()],
            state_dir: self.dir.path().join("state"),
            capacity: 10,
            binary: "/bin/false".into(),
        };
        let running = manager::start(options, Arc::new(TraderManager::default())).await.unwrap();
        self.address = running.address().to_string();
        self.running = Some(running);
    }

    async fn dial(&self, whom: &str) -> Result<Algo, Problem> {
        Algo::dial(&self.address, whom, &token("acme", |_| {}).0).await
    }

    /// Once it is let in: the group may have changed a moment ago.
    async fn attaches(&self, whom: &str) -> Algo {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.dial(whom).await {
                Ok(algo) => return algo,
                Err(problem) => {
                    assert!(problem.retry == Retry::After && Instant::now() < until, "{problem}");
                    let wait = problem.retry_after_ms.expect("it says when to come back");
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
        }
    }

    fn told(&self, trader: &str) -> Option<ServiceReport> {
        let service = format!("trader.{trader}").parse().unwrap();
        self.running.as_ref().unwrap().handle().service(&service)
    }

    async fn until(&self, trader: &str, state: ServiceState, words: &str) {
        eventually(words, || {
            self.told(trader).is_some_and(|is| is.state == state && is.detail.contains(words))
        })
        .await;
    }
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_trader_is_attached_once_brokers_refuse_the_copies_before() {
    // given
    let world = World::start().await;
    world.until("t", ServiceState::Away, "not attached since").await;
    // when
    let mut algo = world.attaches("trader=t&copy=one").await;
    // then
    world.until("t", ServiceState::Connecting, "waits for Brokers").await;
    world.group.fences(true);
    let (epoch, access) = algo.attached().await;
    assert_eq!(Some(epoch), world.group.right("t"));
    let claim = claims_unchecked(&access.session_token).and_then(|claims| claims.trader);
    assert_eq!(claim.map(|claim| claim.epoch), Some(epoch));
    world.until("t", ServiceState::Live, "attached from 127.0.0.1:").await;
    algo.beat(Wish::Run, "two orders open").await;
    world.until("t", ServiceState::Live, "; two orders open").await;
    // when: its operator pauses it
    world.group.is_to_be("t", &[], TraderWish::Paused);
    // then
    assert_eq!(algo.next().await, ToTrader::Wished { wish: Wish::Pause });
    algo.beat(Wish::Pause, "").await;
    world.until("t", ServiceState::Paused, "; paused").await;
    world.group.is_to_be("t", &[], TraderWish::Running);
    assert_eq!(algo.next().await, ToTrader::Wished { wish: Wish::Run });
    // when: it has gone
    drop(algo);
    // then: its right stays
    world.until("t", ServiceState::Away, "not attached since").await;
    assert_eq!(world.group.right("t"), Some(epoch));
    let mut again = world.attaches("trader=t&copy=one&again=true").await;
    assert_eq!(again.attached().await.0, epoch);
}

#[tokio::test]
async fn a_second_copy_takes_over_and_the_first_is_told_and_does_not_come_back() {
    let world = World::start().await;
    world.group.fences(true);
    let mut one = world.attaches("trader=t&copy=one").await;
    let (first, _) = one.attached().await;
    // when
    world.group.fences(false);
    let mut two = world.attaches("trader=t&copy=two").await;
    // then: at once, though the second has to wait
    assert_eq!(one.ended().await, (Ended::TakenOver, 4409));
    world.until("t", ServiceState::Connecting, "waits for Brokers").await;
    let refused = world.dial("trader=t&copy=one&again=true").await.err().unwrap();
    assert_eq!((refused.code, refused.status), (Code::StaleTrader, 403));
    world.group.fences(true);
    let (second, _) = two.attached().await;
    assert!(second > first);
    // and: a copy that dials again takes its own place
    let mut again = world.attaches("trader=t&copy=two&again=true").await;
    assert_eq!(again.attached().await.0, second);
    // A Trader of its own is not touched by any of this.
    let mut other = world.attaches("trader=u&copy=one").await;
    assert_ne!(other.attached().await.0, second);
}

#[tokio::test]
async fn while_the_control_plane_is_away_a_copy_comes_back_and_a_new_one_waits() {
    // given
    let mut world = World::start().await;
    world.group.fences(true);
    let mut algo = world.attaches("trader=t&copy=one").await;
    let (epoch, _) = algo.attached().await;
    // when: all members are gone, and the TraderManager is killed and started anew
    let members = world.group.address();
    world.running = None;
    let address = world.address.clone();
    eventually("its port is free", || std::net::TcpListener::bind(&address).is_ok()).await;
    let options = Options {
        manager: here(),
        location: "here".parse().unwrap(),
        advertise: None,
        listen: address.parse().unwrap(),
        node: None,
        members: vec![members],
        state_dir: world.dir.path().join("state"),
        capacity: 10,
        binary: "/bin/false".into(),
    };
    world.group.goes();
    let running = manager::start(options, Arc::new(TraderManager::default())).await.unwrap();
    world.running = Some(running);
    // then: it is let in by what its TraderManager has on disk, and goes on with the token it has
    let mut again = world.dial("trader=t&copy=one&again=true").await.unwrap();
    loop {
        match again.next().await {
            ToTrader::Hello { .. } => {}
            ToTrader::Attached { epoch: same, .. } => break assert_eq!(same, epoch),
            other => panic!("{other:?}"),
        }
    }
    world.until("t", ServiceState::Live, "attached from").await;
    let refused = world.dial("trader=t&copy=two").await.err().unwrap();
    assert_eq!((refused.code, refused.retry), (Code::Unavailable, Retry::After));
}

#[tokio::test]
async fn whoever_comes_to_the_wrong_place_or_without_the_right_is_told_so() {
    let world = World::start().await;
    let refused = async |whom: &str, token: &str| {
        let problem = Algo::dial(&world.address, whom, token).await.err().unwrap();
        (problem.status, problem.code)
    };
    let good = token("acme", |_| {}).0;
    let expired = token("acme", |claims| claims.expires_at = UnixNanos(1)).0;
    let revoked = token("acme", |claims| claims.key_id = Some("gone".to_owned())).0;
    let spawned = token("acme", |claims| claims.key_id = None).0;
    let one = "trader=t&copy=one";
    let unauthorized = (401, Code::Unauthorized);
    assert_eq!(refused(one, &forged()).await, unauthorized);
    assert_eq!(refused(one, &expired).await, unauthorized);
    assert_eq!(refused(one, &revoked).await, unauthorized);
    assert_eq!(refused(one, "nonsense").await, unauthorized);
    assert_eq!(refused("trader=nobody&copy=one", &forged()).await, unauthorized);
    assert_eq!(refused(one, &spawned).await, (403, Code::Forbidden));
    assert_eq!(refused(one, &token("eve", |_| {}).0).await, (404, Code::NotFound));
    assert_eq!(refused("trader=nobody&copy=one", &good).await, (404, Code::NotFound));
    assert_eq!(refused("trader=spawned&copy=one", &good).await, (422, Code::Refused));
    assert_eq!(refused("trader=t", &good).await, (400, Code::MalformedRequest));
    assert_eq!(world.group.right("t"), None, "nobody was given anything");
    // when
    world.group.is_to_be("t", &[], TraderWish::Stopped);
    eventually("it is told", || world.told("t").is_none()).await;
    assert_eq!(refused(one, &good).await, (409, Code::Conflict));
    // when: the customer belongs elsewhere
    world.group.belongs(&elsewhere());
    eventually("it is told", || world.told("u").is_none()).await;
    let told = Algo::asked(&world.address, "trader=u&copy=one", &good).await.err().unwrap();
    let told: Misdirected = serde_json::from_slice(&told).unwrap();
    assert_eq!((told.problem.status, told.problem.code), (421, Code::Misdirected));
    assert_eq!(told.reconnect_to, ["192.0.2.9:4202"]);
    let of_eve = refused("trader=u&copy=one", &token("eve", |_| {}).0).await;
    assert_eq!(of_eve, (404, Code::NotFound), "of another customer nothing is told");
}

#[tokio::test]
async fn one_whose_customer_moves_is_told_where_to_go_and_keeps_its_right() {
    let world = World::start().await;
    world.group.fences(true);
    let mut algo = world.attaches("trader=t&copy=one").await;
    let (epoch, _) = algo.attached().await;
    // when
    world.group.belongs(&elsewhere());
    // then
    let goaway = algo.next().await;
    let to = vec!["192.0.2.9:4202".to_owned()];
    assert!(matches!(goaway, ToTrader::Goaway { reconnect_to, .. } if reconnect_to == to));
    world.until("t", ServiceState::Stopping, "told to leave").await;
    assert_eq!(world.group.right("t"), Some(epoch));
    // when: it does not go
    let code = algo.closed().await;
    // then
    assert_eq!(code, 1001);
    eventually("it is not here any more", || world.told("t").is_none()).await;
}

#[tokio::test]
async fn a_stop_a_deletion_and_a_revoked_key_end_it() {
    let world = World::start().await;
    world.group.fences(true);
    let mut one = world.attaches("trader=t&copy=one").await;
    let mut other = world.attaches("trader=u&copy=one").await;
    let (epoch, _) = one.attached().await;
    other.attached().await;
    // when
    world.group.is_to_be("t", &[], TraderWish::Stopped);
    // then
    assert_eq!(one.ended().await, (Ended::Stopped, 4410));
    assert!(world.group.right("t").is_some_and(|right: Epoch| right > epoch), "not fenced");
    // when
    world.group.revoke();
    assert_eq!(other.ended().await, (Ended::Revoked, 4401));
}

#[tokio::test]
async fn one_that_is_silent_or_sends_what_is_no_message_is_away() {
    let world = World::start().await;
    world.group.fences(true);
    let whom = "trader=t&copy=one";
    let (mut binary, mut large) =
        (world.attaches(whom).await, world.attaches("trader=u&copy=one").await);
    binary.send_bytes(b"no text").await;
    // It has been cut by nobody: the other is another Trader.
    assert_eq!(binary.ended().await, (Ended::Silent, 4400));
    large
        .send(&format!(r#"{{"type":"beat","n":1,"does":"run","says":"{}"}}"#, "x".repeat(257)))
        .await;
    assert_eq!(large.ended().await, (Ended::Silent, 4400));
    let mut unknown = world.attaches(whom).await;
    unknown.send(r#"{"type":"beat","n":1,"does":"run","colour":"red"}"#).await;
    assert_eq!(unknown.ended().await, (Ended::Silent, 4400));
    // when: it says nothing at all
    let mut silent = world.attaches(whom).await;
    assert_eq!(silent.closed_in_silence().await, 4400);
    world.until("t", ServiceState::Away, "no beat came").await;
}

#[tokio::test]
async fn when_the_trader_manager_stops_all_are_told_to_go() {
    let mut world = World::start().await;
    world.group.fences(true);
    let mut algo = world.attaches("trader=t&copy=one").await;
    algo.attached().await;
    // when
    let stopping = tokio::spawn(world.running.take().unwrap().stop());
    // then
    let goaway = algo.next().await;
    assert!(matches!(goaway, ToTrader::Goaway { reconnect_to, .. } if reconnect_to.is_empty()));
    assert_eq!(algo.closed().await, 1001);
    stopping.await.unwrap();
}
