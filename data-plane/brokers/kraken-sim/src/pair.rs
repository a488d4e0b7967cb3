//! What is traded here: the pairs with all their names, steps and minimums. Decides what the venue says of them
//! and how an amount is printed; trading is decided by `exchange`.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use tradewind_domain::ids::InstrumentId;
use tradewind_kraken::number::Number;
use tradewind_kraken::symbol;
use tradewind_kraken::ws::market::{Asset, Instruments, Pair as WsPair, PairStatus};
use tradewind_sim::instrument::{Instrument, Lots, Ticks};

/// Decimals of costs and fees.
pub(crate) const COST_DECIMALS: u32 = 5;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// `BTC/USD`: as WebSocket v2 calls it, and we do.
    pub(crate) symbol: String,
    pub(crate) base: &'static str,
    pub(crate) quote: &'static str,
    /// `XXBTZUSD`
    pub(crate) key: &'static str,
    pub(crate) price_decimals: u32,
    pub(crate) lot_decimals: u32,
    pub(crate) order_min: Decimal,
    pub(crate) cost_min: Decimal,
    pub(crate) instrument: Instrument,
}

/// The pairs that are traded. The first one's street is recorded, that of the others drawn.
pub(crate) fn pairs() -> Vec<Pair> {
    let pair = |base, quote, key, price_decimals, min: Decimal| {
        let symbol = format!("{base}/{quote}");
        let name = InstrumentId::new(&symbol).expect("a legal name");
        let (tick, lot) = (Decimal::new(1, price_decimals), Decimal::new(1, 8));
        Pair {
            instrument: Instrument::new(name, tick, lot).expect("steps above zero"),
            symbol,
            base,
            quote,
            key,
            price_decimals,
            lot_decimals: 8,
            order_min: min,
            cost_min: Decimal::new(5, 1),
        }
    };
    vec![
        pair("BTC", "USD", "XXBTZUSD", 1, Decimal::new(5, 5)),
        pair("ETH", "USD", "XETHZUSD", 2, Decimal::new(1, 3)),
    ]
}

impl Pair {
    /// `XBTUSD`
    pub(crate) fn altname(&self) -> String {
        self.wsname().replace('/', "")
    }

    /// `XBT/USD`: the old WebSocket's name.
    pub(crate) fn wsname(&self) -> String {
        let plain = |asset| match asset {
            "BTC" => "XBT",
            "DOGE" => "XDG",
            other => other,
        };
        format!("{}/{}", plain(self.base), plain(self.quote))
    }

    /// Whether REST may call it so.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let other = [self.symbol.replace('/', ""), self.altname(), self.wsname()];
        name == self.key || name == self.symbol || other.iter().any(|other| name == other)
    }

    pub(crate) fn price(&self, ticks: Ticks) -> Number {
        Number::padded(self.instrument.price(ticks).decimal(), self.price_decimals)
    }

    pub(crate) fn quantity(&self, lots: Lots) -> Number {
        Number::padded(self.instrument.quantity(lots).decimal(), self.lot_decimals)
    }

    pub(crate) fn padded_price(&self, price: Decimal) -> Number {
        Number::padded(price, self.price_decimals)
    }

    /// As `AssetPairs` shows it.
    pub(crate) fn rest(&self) -> Value {
        json!({
            "altname": self.altname(),
            "wsname": self.wsname(),
            "aclass_base": "currency",
            "base": symbol::rest_asset(self.base),
            "aclass_quote": "currency",
            "quote": symbol::rest_asset(self.quote),
            "lot": "unit",
            "cost_decimals": COST_DECIMALS,
            "pair_decimals": self.price_decimals,
            "lot_decimals": self.lot_decimals,
            "lot_multiplier": 1,
            "leverage_buy": [2, 3],
            "leverage_sell": [2, 3],
            "fees": [[0, 0.4], [10_000, 0.35]],
            "fees_maker": [[0, 0.25], [10_000, 0.2]],
            "fee_volume_currency": "ZUSD",
            "margin_call": 80,
            "margin_stop": 40,
            "ordermin": self.order_min.to_string(),
            "costmin": self.cost_min.to_string(),
            "tick_size": self.instrument.tick().to_string(),
            "status": "online",
            "long_position_limit": 250,
            "short_position_limit": 200,
        })
    }

    fn ws(&self) -> WsPair {
        WsPair {
            symbol: self.symbol.clone(),
            base: self.base.to_owned(),
            quote: self.quote.to_owned(),
            status: PairStatus::Online,
            qty_precision: self.lot_decimals,
            qty_increment: Number(self.instrument.lot()),
            price_precision: self.price_decimals,
            cost_precision: COST_DECIMALS,
            marginable: false,
            has_index: true,
            cost_min: Number::padded(self.cost_min, 2),
            tick_size: Some(Number(self.instrument.tick())),
            price_increment: Number(self.instrument.tick()),
            qty_min: Number::padded(self.order_min, self.lot_decimals),
            margin_initial: None,
            position_limit_long: None,
            position_limit_short: None,
        }
    }
}

/// Decimals in which REST prints a balance.
pub(crate) fn decimals(asset: &str) -> u32 {
    if asset == "USD" { 4 } else { 10 }
}

/// Assets of the pairs, each once.
pub(crate) fn assets(pairs: &[Pair]) -> Vec<&'static str> {
    let mut assets: Vec<_> = pairs.iter().flat_map(|pair| [pair.base, pair.quote]).collect();
    assets.sort_unstable();
    assets.dedup();
    assets
}

/// A snapshot of the `instrument` channel.
pub(crate) fn instruments(pairs: &[Pair]) -> Instruments {
    let asset = |id: &&str| Asset {
        id: (*id).to_owned(),
        status: "enabled".to_owned(),
        precision: decimals(id),
        precision_display: 2,
        borrowable: false,
        collateral_value: Number::padded(Decimal::ONE, 3),
        class: Some("currency".to_owned()),
        margin_rate: None,
    };
    Instruments {
        assets: assets(pairs).iter().map(asset).collect(),
        pairs: pairs.iter().map(Pair::ws).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_goes_by_all_its_names_and_no_other() {
        let btc = &pairs()[0];
        for name in ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"] {
            assert!(btc.is_called(name), "{name}");
        }
        for name in ["", "BTC", "ETHUSD", "XBTUSDT"] {
            assert!(!btc.is_called(name), "{name}");
        }
    }

    #[test]
    fn amounts_are_printed_with_all_their_decimals() {
        let btc = &pairs()[0];
        assert_eq!(btc.price(Ticks(300_000.try_into().unwrap())).to_string(), "30000.0");
        assert_eq!(btc.quantity(Lots(1_000_000)).to_string(), "0.01000000");
        let text = serde_json::to_string(&instruments(&pairs())).unwrap();
        assert!(text.contains(r#""qty_min":0.00005000"#), "{text}");
    }
}
