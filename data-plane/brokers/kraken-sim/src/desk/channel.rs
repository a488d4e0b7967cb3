//! Subscriptions. Decides what a `subscribe` gets: one answer for each symbol, then its snapshot; partial success is
//! normal. What follows later is composed in `compose`.

use axum::extract::ws::Utf8Bytes;
use serde_json::{Value, json};
use tradewind_kraken::rate::Rule;
use tradewind_kraken::ws::Kind;
use tradewind_kraken::ws::private::{Balance, ExecType, Execution, Wallet};
use tradewind_kraken::ws::request::Subscription;

use super::client::{Private, Topic};
use super::compose::{Message, data};
use super::method::Asked;
use super::view::{self, View};
use super::{DeskError, Output, Task};
use crate::errors;
use crate::exchange::{Done, full, snapshot_fill};
use crate::limits::SNAPSHOT_TRADES;
use crate::pair::instruments;

const DEPTHS: [u32; 5] = [10, 25, 100, 500, 1_000];
const INTERVALS: [u32; 9] = [1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600];

impl Task {
    pub(super) fn subscribe(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let params: Subscription = match asked.read() {
            Ok(params) => params,
            Err(error) => return self.say(asked.number, asked.bad(&error, None)?),
        };
        match params.channel.as_str() {
            "executions" | "balances" => return self.subscribe_private(asked, &params),
            "instrument" => {
                let result = self.take_topic(asked, Topic::Instrument, None)?;
                if result {
                    let shown = params.snapshot != Some(false);
                    let ack = json!({ "channel": "instrument", "snapshot": shown });
                    let mut frames = vec![asked.good(ack)?];
                    if shown {
                        let all = instruments(&self.exchange.state.pairs);
                        frames.push(data("instrument", Kind::Snapshot, all)?);
                    }
                    return self.say_all(asked, frames);
                }
                return Ok(());
            }
            _ => {}
        }
        let symbols = params.symbol.clone().unwrap_or_default();
        if symbols.is_empty() {
            return self.say(asked.number, asked.bad(&errors::invalid("symbol"), None)?);
        }
        for symbol in &symbols {
            let Some(pair) = self.exchange.pair(symbol) else {
                let error = errors::unsupported_pair(symbol);
                self.say(asked.number, asked.bad(&error, Some(symbol))?)?;
                continue;
            };
            match topic(&params, pair) {
                Err(error) => self.say(asked.number, asked.bad(&error, Some(symbol))?)?,
                Ok(topic) => {
                    if self.take_topic(asked, topic, Some(symbol))? {
                        let frames = self.snapshot(asked, &params, topic, symbol)?;
                        self.say_all(asked, frames)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the client had no such subscription; else the error is said.
    fn take_topic(
        &mut self,
        asked: &Asked<'_>,
        topic: Topic,
        symbol: Option<&str>,
    ) -> Result<bool, DeskError> {
        let Some(client) = self.clients.get_mut(&asked.number) else { return Ok(false) };
        if client.topics.contains_key(&topic.slot()) {
            self.say(asked.number, asked.bad(errors::SUBSCRIBED, symbol)?)?;
            return Ok(false);
        }
        client.silenced.remove(&topic.slot());
        client.topics.insert(topic.slot(), topic);
        Ok(true)
    }

    /// The answer and the snapshot of one symbol.
    fn snapshot(
        &mut self,
        asked: &Asked<'_>,
        params: &Subscription,
        topic: Topic,
        symbol: &str,
    ) -> Result<Vec<Utf8Bytes>, DeskError> {
        let now = self.now();
        let shown = params.snapshot.unwrap_or(topic.channel() != "trade");
        let mut ack = json!({ "channel": topic.channel(), "symbol": symbol, "snapshot": shown });
        let snapshot = match topic {
            Topic::Book { pair, depth } => {
                ack["depth"] = depth.into();
                let exchange = &self.exchange;
                let view = self.views.entry((pair, depth));
                let view = view.or_insert_with(|| View::of(exchange, pair, depth));
                let message = view.snapshot(&self.exchange.state.pairs[pair], now);
                data("book", Kind::Snapshot, [message])?
            }
            Topic::Ticker { pair, bbo } => {
                ack["event_trigger"] = if bbo { "bbo" } else { "trades" }.into();
                data("ticker", Kind::Snapshot, [view::ticker(&self.exchange, pair, now)])?
            }
            Topic::Trade { pair } => {
                let trades = self.exchange.trades(pair);
                let last = &trades[trades.len().saturating_sub(SNAPSHOT_TRADES)..];
                data("trade", Kind::Snapshot, last)?
            }
            Topic::Ohlc { pair, minutes } => {
                ack["interval"] = minutes.into();
                ack["warnings"] = json!(["timestamp is deprecated, use interval_begin"]);
                let message = Message {
                    channel: "ohlc",
                    kind: Kind::Snapshot,
                    data: view::candles(&self.exchange, pair, minutes, now),
                    timestamp: Some(now),
                    sequence: None,
                };
                serde_json::to_string(&message)?.into()
            }
            Topic::Instrument => {
                data("instrument", Kind::Snapshot, instruments(&self.exchange.state.pairs))?
            }
        };
        let mut frames = vec![asked.good(ack)?];
        if shown {
            frames.push(snapshot);
        }
        Ok(frames)
    }

    fn subscribe_private(
        &mut self,
        asked: &Asked<'_>,
        params: &Subscription,
    ) -> Result<(), DeskError> {
        if !self.is_token(params.token.as_ref(), asked.at) {
            return self.say(asked.number, asked.bad(errors::INVALID_SESSION, None)?);
        }
        let is_executions = params.channel == "executions";
        let Some(client) = self.clients.get_mut(&asked.number) else { return Ok(()) };
        let slot = if is_executions { &mut client.executions } else { &mut client.balances };
        if slot.is_some() {
            return self.say(asked.number, asked.bad(errors::SUBSCRIBED, None)?);
        }
        *slot = Some(Private {
            sequence: 1,
            token: params.token.clone().unwrap_or_default(),
            silent: false,
            whole: params.order_status.unwrap_or(true),
        });
        let (ack, snapshot) = if is_executions {
            self.executions_snapshot(params)?
        } else {
            let shown = params.snapshot.unwrap_or(true);
            let ack = json!({ "channel": "balances", "snapshot": shown });
            let data = if shown { self.balances() } else { Vec::new() };
            (ack, numbered("balances", data)?)
        };
        let frames = vec![asked.good(ack)?, snapshot];
        self.say_all(asked, frames)
    }

    fn executions_snapshot(&self, params: &Subscription) -> Result<(Value, Utf8Bytes), DeskError> {
        let (orders, trades) =
            (params.snap_orders.unwrap_or(true), params.snap_trades.unwrap_or(false));
        let Rule { points, .. } = self.exchange.tier().orders();
        let ack = json!({
            "channel": "executions",
            "maxratecount": points,
            "snap_orders": orders,
            "snap_trades": trades,
            "warnings": ["cancel_reason is deprecated, use reason"],
        });
        let state = &self.exchange.state;
        let mut list: Vec<Execution> = Vec::new();
        if orders {
            let open = state.open_orders();
            list.extend(open.map(|order| full(state, order, ExecType::New)));
        }
        if trades {
            let last = &state.fills[state.fills.len().saturating_sub(SNAPSHOT_TRADES)..];
            list.extend(last.iter().filter_map(|fill| {
                state.entry(fill.order).map(|order| snapshot_fill(state, order, fill))
            }));
        }
        Ok((ack, numbered("executions", list)?))
    }

    fn balances(&self) -> Vec<Balance> {
        let state = &self.exchange.state;
        let shown = |(asset, amount): (&&str, &rust_decimal::Decimal)| Balance {
            asset: (*asset).to_owned(),
            asset_class: "currency".to_owned(),
            balance: tradewind_kraken::number::Number(*amount),
            wallets: vec![Wallet {
                kind: "spot".to_owned(),
                id: "main".to_owned(),
                balance: tradewind_kraken::number::Number(*amount),
            }],
        };
        state.balances.iter().map(shown).collect()
    }

    pub(super) fn unsubscribe(&mut self, asked: &Asked<'_>) -> Result<(), DeskError> {
        let params: Subscription = match asked.read() {
            Ok(params) => params,
            Err(error) => return self.say(asked.number, asked.bad(&error, None)?),
        };
        let channel = params.channel.as_str();
        let Some(client) = self.clients.get_mut(&asked.number) else { return Ok(()) };
        if matches!(channel, "executions" | "balances") {
            let slot =
                if channel == "executions" { &mut client.executions } else { &mut client.balances };
            let frame = match slot.take() {
                Some(_) => asked.good(json!({ "channel": channel }))?,
                None => asked.bad(errors::NOT_SUBSCRIBED, None)?,
            };
            return self.say(asked.number, frame);
        }
        if channel == "instrument" {
            let frame = match client.topics.remove(&Topic::Instrument.slot()) {
                Some(_) => asked.good(json!({ "channel": channel }))?,
                None => asked.bad(errors::NOT_SUBSCRIBED, None)?,
            };
            return self.say(asked.number, frame);
        }
        for symbol in params.symbol.clone().unwrap_or_default() {
            let removed = self.exchange.pair(&symbol).and_then(|pair| {
                let topic = topic(&params, pair).ok()?;
                let client = self.clients.get_mut(&asked.number)?;
                client.silenced.remove(&topic.slot());
                client.topics.remove(&topic.slot())
            });
            let frame = match removed {
                Some(_) => asked.good(json!({ "channel": channel, "symbol": symbol }))?,
                None => asked.bad(errors::NOT_SUBSCRIBED, Some(&symbol))?,
            };
            self.say(asked.number, frame)?;
        }
        Ok(())
    }

    fn say_all(&mut self, asked: &Asked<'_>, frames: Vec<Utf8Bytes>) -> Result<(), DeskError> {
        let outputs = frames.into_iter().map(|frame| Output::Frame(asked.number, frame)).collect();
        self.finish(outputs, Done::default())
    }
}

/// What a subscription to a pair is, or what is wrong with it.
fn topic(params: &Subscription, pair: usize) -> Result<Topic, String> {
    match params.channel.as_str() {
        "book" => {
            let depth = params.depth.unwrap_or(10);
            let known = DEPTHS.contains(&depth).then_some(depth as usize);
            let depth = known.ok_or_else(|| errors::invalid("depth"))?;
            Ok(Topic::Book { pair, depth })
        }
        "ticker" => match params.event_trigger.as_deref().unwrap_or("trades") {
            "trades" => Ok(Topic::Ticker { pair, bbo: false }),
            "bbo" => Ok(Topic::Ticker { pair, bbo: true }),
            _ => Err(errors::invalid("event_trigger")),
        },
        "trade" => Ok(Topic::Trade { pair }),
        "ohlc" => {
            let minutes = params.interval.unwrap_or(1);
            let known = INTERVALS.contains(&minutes).then_some(minutes);
            let minutes = known.ok_or_else(|| errors::invalid("interval"))?;
            Ok(Topic::Ohlc { pair, minutes })
        }
        _ => Err(errors::invalid("channel")),
    }
}

/// The first message of a private subscription.
fn numbered<T: serde::Serialize>(channel: &str, data: T) -> Result<Utf8Bytes, serde_json::Error> {
    let message =
        Message { channel, kind: Kind::Snapshot, data, timestamp: None, sequence: Some(1) };
    serde_json::to_string(&message).map(Utf8Bytes::from)
}
