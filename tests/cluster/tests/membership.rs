//! Members that come and go while writes go on: nothing that was acknowledged is lost. The commands are
//! those of `docs/runbooks/replace-a-member.md` and `docs/runbooks/grow-and-shrink.md`.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::time::UnixNanos;
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::control::{Changed, PutRegister, RegisterAnswer};
use tradewind_tests_cluster::{
    eventually,
    members::{Members, SOON},
};

const WRITERS: usize = 4;

fn now() -> UnixNanos {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap())
}

/// Each writer swaps his own register from one number to the next: a write lost or done twice breaks the
/// chain at once.
struct Load {
    client: ControlClient,
    writers: JoinSet<Written>,
    stop: Arc<AtomicBool>,
}

struct Written {
    writer: usize,
    acknowledged: u64,
    /// The longest time between two answers.
    pause: Duration,
}

impl Load {
    fn start(members: &Members) -> Self {
        let client = ControlClient::new(members.addresses(), Rest::default());
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(count_up(client.clone(), writer, stop.clone()));
        }
        Self { client, writers, stop }
    }

    /// Ends the load and compares what was acknowledged with what is there.
    async fn check(mut self, what: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut total, mut pause) = (0, Duration::ZERO);
        while let Some(written) = self.writers.join_next().await {
            let Written { writer, acknowledged, pause: longest } = written.unwrap();
            let read: RegisterAnswer =
                self.client.read(&format!("/v1/registers/load-{writer}"), SOON).await.unwrap();
            assert_eq!(read.register.unwrap().value, acknowledged.to_string(), "writer {writer}");
            assert!(acknowledged > 20, "writer {writer} wrote {acknowledged} times: no load");
            total += acknowledged;
            pause = pause.max(longest);
        }
        println!("{what}: {total} writes acknowledged, none lost; longest pause {pause:?}");
    }
}

async fn count_up(client: ControlClient, writer: usize, stop: Arc<AtomicBool>) -> Written {
    let keys = KeySource::new(format!("load-{writer}").parse().unwrap(), Arc::new(now));
    let path = format!("/v1/registers/load-{writer}");
    let (mut n, mut pause) = (0_u64, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let (body, path) = match n {
            0 => (PutRegister { value: "1".to_owned(), expected: None }, path.clone()),
            n => {
                let expected = Some(n.to_string());
                (PutRegister { value: (n + 1).to_string(), expected }, format!("{path}/cas"))
            }
        };
        let method = if n == 0 { Method::PUT } else { Method::POST };
        let (key, began) = (keys.next(), Instant::now());
        // Repeated under its key until it is answered: unknown is not an end.
        let answer: Answer<Changed> = client.change(method, &path, &body, &key, SOON).await;
        assert!(matches!(answer, Answer::Accepted(_)), "writer {writer} at {n}: {answer:?}");
        pause = pause.max(began.elapsed());
        n += 1;
    }
    Written { writer, acknowledged: n, pause }
}

/// Commands wait for processes; the writers run meanwhile on the runtime's other threads.
fn apart<T>(act: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(act)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_group_grows_to_five_and_shrinks_to_three_under_load() {
    let mut members = apart(Members::three);
    let load = Load::start(&members);
    // grow
    apart(|| {
        members.does(&["voters", "5"]);
        members.join("fourth");
        members.join("fifth");
        members.await_voters(&[1, 2, 3, 4, 5]);
    });
    // shrink: the leader goes first
    let gone = apart(|| {
        members.does(&["voters", "3"]);
        let leader = members.leader().unwrap();
        let names = ["1", "2", "3", "fourth", "fifth"];
        let number = leader.to_string();
        members.does(&["remove", &number]);
        members.refused(&["remove", &number], 3);
        let name = names[usize::try_from(leader).unwrap() - 1];
        assert_eq!(members.ends(name), Some(1), "{}", members.said(name));
        assert!(
            members.said(name).contains("was removed from the group"),
            "{}",
            members.said(name)
        );
        let next = (1..=5).rev().find(|node| *node != leader).unwrap();
        members.does(&["remove", &next.to_string()]);
        let rest: Vec<u64> = (1..=5).filter(|node| ![leader, next].contains(node)).collect();
        members.await_voters(&rest);
        name
    });
    // a removed member does not come back
    apart(|| {
        members.start(gone);
        assert_eq!(members.ends(gone), Some(1));
        assert!(members.said(gone).contains("move"), "{}", members.said(gone));
        // and a number is not given again
        members.join("sixth");
        eventually("the sixth is a learner", SOON, || members.nodes("learner") == [6]);
    });
    load.check("3 -> 5 -> 3").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_wiped_member_is_refused_and_replaced_by_a_new_one_under_load() {
    let mut members = apart(Members::three);
    let load = Load::start(&members);
    apart(|| {
        let leader = members.leader().unwrap();
        let lost = (1..=3).rev().find(|node| *node != leader).unwrap();
        let (name, number) = (lost.to_string(), lost.to_string());
        members.kill(&name);
        members.wipe(&name);
        // given: started again as if nothing had happened
        members.start(&name);
        assert_eq!(members.ends(&name), Some(1));
        let told = members.said(&name);
        assert!(
            told.contains("known with another disk: remove it and join as a new member")
                || told.contains("remove the member and start it with --join"),
            "{told}"
        );
        // then: as the runbook says
        members.join("new");
        members.does(&["remove", &number]);
        let voters: Vec<u64> = (1..=4).filter(|node| *node != lost).collect();
        members.await_voters(&voters);
        // Crashed and started again it is the same member.
        members.kill("new");
        members.start("new");
        eventually("the new member is back", SOON, || {
            let list = members.list().unwrap_or_default();
            let found = list["members"].as_array().into_iter().flatten().find(|m| m["node"] == 4);
            found.is_some_and(|m| m["lag"].as_u64().is_some_and(|lag| lag < 250))
        });
        members.await_voters(&voters);
    });
    load.check("a wiped member replaced").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_rolling_restart_loses_nothing_and_costs_little() {
    let mut members = apart(Members::three);
    let load = Load::start(&members);
    for name in ["1", "2", "3"] {
        apart(|| {
            members.stop(name);
            members.start(name);
            let node = name.parse::<u64>().unwrap();
            eventually("it is back and has the log", SOON, || {
                let list = members.list().unwrap_or_default();
                let all = list["members"].as_array().into_iter().flatten();
                all.clone().count() == 3
                    && all.clone().all(|m| m["lag"].as_u64().is_some_and(|lag| lag < 250))
                    && all.clone().any(|m| m["node"] == node && !m["version"].is_null())
            });
        });
    }
    // A hand-over asked for, there and back.
    apart(|| {
        for to in ["1", "2"] {
            members.does(&["transfer", to]);
            eventually("it leads", SOON, || members.leader() == to.parse().ok());
        }
        members.refused(&["transfer", "9"], 3);
    });
    load.check("rolling restart and two hand-overs").await;
}

#[test]
fn a_removal_without_a_quorum_and_a_hand_over_to_the_dead_are_refused_with_the_numbers() {
    let mut members = Members::three();
    let leader = members.leader().unwrap();
    let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    members.kill(&others[0].to_string());
    let number = others[1].to_string();
    eventually("the silence is noticed", SOON, || {
        let list = members.list().unwrap_or_default();
        let mut all = list["members"].as_array().into_iter().flatten();
        all.any(|m| m["heard_ms"].as_u64().is_some_and(|age| age > 1_000))
    });
    let told = members.refused(&["remove", &number], 4);
    assert!(told.contains("2 voters must answer and 1 do"), "{told}");
    // Nor is leadership handed to it.
    let told = members.refused(&["transfer", &others[0].to_string()], 4);
    assert!(told.contains(&format!("node {} has not answered for", others[0])), "{told}");
    // The dead one may go.
    members.does(&["remove", &others[0].to_string()]);
}
