//! Other sides that do not keep to the rules: silence and nonsense, at each stage. Never a panic, never
//! a task that hangs.

use super::{Server, dial, hello, next, pipe_server, quick, raw::Raw, taken, until, word};
use crate::{
    listen::Limits,
    pipe::{Diallers, Event, Lost},
};
use axum::{Router, routing::get};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{Bytes, Message, protocol::CloseFrame},
};
use tradewind_domain::ids::Incarnation;
use tradewind_protocol::{Code, Problem, link::HelloAnswer};

pub(super) type ByHand = WebSocketStream<TcpStream>;

/// A WebSocket to the server's gate that was not said hello on.
async fn connect(server: &Server) -> ByHand {
    let stream = TcpStream::connect(server.address).await.unwrap();
    client_async(format!("ws://{}/pipe", server.address), stream).await.unwrap().0
}

async fn say<T: serde::Serialize>(socket: &mut ByHand, message: &T) {
    socket.send(Message::text(serde_json::to_string(message).unwrap())).await.unwrap();
}

/// Everything the server says until it closes: its texts and its close frame.
async fn last_words(socket: &mut ByHand) -> (Vec<String>, Option<CloseFrame>) {
    let mut texts = Vec::new();
    let mut close = None;
    let heard = async {
        while let Some(Ok(message)) = socket.next().await {
            match message {
                Message::Text(text) => texts.push(text.to_string()),
                Message::Close(frame) => close = frame,
                _ => {}
            }
        }
    };
    timeout(super::SOON, heard).await.expect("the server closes");
    (texts, close)
}

/// What is no message, in every way there is.
fn nonsense() -> Vec<Message> {
    vec![
        Message::text("not json"),
        Message::text("{}"),
        Message::text(r#"{"type":"word","n":"one","filling":""}"#),
        Message::text(r#"{"type":"word","n":1,"filling":"","more":1}"#),
        Message::text(format!("{}1", "[".repeat(100_000))),
        Message::binary(Bytes::from_static(b"\x00\x01")),
        Message::text("x".repeat(20_000)),
    ]
}

fn small() -> crate::pipe::Options {
    crate::pipe::Options { frame_bytes: 10_000, ..quick() }
}

#[tokio::test]
async fn a_first_frame_that_is_no_hello_is_refused_and_closed_with_a_code() {
    let (server, _gate, _accepted) = pipe_server(Diallers::One, small(), Limits::default()).await;
    for frame in nonsense() {
        let mut socket = connect(&server).await;
        let _ = socket.send(frame.clone()).await;

        let (texts, close) = last_words(&mut socket).await;

        let said: HelloAnswer = serde_json::from_str(&texts[0]).unwrap();
        let HelloAnswer::Refused { problem } = said else { panic!("{said:?}") };
        assert_eq!(problem.code, Code::MalformedRequest);
        assert_eq!(u16::from(close.unwrap().code), 4400);
    }
}

#[tokio::test]
async fn a_later_frame_that_is_no_message_gets_an_error_frame_and_a_close_code() {
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, small(), Limits::default()).await;
    for frame in nonsense() {
        let mut socket = connect(&server).await;
        say(&mut socket, &hello("parent", 1, 1)).await;
        say(&mut socket, &word(1)).await;
        let mut child = taken(&mut accepted).await;
        assert_eq!(next(&mut child.events).await, Some(Event::Message(word(1))));

        let _ = socket.send(frame.clone()).await;

        assert_eq!(next(&mut child.events).await, Some(Event::Down(Lost::BadFrame)));
        assert_eq!(next(&mut child.events).await, None);
        let (texts, close) = last_words(&mut socket).await;
        assert!(texts[0].contains("welcome"), "{texts:?}");
        assert!(texts[1].contains(r#""type":"error""#), "{texts:?}");
        assert_eq!(u16::from(close.unwrap().code), 4400);
    }
}

#[tokio::test]
async fn the_side_that_sent_nonsense_is_told_why_the_pipe_is_down() {
    // Given a child that takes nothing of what we say.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, mut events) =
        dial(listener.local_addr().unwrap(), hello("parent", 1, 1), quick());
    let mut socket = welcomed(&listener).await;
    let error = serde_json::json!({
        "type": "error", "problem": Problem::new(Code::MalformedRequest, "not a message"),
    });
    say(&mut socket, &error).await;

    let down = until(&mut events, |event| matches!(event, Event::Down(_))).await;

    let Event::Down(Lost::RefusedBy(problem)) = down else { panic!("{down:?}") };
    assert_eq!(problem.detail, "not a message");
}

#[tokio::test]
async fn a_dialler_that_says_no_hello_is_closed() {
    let (server, _gate, _accepted) = pipe_server(Diallers::One, quick(), Limits::default()).await;
    let mut socket = connect(&server).await;
    let (texts, close) = last_words(&mut socket).await;
    assert!(texts[0].contains("No hello"), "{texts:?}");
    assert_eq!(u16::from(close.unwrap().code), 4408);
}

#[tokio::test]
async fn a_dialler_that_falls_silent_is_found() {
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, quick(), Limits::default()).await;
    let mut socket = connect(&server).await;
    say(&mut socket, &hello("parent", 1, 1)).await;
    let mut child = taken(&mut accepted).await;
    assert_eq!(next(&mut child.events).await, Some(Event::Down(Lost::Silent)));
}

#[tokio::test]
async fn a_close_frame_is_answered_with_one() {
    let (server, _gate, mut accepted) =
        pipe_server(Diallers::One, quick(), Limits::default()).await;
    let mut socket = connect(&server).await;
    say(&mut socket, &hello("parent", 1, 1)).await;
    let mut child = taken(&mut accepted).await;

    socket.send(Message::Close(None)).await.unwrap();

    assert_eq!(next(&mut child.events).await, Some(Event::Down(Lost::Closed)));
    let answered = async {
        while let Some(message) = socket.next().await {
            if matches!(message, Ok(Message::Close(_))) {
                return true;
            }
        }
        false
    };
    assert!(timeout(super::SOON, answered).await.unwrap());
}

#[tokio::test]
async fn a_gate_is_no_place_for_a_plain_request() {
    let (server, _gate, _accepted) = pipe_server(Diallers::One, quick(), Limits::default()).await;
    let problem = Raw::connect(server.address).await.get("/pipe").await.problem();
    assert_eq!(problem.code, Code::MalformedRequest);
}

/// Welcomes a dialler by hand.
async fn welcomed(listener: &TcpListener) -> ByHand {
    let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let welcome = HelloAnswer::Welcome { protocol: 1, incarnation: Incarnation(9) };
    say(&mut socket, &welcome).await;
    socket
}

#[tokio::test]
async fn a_child_that_takes_the_connection_and_says_nothing_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, mut events) =
        dial(listener.local_addr().unwrap(), hello("parent", 1, 1), quick());
    assert_eq!(next(&mut events).await, Some(Event::Down(Lost::Silent)));
}

#[tokio::test]
async fn a_child_that_does_not_answer_the_hello_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, mut events) =
        dial(listener.local_addr().unwrap(), hello("parent", 1, 1), quick());
    let _socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
    assert_eq!(next(&mut events).await, Some(Event::Down(Lost::Silent)));
}

#[tokio::test]
async fn a_child_that_stalls_after_its_welcome_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, mut events) =
        dial(listener.local_addr().unwrap(), hello("parent", 1, 1), quick());
    let _socket = welcomed(&listener).await;
    assert!(matches!(next(&mut events).await, Some(Event::Up { .. })));
    assert_eq!(next(&mut events).await, Some(Event::Down(Lost::Silent)));
}

#[tokio::test]
async fn a_child_that_answers_the_hello_with_nonsense_is_a_bad_frame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_sender, mut events) =
        dial(listener.local_addr().unwrap(), hello("parent", 1, 1), quick());
    for answer in [r#"{"type":"welcome","protocol":99,"incarnation":1}"#, "nonsense"] {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket.send(Message::text(answer)).await.unwrap();
        assert_eq!(next(&mut events).await, Some(Event::Down(Lost::BadFrame)), "{answer}");
    }
}

#[tokio::test]
async fn an_answer_by_http_is_a_refusal() {
    let router = Router::new().route("/other", get(async || "here"));
    let server = Server::start(router, Limits::default()).await;
    let (_sender, mut events) = dial(server.address, hello("parent", 1, 1), quick());
    let Some(Event::Down(Lost::RefusedBy(problem))) = next(&mut events).await else { panic!() };
    assert_eq!(problem.code, Code::NotFound);
}
