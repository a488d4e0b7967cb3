//! What was traded, in bars. Decides what of it is asked for; what a bar is, and which of them may lack trades, is told by the
//! MarketManager that has read the trades.

use crate::{error::Error, session::Session};
use reqwest::Method;
use tradewind_protocol::{
    bars::Bars,
    domain::{ids::InstrumentId, time::UnixNanos, trading::bars::Timeframe},
};

impl Session {
    /// The bars of an instrument that begin from `start` to `end`, both included, at most 1,000 of them: what follows begins
    /// at `next`. Without a `start` the last ones are told.
    ///
    /// They are made of the trades that this session's MarketManager has read since `from`: before it bars are missing, and
    /// the first question may be what begins to read them. Another MarketManager has another `from`.
    pub async fn bars(
        &self,
        instrument: &str,
        timeframe: Timeframe,
        start: Option<UnixNanos>,
        end: Option<UnixNanos>,
    ) -> Result<Bars, Error> {
        let path = path(&InstrumentId::new(instrument)?, timeframe, start, end);
        self.answered::<(), _>(Method::GET, &path, None).await
    }
}

fn path(
    instrument: &InstrumentId,
    timeframe: Timeframe,
    start: Option<UnixNanos>,
    end: Option<UnixNanos>,
) -> String {
    let bound = |name, at: Option<UnixNanos>| at.map(|at| format!("&{name}={at}"));
    let bounds: String = [bound("start", start), bound("end", end)].into_iter().flatten().collect();
    format!("/v1/bars/{instrument}?timeframe={timeframe}{bounds}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_not_asked_for() -> Result<(), Error> {
        let (btc, at) = (InstrumentId::new("BTC/USD")?, Some(UnixNanos(0)));
        assert_eq!(path(&btc, Timeframe::OneHour, None, None), "/v1/bars/BTC/USD?timeframe=1h");
        let bounded = "/v1/bars/BTC/USD?timeframe=1m&start=1970-01-01T00:00:00.000000000Z\
            &end=1970-01-01T00:00:00.000000000Z";
        assert_eq!(path(&btc, Timeframe::OneMinute, at, at), bounded);
        Ok(())
    }
}
