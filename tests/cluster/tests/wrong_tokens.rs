//! Wrong secrets at the doors of real processes: each is refused with 401, is told in the log of whoever refused it, and
//! stands in no log, whole or in part.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};
use tradewind_tests_cluster::{Demo, eventually};

const SOON: Duration = Duration::from_secs(20);
const WRONG: &str = "wr0ng0123456789abcdef0123456789";

/// The logs of all processes of that name of the demo's, wherever they are kept, as lines that tell of a refusal.
fn refusals(demo: &Demo, process: &str) -> Vec<Value> {
    let mut logs = Vec::new();
    all_logs(demo.data.path(), &mut logs);
    let name = format!("/{process}");
    let log: String =
        logs.into_iter().filter(|(path, _)| path.ends_with(&name)).map(|(_, text)| text).collect();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"].as_str().is_some_and(|m| m.ends_with("refused"))).collect()
}

/// All logs below a directory.
fn all_logs(directory: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_logs(&path, into);
        } else if path.extension().is_some_and(|end| end == "log") {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            into.push((path.display().to_string(), text));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_refused_with_401_and_told_in_the_log_without_any_of_it() {
    // given
    let demo = Demo::trading();
    let client = reqwest::Client::new();
    let (member, edge) = (demo.members().remove(0), demo.market_managers().remove(0));
    let check_in = json!({
        "service": "broker.sim-1.0", "token": WRONG, "incarnation": u64::MAX, "pid": 1,
        "address": "127.0.0.1:1",
    });
    let services = client.get(format!("http://{edge}/v1/services")).send().await.unwrap();
    let services: Value = services.json().await.unwrap();
    let (service, at) = (services[0]["service"].as_str().unwrap(), &services[0]["address"]);
    let service_log = format!("{service}.log");
    let pipe = format!("http://{}/v1/pipe", at.as_str().unwrap());
    let doors = [
        (client.get(&pipe).bearer_auth(WRONG), service_log.as_str()),
        (client.get(&pipe), service_log.as_str()),
        (client.post(format!("http://{member}/v1/sessions")).bearer_auth(WRONG), "infra-1.log"),
        (
            client.get(format!("http://{edge}/v1/orders")).bearer_auth(WRONG),
            "implementation-1.market-manager.log",
        ),
        (client.get(format!("http://{edge}/v1/orders")), "implementation-1.market-manager.log"),
        (
            client.post(format!("http://{edge}/v1/services/check-in")).json(&check_in),
            "implementation-1.market-manager.log",
        ),
    ];
    let mut told = Vec::new();
    for (request, log) in doors {
        let before = refusals(&demo, log).len();
        // when
        let answer = request.send().await.unwrap();
        // then
        assert_eq!(answer.status(), 401, "{log}");
        told.push(answer.text().await.unwrap());
        eventually("it is told in the log", SOON, || refusals(&demo, log).len() == before + 1);
        let line = refusals(&demo, log).pop().unwrap();
        assert_eq!(line["level"], "WARN", "{line}");
    }
    let mut logs = Vec::new();
    all_logs(demo.data.path(), &mut logs);
    assert!(logs.len() > 8, "{logs:?}");
    logs.extend(told.into_iter().map(|told| ("an answer".to_owned(), told)));
    for (place, text) in logs {
        for secret in [&WRONG[..8], &WRONG[20..], "demo-key", "guest-key"] {
            assert!(!text.contains(secret), "{secret} stands in {place}");
        }
    }
}
