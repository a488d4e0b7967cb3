//! What a customer's own algo and an operator see of a running cluster, and what goes on when the whole
//! control plane is gone.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use serde_json::Value;
use std::{
    io::Read as _,
    process::{Command, Stdio},
    time::Duration,
};
use tradewind_sdk::{
    CalendarOf, CalendarTold, Day, Exchange, OrderError, OrderRequest, OrderState, Session, Side,
};
use tradewind_tests_cluster::{
    Demo, binary, eventually, eventually_async, operator::Operator, send,
};

const SOON: Duration = Duration::from_secs(60);

async fn session(demo: &Demo) -> Session {
    let builder = Session::builder().infrastructure_managers(demo.members()).api_key("guest-key");
    builder.connect().await.unwrap()
}

fn status(member: &str) -> Value {
    let output =
        Command::new(binary()).args(["status", "--addr", member, "-o", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn an_order_is_one_order_however_often_it_is_submitted() {
    let demo = Demo::trading();
    let session = session(&demo).await;
    let price = "20000".parse().unwrap();
    let request = OrderRequest::limit("BTC/USD", Side::Buy, "0.001", price).unwrap();
    let first = session.submit(&request).await.unwrap();
    let again = session.submit(&request).await.unwrap();
    assert_eq!(first.order_id, again.order_id);
    assert_eq!(first.created_at, again.created_at);
    let other = OrderRequest::limit("BTC/USD", Side::Buy, "0.002", price).unwrap();
    let other = other.client_order_id(request.id().clone());
    match session.submit(&other).await {
        Err(OrderError::Refused { problem, .. }) => assert_eq!(problem.status, 409, "{problem}"),
        answer => panic!("{answer:?}"),
    }
    let resting = async || session.order(&first.order_id).await.unwrap().state == OrderState::New;
    eventually_async("the order rests at the venue", SOON, resting).await;
    session.cancel(&first.order_id).await.unwrap();
    let ended =
        async || session.order(&first.order_id).await.unwrap().state == OrderState::Canceled;
    eventually_async("the order is canceled", SOON, ended).await;
}

#[tokio::test]
async fn what_an_algo_looks_up_is_what_an_operator_has_declared() {
    // given
    let demo = Demo::trading();
    let (session, operator) = (session(&demo).await, Operator::at(&demo.members()));
    let day: Day = "2026-11-24".parse().unwrap();
    let close = async || {
        let of = CalendarOf::Exchange(Exchange::Xnys);
        match session.calendar(&of, day, day).await.unwrap() {
            CalendarTold::InSessions { days, .. } => days.first().map(|day| day.close.to_string()),
            told @ CalendarTold::AroundTheClock { .. } => panic!("{told:?}"),
        }
    };
    assert_eq!(close().await.as_deref(), Some("16:00"));
    let instrument = session.instrument("BTC/USD").await.unwrap();
    assert!(session.instruments().await.unwrap().contains(&instrument));
    // when, then
    operator.does("exchange-days put XNYS --early-close 2026-11-24=11:00");
    let early = async || close().await.as_deref() == Some("11:00");
    eventually_async("the early close is told", SOON, early).await;
    // when, then
    operator.does("exchange-days rm XNYS");
    let usual = async || close().await.as_deref() == Some("16:00");
    eventually_async("it is taken back", SOON, usual).await;
}

#[tokio::test]
async fn every_member_tells_the_same_status_and_the_trading_outlives_all_members() {
    let demo = Demo::trading();
    let members = demo.members();
    // Services are reported by beats: a leader that has just come to lead has heard of none yet.
    eventually("every member tells of the whole cluster", Duration::from_secs(20), || {
        let all: Vec<Value> = members.iter().map(|member| status(member)).collect();
        let count = |one: &Value, what: &str| one[what].as_array().unwrap().len();
        all.iter().all(|one| {
            one["leader"] == all[0]["leader"]
                && one["term"] == all[0]["term"]
                && (count(one, "members"), count(one, "managers")) == (3, 6)
                && count(one, "services") == 5
        })
    });
    let session = session(&demo).await;
    for pid in demo.processes_of("infra") {
        send(pid, Signal::KILL);
    }
    let fills = demo.fills();
    eventually("the algo trades on", Duration::from_secs(10), || demo.fills() >= fills + 5);
    let order = OrderRequest::market("BTC/USD", Side::Buy, "0.001").unwrap();
    session.submit(&order).await.unwrap();
    let failed = Command::new(binary()).args(["status", "--addr", &members[0]]).output().unwrap();
    assert!(!failed.status.success());
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(said.contains(&members[0]), "the error names whom it asked: {said}");
}

#[test]
fn a_taken_port_is_named_and_the_next_one_taken() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let output = Command::new(binary())
        .args(["demo", "--for", "1s", "--check", "-o", "json", "--port-base", &port])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&port), "{said}");
}

#[test]
fn an_unknown_flag_is_answered_with_the_one_that_was_meant() {
    let output = Command::new(binary()).args(["demo", "--port-bas", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--port-base"));
}

#[tokio::test]
async fn a_guest_who_trades_beside_the_demo_is_not_held_against_it() {
    let arguments = ["--for", "8s", "--check", "-o", "json", "--data", "{data}"];
    let mut demo = Demo::start(&arguments, Stdio::null(), Stdio::piped());
    eventually("the demo's algo trades", Duration::from_secs(30), || demo.fills() > 0);
    let session = session(&demo).await;
    let mut fills = session.fills().await.unwrap();
    let order = OrderRequest::market("BTC/USD", Side::Buy, "0.001").unwrap();
    session.submit(&order).await.unwrap();
    assert_eq!(&fills.next().await.unwrap().client_order_id, order.id());
    let mut said = String::new();
    demo.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    let report: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(report["ok"], true, "{said}");
    assert!(demo.child.wait().unwrap().success());
}

#[test]
fn a_demo_that_cannot_start_says_so_in_the_one_object_it_prints() {
    let output = Command::new(binary())
        .args(["demo", "--for", "1s", "--check", "-o", "json", "--data", "/proc/nowhere"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(report["ok"], false);
    assert!(report["problems"][0].as_str().unwrap().contains("/proc/nowhere"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
