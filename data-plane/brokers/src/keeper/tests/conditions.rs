//! Claims about conditions at the Broker: what a venue does not offer and what would not make a position smaller is not
//! written down, and a customer's orders end with his position whatever others have on the account.

use super::*;
use crate::venue::VenueFill;
use tradewind_domain::ids::ExecId;
use tradewind_protocol::problem::Problem;

impl Desk {
    pub(super) async fn place(&self, customer: &str, order: NewOrder) -> Result<Order, Problem> {
        let principal =
            Principal { customer: CustomerId::new(customer).unwrap(), trader: None, session: None };
        let command = OrderCommand::Submit { account: None, order };
        let command = Command { fence: fence(), principal, command, routed: None };
        match self.ledger.command(command).await.unwrap().await.unwrap() {
            Reply::Answer(CommandAnswer::Order { order, .. }) => Ok(*order),
            Reply::Answer(CommandAnswer::Problem { problem }) => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    async fn serve_both(&self) {
        let assignment = Assignment {
            fence: fence(),
            customers: [acme(), CustomerId::new("bolt").unwrap()].into(),
            venue: VenueId::new("sim").unwrap(),
            controls: Default::default(),
        };
        self.ledger.assign(assignment, Vec::new()).await.unwrap();
    }

    /// The venue says that the order was filled in full.
    pub(super) async fn filled(&self, order: &Order) {
        let fill = VenueFill {
            exec_id: ExecId::new(&format!("x-{}", order.client_order_id)).unwrap(),
            venue_order_id: order.order_id.venue_order_id,
            quantity: order.quantity,
            price: "100".parse().unwrap(),
            at: clock::now(),
            traded: None,
        };
        self.event(Event::Fill(fill)).await;
        let told = || self.ledger.streams().stand(&order.customer, PrivateChannel::Fills);
        eventually("the fill is told", || (told() > 0).then_some(())).await;
    }
}

async fn desk() -> (Desk, Arc<Noted>) {
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    (desk, link)
}

fn sell(name: &str, quantity: &str, reduce_only: bool) -> NewOrder {
    let conditions = Conditions { reduce_only, ..Conditions::NONE };
    let (side, quantity) = (Side::Sell, quantity.parse().unwrap());
    NewOrder { side, quantity, conditions, ..resting(name) }
}

#[tokio::test]
async fn what_the_venue_does_not_offer_is_refused_in_the_words_of_the_order() {
    let (desk, link) = desk().await;
    let with = |change: fn(&mut NewOrder)| {
        let mut order = resting("o-1");
        change(&mut order);
        order
    };
    for (order, says) in [
        (with(|o| o.conditions.post_only = true), "no post_only orders"),
        (with(|o| o.time_in_force = TimeInForce::Fok), "no time in force fok"),
        (
            with(|o| {
                o.order_type = OrderType::StopLimit;
                o.conditions.stop_price = "100".parse().ok();
            }),
            "no stop_limit orders",
        ),
    ] {
        let problem = desk.place("acme", order).await.unwrap_err();
        assert_eq!(problem.code, Code::Unsupported, "{problem}");
        assert!(problem.detail.contains(says), "{problem}");
    }
    // nothing was written down under that id
    desk.place("acme", resting("o-1")).await.unwrap();
    eventually("one is sent", || (link.submits().len() == 1).then_some(())).await;
    desk.close().await;
}

#[tokio::test]
async fn reduce_only_is_measured_by_the_customer_s_own_position() {
    let (desk, _link) = desk().await;
    let bought = desk.place("acme", resting("o-1")).await.unwrap();
    let early = desk.place("acme", sell("o-2", "1", true)).await.unwrap_err();
    assert_eq!(early.code, Code::Refused);
    assert!(early.detail.starts_with("customer.acme: reduce_only"), "{early}");
    desk.filled(&bought).await;
    desk.place("acme", sell("o-3", "1.1", true)).await.unwrap_err();
    // Two that close it at different prices: one of them will.
    desk.place("acme", sell("o-4", "1", true)).await.unwrap();
    desk.place("acme", sell("o-5", "1", true)).await.unwrap();
    desk.close().await;
}

#[tokio::test]
async fn orders_that_reduce_end_with_the_position_and_nobody_else_s_do() {
    // given: both are long, and would sell
    let disk = SimulatedDisk::new(1);
    let desk = Desk::open(&disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    desk.serve_both().await;
    let mut reducing = Vec::new();
    for customer in ["acme", "bolt"] {
        let mut bought = resting("o-1");
        bought.client_order_id = ClientOrderId::new(&format!("b-{customer}")).unwrap();
        let bought = desk.place(customer, bought).await.unwrap();
        desk.filled(&bought).await;
        let order = desk.place(customer, sell("o-2", "1", true)).await.unwrap();
        desk.event(Event::Order(taken(&order, OrderState::New))).await;
        reducing.push(order);
    }
    let plain = desk.place("acme", sell("o-3", "1", false)).await.unwrap();
    // when
    desk.filled(&plain).await;
    // then
    desk.until(&reducing[0], OrderState::PendingCancel).await;
    eventually("a cancel goes out", || (link.cancels() > 0).then_some(())).await;
    let canceled = link.cancels.lock().unwrap().clone();
    assert!(canceled.iter().all(|id| *id == reducing[0].order_id.venue_order_id));
    desk.close().await;
}

#[tokio::test]
async fn what_the_venue_fills_beyond_an_order_counts_and_shows_in_the_detail() {
    let (desk, _) = desk().await;
    let order = desk.submit("o-1").await.unwrap();
    desk.filled(&order).await;
    let said = || desk.said.borrow().1.clone();
    assert_eq!(said(), "account sim-1");
    // when
    let beyond = VenueFill {
        exec_id: ExecId::new("beyond").unwrap(),
        venue_order_id: order.order_id.venue_order_id,
        quantity: order.quantity,
        price: "100".parse().unwrap(),
        at: clock::now(),
        traded: None,
    };
    desk.event(Event::Fill(beyond)).await;
    // then
    let shown = || said().ends_with("filled beyond what was ordered: 1").then_some(());
    eventually("it shows", shown).await;
    let account = order.order_id.account.clone();
    let positions = match desk.ask(OrderCommand::Positions { account }).await {
        Some(CommandAnswer::Positions { positions }) => positions.positions,
        other => panic!("{other:?}"),
    };
    let twice = order.quantity.decimal() + order.quantity.decimal();
    assert_eq!(positions[0].quantity.decimal(), twice);
    desk.close().await;
}
