//! Listings of private REST calls: balances, orders, fills. Decides what they show and in which pages.

use serde_json::{Map, Value, json};
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::limits::PAGE;
use tradewind_kraken::number::Number;
use tradewind_kraken::symbol;

use super::Task;
use super::call::{Fields, is_set};
use super::public::seconds;
use crate::exchange::average;
use crate::ledger::state::{Fill, Order, Status};
use crate::pair::COST_DECIMALS;

impl Task {
    pub(super) fn balances_of(&self, show: impl Fn(&Self, &str) -> Value) -> Value {
        let assets = self.exchange.state.balances.keys();
        let shown = assets.map(|asset| (symbol::rest_asset(asset).to_owned(), show(self, asset)));
        Value::Object(shown.collect())
    }

    pub(super) fn trade_balance(&self) -> Value {
        let usd = padded(self.exchange.state.balance("USD"), 4);
        json!({
            "eb": usd, "tb": usd, "m": "0.0000", "uv": "0.0000", "n": "0.0000", "c": "0.0000",
            "v": "0.0000", "e": usd, "mf": usd,
        })
    }

    pub(super) fn queried(&self, fields: &Fields) -> Value {
        let ids = fields.get("txid").map(String::as_str).unwrap_or_default();
        let orders = ids.split(',').take(PAGE).filter_map(|id| self.exchange.state.find(id.trim()));
        Value::Object(orders.map(|order| (order.id.clone(), self.order(order, true))).collect())
    }

    pub(super) fn listed(&self, fields: &Fields, is: impl Fn(&Order) -> bool) -> Value {
        let with_trades = is_set(fields, "trades");
        let orders = self.exchange.state.orders.iter().filter(|order| {
            is(order)
                && fields.get("cl_ord_id").is_none_or(|id| order.cl_ord_id.as_ref() == Some(id))
                && fields.get("userref").is_none_or(|text| {
                    order.userref.map(|of| of.to_string()).as_ref() == Some(text)
                })
        });
        let shown = orders.map(|order| (order.id.clone(), self.order(order, with_trades)));
        Value::Object(shown.collect())
    }

    /// Ended orders, the latest first, fifty a page.
    pub(super) fn closed(&self, fields: &Fields) -> Value {
        let between = between(fields);
        let mut ended: Vec<&Order> = self
            .exchange
            .state
            .orders
            .iter()
            .filter(|order| order.closed.is_some_and(&between))
            .filter(|order| {
                fields.get("cl_ord_id").is_none_or(|id| order.cl_ord_id.as_ref() == Some(id))
            })
            .collect();
        ended.sort_by_key(|order| core::cmp::Reverse(order.closed));
        let page = ended.iter().skip(offset(fields)).take(PAGE);
        let with_trades = is_set(fields, "trades");
        let shown: Map<_, _> =
            page.map(|order| (order.id.clone(), self.order(order, with_trades))).collect();
        json!({ "closed": shown, "count": ended.len() })
    }

    /// Fills, the latest first, fifty a page.
    pub(super) fn trades_history(&self, fields: &Fields) -> Value {
        let between = between(fields);
        let fills = self.exchange.state.fills.iter().rev();
        let found: Vec<&Fill> = fills.filter(|fill| between(fill.at)).collect();
        let page = found.iter().skip(offset(fields)).take(PAGE);
        let shown: Map<_, _> =
            page.filter_map(|fill| Some((fill.id.clone(), self.trade(fill)?))).collect();
        json!({ "trades": shown, "count": found.len() })
    }

    fn trade(&self, fill: &Fill) -> Option<Value> {
        let order = self.exchange.state.entry(fill.order)?;
        let pair = &self.exchange.state.pairs[order.pair];
        Some(json!({
            "ordertxid": order.id,
            "postxid": order.id,
            "pair": pair.key,
            "time": seconds(fill.at),
            "type": order.side,
            "ordertype": if order.market { "market" } else { "limit" },
            "price": pair.price(fill.price).to_string(),
            "cost": padded(fill.cost, COST_DECIMALS),
            "fee": padded(fill.fee, COST_DECIMALS),
            "vol": pair.quantity(fill.quantity).to_string(),
            "margin": "0.00000",
            "misc": "",
            "trade_id": fill.trade,
            "maker": fill.maker,
        }))
    }

    /// `buy 0.50000000 XBTUSD @ limit 29500.0`
    pub(super) fn described(&self, order: &Order) -> String {
        let pair = &self.exchange.state.pairs[order.pair];
        let side = if order.side == Side::Buy { "buy" } else { "sell" };
        let volume = pair.quantity(order.quantity);
        let how = match order.limit {
            Some(limit) => format!("limit {}", pair.price(limit)),
            None => "market".to_owned(),
        };
        format!("{side} {volume} {} @ {how}", pair.altname())
    }

    fn order(&self, order: &Order, with_trades: bool) -> Value {
        let state = &self.exchange.state;
        let pair = &state.pairs[order.pair];
        let side = if order.side == Side::Buy { "buy" } else { "sell" };
        let limit = order.limit.map(|limit| pair.price(limit).to_string());
        let volume = pair.quantity(order.quantity);
        let mut shown = json!({
            "refid": null,
            "userref": order.userref,
            "cl_ord_id": order.cl_ord_id,
            "status": match order.status {
                Status::Open => "open",
                Status::Filled => "closed",
                Status::Canceled => "canceled",
                Status::Expired => "expired",
            },
            "opentm": seconds(order.opened),
            "starttm": 0,
            "expiretm": order.expires.map_or(json!(0), seconds),
            "descr": {
                "pair": pair.altname(),
                "type": side,
                "ordertype": if order.market { "market" } else { "limit" },
                "price": limit.unwrap_or_else(|| "0".to_owned()),
                "price2": "0",
                "leverage": "none",
                "order": self.described(order),
                "close": "",
            },
            "vol": volume.to_string(),
            "vol_exec": pair.quantity(order.filled).to_string(),
            "cost": padded(order.cost, COST_DECIMALS),
            "fee": padded(order.fee, COST_DECIMALS),
            "price": average(pair, order).to_string(),
            "stopprice": "0.00000",
            "limitprice": "0.00000",
            "misc": "",
            "oflags": if order.post_only { "fciq,post" } else { "fciq" },
        });
        if let Some(closed) = order.closed {
            shown["closetm"] = seconds(closed);
            shown["reason"] = order.reason.clone().into();
        }
        if with_trades {
            let ids = order.fills.iter().map(|index| state.fills[*index].id.clone());
            shown["trades"] = ids.collect::<Vec<_>>().into();
        }
        shown
    }
}

pub(super) fn padded(amount: rust_decimal::Decimal, decimals: u32) -> String {
    Number::padded(amount, decimals).to_string()
}

/// `start` is not, `end` is within.
fn between(fields: &Fields) -> impl Fn(UnixNanos) -> bool {
    let time = |name: &str| {
        let number = fields.get(name).and_then(|text| text.parse().ok());
        number.and_then(tradewind_kraken::rest::seconds)
    };
    let (start, end) = (time("start"), time("end"));
    move |at| start.is_none_or(|start| at > start) && end.is_none_or(|end| at <= end)
}

fn offset(fields: &Fields) -> usize {
    fields.get("ofs").and_then(|text| text.parse().ok()).unwrap_or(0)
}
