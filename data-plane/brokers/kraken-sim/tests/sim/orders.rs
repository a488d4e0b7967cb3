//! Lives of orders over both interfaces, and who may do what.

use tradewind_domain::trading::Side;
use tradewind_kraken::executions::{Event, Orders, What};
use tradewind_kraken::outcome::{Fatal, Mend, Outcome};
use tradewind_kraken::rest::{TradesHistory, result};
use tradewind_kraken::ws::private::{ExecType, Private};
use tradewind_kraken::ws::request::OrderType;
use tradewind_kraken::ws::trading::AddOrder;
use tradewind_kraken::ws::{Message, read};

use crate::client::Sim;

/// A market order for that much, or a limit order far from the market.
pub(crate) fn buy(quantity: &str, limit: Option<&str>, id: &str, token: &str) -> AddOrder {
    let order_type = if limit.is_some() { OrderType::Limit } else { OrderType::Market };
    let mut order = AddOrder::new(order_type, Side::Buy, quantity.parse().unwrap());
    order.symbol = Some("BTC/USD".into());
    order.limit_price = limit.map(|limit| limit.parse().unwrap());
    order.cl_ord_id = Some(id.into());
    order.token = Some(token.into());
    order
}

#[tokio::test]
async fn the_stream_of_an_order_and_the_listings_tell_the_same() {
    let data = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(data.path()).await;
    let (mut socket, token) = sim.private().await;
    socket.send("add_order", buy("0.5", None, "taker", &token), 2).await;
    let mut orders = Orders::default();
    let mut events = Vec::new();
    let mut next = 2;
    loop {
        let (number, event) = socket
            .until("an execution", |text| match read(text).unwrap() {
                Message::Private(number, Private::Executions(_, list)) => {
                    Some((number, list[0].clone()))
                }
                _ => None,
            })
            .await;
        assert_eq!(number, next, "numbers have no hole");
        next += 1;
        events.extend(orders.apply(&event).unwrap());
        if event.exec_type == ExecType::Filled {
            break;
        }
    }
    let ends = events.iter().filter(|e| matches!(e.what, What::Ended { .. })).count();
    assert_eq!(ends, 1);
    assert!(events.iter().all(|e: &Event| e.cl_ord_id.as_deref() == Some("taker")));
    let (status, body) = sim.call("TradesHistory", &[]).await;
    let history: TradesHistory = result(status, &body).unwrap();
    assert!(!history.trades.is_empty());
    for (id, trade) in &history.trades {
        let again: Vec<Event> = orders.traded(id, trade).unwrap();
        assert_eq!(again, [], "the stream had told it");
    }
    let filled = orders.filled(&events[0].order_id).unwrap();
    assert_eq!(filled, "0.5".parse().unwrap());
    sim.stop().await;
}

#[tokio::test]
async fn an_order_is_amended_and_canceled_by_the_client_id() {
    let data = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(data.path()).await;
    let (mut socket, token) = sim.private().await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "ours", &token), 2).await;
    assert_eq!(socket.answer(2).await["result"]["cl_ord_id"], "ours");
    let amend = serde_json::json!({ "cl_ord_id": "ours", "limit_price": 20000.5, "token": token });
    socket.send("amend_order", amend, 3).await;
    let (_, amended) = socket.execution(ExecType::Amended).await;
    assert_eq!(amended.limit_price.unwrap().to_string(), "20000.5");
    let cancel = serde_json::json!({ "cl_ord_id": ["ours", "nobody"], "token": token });
    socket.send("cancel_order", cancel, 4).await;
    assert_eq!(socket.answer(4).await["result"]["cl_ord_id"], "ours");
    assert_eq!(socket.answer(4).await["error"], "EOrder:Unknown order");
    let batch = serde_json::json!({ "symbol": "BTC/USD", "token": token, "orders": [
        { "order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 20000 },
        { "order_type": "limit", "side": "buy", "order_qty": 0.01, "limit_price": 20001 },
    ] });
    socket.send("batch_add", batch, 5).await;
    let added = socket.answer(5).await;
    let ids: Vec<_> = added["result"].as_array().unwrap().iter().map(|a| &a["order_id"]).collect();
    let cancel = serde_json::json!({ "orders": ids, "token": token });
    socket.send("batch_cancel", cancel, 6).await;
    assert_eq!(socket.answer(6).await["result"]["count"], 2);
    sim.stop().await;
}

#[tokio::test]
async fn nothing_private_is_done_without_key_signature_nonce_and_token() {
    let data = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(data.path()).await;
    sim.ask("Balance", &[]).await.unwrap();
    let (status, body) = sim.call_with(1, "Balance", &[]).await;
    let outcome = result::<()>(status, &body).unwrap_err().outcome();
    assert_eq!(outcome, Outcome::Mend(Mend::Nonce));
    let url = format!("http://{}/0/private/Balance", sim.address);
    let unsigned = reqwest::Client::new().post(url).header("API-Key", "key").body("nonce=99");
    let body = unsigned.send().await.unwrap().text().await.unwrap();
    let outcome = result::<()>(200, &body).unwrap_err().outcome();
    assert_eq!(outcome, Outcome::Fatal(Fatal::Signature));
    let mut socket = sim.connect().await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "x", "made up"), 2).await;
    assert_eq!(socket.answer(2).await["error"], "ESession:Invalid session");
    assert_eq!(sim.ledger().await["arrivals"].as_array().unwrap().len(), 0);
    sim.stop().await;
}
