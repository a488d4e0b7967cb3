//! Replaces at the venue: both orders or neither, the total counted once, and nothing twice.

use super::*;

#[test]
fn a_replace_ends_the_order_and_places_what_the_total_leaves_in_one_event() {
    let mut world = World::open();
    world.submit(world.limit(1, Side::Buy, "100.0", "3"));
    world.street(&[street(Side::Sell, "100.0", "1")]);
    let (outcome, told) = world.replace(1, 2, "5", "99.5");
    assert!(matches!(outcome, Outcome::Done(order) if order.replaces == Some(id(1))));
    let states: Vec<_> = told
        .iter()
        .filter_map(|told| match told {
            Told::Order(_, order) => Some((order.venue_order_id, order.state)),
            Told::Fill(..) | Told::Quote { .. } | Told::Trade { .. } => None,
        })
        .collect();
    assert_eq!(states, [(id(1), VenueOrderState::Replaced), (id(2), VenueOrderState::New)]);
    let new = world.order(2);
    assert_eq!((new.quantity.to_string(), new.filled.to_string()), ("4".into(), "0".into()));
    assert_eq!(world.order(1).filled.to_string(), "1");
    // The total goes on counting over a chain.
    world.replace(2, 3, "2", "99.5");
    assert_eq!(world.order(3).quantity.to_string(), "1");
    let outcomes: Vec<_> = world.page().arrivals.iter().map(|arrival| arrival.outcome).collect();
    assert_eq!(outcomes, [ArrivalOutcome::Placed; 3]);
    let before = world.page();
    assert_eq!(world.restart().page(), before);
}

#[test]
fn a_replace_to_a_price_that_trades_trades_at_once() {
    let mut world = World::open();
    world.submit(world.limit(1, Side::Buy, "99.0", "2"));
    world.replace(1, 2, "2", "100.1");
    let order = world.order(2);
    assert_eq!(order.state, VenueOrderState::PartiallyFilled);
    assert_eq!(order.filled.to_string(), "1");
    let quote = world.exchange.quote(&btc_usd()).unwrap().1;
    assert_eq!(quote.bid.unwrap().to_string(), "100.1");
}

#[test]
fn a_replace_that_is_refused_changes_nothing_and_is_recorded() {
    let mut world = World::open();
    world.submit(world.limit(1, Side::Buy, "100.0", "3"));
    world.submit(world.limit(9, Side::Buy, "98.0", "3"));
    world.street(&[street(Side::Sell, "100.0", "1")]);
    let past = world.now;
    let cases = [
        (world.replace(1, 9, "5", "99.5").0, RefusalCode::Duplicate),
        (world.replace_until(1, 2, "5", "99.5", past).0, RefusalCode::DeadlinePassed),
        (world.replace(7, 3, "5", "99.5").0, RefusalCode::UnknownOrder),
        (world.replace(1, 4, "1", "99.5").0, RefusalCode::TooLate),
        (world.replace(1, 5, "0.5", "99.5").0, RefusalCode::TooLate),
        (world.replace(1, 6, "5", "99.55").0, RefusalCode::InvalidOrder),
        (world.replace(1, 7, "5.000000001", "99.5").0, RefusalCode::InvalidOrder),
    ];
    for (number, (outcome, code)) in cases.iter().enumerate() {
        assert_eq!(refusal(outcome), *code, "case {number}");
    }
    let order = world.order(1);
    assert_eq!(
        (order.state, order.quantity.to_string()),
        (VenueOrderState::PartiallyFilled, "3".into())
    );
    let page = world.page();
    assert_eq!((page.arrivals.len(), page.orders.len()), (2 + cases.len(), 2));
    // An order that has ended, by whatever, is not replaced.
    world.cancel(1);
    assert_eq!(refusal(&world.replace(1, 8, "5", "99.5").0), RefusalCode::TooLate);
    world.replace(9, 10, "2", "98.0");
    assert_eq!(refusal(&world.replace(9, 11, "5", "99.5").0), RefusalCode::TooLate);
    assert_eq!(refusal(&world.cancel(9)), RefusalCode::TooLate);
}
