//! Random flows through the whole exchange, with restarts: the ledger read again is the ledger that was, and
//! a sweep page by page misses nothing although the venue goes on meanwhile.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    Submit { number: u64, buy: bool, tenths: u64, lots: u64, kind: u8 },
    Cancel(u64),
    Replace { number: u64, by: u64, tenths: u64, lots: u64, late: bool },
    Street { buy: bool, tenths: u64, lots: u64 },
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let submit = (0_u64..40, any::<bool>(), 990_u64..1_011, 1_u64..30, 0_u8..6).prop_map(
        |(number, buy, tenths, lots, kind)| Act::Submit { number, buy, tenths, lots, kind },
    );
    let street = (any::<bool>(), 990_u64..1_011, 0_u64..30)
        .prop_map(|(buy, tenths, lots)| Act::Street { buy, tenths, lots });
    let replace = (0_u64..40, 0_u64..40, 990_u64..1_011, 1_u64..40, any::<bool>()).prop_map(
        |(number, by, tenths, lots, late)| Act::Replace { number, by, tenths, lots, late },
    );
    prop_oneof![
        6 => submit,
        3 => replace,
        1 => (0_u64..40).prop_map(Act::Cancel),
        3 => street,
        1 => Just(Act::Restart),
    ]
}

fn do_act(mut world: World, act: Act) -> World {
    let side = |buy| if buy { Side::Buy } else { Side::Sell };
    let price = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
    let lots = |lots: u64| format!("0.{lots:08}");
    match act {
        Act::Submit { number, buy, tenths, lots: quantity, kind } => {
            let mut order = world.limit(number, side(buy), &price(tenths), &lots(quantity));
            match kind {
                0 => order = world.market(number, side(buy), &lots(quantity)),
                1 => order.time_in_force = TimeInForce::Ioc,
                2 => order.deadline = world.now,
                _ => {}
            }
            world.submit(order);
        }
        Act::Cancel(number) => drop(world.cancel(number)),
        Act::Replace { number, by, tenths, lots: quantity, late } => {
            let deadline = if late { UnixNanos(0) } else { world.now + Duration::from_secs(1) };
            world.replace_until(number, by, &lots(quantity), &price(tenths), deadline);
        }
        Act::Street { buy, tenths, lots: quantity } => {
            world.street(&[street(side(buy), &price(tenths), &lots(quantity))]);
        }
        Act::Restart => return world.restart(),
    }
    world
}

proptest! {
    #[test]
    fn a_ledger_read_again_is_the_ledger_that_was(acts in prop::collection::vec(act(), 1..80)) {
        let mut world = World::resume(Vec::new());
        for act in acts {
            world = do_act(world, act);
            let quote = world.exchange.quote(&btc_usd()).unwrap().1;
            prop_assert!(quote.bid.zip(quote.ask).is_none_or(|(bid, ask)| bid < ask), "{quote:?}");
        }
        let page = world.page();
        for order in &page.orders {
            let fills = page.fills.iter().filter(|f| f.venue_order_id == order.venue_order_id);
            let filled = fills.fold(Quantity::ZERO, |sum, f| sum.checked_add(f.quantity).unwrap());
            prop_assert_eq!(filled, order.filled);
            prop_assert!(filled <= order.quantity);
            let places = page.orders.iter().filter(|o| o.replaces == Some(order.venue_order_id));
            let replaced = order.state == VenueOrderState::Replaced;
            prop_assert_eq!(places.count(), usize::from(replaced), "one in its place, or none");
        }
        prop_assert_eq!(world.restart().page(), page);
    }

    #[test]
    fn a_sweep_misses_nothing_although_the_venue_goes_on(
        before in prop::collection::vec(act(), 1..200),
        after in prop::collection::vec(act(), 0..40),
    ) {
        let mut world = World::resume(Vec::new());
        for act in before {
            world = do_act(world, act);
        }
        let (mut after, mut cursor) = (after.into_iter(), None);
        let (mut orders, mut fills) = (BTreeMap::new(), Vec::new());
        loop {
            let page = world.exchange.sweep(&account("a"), UnixNanos(0), cursor);
            orders.extend(page.orders.into_iter().map(|o| (o.venue_order_id.to_string(), o)));
            fills.extend(page.fills);
            cursor = Some(page.next);
            match (after.next(), page.complete) {
                (Some(act), _) => world = do_act(world, act),
                (None, true) => break,
                (None, false) => {}
            }
        }
        let truth = world.page();
        let listed = truth.orders.into_iter().map(|o| (o.venue_order_id.to_string(), o));
        prop_assert_eq!(orders, listed.collect::<BTreeMap<_, _>>());
        prop_assert_eq!(fills, truth.fills);
    }
}
