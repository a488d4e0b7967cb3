//! The bytes of resources, as they are proposed and stored.
#![allow(clippy::unwrap_used)]

use super::{drains::proposal, *};
use std::collections::BTreeMap;
use tradewind_domain::{
    calendar::Exchange,
    control::{
        Outcome, Refusal,
        refusal::Noun,
        resource::{Condition, Declaration, Need, Resource, ResourceChange, ResourceCommand},
        risk::{OrdersWithin, RiskFault, RiskRow, RiskSpec, TradingState, TradingStateRow},
        row::{AnsweredRow, CustomerRow, CustomerSpec, LocationSpec},
    },
    ids::{KeyHash, MarketId, Scope},
};

fn account() -> AccountSpec {
    AccountSpec {
        venue: "v".parse().unwrap(),
        adapter: "sim".to_owned(),
        endpoint: "h:1".to_owned(),
        customers: ["c".parse().unwrap()].into(),
    }
}

fn trader() -> TraderSpec {
    let state = TraderWish::Stopped;
    TraderSpec { customer: "c".parse().unwrap(), command: vec!["w".to_owned()], state }
}

fn put(what: Declaration, on: Condition) -> ResourceCommand {
    ResourceCommand::Put { what, on }
}

#[test]
fn the_bytes_of_a_resources_commands_never_change() {
    let customer = || "c".parse().unwrap();
    let hashes = [KeyHash("ab".to_owned())].into();
    let delete =
        |what| ResourceCommand::Delete { what, on: Condition::At(Revision(5)), release: true };
    let market = MarketSpec { routes: Vec::new() };
    let hours = LocationSpec { after_hours: Vec::new() };
    for (command, bytes) in [
        (
            put(
                Declaration::Account { account: "a".parse().unwrap(), spec: account() },
                Condition::Always,
            ),
            "01010101630203110000016101760373696d03683a3101016300ad8ba3b9",
        ),
        (
            put(
                Declaration::Customer { customer: customer(), key_hashes: Some(hashes) },
                Condition::Absent,
            ),
            "0101010163020311000101630101026162014bc619c4",
        ),
        (
            put(
                Declaration::Market { market: "m".parse().unwrap(), spec: market },
                Condition::Present,
            ),
            "01010101630203110002016d0002add874fc",
        ),
        (
            put(
                Declaration::Trader { trader: "t".parse().unwrap(), spec: trader() },
                Condition::At(Revision(5)),
            ),
            "01010101630203110003017401630101770103051ae9918f",
        ),
        (
            put(
                Declaration::Location { location: "l".parse().unwrap(), spec: hours },
                Condition::Always,
            ),
            "01010101630203110004016c00001626f89c",
        ),
        (
            put(
                Declaration::ExchangeDays { exchange: Exchange::Xnys, days: BTreeMap::new() },
                Condition::Always,
            ),
            "010101016302031100050000001be67c8e",
        ),
        (delete(Resource::Account("a".parse().unwrap())), "0101010163020311010001610305010f49f0e1"),
        (delete(Resource::Customer(customer())), "0101010163020311010101630305012152a580"),
        (delete(Resource::Market("m".parse().unwrap())), "01010101630203110102016d030501bc57eee6"),
        (delete(Resource::Trader("t".parse().unwrap())), "0101010163020311010301740305010c9ca300"),
        (
            delete(Resource::Location("l".parse().unwrap())),
            "01010101630203110104016c030501c4d30b88",
        ),
        (delete(Resource::ExchangeDays(Exchange::Xnys)), "0101010163020311010500030501a8f3839b"),
        (
            ResourceCommand::AddKey { customer: customer(), hash: KeyHash("ab".to_owned()) },
            "01010101630203110201630261625d8bec15",
        ),
        (
            ResourceCommand::RemoveKey { customer: customer(), key_id: "ab".to_owned() },
            "0101010163020311030163026162f858b0de",
        ),
    ] {
        golden(Kind::Proposal, &proposal(Command::Resource(command)), bytes);
    }
}

#[test]
fn the_bytes_of_a_resources_rows_never_change() {
    let spec = CustomerSpec { key_hashes: [KeyHash("ab".to_owned())].into() };
    let customer = CustomerRow {
        customer: "c".parse().unwrap(),
        spec,
        affinity: None,
        affinity_version: 3,
        revision: Revision(7),
    };
    let account =
        AccountRow { account: "a".parse().unwrap(), spec: account(), revision: Revision(7) };
    let trader = TraderRow {
        trader: "t".parse().unwrap(),
        spec: trader(),
        assignment: None,
        revision: Revision(7),
    };
    for (row, bytes) in [
        (Row::Account(account), "010603016101760373696d03683a3101016307c15c8374"),
        (Row::Customer(customer), "010605016301026162000307b63578cc"),
        (Row::Trader(trader), "01060701740163010177010007c11defbf"),
    ] {
        golden(Kind::Row, &row, bytes);
    }
}

#[test]
fn the_bytes_of_a_resources_refusals_never_change() {
    let first = "t".parse().unwrap();
    for (refusal, bytes) in [
        (Refusal::NotAsExpected { held: Some(Revision(5)) }, "010609016302030101160105ccefc258"),
        (
            Refusal::InUse { what: Noun::Customer, by: Need::Traders { first, count: 2 } },
            "0106090163020301011702000174027f14c5d4",
        ),
        (
            Refusal::InUse {
                what: Noun::Customer,
                by: Need::Accounts { first: "a".parse().unwrap(), count: 2 },
            },
            "0106090163020301011702010161020e95cc5b",
        ),
        (
            Refusal::InUse {
                what: Noun::Account,
                by: Need::Customers { first: "c".parse().unwrap(), count: 2 },
            },
            "010609016302030101170102016302b222ef3c",
        ),
        (
            Refusal::InUse {
                what: Noun::Account,
                by: Need::Broker { manager: "a.broker-manager".parse().unwrap() },
            },
            "01060901630203010117010310612e62726f6b65722d6d616e616765726f329e94",
        ),
        (
            Refusal::InUse {
                what: Noun::Location,
                by: Need::Drain { target: "a".parse().unwrap() },
            },
            "010609016302030101170b040161faee9266",
        ),
        (
            Refusal::InUse { what: Noun::Key, by: Need::Owner { customer: "c".parse().unwrap() } },
            "010609016302030101170e050163d31580be",
        ),
        (Refusal::NotAHash, "010609016302030101180728ca2b"),
        (Refusal::NotFound { what: Noun::Key }, "010609016302030101050e1df19954"),
    ] {
        let outcome = Outcome::Refused { refusal };
        let row = AnsweredRow { key: stamped().request.key, applied_at: UnixNanos(1), outcome };
        golden(Kind::Row, &Row::Answered(row), bytes);
    }
}

fn by() -> By {
    By { who: "w".to_owned(), why: "y".to_owned() }
}

fn risk() -> RiskSpec {
    RiskSpec {
        max_order_quantity: Some("0.5".parse().unwrap()),
        max_order_notional: None,
        price_band: Some("0.05".parse().unwrap()),
        max_position: Some("2".parse().unwrap()),
        max_open_orders: Some(3),
        order_rate: Some(OrdersWithin { orders: 4, within_ms: 5 }),
        equal_orders: None,
    }
}

#[test]
fn the_bytes_of_audited_commands_never_change() {
    let route = Route {
        instrument: "I".parse().unwrap(),
        data_venue: "d".parse().unwrap(),
        order_venue: "o".parse().unwrap(),
    };
    let (market, scope): (MarketId, Scope) = ("m".parse().unwrap(), "trader.t".parse().unwrap());
    let put = |what| ResourceChange::Put { what, on: Condition::At(Revision(5)) };
    let delete = |what| ResourceChange::Delete { what, on: Condition::Always, release: false };
    let (customer, instrument) = ("c".parse().unwrap(), "I".parse().unwrap());
    let state = TradingState::Halted;
    for (change, bytes) in [
        (
            put(Declaration::Route { market: market.clone(), route }),
            "010101016302031104017701790006016d01490164016f0305f0c8cba1",
        ),
        (
            put(Declaration::Risk { scope: scope.clone(), spec: risk() }),
            "010101016302031104017701790007087472616465722e740103302e35000104302e30350101320103010405000305a9b8b739",
        ),
        (
            put(Declaration::TradingState { scope: scope.clone(), state }),
            "010101016302031104017701790008087472616465722e740203055548c028",
        ),
        (
            delete(Resource::Route { market, instrument }),
            "010101016302031104017701790106016d014900008e2ea233",
        ),
        (
            delete(Resource::Risk(scope.clone())),
            "010101016302031104017701790107087472616465722e740000d7cea7c9",
        ),
        (
            delete(Resource::TradingState(scope)),
            "010101016302031104017701790108087472616465722e740000a65133bb",
        ),
        (
            ResourceChange::AddKey { customer, hash: KeyHash("ab".to_owned()) },
            "0101010163020311040177017902016302616202fe4aa8",
        ),
        (
            ResourceChange::RemoveKey { customer: "c".parse().unwrap(), key_id: "ab".to_owned() },
            "01010101630203110401770179030163026162a72d1663",
        ),
    ] {
        let command = ResourceCommand::Audited { by: by(), change };
        golden(Kind::Proposal, &proposal(Command::Resource(command)), bytes);
    }
}

#[test]
fn the_bytes_of_risk_settings_and_trading_states_never_change() {
    let scope = |text: &str| text.parse::<Scope>().unwrap();
    let row = RiskRow { scope: scope("customer.c"), spec: risk(), revision: Revision(7) };
    golden(
        Kind::Row,
        &Row::Risk(row),
        "0106130a637573746f6d65722e630103302e35000104302e30350101320103010405000772ced8b7",
    );
    let row = TradingStateRow {
        scope: scope("global"),
        state: TradingState::Reducing,
        version: Revision(6),
        by: Some(by()),
        revision: Revision(7),
    };
    golden(Kind::Row, &Row::TradingState(row), "01061406676c6f62616c0106010177017907c285315a");
    for (refusal, bytes) in [
        (Refusal::Risk { fault: RiskFault::Counting }, "01060901630203010119026be058bb"),
        (Refusal::NotActive { state: TradingState::Halted }, "0106090163020301011a02a8b37590"),
        (
            Refusal::InUse { what: Noun::Trader, by: Need::Risk { scope: scope("trader.t") } },
            "010609016302030101170406087472616465722e742d7a5d18",
        ),
        (
            Refusal::InUse {
                what: Noun::Account,
                by: Need::TradingState { scope: scope("account.a") },
            },
            "010609016302030101170107096163636f756e742e61decad1eb",
        ),
        (Refusal::NotFound { what: Noun::Route }, "010609016302030101050f8bc19e23"),
        (Refusal::NotFound { what: Noun::Risk }, "01060901630203010105107ecc96ae"),
        (Refusal::NotFound { what: Noun::TradingState }, "0106090163020301010511e8fc91d9"),
        (Refusal::TooLarge { what: Noun::Audit }, "01060901630203010108121fd336f5"),
    ] {
        let outcome = Outcome::Refused { refusal };
        let row = AnsweredRow { key: stamped().request.key, applied_at: UnixNanos(1), outcome };
        golden(Kind::Row, &Row::Answered(row), bytes);
    }
}
