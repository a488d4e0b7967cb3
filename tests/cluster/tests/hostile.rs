//! Hostile input at a MarketManager: frames, numbers, names and tokens of somebody who means harm. After each of them the
//! sender is told or cut, and a session beside him has lost nothing: its connection, its quotes, its orders.
#![allow(clippy::unwrap_used)]

use ed25519_dalek::SigningKey;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Client;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};
use tradewind_protocol::{
    domain::{ids::NodeId, time::UnixNanos},
    token,
};
use tradewind_tests_cluster::Demo;

const WITHIN: Duration = Duration::from_secs(20);

/// A session that behaves, on one connection for the whole test.
struct Good {
    socket: WebSocketStream<TcpStream>,
    client: Client,
    edge: String,
    bearer: String,
    orders: u32,
    seq: u64,
}

impl Good {
    async fn open(edge: &str, bearer: &str) -> Self {
        let mut request = format!("ws://{edge}/v1/stream").into_client_request().unwrap();
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        let stream = TcpStream::connect(edge).await.unwrap();
        let mut socket = client_async(request, stream).await.unwrap().0;
        let quotes = r#"{"type":"subscribe","channel":"quotes","instrument":"BTC/USD"}"#;
        socket.send(Message::text(quotes)).await.unwrap();
        let (edge, bearer) = (edge.to_string(), bearer.to_string());
        Self { socket, client: Client::new(), edge, bearer, orders: 0, seq: 0 }
    }

    /// A later quote comes on the same connection, and an order is accepted.
    async fn goes_on(&mut self, after: &str) {
        let later = async {
            loop {
                let frame = self.socket.next().await.unwrap().unwrap();
                let Message::Text(text) = frame else { continue };
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "quote" && frame["seq"].as_u64().unwrap() > self.seq {
                    return frame["seq"].as_u64().unwrap();
                }
            }
        };
        self.seq =
            timeout(WITHIN, later).await.unwrap_or_else(|_| panic!("no quote after {after}"));
        self.orders += 1;
        let order = order(&format!("good-{}", self.orders));
        let (status, body) = self.post(&order.to_string()).await;
        assert_eq!(status, 201, "after {after}: {body}");
    }

    async fn post(&self, body: &str) -> (u16, Value) {
        let request = self.client.post(format!("http://{}/v1/orders", self.edge));
        let request = request.header("authorization", &self.bearer);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

fn order(id: &str) -> Value {
    json!({"client_order_id": id, "instrument": "BTC/USD", "side": "buy", "type": "limit",
        "quantity": "0.001", "limit_price": "1", "time_in_force": "ioc"})
}

async fn bearer(client: &Client, member: &str, key: &str) -> String {
    let url = format!("http://{member}/v1/sessions");
    let answer = client.post(url).bearer_auth(key).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    format!("Bearer {}", answer["token"].as_str().unwrap())
}

/// A client's frame: its first byte, its length, no real mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![first, 0x80 | 127];
    bytes.extend_from_slice(&length);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// What is sent over a stream that was opened as it should be, and the name of it. Each ends that stream.
fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let text = br#"{"type":"unsubscribe","channel":"quotes","instrument":"BTC/USD"}"#;
    let mut announced = vec![0x81, 0x80 | 127];
    announced.extend_from_slice(&(u64::MAX >> 1).to_be_bytes());
    announced.extend_from_slice(&[0; 4]);
    let mut pieces = frame(0x01, &[b' '; 1_000]);
    (0..100).for_each(|_| pieces.extend(frame(0x00, &[b' '; 1_000])));
    let mut nothing = frame(0x01, b"");
    (0..20_000).for_each(|_| nothing.extend(frame(0x00, b"")));
    nothing.extend(frame(0x80, b"{"));
    let mut unmasked = vec![0x81, u8::try_from(text.len()).unwrap()];
    unmasked.extend_from_slice(text);
    let deep = "[".repeat(60_000);
    let deep_value = format!(r#"{{"type":"subscribe","channel":{}"#, "{\"a\":".repeat(10_000));
    vec![
        ("a frame of 65 KiB", frame(0x81, &[b' '; 65 << 10])),
        ("a frame that says that it has 2^63 bytes", announced),
        ("a message of 100 KiB in pieces", pieces),
        ("a message of 20,000 empty pieces", nothing),
        ("60,000 brackets", frame(0x81, deep.as_bytes())),
        ("10,000 objects in one another", frame(0x81, deep_value.as_bytes())),
        ("text that is not UTF-8", frame(0x81, &[b'"', 0xff, 0xfe, b'"'])),
        ("half a character in a piece that is the last", frame(0x81, &[0xe2, 0x82])),
        ("a compressed frame", frame(0xc1, &[0x4a, 0x4c, 0x04, 0x00])),
        ("an operation that does not exist", frame(0x83, b"x")),
        ("a frame that is not masked", unmasked),
        ("a ping of 1 KiB", frame(0x89, &[0; 1_024])),
        ("a piece of nothing", frame(0x80, text)),
        ("binary", frame(0x82, text)),
        ("a negative number", subscribe(r#""from":{"epoch":"e","seq":-1}"#)),
        (
            "a number with 40 digits",
            subscribe(&format!(r#""from":{{"epoch":"e","seq":{}}}"#, forty())),
        ),
        ("a number that is none", subscribe(r#""from":{"epoch":"e","seq":NaN}"#)),
        ("a fraction for a number", subscribe(r#""from":{"epoch":"e","seq":1.5}"#)),
        (
            "a name of 60 KiB",
            subscribe(&format!(r#""from":{{"epoch":"{}","seq":1}}"#, "e".repeat(60_000))),
        ),
    ]
}

fn subscribe(more: &str) -> Vec<u8> {
    let text = format!(r#"{{"type":"subscribe","channel":"orders","account":"sim-2",{more}}}"#);
    frame(0x81, text.as_bytes())
}

fn forty() -> String {
    "9".repeat(40)
}

/// Opens a stream by hand; the socket is at its first frame.
async fn opened(edge: &str, bearer: &str) -> TcpStream {
    let mut stream = TcpStream::connect(edge).await.unwrap();
    let request = format!(
        "GET /v1/stream HTTP/1.1\r\nhost: {edge}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-extensions: permessage-deflate\r\nauthorization: {bearer}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(WITHIN, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(!head.contains("deflate"), "nothing is to be unpacked: {head}");
    stream
}

#[tokio::test]
async fn a_hostile_frame_ends_its_own_stream_alone() {
    let demo = Demo::trading();
    let (client, edge) = (Client::new(), demo.market_managers()[0].clone());
    let bearer = bearer(&client, &demo.members()[0], "guest-key").await;
    let mut good = Good::open(&edge, &bearer).await;
    for (what, bytes) in frames() {
        let mut stream = opened(&edge, &bearer).await;
        // It may hang up before it has read all.
        let _ = stream.write_all(&bytes).await;
        let cut = async {
            let mut got = vec![0; 4_096];
            while stream.read(&mut got).await.is_ok_and(|read| read > 0) {}
        };
        timeout(WITHIN, cut).await.unwrap_or_else(|_| panic!("{what}: the stream goes on"));
        good.goes_on(what).await;
    }
}

#[tokio::test]
async fn whoever_reads_nothing_or_asks_without_end_slows_nobody() {
    let demo = Demo::trading();
    let (client, edge) = (Client::new(), demo.market_managers()[0].clone());
    let bearer = bearer(&client, &demo.members()[0], "guest-key").await;
    let mut good = Good::open(&edge, &bearer).await;
    let ask = |text: &str| frame(0x81, text.as_bytes());
    let unknown = ask(r#"{"type":"subscribe","channel":"quotes","instrument":"NONE/USD"}"#);
    let known = ask(r#"{"type":"subscribe","channel":"quotes","instrument":"BTC/USD"}"#);
    let orders = ask(r#"{"type":"subscribe","channel":"orders","account":"sim-2"}"#);
    let mut hostile = Vec::new();
    for _ in 0..20 {
        let mut stream = opened(&edge, &bearer).await;
        for asked in [&orders, &known] {
            stream.write_all(asked).await.unwrap();
        }
        // Each is answered, and no answer is read: at some point it is not asked for more.
        for _ in 0..100_000 {
            let wrote = timeout(Duration::from_millis(100), stream.write_all(&unknown)).await;
            if !matches!(wrote, Ok(Ok(()))) {
                break;
            }
        }
        hostile.push(stream);
    }
    // Half a request, and half a frame, that never end.
    let mut half = TcpStream::connect(&edge).await.unwrap();
    half.write_all(b"POST /v1/orders HTTP/1.1\r\nhost: x\r\ncontent-le").await.unwrap();
    let mut begun = opened(&edge, &bearer).await;
    begun.write_all(&unknown[..20]).await.unwrap();
    for _ in 0..10 {
        good.goes_on("sessions that read nothing").await;
    }
    drop((hostile, half, begun));
    good.goes_on("all of them").await;
}

#[tokio::test]
async fn no_number_name_or_account_of_an_order_is_taken_for_another() {
    let demo = Demo::trading();
    let (client, edge) = (Client::new(), demo.market_managers()[0].clone());
    let bearer = bearer(&client, &demo.members()[0], "guest-key").await;
    let mut good = Good::open(&edge, &bearer).await;
    let forty = forty();
    let numbers = [
        "-1",
        "-0.001",
        "0",
        "0.0",
        "NaN",
        "nan",
        "Infinity",
        "-inf",
        "1e5",
        "1E-3",
        "0x10",
        "1_000",
        "1,5",
        " 1",
        "1 ",
        "",
        "+",
        "--1",
        "1.2.3",
        "\u{ff11}",
        "\u{661}",
        "1\u{0}",
        &forty,
        &format!("0.{forty}"),
        &format!("1{}", "0".repeat(28)),
    ];
    for field in ["quantity", "limit_price"] {
        for number in numbers {
            let mut bad = order("bad");
            bad[field] = json!(number);
            let (status, problem) = good.post(&bad.to_string()).await;
            assert!(matches!(status, 400 | 422), "{field} {number:?}: {status} {problem}");
        }
        for raw in ["1", "-1", "0.001", "1e400", &forty, "null", "[]", "{}", "true"] {
            let text = order("bad").to_string();
            let (named, value) = (format!("\"{field}\":"), order("bad")[field].to_string());
            let text = text.replace(&(named.clone() + &value), &(named + raw));
            let (status, problem) = good.post(&text).await;
            assert!(matches!(status, 400 | 422), "{field} {raw}: {status} {problem}");
        }
    }
    let other = demo_order(&demo);
    let cases = [
        ("instrument", json!("NONE/USD"), 404),
        ("instrument", json!("../BTC/USD"), 400),
        ("instrument", json!("BTC/USD\u{0}"), 400),
        // Another customer's account, and one that is nobody's.
        ("account", json!("sim-1"), 422),
        ("account", json!("none"), 422),
        ("client_order_id", json!("x".repeat(1_000)), 400),
        ("client_order_id", json!("a/../b"), 400),
    ];
    for (field, value, expected) in cases {
        let mut bad = order("bad");
        bad[field] = value.clone();
        let (status, problem) = good.post(&bad.to_string()).await;
        assert_eq!(status, expected, "{field} {value}: {problem}");
    }
    for path in [
        format!("/v1/orders/{other}"),
        "/v1/orders?account=sim-1".to_string(),
        "/v1/fills?account=sim-1".to_string(),
    ] {
        let asked = client.get(format!("http://{edge}{path}")).header("authorization", &bearer);
        let status = asked.send().await.unwrap().status().as_u16();
        assert!(matches!(status, 403 | 404 | 422), "{path}: {status}");
    }
    good.goes_on("bad orders").await;
    // None of them is in the ledger.
    let asked = client.get(format!("http://{edge}/v1/orders?client_order_id=bad"));
    let listed: Value =
        asked.header("authorization", &bearer).send().await.unwrap().json().await.unwrap();
    assert_eq!(listed["orders"], json!([]));
}

/// An order of the demo's own algo, which is another customer.
fn demo_order(demo: &Demo) -> String {
    let history = std::fs::read_to_string(demo.data.path().join("history.jsonl")).unwrap();
    let cancel = history.lines().find(|line| line.contains(r#""f":"cancel""#));
    let operation: Value = cancel.map_or(Value::Null, |line| serde_json::from_str(line).unwrap());
    let none = "sim-1.00112233445566778899aabbccddeeff";
    operation["value"].as_str().unwrap_or(none).to_string()
}

#[tokio::test]
async fn a_token_that_has_expired_or_was_signed_by_somebody_else_opens_nothing() {
    let demo = Demo::trading();
    let (client, edge) = (Client::new(), demo.market_managers()[0].clone());
    let bearer = bearer(&client, &demo.members()[0], "guest-key").await;
    let mut good = Good::open(&edge, &bearer).await;
    let text = bearer.strip_prefix("Bearer ").unwrap();
    let claims = token::claims_unchecked(text).unwrap();
    let node = NodeId(text.split('.').nth(1).unwrap().parse().unwrap());
    let seed = std::fs::read(demo.data.path().join(format!("infra-{node}/session.key"))).unwrap();
    let key = SigningKey::from_bytes(&seed.try_into().unwrap());
    // With the member's own key: the test signs as the member does.
    assert!(is_taken(&client, &edge, &token::sign(&claims, node, &key)).await);
    let strange = SigningKey::from_bytes(&[7; 32]);
    let changed = |change: fn(&mut token::Claims)| {
        let mut claims = claims.clone();
        change(&mut claims);
        token::sign(&claims, node, &key)
    };
    let (head, signature) = text.rsplit_once('.').unwrap();
    let unsigned = format!("{head}.");
    let swapped = format!(
        "{}.{signature}",
        changed(|c| c.session = "other".to_string()).rsplit_once('.').unwrap().0
    );
    let bad = [
        ("expired", changed(|claims| claims.expires_at = UnixNanos(1))),
        ("of another cluster", changed(|claims| claims.cluster.0 += 1)),
        ("of nobody", changed(|claims| claims.customer = "nobody".parse().unwrap())),
        ("of a key that is none", changed(|claims| claims.key_id = Some("none".to_string()))),
        ("signed by somebody else", token::sign(&claims, node, &strange)),
        ("of a member that is none", token::sign(&claims, NodeId(99), &key)),
        ("without a signature", unsigned),
        ("other claims under the same signature", swapped),
        ("long", format!("tw1.{node}.{}.x", "A".repeat(10_000))),
        ("an API key", "guest-key".to_string()),
        ("nothing", String::new()),
    ];
    for (what, text) in bad {
        assert!(!is_taken(&client, &edge, &text).await, "a token {what}");
        good.goes_on(what).await;
    }
}

/// Whether a token opens anything: orders, reads, a stream.
async fn is_taken(client: &Client, edge: &str, token: &str) -> bool {
    let url = |path: &str| format!("http://{edge}{path}");
    let order = order("by-token").to_string();
    let asked = [
        client.get(url("/v1/accounts")),
        client.post(url("/v1/orders")).header("content-type", "application/json").body(order),
        client
            .get(url("/v1/stream"))
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut taken = 0;
    let all = asked.len();
    for request in asked {
        let answer = request.bearer_auth(token).send().await.unwrap();
        match answer.status().as_u16() {
            101 | 200 | 201 => taken += 1,
            // What a member has made moments ago may be on its way to the MarketManager.
            503 => {}
            status => assert_eq!(status, 401, "{}", answer.text().await.unwrap()),
        }
    }
    assert!(taken == 0 || taken == all, "{taken} of {all}");
    taken > 0
}
