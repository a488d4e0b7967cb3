//! An account whose ledger is lost, with the real sim venue: what the ledger before has left there is seen, counted, and
//! left alone.

use super::*;
use tradewind_domain::ids::VenueOrderId;
use tradewind_sim::wire::VenueOrderState;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_begins_anew_finds_what_the_one_before_has_left_at_the_venue() {
    // given: an order that rests and one that was filled, both of a ledger that is gone
    let world = World::new().await;
    let (broker, market) = world.trading().await;
    let (resting, _) = market.submit("acme", resting_order("o-1")).await.unwrap();
    market.order_until("acme", &resting.order_id, |o| o.state == OrderState::New).await;
    let (filled, _) = market.submit("acme", market_order("o-2")).await.unwrap();
    market.order_until("acme", &filled.order_id, |o| o.state == OrderState::Filled).await;
    broker.kill().await;
    // when
    let broker = world.broker_in(world.beside("anew/ledger"), world.wanted(11)).await;
    broker.live().await;
    // then
    let id = resting.order_id.venue_order_id;
    let fills = world.venue.judge().await.fills.len();
    let ends = format!(", external fills: {fills}");
    eventually("it says so", || {
        let said = broker.said.borrow().1.clone();
        (said.contains(&format!("external open orders: 1 ({id} buy ")) && said.ends_with(&ends))
            .then_some(())
    })
    .await;
    // and no order is accepted under those ids: the venue would take it for the one that it has
    let market = Market::connect(broker.address, "a1", 11).await;
    for name in ["o-1", "o-2"] {
        let again = submit_at(&market, 11, name).await;
        assert_eq!(again, Err(Code::Conflict), "{name}");
    }
    assert_eq!(submit_at(&market, 11, "o-3").await, Ok(()));
    assert_eq!(state(&world, &id).await, VenueOrderState::New, "nothing is canceled");
}

async fn submit_at(market: &Market, epoch: u64, name: &str) -> Result<(), Code> {
    let submit = OrderCommand::Submit { account: None, order: resting_order(name) };
    match market.command(fence(epoch), principal("acme"), submit).await {
        CommandAnswer::Order { .. } => Ok(()),
        CommandAnswer::Problem { problem } => Err(problem.code),
        other => panic!("{other:?}"),
    }
}

async fn state(world: &World, id: &VenueOrderId) -> VenueOrderState {
    let orders = world.venue.judge().await.orders;
    orders.iter().find(|order| order.venue_order_id == *id).unwrap().state
}
