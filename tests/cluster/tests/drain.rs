//! Drains of a running cluster by the command line: what is drained empties and goes, the algos trade on, and
//! neither the leader's death nor a second thought loses the drain.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    process::{Command, Output},
    time::Duration,
};
use tradewind_tests_cluster::{Demo, binary, eventually, send};

const PATIENCE: Duration = Duration::from_secs(60);

fn tradewind(demo: &Demo, words: &[&str]) -> Output {
    let members = demo.members().join(",");
    Command::new(binary()).args(words).args(["--addr", &members]).output().unwrap()
}

fn does(demo: &Demo, words: &[&str]) -> String {
    let output = tradewind(demo, words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn status(demo: &Demo) -> Option<Value> {
    // Of any member: one of them may be gone.
    demo.members().iter().find_map(|member| {
        let asked = ["status", "--addr", member, "-o", "json"];
        let output = Command::new(binary()).args(asked).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    })
}

fn manager(demo: &Demo, name: &str) -> Option<Value> {
    let status = status(demo)?;
    let managers = status["managers"].as_array().unwrap();
    managers.iter().find(|manager| manager["manager"] == name).cloned()
}

/// The Manager of this kind that has what is to be moved.
fn holder(demo: &Demo, kind: &str) -> String {
    let mut found = String::new();
    eventually("somebody holds it", PATIENCE, || {
        let Some(status) = status(demo) else { return false };
        let of_kind = |name: &Value| name.as_str().is_some_and(|name| name.ends_with(kind));
        let managers = status["managers"].as_array().unwrap();
        let sessions = managers
            .iter()
            .filter(|manager| of_kind(&manager["manager"]))
            .filter(|manager| manager["sessions"].as_u64() > Some(0))
            .map(|manager| manager["manager"].clone());
        let customers = status["customers"].as_array().unwrap();
        let affine = customers
            .iter()
            .filter(|customer| customer["traders"].as_array().is_some_and(|all| !all.is_empty()))
            .map(|customer| customer["trader_manager"].clone())
            .filter(of_kind);
        let name = sessions.chain(affine).next();
        found = name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
        !found.is_empty()
    });
    found
}

fn trades_on(demo: &Demo) {
    let fills = demo.fills();
    eventually("the algo trades on", PATIENCE, || demo.fills() >= fills + 5);
}

#[test]
fn a_drained_market_manager_hands_its_sessions_over_and_stops_and_the_algo_trades_on() {
    let demo = Demo::trading();
    let name = holder(&demo, "market-manager");
    let born = manager(&demo, &name).unwrap()["incarnation"].clone();
    let lines =
        does(&demo, &["drain", &name, "--why", "an upgrade", "--drop", "when-idle", "-o", "jsonl"]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!((&last["state"], &last["acknowledged"]), (&"dropped".into(), &true.into()));
    // Whoever has no session there any more was told to go: no frame was lost by it.
    trades_on(&demo);
    eventually("it is gone, or begins a new life", PATIENCE, || {
        manager(&demo, &name).is_none_or(|manager| manager["incarnation"] != born)
    });
    let history = std::fs::read_to_string(demo.data.path().join("history.jsonl")).unwrap();
    assert!(!history.contains("untold-gap"), "events are missing");
}

#[test]
fn a_drained_trader_manager_gives_its_customers_away_with_all_their_traders() {
    let demo = Demo::trading();
    let name = holder(&demo, "trader-manager");
    does(&demo, &["drain", &name, "--why", "a new disk", "--drop", "never"]);
    // It is drained: nothing is there, and nothing new comes.
    let other = holder(&demo, "trader-manager");
    assert_ne!(other, name);
    trades_on(&demo);
    let shown = does(&demo, &["drain", &name, "--show", "-o", "jsonl"]);
    let shown: Value = serde_json::from_str(shown.trim()).unwrap();
    assert_eq!(shown["state"], "drained");
    assert_eq!(shown["remaining"]["held"], 0);
    does(&demo, &["undrain", &name, "--why", "the disk is in"]);
    let gone = tradewind(&demo, &["drain", &name, "--show"]);
    assert_eq!(gone.status.code(), Some(3), "not found: it is active");
    // Nothing moves back by itself.
    assert_eq!(holder(&demo, "trader-manager"), other);
}

#[test]
fn a_cordon_outlives_the_leader_and_a_stale_revision_changes_nothing() {
    let demo = Demo::trading();
    let holder = holder(&demo, "trader-manager");
    let managers = status(&demo).unwrap()["managers"].as_array().unwrap().clone();
    let names = managers.iter().filter_map(|manager| manager["manager"].as_str());
    let name = names.into_iter().find(|name| name.ends_with("trader-manager") && *name != holder);
    let name = name.unwrap();
    let within = |time| {
        ["drain", name, "--why", "to be sure", "--drop", "never", "--deadline", time, "--detach"]
    };
    does(&demo, &within("10m"));
    // The same words again are the same drain, other ones are told how it differs.
    does(&demo, &within("10m"));
    let other = tradewind(&demo, &within("1h"));
    assert_eq!(other.status.code(), Some(4), "{}", String::from_utf8_lossy(&other.stderr));
    let leader = status(&demo).unwrap()["leader"].as_u64().unwrap();
    let members = demo.processes_of("infra");
    let of = |pid: &u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split('\0')
            .collect::<Vec<_>>()
            .windows(2)
            .any(|pair| pair == ["--node", &leader.to_string()])
    };
    for pid in members.iter().filter(|pid| of(pid)) {
        send(*pid, Signal::KILL);
    }
    let mut shown = Value::Null;
    eventually("the next leader tells of it", PATIENCE, || {
        let output = tradewind(&demo, &["drain", name, "--show", "-o", "jsonl"]);
        shown = serde_json::from_slice(&output.stdout).unwrap_or_default();
        shown["state"] == "drained" || shown["state"] == "draining"
    });
    assert_eq!(shown["by"]["why"], "to be sure");
    let stale = tradewind(&demo, &["undrain", name, "--why", "no", "--if-match", "1"]);
    assert_eq!(stale.status.code(), Some(4), "{}", String::from_utf8_lossy(&stale.stderr));
    does(&demo, &["undrain", name, "--why", "enough"]);
}

/// The first Broker, by its name, and who has it.
fn broker(demo: &Demo) -> Option<(String, String)> {
    let told = tradewind(demo, &["broker", "ls", "-o", "json"]);
    let told: Value = serde_json::from_slice(&told.stdout).ok()?;
    let first = told.as_array()?.first()?.clone();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some((text(&first["broker"])?, text(&first["assignment"]["manager"])?))
}

#[test]
fn an_account_leaves_its_broker_manager_by_an_operators_word_alone() {
    let demo = Demo::trading();
    let (name, holder) = broker(&demo).unwrap();
    let why = ["--why", "its disk is gone"];
    let words = [&["drain", holder.as_str()], &why[..]].concat();
    let drain = |more: &[&'static str]| [&words[..], more].concat();
    does(&demo, &drain(&["--drop", "when-idle", "--detach"]));
    // when: it counts as drained, whatever is there
    does(&demo, &drain(&["--force", "--detach"]));
    // then: the ledger is not lost with it, and it is said what next
    eventually("it is said what next", PATIENCE, || {
        let shown = does(&demo, &["drain", &holder, "--show", "-o", "jsonl"]);
        let shown: Value = serde_json::from_str(shown.trim()).unwrap();
        assert_eq!(shown["state"], "drained");
        shown["waits"].as_str().is_some_and(|waits| waits.contains("--abandon-accounts"))
    });
    assert_eq!(broker(&demo).unwrap().1, holder);
    // when: it is given up
    let lines = does(&demo, &drain(&["--abandon-accounts", "-o", "jsonl"]));
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["state"], "dropped", "{lines}");
    // then
    does(&demo, &["wait", "broker", &name, "--for", "live", "--timeout", "60s"]);
    assert_ne!(broker(&demo).unwrap().1, holder);
    let events = does(&demo, &["events", "--kind", "broker_abandoned", "-o", "jsonl"]);
    assert!(events.contains("its disk is gone") && events.contains(&holder), "{events}");
}
