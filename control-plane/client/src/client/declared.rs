//! What is declared: customers, accounts, Markets, Traders. Decides nothing but where each stands.

use super::ControlClient;
use crate::answer::Answer;
use std::time::Duration;
use tradewind_domain::{
    control::{
        IdempotencyKey,
        row::{AccountSpec, CustomerSpec, MarketSpec, TraderSpec},
    },
    ids::{AccountId, CustomerId, MarketId, TraderId},
};
use tradewind_link::rest::Method;
use tradewind_protocol::control::Changed;

impl ControlClient {
    pub async fn put_customer(
        &self,
        customer: &CustomerId,
        spec: &CustomerSpec,
        key: &IdempotencyKey,
        within: Duration,
    ) -> Answer<Changed> {
        self.change(Method::PUT, &format!("/v1/customers/{customer}"), spec, key, within).await
    }

    pub async fn put_account(
        &self,
        account: &AccountId,
        spec: &AccountSpec,
        key: &IdempotencyKey,
        within: Duration,
    ) -> Answer<Changed> {
        self.change(Method::PUT, &format!("/v1/accounts/{account}"), spec, key, within).await
    }

    pub async fn put_market(
        &self,
        market: &MarketId,
        spec: &MarketSpec,
        key: &IdempotencyKey,
        within: Duration,
    ) -> Answer<Changed> {
        self.change(Method::PUT, &format!("/v1/markets/{market}"), spec, key, within).await
    }

    pub async fn put_trader(
        &self,
        trader: &TraderId,
        spec: &TraderSpec,
        key: &IdempotencyKey,
        within: Duration,
    ) -> Answer<Changed> {
        self.change(Method::PUT, &format!("/v1/traders/{trader}"), spec, key, within).await
    }
}
