//! Conditions of orders at the venue: each one by itself, then random flows of several accounts, with restarts, held
//! against what was written down.

mod flows;

use super::*;

fn with(order: Submission, change: impl FnOnce(&mut Conditions)) -> Submission {
    let mut order = order;
    change(&mut order.conditions);
    order
}

fn stop(world: &World, number: u64, side: Side, price: &str, quantity: &str) -> Submission {
    let order = Submission { order_type: OrderType::Stop, ..world.market(number, side, quantity) };
    with(order, |conditions| conditions.stop_price = price.parse().ok())
}

fn reduce_only(order: Submission) -> Submission {
    with(order, |conditions| conditions.reduce_only = true)
}

/// State, filled, and whether it was triggered.
fn stands(world: &World, number: u64) -> (VenueOrderState, String, bool) {
    let order = world.order(number);
    (order.state, order.filled.to_string(), order.triggered_at.is_some())
}

#[test]
fn a_fok_order_trades_whole_or_not_at_all() {
    let mut world = World::open();
    let fok = |order| Submission { time_in_force: TimeInForce::Fok, ..order };
    world.submit(fok(world.limit(1, Side::Buy, "100.2", "3.1")));
    assert_eq!(stands(&world, 1), (VenueOrderState::Canceled, "0".into(), false));
    world.submit(fok(world.limit(2, Side::Buy, "100.1", "1.1")));
    assert_eq!(stands(&world, 2), (VenueOrderState::Canceled, "0".into(), false));
    world.submit(fok(world.limit(3, Side::Buy, "100.2", "3")));
    assert_eq!(stands(&world, 3), (VenueOrderState::Filled, "3".into(), false));
    assert!(world.order(1).reason.unwrap().contains("fok"));
}

#[test]
fn a_fok_order_does_not_count_what_may_not_trade() {
    let mut world = World::open();
    world.submit(world.market(1, Side::Buy, "1"));
    // One is held, and two orders would each sell it.
    world.submit(reduce_only(world.limit(2, Side::Sell, "100.1", "1")));
    world.submit(reduce_only(world.limit(3, Side::Sell, "100.1", "1")));
    let fok =
        Submission { time_in_force: TimeInForce::Fok, ..world.limit(1, Side::Buy, "100.1", "2") };
    world.submit_for("b", fok.clone());
    let of_b = |world: &World| world.exchange.page(Some(&account("b")), UnixNanos(0)).orders;
    assert_eq!(of_b(&world)[0].filled, Quantity::ZERO);
    world.submit_for(
        "b",
        Submission { venue_order_id: id(2), quantity: "1".parse().unwrap(), ..fok },
    );
    assert_eq!(of_b(&world)[1].state, VenueOrderState::Filled);
    assert_eq!(stands(&world, 3), (VenueOrderState::Canceled, "0".into(), false));
}

#[test]
fn a_post_only_order_never_takes() {
    let mut world = World::open();
    let post_only = |order| with(order, |conditions| conditions.post_only = true);
    let (outcome, _) = world.submit(post_only(world.limit(1, Side::Buy, "100.1", "1")));
    assert_eq!(refusal(&outcome), RefusalCode::WouldTake);
    world.submit(post_only(world.limit(2, Side::Buy, "100.0", "1")));
    assert_eq!(stands(&world, 2), (VenueOrderState::New, "0".into(), false));
    let (outcome, _) = world.replace(2, 3, "1", "100.1");
    assert_eq!(refusal(&outcome), RefusalCode::WouldTake);
    assert_eq!(stands(&world, 2), (VenueOrderState::New, "0".into(), false));
    world.replace(2, 4, "1", "99.9");
    assert!(world.order(4).conditions.post_only, "what comes in its place is no other order");
    world.street(&[street(Side::Sell, "99.9", "1")]);
    assert_eq!(world.order(4).state, VenueOrderState::Filled, "it was there first");
}

#[test]
fn a_stop_waits_is_triggered_once_and_trades_at_what_there_is() {
    let mut world = World::open();
    world.submit(stop(&world, 1, Side::Buy, "100.2", "1.5"));
    assert_eq!(stands(&world, 1), (VenueOrderState::New, "0".into(), false));
    let mut world = world.restart();
    world.street(&[
        street(Side::Buy, "99.9", "1"),
        street(Side::Sell, "100.1", "1"),
        street(Side::Sell, "100.2", "2"),
    ]);
    assert_eq!(stands(&world, 1), (VenueOrderState::New, "0".into(), false), "it waits on");
    world.street(&[street(Side::Sell, "100.1", "0")]);
    assert_eq!(stands(&world, 1), (VenueOrderState::Filled, "1.5".into(), true));
}

#[test]
fn a_trade_at_its_price_triggers_a_stop_and_one_stop_the_next() {
    let mut world = World::open();
    world.street(&[street(Side::Buy, "100.0", "1")]);
    world.submit(stop(&world, 1, Side::Sell, "99.9", "1"));
    let stop_limit = stop(&world, 2, Side::Sell, "99.8", "5");
    let limit_price = "99.5".parse().ok();
    world.submit(Submission { order_type: OrderType::StopLimit, limit_price, ..stop_limit });
    assert!(!stands(&world, 1).2 && !stands(&world, 2).2);
    world.submit(world.market(3, Side::Sell, "1"));
    // The best bid was 99.9 then, and 99.8 once the first stop had traded.
    assert_eq!(stands(&world, 1), (VenueOrderState::Filled, "1".into(), true));
    assert_eq!(stands(&world, 2), (VenueOrderState::PartiallyFilled, "2".into(), true));
    let triggered = world.events.iter().filter(|e| matches!(e, Event::Triggered { .. })).count();
    assert_eq!(triggered, 2);
    // A restart lets what was triggered stand where it stood.
    let before = world.page();
    let mut world = world.restart();
    assert_eq!(world.page(), before);
    world.street(&[street(Side::Buy, "99.5", "9")]);
    assert_eq!(stands(&world, 2).0, VenueOrderState::Filled);
}

#[test]
fn a_stop_that_is_reached_already_trades_at_once_and_a_canceled_one_never() {
    let mut world = World::open();
    let (outcome, _) = world.submit(stop(&world, 1, Side::Buy, "100.1", "0.5"));
    assert!(matches!(outcome, Outcome::Done(order) if order.waits()), "as it arrived");
    assert_eq!(stands(&world, 1), (VenueOrderState::Filled, "0.5".into(), true));
    world.submit(stop(&world, 2, Side::Buy, "101.0", "1"));
    let (outcome, _) = world.replace(2, 9, "2", "100.0");
    assert_eq!(refusal(&outcome), RefusalCode::InvalidOrder);
    world.cancel(2);
    world.street(&[street(Side::Sell, "100.1", "0"), street(Side::Sell, "100.2", "0")]);
    world.street(&[street(Side::Sell, "102.0", "5")]);
    assert_eq!(stands(&world, 2), (VenueOrderState::Canceled, "0".into(), false));
}

#[test]
fn a_reduce_only_order_ends_with_the_position() {
    let mut world = World::open();
    let (outcome, _) = world.submit(reduce_only(world.limit(1, Side::Sell, "100.5", "1")));
    assert_eq!(refusal(&outcome), RefusalCode::WouldNotReduce, "nothing is held");
    world.submit(world.market(2, Side::Buy, "1"));
    let (outcome, _) = world.submit(reduce_only(world.market(3, Side::Buy, "1")));
    assert_eq!(refusal(&outcome), RefusalCode::WouldNotReduce, "it makes it larger");
    world.submit(reduce_only(world.limit(4, Side::Sell, "100.5", "2")));
    world.submit(reduce_only(stop(&world, 5, Side::Sell, "90.0", "1")));
    // As a taker no more than the position.
    world.submit(reduce_only(world.market(6, Side::Sell, "3")));
    assert_eq!(stands(&world, 6), (VenueOrderState::Canceled, "1".into(), false));
    for number in [4, 5] {
        assert_eq!(stands(&world, number), (VenueOrderState::Canceled, "0".into(), false));
        assert!(world.order(number).reason.unwrap().contains("reduce_only"));
    }
}

#[test]
fn a_position_is_known_after_a_restart() {
    let mut world = World::open();
    world.submit(world.market(1, Side::Buy, "1"));
    let mut world = world.restart();
    world.submit(reduce_only(world.limit(2, Side::Sell, "100.5", "2")));
    let mut world = world.restart();
    world.street(&[street(Side::Buy, "101.0", "5")]);
    assert_eq!(stands(&world, 2), (VenueOrderState::Canceled, "1".into(), false));
}

#[test]
fn a_gtd_order_ends_at_its_time_and_a_day_order_at_midnight() {
    let mut world = World::open();
    let end = world.now + Duration::from_secs(2);
    let gtd = |number, end| {
        let order = world.limit(number, Side::Buy, "100.0", "1");
        let order = Submission { time_in_force: TimeInForce::Gtd, ..order };
        with(order, |conditions| conditions.expires_at = Some(end))
    };
    let (order, over) = (gtd(1, end), gtd(2, world.now));
    let day =
        Submission { time_in_force: TimeInForce::Day, ..world.limit(3, Side::Buy, "99.0", "1") };
    world.submit(order);
    assert_eq!(refusal(&world.submit(over).0), RefusalCode::InvalidOrder);
    world.submit(day);
    let midnight = UnixNanos(86_400_000_000_000);
    assert_eq!(world.order(3).conditions.expires_at, Some(midnight));
    let mut world = world.restart();
    // Whatever comes at that time finds it gone.
    world.now = UnixNanos(end.0 - 1_000_000);
    world.street(&[street(Side::Sell, "99.9", "5")]);
    assert_eq!(stands(&world, 1), (VenueOrderState::Expired, "0".into(), false));
    assert_eq!(refusal(&world.cancel(1)), RefusalCode::TooLate);
    let early = world.exchange.expire(UnixNanos(midnight.0 - 1)).unwrap();
    assert!(early.events.is_empty());
    let done = world.exchange.expire(midnight).unwrap();
    assert!(matches!(done.events[..], [Event::Expired { .. }]));
    assert!(
        matches!(&done.told[0], Told::Order(_, order) if order.state == VenueOrderState::Expired)
    );
}
