//! What was told is in the ledger: a simulator that is started again has the same orders, fills and balances.

use crate::client::Sim;
use crate::orders::buy;

#[tokio::test]
async fn a_restart_keeps_orders_fills_balances_and_ids() {
    let data = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(data.path()).await;
    let (mut socket, token) = sim.private().await;
    socket.send("add_order", buy("0.01", Some("20000.0"), "rests", &token), 2).await;
    assert_eq!(socket.answer(2).await["success"], true);
    socket.send("add_order", buy("0.01", None, "trades", &token), 3).await;
    assert_eq!(socket.answer(3).await["success"], true);
    let before = sim.ledger().await;
    sim.stop().await;

    let mut sim = Sim::start(data.path()).await;
    assert_eq!(sim.ledger().await, before);
    let id = before["orders"][0]["order_id"].as_str().unwrap();
    let canceled = sim.ask("CancelOrder", &[("txid", id)]).await.unwrap();
    assert_eq!(canceled["count"], 1);
    let (mut socket, token) = sim.private().await;
    socket.send("add_order", buy("0.01", None, "after", &token), 2).await;
    let answer = socket.answer(2).await;
    let new = answer["result"]["order_id"].as_str().unwrap();
    let orders = before["orders"].as_array().unwrap();
    assert!(orders.iter().all(|order| order["order_id"] != new), "ids never come again");
    sim.stop().await;
}
