//! What holds of bars, whatever is traded.

use super::*;

prop_compose! {
    fn any_trade()(after in 0..3 * 60 * MINUTE, cents in 1_i64..1_000_000, milli in 0_i64..1_000_000) -> Trade {
        let price = Price::new(Decimal::new(cents, 2)).expect("above zero");
        let quantity = Quantity::new(Decimal::new(milli, 3)).expect("not below zero");
        Trade { price, quantity, taker: Side::Sell, at: at(after) }
    }
}

/// Bars as they would be made from the trades of their time alone.
fn directly(trades: &[Trade], timeframe: Timeframe) -> Vec<Tally> {
    let mut made: Vec<Tally> = Vec::new();
    for trade in trades {
        let tally = Tally::of(timeframe.begin(trade.at), trade);
        match made.last_mut().filter(|last| last.at == tally.at) {
            Some(last) => last.join(&tally),
            None => made.push(tally),
        }
    }
    made
}

proptest! {
    #[test]
    fn a_longer_bar_is_what_its_trades_make_directly(
        mut trades in proptest::collection::vec(any_trade(), 0..200),
    ) {
        trades.sort_by_key(|trade| trade.at);
        let mut series = series();
        read(&mut series, &trades);
        for timeframe in Timeframe::ALL {
            // The day began before anything was read.
            let gap = timeframe == Timeframe::OneDay;
            let direct = directly(&trades, timeframe).into_iter();
            let direct: Vec<Bar> = direct.map(|tally| tally.bar(true, gap)).collect();
            prop_assert_eq!(bars(&series, timeframe), direct);
        }
    }

    #[test]
    fn no_bar_without_a_gap_lacks_a_trade_however_far_the_venue_s_clock_is_off(
        trades in proptest::collection::vec(
            (0..20 * SECOND, 0..=2 * VENUE_CLOCK_SKEW.as_secs(), proptest::bool::ANY),
            1..100,
        ),
    ) {
        let mut series = series();
        let (mut now, mut lost, mut missing) = (MINUTE, Vec::new(), false);
        for (after, off, heard) in trades {
            now += after;
            let made = now + off * SECOND - VENUE_CLOCK_SKEW.as_secs() * SECOND;
            if heard {
                if missing {
                    series.missing(at(now));
                }
                series.trade(at(now), &trade(made, "1", "1"));
            } else {
                lost.push(Timeframe::OneMinute.begin(at(made)));
            }
            missing = !heard;
        }
        series.missing(at(now));
        for bar in bars(&series, Timeframe::OneMinute) {
            prop_assert!(bar.gap || !lost.contains(&bar.at), "{bar:?}");
        }
    }

    #[test]
    fn high_and_low_bound_all_prices_and_volume_is_the_sum(
        trades in proptest::collection::vec(any_trade(), 1..200),
    ) {
        let mut series = series();
        trades.iter().for_each(|trade| series.trade(at(3 * 60 * MINUTE), trade));
        for timeframe in Timeframe::ALL {
            let told = bars(&series, timeframe);
            for bar in &told {
                for price in [Some(bar.open), Some(bar.close), bar.vwap].into_iter().flatten() {
                    prop_assert!((bar.low..=bar.high).contains(&price));
                }
                prop_assert_eq!(timeframe.begin(bar.at), bar.at);
            }
            let sum = |amounts: &mut dyn Iterator<Item = Quantity>| {
                amounts.map(Quantity::decimal).sum::<Decimal>()
            };
            let volume = sum(&mut told.iter().map(|bar| bar.volume));
            prop_assert_eq!(volume, sum(&mut trades.iter().map(|trade| trade.quantity)));
            let count: u64 = told.iter().map(|bar| bar.trades).sum();
            prop_assert_eq!(count, trades.len() as u64);
        }
    }

    #[test]
    fn the_order_of_trades_changes_neither_high_nor_low_nor_volume(
        trades in proptest::collection::vec(any_trade(), 1..50).prop_map(|mut trades| {
            trades.iter_mut().for_each(|trade| trade.at = at(trade.at.0 % MINUTE));
            trades
        }),
        turned in 0_usize..50,
    ) {
        let mut other = trades.clone();
        other.rotate_left(turned % trades.len());
        let told = [trades, other].map(|trades| {
            let mut series = series();
            trades.iter().for_each(|trade| series.trade(at(MINUTE), trade));
            let Bar { high, low, volume, vwap, trades, .. } = minute(&series, 0);
            (high, low, volume, vwap, trades)
        });
        prop_assert_eq!(&told[0], &told[1]);
    }
}
