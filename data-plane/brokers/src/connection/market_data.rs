//! Connections for market data alone, where a venue takes only so many instruments on one. Decides when each is dialled
//! again; how many there are and what comes over which is decided by the spread. They share the right to connect with the
//! main connection, and are not dialled while that is away: orders come first.

use super::next_wait;
use crate::{
    limits::TICK_EVERY,
    quotes::Quotes,
    standing::Standing,
    venue::{Connection, Permission, Venue},
};
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    limits::{REDIAL_FIRST, REDIAL_MAX},
    trading::spread::ConnectionNumber,
};

/// Keeps those that are wanted, and tells how all subscriptions are, until told to stop. May be cancelled: the connections
/// end with it.
pub(crate) async fn keep(
    venue: Arc<dyn Venue>,
    quotes: Quotes,
    may: Arc<dyn Permission>,
    standing: Arc<Standing>,
    shutdown: CancellationToken,
) {
    let mut wish = quotes.wish();
    let mut look = tokio::time::interval(TICK_EVERY * 10);
    let mut tasks = JoinSet::new();
    let mut kept: BTreeMap<ConnectionNumber, AbortHandle> = BTreeMap::new();
    loop {
        let wanted = wish.borrow_and_update().data.clone();
        kept.retain(|at, task| {
            let stays = wanted.contains(at);
            if !stays {
                tracing::info!(connection = at.0, "data connection given up");
                task.abort();
            }
            stays
        });
        for at in wanted {
            let (venue, quotes, may) = (venue.clone(), quotes.clone(), may.clone());
            kept.entry(at).or_insert_with(|| tasks.spawn(keep_one(at, venue, quotes, may)));
        }
        tokio::select! {
            changed = wish.changed() => if changed.is_err() { return },
            // One that was given up.
            Some(_) = tasks.join_next() => {}
            _ = look.tick() => standing.reads(quotes.judge()),
            () = shutdown.cancelled() => return,
        }
    }
}

/// Until it is given up.
async fn keep_one(
    at: ConnectionNumber,
    venue: Arc<dyn Venue>,
    quotes: Quotes,
    may: Arc<dyn Permission>,
) {
    let mut wish = quotes.wish();
    let mut wait = REDIAL_FIRST;
    while wish.wait_for(|wish| wish.main_stands).await.is_ok() {
        let connected = tokio::select! {
            connected = venue.connect_for_data(may.clone()) => connected,
            // The right that it waits for is the main one's now.
            _ = wish.wait_for(|wish| !wish.main_stands) => continue,
        };
        match connected {
            Err(error) => tracing::warn!(connection = at.0, %error, "no data connection"),
            Ok(connection) => {
                let since = Instant::now();
                tracing::info!(connection = at.0, room = connection.room, "data connection stands");
                carry(at, connection, &quotes).await;
                quotes.lost(at);
                tracing::warn!(connection = at.0, "data connection lost");
                if since.elapsed() > REDIAL_MAX {
                    wait = REDIAL_FIRST;
                }
            }
        }
        sleep(wait).await;
        wait = next_wait(wait);
    }
}

/// Until the connection ends.
async fn carry(at: ConnectionNumber, connection: Connection, quotes: &Quotes) {
    let Connection { link, room, mut events, tasks: _tasks, .. } = connection;
    quotes.connected(at, link, room);
    while let Some(event) = events.recv().await {
        if let Some(event) = quotes.hear(at, event) {
            tracing::error!(?event, "a data connection speaks of orders");
        }
    }
}
