//! The crate kraken-async-rs, unchanged, drives `tradewind sim kraken` as a real process by its URL: REST and
//! WebSocket, public and private, orders from their placing to their end. Whatever it cannot parse is a failure.

mod sim;

use kraken_async_rs::clients::kraken_client::KrakenClient;
use kraken_async_rs::crypto::secrets::Token;
use kraken_async_rs::request_types::{
    AddBatchedOrderRequest, AddOrderRequest, AmendOrderRequest, AssetInfoRequest,
    BatchedOrderRequest, CancelAllOrdersAfterRequest, CancelOrderRequest, ClosedOrdersRequest,
    IntOrString, OHLCRequest, OpenOrdersRequest, OrderRequest, OrderbookRequest,
    RecentTradesRequest, StringCSV, TickerRequest, TimeInForceV2, TradableAssetPairsRequest,
    TradeBalanceRequest, TradesHistoryRequest,
};
use kraken_async_rs::response_types::{BuySell, OrderStatusV2, OrderType, SystemStatus};
use kraken_async_rs::wss::{
    AddOrderParams, AmendOrderParams, BalanceResponse, BalancesSubscription, BookSubscription,
    CancelAllOrdersParams, CancelOnDisconnectParams, CancelOrderParams, ChannelMessage,
    ExecutionSubscription, ExecutionType, InstrumentsSubscription, L2, MethodMessage,
    OhlcSubscription, TickerSubscription, TradesSubscription, WssMessage,
};
use rust_decimal::Decimal;
use sim::Sim;

const BTC: &str = "BTC/USD";

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn order(
    token: &Token,
    side: BuySell,
    order_type: OrderType,
    limit: Option<&str>,
) -> AddOrderParams {
    AddOrderParams {
        order_type,
        side,
        symbol: BTC.to_string(),
        limit_price: limit.map(decimal),
        limit_price_type: None,
        triggers: None,
        time_in_force: Some(TimeInForceV2::GTC),
        order_quantity: decimal("0.001"),
        margin: None,
        post_only: None,
        reduce_only: None,
        expire_time: None,
        deadline: None,
        effective_time: None,
        client_order_id: None,
        order_user_ref: None,
        conditional: None,
        display_quantity: None,
        fee_preference: None,
        no_market_price_protection: None,
        stp_type: None,
        cash_order_quantity: None,
        validate: None,
        sender_sub_id: None,
        token: token.clone(),
    }
}

#[tokio::test]
async fn its_public_rest_calls_are_answered() {
    let sim = Sim::start();
    let mut rest = sim.rest();
    assert!(rest.get_server_time().await.unwrap().result.unwrap().unix_time > 1_700_000_000);
    let status = rest.get_system_status().await.unwrap().result.unwrap();
    assert_eq!(status.status, SystemStatus::Online);
    let assets = rest.get_asset_info(&AssetInfoRequest::builder().build()).await.unwrap();
    assert_eq!(assets.result.unwrap()["XXBT"].alt_name, "XBT");
    let asked = StringCSV::new(vec!["BTC/USD".to_string(), "XETHZUSD".to_string()]);
    let pairs = TradableAssetPairsRequest::builder().pair(asked).build();
    let pairs = rest.get_tradable_asset_pairs(&pairs).await.unwrap().result.unwrap();
    assert_eq!(pairs["BTC/USD"].ws_name, "XBT/USD", "keyed by the name asked");
    assert_eq!(pairs["XETHZUSD"].tick_size, decimal("0.01"));
    let ticker = TickerRequest::builder().pair(StringCSV::new(vec!["XBTUSD".to_string()])).build();
    let ticker = rest.get_ticker_information(&ticker).await.unwrap().result.unwrap();
    assert!(ticker["XXBTZUSD"].asks.price > ticker["XXBTZUSD"].bids.price);
    let depth = OrderbookRequest::builder("XBTUSD".to_string()).count(5).build();
    let depth = rest.get_orderbook(&depth).await.unwrap().result.unwrap();
    assert_eq!(depth["XXBTZUSD"].asks.len(), 5);
    let ohlc = OHLCRequest::builder("XBTUSD".to_string()).build();
    assert!(!rest.get_ohlc(&ohlc).await.unwrap().result.unwrap().ohlc["XXBTZUSD"].is_empty());
    let trades = RecentTradesRequest::builder("XBTUSD".to_string()).build();
    assert!(rest.get_recent_trades(&trades).await.unwrap().result.is_some());
}

#[tokio::test]
async fn its_private_rest_calls_trade() {
    let sim = Sim::start();
    let mut rest = sim.rest();
    let balances = rest.get_account_balance().await.unwrap().result.unwrap();
    assert_eq!(balances["XXBT"], decimal("100"));
    assert!(rest.get_extended_balances().await.unwrap().result.unwrap().contains_key("ZUSD"));
    assert!(
        rest.get_trade_balances(&TradeBalanceRequest::builder().build())
            .await
            .unwrap()
            .result
            .is_some()
    );

    let volume = decimal("0.01");
    let resting = AddOrderRequest::builder(OrderType::Limit, BuySell::Buy, volume, "XBTUSD".into())
        .price(decimal("20000.0"))
        .client_order_id("rest-1".to_string())
        .build();
    let placed = rest.add_order(&resting).await.unwrap();
    let id = placed.result.unwrap_or_else(|| panic!("{:?}", placed.error)).tx_id[0].clone();
    let again = format!("{:?}", rest.add_order(&resting).await);
    assert!(again.contains("cl_ord_id already in use"), "{again}");

    let mut amend = AmendOrderRequest::builder().build();
    (amend.tx_id, amend.order_quantity) = (Some(id.clone()), Some(decimal("0.02")));
    assert!(rest.amend_order(&amend).await.unwrap().result.is_some());
    let open = OpenOrdersRequest::builder().build();
    let open = rest.get_open_orders(&open).await.unwrap().result.unwrap();
    assert_eq!(open.open[&id].volume, decimal("0.02"));

    let cancel = CancelOrderRequest::builder(IntOrString::String(id.clone())).build();
    assert_eq!(rest.cancel_order(&cancel).await.unwrap().result.unwrap().count, 1);
    let closed = ClosedOrdersRequest::builder().build();
    let closed = rest.get_closed_orders(&closed).await.unwrap().result.unwrap();
    assert_eq!(closed.closed[&id].reason.as_deref(), Some("User requested"));

    let market =
        AddOrderRequest::builder(OrderType::Market, BuySell::Buy, volume, "XBTUSD".into()).build();
    let id = rest.add_order(&market).await.unwrap().result.unwrap().tx_id[0].clone();
    let asked = OrderRequest::builder(StringCSV::new(vec![id.clone()])).build();
    let orders = rest.query_orders_info(&asked).await.unwrap().result.unwrap();
    assert_eq!(orders[&id].volume_executed, volume);
    let history = TradesHistoryRequest::builder().build();
    let history = rest.get_trades_history(&history).await.unwrap().result.unwrap();
    let sum: Decimal = history.trades.values().map(|trade| trade.volume).sum();
    assert_eq!(sum, volume);

    let batched = |price: &str| {
        BatchedOrderRequest::builder(OrderType::Limit, BuySell::Buy, volume)
            .price(decimal(price))
            .build()
    };
    let batch = vec![batched("20000.0"), batched("20001.0")];
    let batch = AddBatchedOrderRequest::builder(batch, "XBTUSD".to_string()).build();
    let added = rest.add_order_batch(&batch).await.unwrap().result.unwrap();
    assert_eq!(added.orders.len(), 2);
    let switch = CancelAllOrdersAfterRequest::builder(60).build();
    assert!(rest.cancel_all_orders_after(&switch).await.unwrap().result.is_some());
    assert_eq!(rest.cancel_all_orders().await.unwrap().result.unwrap().count, 2);
}

#[tokio::test]
async fn a_wrong_signature_is_refused() {
    let sim = Sim::start();
    let wrong = sim.rest_with("c2VjcmV0").get_account_balance().await;
    assert!(format!("{wrong:?}").contains("InvalidSignature"), "{wrong:?}");
}

#[tokio::test]
async fn its_public_subscriptions_are_fed() {
    let sim = Sim::start();
    let mut stream = sim.websocket().await;
    stream
        .until("status", |message| match message {
            WssMessage::Channel(ChannelMessage::Status(status)) => Some(status),
            _ => None,
        })
        .await;
    stream.send("ping", None::<()>, 7).await;
    let pong = |message| match message {
        WssMessage::Method(MethodMessage::Pong(pong)) => Some(pong.req_id),
        _ => None,
    };
    assert_eq!(stream.until("pong", pong).await, 7);

    let btc = || vec![BTC.to_string()];
    stream.send("subscribe", InstrumentsSubscription::new(true), 1).await;
    stream.send("subscribe", TickerSubscription::new(btc()), 2).await;
    stream.send("subscribe", TradesSubscription::new(btc()), 3).await;
    stream.send("subscribe", OhlcSubscription::new(btc(), 5), 4).await;
    stream
        .send("subscribe", BookSubscription::new(vec![BTC.to_string(), "XBT/USD".to_string()]), 5)
        .await;
    let pairs = stream.until("instruments", |message| match message {
        WssMessage::Channel(ChannelMessage::Instrument(all)) => Some(all.data.pairs),
        _ => None,
    });
    assert!(pairs.await.iter().any(|pair| pair.symbol == BTC));
    let ticker = stream.until("ticker", |message| match message {
        WssMessage::Channel(ChannelMessage::Ticker(ticker)) => Some(ticker.data),
        _ => None,
    });
    assert!(ticker.await.ask > Decimal::ZERO);
    let candle = stream.until("ohlc", |message| match message {
        WssMessage::Channel(ChannelMessage::Ohlc(candles)) => candles.data.into_iter().next(),
        _ => None,
    });
    assert_eq!(candle.await.interval, 5);
    let unknown = stream.until("the refusal of XBT/USD", |message| match message {
        WssMessage::Error(error) => error.error,
        _ => None,
    });
    assert_eq!(unknown.await, "Currency pair not supported XBT/USD");
    let mut books = 0;
    while books < 20 {
        let levels = stream.until("a book", |message| match message {
            WssMessage::Channel(ChannelMessage::Orderbook(book)) => Some(match book.data {
                L2::Orderbook(book) => book.bids.len() + book.asks.len(),
                L2::Update(update) => update.bids.len() + update.asks.len(),
            }),
            _ => None,
        });
        assert!(levels.await > 0);
        books += 1;
    }
}

#[tokio::test]
async fn its_orders_rest_are_amended_and_canceled() {
    let sim = Sim::start();
    let mut rest = sim.rest();
    let token = rest.get_websockets_token().await.unwrap().result.unwrap().token;
    let mut stream = sim.websocket().await;
    stream.send("subscribe", ExecutionSubscription::new(token.clone()), 1).await;
    stream.send("subscribe", BalancesSubscription::new(token.clone()), 2).await;
    let balances = stream.until("balances", |message| match message {
        WssMessage::Channel(ChannelMessage::Balance(balances)) => match balances.data {
            BalanceResponse::Snapshot(all) => Some(all.len()),
            BalanceResponse::Update(_) => None,
        },
        _ => None,
    });
    assert_eq!(balances.await, 3);

    // A resting order: placed, amended, canceled.
    let mut resting = order(&token, BuySell::Buy, OrderType::Limit, Some("20000.5"));
    resting.client_order_id = Some("ws-1".to_string());
    stream.send("add_order", resting, 10).await;
    let id = stream
        .until("the answer to add_order", |message| match message {
            WssMessage::Method(MethodMessage::AddOrder(answer)) => {
                assert_eq!((answer.req_id, &answer.error), (10, &None));
                answer.result.map(|result| result.order_id)
            }
            _ => None,
        })
        .await;
    let pending = stream.execution(ExecutionType::PendingNew, &id).await;
    assert_eq!(pending.limit_price, Some(decimal("20000.5")));
    stream.execution(ExecutionType::New, &id).await;
    let mut amend = AmendOrderParams::builder(decimal("0.002"), token.clone()).build();
    (amend.order_id, amend.limit_price) = (Some(id.clone()), Some(decimal("20000.0")));
    stream.send("amend_order", amend, 11).await;
    let amended = stream.execution(ExecutionType::Amended, &id).await;
    assert_eq!(amended.order_quantity, Some(decimal("0.002")));
    let cancel = CancelOrderParams {
        order_id: Some(vec![id.clone()]),
        client_order_id: None,
        order_user_ref: None,
        token: token.clone(),
    };
    stream.send("cancel_order", cancel, 12).await;
    let canceled = stream.execution(ExecutionType::Canceled, &id).await;
    assert_eq!(canceled.reason.as_deref(), Some("User requested"));
}

#[tokio::test]
async fn its_orders_trade_on_the_websocket() {
    let sim = Sim::start();
    let mut rest = sim.rest();
    let token = rest.get_websockets_token().await.unwrap().result.unwrap().token;
    let mut stream = sim.websocket().await;
    stream.send("subscribe", ExecutionSubscription::new(token.clone()), 1).await;
    stream.send("subscribe", BalancesSubscription::new(token.clone()), 2).await;
    let balances = stream.until("balances", |message| match message {
        WssMessage::Channel(ChannelMessage::Balance(balances)) => match balances.data {
            BalanceResponse::Snapshot(all) => Some(all.len()),
            BalanceResponse::Update(_) => None,
        },
        _ => None,
    });
    assert_eq!(balances.await, 3);

    // One that trades: its fills, then the event that it is filled.
    stream.send("add_order", order(&token, BuySell::Buy, OrderType::Market, None), 13).await;
    let id = stream
        .until("the answer to the market order", |message| match message {
            WssMessage::Method(MethodMessage::AddOrder(answer)) => {
                answer.result.map(|result| result.order_id)
            }
            _ => None,
        })
        .await;
    let fill = stream.execution(ExecutionType::Trade, &id).await;
    assert_eq!(fill.order_status, OrderStatusV2::PartiallyFilled, "also the one that completes it");
    assert!(fill.execution_id.is_some() && fill.fees.is_some());
    let filled = stream.execution(ExecutionType::Filled, &id).await;
    assert_eq!(filled.cumulative_quantity, Some(decimal("0.001")));
    let entries = stream.until("the entries of the fill", |message| match message {
        WssMessage::Channel(ChannelMessage::Balance(balances)) => match balances.data {
            BalanceResponse::Update(entries) => Some(entries.len()),
            BalanceResponse::Snapshot(_) => None,
        },
        _ => None,
    });
    assert_eq!(entries.await, 1);

    // What needs nothing of an order.
    stream.send("cancel_all", CancelAllOrdersParams { token: token.clone() }, 14).await;
    let count = stream.until("cancel_all", |message| match message {
        WssMessage::Method(MethodMessage::CancelAllOrders(answer)) => answer.result,
        _ => None,
    });
    assert_eq!(count.await.count, 0);
    let switch = CancelOnDisconnectParams { timeout: 60, token };
    stream.send("cancel_all_orders_after", switch, 15).await;
    let switch = stream.until("the switch", |message| match message {
        WssMessage::Method(MethodMessage::CancelOnDisconnect(answer)) => answer.result,
        _ => None,
    });
    assert!(switch.await.trigger_time.ends_with('Z'));
}
