//! Leaders killed and stopped while writes go on. Decides when a kill may come: all members are there
//! and have what the leader has, and some time has passed since, so that no outage hides another.

use super::{
    members::Members,
    report::Outages,
    writes::{WRITERS, Writes, outages},
};
use anyhow::bail;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::control::{Changed, PutRegister};

/// Quiet time before a kill.
const REST: Duration = Duration::from_millis(300);
/// Planned stops: they cost little and vary little.
const TRANSFERS_MAX: u32 = 20;
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Kills, then planned stops (SIGTERM), of leading InfrastructureManagers.
pub(crate) async fn ours(mut members: Members, kills: u32) -> anyhow::Result<(Outages, Outages)> {
    let mut writes = Writes::default();
    for number in 0..WRITERS {
        writes.add(writer(&members, number)?);
    }
    let mut killed = Vec::new();
    for _ in 0..kills {
        let leader = quiet(&members, &writes).await?;
        let since = Instant::now();
        members.cluster.kill_member(leader).await;
        killed.push(writes.outage_since(since).await?);
        members.cluster.start_member(leader).await?;
    }
    let mut handed_over = Vec::new();
    for _ in 0..kills.min(TRANSFERS_MAX) {
        let leader = quiet(&members, &writes).await?;
        let since = Instant::now();
        if !members.cluster.stop_member(leader, STOP_WITHIN).await {
            bail!("member {leader} did not stop within {STOP_WITHIN:?}");
        }
        writes.outage_since(Instant::now()).await?;
        handed_over.push(writes.longest_pause_since(since));
        members.cluster.start_member(leader).await?;
    }
    drop(writes);
    members.cluster.stop().await;
    let (kills, transfers) = (Some(killed.len()), Some(handed_over.len()));
    Ok((Outages { kills, ..outages(killed) }, Outages { transfers, ..outages(handed_over) }))
}

/// Waits until the group is whole and has been so for a moment. Gives the leader.
async fn quiet(members: &Members, writes: &Writes) -> anyhow::Result<u64> {
    members.whole().await?;
    tokio::time::sleep(REST).await;
    writes.clear();
    Ok(members.leader().await?.0)
}

/// A client that knows all members.
fn writer(members: &Members, number: u32) -> anyhow::Result<impl AsyncFnMut() -> bool + 'static> {
    let client = ControlClient::new(members.cluster.members(), Rest::default());
    let keys = KeySource::new(format!("failover-{number}").parse()?, Arc::new(crate::clock::now))
        .following(client.time());
    let path = format!("/v1/registers/failover-{number}");
    let mut n = 0_u64;
    Ok(async move || {
        n += 1;
        let body = PutRegister { value: n.to_string(), expected: None };
        let answer: Answer<Changed> =
            client.change(Method::PUT, &path, &body, &keys.next(), WRITE_WITHIN).await;
        matches!(answer, Answer::Accepted(_))
    })
}

/// The same kills of an etcd with timers like ours.
#[cfg(feature = "compare-etcd")]
pub(crate) async fn etcd(directory: &std::path::Path, kills: u32) -> anyhow::Result<Outages> {
    use super::etcd::{Etcd, value};
    let mut etcd = Etcd::start(directory, Some((50, 250))).await?;
    let mut writes = Writes::default();
    for number in 0..WRITERS {
        let mut clients = Vec::new();
        for member in 0..3 {
            clients.push(etcd.client(member).await?);
        }
        let mut at = number as usize;
        writes.add(async move || {
            let put = clients[at % 3].put(format!("failover-{number}"), value(number), None);
            let accepted = matches!(tokio::time::timeout(ETCD_ATTEMPT, put).await, Ok(Ok(_)));
            if !accepted {
                // A write sent to a follower that still believes in a dead leader is lost.
                at += 1;
            }
            accepted
        });
    }
    let mut killed = Vec::new();
    for _ in 0..kills {
        etcd.whole().await?;
        tokio::time::sleep(REST).await;
        writes.clear();
        let leader = etcd.whole().await?;
        let since = Instant::now();
        etcd.kill_member(leader).await?;
        killed.push(writes.outage_since(since).await?);
        etcd.start_member(leader)?;
    }
    let kills = Some(killed.len());
    Ok(Outages { kills, ..outages(killed) })
}

/// One attempt at one member of etcd.
#[cfg(feature = "compare-etcd")]
const ETCD_ATTEMPT: Duration = Duration::from_millis(100);
