//! Claims about processes on record that cannot be taken over. Each runs in a process of its own, which it takes its
//! descriptors from.

use super::*;
use crate::{
    descriptors::tests::{Shortage, alone, sleeping},
    process::is_alive,
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn earlier_life() -> (Process, Record) {
    let process = Process::spawn(sleeping()).unwrap();
    let record = Record {
        process: process.identity().clone(),
        token: TOKEN.to_owned(),
        pipe_token: None,
        fence: fence_of(&configuration(1)),
        incarnation: None,
        address: None,
    };
    (process, record)
}

impl World {
    /// What is answered to a check-in; whatever the keeper tells meanwhile is taken.
    async fn checked_in(&mut self, token: &str, pid: u32) -> Result<ServiceCheckedIn, Problem> {
        let ask = ServiceCheckIn {
            service: "broker.sim-1.0".parse().unwrap(),
            token: token.to_owned(),
            incarnation: Incarnation(1),
            pid,
            // Nobody is there.
            address: "127.0.0.1:1".to_owned(),
        };
        let (answer, mut answered) = oneshot::channel();
        assert!(self.check_ins.send(CheckIn { ask, answer }).await.is_ok());
        loop {
            tokio::select! {
                answer = &mut answered => return answer.unwrap(),
                Some(news) = self.told.recv() => news.kept.send(Ok(())).unwrap(),
            }
        }
    }

    /// Until the keeper tells `state`; what it tells before must be of the process that was on record.
    async fn until_told(&mut self, state: ServiceState) -> News {
        loop {
            let news = self.news().await;
            if news.report.state == state {
                return news;
            }
            assert!(news.record.is_some(), "given up: {:?}", news.report);
            news.kept.send(Ok(())).unwrap();
        }
    }
}

#[test]
fn one_that_cannot_be_looked_at_is_not_given_up_and_no_second_one_is_started() {
    alone(
        module_path!(),
        "one_that_cannot_be_looked_at_is_not_given_up_and_no_second_one_is_started",
        async {
            // given: a Manager that starts where nothing can be opened any more
            let (mut process, record) = earlier_life();
            let (identity, pid) = (process.identity().clone(), process.pid());
            let script = "touch second; exec sleep 100";
            let mut world = World::keeping("broker.sim-1.0", script, Some(record.clone()));
            let shortage = Shortage::leaving(0);
            // when, then: it says why, and goes on looking
            let news = world.until_told(ServiceState::Connecting).await;
            assert_eq!((news.record, news.report.pid), (Some(record), Some(pid)));
            let detail = news.report.detail;
            assert!(detail.contains("cannot be seen: Too many open files"), "{detail}");
            news.kept.send(Ok(())).unwrap();
            // and: the process itself is asked to come again, and nobody else is told that it is there
            let put_off = world.checked_in(TOKEN, pid).await.unwrap_err();
            assert_eq!(put_off.code, Code::Unavailable);
            let wrong = world.checked_in(&TOKEN.replace('0', "1"), pid).await.unwrap_err();
            assert_eq!(wrong.code, Code::Unauthorized);
            // when
            drop(shortage);
            // then
            let until = Instant::now() + PATIENCE;
            while world.checked_in(TOKEN, pid).await.is_err() {
                assert!(Instant::now() < until, "it is not taken over");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(is_alive(&identity).unwrap());
            let dir = world.stop().await;
            assert!(!dir.path().join("second").exists());
            assert!(process.exited().await.0.is_some());
        },
    );
}

#[test]
fn one_that_runs_and_cannot_be_taken_over_is_killed_before_another_starts() {
    alone(
        module_path!(),
        "one_that_runs_and_cannot_be_taken_over_is_killed_before_another_starts",
        async {
            // given: it can be looked at with the one descriptor that is left, and not watched as well
            let (mut process, record) = earlier_life();
            let identity = process.identity().clone();
            let script = format!(
                "kill -0 {} 2>/dev/null && touch doubled; touch second; exec sleep 100",
                identity.pid
            );
            let mut world = World::keeping("broker.sim-1.0", &script, Some(record));
            let shortage = Shortage::leaving(1);
            let ended = tokio::spawn(async move { process.exited().await });
            // when, then
            let news = world.until_told(ServiceState::Connecting).await;
            let detail = &news.report.detail;
            assert!(
                detail.contains("it runs and cannot be taken over: Too many open files"),
                "{detail}"
            );
            assert!(is_alive(&identity).unwrap(), "it was killed at once");
            news.kept.send(Ok(())).unwrap();
            let news = world.until_told(ServiceState::Waiting).await;
            assert_eq!((news.record, news.report.pid), (None, None));
            assert!(news.report.detail.contains("was killed"), "{}", news.report.detail);
            assert_eq!(
                ended.await.unwrap().told(),
                tradewind_domain::control::handed_back::Exit::Signal(9)
            );
            // when
            drop(shortage);
            news.kept.send(Ok(())).unwrap();
            // then
            let second = world.dir.path().join("second");
            let until = Instant::now() + PATIENCE;
            while !second.exists() {
                assert!(Instant::now() < until, "no other one is started");
                let _ = timeout(Duration::from_millis(5), world.told.recv())
                    .await
                    .map(|news| news.map(|news| news.kept.send(Ok(()))));
            }
            let dir = world.stop().await;
            assert!(!dir.path().join("doubled").exists());
        },
    );
}
