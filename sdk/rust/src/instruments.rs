//! What is traded, and where. Decides that a list which is told in parts is asked for to its end.

use crate::{error::Error, session::Session};
use reqwest::Method;
use tradewind_protocol::{
    domain::ids::InstrumentId,
    instruments::{InstrumentInfo, Instruments},
};

impl Session {
    /// All instruments that are traded on any Market, in the order of their names.
    pub async fn instruments(&self) -> Result<Vec<InstrumentInfo>, Error> {
        let mut all = Vec::new();
        let mut path = "/v1/instruments".to_string();
        loop {
            let told: Instruments = self.answered::<(), _>(Method::GET, &path, None).await?;
            all.extend(told.instruments);
            let Some(next) = told.next else { return Ok(all) };
            path = format!("/v1/instruments?after={next}");
        }
    }

    /// One of them; `Refused` with `not_found` if it is not traded here.
    pub async fn instrument(&self, instrument: &str) -> Result<InstrumentInfo, Error> {
        let path = format!("/v1/instruments/{}", InstrumentId::new(instrument)?);
        self.answered::<(), _>(Method::GET, &path, None).await
    }
}
