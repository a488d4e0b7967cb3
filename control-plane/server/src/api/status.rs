//! How the cluster stands. Decides how the replicated state, the leader's view of the Managers and the
//! members' own condition are put together; decides nothing about any of them.

use super::{
    drains,
    headers::Forwarded,
    health::{LIVEZ, Well},
    placed, provisioning, trading_states,
};
use crate::{
    leader::observe::{ManagerView, View},
    limits::MEMBER_ANSWERS_WITHIN,
    service::{Answerer, Service},
};
use axum::extract::State;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{Machine, plan::Brake},
    ids::{ManagerId, NodeId, Revision},
};
use tradewind_link::{
    Failure,
    json::{Json, Query},
    rest::Method,
};
use tradewind_protocol::{
    control::{
        BrakedNode, Consistency, CustomerStatus, DivergenceStatus, Health, ManagerStatus,
        MemberRole, MemberStatus, ReadOptions, RebalanceStatus, ServiceStatus, Stand, Status,
    },
    placed::{ManagerInfo, ManagerStanding},
};

pub(super) async fn front(State(service): State<Service>) -> String {
    let Stand { term, revision, leader, .. } = service.stand();
    let leader = leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    format!(
        "Tradewind InfrastructureManager {}: term {term}, revision {revision}, leader {leader}.\n\
         GET /v1/status shows the cluster.\n",
        service.parts().node
    )
}

/// The revision as of now: what other members wait for before they answer from their own state.
pub(super) async fn revision(
    State(service): State<Service>,
    Query(options): Query<ReadOptions>,
    Forwarded(forwarded): Forwarded,
) -> Result<Json<Stand>, Failure> {
    let answer = service.read(crate::service::REVISION, options.consistency, forwarded).await?;
    Ok(Json(match answer {
        Answerer::Here(stand) | Answerer::There(stand) => stand,
    }))
}

pub(super) async fn status(
    State(service): State<Service>,
    Query(options): Query<ReadOptions>,
    Forwarded(forwarded): Forwarded,
) -> Result<Json<Status>, Failure> {
    let node = service.parts().node;
    let consistency = options.consistency;
    let stand = match service.read::<Status>("/v1/status", consistency, forwarded).await? {
        Answerer::There(there) => return Ok(Json(Status { node, ..there })),
        Answerer::Here(stand) => stand,
    };
    if consistency == Consistency::Stale {
        return Ok(Json(here(&service, stand, None)));
    }
    let reached = reached(&service).await;
    Ok(Json(here(&service, stand, Some(&reached))))
}

/// Which other members answer at the moment.
pub(super) async fn reached(service: &Service) -> BTreeMap<NodeId, Option<Well>> {
    let own = service.parts().node;
    let nodes = service.parts().replica.status().members.into_keys().filter(|node| *node != own);
    let asked = nodes.filter_map(|node| Some((node, service.api_address(node)?)));
    let answers = asked.map(|(node, address)| async move {
        let rest = &service.parts().rest;
        let within = MEMBER_ANSWERS_WITHIN;
        let asked = rest.request::<(), Well>(Method::GET, &address, LIVEZ, &[], None, within);
        // Another process may have taken the port.
        let answer = asked.await.ok().map(|(_, well)| well);
        (node, answer.filter(|well| well.node == node))
    });
    join_all(answers).await.into_iter().collect()
}

/// From this member's own state; `reached` is what a leader found out about the other members.
fn here(
    service: &Service,
    stand: Stand,
    reached: Option<&BTreeMap<NodeId, Option<Well>>>,
) -> Status {
    let parts = service.parts();
    let (revision, machine) = service.machine();
    let seen = parts.view.borrow().clone();
    let view = seen.clone().unwrap_or_default();
    Status {
        stand: Stand { revision, ..stand },
        node: parts.node,
        cluster: machine.cluster().opened(),
        members: members(service, reached),
        managers: managers(&machine, seen.as_deref()),
        services: services(&view.managers),
        customers: customers(&machine),
        divergence: parts.replica.audit().alarm.map(|alarm| DivergenceStatus {
            index: Revision(alarm.index),
            hashes: alarm.hashes,
            nodes: alarm.others,
        }),
        brake: braked(&view.brake),
        handed_back: machine.all_handed_back().cloned().collect(),
        level: Some(machine.level()),
        drains: drains::under_way(service, &machine),
        rebalance: machine.rebalance().map(|row| RebalanceStatus {
            epoch: row.epoch,
            by: row.by.clone(),
            moves: row.moves.len() as u64,
            left: machine.pending_moves().count() as u64,
        }),
        provisioning: provisioning::open(&machine),
        trading_states: trading_states::not_active(&machine),
    }
}

fn braked(brake: &Brake) -> Vec<BrakedNode> {
    let each = brake.held.iter().map(|(node, managers)| BrakedNode {
        location: node.location.clone(),
        host: node.host.clone(),
        managers: managers.iter().cloned().collect(),
    });
    each.collect()
}

fn members(
    service: &Service,
    reached: Option<&BTreeMap<NodeId, Option<Well>>>,
) -> Vec<MemberStatus> {
    let status = service.parts().replica.status();
    let leader = service.stand().leader;
    let each = status.members.iter().map(|(node, member)| {
        let silent = reached.is_some_and(|reached| matches!(reached.get(node), Some(None)));
        let role = if Some(*node) == leader {
            MemberRole::Leader
        } else if silent {
            MemberRole::Unreachable
        } else if !status.voters.contains(node) {
            MemberRole::Learner
        } else {
            MemberRole::Follower
        };
        let own = (*node == status.node).then_some(status.last_log);
        let matched = own.or_else(|| status.replicated.get(node).copied()).flatten();
        MemberStatus {
            node: *node,
            role,
            api_address: service.api_address(*node).unwrap_or_else(|| member.api_address.clone()),
            peer_address: member.peer_address.to_string(),
            matched: matched.map(Revision),
        }
    });
    each.collect()
}

fn managers(machine: &Machine, view: Option<&View>) -> Vec<ManagerStatus> {
    let each = machine.managers().map(|row| {
        let ManagerInfo {
            manager, location, address, incarnation, epoch, since, state, told, ..
        } = placed::manager(machine, view, row);
        let health = match state {
            ManagerStanding::Live => Health::Well,
            ManagerStanding::Suspect => Health::Suspect,
            ManagerStanding::Lost | ManagerStanding::Held | ManagerStanding::Down => Health::Down,
        };
        ManagerStatus {
            manager,
            location,
            address,
            incarnation,
            epoch,
            state: row.state,
            health,
            sessions: told.map_or(0, |told| told.sessions),
            since,
        }
    });
    each.collect()
}

fn services(view: &BTreeMap<ManagerId, ManagerView>) -> Vec<ServiceStatus> {
    let each = view.iter().flat_map(|(manager, seen)| {
        let reports = seen.services.iter().cloned();
        reports.map(|report| ServiceStatus { manager: manager.clone(), report })
    });
    each.collect()
}

fn customers(machine: &Machine) -> Vec<CustomerStatus> {
    let each = machine.customers().map(|row| CustomerStatus {
        customer: row.customer.clone(),
        trader_manager: row.affinity.as_ref().map(|affinity| affinity.manager.clone()),
        affinity_version: row.affinity_version,
        traders: Vec::new(),
    });
    let mut customers: Vec<CustomerStatus> = each.collect();
    for trader in machine.traders() {
        let owner = customers.binary_search_by(|held| held.customer.cmp(&trader.spec.customer));
        if let Some(customer) = owner.ok().and_then(|at| customers.get_mut(at)) {
            customer.traders.push(trader.trader.clone());
        }
    }
    customers
}
