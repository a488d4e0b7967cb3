//! Positions: what the customer holds. Decides nothing; a state with the number it is as of, not a stream.

use crate::{error::Error, session::Session};
use reqwest::Method;
use tradewind_protocol::orders::{AccountPositions, Positions};

impl Session {
    /// The customer's positions on all his accounts, each as of a number of his private streams there: fills with a
    /// higher one come on top.
    pub async fn positions(&self) -> Result<Vec<AccountPositions>, Error> {
        let told: Positions = self.answered::<(), _>(Method::GET, "/v1/positions", None).await?;
        Ok(told.accounts)
    }
}
