//! Methods of the WebSocket: pings, subscriptions, trading. Decides which error a frame gets before it is looked at,
//! and the form of answers; subscriptions are in `channel`, what trading does in `exchange`.

use core::time::Duration;

use axum::extract::ws::Utf8Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tradewind_domain::time::UnixNanos;
use tradewind_kraken::limits::{BATCH_CANCELS, BATCH_ORDERS, SWITCH_SECONDS};
use tradewind_kraken::number::Number;
use tradewind_kraken::stamp::Stamp;
use tradewind_kraken::ws::request::Arrived;
use tradewind_kraken::ws::trading::{
    AddOrder, Added, AmendOrder, Amended, BatchAdd, BatchCancel, CancelAll, CancelAllAfter,
    CancelOrder, Canceled, Count, SwitchSet, TimeInForce,
};

use super::client::ClientNumber;
use super::{DeskError, Output, Task};
use crate::errors;
use crate::exchange::{Amend, Done, Name, Via, Wanted};
use crate::ledger::event::Force;

#[derive(Serialize)]
struct Good<'a, T> {
    method: &'a str,
    result: T,
    success: bool,
    time_in: Stamp,
    time_out: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Bad<'a> {
    error: &'a str,
    method: &'a str,
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    symbol: Option<&'a str>,
    time_in: Stamp,
    time_out: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Pong<'a> {
    method: &'a str,
    time_in: Stamp,
    time_out: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    req_id: Option<&'a RawValue>,
}

/// A request that is being answered.
pub(super) struct Asked<'a> {
    pub(super) number: ClientNumber,
    pub(super) method: &'a str,
    pub(super) params: &'a str,
    pub(super) req_id: Option<&'a RawValue>,
    pub(super) at: UnixNanos,
}

impl Asked<'_> {
    pub(super) fn good<T: Serialize>(&self, result: T) -> Result<Utf8Bytes, serde_json::Error> {
        let (time_in, time_out) = (Stamp(self.at), Stamp(self.at));
        let (method, req_id) = (self.method, self.req_id);
        let answer = Good { method, result, success: true, time_in, time_out, req_id };
        serde_json::to_string(&answer).map(Utf8Bytes::from)
    }

    pub(super) fn bad(
        &self,
        error: &str,
        symbol: Option<&str>,
    ) -> Result<Utf8Bytes, serde_json::Error> {
        let (time_in, time_out) = (Stamp(self.at), Stamp(self.at));
        let (method, req_id) = (self.method, self.req_id);
        let answer = Bad { error, method, success: false, symbol, time_in, time_out, req_id };
        serde_json::to_string(&answer).map(Utf8Bytes::from)
    }

    /// The parameters, or the error that says what is wrong with them.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_str(self.params).map_err(|error| {
            let text = error.to_string();
            let field =
                text.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
            match field {
                Some(field) => errors::unsupported_field(field, self.method),
                None => errors::invalid(&text),
            }
        })
    }
}

/// An order of the WebSocket.
fn wanted(order: &AddOrder, symbol: &str, deadline: Option<Stamp>, validate: bool) -> Wanted {
    let expires = order.expire_time.as_deref().and_then(|text| text.parse().ok());
    Wanted {
        via: Via::Ws,
        symbol: symbol.to_owned(),
        side: order.side,
        order_type: order.order_type,
        quantity: order.order_qty,
        limit: order.limit_price,
        force: order.time_in_force.map_or(Force::Gtc, Force::from),
        post_only: order.post_only.unwrap_or(false),
        cl_ord_id: order.cl_ord_id.clone(),
        userref: order.order_userref,
        expires: expires.filter(|_| order.time_in_force == Some(TimeInForce::Gtd)),
        deadline: deadline.map(|deadline| deadline.0),
        validate,
        in_batch: false,
    }
}

impl Task {
    /// A frame arrives.
    pub(super) fn frame(&mut self, number: ClientNumber, text: &str) -> Result<(), DeskError> {
        let at = self.now();
        let Some(client) = self.clients.get_mut(&number) else { return Ok(()) };
        if client.is_too_fast(at) || self.faults.drops_frame() {
            let frame = format!(r#"{{"Error":"{}"}}"#, errors::MSG_RATE);
            return self.say(number, frame.into());
        }
        let Ok(arrived) = serde_json::from_str::<Arrived<'_>>(text) else {
            let asked = Asked { number, method: "error", params: "{}", req_id: None, at };
            return self.say(number, asked.bad(errors::MALFORMED, None)?);
        };
        let params = arrived.params.map_or("{}", RawValue::get);
        let asked = Asked { number, method: &arrived.method, params, req_id: arrived.req_id, at };
        if let Some(error) = self.faults.error(asked.method) {
            return self.say(number, asked.bad(&error, None)?);
        }
        match asked.method {
            "ping" => {
                let stamp = Stamp(at);
                let (time_in, time_out, req_id) = (stamp, stamp, asked.req_id);
                let pong = Pong { method: "pong", time_in, time_out, req_id };
                self.say(number, serde_json::to_string(&pong)?.into())
            }
            "subscribe" => self.subscribe(&asked),
            "unsubscribe" => self.unsubscribe(&asked),
            "add_order" => self.add_order(&asked),
            "amend_order" => self.amend_order(&asked),
            "cancel_order" => self.cancel_order(&asked),
            "cancel_all" => self.cancel_everything(&asked),
            "cancel_all_orders_after" => self.cancel_all_after(&asked),
            "batch_add" => self.batch_add(&asked),
            "batch_cancel" => self.batch_cancel(&asked),
            _ => self.say(number, asked.bad(errors::MALFORMED, None)?),
        }
    }

    /// One frame for one client, after all that was done before it.
    pub(super) fn say(&mut self, number: ClientNumber, frame: Utf8Bytes) -> Result<(), DeskError> {
        self.finish(vec![Output::Frame(number, frame)], Done::default())
    }

    /// The answer to a request that did something.
    fn answer(
        &mut self,
        asked: &Asked<'_>,
        frames: Vec<Utf8Bytes>,
        done: Done,
    ) -> Result<(), DeskError> {
        let mut outputs = Vec::new();
        for frame in frames {
            let error = self.faults.error_after(asked.method);
            let frame = error.map_or(Ok(frame), |error| asked.bad(&error, None))?;
            outputs.extend(self.hold(asked.method, Output::Frame(asked.number, frame)));
        }
        self.finish(outputs, done)
    }

    /// Whether the token is good.
    pub(super) fn is_token(&self, token: Option<&String>, at: UnixNanos) -> bool {
        token.is_some_and(|token| {
            let in_use = self.clients.values().any(|client| client.uses(token));
            self.session.is_token(token, in_use, at)
        })
    }

    /// The parameters of a trading method, its token looked at; else the error is said.
    fn trading<T: DeserializeOwned>(
        &mut self,
        asked: &Asked<'_>,
        token: impl Fn(&T) -> Option<&String>,
    ) -> Result<Option<T>, DeskError> {
        match asked.read::<T>() {
            Ok(params) if self.is_token(token(&params), asked.at) => Ok(Some(params)),
            Ok(_) => {
                self.say(asked.number, asked.bad(errors::INVALID_SESSION, None)?)?;
                Ok(None)
            }
            Err(error) => {
                self.say(asked.number, asked.bad(&error, None)?)?;
                Ok(None)
            }
        }
    }

    fn add_order(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let Some(order) = self.trading(asked, |order: &AddOrder| order.token.as_ref())? else {
            return Ok(());
        };
        let symbol = order.symbol.clone().unwrap_or_default();
        let validate = order.validate.unwrap_or(false);
        let want = wanted(&order, &symbol, order.deadline, validate);
        let (result, done) = self.exchange.submit(&want, asked.at)?;
        let frame = match result {
            Ok(key) => asked.good(self.added(key, &want)?)?,
            Err(error) => asked.bad(&error, None)?,
        };
        self.answer(asked, vec![frame], done)
    }

    fn added(
        &self,
        key: Option<tradewind_sim::engine::OrderKey>,
        want: &Wanted,
    ) -> Result<Added, DeskError> {
        let order_id = key.map(|key| self.exchange.entry(key)).transpose()?;
        Ok(Added {
            order_id: order_id.map(|order| order.id.clone()),
            cl_ord_id: want.cl_ord_id.clone(),
            order_userref: want.userref,
            warnings: None,
        })
    }

    fn batch_add(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let Some(batch) = self.trading(asked, |batch: &BatchAdd| batch.token.as_ref())? else {
            return Ok(());
        };
        if !BATCH_ORDERS.contains(&batch.orders.len()) {
            return self.say(asked.number, asked.bad(&errors::invalid("orders"), None)?);
        }
        let validate = batch.validate.unwrap_or(false);
        let each = batch.orders.iter().map(|order| Wanted {
            in_batch: true,
            ..wanted(order, &batch.symbol, batch.deadline, validate)
        });
        let wants: Vec<Wanted> = each.collect();
        let (result, done) = self.exchange.submit_batch(&wants, asked.at)?;
        let frame = match result {
            Ok(each) => {
                let mut added = Vec::new();
                for (result, want) in each.into_iter().zip(&wants) {
                    added.push(match result {
                        Ok(key) => serde_json::to_value(self.added(key, want)?)?,
                        Err(error) => serde_json::json!({ "error": error }),
                    });
                }
                asked.good(added)?
            }
            Err(error) => asked.bad(&error, None)?,
        };
        self.answer(asked, vec![frame], done)
    }

    fn amend_order(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let Some(order) = self.trading(asked, |order: &AmendOrder| order.token.as_ref())? else {
            return Ok(());
        };
        let (order_id, cl_ord_id) = (order.order_id.clone(), order.cl_ord_id.clone());
        let name = match (&order_id, &cl_ord_id) {
            (Some(id), _) => Name::Order(id.clone()),
            (None, Some(id)) => Name::Client(id.clone()),
            (None, None) => {
                return self.say(asked.number, asked.bad(&errors::invalid("order_id"), None)?);
            }
        };
        let amend = Amend {
            name,
            quantity: order.order_qty.filter(|quantity| *quantity != Number::ZERO),
            limit: order.limit_price,
            post_only: order.post_only.unwrap_or(false),
            deadline: order.deadline.map(|deadline| deadline.0),
        };
        let (result, done) = self.exchange.amend(&amend, asked.at)?;
        let frame = match result {
            Ok(amend_id) => {
                asked.good(Amended { amend_id, order_id, cl_ord_id, warnings: None })?
            }
            Err(error) => asked.bad(&error, None)?,
        };
        self.answer(asked, vec![frame], done)
    }

    /// One answer for each order named.
    fn cancel_order(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let Some(params) = self.trading(asked, |order: &CancelOrder| order.token.as_ref())? else {
            return Ok(());
        };
        let ids = params.order_id.unwrap_or_default().into_iter().map(Name::Order);
        let clients = params.cl_ord_id.unwrap_or_default().into_iter().map(Name::Client);
        let userrefs = params.order_userref.unwrap_or_default().into_iter().map(Name::Userref);
        let names: Vec<Name> = ids.chain(clients).chain(userrefs).collect();
        if names.is_empty() {
            return self.say(asked.number, asked.bad(&errors::invalid("order_id"), None)?);
        }
        for name in names {
            let (result, done) = self.exchange.cancel(&name, asked.at)?;
            let frame = match result {
                Ok(_) => {
                    let mut canceled = Canceled {
                        order_id: None,
                        cl_ord_id: None,
                        order_userref: None,
                        warnings: None,
                    };
                    match name {
                        Name::Order(id) => canceled.order_id = Some(id),
                        Name::Client(id) => canceled.cl_ord_id = Some(id),
                        Name::Userref(userref) => canceled.order_userref = Some(userref),
                    }
                    asked.good(canceled)?
                }
                Err(error) => asked.bad(&error, None)?,
            };
            self.answer(asked, vec![frame], done)?;
        }
        Ok(())
    }

    fn cancel_everything(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let read = self.trading(asked, |params: &CancelAll| params.token.as_ref())?;
        if read.is_none() {
            return Ok(());
        }
        let (result, done) = self.exchange.cancel_all(errors::USER, asked.at)?;
        let frame = match result {
            Ok(count) => asked.good(Count { count })?,
            Err(error) => asked.bad(&error, None)?,
        };
        self.answer(asked, vec![frame], done)
    }

    fn cancel_all_after(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let read = self.trading(asked, |params: &CancelAllAfter| params.token.as_ref())?;
        let Some(params) = read else { return Ok(()) };
        if params.timeout > SWITCH_SECONDS {
            return self.say(asked.number, asked.bad(&errors::invalid("timeout"), None)?);
        }
        let set = self.set_switch(params.timeout, asked.at);
        let frame = asked.good(set)?;
        self.answer(asked, vec![frame], Done::default())
    }

    pub(super) fn set_switch(&mut self, seconds: u32, now: UnixNanos) -> SwitchSet {
        let after = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        let triggers = self.exchange.set_switch(after, now);
        // Whole seconds, as Kraken writes these two; a switch that is off has no time.
        let whole = |at: UnixNanos| format!("{}Z", &at.to_string()[..19]);
        SwitchSet {
            current_time: whole(now),
            trigger_time: after.map_or_else(|| "0".to_owned(), |_| whole(triggers)),
        }
    }

    fn batch_cancel(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let read = self.trading(asked, |params: &BatchCancel| params.token.as_ref())?;
        let Some(params) = read else { return Ok(()) };
        let orders =
            params.orders.unwrap_or_default().into_iter().map(|text| match text.parse::<i64>() {
                Ok(userref) => Name::Userref(userref),
                Err(_) => Name::Order(text),
            });
        let clients = params.cl_ord_id.unwrap_or_default().into_iter().map(Name::Client);
        let names: Vec<Name> = orders.chain(clients).collect();
        if !BATCH_CANCELS.contains(&names.len()) {
            return self.say(asked.number, asked.bad(&errors::invalid("orders"), None)?);
        }
        let (count, done) = self.cancel_named(&names, asked.at)?;
        let frame = asked.good(Count { count })?;
        self.answer(asked, vec![frame], done)
    }

    /// Cancels those of the orders that are open, and counts them.
    pub(super) fn cancel_named(
        &mut self,
        names: &[Name],
        now: UnixNanos,
    ) -> Result<(u64, Done), DeskError> {
        let (mut count, mut all) = (0, Done::default());
        for name in names {
            let (result, done) = self.exchange.cancel(name, now)?;
            count += result.unwrap_or(0);
            all.events.extend(done.events);
            all.told.extend(done.told);
        }
        Ok((count, all))
    }
}
