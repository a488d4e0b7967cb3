//! Brakes: an algo has its orders canceled when it is not heard, or reduces or halts its customer's own trading on an
//! account. Decides nothing; both hold as soon as the account's Broker has them on disk, whoever leads the cluster or does
//! not. Only an operator loosens what was tightened.

use crate::{error::Error, session::Session};
use reqwest::Method;
use std::time::Duration;
use tradewind_protocol::{
    domain::{control::risk::TradingState, ids::AccountId},
    orders::{AccountTradingState, CancelAllAfter, CancelTimers},
    resources::TradingStateSpec,
};

impl Session {
    /// `Reducing` takes only what makes a position smaller; `Halted` takes nothing, and open orders are canceled. Gives
    /// what holds from then on, which may be tighter. Looser than what holds is refused.
    pub async fn tighten(
        &self,
        account: &AccountId,
        state: TradingState,
    ) -> Result<TradingState, Error> {
        let path = format!("/v1/accounts/{account}/trading_state");
        let body = TradingStateSpec { state };
        let told: AccountTradingState = self.answered(Method::PUT, &path, Some(&body)).await?;
        Ok(told.word.state)
    }

    /// All open orders on all accounts are canceled unless this is called again within that time (1 s to 24 h); `None` stops
    /// it. It is kept by the accounts' Brokers: it fires although this process is dead and MarketManagers are.
    pub async fn cancel_all_after(&self, after: Option<Duration>) -> Result<(), Error> {
        let after_ms = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let body = CancelAllAfter { account: None, after_ms };
        let told = self.answered(Method::POST, "/v1/cancel_all_after", Some(&body)).await;
        told.map(|CancelTimers { .. }| ())
    }
}
