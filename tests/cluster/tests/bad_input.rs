//! Bad input, always: a clear error, nothing lost, the connection still of use.
#![allow(clippy::unwrap_used)]

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};
use tradewind_tests_cluster::Demo;

/// Sends a body as it is and gives status and problem.
async fn send(
    client: &Client,
    method: &Method,
    url: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> (u16, Value) {
    let mut request = client.request(method.clone(), url).body(body);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_string());
    let body = answer.bytes().await.unwrap();
    if status >= 400 {
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{status} {body:?}");
    }
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
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

#[tokio::test]
async fn whatever_is_sent_there_is_a_problem_that_says_so_and_the_connection_goes_on() {
    let demo = Demo::trading();
    // One connection only: an answer that spoils it fails the next request.
    let client = Client::builder().pool_max_idle_per_host(1).build().unwrap();
    let member = &demo.members()[0];
    let edge = &demo.market_managers()[0];
    let token = format!("Bearer {}", token(&client, member).await);
    let auth = ("authorization", token.as_str());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let key = format!("test/{}/1", now.as_nanos());
    let key = ("idempotency-key", key.as_str());
    let orders = format!("http://{edge}/v1/orders");
    let customers = format!("http://{member}/v1/customers/bad");
    let (post, put, get) = (Method::POST, Method::PUT, Method::GET);
    let unknown_field = json!({"key_hashes": [], "colour": "red"}).to_string().into_bytes();
    let large = format!("\"{}\"", "x".repeat(2 << 20)).into_bytes();
    // One digit of the signature is another.
    let (signed, last) = token.split_at(token.len() - 20);
    let other = if last.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}{other}{}", &last[1..]);
    let nothing = format!("http://{edge}/v1/nothing");
    let colour = format!("http://{member}/v1/status?colour=red");
    let sessions = format!("http://{member}/v1/sessions");
    let version = format!("http://{member}/v2");
    type Case<'a> = (&'a Method, &'a str, Vec<(&'a str, &'a str)>, Vec<u8>, u16, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (&post, &orders, vec![auth], b"{".to_vec(), 400, "malformed_request"),
        (&post, &orders, vec![auth], vec![0xff, 0xfe], 400, "malformed_request"),
        (&post, &orders, vec![auth], b"[]".to_vec(), 400, "malformed_request"),
        (&post, &orders, vec![auth], order_but("colour", json!("red")), 400, "malformed_request"),
        (&post, &orders, vec![auth], order_but("quantity", json!(1)), 400, "malformed_request"),
        (&post, &orders, vec![auth], order_but("quantity", json!("NaN")), 400, "malformed_request"),
        (&post, &orders, vec![auth], order_but("quantity", json!("-1")), 400, "malformed_request"),
        (&post, &orders, vec![auth], order_but("quantity", json!("0")), 422, "invalid_order"),
        (&post, &orders, vec![auth], order_but("limit_price", json!(null)), 422, "invalid_order"),
        (&post, &orders, vec![auth], order_but("instrument", json!("NONE/USD")), 404, "not_found"),
        (
            &post,
            &orders,
            vec![auth],
            order_but("client_order_id", json!("")),
            400,
            "malformed_request",
        ),
        (&post, &orders, vec![auth], large.clone(), 413, "body_too_large"),
        (
            &post,
            &orders,
            vec![auth, ("content-type", "text/plain")],
            vec![],
            415,
            "unsupported_media_type",
        ),
        (&post, &orders, vec![], order("a").to_string().into_bytes(), 401, "unauthorized"),
        (&post, &orders, vec![("authorization", &forged)], b"{}".to_vec(), 401, "unauthorized"),
        (&get, &nothing, vec![auth], vec![], 404, "not_found"),
        (&put, &orders, vec![auth], b"{}".to_vec(), 405, "method_not_allowed"),
        (&put, &customers, vec![], b"{\"key_hashes\":[]}".to_vec(), 400, "idempotency_key_missing"),
        (
            &put,
            &customers,
            vec![("idempotency-key", "x")],
            b"{\"key_hashes\":[]}".to_vec(),
            400,
            "malformed_request",
        ),
        (&put, &customers, vec![key], unknown_field, 400, "malformed_request"),
        (&put, &customers, vec![key], b"{\"key_hashes\":7}".to_vec(), 400, "malformed_request"),
        (&put, &customers, vec![key], large, 413, "body_too_large"),
        (
            &put,
            &customers,
            vec![("idempotency-key", "old/1/1")],
            b"{\"key_hashes\":[]}".to_vec(),
            400,
            "key_expired",
        ),
        (&get, &colour, vec![], vec![], 400, "malformed_request"),
        (&post, &sessions, vec![("authorization", "Bearer no")], vec![], 401, "unauthorized"),
        (&get, &version, vec![], vec![], 404, "not_found"),
    ];
    for (method, url, headers, body, status, code) in cases {
        let sent = String::from_utf8_lossy(&body).chars().take(120).collect::<String>();
        let (answered, problem) = send(&client, method, url, &headers, body).await;
        assert_eq!(
            (answered, problem["code"].as_str()),
            (status, Some(code)),
            "{method} {url} {sent}: {problem}"
        );
        assert!(problem["detail"].as_str().is_some_and(|text| text.len() > 10), "{problem}");
        let (alive, _) = send(&client, &get, &format!("http://{member}/livez"), &[], vec![]).await;
        assert_eq!(alive, 200);
    }
    let fills = demo.fills();
    tradewind_tests_cluster::eventually("the algo trades on", Duration::from_secs(10), || {
        demo.fills() > fills
    });
    frames(edge, &token).await;
}

type Socket = WebSocketStream<TcpStream>;

async fn stream(edge: &str, bearer: &str) -> Socket {
    let mut request = format!("ws://{edge}/v1/stream").into_client_request().unwrap();
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let stream = TcpStream::connect(edge).await.unwrap();
    client_async(request, stream).await.unwrap().0
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
