//! Bad requests: each is refused with a problem, and the connection stays usable.

use super::{Echo, Server, echo, raw::Raw};
use crate::{Failure, json, listen::Limits};
use axum::{
    Router,
    extract::Request,
    routing::{get, post},
};
use tradewind_protocol::{Code, Problem};

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    from: u32,
}

async fn paged(
    json::Path(id): json::Path<u64>,
    json::Query(page): json::Query<Page>,
) -> json::Json<u64> {
    json::Json(id + u64::from(page.from))
}

async fn refusing() -> Result<json::Json<Echo>, Failure> {
    Err(Problem::new(Code::NoLeader, "No leader.").retry_after_ms(1_200).into())
}

async fn panicking() -> json::Json<Echo> {
    panic!("on purpose");
}

async fn ignoring(_: Request) -> &'static str {
    "ignored"
}

fn router() -> Router {
    Router::new()
        .route("/echo", post(echo))
        .route("/paged/{id}", get(paged))
        .route("/refusing", get(refusing))
        .route("/panicking", get(panicking))
        .route("/ignoring", post(ignoring))
}

async fn server() -> Server {
    Server::start(router(), Limits { body_bytes: 1_000, ..Limits::default() }).await
}

/// The connection still serves.
async fn assert_usable(raw: &mut Raw) {
    let answer = raw.post("/echo", r#"{"word":"hi","times":2}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"word":"hi","times":2}"#));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_with_what_and_where() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;
    for (body, says) in [
        ("{\"word\":", "EOF"),
        ("nonsense", "line 1 column 2"),
        (r#"{"word":"hi","times":2,"more":1}"#, "unknown field `more`"),
        (r#"{"word":"hi","times":"two"}"#, "times: invalid type: string \"two\", expected u32"),
        (r#"{"word":"hi"}"#, "missing field `times`"),
        (r#"{"word":"hi","times":2} {}"#, "trailing characters"),
        ("", "EOF"),
    ] {
        let problem = raw.post("/echo", body).await.problem();

        assert_eq!((problem.status, problem.code), (400, Code::MalformedRequest), "{body}");
        assert!(problem.detail.contains(says), "{body}: {}", problem.detail);
        assert_usable(&mut raw).await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;
    let problem = raw.post("/echo", b"{\"word\":\"\xff\xfe\",\"times\":1}").await.problem();
    assert_eq!(problem.code, Code::MalformedRequest);
    assert_usable(&mut raw).await;
}

#[tokio::test]
async fn a_body_of_another_type_or_coding_is_refused_with_415() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;
    let coded = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    for kind in ["content-type: text/plain\r\n", "", coded] {
        raw.write(format!("POST /echo HTTP/1.1\r\nhost: h\r\n{kind}content-length: 2\r\n\r\n{{}}"))
            .await;
        let problem = raw.answer().await.unwrap().problem();
        assert_eq!((problem.status, problem.code), (415, Code::UnsupportedMediaType));
        assert_usable(&mut raw).await;
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_with_413_and_the_connection_stays_usable() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;

    let told = raw.post("/echo", vec![b'x'; 3_000_000]).await.problem();
    assert_eq!((told.status, told.code), (413, Code::BodyTooLarge));
    assert_usable(&mut raw).await;

    raw.write("POST /echo HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n").await;
    raw.write("transfer-encoding: chunked\r\n\r\n").await;
    for _ in 0..100 {
        raw.write(format!("400\r\n{}\r\n", "x".repeat(0x400))).await;
    }
    raw.write("0\r\n\r\n").await;
    let chunked = raw.answer().await.unwrap().problem();
    assert_eq!(chunked.status, 413);
    assert_usable(&mut raw).await;
}

#[tokio::test]
async fn a_body_nobody_would_read_to_its_end_is_answered_before_the_connection_is_closed() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;
    raw.write("POST /echo HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n").await;
    raw.write("content-length: 99999999999\r\n\r\n{\"word\":").await;
    raw.write(vec![b'x'; 200_000]).await;

    let answer = raw.answer().await.unwrap();

    assert_eq!((answer.status, answer.headers["connection"].as_str()), (413, "close"));
    assert!(raw.answer().await.is_none());
}

#[tokio::test]
async fn who_waits_for_a_continue_gets_the_refusal_instead() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;
    raw.write("POST /nowhere HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\n").await;
    raw.write("content-length: 5000\r\n\r\n").await;
    assert_eq!(raw.answer().await.unwrap().status, 404);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_problems_whatever_their_body() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;

    let unknown = raw.post("/nowhere", vec![b'x'; 300_000]).await.problem();
    assert_eq!((unknown.status, unknown.code), (404, Code::NotFound));
    assert!(unknown.detail.contains("/nowhere"), "{}", unknown.detail);

    let answer = raw.get("/echo").await;
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!((answer.problem().status, answer.problem().code), (405, Code::MethodNotAllowed));

    let ignored = raw.post("/ignoring", vec![b'x'; 300_000]).await;
    assert_eq!((ignored.status, ignored.body.as_str()), (200, "ignored"));
    assert_usable(&mut raw).await;
}

#[tokio::test]
async fn a_path_or_query_that_cannot_be_read_is_refused() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;
    for path in ["/paged/x?from=1", "/paged/1?from=x", "/paged/1", "/paged/1?from=1&to=2"] {
        let problem = raw.get(path).await.problem();
        assert_eq!((problem.status, problem.code), (400, Code::MalformedRequest), "{path}");
    }
    assert_eq!(raw.get("/paged/3?from=4").await.body, "7");
}

#[tokio::test]
async fn a_handlers_problem_is_told_with_its_status_and_when_to_come_again() {
    let server = server().await;
    let answer = Raw::connect(server.address).await.get("/refusing").await;
    assert_eq!(answer.headers["retry-after"], "2");
    assert_eq!(answer.problem().retry_after_ms, Some(1_200));
    assert_eq!(answer.status, 503);
}

#[tokio::test]
async fn a_panic_in_a_handler_is_a_500_and_the_server_goes_on() {
    let server = server().await;
    let mut raw = Raw::connect(server.address).await;
    let problem = raw.get("/panicking").await.problem();
    assert_eq!((problem.status, problem.code), (500, Code::InternalError));
    assert!(!problem.detail.contains("on purpose"));
    assert_usable(&mut raw).await;
}
