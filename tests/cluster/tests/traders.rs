//! Traders of a running cluster, as an operator has them run: how they are run, paused and moved, and that of one
//! Trader two copies are never accepted at a time (T1), with all of a customer's on one TraderManager (A1).
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Command, Output},
    time::Duration,
};
use tradewind_tests_cluster::{
    Demo, binary,
    copies::{Line, accepted_beside, newest, read, refused_beside},
    eventually, send,
};

const PATIENCE: Duration = Duration::from_secs(60);
const ALGO: &str = env!("CARGO_BIN_EXE_steady_algo");

fn run(demo: &Demo, words: &[&str], command: &[&str]) -> Output {
    let members = demo.members().join(",");
    let mut asked = Command::new(binary());
    asked.args(words).args(["--addr", &members]);
    if !command.is_empty() {
        asked.arg("--").args(command);
    }
    asked.output().unwrap()
}

fn does(demo: &Demo, words: &[&str], command: &[&str]) -> String {
    let output = run(demo, words, command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn file(demo: &Demo) -> PathBuf {
    demo.data.path().join("steady.jsonl")
}

fn lines(demo: &Demo) -> Vec<Line> {
    read(&file(demo))
}

/// A Trader of the customer who trades beside the demo.
fn put(demo: &Demo, trader: &str) {
    let env = format!("STEADY_FILE={}", file(demo).display());
    does(demo, &["trader", "put", trader, "--customer", "guest", "--env", &env], &[ALGO]);
}

fn trades(demo: &Demo, trader: &str) {
    eventually("it trades", PATIENCE, || newest(&lines(demo), trader) > 0);
}

/// Those of the customer, with the TraderManager each is with.
fn placed(demo: &Demo) -> Vec<(String, String)> {
    let told = does(demo, &["trader", "ls", "--customer", "guest", "-o", "json"], &[]);
    let told: Vec<Value> = serde_json::from_str(&told).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    told.iter().map(|row| (text(&row["trader"]), text(&row["assignment"]["manager"]))).collect()
}

/// The one TraderManager that all of them are with.
fn home(demo: &Demo) -> String {
    let managers: BTreeSet<String> = placed(demo).into_iter().map(|(_, with)| with).collect();
    assert_eq!(managers.len(), 1, "{managers:?}");
    managers.into_iter().next().unwrap()
}

fn process(demo: &Demo, manager: &str) -> u32 {
    let implementation = manager.split('.').next().unwrap();
    let is_it = |pid: &u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0').any(|word| word == implementation)
    };
    demo.processes_of("trader-manager").into_iter().find(is_it).unwrap()
}

/// Two Traders of one customer, and what is done to the TraderManager that has them.
fn moves(signal: Signal) {
    // given
    let demo = Demo::trading();
    let all = ["steady-1", "steady-2"];
    all.iter().for_each(|trader| put(&demo, trader));
    all.iter().for_each(|trader| trades(&demo, trader));
    let before: Vec<u64> = all.iter().map(|trader| newest(&lines(&demo), trader)).collect();
    let from = home(&demo);
    let manager = process(&demo, &from);
    // when: its services and their algos run on
    send(manager, signal);
    // then
    eventually("copies of a later right trade", PATIENCE, || {
        let lines = lines(&demo);
        all.iter().zip(&before).all(|(trader, before)| newest(&lines, trader) > *before)
    });
    assert_ne!(home(&demo), from);
    eventually("the old copies have tried", PATIENCE, || {
        all.iter().all(|trader| refused_beside(&lines(&demo), trader) > 5)
    });
    if signal == Signal::STOP {
        send(manager, Signal::CONT);
        eventually("it ends the old copies", PATIENCE, || {
            let tried = lines(&demo).len();
            std::thread::sleep(Duration::from_millis(300));
            let of_old = |line: &Line| before.contains(&line.epoch);
            !lines(&demo)[tried..].iter().any(of_old)
        });
    }
    for trader in all {
        assert_eq!(accepted_beside(&lines(&demo), trader), []);
    }
}

#[test]
fn with_a_trader_manager_that_stands_still_no_two_copies_are_accepted_at_a_time() {
    moves(Signal::STOP);
}

#[test]
fn with_a_trader_manager_that_is_killed_no_two_copies_are_accepted_at_a_time() {
    moves(Signal::KILL);
}

#[test]
fn a_trader_is_paused_resumed_restarted_stopped_and_started_by_its_operator() {
    let demo = Demo::trading();
    put(&demo, "steady");
    trades(&demo, "steady");
    let state = |words: &[&str]| {
        does(&demo, words, &[]);
        let told = does(&demo, &["trader", "get", "steady", "-o", "json"], &[]);
        let told: Value = serde_json::from_str(&told).unwrap();
        told["spec"]["state"].as_str().unwrap().to_owned()
    };
    let stands_still = || {
        eventually("its algo has ended", PATIENCE, || {
            let before = lines(&demo).len();
            std::thread::sleep(Duration::from_millis(300));
            lines(&demo).len() == before
        });
    };
    let goes_on = || {
        let before = lines(&demo).len();
        eventually("it trades again", PATIENCE, || lines(&demo).len() > before + 5);
    };
    assert_eq!(state(&["trader", "pause", "steady", "--why", "a holiday"]), "paused");
    stands_still();
    eventually("it is shown as paused", PATIENCE, || {
        let asked = ["status", "-o", "json", "--addr", &demo.members()[0]];
        let status = Command::new(binary()).args(asked).output().unwrap();
        String::from_utf8_lossy(&status.stdout).contains("\"paused\"")
    });
    assert_eq!(state(&["trader", "resume", "steady", "--why", "it is over"]), "running");
    goes_on();
    let started = || {
        lines(&demo)
            .iter()
            .filter(|line| line.answer == tradewind_tests_cluster::copies::Answer::Started)
            .count()
    };
    let before = started();
    assert_eq!(state(&["trader", "restart", "steady", "--why", "a new model"]), "running");
    eventually("a fresh copy", PATIENCE, || started() > before);
    assert_eq!(state(&["trader", "stop", "steady", "--why", "enough"]), "stopped");
    stands_still();
    let refused = run(&demo, &["trader", "pause", "steady"], &[]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("start it first"));
    assert_eq!(state(&["trader", "start", "steady"]), "running");
    goes_on();
}
