//! Claims about when a replace is sent, and what overtakes it.

use super::*;
use tradewind_domain::trading::ReplaceOrder;

impl Desk {
    /// An order that the venue has.
    async fn resting(&self, name: &str) -> Order {
        let order = self.submit(name).await.unwrap();
        let taken = taken(&order, OrderState::New);
        let id = taken.venue_order_id;
        self.until(&order, OrderState::PendingNew).await;
        self.event(Event::Submitted { order: id, result: Ok(taken) }).await;
        self.until(&order, OrderState::New).await;
        self.order(&order).await
    }

    async fn order(&self, order: &Order) -> Order {
        let get = OrderCommand::Get { order_id: order.order_id.clone() };
        match self.ask(get).await {
            Some(CommandAnswer::Order { order, .. }) => *order,
            other => panic!("{other:?}"),
        }
    }

    async fn replace(&self, order: &Order, name: &str) -> Result<Order, Code> {
        let replace = ReplaceOrder {
            replace_id: ClientOrderId::new(name).unwrap(),
            version: order.version,
            quantity: "2".parse().ok(),
            limit_price: None,
        };
        let order_id = order.order_id.clone();
        match self.ask(OrderCommand::Replace { order_id, replace }).await {
            Some(CommandAnswer::Order { order, .. }) => Ok(*order),
            Some(CommandAnswer::Problem { problem }) => Err(problem.code),
            other => panic!("{other:?}"),
        }
    }

    async fn cancel(&self, order: &Order) {
        self.ask(OrderCommand::Cancel { order_id: order.order_id.clone() }).await;
    }
}

fn sent(link: &Noted) -> Option<Replace> {
    link.replaces.lock().unwrap().first().cloned()
}

async fn connected() -> (Desk, Arc<Noted>) {
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    (desk, link)
}

#[tokio::test]
async fn a_replace_is_sent_once_under_an_id_of_its_own_and_the_order_keeps_its_id() {
    let (desk, link) = connected().await;
    let order = desk.resting("o-1").await;
    let asked = desk.replace(&order, "r-1").await.unwrap();
    assert_eq!(asked.state, OrderState::PendingReplace);
    let replace = eventually("it is sent", || sent(&link)).await;
    assert_eq!(replace.venue_order_id, order.order_id.venue_order_id);
    assert_eq!(desk.replace(&order, "r-1").await.map(|o| o.order_id), Ok(order.order_id.clone()));
    assert_eq!(desk.replace(&asked, "r-2").await, Err(Code::Busy));
    let said = VenueOrder { venue_order_id: replace.by, ..taken(&order, OrderState::New) };
    desk.event(Event::Replaced { by: replace.by, result: Ok(said) }).await;
    desk.until(&order, OrderState::New).await;
    let after = desk.order(&order).await;
    assert_eq!((after.order_id.clone(), after.venue_id()), (order.order_id, replace.by));
    assert_eq!(after.quantity.to_string(), "2");
    // What comes next goes to the id that the venue has now.
    desk.cancel(&after).await;
    eventually("the cancel", || (link.cancels() > 0).then_some(())).await;
    assert_eq!(*link.cancels.lock().unwrap(), [replace.by]);
    assert_eq!(link.replaces.lock().unwrap().len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn a_cancel_overtakes_a_replace_that_waits_and_it_is_never_sent() {
    let (desk, link) = connected().await;
    let order = desk.resting("o-1").await;
    link.full.store(true, Ordering::SeqCst);
    desk.replace(&order, "r-1").await.unwrap();
    desk.cancel(&order).await;
    link.full.store(false, Ordering::SeqCst);
    eventually("the cancel", || (link.cancels() > 0).then_some(())).await;
    let after = desk.order(&order).await;
    assert_eq!((after.state, after.replacement), (OrderState::PendingCancel, None));
    let other = desk.resting("o-2").await;
    desk.replace(&other, "r-2").await.unwrap();
    let first = eventually("the next one is sent", || sent(&link)).await;
    assert_eq!(first.venue_order_id, other.order_id.venue_order_id);
    desk.close().await;
}

#[tokio::test]
async fn a_cancel_waits_for_a_replace_that_was_sent_and_goes_to_the_id_it_gave() {
    let (desk, link) = connected().await;
    let order = desk.resting("o-1").await;
    desk.replace(&order, "r-1").await.unwrap();
    let replace = eventually("it is sent", || sent(&link)).await;
    desk.cancel(&order).await;
    desk.until(&order, OrderState::PendingCancel).await;
    assert_eq!(link.cancels(), 0, "one in flight");
    let said = VenueOrder { venue_order_id: replace.by, ..taken(&order, OrderState::New) };
    desk.event(Event::Replaced { by: replace.by, result: Ok(said) }).await;
    eventually("the cancel", || (link.cancels() > 0).then_some(())).await;
    assert_eq!(*link.cancels.lock().unwrap(), [replace.by]);
    assert_eq!(desk.order(&order).await.state, OrderState::PendingCancel);
    desk.close().await;
}

#[tokio::test]
async fn a_replace_that_could_not_be_sent_in_time_never_is_and_the_order_stays_as_it_was() {
    let (desk, link) = connected().await;
    let order = desk.resting("o-1").await;
    link.full.store(true, Ordering::SeqCst);
    desk.replace(&order, "r-1").await.unwrap();
    desk.until(&order, OrderState::New).await;
    let after = desk.order(&order).await;
    assert_eq!(after.quantity, order.quantity);
    assert!(after.reason.unwrap().starts_with("not_replaced"));
    link.full.store(false, Ordering::SeqCst);
    let other = desk.resting("o-2").await;
    desk.replace(&other, "r-2").await.unwrap();
    let first = eventually("the next one is sent", || sent(&link)).await;
    assert_eq!(first.venue_order_id, other.order_id.venue_order_id);
    desk.close().await;
}

#[tokio::test]
async fn a_replace_whose_answer_was_lost_is_not_sent_again_and_cancels_go_to_both_ids() {
    let (desk, link) = connected().await;
    let order = desk.resting("o-1").await;
    desk.replace(&order, "r-1").await.unwrap();
    let replace = eventually("it is sent", || sent(&link)).await;
    desk.venue.send(FromVenue::Down("cut".to_string())).await.ok();
    let second = Arc::new(Noted::default());
    desk.connect(&second).await;
    assert_eq!(desk.order(&order).await.state, OrderState::PendingReplace);
    desk.cancel(&order).await;
    let both = || (second.cancels() >= 2).then_some(());
    eventually("cancels", both).await;
    let ids = second.cancels.lock().unwrap()[..2].to_vec();
    assert_eq!(ids, [replace.venue_order_id, replace.by]);
    assert!(second.replaces.lock().unwrap().is_empty());
    desk.close().await;
}

#[tokio::test]
async fn a_fill_of_the_order_that_a_replace_placed_is_evidence_of_the_replace() {
    let (desk, link) = connected().await;
    let order = desk.resting("o-1").await;
    desk.replace(&order, "r-1").await.unwrap();
    let replace = eventually("it is sent", || sent(&link)).await;
    desk.event(Event::Fill(crate::venue::VenueFill {
        exec_id: tradewind_domain::ids::ExecId::new("x-1").unwrap(),
        venue_order_id: replace.by,
        quantity: "2".parse().unwrap(),
        price: "100".parse().unwrap(),
        at: clock::now(),
        traded: None,
    }))
    .await;
    desk.until(&order, OrderState::Filled).await;
    assert_eq!(desk.order(&order).await.venue_id(), replace.by);
    desk.close().await;
}
