//! `tradewind status`: the cluster as any member tells it. Decides the form of the table only.

use crate::cli::{Output, StatusArgs};
use anyhow::Context as _;
use std::{fmt::Write as _, time::Duration};
use tradewind_control_client::ControlClient;
use tradewind_domain::ids::NodeId;
use tradewind_link::rest::Rest;
use tradewind_protocol::control::Status;

const WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &StatusArgs) -> anyhow::Result<()> {
    let client = ControlClient::new(vec![args.addr.clone()], Rest::default());
    let status: Status = if args.stale {
        client.read("/v1/status?consistency=stale", WITHIN).await
    } else {
        client.status(WITHIN).await
    }
    .with_context(|| format!("no status from {}", args.addr))?;
    match args.output {
        Output::Json => println!("{}", serde_json::to_string(&status)?),
        Output::Table => print!("{}", table(&status)?),
    }
    Ok(())
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

fn table(status: &Status) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let leader = status.stand.leader.map_or("none".to_string(), |node| node.to_string());
    let (term, revision) = (status.stand.term, status.stand.revision);
    writeln!(text, "leader {leader}   term {term}   revision {revision}")?;
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
    writeln!(text, "{:<8}{:<14}{:<24}PEER", "MEMBER", "ROLE", "API")?;
    for member in &status.members {
        let role = format!("{:?}", member.role).to_lowercase();
        let (api, peer) = (&member.api_address, &member.peer_address);
        writeln!(text, "{:<8}{role:<14}{api:<24}{peer}", member.node.to_string())?;
    }
    writeln!(text, "\n{:<36}{:<10}{:<24}SESSIONS", "MANAGER", "HEALTH", "ADDRESS")?;
    for manager in &status.managers {
        let health = format!("{:?}", manager.health).to_lowercase();
        let (address, sessions) = (&manager.address, manager.sessions);
        writeln!(text, "{:<36}{health:<10}{address:<24}{sessions}", manager.manager.to_string())?;
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
    use tradewind_domain::ids::Revision;
    use tradewind_protocol::control::Stand;

    fn shown(age_ms: Option<Option<u64>>) -> String {
        let stand = Stand { term: 3, revision: Revision(9), leader: Some(NodeId(1)), age_ms };
        let status = Status {
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
        };
        table(&status).unwrap()
    }

    #[test]
    fn a_stale_status_says_how_old_it_is_and_that_its_leader_is_not_confirmed() {
        let stale = shown(Some(Some(1_234)));
        assert!(stale.contains("node 2") && stale.contains("not confirmed"), "{stale}");
        assert!(stale.contains("1234 ms"), "{stale}");
        assert!(shown(Some(None)).contains("no leader since it started"));
        assert!(!shown(None).contains("not confirmed"));
    }
}
