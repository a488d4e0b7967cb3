//! Golden samples: what each message looks like on the wire. A sample must be read and written back to
//! the letter; other languages read the same files. A change here is a change of the protocol.
#![allow(clippy::unwrap_used)]

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tradewind_protocol::{
    Problem, attach, bars, calendar, check_in, control, copies,
    domain::control::{
        copies::AccountDeclaration,
        risk::RiskSpec,
        row::{CustomerSpec, LocationSpec, MarketSpec},
        scale::ScaleSpec,
        trader::TraderDeclaration,
    },
    domain::trading::ReplaceOrder,
    drains, events, history, instruments, link, managers, members, orders, placed, rebalance,
    resources, scale, session, stream, supervision, token, trade,
};

/// What a value of this type makes of a sample: the same, if the sample is one of its.
fn again<T: Serialize + DeserializeOwned>(body: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(T::deserialize(body)?)
}

fn again_as(message: &str, body: &Value) -> serde_json::Result<Value> {
    match message {
        "problem" => again::<Problem>(body),
        "manager_check_in" => again::<check_in::ManagerCheckIn>(body),
        "manager_checked_in" => again::<check_in::ManagerCheckedIn>(body),
        "service_check_in" => again::<check_in::ServiceCheckIn>(body),
        "service_checked_in" => again::<check_in::ServiceCheckedIn>(body),
        "copy_down" => again::<copies::CopyDown>(body),
        "copy_up" => again::<copies::CopyUp>(body),
        "hello" => again::<link::Hello>(body),
        "hello_answer" => again::<link::HelloAnswer>(body),
        "to_manager" => again::<supervision::ToManager>(body),
        "from_manager" => again::<supervision::FromManager>(body),
        "to_service" => again::<supervision::ToService>(body),
        "from_service" => again::<supervision::FromService>(body),
        "changed" => again::<control::Changed>(body),
        "begin_drain" => again::<drains::BeginDrain>(body),
        "change_drain" => again::<drains::ChangeDrain>(body),
        "drain_told" => again::<drains::DrainTold>(body),
        "drains" => again::<drains::Drains>(body),
        "ask_rebalance" => again::<rebalance::AskRebalance>(body),
        "rebalance_told" => again::<rebalance::RebalanceTold>(body),
        "put_register" => again::<control::PutRegister>(body),
        "register_answer" => again::<control::RegisterAnswer>(body),
        "probed" => again::<control::Probed>(body),
        "status" => again::<control::Status>(body),
        "own_status" => again::<managers::OwnStatus>(body),
        "status_frame" => again::<managers::StatusFrame>(body),
        "customer_spec" => again::<CustomerSpec>(body),
        "account_spec" => again::<AccountDeclaration>(body),
        "market_spec" => again::<MarketSpec>(body),
        "trader_spec" => again::<TraderDeclaration>(body),
        "open_trader_session" => again::<session::OpenTraderSession>(body),
        "session_opened" => again::<session::SessionOpened>(body),
        "submit_order" => again::<orders::SubmitOrder>(body),
        "replace_order" => again::<ReplaceOrder>(body),
        "orders" => again::<orders::Orders>(body),
        "fills" => again::<orders::Fills>(body),
        "accounts" => again::<orders::Accounts>(body),
        "cancel_all_after" => again::<orders::CancelAllAfter>(body),
        "cancel_timers" => again::<orders::CancelTimers>(body),
        "positions" => again::<orders::Positions>(body),
        "account_trading_state" => again::<orders::AccountTradingState>(body),
        "bars" => again::<bars::Bars>(body),
        "calendar" => again::<calendar::CalendarTold>(body),
        "instrument" => again::<instruments::InstrumentInfo>(body),
        "instruments" => again::<instruments::Instruments>(body),
        "from_algo" => again::<stream::FromAlgo>(body),
        "to_algo" => again::<stream::ToAlgo>(body),
        "trade_down" => again::<trade::TradeDown>(body),
        "trade_up" => again::<trade::TradeUp>(body),
        "join_member" => again::<members::JoinMember>(body),
        "member_joined" => again::<members::MemberJoined>(body),
        "member_moved" => again::<members::MemberMoved>(body),
        "member_knows" => again::<members::MemberKnows>(body),
        "voters_wanted" => again::<members::VotersWanted>(body),
        "transfer_leader" => again::<members::TransferLeader>(body),
        "leader_transferred" => again::<members::LeaderTransferred>(body),
        "members" => again::<members::Members>(body),
        "event_frame" => again::<events::EventFrame>(body),
        "event_page" => again::<events::EventPage>(body),
        "operation" => again::<history::Operation>(body),
        "claims" => again::<token::Claims>(body),
        "attach_options" => again::<attach::AttachOptions>(body),
        "from_trader" => again::<attach::FromTrader>(body),
        "to_trader" => again::<attach::ToTrader>(body),
        "attach_trader" => again::<attach::AttachTrader>(body),
        "misdirected" => again::<attach::Misdirected>(body),
        other => declared_again_as(other, body),
    }
}

/// What operators declare, and how locations scale.
fn declared_again_as(message: &str, body: &Value) -> serde_json::Result<Value> {
    match message {
        "declared" => again::<resources::Declared>(body),
        "put_customer" => again::<resources::PutCustomer>(body),
        "add_key" => again::<resources::AddKey>(body),
        "key_added" => again::<resources::KeyAdded>(body),
        "location_spec" => again::<LocationSpec>(body),
        "exchange_days_spec" => again::<resources::ExchangeDaysSpec>(body),
        "account" => again::<resources::One<resources::AccountInfo>>(body),
        "customer" => again::<resources::One<resources::CustomerInfo>>(body),
        "market" => again::<resources::One<resources::MarketInfo>>(body),
        "trader" => again::<resources::One<resources::TraderInfo>>(body),
        "location" => again::<resources::One<resources::LocationInfo>>(body),
        "exchange_days" => again::<resources::One<resources::ExchangeDaysInfo>>(body),
        "route_spec" => again::<resources::RouteSpec>(body),
        "route" => again::<resources::One<resources::RouteInfo>>(body),
        "risk_spec" => again::<RiskSpec>(body),
        "risk" => again::<resources::One<resources::RiskInfo>>(body),
        "trading_state_spec" => again::<resources::TradingStateSpec>(body),
        "trading_state" => again::<resources::One<resources::TradingStateInfo>>(body),
        "manager" => again::<resources::One<placed::ManagerInfo>>(body),
        "managers" => again::<resources::Page<placed::ManagerInfo>>(body),
        "implementation" => again::<resources::One<placed::ImplementationInfo>>(body),
        "broker" => again::<resources::One<placed::BrokerTold>>(body),
        "keys" => again::<resources::Page<resources::KeyInfo>>(body),
        "traders" => again::<resources::Page<resources::TraderInfo>>(body),
        "scale_spec" => again::<ScaleSpec>(body),
        "scale" => again::<resources::One<scale::ScaleInfo>>(body),
        "provisioning" => again::<resources::Page<scale::ProvisioningInfo>>(body),
        "tell_provisioning" => again::<scale::TellProvisioning>(body),
        "program_request" => again::<scale::ProgramRequest>(body),
        "program_answer" => again::<scale::ProgramAnswer>(body),
        "provision" => again::<resources::One<scale::ProvisioningInfo>>(body),
        other => panic!("no type for {other}"),
    }
}

const FILES: [(&str, &str); 20] = [
    ("copies", include_str!("../golden/copies.jsonl")),
    ("attach", include_str!("../golden/attach.jsonl")),
    ("bars", include_str!("../golden/bars.jsonl")),
    ("calendar", include_str!("../golden/calendar.jsonl")),
    ("instruments", include_str!("../golden/instruments.jsonl")),
    ("events", include_str!("../golden/events.jsonl")),
    ("problem", include_str!("../golden/problem.jsonl")),
    ("check_in", include_str!("../golden/check_in.jsonl")),
    ("pipe", include_str!("../golden/pipe.jsonl")),
    ("control", include_str!("../golden/control.jsonl")),
    ("drains", include_str!("../golden/drains.jsonl")),
    ("rebalance", include_str!("../golden/rebalance.jsonl")),
    ("members", include_str!("../golden/members.jsonl")),
    ("resources", include_str!("../golden/resources.jsonl")),
    ("orders", include_str!("../golden/orders.jsonl")),
    ("stream", include_str!("../golden/stream.jsonl")),
    ("trade", include_str!("../golden/trade.jsonl")),
    ("history", include_str!("../golden/history.jsonl")),
    ("scale", include_str!("../golden/scale.jsonl")),
    ("managers", include_str!("../golden/managers.jsonl")),
];

#[test]
fn every_sample_is_read_and_written_back_to_the_letter() {
    let mut samples = 0;
    for (file, text) in FILES {
        for (number, line) in text.lines().enumerate() {
            let sample: Value = serde_json::from_str(line).unwrap();
            let message = sample["message"].as_str().unwrap();
            let body = &sample["body"];
            let written = again_as(message, body);
            let place = format!("golden/{file}.jsonl:{}", number + 1);
            assert_eq!(written.unwrap_or_else(|e| panic!("{place}: {e}")), *body, "{place}");
            samples += 1;
        }
    }
    assert!(samples > 50, "{samples} samples");
}

#[test]
fn what_is_written_by_customers_refuses_unknown_fields() {
    for (_, text) in FILES {
        for line in text.lines() {
            let sample: Value = serde_json::from_str(line).unwrap();
            let message = sample["message"].as_str().unwrap();
            let written = [
                "submit_order",
                "replace_order",
                "cancel_all_after",
                "from_algo",
                "begin_drain",
                "change_drain",
                "ask_rebalance",
                "put_register",
                "customer_spec",
                "account_spec",
                "market_spec",
                "trader_spec",
                "location_spec",
                "exchange_days_spec",
                "put_customer",
                "add_key",
                "route_spec",
                "risk_spec",
                "trading_state_spec",
                "manager_check_in",
                "service_check_in",
                "open_trader_session",
                "scale_spec",
                "tell_provisioning",
                "program_answer",
                "attach_options",
                "from_trader",
                "attach_trader",
            ];
            if written.contains(&message) {
                let mut body = sample["body"].clone();
                body["colour"] = "red".into();
                assert!(again_as(message, &body).is_err(), "{message} takes what it does not know");
            }
        }
    }
}
