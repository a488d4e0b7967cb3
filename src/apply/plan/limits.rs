//! Whether limits become looser. Decides it rule by rule: one that is wider, or gone, is looser, whatever else becomes
//! tighter.

use serde_json::Value;
use tradewind_domain::control::risk::{OrdersWithin, RiskSpec};

/// Limits that cannot be read count as looser: somebody looks then.
pub(super) fn loosened(held: &Value, wanted: &Value) -> bool {
    let read = |value: &Value| serde_json::from_value::<RiskSpec>(value.clone()).ok();
    let (Some(held), Some(wanted)) = (read(held), read(wanted)) else { return true };
    wider(held.max_order_quantity, wanted.max_order_quantity)
        || wider(held.max_order_notional, wanted.max_order_notional)
        || wider(held.price_band, wanted.price_band)
        || wider(held.max_position, wanted.max_position)
        || wider(held.max_open_orders, wanted.max_open_orders)
        || faster(held.order_rate, wanted.order_rate)
        || faster(held.equal_orders, wanted.equal_orders)
}

/// Whether anything is limited at all.
pub(super) fn any(held: &Value) -> bool {
    serde_json::from_value(held.clone()).map_or(true, |spec: RiskSpec| spec != RiskSpec::default())
}

fn wider<T: PartialOrd>(held: Option<T>, wanted: Option<T>) -> bool {
    held.is_some_and(|held| wanted.is_none_or(|wanted| wanted > held))
}

/// More orders, or the same within less time.
fn faster(held: Option<OrdersWithin>, wanted: Option<OrdersWithin>) -> bool {
    held.is_some_and(|held| {
        wanted.is_none_or(|wanted| wanted.orders > held.orders || wanted.within_ms < held.within_ms)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_limit_that_is_wider_or_gone_is_looser_whatever_else_is_tighter() {
        let held = json!({"max_order_quantity": "10", "price_band": "0.05", "order_rate": {"orders": 5, "within_ms": 1000}});
        let with = |name: &str, value: Value| {
            let mut wanted = held.clone();
            wanted[name] = value;
            loosened(&held, &wanted)
        };
        assert!(!loosened(&held, &held));
        assert!(!with("max_order_quantity", json!("10.0")));
        assert!(!with("max_order_quantity", json!("9")));
        assert!(with("max_order_quantity", json!("10.1")));
        assert!(with("price_band", Value::Null));
        assert!(!with("max_open_orders", json!(3)), "one rule more");
        assert!(with("order_rate", json!({"orders": 6, "within_ms": 1000})));
        assert!(with("order_rate", json!({"orders": 5, "within_ms": 999})));
        assert!(!with("order_rate", json!({"orders": 5, "within_ms": 1001})));
        let both = json!({"max_order_quantity": "1", "price_band": "0.06"});
        assert!(loosened(&held, &both));
        assert!(any(&held) && !any(&json!({})));
    }
}
