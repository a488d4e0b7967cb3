//! Ports, connections and time: who gets in, and what is cut.

use super::{SOON, Server, echo, eventually, raw::Raw};
use crate::{
    failure::Failure,
    json::Json,
    limits,
    listen::{BindError, Limits, bind, bind_or_next},
};
use axum::{
    Router,
    routing::{get, post},
};
use rustix::net::sockopt;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::Notify, time::timeout};
use tradewind_protocol::{Code, Retry};

fn router() -> Router {
    Router::new().route("/echo", post(echo)).route("/ok", get(async || Json(1)))
}

#[tokio::test]
async fn a_port_taken_is_told_with_what_to_do_and_the_next_one_is_used() {
    let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.local_addr().unwrap();

    let error = bind(address).await.unwrap_err();
    let next = bind_or_next(address).await.unwrap();

    assert!(matches!(error, BindError::Taken { .. }));
    assert!(error.to_string().contains(&format!("{address}: the port is taken")), "{error}");
    assert!(next.local_addr().unwrap().port() > address.port());
}

#[tokio::test]
async fn an_address_that_is_not_ours_is_told_so_and_nothing_else_is_tried() {
    let error = bind_or_next("192.0.2.1:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, BindError::NotOurs { .. }), "{error:?}");
    assert!(error.to_string().contains("192.0.2.1"), "{error}");
}

#[tokio::test]
async fn an_accepted_connection_on_which_nothing_is_said_is_asked_after() {
    // given
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (dialled, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    // when
    let (accepted, _) = accepted.unwrap();
    // then
    assert!(sockopt::socket_keepalive(&accepted).unwrap());
    assert_eq!(sockopt::tcp_keepidle(&accepted).unwrap(), limits::KEEPALIVE_AFTER);
    assert_eq!(sockopt::tcp_keepintvl(&accepted).unwrap(), limits::KEEPALIVE_EVERY);
    assert_eq!(sockopt::tcp_keepcnt(&accepted).unwrap(), limits::KEEPALIVE_UNANSWERED);
    drop(dialled);
}

#[tokio::test]
async fn a_half_sent_header_is_cut() {
    let limits = Limits { headers_within: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start(router(), limits).await;
    let mut raw = Raw::connect(server.address).await;
    raw.write("GET /ok HTTP/1.1\r\nho").await;
    assert!(raw.answer().await.is_none());

    let mut silent = Raw::connect(server.address).await;
    assert!(silent.answer().await.is_none());
}

#[tokio::test]
async fn headers_over_their_limit_are_refused() {
    let server = Server::start(router(), Limits::default()).await;
    let mut raw = Raw::connect(server.address).await;
    raw.write(format!("GET /ok HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "y".repeat(20_000))).await;
    assert_eq!(raw.answer().await.unwrap().status, 431);
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = Server::start(router(), Limits::default()).await;
    let mut raw = Raw::connect(server.address).await;
    raw.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
    assert!(raw.answer().await.is_none_or(|answer| answer.status == 400));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_a_408_and_surely_not_done() {
    let limits = Limits { request_within: Duration::from_millis(200), ..Limits::default() };
    let server = Server::start(router(), limits).await;
    let mut raw = Raw::connect(server.address).await;
    raw.write("POST /echo HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n").await;
    raw.write("content-length: 50\r\n\r\n{").await;

    let answer = raw.answer().await.unwrap();

    assert_eq!(answer.problem().code, Code::RequestTimeout);
    assert_eq!((answer.problem().retry, answer.status), (Retry::After, 408));
}

#[tokio::test]
async fn a_handler_that_takes_too_long_leaves_the_outcome_unknown() {
    let slow = get(async || {
        std::future::pending::<()>().await;
        Ok::<_, Failure>(Json(1))
    });
    let limits = Limits { request_within: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(Router::new().route("/slow", slow), limits).await;
    let problem = Raw::connect(server.address).await.get("/slow").await.problem();
    assert_eq!((problem.code, problem.retry), (Code::Unknown, Retry::SameId));
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_a_closed_one_makes_room() {
    let limits = Limits { connections_per_address: 2, ..Limits::default() };
    let server = Server::start(router(), limits).await;
    let mut first = Raw::connect(server.address).await;
    let mut second = Raw::connect(server.address).await;
    assert_eq!(first.get("/ok").await.status, 200);
    assert_eq!(second.get("/ok").await.status, 200);

    let mut third = Raw::connect(server.address).await;
    let problem = third.answer().await.unwrap().problem();
    assert_eq!((problem.status, problem.code), (429, Code::TooManyRequests));

    drop(first);
    let comes_in = async {
        loop {
            let mut next = Raw::connect(server.address).await;
            next.write("GET /ok HTTP/1.1\r\nhost: h\r\n\r\n").await;
            if next.answer().await.is_some_and(|answer| answer.status == 200) {
                return;
            }
        }
    };
    timeout(SOON, comes_in).await.unwrap();
}

#[tokio::test]
async fn a_stop_lets_a_request_under_way_finish_and_takes_no_new_one() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes_on) = (begun.clone(), go_on.clone());
    let slow = get(async move || {
        begins.notify_one();
        goes_on.notified().await;
        Json("done")
    });
    let mut server = Server::start(Router::new().route("/slow", slow), Limits::default()).await;
    let mut raw = Raw::connect(server.address).await;
    raw.write("GET /slow HTTP/1.1\r\nhost: h\r\n\r\n").await;
    begun.notified().await;

    server.stop.cancel();
    let mut refused = false;
    while !refused {
        refused = tokio::net::TcpStream::connect(server.address).await.is_err();
    }
    go_on.notify_one();

    assert_eq!(raw.answer().await.unwrap().body, "\"done\"");
    timeout(SOON, &mut server.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_does_not_wait_for_idle_connections_nor_for_ever() {
    let limits = Limits { stop_within: Duration::from_millis(100), ..Limits::default() };
    let router = router().route("/never", get(async || std::future::pending::<Json<u8>>().await));
    let server = Server::start(router, limits).await;
    let mut idle = Raw::connect(server.address).await;
    assert_eq!(idle.get("/ok").await.status, 200);
    let mut stuck = Raw::connect(server.address).await;
    stuck.write("GET /never HTTP/1.1\r\nhost: h\r\n\r\n").await;

    server.stop.cancel();

    eventually(|| server.task.is_finished()).await;
    assert!(idle.answer().await.is_none());
    assert!(stuck.answer().await.is_none());
}
