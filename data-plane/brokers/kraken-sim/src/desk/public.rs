//! Public REST calls. Decides what each of them shows; all are looked at by one address as often as it likes.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::rest::fields;
use tradewind_kraken::symbol;
use tradewind_kraken::ws::market::{System, Trade};

use super::{RestAnswer, Task, view};
use crate::errors;
use crate::pair::{assets, decimals};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// The most levels `Depth` shows.
const LEVELS: usize = 500;
/// The most candles `OHLC` shows.
const CANDLES: usize = 720;

impl RestAnswer {
    pub(super) fn good(result: &Value) -> Self {
        Self { status: 200, body: json!({ "error": [], "result": result }).to_string() }
    }

    pub(super) fn bad(error: &str) -> Self {
        Self { status: 200, body: json!({ "error": [error] }).to_string() }
    }
}

impl Task {
    pub(super) fn public(&mut self, call: &str, query: &str) -> RestAnswer {
        if let Some(error) = self.faults.error(call) {
            return RestAnswer::bad(&error);
        }
        let now = self.now();
        let query = fields(query);
        let of = |name: &str| query.get(name).map(String::as_str);
        let result = match call {
            "Time" => Ok(json!({ "unixtime": now.0 / 1_000_000_000, "rfc1123": rfc1123(now) })),
            "SystemStatus" => Ok(self.system_status(now)),
            "Assets" => Ok(self.assets()),
            "AssetPairs" => self.asset_pairs(of("pair")),
            "Ticker" => self.each(of("pair"), |task, pair| task.rest_ticker(pair, now)),
            "Depth" => {
                let count = of("count").and_then(|count| count.parse().ok()).unwrap_or(100);
                self.each(of("pair"), |task, pair| task.depth(pair, usize::min(count, LEVELS), now))
            }
            "Trades" => self.with_last(of("pair"), |task, pair| task.recent(pair, of("since"))),
            "OHLC" => self.with_last(of("pair"), |task, pair| {
                task.ohlc(pair, of("interval"), of("since"), now)
            }),
            _ => Err(errors::UNKNOWN_METHOD.to_owned()),
        };
        match result {
            Ok(result) => RestAnswer::good(&result),
            Err(error) => RestAnswer::bad(&error),
        }
    }

    fn system_status(&self, now: UnixNanos) -> Value {
        let status = match self.exchange.system {
            System::Online => "online",
            System::CancelOnly => "cancel_only",
            System::PostOnly => "post_only",
            System::Maintenance | System::Unknown => "maintenance",
        };
        json!({ "status": status, "timestamp": format!("{}Z", &now.to_string()[..19]) })
    }

    fn assets(&self) -> Value {
        let assets = assets(&self.exchange.state.pairs);
        let shown = assets.into_iter().map(|asset| {
            let altname = match asset {
                "BTC" => "XBT",
                other => other,
            };
            let shown = json!({
                "aclass": "currency",
                "altname": altname,
                "decimals": decimals(asset),
                "display_decimals": 5,
                "status": "enabled",
            });
            (symbol::rest_asset(asset).to_owned(), shown)
        });
        Value::Object(shown.collect())
    }

    /// The pairs asked for under the names asked with; a slashed name keys its own pair.
    fn asset_pairs(&self, asked: Option<&str>) -> Result<Value, String> {
        let Some(asked) = asked else {
            let all = self.exchange.state.pairs.iter();
            return Ok(Value::Object(all.map(|pair| (pair.key.to_owned(), pair.rest())).collect()));
        };
        let mut shown = Map::new();
        for name in asked.split(',') {
            let pair = self.exchange.pair_called(name);
            let pair = &self.exchange.state.pairs[pair.ok_or(errors::UNKNOWN_PAIR)?];
            let key = if name.contains('/') { name } else { pair.key };
            shown.insert(key.to_owned(), pair.rest());
        }
        Ok(Value::Object(shown))
    }

    fn each(
        &self,
        asked: Option<&str>,
        show: impl Fn(&Self, usize) -> Value,
    ) -> Result<Value, String> {
        let asked = asked.ok_or_else(|| errors::invalid("pair"))?;
        let mut shown = Map::new();
        for name in asked.split(',') {
            let pair = self.exchange.pair_called(name).ok_or(errors::UNKNOWN_PAIR)?;
            shown.insert(self.exchange.state.pairs[pair].key.to_owned(), show(self, pair));
        }
        Ok(Value::Object(shown))
    }

    fn with_last(
        &self,
        asked: Option<&str>,
        show: impl Fn(&Self, usize) -> (Value, Value),
    ) -> Result<Value, String> {
        let asked = asked.ok_or_else(|| errors::invalid("pair"))?;
        let pair = self.exchange.pair_called(asked).ok_or(errors::UNKNOWN_PAIR)?;
        let (rows, last) = show(self, pair);
        let mut shown = Map::new();
        shown.insert(self.exchange.state.pairs[pair].key.to_owned(), rows);
        shown.insert("last".to_owned(), last);
        Ok(Value::Object(shown))
    }

    fn rest_ticker(&self, pair: usize, now: UnixNanos) -> Value {
        let shown = view::ticker(&self.exchange, pair, now);
        let text = |number: tradewind_kraken::number::Number| number.to_string();
        let whole = |number: tradewind_kraken::number::Number| number.0.trunc().to_string();
        let twice = |text: String| json!([text, text]);
        let trades = self.exchange.trades(pair);
        let (last, first) = (trades.last(), trades.first());
        let quantity = last.map_or_else(|| "0.00000000".to_owned(), |trade| text(trade.qty));
        json!({
            "a": [text(shown.ask), whole(shown.ask_qty), text(shown.ask_qty)],
            "b": [text(shown.bid), whole(shown.bid_qty), text(shown.bid_qty)],
            "c": [text(shown.last), quantity],
            "v": twice(text(shown.volume)),
            "p": twice(text(shown.vwap)),
            "t": [trades.len(), trades.len()],
            "l": twice(text(shown.low)),
            "h": twice(text(shown.high)),
            "o": first.map_or_else(|| text(shown.last), |trade| text(trade.price)),
        })
    }

    fn depth(&self, pair: usize, count: usize, now: UnixNanos) -> Value {
        let at = &self.exchange.state.pairs[pair];
        let side = |side| {
            let levels = self.exchange.levels(pair, side, count).into_iter();
            let level = levels.map(|(price, lots)| {
                let (price, lots) = (at.price(price).to_string(), at.quantity(lots).to_string());
                json!([price, lots, now.0 / 1_000_000_000])
            });
            level.collect::<Vec<_>>()
        };
        json!({ "asks": side(Side::Sell), "bids": side(Side::Buy) })
    }

    /// Trades after a time in nanoseconds, and the time to go on from.
    fn recent(&self, pair: usize, since: Option<&str>) -> (Value, Value) {
        let since = since.and_then(|since| since.parse::<u64>().ok()).unwrap_or(0);
        let trades = self.exchange.trades(pair).iter();
        let after: Vec<&Trade> = trades.filter(|trade| trade.timestamp.0.0 > since).collect();
        let last = after.last().map_or(since, |trade| trade.timestamp.0.0);
        let row = |trade: &&Trade| {
            let side = if trade.side == Side::Buy { "b" } else { "s" };
            let kind = if trade.ord_type == "market" { "m" } else { "l" };
            json!([
                trade.price.to_string(),
                trade.qty.to_string(),
                seconds(trade.timestamp.0),
                side,
                kind,
                "",
                trade.trade_id,
            ])
        };
        (after.iter().map(row).collect(), last.to_string().into())
    }

    fn ohlc(
        &self,
        pair: usize,
        interval: Option<&str>,
        since: Option<&str>,
        now: UnixNanos,
    ) -> (Value, Value) {
        let minutes = interval.and_then(|minutes| minutes.parse().ok()).unwrap_or(1);
        let since = since.and_then(|since| since.parse::<u64>().ok()).unwrap_or(0);
        let second = |at: UnixNanos| at.0 / 1_000_000_000;
        let mut candles = view::candles(&self.exchange, pair, minutes, now);
        candles.retain(|candle| second(candle.interval_begin) >= since);
        let first = candles.len().saturating_sub(CANDLES);
        let rows = candles[first..].iter().map(|candle| {
            json!([
                second(candle.interval_begin),
                candle.open.to_string(),
                candle.high.to_string(),
                candle.low.to_string(),
                candle.close.to_string(),
                candle.vwap.to_string(),
                candle.volume.to_string(),
                candle.trades,
            ])
        });
        // The last row is not finished: the next call is to begin before it.
        let last = candles.iter().rev().nth(1).map_or(since, |c| second(c.interval_begin));
        (rows.collect(), last.into())
    }
}

/// Seconds with decimals, as a JSON number with the digits it has.
pub(super) fn seconds(at: UnixNanos) -> Value {
    let micros = at.0 / 1_000;
    let number = tradewind_kraken::number::Number(rust_decimal::Decimal::new(
        i64::try_from(micros).unwrap_or(i64::MAX),
        6,
    ));
    // A number of seconds has at most 16 digits: a float prints them all.
    serde_json::from_str(&number.to_string()).unwrap_or(Value::Null)
}

/// `Tue, 11 Nov 25 00:17:04 +0000`
fn rfc1123(now: UnixNanos) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(now.0));
    let moment = moment.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{}, {:02} {} {:02} {:02}:{:02}:{:02} +0000",
        DAYS[usize::from(moment.weekday().number_days_from_monday())],
        moment.day(),
        MONTHS[usize::from(u8::from(moment.month())) - 1],
        moment.year().rem_euclid(100),
        moment.hour(),
        moment.minute(),
        moment.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_kraken_does() {
        let at = UnixNanos(1_762_820_224_123_456_789);
        assert_eq!(rfc1123(at), "Tue, 11 Nov 25 00:17:04 +0000");
        assert_eq!(seconds(at).to_string(), "1762820224.123456");
    }
}
