//! Flags of risk settings and trading states. Decides their form; what is legal is decided where it is declared.

use super::flags::{Flags, value};
use crate::{cli::duration, exit::Usage};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use tradewind_domain::{
    control::risk::{OrdersWithin, RiskSpec, TradingState},
    money::{Notional, Quantity, Share},
};
use tradewind_protocol::resources::{ScopeKind, TradingStateSpec};

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfRisk {
    /// global, customer, account or trader
    #[arg(long, value_parser = kind)]
    kind: Option<ScopeKind>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfTradingStates {
    /// global, customer, account or trader
    #[arg(long, value_parser = kind)]
    kind: Option<ScopeKind>,
    /// active, reducing or halted
    #[arg(long, value_parser = state)]
    state: Option<TradingState>,
}

/// All rules of the scope: one that is not named does not hold there any more.
#[derive(Debug, Args)]
pub(crate) struct RiskFlags {
    /// Units of one order
    #[arg(long, value_name = "DECIMAL", conflicts_with = "file")]
    max_order_quantity: Option<Quantity>,
    /// Quantity times price of one order, in the quote currency
    #[arg(long, value_name = "DECIMAL", conflicts_with = "file")]
    max_order_notional: Option<Notional>,
    /// By what share of the last quote a price may differ from it: 0.05 is five percent
    #[arg(long, value_name = "SHARE", conflicts_with = "file")]
    price_band: Option<Share>,
    /// Units of one instrument, long or short
    #[arg(long, value_name = "DECIMAL", conflicts_with = "file")]
    max_position: Option<Quantity>,
    /// Orders that are open at a time
    #[arg(long, value_name = "NUMBER", conflicts_with = "file")]
    max_open_orders: Option<u32>,
    /// New orders within a time, such as 50/1s
    #[arg(long, value_name = "ORDERS/TIME", value_parser = within, conflicts_with = "file")]
    order_rate: Option<OrdersWithin>,
    /// Orders that are the same within a time, such as 3/10s
    #[arg(long, value_name = "ORDERS/TIME", value_parser = within, conflicts_with = "file")]
    equal_orders: Option<OrdersWithin>,
}

impl Flags for RiskFlags {
    fn spec(&self) -> Result<Value, Usage> {
        let spec = RiskSpec {
            max_order_quantity: self.max_order_quantity,
            max_order_notional: self.max_order_notional,
            price_band: self.price_band,
            max_position: self.max_position,
            max_open_orders: self.max_open_orders,
            order_rate: self.order_rate,
            equal_orders: self.equal_orders,
        };
        if spec == RiskSpec::default() {
            let usage = "name a rule, such as --max-order-quantity, or take all from --file FILE; rm takes all back";
            return Err(Usage(usage.to_owned()));
        }
        value(&spec)
    }
}

#[derive(Debug, Args)]
pub(crate) struct TradingStateFlags {
    /// active, reducing (only orders that make a position smaller) or halted (no new orders, open ones are canceled)
    #[arg(long, value_parser = state, conflicts_with = "file")]
    state: Option<TradingState>,
}

impl Flags for TradingStateFlags {
    fn spec(&self) -> Result<Value, Usage> {
        let usage = || Usage("name --state active, reducing or halted".to_owned());
        value(&TradingStateSpec { state: self.state.ok_or_else(usage)? })
    }
}

fn word<T: serde::de::DeserializeOwned>(text: &str, words: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|_| words.to_owned())
}

fn kind(text: &str) -> Result<ScopeKind, String> {
    word(text, "global, customer, account or trader")
}

fn state(text: &str) -> Result<TradingState, String> {
    word(text, "active, reducing or halted")
}

fn within(text: &str) -> Result<OrdersWithin, String> {
    let form = || "orders and a time, such as 50/1s".to_owned();
    let (orders, time) = text.split_once('/').ok_or_else(form)?;
    let within_ms = u32::try_from(duration(time)?.as_millis()).map_err(|_| form())?;
    Ok(OrdersWithin { orders: orders.parse().map_err(|_| form())?, within_ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rate_is_orders_within_a_time_with_its_unit() {
        let rate = |orders, within_ms| Ok(OrdersWithin { orders, within_ms });
        assert_eq!(within("50/1s"), rate(50, 1_000));
        assert_eq!(within("3/250ms"), rate(3, 250));
        for bad in ["50", "50/1", "x/1s", "50/1d", "-1/1s", "1/9999h"] {
            assert!(within(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_say_what_a_file_would() {
        let flags = RiskFlags {
            max_order_quantity: "0.5".parse().ok(),
            max_order_notional: None,
            price_band: "0.05".parse().ok(),
            max_position: None,
            max_open_orders: Some(7),
            order_rate: within("50/1s").ok(),
            equal_orders: None,
        };
        let spec = flags.spec().ok().and_then(|spec| serde_json::from_value::<RiskSpec>(spec).ok());
        let expected = json!({
            "max_order_quantity": "0.5", "price_band": "0.05", "max_open_orders": 7,
            "order_rate": { "orders": 50, "within_ms": 1_000 },
        });
        assert_eq!(spec, serde_json::from_value(expected).ok());
        assert!(spec.is_some());
        let missing = TradingStateFlags { state: None }.spec().err();
        assert!(missing.is_some_and(|usage| usage.to_string().contains("--state")));
        assert!(state("stopped").is_err() && kind("venue").is_err());
    }
}
