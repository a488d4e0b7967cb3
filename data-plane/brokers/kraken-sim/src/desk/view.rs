//! Market data as it is shown: books cut to a depth and their changes, tickers, candles. Decides what a message says;
//! who gets it is decided by `compose`.

use rust_decimal::Decimal;
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::book::{Level, checksum};
use tradewind_kraken::number::Number;
use tradewind_kraken::stamp::Stamp;
use tradewind_kraken::ws::market::{BookMessage, Ohlc, PriceLevel, Ticker, Trade};
use tradewind_sim::instrument::{Lots, Ticks};

use crate::exchange::Exchange;
use crate::pair::Pair;

type Levels = Vec<(Ticks, Lots)>;
type Standing = [(Ticks, Lots)];

/// A book as it was last published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    bids: Levels,
    asks: Levels,
}

impl View {
    pub(crate) fn of(exchange: &Exchange, pair: usize, depth: usize) -> Self {
        Self {
            bids: exchange.levels(pair, Side::Buy, depth),
            asks: exchange.levels(pair, Side::Sell, depth),
        }
    }

    pub(crate) fn snapshot(&self, pair: &Pair, now: UnixNanos) -> BookMessage<'static> {
        let all = |levels: &Levels| levels.iter().map(|level| shown(pair, *level)).collect();
        self.message(pair, all(&self.bids), all(&self.asks), now)
    }

    /// What leads from this view to the next; none if nothing does. A level that only fell out of the depth is
    /// not told.
    pub(crate) fn update(
        &self,
        next: &Self,
        depth: usize,
        pair: &Pair,
        now: UnixNanos,
    ) -> Option<BookMessage<'static>> {
        let bids = changes(&self.bids, &next.bids, depth, |level, worst| level > worst);
        let asks = changes(&self.asks, &next.asks, depth, |level, worst| level < worst);
        if bids.is_empty() && asks.is_empty() {
            return None;
        }
        let all = |levels: Levels| levels.iter().map(|level| shown(pair, *level)).collect();
        Some(next.message(pair, all(bids), all(asks), now))
    }

    fn message(
        &self,
        pair: &Pair,
        bids: Vec<PriceLevel>,
        asks: Vec<PriceLevel>,
        now: UnixNanos,
    ) -> BookMessage<'static> {
        let level = |(price, lots): &(Ticks, Lots)| Level {
            price: price.0.get().into(),
            quantity: lots.0.into(),
        };
        let top = |levels: &Levels| levels.iter().take(10).map(level).collect::<Vec<_>>();
        BookMessage {
            symbol: pair.symbol.clone().into(),
            bids,
            asks,
            checksum: checksum(&top(&self.asks), &top(&self.bids)),
            timestamp: Some(Stamp(now)),
        }
    }
}

fn shown(pair: &Pair, (price, lots): (Ticks, Lots)) -> PriceLevel {
    PriceLevel { price: pair.price(price), qty: pair.quantity(lots) }
}

fn changes(
    before: &Standing,
    after: &Standing,
    depth: usize,
    is_better: impl Fn(Ticks, Ticks) -> bool,
) -> Levels {
    let worst = after.last().filter(|_| after.len() >= depth).map(|(price, _)| *price);
    let stays = |price: Ticks| after.iter().any(|(at, _)| *at == price);
    let gone = before
        .iter()
        .map(|(price, _)| *price)
        .filter(|price| !stays(*price) && worst.is_none_or(|worst| is_better(*price, worst)));
    let mut changes: Levels = gone.map(|price| (price, Lots::ZERO)).collect();
    changes.extend(after.iter().filter(|level| !before.contains(level)));
    changes
}

/// The ticker of a pair: the top of its book, and its trades since the simulator began.
pub(crate) fn ticker(exchange: &Exchange, pair: usize, now: UnixNanos) -> Ticker {
    let at = &exchange.state.pairs[pair];
    let (bid, ask) = (best(exchange, pair, Side::Buy), best(exchange, pair, Side::Sell));
    let trades = exchange.trades(pair);
    let price = |best: Option<(Ticks, Lots)>| {
        best.map_or(at.padded_price(Decimal::ZERO), |(price, _)| at.price(price))
    };
    let quantity = |best: Option<(Ticks, Lots)>| {
        at.quantity(best.map_or(Lots::ZERO, |(_, quantity)| quantity))
    };
    let last = trades.last().map_or(price(bid), |trade| trade.price);
    let first = trades.first().map_or(last, |trade| trade.price);
    let sums = Sums::of(trades, last);
    let change = last.0 - first.0;
    let percent = (change * Decimal::ONE_HUNDRED).checked_div(first.0).unwrap_or_default();
    Ticker {
        symbol: at.symbol.clone(),
        bid: price(bid),
        bid_qty: quantity(bid),
        ask: price(ask),
        ask_qty: quantity(ask),
        last,
        volume: Number::padded(sums.volume, at.lot_decimals),
        vwap: at.padded_price(sums.vwap),
        low: sums.low,
        high: sums.high,
        change: at.padded_price(change),
        change_pct: Number::padded(percent.round_dp(2), 2),
        timestamp: Some(Stamp(now)),
    }
}

pub(crate) fn best(exchange: &Exchange, pair: usize, side: Side) -> Option<(Ticks, Lots)> {
    exchange.levels(pair, side, 1).first().copied()
}

struct Sums {
    volume: Decimal,
    vwap: Decimal,
    low: Number,
    high: Number,
}

impl Sums {
    fn of(trades: &[Trade], otherwise: Number) -> Self {
        let volume: Decimal = trades.iter().map(|trade| trade.qty.0).sum();
        let cost: Decimal = trades.iter().map(|trade| trade.qty.0 * trade.price.0).sum();
        Self {
            volume,
            vwap: cost.checked_div(volume).unwrap_or(otherwise.0),
            low: trades.iter().map(|trade| trade.price).min().unwrap_or(otherwise),
            high: trades.iter().map(|trade| trade.price).max().unwrap_or(otherwise),
        }
    }
}

/// Candles of a pair, the oldest first; one without trades if there was none yet.
pub(crate) fn candles(exchange: &Exchange, pair: usize, minutes: u32, now: UnixNanos) -> Vec<Ohlc> {
    let at = &exchange.state.pairs[pair];
    let length = u64::from(minutes.max(1)) * 60 * 1_000_000_000;
    let trades = exchange.trades(pair);
    let begin = |at: UnixNanos| at.0 / length * length;
    let candle = |begin: u64, trades: &[Trade], otherwise: Number| {
        let sums = Sums::of(trades, otherwise);
        Ohlc {
            symbol: at.symbol.clone(),
            open: trades.first().map_or(otherwise, |trade| trade.price),
            high: sums.high,
            low: sums.low,
            close: trades.last().map_or(otherwise, |trade| trade.price),
            trades: trades.len() as u64,
            volume: Number::padded(sums.volume, at.lot_decimals),
            vwap: at.padded_price(sums.vwap.round_dp(at.price_decimals)),
            interval_begin: UnixNanos(begin),
            interval: minutes,
        }
    };
    if trades.is_empty() {
        let flat = ticker(exchange, pair, now).last;
        return vec![candle(begin(now), &[], flat)];
    }
    let groups = trades.chunk_by(|a, b| begin(a.timestamp.0) == begin(b.timestamp.0));
    let of_group = |group: &[Trade]| {
        let first = &group[0];
        candle(begin(first.timestamp.0), group, first.price)
    };
    groups.map(of_group).collect()
}
