//! Services of a Manager that is killed. Decides when they count as serving elsewhere: when the Manager they were moved to
//! says itself that they are live.

use super::site::{Site, WITHIN};
use crate::bench::measured::hundredths;
use anyhow::bail;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Quiet time before the loss.
const REST: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(5);

#[derive(Serialize)]
pub(super) struct Moved {
    pub(super) services: u32,
    /// From the kill on.
    pub(super) first_live_seconds: f64,
    pub(super) all_live_seconds: f64,
}

/// The customer's Traders are all with one TraderManager, which is killed; they go to the other, where there are none.
pub(super) async fn measure(site: &mut Site, services: u32) -> anyhow::Result<Moved> {
    let since = Instant::now();
    site.declare_traders(services).await?;
    let (mut from, mut to) = (site.traders_at(0)?, site.traders_at(1)?);
    while site.live(&from.address).await?.is_empty() {
        if since.elapsed() > WITHIN {
            bail!("no service was live within {WITHIN:?}");
        }
        std::mem::swap(&mut from, &mut to);
        sleep(POLL).await;
    }
    site.all_live(services, &from.address, since).await?;
    sleep(REST).await;
    let lost = Instant::now();
    site.cluster.kill_manager(&from.name).await;
    while site.live(&to.address).await?.is_empty() {
        if lost.elapsed() > WITHIN {
            bail!("no service was taken over within {WITHIN:?}");
        }
        sleep(POLL).await;
    }
    let first_live_seconds = hundredths(lost.elapsed().as_secs_f64());
    site.all_live(services, &to.address, lost).await?;
    let all_live_seconds = hundredths(lost.elapsed().as_secs_f64());
    Ok(Moved { services, first_live_seconds, all_live_seconds })
}
