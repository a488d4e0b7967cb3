//! A Broker that is killed. Decides when its data is live again: when an algo has a quote that the venue made after the
//! kill, which no other process can have carried. Before each kill its floor is measured.

use super::{
    floor::{Start, Starts},
    site::{API_KEY, Site, WITHIN},
};
use crate::bench::measured::hundredths;
use anyhow::{Context as _, anyhow};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use tradewind_domain::{
    control::row::{AccountSpec, MarketSpec, Route},
    ids::{AccountId, MarketId, VenueId},
    time::UnixNanos,
};
use tradewind_launcher::{Part, victim};
use tradewind_sdk::{Quotes, Session};

/// Quiet time before a kill, so that none meets what another has left.
const REST: Duration = Duration::from_secs(2);
const INSTRUMENT: &str = "BTC/USD";

#[derive(Serialize)]
pub(super) struct Restart {
    pub(super) kills: u32,
    pub(super) median_ms: f64,
    pub(super) worst_ms: f64,
    /// In turns with the kills.
    pub(super) start: Start,
    pub(super) median_by_start: f64,
}

/// More kills than a Manager starts again at once would measure how long it waits.
pub(super) async fn restarts(site: &mut Site, kills: u32) -> anyhow::Result<Restart> {
    let account = declare(site).await?;
    let session = session(site, &account).await?;
    let mut quotes = session.quotes(INSTRUMENT).await?;
    after(&mut quotes, UnixNanos(0)).await?;
    let (mut took, mut starts) = (Vec::new(), Starts::new().await?);
    for _ in 0..kills {
        sleep(REST).await;
        starts.turn().await?;
        let status = site.client.status(WITHIN).await.context("whom to kill")?;
        let broker = victim(&status, &Part::BrokerOf(account.clone()));
        let broker = broker.map_err(|why| anyhow!("no Broker to kill: {why}"))?;
        let began = Instant::now();
        site.cluster.kill(&broker).await;
        after(&mut quotes, crate::clock::now()).await?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    let millis = |took: Duration| hundredths(took.as_secs_f64() * 1e3);
    let (median_ms, worst_ms) = (millis(took[took.len() / 2]), millis(took[took.len() - 1]));
    let start = starts.measured();
    // Some milliseconds: never zero.
    let median_by_start = hundredths(median_ms / start.median_ms);
    Ok(Restart { kills, median_ms, worst_ms, start, median_by_start })
}

/// Reads until a quote comes that was made after `since`, by the machine's clock, which is the venue's too.
async fn after(quotes: &mut Quotes, since: UnixNanos) -> anyhow::Result<()> {
    let live = async {
        while quotes.next().await?.at <= since {}
        anyhow::Ok(())
    };
    timeout(WITHIN, live).await.with_context(|| format!("no live quote within {WITHIN:?}"))?
}

async fn declare(site: &Site) -> anyhow::Result<AccountId> {
    let (account, venue) = (AccountId::new("sim-1")?, "sim".parse::<VenueId>()?);
    let spec = AccountSpec {
        venue: venue.clone(),
        adapter: "sim".to_string(),
        endpoint: site.cluster.venue_address(),
        customers: BTreeSet::from([site.customer.clone()]),
    };
    site.client.put_account(&account, &spec, &site.keys.next(), WITHIN).await.accepted()?;
    let instrument = INSTRUMENT.parse()?;
    let route = Route { instrument, data_venue: venue.clone(), order_venue: venue };
    let (market, spec) = (MarketId::new("crypto")?, MarketSpec { routes: vec![route] });
    site.client.put_market(&market, &spec, &site.keys.next(), WITHIN).await.accepted()?;
    Ok(account)
}

/// A session that knows of the account.
async fn session(site: &Site, account: &AccountId) -> anyhow::Result<Session> {
    let known = async {
        loop {
            let members = site.cluster.members();
            let builder = Session::builder().infrastructure_managers(members).api_key(API_KEY);
            let session = builder.connect().await?;
            if session.accounts().contains(account) {
                return anyhow::Ok(session);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(WITHIN, known).await.with_context(|| format!("no session within {WITHIN:?}"))?
}
