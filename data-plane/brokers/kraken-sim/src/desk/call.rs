//! Private REST calls. Decides how each is read, what it costs and what it shows; whether it may be done at all was
//! decided by `session`, what trading does by `exchange`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::limits::{BATCH_ORDERS, SWITCH_SECONDS, TOKEN};
use tradewind_kraken::number::Number;
use tradewind_kraken::rest::fields;

use super::listing::padded;
use super::session::Call;
use super::{DeskError, Output, RestAnswer, Task};
use crate::errors;
use crate::exchange::{Amend, Done, Name, Via, Wanted};
use crate::ledger::event::Force;
use crate::ledger::state::Order;
use crate::pair::decimals;

pub(super) type Fields = BTreeMap<String, String>;
/// What a call came to.
type Answered = Result<(Result<Value, String>, Done), DeskError>;

/// Points of the call counter: two for histories, none for trading.
fn points(name: &str) -> u64 {
    match name {
        "AddOrder"
        | "AddOrderBatch"
        | "AmendOrder"
        | "EditOrder"
        | "CancelOrder"
        | "CancelAll"
        | "CancelOrderBatch"
        | "CancelAllOrdersAfter" => 0,
        "TradesHistory" | "ClosedOrders" | "Ledgers" => 2,
        _ => 1,
    }
}

/// The fields of a form or of a JSON object; what is no text there is kept as its JSON.
fn read(call: &Call) -> Option<Fields> {
    if !call.json {
        return Some(fields(&call.body));
    }
    let Value::Object(all) = serde_json::from_str(&call.body).ok()? else { return None };
    // One real client writes what it leaves out as null.
    let given = all.into_iter().filter(|(_, value)| !value.is_null());
    Some(given.map(|(name, value)| (name, text_of(value))).collect())
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

pub(super) fn is_set(fields: &Fields, name: &str) -> bool {
    fields.get(name).is_some_and(|text| text == "true" || text == "1")
}

impl Task {
    /// A private call arrives.
    pub(super) fn private(
        &mut self,
        call: &Call,
        answer: oneshot::Sender<RestAnswer>,
    ) -> Result<(), DeskError> {
        let now = self.now();
        let name = call.path.rsplit('/').next().unwrap_or_default().to_owned();
        let fields = read(call);
        let nonce = fields.as_ref().and_then(|fields| fields.get("nonce")).map(String::as_str);
        let admitted = self.session.admit(call, nonce, points(&name), now);
        let (result, done) = match (admitted, self.faults.error(&name), fields) {
            (Err(error), _, _) => (Err(error.to_owned()), Done::default()),
            (Ok(()), Some(error), _) => (Err(error), Done::default()),
            (Ok(()), None, Some(fields)) => {
                let (result, done) = self.call(&name, &fields, now)?;
                (self.faults.error_after(&name).map_or(result, Err), done)
            }
            (Ok(()), None, None) => (Err(errors::invalid("body")), Done::default()),
        };
        let mut body = match result {
            Ok(result) => RestAnswer::good(&result),
            Err(error) => RestAnswer::bad(&error),
        };
        if self.faults.is_bad_gateway(&name) {
            let page = "<html><title>502 Bad Gateway</title></html>".to_owned();
            body = RestAnswer { status: 502, body: page };
        }
        let outputs = self.hold(&name, Output::Rest(answer, body)).into_iter().collect();
        self.finish(outputs, done)
    }

    fn call(&mut self, name: &str, fields: &Fields, now: UnixNanos) -> Answered {
        let shown = match name {
            "AddOrder" => return self.rest_add(fields, now),
            "AddOrderBatch" => return self.rest_add_batch(fields, now),
            "AmendOrder" => return self.rest_amend(fields, now),
            "CancelOrder" => return self.rest_cancel(fields, now),
            "CancelOrderBatch" => return self.rest_cancel_batch(fields, now),
            "CancelAll" => {
                let (result, done) = self.exchange.cancel_all(errors::USER, now)?;
                return Ok((result.map(|count| json!({ "count": count })), done));
            }
            "CancelAllOrdersAfter" => {
                let seconds = fields.get("timeout").and_then(|text| text.parse::<u32>().ok());
                match seconds.filter(|seconds| *seconds <= SWITCH_SECONDS) {
                    Some(seconds) => Ok(serde_json::to_value(self.set_switch(seconds, now))?),
                    None => Err(errors::invalid("timeout")),
                }
            }
            "GetWebSocketsToken" => match self.session.token(now) {
                Some(token) => Ok(json!({ "token": token, "expires": TOKEN.as_secs() })),
                None => Err("EGeneral:Internal error".to_owned()),
            },
            "Balance" => Ok(self.balances_of(|task, asset| {
                let amount = task.exchange.state.balance(asset);
                padded(amount, decimals(asset)).into()
            })),
            "BalanceEx" => Ok(self.balances_of(|task, asset| {
                let state = &task.exchange.state;
                json!({
                    "balance": padded(state.balance(asset), decimals(asset)),
                    "hold_trade": padded(state.held(asset), decimals(asset)),
                })
            })),
            "TradeBalance" => Ok(self.trade_balance()),
            "OpenOrders" => Ok(json!({ "open": self.listed(fields, Order::is_open) })),
            "QueryOrders" => Ok(self.queried(fields)),
            "ClosedOrders" => Ok(self.closed(fields)),
            "TradesHistory" => Ok(self.trades_history(fields)),
            _ => Err(errors::UNKNOWN_METHOD.to_owned()),
        };
        Ok((shown, Done::default()))
    }

    fn rest_add(&mut self, fields: &Fields, now: UnixNanos) -> Answered {
        let want = match self.rest_wanted(fields, now) {
            Ok(want) => want,
            Err(error) => return Ok((Err(error), Done::default())),
        };
        let (result, done) = self.exchange.submit(&want, now)?;
        let key = match result {
            Ok(key) => key,
            Err(error) => return Ok((Err(error), done)),
        };
        let of = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let order = match want.limit {
            Some(limit) => {
                format!("{} {} {} @ limit {limit}", of("type"), of("volume"), of("pair"))
            }
            None => format!("{} {} {} @ market", of("type"), of("volume"), of("pair")),
        };
        let mut shown = json!({ "descr": { "order": order } });
        if let Some(key) = key {
            shown["txid"] = json!([self.exchange.entry(key)?.id]);
        }
        if let Some(id) = &want.cl_ord_id {
            shown["cl_ord_id"] = id.clone().into();
        }
        Ok((Ok(shown), done))
    }

    /// Several orders of one pair, as a list in a JSON body.
    fn rest_add_batch(&mut self, fields: &Fields, now: UnixNanos) -> Answered {
        let text = fields.get("orders").map_or("[]", String::as_str);
        let orders: Vec<serde_json::Map<String, Value>> =
            serde_json::from_str(text).unwrap_or_default();
        if !BATCH_ORDERS.contains(&orders.len()) {
            return Ok((Err(errors::invalid("orders")), Done::default()));
        }
        let mut wants = Vec::new();
        for order in orders {
            let mut of_order: Fields = fields.clone();
            let given = order.into_iter().filter(|(_, value)| !value.is_null());
            of_order.extend(given.map(|(name, value)| (name, text_of(value))));
            match self.rest_wanted(&of_order, now) {
                Ok(want) => wants.push(Wanted { in_batch: true, ..want }),
                Err(error) => return Ok((Err(error), Done::default())),
            }
        }
        let (result, done) = self.exchange.submit_batch(&wants, now)?;
        let each = match result {
            Ok(each) => each,
            Err(error) => return Ok((Err(error), done)),
        };
        let mut shown = Vec::new();
        for result in each {
            shown.push(match result {
                Ok(Some(key)) => {
                    let order = self.exchange.entry(key)?;
                    json!({ "txid": order.id, "descr": { "order": self.described(order) } })
                }
                Ok(None) => json!({ "descr": { "order": "" } }),
                Err(error) => json!({ "error": error }),
            });
        }
        Ok((Ok(json!({ "orders": shown })), done))
    }

    fn rest_wanted(&self, fields: &Fields, now: UnixNanos) -> Result<Wanted, String> {
        let of = |name: &str| fields.get(name).map(String::as_str);
        let asked = of("pair").unwrap_or_default();
        let pair = self.exchange.pair_called(asked).ok_or(errors::UNKNOWN_PAIR)?;
        let number = |name: &str| match of(name) {
            Some(text) => text.parse().map(Some).map_err(|_| errors::invalid(name)),
            None => Ok(None),
        };
        let side = match of("type") {
            Some("buy") => Side::Buy,
            Some("sell") => Side::Sell,
            _ => return Err(errors::invalid("type")),
        };
        let force = match of("timeinforce").map(str::to_ascii_uppercase).as_deref() {
            None | Some("GTC") => Force::Gtc,
            Some("IOC") => Force::Ioc,
            Some("GTD") => Force::Gtd,
            Some(_) => return Err(errors::invalid("timeinforce")),
        };
        let order_type = format!("\"{}\"", of("ordertype").unwrap_or_default());
        let order_type =
            serde_json::from_str(&order_type).map_err(|_| errors::invalid("ordertype"));
        let deadline = match of("deadline") {
            Some(text) => Some(text.parse().map_err(|_| errors::invalid("deadline"))?),
            None => None,
        };
        let userref = match of("userref") {
            Some(text) => Some(text.parse().map_err(|_| errors::invalid("userref"))?),
            None => None,
        };
        Ok(Wanted {
            via: Via::Rest,
            symbol: self.exchange.state.pairs[pair].symbol.clone(),
            side,
            order_type: order_type?,
            quantity: number("volume")?,
            limit: number("price")?,
            force,
            post_only: of("oflags").is_some_and(|flags| flags.split(',').any(|f| f == "post")),
            cl_ord_id: of("cl_ord_id").map(ToOwned::to_owned),
            userref,
            expires: of("expiretm").and_then(|text| expiry(text, now)),
            deadline,
            validate: is_set(fields, "validate"),
            in_batch: false,
        })
    }

    fn rest_amend(&mut self, fields: &Fields, now: UnixNanos) -> Answered {
        let name = match (fields.get("txid"), fields.get("cl_ord_id")) {
            (Some(id), _) => Name::Order(id.clone()),
            (None, Some(id)) => Name::Client(id.clone()),
            (None, None) => return Ok((Err(errors::invalid("txid")), Done::default())),
        };
        let number = |name: &str| fields.get(name).map(|text| text.parse::<Number>()).transpose();
        let (Ok(quantity), Ok(limit)) = (number("order_qty"), number("limit_price")) else {
            return Ok((Err(errors::invalid("order_qty")), Done::default()));
        };
        let post_only = is_set(fields, "post_only");
        let deadline = fields.get("deadline").and_then(|text| text.parse().ok());
        let amend = Amend { name, quantity, limit, post_only, deadline };
        let (result, done) = self.exchange.amend(&amend, now)?;
        Ok((result.map(|id| json!({ "amend_id": id })), done))
    }

    fn rest_cancel(&mut self, fields: &Fields, now: UnixNanos) -> Answered {
        let name = match (fields.get("txid"), fields.get("cl_ord_id")) {
            (Some(id), _) => named(id),
            (None, Some(id)) => Name::Client(id.clone()),
            (None, None) => return Ok((Err(errors::invalid("txid")), Done::default())),
        };
        let (result, done) = self.exchange.cancel(&name, now)?;
        Ok((result.map(|count| json!({ "count": count })), done))
    }

    /// A list in a JSON body, or as often as it stands in a form.
    fn rest_cancel_batch(&mut self, fields: &Fields, now: UnixNanos) -> Answered {
        let list = |name: &str| -> Vec<String> {
            let text = fields.get(name).map_or("[]", String::as_str);
            serde_json::from_str(text).unwrap_or_default()
        };
        let indexed = fields.iter().filter(|(name, _)| name.starts_with("orders["));
        let orders = list("orders").into_iter().chain(indexed.map(|(_, id)| id.clone()));
        let clients = list("cl_ord_ids").into_iter().map(Name::Client);
        let names: Vec<Name> = orders.map(|id| named(&id)).chain(clients).collect();
        let (count, done) = self.cancel_named(&names, now)?;
        Ok((Ok(json!({ "count": count })), done))
    }
}

/// An order's id or its reference.
fn named(text: &str) -> Name {
    text.parse().map_or_else(|_| Name::Order(text.to_owned()), Name::Userref)
}

/// A time in seconds, or `+` and seconds from now; zero is none.
fn expiry(text: &str, now: UnixNanos) -> Option<UnixNanos> {
    if let Some(from_now) = text.strip_prefix('+') {
        return Some(now + core::time::Duration::from_secs(from_now.parse().ok()?));
    }
    let seconds: u64 = text.parse().ok()?;
    (seconds > 0).then(|| UnixNanos(seconds.saturating_mul(1_000_000_000)))
}
