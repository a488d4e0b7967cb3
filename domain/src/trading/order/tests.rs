//! Claims about the life of an order, over all states.

use super::*;
use crate::{
    ids::{AccountId, ExecId, VenueOrderId},
    trading::replace::ReplaceOrder,
};
use proptest::prelude::*;

pub(crate) fn order(quantity: &str) -> Order {
    let account = AccountId::new("sim-1").expect("legal");
    let customer = CustomerId::new("acme").expect("legal");
    let new = NewOrder {
        client_order_id: ClientOrderId::new("o-1").expect("legal"),
        instrument: InstrumentId::new("BTC/USD").expect("legal"),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: quantity.parse().expect("legal"),
        limit_price: "100".parse().ok(),
        time_in_force: TimeInForce::Gtc,
        conditions: Conditions::NONE,
        cancel_on_disconnect: None,
    };
    let venue_order_id = VenueOrderId::of(&account, &customer, &new.client_order_id);
    let venue = VenueId::new("sim").expect("legal");
    Order::accepted(OrderId { account, venue_order_id }, customer, venue, &new, UnixNanos(1))
}

pub(crate) fn fill(order: &Order, quantity: &str) -> Fill {
    Fill {
        exec_id: ExecId::new("x").expect("legal"),
        order_id: order.order_id.clone(),
        customer: order.customer.clone(),
        client_order_id: order.client_order_id.clone(),
        instrument: order.instrument.clone(),
        side: order.side,
        quantity: quantity.parse().expect("legal"),
        price: "100".parse().expect("legal"),
        at: UnixNanos(2),
    }
}

#[test]
fn nothing_but_a_late_fill_follows_a_terminal_state() {
    for from in OrderState::ALL.into_iter().filter(|s| s.is_terminal()) {
        for to in OrderState::ALL.into_iter().filter(|to| *to != from) {
            let late = to == OrderState::Filled
                && matches!(from, OrderState::Canceled | OrderState::Expired);
            assert_eq!(from.may_become(to), late, "{from:?} -> {to:?}");
        }
    }
}

#[test]
fn no_state_leads_back_to_accepted() {
    for from in OrderState::ALL.into_iter().filter(|s| *s != OrderState::Accepted) {
        assert!(!from.may_become(OrderState::Accepted), "{from:?}");
    }
}

#[test]
fn an_order_filled_in_parts_ends_filled_and_what_is_filled_beyond_it_counts_and_is_said() {
    let order = order("1");
    let half = order.filled_by(&fill(&order, "0.5")).expect("half");
    assert_eq!(half.state, OrderState::PartiallyFilled);
    let whole = half.filled_by(&fill(&order, "0.5")).expect("whole");
    assert_eq!(whole.state, OrderState::Filled);
    assert!(!whole.is_overfilled());
    let beyond = whole.filled_by(&fill(&order, "0.1")).expect("the venue's word");
    assert_eq!(
        (beyond.state, beyond.filled_quantity.to_string()),
        (OrderState::Filled, "1.1".into())
    );
    assert!(beyond.is_overfilled());
    assert_eq!(beyond.reason.as_deref(), Some(OVERFILLED));
}

#[test]
fn an_order_of_which_more_is_filled_than_its_replace_leaves_ends_filled_and_says_so() {
    let mut new = order("2");
    new.state = OrderState::New;
    let (replace_id, version) = (ClientOrderId::new("r").expect("legal"), new.version);
    let ask = ReplaceOrder { replace_id, version, quantity: "1".parse().ok(), limit_price: None };
    let by = ask.of(&new).expect("possible");
    let pending = new.replacing(by, UnixNanos(2)).expect("legal");
    let pending = pending.filled_by(&fill(&new, "1.3")).expect("the venue's word");
    assert_eq!((pending.state, pending.is_overfilled()), (OrderState::PendingReplace, false));
    // when
    let replaced = pending.replaced(UnixNanos(3)).expect("legal");
    // then
    assert_eq!((replaced.state, replaced.is_overfilled()), (OrderState::Filled, true));
    assert_eq!(replaced.reason.as_deref(), Some(OVERFILLED));
}

#[test]
fn a_fill_applies_in_every_state() {
    for state in OrderState::ALL {
        let mut order = order("1");
        order.state = state;
        assert!(order.filled_by(&fill(&order, "1")).is_ok(), "{state:?}");
    }
}

#[test]
fn a_body_with_other_fields_or_without_a_price_is_refused() {
    let unknown = r#"{"client_order_id":"a","instrument":"BTC/USD","side":"buy","type":"market",
        "quantity":"1","time_in_force":"gtc","colour":"red"}"#;
    assert!(serde_json::from_str::<NewOrder>(unknown).is_err());
    let mut body = order("1").body();
    body.limit_price = None;
    assert_eq!(body.check(UnixNanos(1)), Err(InvalidOrder::LimitWithoutPrice));
}

proptest! {
    #[test]
    fn the_filled_quantity_is_the_sum_of_the_fills(parts in prop::collection::vec(1_u32..50, 1..20)) {
        let total: u32 = parts.iter().sum();
        let mut order = order(&std::format!("{total}"));
        for part in &parts {
            order = order.filled_by(&fill(&order, &std::format!("{part}"))).expect("fits");
        }
        prop_assert_eq!(order.filled_quantity, order.quantity);
        prop_assert_eq!(order.state, OrderState::Filled);
    }
}
