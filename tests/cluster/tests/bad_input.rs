//! Bad input, always: a clear error, nothing lost, the connection still of use.
#![allow(clippy::unwrap_used)]

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tradewind_tests_cluster::{
    Demo,
    wire::{Socket, stream},
};

/// A bad request, and what should be said of it.
struct Case {
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    status: u16,
    code: &'static str,
}

impl Case {
    fn new(method: Method, url: &str, status: u16, code: &'static str) -> Self {
        let (url, headers, body) = (url.to_string(), Vec::new(), Vec::new());
        Self { method, url, headers, body, status, code }
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body as it is and gives status and problem.
    async fn send(self, client: &Client) -> (u16, Value) {
        let mut request = client.request(self.method, &self.url).body(self.body);
        if !self.headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type").cloned();
        let body = answer.bytes().await.unwrap();
        if status >= 400 {
            let kind = kind.as_ref().map(|kind| kind.to_str().unwrap());
            assert_eq!(kind, Some("application/problem+json"), "{status} {body:?}");
        }
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

async fn token(client: &Client, member: &str) -> String {
    let url = format!("http://{member}/v1/sessions");
    let answer = client.post(url).bearer_auth("demo-key").send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    answer["token"].as_str().unwrap().to_string()
}

fn order(id: &str) -> Value {
    json!({"client_order_id": id, "instrument": "BTC/USD", "side": "buy", "type": "limit",
        "quantity": "0.001", "limit_price": "20000", "time_in_force": "gtc"})
}

fn order_but(field: &str, value: Value) -> Vec<u8> {
    let mut order = order("bad");
    order[field] = value;
    order.to_string().into_bytes()
}

/// At a MarketManager, where orders arrive.
fn at_the_edge(edge: &str, token: &str) -> Vec<Case> {
    let orders = format!("http://{edge}/v1/orders");
    let bad = |status, code| {
        Case::new(Method::POST, &orders, status, code).header("authorization", token)
    };
    let malformed = || bad(400, "malformed_request");
    // One digit of the signature is another.
    let (signed, last) = token.split_at(token.len() - 20);
    let other = if last.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}{other}{}", &last[1..]);
    let unsigned = |token: &str| {
        Case::new(Method::POST, &orders, 401, "unauthorized").header("authorization", token)
    };
    let nothing = format!("http://{edge}/v1/nothing");
    vec![
        malformed().body("{"),
        malformed().body(vec![0xff, 0xfe]),
        malformed().body("[]"),
        malformed().body(order_but("colour", json!("red"))),
        malformed().body(order_but("quantity", json!(1))),
        malformed().body(order_but("quantity", json!("NaN"))),
        malformed().body(order_but("quantity", json!("-1"))),
        malformed().body(order_but("client_order_id", json!(""))),
        bad(422, "invalid_order").body(order_but("quantity", json!("0"))),
        bad(422, "invalid_order").body(order_but("limit_price", json!(null))),
        bad(404, "not_found").body(order_but("instrument", json!("NONE/USD"))),
        bad(413, "body_too_large").body(large()),
        bad(415, "unsupported_media_type").header("content-type", "text/plain"),
        unsigned("Bearer").body(order_but("client_order_id", json!("a"))),
        unsigned(&forged).body("{}"),
        Case::new(Method::GET, &nothing, 404, "not_found").header("authorization", token),
        Case::new(Method::PUT, &orders, 405, "method_not_allowed").body("{}"),
    ]
}

/// At an InfrastructureManager, where changes arrive.
fn at_a_member(member: &str) -> Vec<Case> {
    let customers = format!("http://{member}/v1/customers/bad");
    let bad = |status, code| Case::new(Method::PUT, &customers, status, code);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let key = format!("test/{}/1", now.as_nanos());
    let ahead = format!("ahead/{}/1", (now + std::time::Duration::from_secs(60)).as_nanos());
    let keyed = |status, code| bad(status, code).header("idempotency-key", &key);
    let malformed = || keyed(400, "malformed_request");
    let good = r#"{"key_hashes":[]}"#;
    let url = |path: &str| format!("http://{member}{path}");
    vec![
        bad(400, "idempotency_key_missing").body(good),
        bad(400, "malformed_request").header("idempotency-key", "x").body(good),
        bad(400, "key_expired").header("idempotency-key", "old/1/1").body(good),
        bad(400, "key_from_future").header("idempotency-key", &ahead).body(good),
        malformed().body(r#"{"key_hashes":[],"colour":"red"}"#),
        malformed().body(r#"{"key_hashes":7}"#),
        keyed(413, "body_too_large").body(large()),
        Case::new(Method::GET, &url("/v1/status?colour=red"), 400, "malformed_request"),
        Case::new(Method::POST, &url("/v1/sessions"), 401, "unauthorized")
            .header("authorization", "Bearer no"),
        Case::new(Method::GET, &url("/v2"), 404, "not_found"),
    ]
}

fn large() -> String {
    format!("\"{}\"", "x".repeat(2 << 20))
}

#[tokio::test]
async fn whatever_is_sent_there_is_a_problem_that_says_so_and_the_connection_goes_on() {
    let demo = Demo::trading();
    // One connection only: an answer that spoils it fails the next request.
    let client = Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let member = &demo.members()[0];
    let edge = &demo.market_managers()[0];
    let token = format!("Bearer {}", token(&client, member).await);
    for case in at_the_edge(edge, &token).into_iter().chain(at_a_member(member)) {
        let sent: String = String::from_utf8_lossy(&case.body).chars().take(120).collect();
        let said = format!("{} {} {sent}", case.method, case.url);
        let expected = (case.status, Some(case.code));
        let (status, problem) = case.send(&client).await;
        assert_eq!((status, problem["code"].as_str()), expected, "{said}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.len() > 10), "{problem}");
        let alive = Case::new(Method::GET, &format!("http://{member}/livez"), 200, "");
        assert_eq!(alive.send(&client).await.0, 200);
    }
    let fills = demo.fills();
    tradewind_tests_cluster::eventually("the algo trades on", Duration::from_secs(10), || {
        demo.fills() > fills
    });
    frames(edge, &token).await;
}

/// The frames until the server closes, and its close code.
async fn until_closed(mut socket: Socket) -> (Vec<Value>, Option<u16>) {
    let mut frames = Vec::new();
    loop {
        match timeout(Duration::from_secs(5), socket.next()).await.expect("the socket is stuck") {
            Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(close))) => return (frames, close.map(|c| c.code.into())),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return (frames, None),
        }
    }
}

/// Frames that are no messages: an `error` frame, then a close with a code.
async fn frames(edge: &str, bearer: &str) {
    let bad = [
        Message::text("{"),
        Message::text("[]"),
        Message::text(r#"{"type":"dance"}"#),
        Message::text(r#"{"type":"subscribe","channel":"quotes","instrument":7}"#),
        Message::text(r#"{"type":"subscribe","channel":"quotes","instrument":"BTC/USD","x":1}"#),
        Message::binary(vec![0, 1, 2]),
    ];
    for frame in bad {
        let mut socket = stream(edge, bearer).await;
        socket.send(frame.clone()).await.unwrap();
        let (frames, code) = until_closed(socket).await;
        assert_eq!(code, Some(4_400), "{frame:?}: {frames:?}");
        assert!(frames.iter().any(|f| f["type"] == "error"), "{frame:?}: {frames:?}");
    }
    let mut socket = stream(edge, bearer).await;
    let large = Message::text(" ".repeat(65 << 10));
    // The server may hang up before all of it is written.
    let _ = socket.send(large).await;
    let (_, code) = until_closed(socket).await;
    assert!(matches!(code, Some(4_400 | 1_009) | None), "{code:?}");
    // After all that a good frame is served as ever.
    let mut socket = stream(edge, bearer).await;
    let good = r#"{"type":"subscribe","channel":"quotes","instrument":"BTC/USD"}"#;
    socket.send(Message::text(good)).await.unwrap();
    loop {
        let frame = timeout(Duration::from_secs(5), socket.next()).await.unwrap().unwrap().unwrap();
        if frame.to_text().is_ok_and(|text| text.contains(r#""type":"quote""#)) {
            return;
        }
    }
}
