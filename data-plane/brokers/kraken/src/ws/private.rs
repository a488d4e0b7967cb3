//! Private channels. Decides the shapes of `executions` and `balances`. Later messages of an order are thin:
//! nearly every field may be absent, and is then as it was before.

use serde::{Deserialize, Serialize};
use tradewind_domain::trading::Side;

use super::Kind;
use super::request::OrderType;
use crate::number::Number;
use crate::stamp::Stamp;

/// A message of a private channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Private {
    Executions(Kind, Vec<Execution>),
    /// A snapshot of balances.
    Balances(Vec<Balance>),
    /// Changes of balances, one for each entry of the venue's books.
    Entries(Vec<LedgerEntry>),
}

/// What happened to an order. There is no refusal among them: that is only in the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecType {
    PendingNew,
    New,
    Trade,
    Filled,
    IcebergRefill,
    Canceled,
    Expired,
    Amended,
    Restated,
    Status,
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    PendingNew,
    New,
    PartiallyFilled,
    Filled,
    Canceled,
    Expired,
    #[serde(other)]
    Unknown,
}

/// Who paid for immediacy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Liquidity {
    #[serde(rename = "m")]
    Maker,
    #[serde(rename = "t")]
    Taker,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    pub asset: String,
    pub qty: Number,
}

message! {
    /// One event of one order.
    Execution {
        order_id: String,
        exec_type: ExecType,
        order_status: OrderStatus,
        timestamp: Stamp,
    } optional {
        cl_ord_id: String,
        order_userref: i64,
        symbol: String,
        side: Side,
        order_type: OrderType,
        /// In capitals here, in small letters in requests.
        time_in_force: String,
        order_qty: Number,
        cash_order_qty: Number,
        display_qty: Number,
        limit_price: Number,
        limit_price_type: String,
        stop_price: Number,
        post_only: bool,
        reduce_only: bool,
        effective_time: String,
        expire_time: String,
        /// What is filled of the order by now.
        cum_qty: Number,
        cum_cost: Number,
        avg_price: Number,
        /// Of a `trade`: names the fill, as `TradesHistory` does.
        exec_id: String,
        /// Number of the public trade.
        trade_id: u64,
        last_qty: Number,
        last_price: Number,
        cost: Number,
        liquidity_ind: Liquidity,
        fees: Vec<Fee>,
        fee_usd_equiv: Number,
        fee_ccy_pref: String,
        amended: bool,
        reason: String,
        cancel_reason: String,
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    pub asset: String,
    pub asset_class: String,
    pub balance: Number,
    pub wallets: Vec<Wallet>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wallet {
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub balance: Number,
}

/// Two of them belong to each trade, under one `ref_id`. What open orders hold is in none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub ledger_id: String,
    pub ref_id: String,
    pub timestamp: Stamp,
    #[serde(rename = "type")]
    pub kind: String,
    pub asset: String,
    pub asset_class: String,
    pub category: String,
    pub wallet_type: String,
    pub wallet_id: String,
    pub amount: Number,
    pub fee: Number,
    pub balance: Number,
}
