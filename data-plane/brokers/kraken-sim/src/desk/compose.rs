//! From what happened to frames: who is told what, with which number. Decides the words of data messages; what
//! happened was decided by `exchange`.

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::limits::{CONNECT_WINDOW, CONNECTS_BANNED};
use tradewind_kraken::ws::Kind;
use tradewind_kraken::ws::market::{BookMessage, Status, Trade};
use tradewind_kraken::ws::private::{ExecType, Execution, LedgerEntry};
use tradewind_sim::instrument::{Lots, Ticks};

use super::client::{Client, ClientNumber, Out, Topic};
use super::view::{self, View};
use super::{DeskError, Output, Task};
use crate::exchange::Told;

/// The best of both sides.
pub(crate) type Top = (Option<(Ticks, Lots)>, Option<(Ticks, Lots)>);

/// A data message.
#[derive(Serialize)]
pub(crate) struct Message<'a, T> {
    pub(crate) channel: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) data: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<UnixNanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sequence: Option<u64>,
}

/// A message of market data as a frame.
pub(crate) fn data<T: Serialize>(
    channel: &str,
    kind: Kind,
    data: T,
) -> Result<Utf8Bytes, serde_json::Error> {
    let message = Message { channel, kind, data, timestamp: None, sequence: None };
    serde_json::to_string(&message).map(Utf8Bytes::from)
}

fn numbered<T: Serialize>(
    channel: &str,
    kind: Kind,
    data: T,
    sequence: u64,
) -> Result<Utf8Bytes, serde_json::Error> {
    let message = Message { channel, kind, data, timestamp: None, sequence: Some(sequence) };
    serde_json::to_string(&message).map(Utf8Bytes::from)
}

impl Task {
    /// A connection was opened: it is told the engine's state. One too many is closed at once, as a banned address
    /// is.
    pub(super) fn join(
        &mut self,
        number: ClientNumber,
        queue: mpsc::Sender<Out>,
        cut: CancellationToken,
    ) -> Result<(), DeskError> {
        let now = self.now();
        while self.opened.front().is_some_and(|at| now.since(*at) >= CONNECT_WINDOW) {
            self.opened.pop_front();
        }
        self.opened.push_back(now);
        self.connects.opened += 1;
        if self.opened.len() > usize::try_from(CONNECTS_BANNED).unwrap_or(usize::MAX) {
            self.banned_until = self.banned_until.max(now + CONNECT_WINDOW);
        }
        if now < self.banned_until {
            self.connects.refused += 1;
            cut.cancel();
            return Ok(());
        }
        self.clients.insert(number, Client::new(queue, cut, now));
        let frame = data("status", Kind::Update, [self.status(Some(number))])?;
        self.finish(vec![Output::Frame(number, frame)], crate::exchange::Done::default())
    }

    fn status(&self, number: Option<ClientNumber>) -> Status {
        Status {
            api_version: "v2".to_owned(),
            // As large as Kraken's: beyond 63 bits.
            connection_id: number.map(|number| (1 << 63) + 1_000_000 + number.0),
            system: self.exchange.system,
            version: "2.0.10".to_owned(),
        }
    }

    /// Frames for all that was told, in order.
    pub(super) fn compose(&mut self, told: Vec<Told>) -> Result<Vec<Output>, DeskError> {
        let mut outputs = Vec::new();
        for told in self.disordered(told) {
            match told {
                Told::Status => {
                    let frame = data("status", Kind::Update, [self.status(None)])?;
                    let all = self.clients.keys();
                    outputs.extend(all.map(|number| Output::Frame(*number, frame.clone())));
                }
                Told::Executions(list) => self.executions(&list, &mut outputs)?,
                Told::Entries(list) => self.entries(&list, &mut outputs)?,
                Told::Trades(pair, list) => self.traded(pair, &list, &mut outputs)?,
                Told::Book(pair) => self.book(pair, &mut outputs)?,
            }
        }
        Ok(outputs)
    }

    /// The same, its fills where a fault wants them.
    fn disordered(&mut self, mut told: Vec<Told>) -> Vec<Told> {
        let fills = told.iter().enumerate().filter(|(_, told)| is_fill(told));
        let fills: Vec<usize> = fills.map(|(place, _)| place).collect();
        if fills.len() > 1 && self.faults.reverses_fills() {
            let pairs = fills.iter().zip(fills.iter().rev()).take(fills.len() / 2);
            pairs.for_each(|(first, last)| told.swap(*first, *last));
        }
        if !fills.is_empty() && told.iter().any(is_end) && self.faults.is_late_with_fills() {
            let (late, mut rest): (Vec<Told>, Vec<Told>) = told.into_iter().partition(is_fill);
            rest.extend(late);
            return rest;
        }
        told
    }

    fn executions(
        &mut self,
        list: &[Execution],
        outputs: &mut Vec<Output>,
    ) -> Result<(), DeskError> {
        let is_end = |list: &[Execution]| {
            list.iter().all(|event| {
                matches!(
                    event.exec_type,
                    ExecType::New
                        | ExecType::Trade
                        | ExecType::Filled
                        | ExecType::Canceled
                        | ExecType::Expired
                )
            })
        };
        let numbers: Vec<ClientNumber> = self.clients.keys().copied().collect();
        for number in numbers {
            let Some(subscription) =
                self.clients.get_mut(&number).and_then(|client| client.executions.as_mut())
            else {
                continue;
            };
            if subscription.silent || !(subscription.whole || is_end(list)) {
                continue;
            }
            if self.faults.skips("executions") {
                // The message is lost; its number is gone with it.
                subscription.sequence += 1;
                continue;
            }
            let is_fill = list.iter().any(|event| event.exec_type == ExecType::Trade);
            let times = if is_fill && self.faults.repeats_fill() { 2 } else { 1 };
            for _ in 0..times {
                subscription.sequence += 1;
                let frame = numbered("executions", Kind::Update, list, subscription.sequence)?;
                outputs.push(Output::Frame(number, frame));
            }
        }
        Ok(())
    }

    fn entries(
        &mut self,
        list: &[LedgerEntry],
        outputs: &mut Vec<Output>,
    ) -> Result<(), DeskError> {
        for (number, client) in &mut self.clients {
            let Some(subscription) = client.balances.as_mut() else { continue };
            for entry in list {
                if subscription.silent {
                    continue;
                }
                subscription.sequence += 1;
                if self.faults.skips("balances") {
                    continue;
                }
                let frame = numbered("balances", Kind::Update, [entry], subscription.sequence)?;
                outputs.push(Output::Frame(*number, frame));
            }
        }
        Ok(())
    }

    /// Clients that have that subscription and hear of it.
    fn readers(&self, is: impl Fn(Topic) -> bool) -> Vec<(ClientNumber, Topic)> {
        let all = self.clients.iter().flat_map(|(number, client)| {
            let heard =
                client.topics.iter().filter(move |(slot, _)| !client.silenced.contains(*slot));
            heard.map(move |(_, topic)| (*number, *topic))
        });
        all.filter(|(_, topic)| is(*topic)).collect()
    }

    fn traded(
        &mut self,
        pair: usize,
        list: &[Trade],
        outputs: &mut Vec<Output>,
    ) -> Result<(), DeskError> {
        let now = self.now();
        let frame = data("trade", Kind::Update, list)?;
        let readers = self.readers(|topic| topic == Topic::Trade { pair });
        outputs.extend(readers.iter().map(|(number, _)| Output::Frame(*number, frame.clone())));
        let readers = self.readers(|topic| topic == Topic::Ticker { pair, bbo: false });
        if !readers.is_empty() {
            let frame = data("ticker", Kind::Update, [view::ticker(&self.exchange, pair, now)])?;
            outputs.extend(readers.iter().map(|(number, _)| Output::Frame(*number, frame.clone())));
        }
        let readers =
            self.readers(|topic| matches!(topic, Topic::Ohlc { pair: of, .. } if of == pair));
        for (number, topic) in readers {
            let Topic::Ohlc { minutes, .. } = topic else { continue };
            let candles = view::candles(&self.exchange, pair, minutes, now);
            let running = &candles[candles.len().saturating_sub(1)..];
            let message = Message {
                channel: "ohlc",
                kind: Kind::Update,
                data: running,
                timestamp: Some(now),
                sequence: None,
            };
            let text = serde_json::to_string(&message)?;
            outputs.push(Output::Frame(number, text.into()));
        }
        Ok(())
    }

    fn book(&mut self, pair: usize, outputs: &mut Vec<Output>) -> Result<(), DeskError> {
        let now = self.now();
        let subscribed: Vec<(ClientNumber, usize)> = self
            .clients
            .iter()
            .flat_map(|(number, client)| client.topics.values().map(move |topic| (*number, *topic)))
            .filter_map(|(number, topic)| match topic {
                Topic::Book { pair: of, depth } if of == pair => Some((number, depth)),
                _ => None,
            })
            .collect();
        let is_read = |depth: usize| subscribed.iter().any(|(_, of)| *of == depth);
        self.views.retain(|(of, depth), _| *of != pair || is_read(*depth));
        let depths: Vec<usize> =
            self.views.keys().filter(|(of, _)| *of == pair).map(|(_, depth)| *depth).collect();
        for depth in depths {
            let next = View::of(&self.exchange, pair, depth);
            let at = &self.exchange.state.pairs[pair];
            let before = self.views.insert((pair, depth), next.clone()).unwrap_or_default();
            let Some(update) = before.update(&next, depth, at, now) else { continue };
            let readers = self.readers(|topic| topic == Topic::Book { pair, depth });
            let symbol = &self.exchange.state.pairs[pair].symbol;
            for (number, _) in readers {
                let corrupt = self.faults.corrupts(symbol);
                let shown = if corrupt { corrupted(&update) } else { update.clone() };
                outputs.push(Output::Frame(number, data("book", Kind::Update, [shown])?));
            }
        }
        self.bbo(pair, now, outputs)
    }

    /// Tickers of those who want to hear of every new best price.
    fn bbo(
        &mut self,
        pair: usize,
        now: UnixNanos,
        outputs: &mut Vec<Output>,
    ) -> Result<(), DeskError> {
        let readers = self.readers(|topic| topic == Topic::Ticker { pair, bbo: true });
        let best = |side| view::best(&self.exchange, pair, side);
        let top = (best(Side::Buy), best(Side::Sell));
        let is_new = self.tops.insert(pair, top) != Some(top);
        if is_new && !readers.is_empty() {
            let frame = data("ticker", Kind::Update, [view::ticker(&self.exchange, pair, now)])?;
            outputs.extend(readers.iter().map(|(number, _)| Output::Frame(*number, frame.clone())));
        }
        Ok(())
    }
}

fn is_fill(told: &Told) -> bool {
    has(told, |kind| kind == ExecType::Trade)
}

/// Of an order.
fn is_end(told: &Told) -> bool {
    has(told, |kind| matches!(kind, ExecType::Filled | ExecType::Canceled | ExecType::Expired))
}

fn has(told: &Told, is: impl Fn(ExecType) -> bool) -> bool {
    matches!(told, Told::Executions(list) if list.iter().any(|event| is(event.exec_type)))
}

/// A message whose checksum is not that of the book.
fn corrupted(update: &BookMessage<'static>) -> BookMessage<'static> {
    let mut wrong = update.clone();
    wrong.checksum ^= 1;
    wrong
}
