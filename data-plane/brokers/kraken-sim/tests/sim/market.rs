//! Public data: every book is proven by its checksums, at every depth; other channels are what they say.

use serde_json::Value;
use tradewind_domain::time::Monotonic;
use tradewind_kraken::book::{Books, Precision, Told};
use tradewind_kraken::ws::market::Market;
use tradewind_kraken::ws::request::Subscription;
use tradewind_kraken::ws::{Message, read};

use crate::client::Sim;

fn subscription(channel: &str, symbols: &[&str]) -> Subscription {
    let mut subscription = Subscription::to(channel);
    subscription.symbol = Some(symbols.iter().map(|symbol| (*symbol).to_owned()).collect());
    subscription
}

#[tokio::test]
async fn books_of_every_depth_are_proven_by_their_checksums() {
    let data = tempfile::tempdir().unwrap();
    let sim = Sim::start(data.path()).await;
    for depth in [10, 25, 100] {
        let mut socket = sim.connect().await;
        let mut books = Books::default();
        books.insert("BTC/USD", Precision { price: 1, quantity: 8 }, depth);
        books.insert("ETH/USD", Precision { price: 2, quantity: 8 }, depth);
        let mut wanted = subscription("book", &["BTC/USD", "ETH/USD"]);
        wanted.depth = Some(depth as u32);
        socket.send("subscribe", wanted, 1).await;
        let mut proven = 0;
        while proven < 150 {
            let text = socket.next().await.unwrap();
            if let Message::Market(Market::Book(kind, message)) = read(&text).unwrap() {
                assert_eq!(books.apply(kind, &message, Monotonic(0)), Told::Whole, "{text}");
                proven += 1;
            }
        }
    }
    sim.stop().await;
}

#[tokio::test]
async fn one_answer_comes_for_each_symbol_and_some_may_fail() {
    let data = tempfile::tempdir().unwrap();
    let sim = Sim::start(data.path()).await;
    let mut socket = sim.connect().await;
    let status = socket.next().await.unwrap();
    let Message::Market(Market::Status(status)) = read(&status).unwrap() else { panic!() };
    assert!(status[0].connection_id.unwrap() > i64::MAX as u64);
    let mut wanted = subscription("ticker", &["BTC/USD", "XBT/USD"]);
    wanted.event_trigger = Some("bbo".into());
    socket.send("subscribe", wanted, 5).await;
    let good = socket.answer(5).await;
    assert_eq!((&good["success"], &good["result"]["symbol"]), (&true.into(), &"BTC/USD".into()));
    let bad = socket.answer(5).await;
    assert_eq!(bad["error"], "Currency pair not supported XBT/USD");
    assert_eq!(bad["symbol"], "XBT/USD");
    // Each new best price is told.
    for _ in 0..3 {
        socket
            .until("a ticker", |text| match read(text).unwrap() {
                Message::Market(Market::Ticker(_, list)) => Some(list),
                _ => None,
            })
            .await;
    }
    sim.stop().await;
}

#[tokio::test]
async fn a_quiet_subscription_is_kept_alive_by_heartbeats() {
    let data = tempfile::tempdir().unwrap();
    let sim = Sim::start(data.path()).await;
    let mut socket = sim.connect().await;
    socket.send("subscribe", Subscription::to("instrument"), 1).await;
    let heartbeat = |text: &str| matches!(read(text).unwrap(), Message::Heartbeat).then_some(());
    socket.until("a heartbeat", heartbeat).await;
    socket.text(r#"{"method":"ping"}"#.into()).await;
    let pong = |text: &str| matches!(read(text).unwrap(), Message::Pong(None)).then_some(());
    socket.until("a pong", pong).await;
    sim.stop().await;
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let data = tempfile::tempdir().unwrap();
    let sim = Sim::start(data.path()).await;
    let mut socket = sim.connect().await;
    for text in ["{", "[]", r#"{"method":"dance","req_id":1}"#] {
        socket.text(text.into()).await;
        let answer = socket.until("an answer", |text| {
            let value: Value = serde_json::from_str(text).unwrap();
            value.get("error").cloned()
        });
        assert_eq!(answer.await, "Malformed request");
    }
    let order = serde_json::json!({ "order_type": "limit", "side": "buy", "price": 5 });
    socket.send("add_order", order, 2).await;
    let answer = socket.answer(2).await;
    let text = "Unsupported field: 'price' for the given msg type: add order";
    assert_eq!(answer["error"], text);
    sim.stop().await;
}
