//! Claims about bytes that no library of ours sends: each ends its own session, or is answered with what was wrong with it and
//! nothing of anybody else's. Nothing is kept of it, and a witness at the same gateway reads every quote and trade meanwhile.

use super::{CLOSE, COMPRESSED, CONTINUATION, LAST, PING, Raw, TEXT, WITHIN, frame, header, next};
use crate::{
    gateway::Settings,
    world::{
        access, account,
        algo::Algo,
        desired,
        edge::{Edge, quick_settings},
        eventually, instrument, market_wanted, order_id,
    },
};
use serde_json::Value;
use std::{cell::Cell, convert::Infallible, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    time::{sleep, timeout},
};
use tradewind_domain::{
    ids::{InstrumentId, OrderId},
    limits::CLIENT_FRAME_BYTES,
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code,
    stream::{Channel, FromAlgo, StreamStatus, ToAlgo, close},
};

const ORDER: &str = r#"{"client_order_id":"1","instrument":"BTC/USD","side":"buy","type":"limit",
    "quantity":"1","limit_price":"100","time_in_force":"gtc"}"#;

/// One message, a byte a frame.
fn in_pieces(message: &str) -> Vec<u8> {
    let end = message.len() - 1;
    let piece = |(place, byte): (usize, u8)| {
        let kind = if place == 0 { TEXT } else { CONTINUATION };
        let last = if place == end { LAST } else { 0 };
        frame(last | kind, &[byte])
    };
    message.bytes().enumerate().flat_map(piece).collect()
}

/// Deflate's form of 60 MB of blanks: whoever inflates it has them.
fn bomb() -> Vec<u8> {
    let mut bomb =
        vec![0xec, 0xc1, 0x81, 0, 0, 0, 0, 0x80, 0x20, 0x95, 0xfd, 0x29, 0x17, 0xa9, 0x0a];
    // From here on each byte stands for a thousand.
    bomb.resize(60_000, 0);
    bomb
}

/// Writes a piece again and again, whatever is said to it.
async fn goes_on(writes: &mut OwnedWriteHalf, piece: &[u8]) -> Infallible {
    loop {
        let _ = writes.write_all(piece).await;
        sleep(Duration::from_millis(1)).await;
    }
}

/// Reads to the end of the connection: the error that was told, and the code of the close.
async fn end(reads: &mut OwnedReadHalf) -> (Option<(Code, String)>, Option<u16>) {
    let told = async {
        let (mut error, mut closed) = (None, None);
        while let Some((kind, payload)) = next(reads).await {
            match kind {
                TEXT => {
                    let said: ToAlgo = serde_json::from_slice(&payload).unwrap();
                    if let ToAlgo::Error { code, detail } = said {
                        error = Some((code, detail));
                    }
                }
                CLOSE => closed = Some(u16::from_be_bytes([payload[0], payload[1]])),
                _ => {}
            }
        }
        (error, closed)
    };
    timeout(WITHIN, told).await.expect("the session ends")
}

/// Reads to the end of the connection: the status that was answered, and the problem.
async fn answer(reads: &mut OwnedReadHalf) -> (u16, Value) {
    let mut bytes = Vec::new();
    // One that is reset has ended as well.
    let _ = timeout(WITHIN, reads.read_to_end(&mut bytes)).await.expect("the connection ends");
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// A session that reads the quotes and trades of an instrument, of which the next is sent once it has the one before.
struct Witness {
    algo: Algo,
    of: InstrumentId,
}

impl Witness {
    async fn of(edge: &Edge) -> Self {
        let (mut algo, of) = (edge.algo().await, instrument("BTC/USD"));
        for channel in [Channel::Quotes, Channel::Trades] {
            let instrument = Some(of.clone());
            algo.say(&FromAlgo::Subscribe { channel, instrument, account: None, from: None }).await;
        }
        eventually("it is subscribed", || {
            let (quotes, trades) = edge.broker.readers(&of);
            quotes.len() == 1 && trades.len() == 1
        })
        .await;
        let mut witness = Self { algo, of };
        // How its streams have begun is no part of it.
        witness.reads(edge, |_| {}).await;
        witness
    }

    async fn reads_on(&mut self, edge: &Edge) {
        self.reads(edge, |other| panic!("the witness was told {other:?}")).await;
    }

    /// One quote and one trade more are the next that come; what else is told goes to `other`.
    async fn reads(&mut self, edge: &Edge, mut other: impl FnMut(ToAlgo)) {
        let sent = edge.broker.trade(&self.of).await;
        edge.broker.quote(&self.of, sent);
        let (mut quoted, mut traded) = (false, false);
        let both = self.algo.until(|frame| {
            match frame {
                ToAlgo::Quote { seq, .. } => {
                    assert_eq!(seq, sent);
                    quoted = true;
                }
                ToAlgo::Trade { seq, prev, .. } => {
                    assert_eq!((seq, prev), (sent, sent - 1));
                    traded = true;
                }
                ToAlgo::Heartbeat { .. } | ToAlgo::Status { status: StreamStatus::Live, .. } => {}
                frame => other(frame),
            }
            (quoted && traded).then_some(())
        });
        both.await;
    }
}

/// Has it done while the witness reads on; then nobody but the witness is left.
async fn beside<T>(edge: &Edge, witness: &mut Witness, attack: impl Future<Output = T>) -> T {
    let over = Cell::new(false);
    let attacks = async {
        let told = attack.await;
        over.set(true);
        told
    };
    let reads_on = async {
        while !over.get() {
            witness.reads_on(edge).await;
        }
        witness.reads_on(edge).await;
    };
    let (told, ()) = tokio::join!(attacks, reads_on);
    eventually("nothing of it is kept", || edge.sessions.count() == 1).await;
    told
}

/// What is no frame or no message, and what is said of it.
fn no_messages() -> Vec<(Vec<u8>, &'static str)> {
    let text = |payload: &[u8]| frame(LAST | TEXT, payload);
    let deep = "[".repeat(10_000);
    vec![
        (frame(LAST | COMPRESSED | TEXT, &bomb()), "Reserved bits"),
        (text(b"{\"type\":\"\xff\xfe\"}"), "UTF-8"),
        ([frame(TEXT, b"\xe2\x82"), frame(LAST | CONTINUATION, b"{}")].concat(), "UTF-8"),
        (text(deep.as_bytes()), "not a message"),
        (text(format!("{{\"from\":{deep}").as_bytes()), "recursion limit"),
        (header(LAST | TEXT, 1 << 62), "4611686018427387904 > 65536"),
        (b"\x81\x02{}".to_vec(), "unmasked"),
        ([frame(TEXT, b"{"), text(b"}")].concat(), "more fragments"),
        (frame(LAST | CONTINUATION, b"{}"), "nothing to continue"),
        (frame(LAST | PING, &[0; 126]), "too big"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_frame_or_no_message_is_told_and_ends_its_own_session_alone() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut witness = Witness::of(&edge).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for (bytes, says) in no_messages() {
        // when
        let attack = async {
            let mut raw = Raw::session(&edge).await;
            raw.write(&bytes).await;
            end(&mut raw.reads).await
        };
        let (error, closed) = beside(&edge, &mut witness, attack).await;
        // then
        let (code, detail) = error.expect(says);
        assert_eq!((code, closed), (Code::MalformedRequest, Some(close::BAD_FRAME)), "{detail}");
        assert!(detail.contains(says), "{says}: {detail}");
    }
    eventually("no task is left", || tasks() <= before + 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_all_the_bytes_there_may_be_is_read_a_byte_at_a_time_and_one_more_is_not() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut witness = Witness::of(&edge).await;
    let wish = r#"{"type":"subscribe","channel":"quotes","instrument":"ETH/USD"}"#;
    let most = wish.to_owned() + &" ".repeat(CLIENT_FRAME_BYTES - wish.len());
    // when
    let granted = async {
        let mut raw = Raw::session(&edge).await;
        raw.write(in_pieces(&most)).await;
        while let Some((_, said)) = next(&mut raw.reads).await {
            if String::from_utf8_lossy(&said).contains(r#""type":"subscribed""#) {
                return true;
            }
        }
        false
    };
    let granted = timeout(WITHIN, beside(&edge, &mut witness, granted)).await;
    // then
    assert_eq!(granted, Ok(true));
    // when
    let attack = async {
        let mut raw = Raw::session(&edge).await;
        raw.write(in_pieces(&(most + " "))).await;
        end(&mut raw.reads).await
    };
    let (error, closed) = beside(&edge, &mut witness, attack).await;
    // then
    let (code, detail) = error.expect("it is told");
    assert_eq!((code, closed), (Code::MalformedRequest, Some(close::BAD_FRAME)), "{detail}");
    assert!(detail.contains("65537 > 65536"), "{detail}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_never_ends_is_taken_up_to_its_limit_and_no_longer_than_silence_may_last() {
    // given
    let (silence, ping_every) = (Duration::from_secs(3), Duration::from_millis(500));
    let soon = Settings { silence, ping_every, ..quick_settings() };
    let large = frame(CONTINUATION, &[b' '; 1_024]);
    let empty = frame(CONTINUATION, b"").repeat(1_000);
    let cases = [
        (quick_settings(), large, Code::MalformedRequest, close::BAD_FRAME, "66560 > 65536"),
        (soon, empty, Code::RequestTimeout, close::GOING_AWAY, "nothing came for too long"),
    ];
    for (settings, piece, problem, code, says) in cases {
        let edge = Edge::start(settings).await;
        let mut witness = Witness::of(&edge).await;
        // when
        let attack = async {
            let Raw { mut reads, mut writes } = Raw::session(&edge).await;
            writes.write_all(&frame(TEXT, b"")).await.unwrap();
            tokio::select! {
                told = end(&mut reads) => told,
                never = goes_on(&mut writes, &piece) => match never {},
            }
        };
        let (error, closed) = beside(&edge, &mut witness, attack).await;
        // then
        let (told, detail) = error.expect(says);
        assert_eq!((told, closed), (problem, Some(code)), "{detail}");
        assert!(detail.contains(says), "{says}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_compressed_deep_or_without_an_end_is_refused_and_nothing_is_made_of_it() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut witness = Witness::of(&edge).await;
    let gzip = [b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec(), bomb()].concat();
    let deep = format!("{{\"colour\":{}", "[".repeat(10_000)).into_bytes();
    for (coding, body, (expected, code), says) in [
        ("gzip", gzip, (415, "unsupported_media_type"), "coded as \"gzip\""),
        ("identity", deep, (400, "malformed_request"), "recursion limit"),
    ] {
        // when
        let attack = async {
            let length = body.len();
            let more = format!("content-encoding: {coding}\r\ncontent-length: {length}");
            let mut raw = Raw::order(&edge, &more).await;
            raw.write(&body).await;
            answer(&mut raw.reads).await
        };
        let (status, told) = beside(&edge, &mut witness, attack).await;
        // then
        assert_eq!((status, &told["code"]), (expected, &code.into()), "{told}");
        assert!(told["detail"].as_str().unwrap().contains(says), "{told}");
    }
    // when
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    let attack = async {
        let Raw { mut reads, mut writes } = Raw::order(&edge, "transfer-encoding: chunked").await;
        tokio::select! {
            told = answer(&mut reads) => told,
            never = goes_on(&mut writes, chunk.as_bytes()) => match never {},
        }
    };
    let (status, told) = beside(&edge, &mut witness, attack).await;
    // then
    assert_eq!((status, &told["code"]), (413, &"body_too_large".into()), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("limit"), "{told}");
    assert!(edge.broker.scene().commands.is_empty(), "one has come as far as a Broker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_price_that_is_none_is_told_with_its_field_and_reaches_no_broker() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut witness = Witness::of(&edge).await;
    let (long, quoted) = ("1".repeat(40), format!("\"{}\"", "1".repeat(40)));
    let cases = [
        (&*quoted, "not a decimal"),
        (r#""NaN""#, "not a decimal"),
        (r#""-Infinity""#, "not a decimal"),
        (r#""1e400""#, "not a decimal"),
        (r#""0""#, "above zero"),
        (&*long, "expected a string"),
        ("NaN", "expected value"),
        ("1e999", "out of range"),
    ];
    for (price, says) in cases {
        // when
        let order = ORDER.replace("\"100\"", price);
        let asked = edge.rest(Method::POST, "/v1/orders", Some(&order));
        let (status, told) = beside(&edge, &mut witness, asked).await;
        // then
        assert_eq!((status, &told["code"]), (400, &"malformed_request".into()), "{told}");
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.contains("limit_price") && detail.contains(says), "{price}: {told}");
    }
    assert!(edge.broker.scene().commands.is_empty(), "one has come as far as a Broker");
    let good = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    assert_eq!(good.0, 201, "{}", good.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_of_another_customer_is_refused_by_whatever_way_it_is_named() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut witness = Witness::of(&edge).await;
    let mut wanted = market_wanted("crypto");
    wanted.accounts.push(access("vault", "sim", &["bolt"]));
    edge.gateway.follow(&desired(vec![wanted]));
    let order = format!("/v1/orders/{}", OrderId { account: account("vault"), ..order_id("1") });
    let submit = ORDER.replacen('{', r#"{"account":"vault","#, 1);
    let replace = r#"{"replace_id":"r","version":3,"quantity":"2"}"#;
    let (timer, halt) = (r#"{"account":"vault","after_ms":5000}"#, r#"{"state":"halted"}"#);
    let (forbidden, none) = ((403, "forbidden"), (422, "no_account"));
    let cases = [
        (Method::POST, "/v1/orders", Some(&*submit), none),
        (Method::GET, "/v1/orders?account=vault", None, forbidden),
        (Method::GET, "/v1/fills?account=vault", None, forbidden),
        (Method::GET, "/v1/positions?account=vault", None, forbidden),
        (Method::POST, "/v1/cancel_all_after", Some(timer), forbidden),
        (Method::PUT, "/v1/accounts/vault/trading_state", Some(halt), forbidden),
        (Method::GET, &*order, None, forbidden),
        (Method::PATCH, &*order, Some(replace), forbidden),
        (Method::DELETE, &*order, None, forbidden),
    ];
    for (method, path, body, (status, code)) in cases {
        // when
        let asked = edge.rest(method, path, body);
        let (answered, told) = beside(&edge, &mut witness, asked).await;
        // then
        assert_eq!((answered, &told["code"]), (status, &code.into()), "{path}: {told}");
        assert!(!told.to_string().contains("bolt"), "whose it is was told: {told}");
    }
    // when: it is asked for in a session
    let attack = async {
        let mut algo = edge.algo().await;
        for channel in [Channel::Orders, Channel::Fills] {
            let account = Some(account("vault"));
            let wish = FromAlgo::Subscribe { channel, instrument: None, account, from: None };
            algo.say(&wish).await;
        }
        let mut told = Vec::new();
        algo.until(|frame| {
            if let ToAlgo::Error { code, detail } = frame {
                told.push((code, detail));
            }
            (told.len() == 2).then_some(())
        })
        .await;
        told
    };
    // then
    for (code, detail) in beside(&edge, &mut witness, attack).await {
        assert_eq!(code, Code::Forbidden, "{detail}");
        assert!(!detail.contains("bolt"), "whose it is was told: {detail}");
    }
    assert!(!edge.broker.has_private_subscriber());
    assert!(edge.broker.scene().commands.is_empty(), "one has come as far as a Broker");
}
