//! Claims about what cannot be written down yet: no id of it is given to an order, and it is looked for when it can be.

use super::{external::*, *};
use crate::venue::VenueFill;
use tradewind_domain::{ids::ExecId, trading::ReplaceOrder};
use tradewind_protocol::link::EXTERNAL_SINCE;

fn holder() -> ManagerId {
    named().holder.unwrap()
}

/// Of a ledger whose copy holder was never heard.
async fn unheard() -> (Desk, Arc<Noted>, Durable) {
    let (desk, copies) = Desk::try_open_with(&SimulatedDisk::new(1), named()).await.unwrap();
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    (desk, link, copies)
}

fn fill(id: VenueOrderId, exec: &str, quantity: &str) -> Event {
    Event::Fill(VenueFill {
        exec_id: ExecId::new(exec).unwrap(),
        venue_order_id: id,
        quantity: quantity.parse().unwrap(),
        price: "100".parse().unwrap(),
        at: clock::now(),
        traded: None,
    })
}

impl Desk {
    /// An order of that quantity that the venue has.
    async fn has(&self, name: &str, quantity: &str) -> Order {
        let new = NewOrder { quantity: quantity.parse().unwrap(), ..resting(name) };
        let order = self.place("acme", new).await.unwrap();
        self.until(&order, OrderState::PendingNew).await;
        let taken = taken(&order, OrderState::New);
        self.event(Event::Submitted { order: taken.venue_order_id, result: Ok(taken) }).await;
        self.until(&order, OrderState::New).await;
        order
    }

    async fn sweeps_anew(&self, link: &Noted, act: impl FnOnce()) {
        let before = link.sweeps.lock().unwrap().len();
        act();
        let swept = || (link.sweeps.lock().unwrap().len() > before).then_some(());
        eventually("a sweep", swept).await;
    }
}

#[tokio::test]
async fn an_order_is_not_accepted_under_an_id_that_the_venue_has_while_the_copy_holder_is_away() {
    // given
    let (desk, _link, _copies) = unheard().await;
    desk.event(Event::Order(shown("lost", "5", OrderState::New))).await;
    desk.event(fill(lost("gone"), "x-1", "1")).await;
    desk.event(Event::Halted(None)).await;
    desk.says_soon("external orders are not known").await;
    // when, then
    for name in ["lost", "gone"] {
        let refused = desk.place("acme", resting(name)).await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict, "{refused}");
    }
    desk.place("acme", resting("o-1")).await.unwrap();
    desk.close().await;
}

#[tokio::test]
async fn what_is_seen_by_one_that_was_superseded_is_looked_for_when_it_has_the_right_again() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let later = Fence { epoch: Epoch(11), ..fence() };
    let principal = Principal { customer: acme(), trader: None, session: None };
    let command = OrderCommand::Positions { account: account() };
    let command = Command { fence: later, principal, command, routed: None };
    desk.ledger.command(command).await.unwrap().await.unwrap();
    desk.says_soon("11 has been given out since").await;
    desk.event(Event::Order(shown("lost", "5", OrderState::New))).await;
    desk.event(Event::Halted(None)).await;
    // when
    let before = link.sweeps.lock().unwrap().len();
    let assignment = Assignment {
        fence: later,
        customers: [acme()].into(),
        venue: VenueId::new("sim").unwrap(),
        controls: Default::default(),
    };
    // heard before the assignment is
    eventually("all is heard", || {
        (desk.venue.capacity() == desk.venue.max_capacity()).then_some(())
    })
    .await;
    desk.ledger.assign(assignment, Vec::new()).await.unwrap();
    // then
    eventually("a sweep", || (link.sweeps.lock().unwrap().len() > before).then_some(())).await;
    desk.close().await;
}

#[tokio::test]
async fn a_fill_beyond_what_was_ordered_is_said_and_waits_for_the_copy_holder() {
    // given
    let (desk, link, copies) = unheard().await;
    let order = desk.has("o-1", "1").await;
    let id = order.order_id.venue_order_id;
    // when
    desk.event(fill(id, "x-1", "2")).await;
    desk.event(fill(id, "x-1", "2")).await;
    // then
    desk.says_soon("count in no position: 1").await;
    assert_eq!(desk.state(&order).await, OrderState::New);
    desk.sweeps_anew(&link, || copies.holder_speaks(&holder(), EXTERNAL_SINCE)).await;
    desk.event(fill(id, "x-1", "2")).await;
    desk.until(&order, OrderState::Filled).await;
    desk.says_soon("filled beyond what was ordered: 1").await;
    assert!(!desk.says().contains("count in no position"), "{}", desk.says());
    desk.close().await;
}

#[tokio::test]
async fn an_order_filled_beyond_what_it_is_replaced_by_waits_for_the_copy_holder_and_is_not_taken_for_undone()
 {
    // given
    let (desk, link, copies) = unheard().await;
    let order = desk.has("o-1", "3").await;
    let id = order.order_id.venue_order_id;
    let get = OrderCommand::Get { order_id: order.order_id.clone() };
    let Some(CommandAnswer::Order { order: now, .. }) = desk.ask(get).await else { panic!("it") };
    let (replace_id, quantity) = (ClientOrderId::new("r-1").unwrap(), "2".parse().ok());
    let replace = ReplaceOrder { replace_id, version: now.version, quantity, limit_price: None };
    desk.ask(OrderCommand::Replace { order_id: order.order_id.clone(), replace }).await;
    let sent = || link.replaces.lock().unwrap().first().cloned();
    let by = eventually("it is sent", sent).await.by;
    desk.event(fill(id, "x-1", "2.5")).await;
    // when
    let said = VenueOrder { venue_order_id: by, ..taken(&order, OrderState::New) };
    desk.event(Event::Replaced { by, result: Ok(said.clone()) }).await;
    desk.says_soon("external orders are not known").await;
    // then
    assert_eq!(desk.state(&order).await, OrderState::PendingReplace);
    desk.sweeps_anew(&link, || copies.holder_speaks(&holder(), EXTERNAL_SINCE)).await;
    desk.event(Event::Order(said)).await;
    desk.until(&order, OrderState::Filled).await;
    desk.says_soon("filled beyond what was ordered: 1").await;
    desk.close().await;
}
