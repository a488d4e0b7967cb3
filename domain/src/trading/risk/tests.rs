//! Each rule at its limit, above it, and where it cannot be measured.

use super::*;
use crate::time::UnixNanos;
use alloc::string::ToString;

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).expect("legal")
}

fn quantity(text: &str) -> Quantity {
    text.parse().expect("legal")
}

fn quote(bid: Option<&str>, ask: Option<&str>) -> Quote {
    let price = |text: &str| text.parse().expect("legal");
    let size = quantity("1");
    let (bid, ask) = (bid.map(price), ask.map(price));
    Quote { bid, bid_size: size, ask, ask_size: size, at: UnixNanos(1) }
}

struct Sample {
    instrument: InstrumentId,
    side: Side,
    quantity: &'static str,
    price: Option<&'static str>,
}

fn buy(quantity: &'static str, price: Option<&'static str>) -> Sample {
    let instrument = InstrumentId::new("BTC/USD").expect("legal");
    Sample { instrument, side: Side::Buy, quantity, price }
}

fn sell(quantity: &'static str, price: Option<&'static str>) -> Sample {
    Sample { side: Side::Sell, ..buy(quantity, price) }
}

impl Sample {
    fn asked(&self) -> Asked<'_> {
        let quantity = quantity(self.quantity);
        Asked {
            instrument: &self.instrument,
            side: self.side,
            order_type: if self.price.is_some() { OrderType::Limit } else { OrderType::Market },
            quantity,
            limit_price: self.price.map(|text| text.parse().expect("legal")),
            stop_price: None,
            reduce_only: false,
            adds: quantity,
            more: quantity.decimal(),
        }
    }
}

fn has(position: &str, buying: &str, selling: &str) -> Exposure {
    let [position, buying, selling] = [position, buying, selling].map(decimal);
    Exposure { position, buying, selling }
}

#[test]
fn halted_takes_nothing_and_reducing_only_what_shrinks_the_position() {
    let (buys, sells) = (buy("1", None), sell("1", None));
    let nothing = Exposure::default();
    for state in [TradingState::Active, TradingState::Reducing, TradingState::Halted] {
        let taken = trading_state(state, &buys.asked(), &nothing).is_ok();
        assert_eq!(taken, state == TradingState::Active, "{state}");
    }
    let halted = trading_state(TradingState::Halted, &sells.asked(), &has("5", "0", "0"));
    assert_eq!(halted, Err(Breach::Halted), "not even what shrinks");
    for (sample, exposure, taken) in [
        (&sells, has("1", "0", "0"), true),
        (&sells, has("0.5", "0", "0"), false),
        (&sells, has("2", "0", "1"), true),
        (&sells, has("1.5", "0", "1"), false),
        (&sells, has("-3", "0", "0"), false),
        (&buys, has("-1", "0", "0"), true),
        (&buys, has("-1", "0.5", "0"), false),
        (&buys, has("3", "0", "0"), false),
    ] {
        let reduced = trading_state(TradingState::Reducing, &sample.asked(), &exposure);
        assert_eq!(reduced.is_ok(), taken, "{:?} with {exposure:?}", sample.side);
    }
    let less = Asked { more: decimal("-1"), ..buys.asked() };
    assert!(trading_state(TradingState::Reducing, &less, &has("3", "0", "0")).is_ok());
}

#[test]
fn an_order_may_have_the_largest_quantity_and_no_more() {
    let most = quantity("2");
    assert!(max_order_quantity(&buy("2.0", None).asked(), most).is_ok());
    assert!(max_order_quantity(&buy("2.00000001", None).asked(), most).is_err());
}

#[test]
fn the_notional_is_that_of_the_own_price_or_of_the_quote_and_unknown_is_refused() {
    let most: Notional = "1000".parse().expect("legal");
    let fresh = quote(Some("99"), Some("100"));
    let check =
        |sample: &Sample, quote: Option<&Quote>| max_order_notional(&sample.asked(), quote, most);
    assert!(check(&buy("10", Some("100")), None).is_ok());
    assert!(check(&buy("10", Some("100.1")), None).is_err());
    assert!(check(&buy("10", None), Some(&fresh)).is_ok());
    assert!(check(&buy("10.1", None), Some(&fresh)).is_err());
    assert!(check(&sell("10.1", None), Some(&fresh)).is_ok(), "at the bid");
    assert_eq!(check(&buy("10", None), None), Err(Breach::NoQuote));
    assert_eq!(check(&buy("10", None), Some(&quote(Some("99"), None))), Err(Breach::NoQuote));
    let huge = "79000000000000000000000000000";
    assert!(matches!(check(&buy(huge, Some(huge)), None), Err(Breach::Notional { .. })));
}

#[test]
fn a_price_stays_within_its_band_around_a_fresh_quote_or_is_refused() {
    let share: Share = "0.05".parse().expect("legal");
    let fresh = quote(Some("99"), Some("100"));
    let check = |sample: &Sample, quote: Option<&Quote>| price_band(&sample.asked(), quote, share);
    for (price, inside) in [("105", true), ("105.1", false), ("95", true), ("94.9", false)] {
        assert_eq!(check(&buy("1", Some(price)), Some(&fresh)).is_ok(), inside, "{price}");
    }
    assert!(check(&sell("1", Some("103.95")), Some(&fresh)).is_ok(), "around the bid");
    assert!(check(&sell("1", Some("104")), Some(&fresh)).is_err());
    assert_eq!(check(&buy("1", Some("100")), None), Err(Breach::NoQuote));
    assert_eq!(check(&buy("1", None), None), Err(Breach::NoQuote));
    assert!(check(&buy("1", None), Some(&fresh)).is_ok());
    assert!(check(&buy("1", Some("100")), Some(&quote(Some("99"), None))).is_ok());
    assert_eq!(check(&buy("1", Some("100")), Some(&quote(None, None))), Err(Breach::NoQuote));
}

#[test]
fn a_position_is_counted_with_what_is_open_and_may_always_shrink() {
    let most = quantity("10");
    let check = |sample: &Sample, has: Exposure| max_position(&sample.asked(), &has, most).is_ok();
    assert!(check(&buy("1", None), has("4", "5", "100")));
    assert!(!check(&buy("1.1", None), has("4", "5", "0")));
    assert!(check(&sell("1", None), has("-4", "100", "5")));
    assert!(!check(&sell("1.1", None), has("-4", "0", "5")));
    // From a position that is too large, by a limit that came later, a way leads out.
    assert!(check(&sell("5", None), has("50", "0", "0")));
    assert!(!check(&buy("5", None), has("50", "0", "0")));
    let five = buy("5", None);
    let less = Asked { more: decimal("-1"), ..five.asked() };
    assert!(max_position(&less, &has("50", "0", "0"), most).is_ok());
}

#[test]
fn as_many_orders_are_open_as_may_be() {
    assert!(max_open_orders(4, 5).is_ok());
    let refused = max_open_orders(5, 5).expect_err("the sixth");
    assert!(refused.to_string().starts_with("max_open_orders"));
    assert_eq!(refused.free_after(), None);
}
