//! Random flows of orders, cancels, amends and the street: a ledger that is read again is the venue as it was.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Submit { sell: bool, lots: u64, ticks: u64, ioc: bool },
    Cancel(prop::sample::Index),
    Amend { which: prop::sample::Index, lots: u64, ticks: u64 },
    Street { sell: bool, ticks: u64, lots: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let amounts = || (1_u64..20, 299_990_u64..300_011);
    prop_oneof![
        (any::<bool>(), amounts(), any::<bool>())
            .prop_map(|(sell, (lots, ticks), ioc)| { Op::Submit { sell, lots, ticks, ioc } }),
        any::<prop::sample::Index>().prop_map(Op::Cancel),
        (any::<prop::sample::Index>(), amounts()).prop_map(|(which, (lots, ticks))| Op::Amend {
            which,
            lots,
            ticks
        }),
        (any::<bool>(), amounts()).prop_map(|(sell, (lots, ticks))| Op::Street {
            sell,
            ticks,
            lots
        }),
    ]
}

/// In thousandths of a coin, so that the minimum is met.
fn amount(lots: u64) -> String {
    Decimal::new(i64::try_from(lots).unwrap(), 3).to_string()
}

fn price(ticks: u64) -> String {
    Decimal::new(i64::try_from(ticks).unwrap(), 1).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_ledger_read_again_is_the_venue_as_it_was(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in ops {
            let open: Vec<OrderKey> = world.exchange.state.open.iter().copied().collect();
            match op {
                Op::Submit { sell, lots, ticks, ioc } => {
                    let side = if sell { Side::Sell } else { Side::Buy };
                    let force = if ioc { Force::Ioc } else { Force::Gtc };
                    let want = Wanted { force, ..limit(side, &amount(lots), &price(ticks)) };
                    world.submit(&want).0.ok();
                }
                Op::Cancel(which) if !open.is_empty() => {
                    world.cancel(open[which.index(open.len())]).unwrap();
                }
                Op::Amend { which, lots, ticks } if !open.is_empty() => {
                    let key = open[which.index(open.len())];
                    world.amend(key, &amount(lots), &price(ticks)).ok();
                }
                Op::Street { sell, ticks, lots } => {
                    let side = if sell { Side::Sell } else { Side::Buy };
                    let price = Ticks(ticks.try_into().unwrap());
                    let quantity = Lots(lots * 100_000);
                    let level = StreetLevel { side, price, quantity };
                    let done = world.exchange.set_street(0, &[level], NOW).unwrap();
                    world.events.extend(done.events);
                }
                Op::Cancel(_) | Op::Amend { .. } => {}
            }
        }
        let mut again = State::new(pairs());
        for event in &world.events {
            again.apply(event).unwrap();
        }
        let state = &world.exchange.state;
        prop_assert_eq!(&again.balances, &state.balances);
        prop_assert_eq!(&again.open, &state.open);
        for (one, two) in again.orders.iter().zip(&state.orders) {
            prop_assert_eq!(one.filled, two.filled);
            let of_fills: u64 = one.fills.iter().map(|index| again.fills[*index].quantity.0).sum();
            prop_assert_eq!(one.filled.0, of_fills);
        }
        // What is open stands in the books of the one that was started again, and nothing else does.
        let (resumed, _) = Exchange::resume(again, Tier::Pro, NOW).unwrap();
        for side in [Side::Buy, Side::Sell] {
            let left: u64 = state
                .open_orders()
                .filter(|order| order.side == side)
                .map(|order| order.left().0)
                .sum();
            let stands: u64 = resumed.levels(0, side, 100).iter().map(|(_, lots)| lots.0).sum();
            prop_assert_eq!(left, stands);
        }
    }
}
