//! REST: the envelope, the form and the listings an adapter needs. Decides how a request's body is written and
//! what an answer says; signing is decided by `sign`, what an error means by `outcome`. Numbers are strings
//! here, times are seconds with decimals.

use std::collections::BTreeMap;

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use tradewind_domain::{money::Price, time::UnixNanos, trading::Side};

use crate::number::Number;
use crate::outcome::{self, Outcome};

/// The body of a private call: the nonce first.
#[must_use]
pub fn form(nonce: u64, fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("nonce", &nonce.to_string());
    form.extend_pairs(fields);
    form.finish()
}

/// The fields of a body or a query.
#[must_use]
pub fn fields(body: &str) -> BTreeMap<String, String> {
    form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    error: Vec<String>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum NoResult {
    /// Kraken's own words, and what they mean.
    #[error("Kraken says {errors:?}")]
    Errors { errors: Vec<String>, outcome: Outcome },
    /// The answer is no answer: whether the call was done is not known.
    #[error("the answer is none of Kraken's REST interface (HTTP {status})")]
    NoAnswer {
        status: u16,
        #[source]
        source: Option<serde_json::Error>,
    },
}

impl NoResult {
    /// What it means for what was asked.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Errors { outcome, .. } => *outcome,
            Self::NoAnswer { .. } => Outcome::Unknown,
        }
    }
}

/// The result of a call. An HTTP status other than 200 says nothing of whether it was done: Kraken's front has
/// answered 502 and 504 to orders that its engine took.
pub fn result<T: DeserializeOwned>(status: u16, body: &str) -> Result<T, NoResult> {
    if status != 200 {
        return Err(NoResult::NoAnswer { status, source: None });
    }
    let bad = |source| NoResult::NoAnswer { status, source: Some(source) };
    let envelope: Envelope<'_> = serde_json::from_str(body).map_err(bad)?;
    if let Some(outcome) = outcome::of_all(envelope.error.iter().map(String::as_str)) {
        return Err(NoResult::Errors { errors: envelope.error, outcome });
    }
    serde_json::from_str(envelope.result.map_or("null", RawValue::get)).map_err(bad)
}

/// `GetWebSocketsToken`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    pub token: String,
    /// Seconds.
    pub expires: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestStatus {
    Pending,
    Open,
    /// Filled.
    Closed,
    Canceled,
    Expired,
}

/// An order of `OpenOrders`, `ClosedOrders` or `QueryOrders`: what decides something here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestOrder {
    pub status: RestStatus,
    #[serde(default)]
    pub cl_ord_id: Option<String>,
    pub opentm: Number,
    #[serde(default)]
    pub closetm: Option<Number>,
    pub vol: Number,
    pub vol_exec: Number,
    #[serde(default)]
    pub reason: Option<String>,
    /// Whatever it is, a listing stays readable: it is looked at where an order is not ours.
    #[serde(default)]
    pub descr: Value,
}

impl RestOrder {
    /// The altname of its pair.
    #[must_use]
    pub fn pair(&self) -> Option<&str> {
        self.described("pair")
    }

    #[must_use]
    pub fn side(&self) -> Option<Side> {
        match self.described("type")? {
            "buy" => Some(Side::Buy),
            "sell" => Some(Side::Sell),
            _ => None,
        }
    }

    /// None of one without; one that waits for another price has it in the second place.
    #[must_use]
    pub fn limit_price(&self) -> Option<Price> {
        let place = match self.described("ordertype")? {
            "limit" => "price",
            "stop-loss-limit" | "take-profit-limit" => "price2",
            _ => return None,
        };
        self.described(place)?.parse().ok()
    }

    fn described(&self, what: &str) -> Option<&str> {
        self.descr.get(what)?.as_str()
    }
}

/// `OpenOrders`, by the order's id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct OpenOrders {
    pub open: BTreeMap<String, RestOrder>,
}

/// A page of `ClosedOrders`; `count` is of all pages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClosedOrders {
    pub closed: BTreeMap<String, RestOrder>,
    pub count: usize,
}

/// A fill of `TradesHistory`, by its execution id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestTrade {
    pub ordertxid: String,
    pub price: Number,
    pub vol: Number,
    pub time: Number,
}

impl RestTrade {
    /// When it was; none if that is no time.
    #[must_use]
    pub fn at(&self) -> Option<UnixNanos> {
        seconds(self.time)
    }
}

/// A page of `TradesHistory`; `count` is of all pages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TradesHistory {
    pub trades: BTreeMap<String, RestTrade>,
    pub count: usize,
}

/// A pair of `AssetPairs`: its names and steps.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct AssetPair {
    pub altname: String,
    pub wsname: String,
    pub pair_decimals: u32,
    pub lot_decimals: u32,
    pub ordermin: Number,
    #[serde(default)]
    pub costmin: Option<Number>,
    #[serde(default)]
    pub tick_size: Option<Number>,
    pub status: String,
}

/// Seconds with decimals as a time.
#[must_use]
pub fn seconds(number: Number) -> Option<UnixNanos> {
    number.0.checked_mul(Decimal::from(1_000_000_000_u64))?.to_u64().map(UnixNanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Mend, Refused};

    #[test]
    fn a_form_is_what_was_put_in_and_begins_with_its_nonce() {
        let body = form(1, &[("pair", "BTC/USD"), ("cl_ord_id", "a b&c=d")]);
        assert_eq!(body, "nonce=1&pair=BTC%2FUSD&cl_ord_id=a+b%26c%3Dd");
        assert_eq!(fields(&body)["cl_ord_id"], "a b&c=d");
    }

    #[test]
    fn an_answer_has_a_result_or_says_what_became_of_the_call() {
        let token = r#"{"error":[],"result":{"token":"abc","expires":900}}"#;
        assert_eq!(result::<Token>(200, token).ok().map(|token| token.expires), Some(900));
        let table = [
            (200, r#"{"error":["EAPI:Invalid nonce"]}"#, Outcome::Mend(Mend::Nonce)),
            (
                200,
                r#"{"error":["EOrder:Insufficient funds"],"result":null}"#,
                Outcome::Refused(Refused::NoFunds),
            ),
            (200, r#"{"error":[]}"#, Outcome::Unknown),
            (200, "<html>Bad Gateway</html>", Outcome::Unknown),
            (502, r#"{"error":["EOrder:Insufficient funds"]}"#, Outcome::Unknown),
            (520, "", Outcome::Unknown),
            (504, token, Outcome::Unknown),
        ];
        for (status, body, outcome) in table {
            let no_result = result::<Token>(status, body).err().unwrap();
            assert_eq!(no_result.outcome(), outcome, "{status} {body}");
        }
    }

    #[test]
    fn a_listed_order_and_a_page_of_trades_are_read() {
        let text = r#"{"open":{"OVN7VD-7VYHS-APBKHA":{"refid":null,"userref":0,"cl_ord_id":"ours","status":"open","opentm":1688583840.8648,"starttm":0,"expiretm":0,"descr":{"pair":"XBTUSDT","type":"buy","ordertype":"limit","price":"29500.0","price2":"0","leverage":"none","order":"buy 0.50000000 XBTUSDT @ limit 29500.0","close":""},"vol":"0.50000000","vol_exec":"0.00000000","cost":"0.00000","fee":"0.00000","price":"29500.0","stopprice":"0.00000","limitprice":"0.00000","misc":"","oflags":"fciq"}}}"#;
        let open: OpenOrders = serde_json::from_str(text).unwrap();
        let order = &open.open["OVN7VD-7VYHS-APBKHA"];
        assert_eq!(
            (order.status, order.vol.to_string().as_str()),
            (RestStatus::Open, "0.50000000")
        );
        let price = order.limit_price().map(|price| price.to_string());
        assert_eq!(
            (order.pair(), order.side(), price.as_deref()),
            (Some("XBTUSDT"), Some(Side::Buy), Some("29500.0"))
        );
        for (descr, price) in [
            (r#"{"ordertype":"stop-loss-limit","price":"+5%","price2":"29400"}"#, Some("29400")),
            (r#"{"ordertype":"stop-loss","price":"29000","price2":"0"}"#, None),
            (r#"{"ordertype":"limit","price":"+5%"}"#, None),
            ("7", None),
        ] {
            let order = RestOrder { descr: serde_json::from_str(descr).unwrap(), ..order.clone() };
            assert_eq!(order.limit_price().map(|p| p.to_string()).as_deref(), price, "{descr}");
            assert_eq!((order.pair(), order.side()), (None, None));
        }
        let text = r#"{"trades":{"TGBB7L-HT5LX-J3BZ4A":{"ordertxid":"O26VBY-ISGAE-JP5TLU","postxid":"x","pair":"XBTUSDT","time":1688585840.8921,"type":"buy","ordertype":"limit","price":"29500.50","cost":"14750.25","fee":"23.60","vol":"0.50000000","margin":"0.00000","misc":"","trade_id":1001,"maker":true}},"count":1}"#;
        let page: TradesHistory = serde_json::from_str(text).unwrap();
        assert_eq!(page.trades["TGBB7L-HT5LX-J3BZ4A"].at().unwrap().0, 1_688_585_840_892_100_000);
        let text = r#"{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD","pair_decimals":1,"lot_decimals":8,"ordermin":"0.00005","costmin":"0.5","tick_size":"0.1","status":"online"}"#;
        let pair: AssetPair = serde_json::from_str(text).unwrap();
        assert_eq!((pair.pair_decimals, pair.ordermin.to_string().as_str()), (1, "0.00005"));
    }
}
