//! Keeping the venue connected: the main connection, which orders go over. Decides when it is dialled again (for ever,
//! soon at first) and who hears what: quotes and trades go past the ledger, everything else to it, in the venue's order.
//! Connections besides it are kept in [`market_data`].

pub(crate) mod market_data;

use crate::{
    connects::right::Right,
    keeper::FromVenue,
    quotes::Quotes,
    standing::Standing,
    venue::{Dials, Event, Permission, Purpose, Venue},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    limits::{REDIAL_FIRST, REDIAL_MAX, SWEEP_MARGIN},
    time::UnixNanos,
    trading::spread::MAIN,
};
use tradewind_node::clock;

/// Runs until told to stop or the keeper is gone. May be cancelled: the connection ends with it.
pub(crate) async fn keep(
    venue: Arc<dyn Venue>,
    keeper: mpsc::Sender<FromVenue>,
    quotes: Quotes,
    may: Arc<dyn Permission>,
    standing: Arc<Standing>,
    shutdown: CancellationToken,
) {
    let work = async {
        let mut wait = REDIAL_FIRST;
        loop {
            let why = match venue.connect(may.clone()).await.map_err(|error| error.to_string()) {
                Err(why) => why,
                Ok(connection) => match clocks_agree(clock::now(), connection.time) {
                    Err(why) => why,
                    Ok(()) => {
                        tracing::info!("venue connected");
                        let since = Instant::now();
                        quotes.connected(MAIN, connection.link.clone(), connection.room);
                        standing.connected(clock::now());
                        let up = FromVenue::Up(connection.link.clone());
                        if keeper.send(up).await.is_err() {
                            return;
                        }
                        let mut events = connection.events;
                        if !carry(&mut events, &keeper, &quotes).await {
                            return;
                        }
                        quotes.lost(MAIN);
                        // A venue that takes us in and hangs up is not dialled without a wait.
                        if since.elapsed() > REDIAL_MAX {
                            wait = REDIAL_FIRST;
                        }
                        "the connection to the venue was lost".to_string()
                    }
                },
            };
            tracing::warn!(why, "venue away");
            standing.away(&why, clock::now());
            if keeper.send(FromVenue::Down(why)).await.is_err() {
                return;
            }
            tokio::time::sleep(wait).await;
            wait = next_wait(wait);
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.cancelled() => {}
    }
}

/// How an adapter asks for the right to dial. That it waits for it is told.
pub(crate) struct Asking {
    pub(crate) right: Right,
    pub(crate) keeper: mpsc::Sender<FromVenue>,
    pub(crate) standing: Arc<Standing>,
}

impl Permission for Asking {
    fn granted(&self, dials: Dials) -> BoxFuture<'_, ()> {
        async move {
            while let Some((wait, why)) = self.right.ask(&dials).await {
                let wait_ms = wait.as_millis();
                tracing::warn!(why, wait_ms, purpose = ?dials.purpose, "not dialling the venue yet");
                match dials.purpose {
                    Purpose::Orders => {
                        self.standing.waits(&why, clock::now());
                        // Without a keeper all of this is about to end.
                        let _ = self.keeper.send(FromVenue::Down(why)).await;
                    }
                    Purpose::MarketData => self.standing.data_waits(&why),
                }
                tokio::time::sleep(wait).await;
            }
        }
        .boxed()
    }
}

/// What the venue does not list was never placed: that is evidence only while the times of both mean the
/// same. Sweeps begin `SWEEP_MARGIN` before what was seen last, so half of it is left for what is late.
fn clocks_agree(ours: UnixNanos, venues: UnixNanos) -> Result<(), String> {
    let apart = ours.since(venues).max(venues.since(ours));
    if apart > SWEEP_MARGIN / 2 {
        return Err(format!(
            "its clock and ours are {} s apart: set this machine's clock, then it goes on by itself",
            apart.as_secs()
        ));
    }
    Ok(())
}

fn next_wait(wait: Duration) -> Duration {
    (wait * 2).min(REDIAL_MAX)
}

/// Until the connection ends; `false` if the keeper has.
async fn carry(
    events: &mut mpsc::Receiver<Event>,
    keeper: &mpsc::Sender<FromVenue>,
    quotes: &Quotes,
) -> bool {
    while let Some(event) = events.recv().await {
        if let Some(event) = quotes.hear(MAIN, event)
            && keeper.send(FromVenue::Event(event)).await.is_err()
        {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_redial_comes_at_once_and_none_waits_longer_than_the_longest() {
        assert!(REDIAL_FIRST <= Duration::from_millis(20));
        let mut wait = REDIAL_FIRST;
        for _ in 0..20 {
            wait = next_wait(wait);
        }
        assert_eq!(wait, REDIAL_MAX);
    }

    #[test]
    fn a_venue_whose_clock_is_far_from_ours_is_not_traded_with() {
        let at = |seconds: u64| UnixNanos(seconds * 1_000_000_000);
        assert!(clocks_agree(at(1_000), at(1_029)).is_ok());
        assert!(clocks_agree(at(1_029), at(1_000)).is_ok());
        for (ours, venues) in [(1_000, 1_031), (1_031, 1_000), (1_000, 5_000)] {
            let why = clocks_agree(at(ours), at(venues)).err().unwrap_or_default();
            assert!(why.contains("clock"), "{why}");
        }
    }
}
