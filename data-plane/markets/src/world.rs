//! What tests of this crate stand on: nouns with short names, a Broker that does as it is told behind
//! real sockets, an algo, and the edge between them. Decides nothing that is tested.
#![allow(clippy::unwrap_used)]

pub(crate) mod algo;
pub(crate) mod broker;
pub(crate) mod edge;

use ed25519_dalek::SigningKey;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tradewind_domain::{
    control::{
        Desired,
        desired::{
            Access, AccountAccess, CustomerAccess, ManagerEndpoint, MarketWanted, PublicKey, Work,
        },
        row::{MarketSpec, Route},
    },
    ids::{
        AccountId, ClientOrderId, ClusterIncarnation, CustomerId, Epoch, ExecId, Fence,
        InstrumentId, MarketId, NodeId, OrderId, Revision, StreamEpoch, VenueId, VenueOrderId,
    },
    time::UnixNanos,
    trading::{Conditions, Fill, NewOrder, Order, OrderType, Quote, Side, TimeInForce, Trade},
};
use tradewind_link::pipe;
use tradewind_protocol::{
    token::{Claims, format_public_key, sign},
    trade::PrivateEvent,
};

pub(crate) fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

pub(crate) fn customer(name: &str) -> CustomerId {
    CustomerId::new(name).unwrap()
}

pub(crate) fn instrument(name: &str) -> InstrumentId {
    InstrumentId::new(name).unwrap()
}

pub(crate) fn venue(name: &str) -> VenueId {
    VenueId::new(name).unwrap()
}

pub(crate) fn epoch(name: &str) -> StreamEpoch {
    StreamEpoch::new(name).unwrap()
}

pub(crate) fn quote(n: u64) -> Quote {
    let amount = (n + 1).to_string();
    Quote {
        bid: Some(amount.parse().unwrap()),
        bid_size: amount.parse().unwrap(),
        ask: None,
        ask_size: "0".parse().unwrap(),
        at: UnixNanos(n),
    }
}

pub(crate) fn trade_at(n: u64) -> Trade {
    let (price, quantity) = ("100".parse().unwrap(), "1".parse().unwrap());
    Trade { price, quantity, taker: Side::Buy, at: UnixNanos(n) }
}

pub(crate) fn new_order(name: &str) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(name).unwrap(),
        instrument: instrument("BTC/USD"),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: "1".parse().unwrap(),
        limit_price: Some("100".parse().unwrap()),
        time_in_force: TimeInForce::Gtc,
        conditions: Conditions::NONE,
        cancel_on_disconnect: None,
    }
}

pub(crate) fn order_id(name: &str) -> OrderId {
    let (account, client_order_id) = (account("sim-1"), ClientOrderId::new(name).unwrap());
    let venue_order_id = VenueOrderId::of(&account, &customer("acme"), &client_order_id);
    OrderId { account, venue_order_id }
}

pub(crate) fn accepted(new: &NewOrder) -> Order {
    let id = order_id(new.client_order_id.as_str());
    Order::accepted(id, customer("acme"), venue("sim"), new, UnixNanos(1))
}

pub(crate) fn fill_event(n: u64) -> PrivateEvent {
    PrivateEvent::Fill(Box::new(Fill {
        exec_id: ExecId::new(&format!("x{n}")).unwrap(),
        order_id: order_id("1"),
        customer: customer("acme"),
        client_order_id: ClientOrderId::new("1").unwrap(),
        instrument: instrument("BTC/USD"),
        side: Side::Buy,
        quantity: "1".parse().unwrap(),
        price: "100".parse().unwrap(),
        at: UnixNanos(n),
    }))
}

pub(crate) fn access(name: &str, at: &str, customers: &[&str]) -> AccountAccess {
    AccountAccess {
        account: account(name),
        venue: venue(at),
        customers: customers.iter().map(|name| customer(name)).collect(),
        fence: Fence { cluster: ClusterIncarnation(1), epoch: Epoch(5) },
        broker_manager: String::new(),
    }
}

/// A market of BTC/USD and ETH/USD at venue `sim`, where `acme` has the account `sim-1`.
pub(crate) fn market_wanted(name: &str) -> MarketWanted {
    let route = |name| Route {
        instrument: instrument(name),
        data_venue: venue("sim"),
        order_venue: venue("sim"),
    };
    MarketWanted {
        market: MarketId::new(name).unwrap(),
        spec: MarketSpec { routes: vec![route("BTC/USD"), route("ETH/USD")] },
        fence: Fence { cluster: ClusterIncarnation(1), epoch: Epoch(4) },
        accounts: vec![access("sim-1", "sim", &["acme"])],
        former_venues: BTreeSet::new(),
    }
}

fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

/// What the MarketManager of `a1` is told: member 1 signs, `acme` is a customer with the key `k`.
pub(crate) fn desired(markets: Vec<MarketWanted>) -> Desired {
    let endpoint = |manager: &str, address: &str| ManagerEndpoint {
        manager: manager.parse().unwrap(),
        address: address.to_string(),
    };
    let key = format_public_key(&signing_key().verifying_key());
    let acme = CustomerAccess {
        customer: customer("acme"),
        key_ids: BTreeSet::from(["k".to_string()]),
        trader_manager: Some(endpoint("a1.trader-manager", "127.0.0.1:3")),
        affinity_version: 2,
    };
    Desired {
        revision: Revision(9),
        fence: Fence { cluster: ClusterIncarnation(1), epoch: Epoch(3) },
        work: Work::Markets {
            markets,
            access: Access {
                public_keys: vec![PublicKey { node: NodeId(1), key }],
                customers: vec![acme].into(),
            },
            exchange_days: BTreeMap::new(),
        },
        market_managers: vec![
            endpoint("a1.market-manager", "127.0.0.1:1"),
            endpoint("a2.market-manager", "127.0.0.1:2"),
        ],
        cordons: BTreeSet::new(),
        empties: false,
    }
}

pub(crate) fn claims(name: &str) -> Claims {
    Claims {
        customer: customer(name),
        key_id: Some("k".to_string()),
        session: "s-1".parse().unwrap(),
        cluster: ClusterIncarnation(1),
        trader: None,
        issued_at: UnixNanos(1),
        expires_at: UnixNanos(u64::MAX / 2),
    }
}

pub(crate) fn token(claims: &Claims) -> String {
    sign(claims, NodeId(1), &signing_key())
}

/// Pipes that find a loss soon, so that tests are short.
pub(crate) fn quick_pipes() -> pipe::Options {
    pipe::Options {
        redial_first: Duration::from_millis(5),
        redial_max: Duration::from_millis(40),
        ..pipe::Options::default()
    }
}

/// Waits until the condition holds; fails the test if that takes longer than 10 s.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not within 10 s: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
