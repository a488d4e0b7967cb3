//! Traders that their customers run themselves, beside a running cluster: of two copies one trades (T1), and an algo trades on
//! whatever becomes of its TraderManager, with nothing doubled or lost by the venue's own ledger (O1, O2, O3).
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tradewind_domain::trading::invariants::check;
use tradewind_tests_cluster::{
    Demo, binary,
    copies::{Line, accepted_beside, newest, read, refused_beside},
    eventually,
    saw::{Saw, saw, truth},
    send,
};

const PATIENCE: Duration = Duration::from_secs(60);
const STEADY: &str = env!("CARGO_BIN_EXE_steady_algo");
const TRADER: &str = "own";

fn run(demo: &Demo, words: &[&str]) -> Output {
    let members = demo.members().join(",");
    Command::new(binary()).args(words).args(["--addr", &members]).output().unwrap()
}

fn does(demo: &Demo, words: &[&str]) -> String {
    let output = run(demo, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The Trader as operators see it; null while nobody leads.
fn shown(demo: &Demo) -> Value {
    let told = run(demo, &["trader", "get", TRADER, "-o", "json"]).stdout;
    serde_json::from_slice(&told).unwrap_or_default()
}

fn shows(demo: &Demo, state: &str, words: &str) -> bool {
    let shown = shown(demo);
    shown["now"]["state"] == state
        && shown["now"]["detail"].as_str().is_some_and(|detail| detail.contains(words))
}

fn home(demo: &Demo) -> String {
    shown(demo)["assignment"]["manager"].as_str().unwrap_or_default().to_owned()
}

fn process(demo: &Demo, manager: &str) -> u32 {
    let implementation = manager.split('.').next().unwrap();
    let is_it = |pid: &u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').any(|word| word == implementation)
    };
    demo.processes_of("trader-manager").into_iter().find(is_it).unwrap()
}

/// A program of the customer's on his own machine. Killed when dropped.
struct Own(Child);

impl Own {
    fn start(demo: &Demo, program: &Path, words: &[&str], variable: (&str, &Path)) -> Self {
        let child = Command::new(program)
            .args(words)
            .env("TRADEWIND_INFRASTRUCTURE", demo.members().join(","))
            .env("TRADEWIND_API_KEY", "guest-key")
            .env("TRADEWIND_TRADER", TRADER)
            .env(variable.0, variable.1)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn steady(demo: &Demo) -> Self {
        Self::start(demo, Path::new(STEADY), &[], ("STEADY_FILE", &steady_file(demo)))
    }

    /// The sample algo, whose history is judged.
    fn sample(demo: &Demo) -> Self {
        Self::start(demo, &binary(), &["sample-algo"], ("TRADEWIND_HISTORY", &history(demo)))
    }

    fn ends(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn steady_file(demo: &Demo) -> PathBuf {
    demo.data.path().join("steady.jsonl")
}

fn history(demo: &Demo) -> PathBuf {
    demo.data.path().join("own.jsonl")
}

fn lines(demo: &Demo) -> Vec<Line> {
    read(&steady_file(demo))
}

fn fills(demo: &Demo) -> usize {
    let text = std::fs::read_to_string(history(demo)).unwrap_or_default();
    text.lines().filter(|line| line.contains(r#""f":"fill""#)).count()
}

fn trades_on(demo: &Demo) {
    let before = fills(demo);
    eventually("it trades on", PATIENCE, || fills(demo) > before + 3);
}

/// A Trader of the customer who trades beside the demo, without a command.
fn put(demo: &Demo) {
    does(demo, &["trader", "put", TRADER, "--customer", "guest"]);
    eventually("it is away", PATIENCE, || shows(demo, "away", "not attached"));
}

/// Ends the algo in order, and holds what it saw against what the venue says.
async fn judge(demo: &Demo, mut algo: Own) {
    send(algo.0.id(), Signal::TERM);
    eventually("the algo winds down", PATIENCE, || algo.ends());
    let Saw { view, errors, lives, .. } = saw(&history(demo));
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(lives.len(), 1);
    let truth = truth(&view, "guest", &[(&demo.venue(), "sim-2")]).await;
    let found = check(&view, &truth);
    assert!(found.none(), "{found:?}");
    assert!(!truth.fills.is_empty());
}

#[test]
fn a_second_copy_takes_over_and_of_the_first_nothing_is_accepted_any_more() {
    let demo = Demo::trading();
    put(&demo);
    let _first = Own::steady(&demo);
    eventually("the first trades", PATIENCE, || newest(&lines(&demo), TRADER) > 0);
    let before = newest(&lines(&demo), TRADER);
    eventually("it is seen", PATIENCE, || shows(&demo, "live", "attached from 127.0.0.1"));
    // when
    let _second = Own::steady(&demo);
    // then
    eventually("the second trades", PATIENCE, || newest(&lines(&demo), TRADER) > before);
    eventually("the first has tried", PATIENCE, || refused_beside(&lines(&demo), TRADER) > 20);
    assert_eq!(accepted_beside(&lines(&demo), TRADER), []);
    assert_eq!(shown(&demo)["attached"]["epoch"], newest(&lines(&demo), TRADER));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_trader_manager_killed_it_trades_on_and_is_attached_at_the_next() {
    let demo = Demo::trading();
    put(&demo);
    let algo = Own::sample(&demo);
    trades_on(&demo);
    eventually("it is seen", PATIENCE, || shows(&demo, "live", "attached"));
    let (from, epoch) = (home(&demo), shown(&demo)["attached"]["epoch"].clone());
    // when
    send(process(&demo, &from), Signal::KILL);
    // then
    trades_on(&demo);
    eventually("it is attached at the next", PATIENCE, || {
        home(&demo) != from && shows(&demo, "live", "attached")
    });
    assert_eq!(shown(&demo)["attached"]["epoch"], epoch, "the same copy under the same right");
    trades_on(&demo);
    judge(&demo, algo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drained_away_and_moved_its_customer_takes_it_along_while_it_trades() {
    let demo = Demo::trading();
    put(&demo);
    let algo = Own::sample(&demo);
    trades_on(&demo);
    eventually("it is seen", PATIENCE, || shows(&demo, "live", "attached"));
    let from = home(&demo);
    // when: its TraderManager is emptied
    does(&demo, &["drain", &from, "--why", "an upgrade", "--drop", "never"]);
    // then
    eventually("it is attached at the next", PATIENCE, || {
        home(&demo) != from && shows(&demo, "live", "attached")
    });
    trades_on(&demo);
    judge(&demo, algo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_control_plane_it_trades_on_and_a_new_copy_waits() {
    let demo = Demo::trading();
    put(&demo);
    let mut algo = Own::sample(&demo);
    trades_on(&demo);
    eventually("it is seen", PATIENCE, || shows(&demo, "live", "attached"));
    let before = shown(&demo)["attached"]["epoch"].as_u64().unwrap();
    // when
    let members = demo.processes_of("infra");
    assert_eq!(members.len(), 3);
    members.iter().for_each(|member| send(*member, Signal::STOP));
    let mut new = Own::steady(&demo);
    // then
    trades_on(&demo);
    trades_on(&demo);
    assert_eq!(newest(&lines(&demo), TRADER), 0, "nobody could give it a right");
    assert!(!algo.ends());
    // when
    members.iter().for_each(|member| send(*member, Signal::CONT));
    if new.ends() {
        // It has given up: nobody answered for too long.
        new = Own::steady(&demo);
    }
    // then: the new copy takes over, and the first one winds down by itself
    eventually("the new copy trades", PATIENCE, || newest(&lines(&demo), TRADER) > before);
    eventually("the first ends", PATIENCE, || algo.ends());
    drop(new);
}

#[test]
fn its_operator_pauses_and_stops_it_and_a_key_that_is_revoked_ends_it() {
    let demo = Demo::trading();
    put(&demo);
    let mut algo = Own::sample(&demo);
    trades_on(&demo);
    does(&demo, &["trader", "pause", TRADER, "--why", "a holiday"]);
    eventually("it is shown as paused", PATIENCE, || shows(&demo, "paused", "told to pause"));
    does(&demo, &["trader", "resume", TRADER]);
    eventually("it is live", PATIENCE, || shows(&demo, "live", "attached"));
    // when
    does(&demo, &["trader", "stop", TRADER, "--why", "enough"]);
    // then: it winds down and ends, and none is let in
    eventually("it ends", PATIENCE, || algo.ends());
    eventually("it is stopped", PATIENCE, || shown(&demo)["now"]["state"] == "stopped");
    let mut late = Own::sample(&demo);
    eventually("another one is not let in", PATIENCE, || late.ends());
    // when
    does(&demo, &["trader", "start", TRADER]);
    let mut next = Own::sample(&demo);
    trades_on(&demo);
    let keys: Value =
        serde_json::from_str(&does(&demo, &["key", "ls", "guest", "-o", "json"])).unwrap();
    let key = keys[0]["key_id"].as_str().unwrap().to_owned();
    does(&demo, &["key", "rm", "guest", &key]);
    // then
    eventually("it ends with its key", PATIENCE, || next.ends());
}

#[test]
fn beside_a_demo_that_somebody_watches_a_self_managed_trader_is_seen_and_can_be_stopped() {
    // given
    let demo = Demo::start(&["--data", "{data}"], Stdio::null(), Stdio::null());
    let shown = || {
        if !demo.data.path().join("ports.json").exists() {
            return Value::Null;
        }
        let told = run(&demo, &["trader", "get", "own", "-o", "json"]).stdout;
        serde_json::from_slice::<Value>(&told).unwrap_or_default()
    };
    // then
    eventually("it says what it sees", PATIENCE, || {
        let now = &shown()["now"];
        let says = now["detail"].as_str().unwrap_or_default();
        now["state"] == "live" && says.contains("quotes, bid ") && !says.contains("bid nothing")
    });
    // when
    does(&demo, &["trader", "stop", "own"]);
    eventually("it is stopped", PATIENCE, || shown()["now"]["state"] == "stopped");
    demo.signal(Signal::INT);
    demo.ends_and_leaves_nothing();
}
