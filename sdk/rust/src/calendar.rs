//! When something trades. Decides what of a calendar is asked for; what a MarketManager does not know it refuses, and
//! nothing is guessed here either.

use crate::{error::Error, session::Session};
use reqwest::Method;
use tradewind_protocol::{
    calendar::CalendarTold,
    domain::{
        calendar::{Day, Exchange},
        ids::MarketId,
    },
};

/// Whose calendar is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalendarOf {
    Exchange(Exchange),
    Market(MarketId),
}

impl Session {
    /// The sessions of an exchange on the days from `start` to `end`, both included: at most 1,100 days at once. A day
    /// that is not known is refused. Of a Market no exchange's days may hold: it trades around the clock.
    pub async fn calendar(
        &self,
        of: &CalendarOf,
        start: Day,
        end: Day,
    ) -> Result<CalendarTold, Error> {
        let of = match of {
            CalendarOf::Exchange(exchange) => format!("exchange={exchange}"),
            CalendarOf::Market(market) => format!("market={market}"),
        };
        let path = format!("/v1/calendar?{of}&start={start}&end={end}");
        self.answered::<(), _>(Method::GET, &path, None).await
    }
}
