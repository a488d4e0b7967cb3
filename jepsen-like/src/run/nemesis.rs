//! Faults, installed and healed. Decides what each nemesis does to which process, from the plan's choice and the
//! cluster's own status; each is noted as installed, skipped with its reason, or indeterminate.

use super::{recorder::Recorder, stage::Stage};
use crate::{options::Nemesis, plan::Fault};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::{Instant, sleep_until};
use tradewind_control_client::Answer;
use tradewind_domain::ids::{ManagerKind, NodeId};
use tradewind_launcher::{Draw, Part, Victim, victim};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::Status,
    members::{LeaderTransferred, TransferLeader},
};

const STATUS_WITHIN: Duration = Duration::from_secs(2);
const TRANSFER_WITHIN: Duration = Duration::from_secs(3);
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Why a fault is not there.
enum Missed {
    Skipped(String),
    /// Whether it happened is not known.
    Indeterminate(String),
}

/// Does all faults of a plan, each at its time from `began`, and heals each.
pub(crate) async fn torment(
    stage: &mut Stage,
    faults: &[Fault],
    began: Instant,
    recorder: &Recorder,
) -> anyhow::Result<()> {
    for (number, fault) in faults.iter().enumerate() {
        sleep_until(began + Duration::from_millis(fault.at_ms)).await;
        let name = fault.nemesis.name();
        let note = |state: &str, text: String| {
            recorder.nemesis(&name, json!({"fault": number, "state": state, "text": text}));
        };
        note("begins", String::new());
        match install(stage, fault).await {
            Ok(whom) => note("installed", whom),
            Err(Missed::Skipped(why)) => note("skipped", why),
            Err(Missed::Indeterminate(why)) => note("indeterminate", why),
        }
        sleep_until(began + Duration::from_millis(fault.at_ms + fault.lasts_ms)).await;
        heal(stage).await?;
        note("healed", String::new());
    }
    Ok(())
}

/// Undoes everything that may be installed.
pub(crate) async fn heal(stage: &mut Stage) -> anyhow::Result<()> {
    stage.cluster.cut(&BTreeSet::new());
    stage.cluster.resume();
    stage.cluster.revive().await?;
    stage.cluster.reap();
    Ok(())
}

async fn install(stage: &mut Stage, fault: &Fault) -> Result<String, Missed> {
    let status = stage.client.status(STATUS_WITHIN).await;
    let status = status.map_err(|problem| Missed::Skipped(format!("no status: {problem}")))?;
    let nodes: Vec<u64> = stage.cluster.infrastructure.iter().map(|member| member.node).collect();
    let leader = status.stand.leader.map(|node| node.0);
    let leader = leader.ok_or_else(|| Missed::Skipped("nobody leads".to_string()))?;
    let mut others: Vec<u64> = nodes.iter().copied().filter(|node| *node != leader).collect();
    let mut draw = Draw::new(fault.choice);
    draw.shuffle(&mut others);
    let majority = nodes.len() / 2 + 1;
    // The leader is one of them: without him nothing would be decided anew.
    let most: Vec<u64> = [leader].into_iter().chain(others.clone()).take(majority).collect();
    let follower = others.first().copied().unwrap_or(leader);
    match fault.nemesis {
        Nemesis::None | Nemesis::Mixed => Err(Missed::Skipped("it does nothing".to_string())),
        Nemesis::KillLeader => kill(stage, &[leader]).await,
        Nemesis::KillFollower => kill(stage, &[follower]).await,
        Nemesis::KillMajority => kill(stage, &most).await,
        Nemesis::KillAll => kill(stage, &nodes).await,
        Nemesis::KillBrokerManager => {
            manager(stage, &status, ManagerKind::BrokerManager, fault).await
        }
        Nemesis::KillMarketManager => {
            manager(stage, &status, ManagerKind::MarketManager, fault).await
        }
        Nemesis::KillTraderManager => {
            manager(stage, &status, ManagerKind::TraderManager, fault).await
        }
        Nemesis::KillBroker => part(stage, &status, &Part::Broker(fault.choice)).await,
        Nemesis::KillMarket => part(stage, &status, &Part::Market(fault.choice)).await,
        Nemesis::PauseLeader => pause(stage, &[leader]),
        Nemesis::PauseFollower => pause(stage, &[follower]),
        Nemesis::PauseMajority => pause(stage, &most),
        Nemesis::PauseMarketManager => {
            let wanted = Part::Manager(ManagerKind::MarketManager, fault.choice);
            let found = victim(&status, &wanted).map_err(Missed::Skipped)?;
            let Victim::Manager(name) = &found else {
                return Err(Missed::Skipped(format!("{found} is no Manager")));
            };
            let process = stage.cluster.manager_process(name);
            let process = process.ok_or_else(|| Missed::Skipped(format!("no {name}")))?;
            process.pause();
            Ok(format!("{name} stands still"))
        }
        Nemesis::Partition => Ok(cut(stage, both(&[leader], &others))),
        Nemesis::PartitionMinority => {
            let (minority, rest) = others.split_at(nodes.len() / 2);
            let with_leader: Vec<u64> = rest.iter().copied().chain([leader]).collect();
            Ok(cut(stage, both(minority, &with_leader)))
        }
        Nemesis::PartitionOneWay => {
            let to_nobody = draw.below(2) == 0;
            let one = |other: &u64| if to_nobody { (leader, *other) } else { (*other, leader) };
            Ok(cut(stage, others.iter().map(one).collect()))
        }
        Nemesis::PartitionRing => Ok(cut(stage, ring(leader, &others))),
        Nemesis::Transfer => transfer(stage, follower).await,
        Nemesis::RollingRestart => rolling(stage, &nodes).await,
    }
}

async fn kill(stage: &mut Stage, nodes: &[u64]) -> Result<String, Missed> {
    // All at once: nobody notices that the first has gone before the last has.
    stage.cluster.kill_members(nodes).await;
    Ok(format!("kill -9 of members {nodes:?}"))
}

async fn manager(
    stage: &mut Stage,
    status: &Status,
    kind: ManagerKind,
    fault: &Fault,
) -> Result<String, Missed> {
    part(stage, status, &Part::Manager(kind, fault.choice)).await
}

async fn part(stage: &mut Stage, status: &Status, part: &Part) -> Result<String, Missed> {
    let found = victim(status, part).map_err(Missed::Skipped)?;
    stage.cluster.kill(&found).await;
    Ok(format!("kill -9 of {found}"))
}

fn pause(stage: &Stage, nodes: &[u64]) -> Result<String, Missed> {
    for node in nodes {
        let process = stage.cluster.member_process(*node);
        process.ok_or_else(|| Missed::Skipped(format!("member {node} does not run")))?.pause();
    }
    Ok(format!("members {nodes:?} stand still"))
}

/// Links in both directions between two sides.
fn both(one: &[u64], other: &[u64]) -> BTreeSet<(u64, u64)> {
    let pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
    pairs.flat_map(|(a, b)| [(a, b), (b, a)]).collect()
}

/// All links but those between neighbours in a ring; of three members the one between the leader and one other.
fn ring(leader: u64, others: &[u64]) -> BTreeSet<(u64, u64)> {
    let all: Vec<u64> = [leader].into_iter().chain(others.iter().copied()).collect();
    let mut cut = BTreeSet::new();
    for (place, one) in all.iter().enumerate() {
        for (other_place, other) in all.iter().enumerate().skip(place + 1) {
            let apart = other_place - place;
            let neighbours = apart == 1 || (apart == all.len() - 1 && all.len() > 3);
            if !neighbours {
                cut.extend([(*one, *other), (*other, *one)]);
            }
        }
    }
    cut
}

fn cut(stage: &Stage, links: BTreeSet<(u64, u64)>) -> String {
    stage.cluster.cut(&links);
    let links: Vec<String> = links.iter().map(|(from, to)| format!("{from}->{to}")).collect();
    format!("cut {}", links.join(" "))
}

async fn transfer(stage: &Stage, to: u64) -> Result<String, Missed> {
    let body = TransferLeader { to: Some(NodeId(to)) };
    let (path, key) = ("/v1/leader/transfer", stage.keys.next());
    let asked: Answer<LeaderTransferred> =
        stage.client.change(Method::POST, path, &body, &key, TRANSFER_WITHIN).await;
    match asked {
        Answer::Accepted(done) => Ok(format!("member {} leads", done.to)),
        Answer::Refused(problem) => Err(Missed::Skipped(problem.to_string())),
        Answer::Unknown(problem) => Err(Missed::Indeterminate(problem.to_string())),
    }
}

/// Each member stops in order and comes back before the next one goes.
async fn rolling(stage: &mut Stage, nodes: &[u64]) -> Result<String, Missed> {
    for node in nodes {
        stage.cluster.stop_member(*node, STOP_WITHIN).await;
        let started = stage.cluster.start_member(*node).await;
        started.map_err(|error| Missed::Indeterminate(error.to_string()))?;
    }
    Ok(format!("members {nodes:?} were restarted one after the other"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_leaves_each_member_two_neighbours_and_three_members_one_link_less() {
        let five = ring(3, &[1, 2, 4, 5]);
        assert_eq!(five.len(), 10);
        for node in 1..=5 {
            assert_eq!(five.iter().filter(|(from, _)| *from == node).count(), 2);
        }
        assert_eq!(ring(3, &[1, 2]), BTreeSet::from([(3, 2), (2, 3)]));
        assert_eq!(both(&[1], &[2, 3]).len(), 4);
    }
}
