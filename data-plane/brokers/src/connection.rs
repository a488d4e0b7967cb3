//! Keeping the venue connected. Decides when it is dialled again (for ever, soon at first) and who hears
//! what: quotes go past the ledger, everything else to it, in the venue's order.

use crate::{
    keeper::FromVenue,
    limits::TICK_EVERY,
    quotes::Quotes,
    venue::{Event, Venue},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tradewind_domain::limits::{REDIAL_FIRST, REDIAL_MAX};

/// Runs until told to stop or the keeper is gone. May be cancelled: the connection ends with it.
pub(crate) async fn keep(
    venue: Arc<dyn Venue>,
    keeper: mpsc::Sender<FromVenue>,
    quotes: Quotes,
    shutdown: CancellationToken,
) {
    let work = async {
        let mut wait = REDIAL_FIRST;
        loop {
            let why = match venue.connect().await {
                Ok(connection) => {
                    tracing::info!("venue connected");
                    wait = REDIAL_FIRST;
                    quotes.connected(connection.link.clone());
                    let up = FromVenue::Up(connection.link.clone());
                    if keeper.send(up).await.is_err() {
                        return;
                    }
                    let mut events = connection.events;
                    if !carry(&mut events, &keeper, &quotes).await {
                        return;
                    }
                    quotes.lost();
                    "the connection to the venue was lost".to_string()
                }
                Err(error) => error.to_string(),
            };
            tracing::warn!(why, "venue away");
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

fn next_wait(wait: Duration) -> Duration {
    (wait * 2).min(REDIAL_MAX)
}

/// Until the connection ends; `false` if the keeper has.
async fn carry(
    events: &mut mpsc::Receiver<Event>,
    keeper: &mpsc::Sender<FromVenue>,
    quotes: &Quotes,
) -> bool {
    let mut look = tokio::time::interval(TICK_EVERY * 10);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(Event::Quote { instrument, quote }) => quotes.put(&instrument, quote),
                Some(event) => {
                    if keeper.send(FromVenue::Event(event)).await.is_err() {
                        return false;
                    }
                }
                None => return true,
            },
            _ = look.tick() => quotes.judge(),
        }
    }
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
}
