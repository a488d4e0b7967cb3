//! The client in Python (`examples/python`) against a scripted server: what it does with frames that no server sends, and with an
//! algo that fails. Skipped, saying so, only where there is no python3.
#![allow(clippy::unwrap_used)]

mod edge;

use edge::{Edge, eventually, ledger};
use serde_json::json;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// An algo whose `on_event` has a bug; it ends once its session has.
const ALGO: &str = r#"
import sys
from tradewind import Lost, Session

def on_event(kind, frame):
    if kind == "status":
        raise RuntimeError("a bug of the algo")

session = Session([sys.argv[1]], "key", on_event)
session.subscribe("orders", account="sim-1")
session.ended.wait()
try:
    session.request("GET", "/v1/accounts")
except Lost as lost:
    print(session.lost is not None, lost.sent, lost, end="")
"#;

/// Killed when dropped.
struct Algo(Child);

impl Drop for Algo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `None`, and that is said, if there is no interpreter.
fn algo(edge: &Edge) -> Option<Algo> {
    let asked = Command::new("python3").arg("--version").output();
    if !asked.is_ok_and(|asked| asked.status.success()) {
        eprintln!("skipped: there is no python3");
        return None;
    }
    let child = Command::new("python3")
        .args(["-B", "-c", ALGO, &*edge.address])
        .env("PYTHONPATH", Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    Some(Algo(child.unwrap()))
}

#[tokio::test]
async fn a_client_in_python_leaves_who_sends_nonsense_and_ends_by_a_bug_of_the_algo_saying_so() {
    // given
    let edge = Edge::start(&ledger()).await;
    edge.ledger().market_managers = vec![edge.address.clone()];
    edge.ledger().members = vec![edge.address.clone()];
    let Some(mut algo) = algo(&edge) else { return };
    let subscribed = async || {
        eventually("it is subscribed wherever it was", || {
            edge.ledger().subscribed.len() == edge.stage().connections
        })
        .await;
        edge.stage().connections
    };
    let nonsense =
        [json!([]), json!({"type": "order", "account": "sim-1"}), json!({"type": "heartbeat"})];
    for frame in nonsense {
        let connections = subscribed().await;
        // when
        edge.stage().says.push(frame);
        // then
        eventually("it has come back", || edge.stage().connections > connections).await;
    }
    // when
    subscribed().await;
    let topic = json!({"orders": {"account": "sim-1"}});
    edge.stage().says.push(json!({"type": "status", "topic": topic, "status": "live"}));
    // then
    eventually("it has ended", || algo.0.try_wait().unwrap().is_some()).await;
    let said = std::io::read_to_string(algo.0.stdout.take().unwrap()).unwrap();
    assert_eq!(said, "True False the session has ended: RuntimeError('a bug of the algo')");
}
