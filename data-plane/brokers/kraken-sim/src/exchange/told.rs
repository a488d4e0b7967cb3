//! What is told of an order on the private channels and of a trade on the public one. Decides which fields each kind
//! of message has: the first message of an order is whole, the later ones are thin, as Kraken's are.

use rust_decimal::Decimal;
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_kraken::number::Number;
use tradewind_kraken::stamp::Stamp;
use tradewind_kraken::ws::market::Trade;
use tradewind_kraken::ws::private::{
    ExecType, Execution, Fee, LedgerEntry, Liquidity, OrderStatus,
};
use tradewind_kraken::ws::request::OrderType;
use tradewind_kraken::ws::trading::TimeInForce;
use tradewind_sim::engine;

use crate::ids::Of;
use crate::ledger::state::{Fill, Order, State, Status};
use crate::pair::{COST_DECIMALS, Pair};

/// Nothing but what every message has.
fn bare(order: &Order, exec_type: ExecType, order_status: OrderStatus, at: UnixNanos) -> Execution {
    Execution {
        order_id: order.id.clone(),
        exec_type,
        order_status,
        timestamp: Stamp(at),
        cl_ord_id: order.cl_ord_id.clone(),
        order_userref: order.userref,
        symbol: None,
        side: None,
        order_type: None,
        time_in_force: None,
        order_qty: None,
        cash_order_qty: None,
        display_qty: None,
        limit_price: None,
        limit_price_type: None,
        stop_price: None,
        post_only: None,
        reduce_only: None,
        effective_time: None,
        expire_time: None,
        cum_qty: None,
        cum_cost: None,
        avg_price: None,
        exec_id: None,
        trade_id: None,
        last_qty: None,
        last_price: None,
        cost: None,
        liquidity_ind: None,
        fees: None,
        fee_usd_equiv: None,
        fee_ccy_pref: None,
        amended: None,
        reason: None,
        cancel_reason: None,
    }
}

fn money(amount: Decimal) -> Number {
    Number::padded(amount, COST_DECIMALS)
}

fn order_type(order: &Order) -> OrderType {
    if order.market { OrderType::Market } else { OrderType::Limit }
}

fn status(order: &Order) -> OrderStatus {
    match order.status {
        Status::Open if order.filled.is_zero() => OrderStatus::New,
        Status::Open => OrderStatus::PartiallyFilled,
        Status::Filled => OrderStatus::Filled,
        Status::Canceled => OrderStatus::Canceled,
        Status::Expired => OrderStatus::Expired,
    }
}

/// The average price of what is filled; zero while nothing is.
pub(crate) fn average(pair: &Pair, order: &Order) -> Number {
    let filled = pair.instrument.quantity(order.filled).decimal();
    let average = order.cost.checked_div(filled).unwrap_or_default();
    pair.padded_price(average.round_dp(pair.price_decimals))
}

/// All that an order is.
pub(crate) fn full(state: &State, order: &Order, exec_type: ExecType) -> Execution {
    let pair = &state.pairs[order.pair];
    let gtd = order.expires.map(|at| Stamp(at).to_string());
    Execution {
        symbol: Some(pair.symbol.clone()),
        side: Some(order.side),
        order_type: Some(order_type(order)),
        time_in_force: Some(TimeInForce::from(order.force).capitals().to_owned()),
        order_qty: Some(pair.quantity(order.quantity)),
        limit_price: order.limit.map(|limit| pair.price(limit)),
        limit_price_type: order.limit.map(|_| "static".to_owned()),
        post_only: order.post_only.then_some(true),
        expire_time: gtd,
        cum_qty: Some(pair.quantity(order.filled)),
        cum_cost: Some(money(order.cost)),
        avg_price: Some(average(pair, order)),
        fee_usd_equiv: Some(money(order.fee)),
        fee_ccy_pref: Some("fciq".to_owned()),
        ..bare(order, exec_type, status(order), order.touched)
    }
}

pub(super) fn pending_new(state: &State, order: &Order) -> Execution {
    Execution {
        order_status: OrderStatus::PendingNew,
        cum_qty: None,
        avg_price: None,
        ..full(state, order, ExecType::PendingNew)
    }
}

pub(super) fn new(order: &Order) -> Execution {
    bare(order, ExecType::New, OrderStatus::New, order.opened)
}

pub(super) fn amended(state: &State, order: &Order) -> Execution {
    let pair = &state.pairs[order.pair];
    Execution {
        cum_qty: Some(pair.quantity(order.filled)),
        reason: Some(crate::errors::USER.to_owned()),
        amended: Some(true),
        order_qty: Some(pair.quantity(order.quantity)),
        limit_price: order.limit.map(|limit| pair.price(limit)),
        limit_price_type: order.limit.map(|_| "static".to_owned()),
        ..bare(order, ExecType::Amended, status(order), order.touched)
    }
}

/// A fill. The one that completes the order says `partially_filled` too; `filled` comes apart.
pub(super) fn trade(state: &State, order: &Order, fill: &Fill) -> Execution {
    let pair = &state.pairs[order.pair];
    Execution {
        cum_qty: Some(pair.quantity(fill.order_filled)),
        cum_cost: Some(money(fill.order_cost)),
        avg_price: Some(average(pair, order)),
        order_status: OrderStatus::PartiallyFilled,
        ..snapshot_fill(state, order, fill)
    }
}

/// A fill as a snapshot of the last ones shows it: with `filled` and nothing of the order as a whole.
pub(crate) fn snapshot_fill(state: &State, order: &Order, fill: &Fill) -> Execution {
    let pair = &state.pairs[order.pair];
    Execution {
        exec_id: Some(fill.id.clone()),
        trade_id: Some(fill.trade),
        symbol: Some(pair.symbol.clone()),
        side: Some(order.side),
        order_type: Some(order_type(order)),
        last_qty: Some(pair.quantity(fill.quantity)),
        last_price: Some(pair.price(fill.price)),
        liquidity_ind: Some(if fill.maker { Liquidity::Maker } else { Liquidity::Taker }),
        cost: Some(money(fill.cost)),
        fee_usd_equiv: Some(money(fill.fee)),
        fees: Some(vec![Fee { asset: pair.quote.to_owned(), qty: money(fill.fee) }]),
        ..bare(order, ExecType::Trade, OrderStatus::Filled, fill.at)
    }
}

pub(super) fn filled(state: &State, order: &Order, at: UnixNanos) -> Execution {
    let pair = &state.pairs[order.pair];
    Execution {
        cum_qty: Some(pair.quantity(order.filled)),
        cum_cost: Some(money(order.cost)),
        fee_usd_equiv: Some(money(order.fee)),
        avg_price: Some(average(pair, order)),
        ..bare(order, ExecType::Filled, OrderStatus::Filled, at)
    }
}

pub(super) fn ended(state: &State, order: &Order, at: UnixNanos) -> Execution {
    let exec_type = match order.status {
        Status::Expired => ExecType::Expired,
        Status::Open | Status::Filled | Status::Canceled => ExecType::Canceled,
    };
    Execution {
        reason: order.reason.clone(),
        cancel_reason: order.reason.clone(),
        exec_type,
        order_status: status(order),
        ..filled(state, order, at)
    }
}

/// The two entries of a fill in the venue's books: of the base and of the quote.
pub(super) fn entries(state: &State, order: &Order, fill: &Fill) -> Vec<LedgerEntry> {
    let pair = &state.pairs[order.pair];
    let amount = pair.instrument.quantity(fill.quantity).decimal();
    let (base, quote) = match order.side {
        Side::Buy => (amount, -fill.cost),
        Side::Sell => (-amount, fill.cost),
    };
    let number = (state.fills.len() as u64 - 1) * 2;
    let entry = |asset: &str, amount, fee, balance, place: u64| LedgerEntry {
        ledger_id: state.id(Of::Entry, number + place),
        ref_id: state.id(Of::Trade, number / 2),
        timestamp: Stamp(fill.at),
        kind: "trade".to_owned(),
        asset: asset.to_owned(),
        asset_class: "currency".to_owned(),
        category: "trade".to_owned(),
        wallet_type: "spot".to_owned(),
        wallet_id: "main".to_owned(),
        amount: Number(amount),
        fee: Number(fee),
        balance: Number(balance),
    };
    vec![
        entry(pair.base, base, Decimal::ZERO, fill.balances.0, 0),
        entry(pair.quote, quote, fill.fee, fill.balances.1, 1),
    ]
}

/// The public word on a trade.
pub(super) fn public(
    pair: &Pair,
    trade: &engine::Trade,
    taker: Option<Side>,
    number: u64,
    at: UnixNanos,
) -> Trade {
    Trade {
        symbol: pair.symbol.clone(),
        side: taker.unwrap_or(Side::Buy),
        price: pair.price(trade.price),
        qty: pair.quantity(trade.quantity),
        ord_type: if trade.taker.is_some() { "limit" } else { "market" }.to_owned(),
        trade_id: number,
        timestamp: Stamp(at),
    }
}
