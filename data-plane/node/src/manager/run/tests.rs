//! Claims about a Manager's end, with services that cannot be ended.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    descriptors::tests::{Shortage, alone, sleeping},
    manager::Wanted,
    process::{Process, is_alive},
};
use std::time::{Duration, Instant};
use tradewind_domain::control::Desired;

struct Idle;

impl Work for Idle {
    fn wanted(&self, _desired: &Desired) -> Vec<Wanted> {
        Vec::new()
    }
}

fn options(state_dir: &Path) -> Options {
    Options {
        manager: "a1.broker-manager".parse().unwrap(),
        location: "here".parse().unwrap(),
        advertise: None,
        listen: "127.0.0.1:0".parse().unwrap(),
        node: None,
        // Nobody is there.
        members: vec!["127.0.0.1:1".to_owned()],
        state_dir: state_dir.to_path_buf(),
        capacity: 10,
        binary: "/bin/false".into(),
    }
}

#[test]
fn a_manager_that_stops_ends_also_while_a_service_cannot_be_looked_at_and_keeps_it_on_record() {
    let name =
        "a_manager_that_stops_ends_also_while_a_service_cannot_be_looked_at_and_keeps_it_on_record";
    alone(module_path!(), name, async {
        // given: a process of its earlier life, and nothing can be opened any more once it has started
        let dir = tempfile::tempdir().unwrap();
        let mut process = Process::spawn(sleeping()).unwrap();
        let record = serde_json::json!({ "broker.sim-1.0": {
            "process": process.identity(),
            "token": "secret",
            "fence": { "cluster": 7, "epoch": 1 },
            "incarnation": null,
            "address": null,
        }});
        let records = dir.path().join("services.json");
        fs::write(&records, record.to_string()).unwrap();
        let running = start(options(dir.path()), Arc::new(Idle)).await.unwrap();
        let shortage = Shortage::leaving(0);
        // when
        let begun = Instant::now();
        running.stop().await;
        // then
        assert!(begun.elapsed() >= limits::ALL_STOP_WITHIN, "it was not waited for");
        assert!(begun.elapsed() < limits::ALL_STOP_WITHIN + Duration::from_secs(40));
        drop(shortage);
        assert!(is_alive(process.identity()).unwrap());
        assert!(fs::read_to_string(&records).unwrap().contains("broker.sim-1.0"));
        process.kill().await;
    });
}
