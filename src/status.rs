//! `tradewind status`: the cluster as any member tells it. Decides the form of the table, and what counts
//! as a change of it.

use crate::{
    cli::{Format, StatusArgs},
    exit::one_document,
    resource::{said, steadily},
};
use anyhow::Context as _;
use std::{fmt::Write as _, time::Duration};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::ControlClient;
use tradewind_domain::{
    control::{drain::DrainRow, scale::ProvisionRow},
    ids::{NodeId, Revision},
};
use tradewind_link::rest::Rest;
use tradewind_protocol::{
    control::{RebalanceStatus, Stand, Status},
    drains::DrainView,
    resources::TradingStateInfo,
    scale::ProvisioningInfo,
};

const WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &StatusArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let client = ControlClient::new(args.addr.clone(), Rest::default());
    if args.watch {
        let look = async || look(args, &client).await;
        let differs = |now: &Status, shown: &Status| changed(args.output, now, shown);
        return steadily(args.output, &stop, look, differs, |_, now| form(args.output, now)).await;
    }
    one_document(args.output, false)?;
    let shown = look(args, &client).await?;
    said(&form(args.output, &shown)?).map(drop)
}

async fn look(args: &StatusArgs, client: &ControlClient) -> anyhow::Result<Status> {
    if args.stale {
        client.read("/v1/status?consistency=stale", WITHIN).await
    } else {
        client.status(WITHIN).await
    }
    .with_context(|| format!("no status from {}", args.addr.join(", ")))
}

fn changed(output: Format, now: &Status, shown: &Status) -> anyhow::Result<bool> {
    let (now, shown) = (steady(now), steady(shown));
    match output {
        Format::Table => Ok(form(output, &now)? != form(output, &shown)?),
        Format::Json | Format::Jsonl => Ok(now != shown),
    }
}

/// Without what changes all the time: how far the log has come.
fn steady(status: &Status) -> Status {
    let mut status = status.clone();
    status.stand = Stand { revision: Revision(0), age_ms: None, ..status.stand };
    status.members.iter_mut().for_each(|member| member.matched = None);
    status
}

fn form(output: Format, status: &Status) -> anyhow::Result<String> {
    Ok(match output {
        Format::Json => serde_json::to_string_pretty(status)? + "\n",
        Format::Jsonl => serde_json::to_string(status)? + "\n",
        Format::Table => table(status)?,
    })
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Of an answer that asked nobody: whoever is named as the leader may lead no more.
fn unconfirmed(node: NodeId, age_ms: Option<u64>) -> String {
    let age = age_ms.map_or_else(
        || "it has heard of no leader since it started".to_owned(),
        |age| format!("it heard of its leader, or of a quorum, {age} ms ago"),
    );
    format!("STALE: as node {node} has it, the leader is not confirmed; {age}")
}

/// What an operator has begun or is to do something about: nothing where all is as it should be.
fn unusual(status: &Status) -> String {
    let mut lines = Vec::new();
    for drain in &status.drains {
        let DrainRow { target, state, by, overdue, .. } = &drain.row;
        let alarm = if overdue.is_some() { "ALARM: OVERDUE " } else { "" };
        let waits = drain.waits.as_ref().map_or_else(String::new, |waits| format!(" - {waits}"));
        lines.push(format!("{alarm}DRAIN: {target} is {state}, by {}, {}{waits}", by.who, by.why));
    }
    if let Some(RebalanceStatus { by, moves, left, .. }) = &status.rebalance {
        let (who, why) = (&by.who, &by.why);
        lines.push(format!("REBALANCE: {left} of {moves} have not moved, by {who}, {why}"));
    }
    for ProvisioningInfo { row } in &status.provisioning {
        let ProvisionRow { request, implementation, location, state, attempts, .. } = row;
        let why = row.failure.as_ref().map_or_else(String::new, |why| {
            format!(" - {attempts} attempts failed, the last: {why}")
        });
        lines.push(format!(
            "PROVISIONING: request {request}, {implementation} in {location}, is {state}{why}"
        ));
    }
    for TradingStateInfo { scope, spec, by, .. } in &status.trading_states {
        let by = by.as_ref().map_or_else(String::new, |by| format!(", by {}, {}", by.who, by.why));
        lines.push(format!("TRADING: {scope} is {}{by}", spec.state));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn table(status: &Status) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let leader = status.stand.leader.map_or("none".to_string(), |node| node.to_string());
    let (term, revision) = (status.stand.term, status.stand.revision);
    let level = status.level.map_or_else(|| "-".to_string(), |level| level.to_string());
    writeln!(text, "leader {leader}   term {term}   revision {revision}   level {level}")?;
    if let Some(age) = status.stand.age_ms {
        writeln!(text, "{}", unconfirmed(status.node, age))?;
    }
    writeln!(text)?;
    if let Some(divergence) = &status.divergence {
        let (index, nodes) = (divergence.index, names(&divergence.nodes));
        writeln!(text, "ALARM: at entry {index} the state of nodes {nodes} is another one\n")?;
    }
    for node in &status.brake {
        let (host, location) = (&node.host, &node.location);
        writeln!(
            text,
            "ALARM: {host} in {location} fell silent with others; nothing is moved away from it\n"
        )?;
    }
    text.push_str(&unusual(status));
    writeln!(text, "{:<8}{:<14}{:<24}PEER", "MEMBER", "ROLE", "API")?;
    for member in &status.members {
        let role = format!("{:?}", member.role).to_lowercase();
        let (api, peer) = (&member.api_address, &member.peer_address);
        writeln!(text, "{:<8}{role:<14}{api:<24}{peer}", member.node.to_string())?;
    }
    writeln!(text, "\n{:<36}{:<10}{:<24}{:<10}DRAIN", "MANAGER", "HEALTH", "ADDRESS", "SESSIONS")?;
    for manager in &status.managers {
        let health = format!("{:?}", manager.health).to_lowercase();
        let (address, sessions) = (&manager.address, manager.sessions);
        let of = |drain: &&DrainView| drain.row.target.covers(&manager.manager);
        let drain = status.drains.iter().find(of).map_or("-".into(), |d| d.row.state.to_string());
        let name = manager.manager.to_string();
        writeln!(text, "{name:<36}{health:<10}{address:<24}{sessions:<10}{drain}")?;
    }
    writeln!(text, "\n{:<24}{:<12}{:<8}{:<36}DETAIL", "SERVICE", "STATE", "PID", "MANAGER")?;
    for service in &status.services {
        let report = &service.report;
        let state = format!("{:?}", report.state).to_lowercase();
        let pid = report.pid.map_or("-".to_string(), |pid| pid.to_string());
        let (name, manager) = (report.service.to_string(), service.manager.to_string());
        writeln!(text, "{name:<24}{state:<12}{pid:<8}{manager:<36}{}", report.detail)?;
    }
    for row in &status.handed_back {
        let (service, manager, failure) = (&row.service, &row.manager, &row.failure);
        let times = row.count;
        writeln!(text, "\nHANDED BACK: {service}, {times} times, last by {manager}: {failure}")?;
    }
    writeln!(text, "\n{:<16}{:<36}TRADERS", "CUSTOMER", "TRADER MANAGER")?;
    for customer in &status.customers {
        let manager = customer.trader_manager.as_ref().map_or("-".to_string(), |m| m.to_string());
        let traders: Vec<String> = customer.traders.iter().map(ToString::to_string).collect();
        let name = customer.customer.to_string();
        writeln!(text, "{name:<16}{manager:<36}{}", traders.join(", "))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn status(age_ms: Option<Option<u64>>) -> Status {
        let stand = Stand { term: 3, revision: Revision(9), leader: Some(NodeId(1)), age_ms };
        Status {
            stand,
            node: NodeId(2),
            cluster: None,
            members: vec![],
            managers: vec![],
            services: vec![],
            customers: vec![],
            brake: vec![],
            divergence: None,
            handed_back: vec![],
            level: None,
            drains: vec![],
            rebalance: None,
            provisioning: vec![],
            trading_states: vec![],
        }
    }

    fn shown(age_ms: Option<Option<u64>>) -> String {
        table(&status(age_ms)).unwrap()
    }

    #[test]
    fn a_longer_log_is_no_change_of_the_status_and_another_leader_is() {
        let before = status(None);
        let mut longer = before.clone();
        longer.stand.revision = Revision(10);
        let mut other = before.clone();
        other.stand.leader = Some(NodeId(3));
        for output in [Format::Table, Format::Jsonl] {
            assert!(!changed(output, &longer, &before).unwrap());
            assert!(changed(output, &other, &before).unwrap());
        }
    }

    #[test]
    fn a_stale_status_says_how_old_it_is_and_that_its_leader_is_not_confirmed() {
        let stale = shown(Some(Some(1_234)));
        assert!(stale.contains("node 2") && stale.contains("not confirmed"), "{stale}");
        assert!(stale.contains("1234 ms"), "{stale}");
        assert!(shown(Some(None)).contains("no leader since it started"));
        assert!(!shown(None).contains("not confirmed"));
    }

    #[test]
    fn whatever_is_begun_or_is_to_be_seen_to_stands_above_the_lists() {
        use serde_json::json;
        assert_eq!(unusual(&status(None)), "");
        let by = json!({"who": "ann", "why": "an upgrade"});
        let mut told = serde_json::to_value(status(None)).unwrap();
        told["drains"] = json!([{
            "target": "a1", "epoch": 7, "revision": 9, "state": "draining", "since": "2026-11-28T00:00:00Z",
            "by": by, "deadline": null, "overdue": "2026-11-28T00:00:01Z", "drop": "never", "forced": null,
            "drained": null, "acknowledged": true, "managers": [], "remaining": null,
            "waits": "sessions are on their way out",
        }]);
        told["rebalance"] = json!({"epoch": 5, "by": by, "moves": 4, "left": 3});
        told["trading_states"] = json!([{
            "scope": "customer.acme", "revision": 3, "spec": {"state": "halted"}, "version": 2, "by": by,
        }]);
        let text = unusual(&serde_json::from_value(told).unwrap());
        for part in [
            "ALARM: OVERDUE DRAIN: a1 is draining, by ann, an upgrade - sessions are on their way out\n",
            "REBALANCE: 3 of 4 have not moved, by ann, an upgrade\n",
            "TRADING: customer.acme is halted, by ann, an upgrade\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
