//! Messages as Kraken's documents and recordings show them, read and written again.

use tradewind_domain::{ids::VenueOrderId, trading::Side};

use super::market::{Pair, PairStatus, System};
use super::private::{ExecType, OrderStatus};
use super::request::{OrderType, Request, Subscription};
use super::trading::{AddOrder, Added, Amended, SwitchSet, TimeInForce};
use super::*;

fn market(text: &str) -> Market<'_> {
    match read(text).unwrap() {
        Message::Market(market) => market,
        other => panic!("{other:?}"),
    }
}

fn executions(text: &str) -> (u64, Vec<private::Execution>) {
    match read(text).unwrap() {
        Message::Private(sequence, Private::Executions(_, list)) => (sequence, list),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_status_has_a_number_beyond_63_bits_or_none() {
    let text = r#"{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":13834774380200032777,"system":"online","version":"2.0.4"}]}"#;
    let Market::Status(list) = market(text) else { panic!() };
    assert_eq!(list[0].connection_id, Some(13_834_774_380_200_032_777));
    assert!(list[0].system.takes_orders());
    let text = r#"{"channel":"status","type":"update","data":[{"api_version":"v2","system":"cancel_only","version":"2.0.4"}]}"#;
    let Market::Status(list) = market(text) else { panic!() };
    assert_eq!((list[0].connection_id, list[0].system), (None, System::CancelOnly));
    assert!(!list[0].system.takes_orders() && list[0].system.takes_cancels());
    let text = text.replace("cancel_only", "half_asleep");
    let Market::Status(list) = market(&text) else { panic!() };
    assert!(!list[0].system.takes_orders() && !list[0].system.takes_cancels());
}

#[test]
fn public_messages_keep_every_digit() {
    let table = [
        (
            r#"{"channel":"ticker","type":"snapshot","data":["#,
            r#"{"symbol":"ALGO/USD","bid":0.10025,"bid_qty":740.0,"ask":0.10036,"ask_qty":1361.44813783,"last":0.10035,"volume":997038.98383185,"vwap":0.10148,"low":0.09979,"high":0.10285,"change":-0.00017,"change_pct":-0.17,"timestamp":"2023-09-25T09:04:31.742648Z"}"#,
        ),
        (
            r#"{"channel":"book","type":"update","data":["#,
            r#"{"symbol":"MATIC/USD","bids":[{"price":0.5657,"qty":1098.39475580}],"asks":[],"checksum":2114181697,"timestamp":"2023-10-06T17:35:55.440295Z"}"#,
        ),
        (
            r#"{"channel":"trade","type":"update","data":["#,
            r#"{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}"#,
        ),
    ];
    for (head, body) in table {
        let text = format!("{head}{body}]}}");
        let written = match market(&text) {
            Market::Ticker(_, list) => serde_json::to_string(&list[0]).unwrap(),
            Market::Book(_, book) => serde_json::to_string(&book).unwrap(),
            Market::Trade(_, list) => serde_json::to_string(&list[0]).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(written, body);
    }
}

#[test]
fn a_candle_is_read_without_its_deprecated_time() {
    let text = r#"{"channel":"ohlc","type":"update","timestamp":"2023-10-04T16:26:30.524394914Z","data":[{"symbol":"MATIC/USD","open":0.5624,"high":0.5628,"low":0.5622,"close":0.5627,"trades":12,"volume":30927.68066226,"vwap":0.5626,"interval_begin":"2023-10-04T16:25:00.000000000Z","interval":5,"timestamp":"2023-10-04T16:30:00.000000Z"}]}"#;
    let Market::Ohlc(Kind::Update, list) = market(text) else { panic!() };
    assert_eq!((list[0].trades, list[0].interval), (12, 5));
    assert_eq!(list[0].interval_begin.to_string(), "2023-10-04T16:25:00.000000000Z");
}

#[test]
fn an_instrument_takes_its_smallest_cost_as_number_or_text() {
    let text = r#"{"channel":"instrument","type":"snapshot","data":{"assets":[{"id":"USD","status":"enabled","precision":4,"precision_display":2,"borrowable":true,"collateral_value":1.000,"class":"currency","margin_rate":0.050000}],"pairs":[{"symbol":"EUR/USD","base":"EUR","quote":"USD","status":"online","qty_precision":8,"qty_increment":0.00000001,"price_precision":5,"cost_precision":5,"marginable":false,"has_index":true,"ws_display_price_precision":5,"cost_min":0.50,"tick_size":0.00001,"price_increment":0.00001,"qty_min":0.50000000}]}}"#;
    let pair = |text: &str| -> Pair {
        let Market::Instrument(Kind::Snapshot, all) = market(text) else { panic!() };
        assert_eq!(all.assets[0].collateral_value.to_string(), "1.000");
        all.pairs[0].clone()
    };
    assert_eq!(pair(text).qty_min.to_string(), "0.50000000");
    assert_eq!(pair(text).status, PairStatus::Online);
    let as_text = text.replace(r#""cost_min":0.50"#, r#""cost_min":"0.50""#);
    assert_eq!(pair(&as_text), pair(text));
}

#[test]
fn the_life_of_a_recorded_order_is_read_as_it_happened() {
    let lines = [
        r#"{"channel":"executions","type":"update","data":[{"order_id":"OVN7VD-7VYHS-APBKHA","symbol":"BTC/USDT","order_qty":0.00010000,"cum_cost":0.00000,"time_in_force":"GTC","exec_type":"pending_new","side":"buy","order_type":"limit","cl_ord_id":"b17c7bb34d000200","limit_price_type":"static","limit_price":80000.0,"stop_price":0.0,"order_status":"pending_new","fee_usd_equiv":0.0000,"fee_ccy_pref":"fciq","timestamp":"2026-01-22T06:06:19.833306Z"}],"sequence":2}"#,
        r#"{"channel":"executions","type":"update","data":[{"timestamp":"2026-01-22T06:06:19.833306Z","order_status":"new","exec_type":"new","cl_ord_id":"b17c7bb34d000200","order_id":"OVN7VD-7VYHS-APBKHA"}],"sequence":3}"#,
        r#"{"channel":"executions","type":"update","data":[{"timestamp":"2026-01-22T06:06:27.552281Z","exec_type":"amended","order_status":"new","cum_qty":0.00000000,"reason":"User requested","amended":true,"order_qty":0.00010000,"limit_price":81818.0,"limit_price_type":"static","cl_ord_id":"b17c7bb34d000200","order_id":"OVN7VD-7VYHS-APBKHA"}],"sequence":4}"#,
        r#"{"channel":"executions","type":"update","data":[{"timestamp":"2026-01-22T06:06:36.039852Z","order_status":"canceled","exec_type":"canceled","cum_qty":0.00000000,"cum_cost":0.00000,"fee_usd_equiv":0.0000,"avg_price":0.0,"cl_ord_id":"b17c7bb34d000200","cancel_reason":"User requested","reason":"User requested","order_id":"OVN7VD-7VYHS-APBKHA"}],"sequence":6}"#,
    ];
    let kinds = [ExecType::PendingNew, ExecType::New, ExecType::Amended, ExecType::Canceled];
    for ((line, kind), sequence) in lines.iter().zip(kinds).zip([2, 3, 4, 6]) {
        let (found, list) = executions(line);
        assert_eq!((found, list[0].exec_type), (sequence, kind));
        assert_eq!(list[0].cl_ord_id.as_deref(), Some("b17c7bb34d000200"));
    }
}

#[test]
fn the_fill_that_completes_an_order_says_partially_filled() {
    let text = r#"{"channel":"executions","type":"update","data":[{"order_id":"OK4GJX-KSTLS-7DZZO5","order_userref":3,"exec_id":"TGBB7L-HT5LX-J3BZ4A","exec_type":"trade","trade_id":62887576,"symbol":"BTC/USD","side":"sell","last_qty":0.005,"last_price":26599.9,"liquidity_ind":"t","cost":132.9995,"order_type":"limit","timestamp":"2023-09-22T10:33:05.709993Z","order_status":"partially_filled","cum_qty":0.005,"cum_cost":132.9995,"avg_price":26599.9,"fee_usd_equiv":0.3458,"fees":[{"asset":"USD","qty":0.3458}]}],"sequence":10}"#;
    let (_, list) = executions(text);
    assert_eq!(list[0].order_status, OrderStatus::PartiallyFilled);
    assert_eq!(list[0].exec_id.as_deref(), Some("TGBB7L-HT5LX-J3BZ4A"));
    let written = serde_json::to_string(&list[0]).unwrap();
    let again: private::Execution = serde_json::from_str(&written).unwrap();
    assert_eq!(again, list[0]);
}

#[test]
fn balances_come_whole_and_then_by_entry() {
    let text = r#"{"channel":"balances","type":"snapshot","data":[{"asset":"BTC","asset_class":"currency","balance":1.2,"wallets":[{"type":"spot","id":"main","balance":1.2}]}],"sequence":1}"#;
    let Message::Private(1, Private::Balances(list)) = read(text).unwrap() else { panic!() };
    assert_eq!(list[0].wallets[0].balance.to_string(), "1.2");
    let text = r#"{"channel":"balances","type":"update","data":[{"ledger_id":"AAICKV-NMQSR-ZO5IJD","ref_id":"AGBB7L-HT5LX-J3BB4A","timestamp":"2023-09-22T10:33:05.710082Z","type":"trade","asset":"BTC","asset_class":"currency","category":"trade","wallet_type":"spot","wallet_id":"main","amount":-0.005,"fee":0.0,"balance":0.005}],"sequence":9}"#;
    let Message::Private(9, Private::Entries(list)) = read(text).unwrap() else { panic!() };
    assert_eq!(list[0].amount.to_string(), "-0.005");
}

#[test]
fn answers_say_what_became_of_a_request() {
    let answer = |text| match read(text).unwrap() {
        Message::Answer(answer) => answer,
        other => panic!("{other:?}"),
    };
    let done = answer(
        r#"{"method":"add_order","result":{"cl_ord_id":"3178d58d4d000200","order_id":"OXZPAJ-ONWQU-KMAMPL"},"success":true,"time_in":"2026-01-21T12:33:34.457870Z","time_out":"2026-01-21T12:33:34.460575Z","req_id":42}"#,
    );
    let added: Added = done.result.unwrap().read().unwrap();
    assert_eq!(added.order_id.as_deref(), Some("OXZPAJ-ONWQU-KMAMPL"));
    assert_eq!(done.req_id, Some(42));
    let refused = answer(
        r#"{"error":"EGeneral:Invalid arguments:volume minimum not met","method":"add_order","success":false,"time_in":"2026-01-21T12:33:34.457870Z","time_out":"2026-01-21T12:33:34.460575Z","req_id":42}"#,
    );
    assert_eq!(refused.result, Err("EGeneral:Invalid arguments:volume minimum not met".into()));
    let unknown = answer(
        r#"{"error":"Currency pair not supported XBT/USD","method":"subscribe","success":false,"symbol":"XBT/USD","time_in":"2026-01-21T12:33:34.457870Z","time_out":"2026-01-21T12:33:34.460575Z"}"#,
    );
    assert_eq!(unknown.symbol.as_deref(), Some("XBT/USD"));
    let amended = answer(
        r#"{"method":"amend_order","result":{"amend_id":"TTW6PD-RC36L-ZZSWNU","order_id":"OXZPAJ-ONWQU-KMAMPL"},"success":true}"#,
    );
    assert!(amended.result.unwrap().read::<Amended>().is_ok());
    let switch = answer(
        r#"{"method":"cancel_all_orders_after","result":{"currentTime":"2023-09-21T15:49:29Z","triggerTime":"2023-09-21T15:51:09Z"},"success":true}"#,
    );
    assert!(switch.result.unwrap().read::<SwitchSet>().is_ok());
    let pong = r#"{"method":"pong","req_id":101,"time_in":"2026-01-21T12:33:34.457870Z","time_out":"2026-01-21T12:33:34.460575Z"}"#;
    assert_eq!(read(pong).unwrap(), Message::Pong(Some(101)));
    assert_eq!(read(r#"{"channel":"heartbeat"}"#).unwrap(), Message::Heartbeat);
    let fast = read(r#"{"Error":"Exceeded msg rate"}"#).unwrap();
    assert_eq!(fast, Message::TooFast("Exceeded msg rate".into()));
}

#[test]
fn what_is_no_message_is_told_and_what_is_new_is_passed_over() {
    for text in ["", "[]", "17", "{}", r#"{"channel":"book","type":"update"}"#, "{\"channel\":"] {
        assert!(read(text).is_err(), "{text}");
    }
    let new = read(r#"{"channel":"weather","data":{"rain":true}}"#).unwrap();
    assert_eq!(new, Message::Other("weather".into()));
}

#[test]
fn requests_are_written_as_documented() {
    let mut order = AddOrder::new(OrderType::Limit, Side::Buy, "0.0001".parse().unwrap());
    order.symbol = Some("BTC/USDT".into());
    order.limit_price = Some("80000.0".parse().unwrap());
    order.time_in_force = Some(TimeInForce::Gtc);
    let id: VenueOrderId = "6d1b345e282140e2ad834ecb18a06876".parse().unwrap();
    order.cl_ord_id = Some(id.to_string());
    order.deadline = Some(serde_json::from_str("\"2026-01-22T06:06:24.000Z\"").unwrap());
    order.token = Some("T".into());
    let request = Request { method: "add_order", params: Some(order), req_id: Some(42) };
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"method":"add_order","params":{"order_type":"limit","side":"buy","symbol":"BTC/USDT","order_qty":0.0001,"limit_price":80000.0,"time_in_force":"gtc","deadline":"2026-01-22T06:06:24.000000Z","cl_ord_id":"6d1b345e282140e2ad834ecb18a06876","token":"T"},"req_id":42}"#
    );
    let mut subscription = Subscription::to("ticker");
    subscription.symbol = Some(vec!["ALGO/USD".into()]);
    let request = Request { method: "subscribe", params: Some(subscription), req_id: Some(1) };
    assert_eq!(
        serde_json::to_string(&request).unwrap(),
        r#"{"method":"subscribe","params":{"channel":"ticker","symbol":["ALGO/USD"]},"req_id":1}"#
    );
    let ping = Request::<()> { method: "ping", params: None, req_id: None };
    assert_eq!(serde_json::to_string(&ping).unwrap(), r#"{"method":"ping"}"#);
}

#[test]
fn a_misspelt_field_of_an_order_is_told() {
    let text = r#"{"order_type":"limit","side":"buy","order_qty":1,"price":5}"#;
    let error = serde_json::from_str::<AddOrder>(text).unwrap_err().to_string();
    assert!(error.contains("`price`"), "{error}");
}
