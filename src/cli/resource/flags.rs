//! What flags say of a resource. Decides which flags are needed; what is legal is decided where it is declared.

use crate::exit::Usage;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, str::FromStr};
use tradewind_domain::{
    calendar::{DailyWindow, Day, Exchange, Hours, OperatorDay},
    control::{
        copies::{AccountDeclaration, Copies},
        row::{LocationSpec, MarketSpec, Route},
    },
    ids::{CustomerId, VenueId},
};
use tradewind_protocol::resources::{ExchangeDaysSpec, PutCustomer};

/// A resource as its flags describe it.
pub(crate) trait Flags {
    fn spec(&self) -> Result<Value, Usage>;
}

pub(super) fn value(spec: &impl Serialize) -> Result<Value, Usage> {
    serde_json::to_value(spec).map_err(|error| Usage(error.to_string()))
}

pub(super) fn needed<T: Clone>(given: Option<&T>, flag: &str) -> Result<T, Usage> {
    given.cloned().ok_or_else(|| Usage(format!("name {flag}, or take all from --file FILE")))
}

#[derive(Debug, Args)]
pub(crate) struct AccountFlags {
    /// The venue it is at
    #[arg(long, conflicts_with = "file")]
    venue: Option<VenueId>,
    /// What speaks to the venue
    #[arg(long, default_value = "sim", conflicts_with = "file")]
    adapter: String,
    /// Where the venue is reached; of kraken, words such as "key=file:/PATH secret=file:/PATH tier=pro"
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "file")]
    endpoint: Option<String>,
    /// Who may trade on it
    #[arg(long, value_name = "CUSTOMER,...", value_delimiter = ',', conflicts_with = "file")]
    customers: Vec<CustomerId>,
    /// Of its ledger, 1 or 2: with the second, on another node, the account trades on when its Broker's node is lost
    #[arg(long, value_parser = copies, default_value = "1", conflicts_with = "file")]
    copies: Copies,
}

impl Flags for AccountFlags {
    fn spec(&self) -> Result<Value, Usage> {
        value(&AccountDeclaration {
            venue: needed(self.venue.as_ref(), "--venue")?,
            adapter: self.adapter.clone(),
            endpoint: needed(self.endpoint.as_ref(), "--endpoint")?,
            customers: self.customers.iter().cloned().collect(),
            copies: self.copies,
        })
    }
}

/// He keeps the keys that he has.
#[derive(Debug, Args)]
pub(crate) struct CustomerFlags {}

impl Flags for CustomerFlags {
    fn spec(&self) -> Result<Value, Usage> {
        value(&PutCustomer::default())
    }
}

#[derive(Debug, Args)]
pub(crate) struct MarketFlags {
    /// The venue that serves an instrument, for data and, behind a comma, for orders if that is another one; for
    /// each instrument one
    #[arg(
        long = "route",
        value_name = "INSTRUMENT=VENUE[,VENUE]",
        value_parser = route,
        conflicts_with = "file"
    )]
    routes: Vec<Route>,
}

impl Flags for MarketFlags {
    fn spec(&self) -> Result<Value, Usage> {
        if self.routes.is_empty() {
            return Err(Usage("name --route, or take all from --file FILE".to_owned()));
        }
        value(&MarketSpec { routes: self.routes.clone() })
    }
}

#[derive(Debug, Args)]
pub(crate) struct LocationFlags {
    /// It is after hours from so many minutes after an exchange's close, such as XNYS+15m; of several, all must hold
    #[arg(long, value_name = "EXCHANGE+MINUTES", value_parser = after_close, conflicts_with = "file")]
    after_close: Vec<Hours>,
    /// It is after hours each day from a time to another, in UTC, such as 01:00-02:00
    #[arg(long, value_name = "FROM-TO", value_parser = daily, conflicts_with = "file")]
    daily: Vec<Hours>,
}

impl Flags for LocationFlags {
    fn spec(&self) -> Result<Value, Usage> {
        let after_hours: Vec<Hours> = self.after_close.iter().chain(&self.daily).copied().collect();
        if after_hours.is_empty() {
            let usage = "name --after-close or --daily, or take all from --file FILE";
            return Err(Usage(usage.to_owned()));
        }
        value(&LocationSpec { after_hours })
    }
}

#[derive(Debug, Args)]
pub(crate) struct ExchangeDaysFlags {
    /// A day without trading, such as 2026-11-27
    #[arg(long, value_name = "DAY", value_delimiter = ',', conflicts_with = "file")]
    closed: Vec<Day>,
    /// A day that ends earlier, in the exchange's time, such as 2026-11-27=13:00
    #[arg(long, value_name = "DAY=TIME", value_parser = early, conflicts_with = "file")]
    early_close: Vec<(Day, OperatorDay)>,
}

impl Flags for ExchangeDaysFlags {
    fn spec(&self) -> Result<Value, Usage> {
        let mut days: BTreeMap<Day, OperatorDay> = self.early_close.iter().copied().collect();
        days.extend(self.closed.iter().map(|day| (*day, OperatorDay::Closed)));
        if days.is_empty() {
            let usage =
                "name --closed or --early-close, or take all from --file FILE; rm takes them back";
            return Err(Usage(usage.to_owned()));
        }
        value(&ExchangeDaysSpec { days })
    }
}

pub(super) fn exchange(text: &str) -> Result<Exchange, String> {
    let known = Exchange::ALL.into_iter().find(|known| known.to_string() == text);
    known.ok_or_else(|| "XNYS is the exchange whose days are known".to_owned())
}

fn part<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn route(text: &str) -> Result<Route, String> {
    let (instrument, venues) = text.split_once('=').ok_or("such as BTC/USD=sim")?;
    let (data, orders) = venues.split_once(',').unwrap_or((venues, venues));
    let (instrument, data_venue) = (part(instrument)?, part(data)?);
    Ok(Route { instrument, data_venue, order_venue: part(orders)? })
}

fn copies(text: &str) -> Result<Copies, String> {
    let number: u8 = text.parse().map_err(|_| "1 or 2")?;
    Copies::try_from(number).map_err(|error| error.to_string())
}

fn after_close(text: &str) -> Result<Hours, String> {
    let (on, minutes) = text.split_once('+').ok_or("such as XNYS+15m")?;
    let minutes = minutes.strip_suffix('m').ok_or("needs its unit: XNYS+15m")?;
    let offset_minutes = minutes.parse().map_err(|_| "a number of minutes, such as XNYS+15m")?;
    Ok(Hours::AfterClose { exchange: exchange(on)?, offset_minutes })
}

fn daily(text: &str) -> Result<Hours, String> {
    let (from, to) = text.split_once('-').ok_or("such as 01:00-02:00")?;
    Ok(Hours::Daily { window: DailyWindow { from: part(from)?, to: part(to)? } })
}

fn early(text: &str) -> Result<(Day, OperatorDay), String> {
    let (day, at) = text.split_once('=').ok_or("such as 2026-11-27=13:00")?;
    Ok((part(day)?, OperatorDay::EarlyClose { at: part(at)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn flags_say_what_a_file_would() {
        let routes = ["BTC/USD=sim", "AAPL=data,orders"]
            .map(|text| route(text).unwrap_or_else(|e| panic!("{e}")));
        let spec = MarketFlags { routes: routes.to_vec() }.spec();
        let expected = json!({"routes": [
            {"instrument": "BTC/USD", "data_venue": "sim", "order_venue": "sim"},
            {"instrument": "AAPL", "data_venue": "data", "order_venue": "orders"},
        ]});
        assert_eq!(spec.ok(), Some(expected));
        let flags = LocationFlags {
            after_close: after_close("XNYS+15m").into_iter().collect(),
            daily: daily("01:00-02:00").into_iter().collect(),
        };
        let expected = json!({"after_hours": [
            {"after_close": {"exchange": "XNYS", "offset_minutes": 15}},
            {"daily": {"window": {"from": "01:00", "to": "02:00"}}},
        ]});
        assert_eq!(flags.spec().ok(), Some(expected));
        let flags = ExchangeDaysFlags {
            closed: "2026-12-24".parse().into_iter().collect(),
            early_close: early("2026-11-27=13:00").into_iter().collect(),
        };
        let expected = json!({"days": {
            "2026-11-27": {"early_close": {"at": "13:00"}}, "2026-12-24": "closed",
        }});
        assert_eq!(flags.spec().ok(), Some(expected));
    }

    #[test]
    fn what_is_missing_or_cannot_be_read_is_said() {
        for bad in ["BTC/USD", "btc=sim", "BTC/USD=", "BTC/USD=sim,"] {
            assert!(route(bad).is_err(), "{bad}");
        }
        for bad in ["XNYS", "XNYS+15", "XETR+15m", "XNYS+-1m"] {
            assert!(after_close(bad).is_err(), "{bad}");
        }
        for bad in ["01:00", "01:00-25:00", "1-2"] {
            assert!(daily(bad).is_err(), "{bad}");
        }
        let flags = AccountFlags {
            venue: None,
            adapter: "sim".to_owned(),
            endpoint: None,
            customers: Vec::new(),
            copies: Copies::One,
        };
        let said = flags.spec().err().map(|usage| usage.to_string()).unwrap_or_default();
        assert!(said.contains("--venue") && said.contains("--file"), "{said}");
    }
}
