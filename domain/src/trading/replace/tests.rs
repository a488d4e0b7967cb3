//! Claims about replaces, over all states.

use super::*;
use crate::trading::order::tests::{fill, order};
use alloc::{string::ToString, vec};

const AT: UnixNanos = UnixNanos(9);

fn ask(name: &str, quantity: Option<&str>, price: Option<&str>) -> ReplaceOrder {
    ReplaceOrder {
        replace_id: ClientOrderId::new(name).expect("legal"),
        version: 1,
        quantity: quantity.map(|text| text.parse().expect("legal")),
        limit_price: price.map(|text| text.parse().expect("legal")),
    }
}

/// An order of 2 at the venue, with half of it filled, and a replace to that quantity on its way.
fn pending(quantity: &str) -> Order {
    let new = order("2").become_state(OrderState::PendingNew, None, AT).expect("legal");
    let new = new.expect("news").become_state(OrderState::New, None, AT).expect("legal");
    let half = new.expect("news").filled_by(&fill(&order("2"), "1")).expect("fits");
    let by = ask("r-1", Some(quantity), None).of(&half).expect("possible");
    half.replacing(by, AT).expect("legal")
}

#[test]
fn only_an_order_at_the_venue_with_nothing_on_its_way_is_replaced() {
    for state in OrderState::ALL {
        let mut order = order("1");
        order.state = state;
        let by = ask("r", Some("2"), None).of(&order).expect("possible");
        let may = matches!(state, OrderState::New | OrderState::PartiallyFilled);
        assert_eq!(order.replacing(by, AT).is_ok(), may, "{state:?}");
    }
}

#[test]
fn a_replace_that_changes_nothing_or_leaves_nothing_is_not_possible() {
    let order = pending("3");
    assert_eq!(ask("r", None, None).of(&order), Err(InvalidReplace::Nothing));
    assert_eq!(ask("r", Some("2.0"), Some("100")).of(&order), Err(InvalidReplace::Nothing));
    let filled = "1".parse().expect("legal");
    for quantity in ["1", "0.5", "0"] {
        let refused = ask("r", Some(quantity), None).of(&order);
        assert_eq!(refused, Err(InvalidReplace::NothingLeft { filled }), "{quantity}");
    }
    let mut market = order;
    (market.order_type, market.limit_price) = (OrderType::Market, None);
    assert_eq!(ask("r", None, Some("5")).of(&market), Err(InvalidReplace::MarketWithPrice));
}

#[test]
fn a_replace_that_is_done_keeps_the_order_s_id_and_gives_it_another_at_the_venue() {
    let order = pending("3");
    let next = order.next_venue_id().expect("on its way");
    let done = order.replaced(AT).expect("legal");
    assert_eq!((done.state, done.order_id.clone()), (OrderState::PartiallyFilled, order.order_id));
    assert_eq!((done.quantity.to_string(), done.venue_id()), ("3".to_string(), next));
    assert_eq!((done.later_venue_ids.clone(), done.replacement.clone()), (vec![next], None));
    assert_ne!(next, done.order_id.venue_order_id);
    assert_eq!(done.version, order.version + 1);
    assert!(done.replaced(AT).is_err(), "once");
}

#[test]
fn of_two_terms_that_may_both_hold_the_larger_counts() {
    assert_eq!(pending("3").quantity_at_most().to_string(), "3");
    assert_eq!(pending("1.5").quantity_at_most().to_string(), "2");
}

#[test]
fn fills_apply_while_a_replace_is_on_its_way() {
    let order = pending("3");
    let more = order.filled_by(&fill(&order, "0.5")).expect("fits");
    assert_eq!((more.state, &more.replacement), (OrderState::PendingReplace, &order.replacement));
    let whole = more.filled_by(&fill(&order, "0.5")).expect("fits");
    assert_eq!((whole.state, whole.replacement), (OrderState::Filled, None));
    // What was filled meanwhile may be all that the new terms leave.
    let less = pending("1.5");
    let all = less.filled_by(&fill(&less, "0.5")).expect("fits").replaced(AT).expect("legal");
    assert_eq!(all.state, OrderState::Filled);
}

#[test]
fn a_replace_that_is_not_done_leaves_the_order_as_it_was() {
    let order = pending("3");
    let back = order.not_replaced("too late".to_string(), AT).expect("legal");
    assert_eq!((back.state, back.quantity), (OrderState::PartiallyFilled, order.quantity));
    assert_eq!((back.replacement.clone(), back.venue_id()), (None, order.venue_id()));
    assert!(back.not_replaced("again".to_string(), AT).is_err());
}

#[test]
fn the_wish_to_cancel_outlives_the_replace_and_the_end_does_away_with_it() {
    let order = pending("3");
    let wish = order.become_state(OrderState::PendingCancel, None, AT).expect("legal");
    let wish = wish.expect("news");
    assert_eq!(wish.replacement, order.replacement);
    assert_eq!(wish.replaced(AT).expect("legal").state, OrderState::PendingCancel);
    let not = wish.not_replaced("no".to_string(), AT).expect("legal");
    assert_eq!(not.state, OrderState::PendingCancel);
    let end = wish.become_state(OrderState::Canceled, None, AT).expect("legal").expect("news");
    assert_eq!(end.replacement, None);
}
