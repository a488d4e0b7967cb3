//! Claims about limits and trading states at the Broker: what they refuse is not written down, what they halt is canceled,
//! and what was tightened here stays tight.

use super::*;
use tradewind_domain::{
    control::{
        controls::{Controls, Limit, Standing},
        risk::{OrdersWithin, RiskSpec, TradingState},
    },
    ids::Scope,
    trading::{Quote, ReplaceOrder, risk::word::Word, spread::MAIN},
};
use tradewind_protocol::problem::Problem;

fn scope(text: &str) -> Scope {
    text.parse().unwrap()
}

fn limited(scoped: &str, spec: RiskSpec) -> Controls {
    Controls { limits: vec![Limit { scope: scope(scoped), spec }], states: Vec::new() }
}

fn standing(scoped: &str, state: TradingState, version: u64) -> Controls {
    let word = Word { state, version };
    Controls { limits: Vec::new(), states: vec![Standing { scope: scope(scoped), word }] }
}

impl Desk {
    async fn hold_to(&self, controls: Controls) {
        let assignment = Assignment {
            fence: fence(),
            customers: [acme(), CustomerId::new("bolt").unwrap()].into(),
            venue: VenueId::new("sim").unwrap(),
            controls,
        };
        self.ledger.assign(assignment, Vec::new()).await.unwrap();
    }

    async fn ask_of(&self, customer: &str, command: OrderCommand) -> Result<Order, Problem> {
        let principal =
            Principal { customer: CustomerId::new(customer).unwrap(), trader: None, session: None };
        let command = Command { fence: fence(), principal, command, routed: None };
        match self.ledger.command(command).await.unwrap().await.unwrap() {
            Reply::Answer(CommandAnswer::Order { order, .. }) => Ok(*order),
            Reply::Answer(CommandAnswer::Problem { problem }) => Err(problem),
            other => panic!("{other:?}"),
        }
    }

    async fn submit_of(&self, customer: &str, order: NewOrder) -> Result<Order, Problem> {
        self.ask_of(customer, OrderCommand::Submit { account: None, order }).await
    }

    async fn tighten(&self, state: TradingState) -> Result<Word, Code> {
        match self.ask(OrderCommand::Tighten { account: account(), state }).await.unwrap() {
            CommandAnswer::TradingState { word, .. } => Ok(word),
            CommandAnswer::Problem { problem } => Err(problem.code),
            other => panic!("{other:?}"),
        }
    }
}

async fn desk() -> (Desk, Arc<Noted>) {
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    (desk, link)
}

/// Of one or the other name: the second is above the limit.
async fn second_is_refused(controls: Controls, second: NewOrder) -> Problem {
    let (desk, _link) = desk().await;
    desk.hold_to(controls).await;
    let first = desk.submit_of("acme", resting("o-1")).await.unwrap();
    let problem = desk.submit_of("acme", second).await.unwrap_err();
    let list = OrderCommand::List { account: account(), client_order_id: None, open: false };
    let Some(CommandAnswer::Orders { orders }) = desk.ask(list).await else { panic!("no list") };
    assert_eq!(orders.len(), 1, "nothing is written down");
    // what was accepted is that order, whatever the limits are by now
    assert_eq!(desk.submit_of("acme", resting("o-1")).await.unwrap().order_id, first.order_id);
    desk.close().await;
    problem
}

#[tokio::test]
async fn each_limit_refuses_under_its_own_name_and_writes_nothing_down() {
    let larger = NewOrder { quantity: "1.5".parse().unwrap(), ..resting("o-2") };
    let other = NewOrder { limit_price: "101".parse().ok(), ..resting("o-2") };
    let within = |orders| Some(OrdersWithin { orders, within_ms: 3_600_000 });
    let none = RiskSpec::default;
    let quantity = RiskSpec { max_order_quantity: "1".parse().ok(), ..none() };
    let notional = RiskSpec { max_order_notional: "100".parse().ok(), ..none() };
    let position = RiskSpec { max_position: "1".parse().ok(), ..none() };
    let open = RiskSpec { max_open_orders: Some(1), ..none() };
    let rate = RiskSpec { order_rate: within(1), ..none() };
    let equal = RiskSpec { equal_orders: within(1), ..none() };
    for (scoped, spec, second, says, code) in [
        ("global", quantity, larger, "max_order_quantity", Code::Refused),
        ("customer.acme", notional, other.clone(), "max_order_notional", Code::Refused),
        ("account.sim-1", position, other.clone(), "max_position", Code::Refused),
        ("customer.acme", open, other.clone(), "max_open_orders", Code::Refused),
        ("global", rate, other, "order_rate", Code::TooManyRequests),
        ("customer.acme", equal, resting("o-2"), "equal_orders", Code::TooManyRequests),
    ] {
        let problem = second_is_refused(limited(scoped, spec), second).await;
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.detail.starts_with(&format!("{scoped}: {says}")), "{problem}");
        assert_eq!(problem.retry_after_ms.is_some(), code == Code::TooManyRequests, "{problem}");
    }
}

#[tokio::test]
async fn a_customer_s_orders_count_for_him_and_those_of_all_for_the_account() {
    let (desk, _link) = desk().await;
    let position = RiskSpec { max_position: "1".parse().ok(), ..RiskSpec::default() };
    desk.hold_to(limited("customer.acme", position.clone())).await;
    desk.submit_of("bolt", resting("o-1")).await.unwrap();
    desk.submit_of("bolt", resting("o-2")).await.unwrap();
    desk.submit_of("acme", resting("o-1")).await.unwrap();
    desk.submit_of("acme", resting("o-2")).await.unwrap_err();
    desk.hold_to(limited("account.sim-1", position)).await;
    desk.submit_of("bolt", resting("o-3")).await.unwrap_err();
    desk.close().await;
}

#[tokio::test]
async fn what_came_before_a_limit_counts_for_it() {
    let (desk, _link) = desk().await;
    desk.submit_of("acme", resting("o-1")).await.unwrap();
    let rate = Some(OrdersWithin { orders: 2, within_ms: 3_600_000 });
    desk.hold_to(limited("customer.acme", RiskSpec { order_rate: rate, ..RiskSpec::default() }))
        .await;
    desk.submit_of("acme", resting("o-2")).await.unwrap();
    let refused = desk.submit_of("acme", resting("o-3")).await.unwrap_err();
    assert_eq!(refused.code, Code::TooManyRequests);
    desk.close().await;
}

#[tokio::test]
async fn a_price_is_judged_by_a_fresh_quote_and_without_one_refused() {
    let (desk, link) = desk().await;
    desk.quotes.connected(MAIN, link.clone(), None);
    let band = RiskSpec { price_band: "0.05".parse().ok(), ..RiskSpec::default() };
    desk.hold_to(limited("global", band)).await;
    let refused = desk.submit_of("acme", resting("o-1")).await.unwrap_err();
    assert_eq!((refused.code, refused.status), (Code::Unavailable, 503), "{refused}");
    assert!(refused.retry_after_ms.is_some());
    // the first who asked has had it subscribed
    let size = "1".parse().unwrap();
    let (bid, ask) = ("99".parse().ok(), "100".parse().ok());
    let quote = Quote { bid, bid_size: size, ask, ask_size: size, at: clock::now() };
    let instrument = resting("o").instrument;
    let subscribed = Event::Subscribed { instrument: instrument.clone(), stands: None };
    desk.quotes.hear(MAIN, subscribed);
    desk.quotes.hear(MAIN, Event::Quote { instrument, quote });
    desk.submit_of("acme", resting("o-1")).await.unwrap();
    let far = NewOrder { limit_price: "94.9".parse().ok(), ..resting("o-2") };
    assert_eq!(desk.submit_of("acme", far).await.unwrap_err().code, Code::Refused);
    desk.quotes.lost(MAIN);
    let stale = desk.submit_of("acme", resting("o-3")).await.unwrap_err();
    assert_eq!(stale.code, Code::Unavailable, "{stale}");
    desk.close().await;
}

#[tokio::test]
async fn a_replace_is_judged_by_the_larger_of_both_terms() {
    let (desk, _link) = desk().await;
    let order = desk.submit("o-1").await.unwrap();
    desk.until(&order, OrderState::PendingNew).await;
    desk.event(Event::Order(taken(&order, OrderState::New))).await;
    desk.until(&order, OrderState::New).await;
    let position = RiskSpec { max_position: "2".parse().ok(), ..RiskSpec::default() };
    desk.hold_to(limited("customer.acme", position)).await;
    let replace = |quantity: &str| OrderCommand::Replace {
        order_id: order.order_id.clone(),
        replace: ReplaceOrder {
            replace_id: ClientOrderId::new(&format!("r-{quantity}")).unwrap(),
            version: 3,
            quantity: quantity.parse().ok(),
            limit_price: None,
        },
    };
    let refused = desk.ask_of("acme", replace("2.1")).await.unwrap_err();
    assert!(refused.detail.contains("max_position"), "{refused}");
    desk.ask_of("acme", replace("2")).await.unwrap();
    // and until the venue has answered both count
    desk.submit_of("acme", NewOrder { quantity: "0.1".parse().unwrap(), ..resting("o-2") })
        .await
        .unwrap_err();
    desk.close().await;
}

#[tokio::test]
async fn halted_is_no_new_orders_and_open_ones_canceled_of_those_whom_it_is_said_for() {
    let (desk, link) = desk().await;
    let order = desk.submit("o-1").await.unwrap();
    desk.until(&order, OrderState::PendingNew).await;
    desk.hold_to(standing("customer.bolt", TradingState::Halted, 5)).await;
    let bolts = desk.submit_of("bolt", resting("o-1")).await.unwrap_err();
    assert!(bolts.detail.starts_with("customer.bolt: halted"), "{bolts}");
    desk.submit_of("acme", resting("o-2")).await.unwrap();
    assert_eq!(link.cancels(), 0);
    desk.hold_to(standing("account.sim-1", TradingState::Halted, 6)).await;
    desk.submit_of("acme", resting("o-3")).await.unwrap_err();
    let canceled = || link.cancels.lock().unwrap().contains(&order.order_id.venue_order_id);
    eventually("it is canceled", || canceled().then_some(())).await;
    desk.hold_to(standing("account.sim-1", TradingState::Active, 7)).await;
    desk.submit_of("acme", resting("o-3")).await.unwrap();
    desk.close().await;
}

#[tokio::test]
async fn reducing_takes_only_what_makes_the_position_smaller() {
    let (desk, _link) = desk().await;
    let order = desk.submit("o-1").await.unwrap();
    desk.event(Event::Fill(crate::venue::VenueFill {
        exec_id: tradewind_domain::ids::ExecId::new("x-1").unwrap(),
        venue_order_id: order.order_id.venue_order_id,
        quantity: "1".parse().unwrap(),
        price: "100".parse().unwrap(),
        at: clock::now(),
        traded: None,
    }))
    .await;
    desk.until(&order, OrderState::Filled).await;
    let asked = OrderCommand::Positions { account: account() };
    let Some(CommandAnswer::Positions { positions }) = desk.ask(asked).await else { panic!() };
    let held = &positions.positions[0];
    assert_eq!((held.quantity.to_string(), held.buying.to_string()), ("1".into(), "0".into()));
    assert_eq!(positions.as_of.seq, desk.ledger.streams().stand(&acme(), PrivateChannel::Orders));
    desk.tighten(TradingState::Reducing).await.unwrap();
    desk.submit_of("acme", resting("o-2")).await.unwrap_err();
    let sell = |name| NewOrder { side: Side::Sell, ..resting(name) };
    desk.submit_of("acme", sell("o-3")).await.unwrap();
    desk.submit_of("acme", sell("o-4")).await.unwrap_err();
    desk.close().await;
}

#[tokio::test]
async fn what_a_customer_has_tightened_survives_a_restart_and_only_a_higher_version_loosens_it() {
    // given
    let disk = SimulatedDisk::new(1);
    let desk = Desk::open(&disk).await;
    desk.hold_to(standing("customer.acme", TradingState::Active, 5)).await;
    // when
    let halted = Word { state: TradingState::Halted, version: 5 };
    assert_eq!(desk.tighten(TradingState::Halted).await, Ok(halted));
    assert_eq!(desk.tighten(TradingState::Halted).await, Ok(halted), "once more is no change");
    assert_eq!(desk.tighten(TradingState::Reducing).await, Err(Code::Forbidden));
    desk.close().await;
    // then
    let desk = Desk::open(&disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    for (state, version, taken) in [
        (TradingState::Active, 5, false),
        (TradingState::Halted, 5, false),
        (TradingState::Active, 6, true),
    ] {
        desk.hold_to(standing("customer.acme", state, version)).await;
        let order = desk.submit_of("acme", resting("o-1")).await;
        assert_eq!(order.is_ok(), taken, "{state} {version}: {order:?}");
    }
    desk.close().await;
}
