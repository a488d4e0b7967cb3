//! Faults on demand: each happens when it is asked for, and is seen by the parts of the protocol that are to see it.

use tradewind_domain::time::Monotonic;
use tradewind_kraken::book::{Books, Fault, Precision, Told};
use tradewind_kraken::executions::Sequence;
use tradewind_kraken::outcome::{Mend, Outcome, of};
use tradewind_kraken::ws::market::{Market, System};
use tradewind_kraken::ws::private::{ExecType, Private};
use tradewind_kraken::ws::request::Subscription;
use tradewind_kraken::ws::{Message, read};

use crate::client::Sim;
use crate::orders::buy;

async fn sim() -> (Sim, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    (Sim::start(data.path()).await, data)
}

#[tokio::test]
async fn a_call_answered_502_may_have_been_done() {
    let (mut sim, _data) = sim().await;
    sim.fault(r#"{"fault":"bad_gateway","method":"AddOrder"}"#).await;
    let order = [
        ("pair", "XBTUSD"),
        ("type", "buy"),
        ("ordertype", "limit"),
        ("volume", "0.01"),
        ("price", "20000.0"),
        ("cl_ord_id", "perhaps"),
    ];
    let outcome = sim.ask("AddOrder", &order).await.unwrap_err().outcome();
    assert_eq!(outcome, Outcome::Unknown);
    let open = sim.ask("OpenOrders", &[]).await.unwrap();
    let found = open["open"].as_object().unwrap().values().any(|o| o["cl_ord_id"] == "perhaps");
    assert!(found, "it was taken all the same: {open}");
    sim.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_swallowed_leaves_its_events() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    sim.fault(r#"{"fault":"swallow_answer","method":"add_order"}"#).await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "lost", &token), 2).await;
    let (_, new) = socket.execution(ExecType::New).await;
    assert_eq!(new.cl_ord_id.as_deref(), Some("lost"));
    // The next answer is that of the next request.
    socket.text(r#"{"method":"ping","req_id":3}"#.into()).await;
    let first = socket.until("any answer", |text| match read(text).unwrap() {
        Message::Pong(id) => Some(id),
        Message::Answer(answer) => panic!("{answer:?}"),
        _ => None,
    });
    assert_eq!(first.await, Some(3));
    sim.stop().await;
}

#[tokio::test]
async fn an_answer_may_come_after_the_events() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    sim.fault(r#"{"fault":"delay_answer","method":"add_order","millis":300}"#).await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "late", &token), 2).await;
    socket.execution(ExecType::New).await;
    assert_eq!(socket.answer(2).await["success"], true);
    sim.stop().await;
}

#[tokio::test]
async fn a_message_that_is_skipped_leaves_a_hole_and_a_repeated_fill_its_name() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    sim.fault(r#"{"fault":"skip_sequence","channel":"executions"}"#).await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "hole", &token), 2).await;
    let (number, _) = socket.execution(ExecType::New).await;
    let mut sequence = Sequence::default();
    sequence.next(1).unwrap();
    assert!(sequence.next(number).is_err(), "the first message was left out");
    sim.fault(r#"{"fault":"repeat_fill"}"#).await;
    socket.send("add_order", buy("0.01", None, "twice", &token), 3).await;
    let (first, one) = socket.execution(ExecType::Trade).await;
    let (second, two) = socket.execution(ExecType::Trade).await;
    assert_eq!((first + 1, one), (second, two));
    sim.stop().await;
}

#[tokio::test]
async fn a_call_and_a_frame_that_were_done_may_be_answered_with_an_error() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    let after = |method: &str| {
        format!(
            r#"{{"fault":"error_after","method":"{method}","error":"EGeneral:Internal error"}}"#
        )
    };
    sim.fault(&after("add_order")).await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "taken", &token), 2).await;
    assert_eq!(socket.answer(2).await["error"], "EGeneral:Internal error");
    sim.fault(&after("CancelOrder")).await;
    let refused = sim.ask("CancelOrder", &[("cl_ord_id", "taken")]).await.unwrap_err();
    assert_eq!(refused.outcome(), Outcome::Unknown);
    let order = sim.ledger().await["orders"][0].clone();
    assert_eq!((&order["cl_ord_id"], &order["status"]), (&"taken".into(), &"canceled".into()));
    sim.stop().await;
}

#[tokio::test]
async fn fills_may_come_backwards_and_after_the_end_of_their_order() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    // More than stands in the book: its rest is canceled. The first of its fills has filled least of it.
    sim.fault(r#"{"fault":"reverse_fills"}"#).await;
    socket.send("add_order", buy("100", None, "backwards", &token), 2).await;
    let (_, first) = socket.execution(ExecType::Trade).await;
    let (_, second) = socket.execution(ExecType::Trade).await;
    assert!(first.cum_qty > second.cum_qty, "{first:?} before {second:?}");
    let (_, canceled) = socket.execution(ExecType::Canceled).await;
    assert_eq!(canceled.cum_qty, first.cum_qty);
    sim.stop().await;
    let (mut sim, _data) = self::sim().await;
    let (mut socket, token) = sim.private().await;
    sim.fault(r#"{"fault":"late_fills"}"#).await;
    socket.send("add_order", buy("0.01", None, "late", &token), 2).await;
    let (end, _) = socket.execution(ExecType::Filled).await;
    let (fill, late) = socket.execution(ExecType::Trade).await;
    assert_eq!((fill, late.cl_ord_id.as_deref()), (end + 1, Some("late")), "it has its number");
    sim.stop().await;
}

#[tokio::test]
async fn a_corrupt_book_is_found_and_is_whole_again_when_subscribed_anew() {
    let (sim, _data) = sim().await;
    let mut socket = sim.connect().await;
    let mut books = Books::default();
    books.insert("BTC/USD", Precision { price: 1, quantity: 8 }, 10);
    let mut wanted = Subscription::to("book");
    wanted.symbol = Some(vec!["BTC/USD".into()]);
    socket.send("subscribe", wanted.clone(), 1).await;
    let mut faulted = false;
    let fault = loop {
        let text = socket.next().await.unwrap();
        let Message::Market(Market::Book(kind, message)) = read(&text).unwrap() else { continue };
        match books.apply(kind, &message, Monotonic(0)) {
            Told::Whole if !faulted => {
                faulted = true;
                sim.fault(r#"{"fault":"corrupt_book","symbol":"BTC/USD"}"#).await;
            }
            Told::Whole => {}
            Told::Resubscribe(fault) => break fault,
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(fault, Fault::Checksum { .. }));
    socket.send("unsubscribe", wanted.clone(), 2).await;
    assert_eq!(socket.answer(2).await["success"], true);
    socket.send("subscribe", wanted, 3).await;
    assert_eq!(socket.answer(3).await["success"], true);
    let text = socket.until("the snapshot", |text| match read(text).unwrap() {
        Message::Market(Market::Book(..)) => Some(text.to_owned()),
        _ => None,
    });
    let text = text.await;
    let Message::Market(Market::Book(kind, message)) = read(&text).unwrap() else { panic!() };
    assert_eq!(books.apply(kind, &message, Monotonic(0)), Told::Whole);
    sim.stop().await;
}

#[tokio::test]
async fn tokens_expire_on_demand() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    sim.fault(r#"{"fault":"expire_tokens"}"#).await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "x", &token), 2).await;
    let error = socket.answer(2).await["error"].as_str().unwrap().to_owned();
    assert_eq!(of(&error), Outcome::Mend(Mend::Token));
    let fresh = sim.token().await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "x", &fresh), 3).await;
    assert_eq!(socket.answer(3).await["success"], true);
    sim.stop().await;
}

#[tokio::test]
async fn the_engines_state_is_told_to_everybody() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    sim.fault(r#"{"fault":"system","system":"cancel_only"}"#).await;
    let status = socket.until("the state", |text| match read(text).unwrap() {
        Message::Market(Market::Status(list)) if list[0].system != System::Online => Some(list),
        _ => None,
    });
    assert_eq!(status.await[0].system, System::CancelOnly);
    socket.send("add_order", buy("0.01", Some("20000.0"), "x", &token), 2).await;
    assert_eq!(socket.answer(2).await["error"], "EService:Market in cancel_only mode");
    sim.stop().await;
}

#[tokio::test]
async fn connections_stall_with_and_without_heartbeats_and_are_torn_off() {
    let (sim, _data) = sim().await;
    let mut socket = sim.connect().await;
    let mut wanted = Subscription::to("book");
    wanted.symbol = Some(vec!["BTC/USD".into()]);
    socket.send("subscribe", wanted, 1).await;
    let book =
        |text: &str| matches!(read(text), Ok(Message::Market(Market::Book(..)))).then_some(());
    socket.until("a book", book).await;
    sim.fault(r#"{"fault":"stall","heartbeats":true}"#).await;
    let heartbeat = |text: &str| matches!(read(text), Ok(Message::Heartbeat)).then_some(());
    socket.until("a heartbeat", heartbeat).await;
    socket
        .until("another", |text| {
            assert!(book(text).is_none(), "nothing else comes");
            heartbeat(text)
        })
        .await;
    sim.fault(r#"[{"fault":"stall"},{"fault":"drop"}]"#).await;
    while socket.next().await.is_some() {}
    sim.stop().await;
}

#[tokio::test]
async fn a_channel_goes_silent_and_stays_acknowledged() {
    let (mut sim, _data) = sim().await;
    let (mut socket, token) = sim.private().await;
    sim.fault(r#"{"fault":"silence","channel":"executions"}"#).await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "x", &token), 2).await;
    assert_eq!(socket.answer(2).await["success"], true);
    let heartbeat = socket.until("a heartbeat", |text| match read(text).unwrap() {
        Message::Private(_, Private::Executions(..)) => panic!("it is silent"),
        Message::Heartbeat => Some(()),
        _ => None,
    });
    heartbeat.await;
    sim.stop().await;
}

#[tokio::test]
async fn a_frame_is_dropped_for_being_too_fast_and_nobody_is_let_in_while_banned() {
    let (sim, _data) = sim().await;
    let mut socket = sim.connect().await;
    sim.fault(r#"{"fault":"drop_frame"}"#).await;
    socket.text(r#"{"method":"ping","req_id":1}"#.into()).await;
    let told = socket.until("the word", |text| match read(text).unwrap() {
        Message::TooFast(text) => Some(text),
        Message::Pong(_) => panic!("it was dropped"),
        _ => None,
    });
    assert_eq!(told.await, "Exceeded msg rate");
    sim.fault(r#"{"fault":"ban","seconds":60}"#).await;
    let mut banned = sim.connect().await;
    assert_eq!(banned.next().await, None);
    sim.stop().await;
}
