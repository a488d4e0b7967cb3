//! What a listing learns of pairs.

#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;
use tradewind_kraken::rest::result;

fn answer(status: u16, error: &str) -> Result<BTreeMap<String, AssetPair>, CallError> {
    let body = json!({ "error": [error], "result": {} }).to_string();
    result(status, &body).map_err(CallError::NoResult)
}

#[test]
fn a_pair_is_not_there_only_if_kraken_says_so() {
    let gone = "EQuery:Unknown asset pair";
    assert!(matches!(instrument("XBTUSD", answer(200, gone)), Ok(None)));
    for told in [
        answer(502, gone),
        answer(200, "EService:Unavailable"),
        answer(200, "EGeneral:Too many requests"),
        Err(CallError::NotSent("no room".to_owned())),
        Err(CallError::Lost("cut".to_owned())),
    ] {
        let words = format!("{told:?}");
        assert!(instrument("XBTUSD", told).is_err(), "{words}");
    }
}

#[test]
fn every_order_that_has_a_fill_is_one_of_whose_pair_is_asked() {
    let order = |pair: &str| -> RestOrder {
        let (status, descr) = ("closed", json!({ "pair": pair, "type": "buy" }));
        let text =
            json!({ "status": status, "opentm": 1, "vol": 1, "vol_exec": 1, "descr": descr });
        serde_json::from_str(&text.to_string()).unwrap()
    };
    let fill = |order: &str| -> RestTrade {
        let text = json!({ "ordertxid": order, "price": 1, "vol": 1, "time": 1 });
        serde_json::from_str(&text.to_string()).unwrap()
    };
    let orders = [("O1".to_owned(), order("XBTUSD")), ("O2".to_owned(), order("ETHUSD"))].into();
    let fills = [("T1".to_owned(), fill("O1")), ("T2".to_owned(), fill("O3"))].into();
    let pairs: Vec<_> = filled(&orders, &fills).map(RestOrder::pair).collect();
    assert_eq!(pairs, [Some("XBTUSD")]);
}
