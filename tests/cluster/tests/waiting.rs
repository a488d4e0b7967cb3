//! `tradewind wait`, and what of a running cluster is listed: Managers, implementations, Brokers, Traders, Markets, with
//! where each is and how it is.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::process::{Command, Output};
use tradewind_tests_cluster::{Demo, binary};

fn tradewind(demo: &Demo, words: &str) -> Output {
    let members = demo.members().join(",");
    Command::new(binary()).args(words.split(' ')).args(["--addr", &members]).output().unwrap()
}

fn does(demo: &Demo, words: &str) -> String {
    let done = tradewind(demo, words);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words}: {:?} {said}", done.status.code());
    String::from_utf8(done.stdout).unwrap()
}

fn ends(demo: &Demo, words: &str) -> Option<i32> {
    tradewind(demo, words).status.code()
}

fn items(demo: &Demo, words: &str) -> Vec<Value> {
    let told = does(demo, &format!("{words} -o jsonl"));
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_waited_for_is_there_when_the_waiting_ends() {
    // given
    let demo = Demo::trading();
    for words in ["leader", "member --for voters=3", "broker sim-1", "market crypto"] {
        does(&demo, &format!("wait {words} --timeout 60s"));
    }
    does(&demo, "wait trader sample --for running --timeout 60s");
    let implementations = items(&demo, "implementation ls");
    assert_eq!(implementations.len(), 2, "{implementations:?}");
    for one in &implementations {
        let name = one["implementation"].as_str().unwrap();
        does(&demo, &format!("wait implementation {name} --timeout 60s"));
    }
    // then
    let managers = items(&demo, "manager ls --state live");
    assert_eq!(managers.len(), 6, "{managers:?}");
    let [broker] = &items(&demo, "broker ls --account sim-1")[..] else { panic!("one Broker") };
    assert_eq!((&broker["broker"], &broker["now"]["state"]), (&"sim-1.0".into(), &"live".into()));
    let [trader] = &items(&demo, "trader ls")[..] else { panic!("one Trader") };
    assert_eq!(trader["now"]["state"], "live");
    let holder = trader["assignment"]["manager"].as_str().unwrap().to_owned();
    let [market] = &items(&demo, "market get crypto")[..] else { panic!("one Market") };
    assert_eq!(market["at"].as_array().map(Vec::len), Some(2), "{market}");
    let table = does(&demo, &format!("manager get {holder}"));
    assert!(table.starts_with("MANAGER") && table.contains(&holder), "{table}");
    assert!(table.contains("live"), "{table}");
    let status: Value = serde_json::from_str(&does(&demo, "status -o json")).unwrap();
    assert!(status["managers"].is_array());
    // What nobody has asked for is not waited for.
    assert_eq!(ends(&demo, "wait trader sample --for stopped"), Some(3));
    assert_eq!(ends(&demo, &format!("wait manager {holder} --for drained")), Some(3));

    // when
    does(&demo, &format!("drain {holder} --why upgrade --drop never --detach"));
    does(&demo, &format!("wait manager {holder} --for cordoned --timeout 60s"));
    does(&demo, &format!("wait manager {holder} --for drained --timeout 90s"));
    // then
    assert_eq!(ends(&demo, &format!("wait manager {holder} --for dropped")), Some(3), "never");
    does(&demo, "wait trader sample --for running --timeout 60s");
    let [trader] = &items(&demo, "trader ls")[..] else { panic!("one Trader") };
    assert_ne!(trader["assignment"]["manager"], holder.as_str(), "it runs elsewhere");
    let [drained] = &items(&demo, &format!("manager get {holder}"))[..] else { panic!("one") };
    assert_eq!(drained["drains"][0]["state"], "drained", "{drained}");
    let told = does(&demo, &format!("events --about {holder} --kind cordoned,drained"));
    let names: Vec<&str> = told.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(names, ["EVENT", "cordoned", "drained"], "{told}");
    does(&demo, &format!("undrain {holder} --why done"));
}
