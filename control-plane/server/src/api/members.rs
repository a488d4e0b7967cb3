//! The members of the group: who they are, who comes and goes, and who leads. Decides which command a
//! request is and what is refused before it is asked of the group; the rest is decided in
//! `domain::control` when it is applied, and carried out by `group`.

use super::{
    changes::{changed, put},
    headers::{Forwarded, Keyed, Said},
    health::Well,
    problems,
    status::reached,
};
use crate::{
    limits::{HAND_OVER_WITHIN, TRANSFER_WITHIN},
    service::{Answerer, Change, Service},
};
use axum::{extract::State, http::StatusCode};
use std::collections::BTreeMap;
use tokio::time::timeout;
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine, Refusal,
        group::{AdmissionRow, GroupAsk, GroupCommand, MemberAddress},
        level::LevelCommand,
        membership::check_removal,
        resource::Condition,
    },
    ids::{NodeId, Revision},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
    rest::Method,
};
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, Consistency, ReadOptions, Stand},
    members::{
        JoinMember, LeaderTransferred, MemberInfo, MemberJoined, MemberKnows, MemberMoved,
        MemberStanding, Members, RemoveOptions, TransferLeader, VotersWanted,
    },
    terms::Terms,
};
use tradewind_replication::TransferError;

const MEMBERS: &str = "/v1/members";
const TRANSFER: &str = "/v1/leader/transfer";

pub(super) async fn list(
    State(service): State<Service>,
    Query(options): Query<ReadOptions>,
    Forwarded(forwarded): Forwarded,
) -> Result<Json<Members>, Failure> {
    Ok(Json(members(&service, options, forwarded).await?))
}

pub(super) async fn get(
    State(service): State<Service>,
    Path(node): Path<NodeId>,
    Query(options): Query<ReadOptions>,
) -> Result<Json<MemberInfo>, Failure> {
    let all = members(&service, options, false).await?.members;
    let found = all.into_iter().find(|member| member.node == node);
    let missing = || {
        let removed = service.machine().1.was_removed(node);
        let what = if removed { "was removed" } else { "is not a member of this group" };
        Failure::new(Code::NotFound, format!("node {node} {what}"))
    };
    found.map(Json).ok_or_else(missing)
}

async fn members(
    service: &Service,
    options: ReadOptions,
    forwarded: bool,
) -> Result<Members, Problem> {
    match service.read::<Members>(MEMBERS, options.consistency, forwarded).await? {
        Answerer::There(there) => Ok(there),
        Answerer::Here(stand) if options.consistency == Consistency::Stale => {
            Ok(here(service, stand, &BTreeMap::new()))
        }
        Answerer::Here(stand) => Ok(here(service, stand, &reached(service).await)),
    }
}

/// From this member's own state, with what it knows of the others while it leads.
fn here(service: &Service, stand: Stand, reached: &BTreeMap<NodeId, Option<Well>>) -> Members {
    let replica = &service.parts().replica;
    let (view, machine) = (replica.group(), service.machine().1);
    let (progress, status) = (replica.progress(), replica.status());
    let is_voter = |node: NodeId| view.voters.iter().any(|voters| voters.contains(&node));
    let info = |node: NodeId, row: Option<&AdmissionRow>| {
        let held = view.members.get(&node);
        let own = node == status.node;
        let known = progress.get(&node).copied().unwrap_or_default();
        let matched = if own { status.last_log } else { known.matched };
        let standing = match row {
            Some(row) if row.is_removing() => MemberStanding::Removing,
            _ if stand.leader == Some(node) => MemberStanding::Leader,
            _ if is_voter(node) => MemberStanding::Voter,
            _ if held.is_some() => MemberStanding::Learner,
            _ => MemberStanding::Joining,
        };
        let told = row.map(|row| (row.address.api.clone(), row.address.peer.clone()));
        let kept = held.map(|held| (held.api_address.clone(), held.peer_address.to_string()));
        let (api_address, peer_address) = told.or(kept).unwrap_or_default();
        let disk = row.and_then(|row| row.disk).or(held.and_then(|held| held.disk));
        let answered = reached.get(&node).and_then(Option::as_ref);
        let own_version = own.then(|| env!("CARGO_PKG_VERSION").to_owned());
        MemberInfo {
            node,
            standing,
            api_address,
            peer_address,
            disk: disk.map(|disk| disk.short()),
            matched: matched.map(Revision),
            lag: matched.and_then(|matched| Some(status.last_log?.saturating_sub(matched))),
            heard_ms: known.heard.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            version: own_version.or_else(|| answered.map(|well| well.version.clone())),
            level: machine.member_level(node),
        }
    };
    let mut members: BTreeMap<NodeId, MemberInfo> =
        view.members.keys().map(|node| (*node, info(*node, machine.admission(*node)))).collect();
    members.extend(machine.admissions().map(|row| (row.node, info(row.node, Some(row)))));
    Members {
        stand,
        voters_wanted: machine.group().map(|group| group.voters_wanted),
        changing: view.voters.len() > 1 || !view.committed,
        members: members.into_values().collect(),
        level: Some(machine.level()),
        next_level_waits_for: next_level_waits_for(&machine),
    }
}

/// Only where somebody knows it: else there is no such build yet.
fn next_level_waits_for(machine: &Machine) -> Option<String> {
    let next = machine.level().next();
    let mut members = machine.admissions().filter_map(|row| machine.member_level(row.node));
    members.any(|known| known >= next).then(|| machine.not_knowing(next))?
}

pub(super) async fn join(
    State(service): State<Service>,
    keyed: Keyed,
    Json(join): Json<JoinMember>,
) -> Result<Json<MemberJoined>, Failure> {
    let own = &service.parts().cluster;
    if &join.cluster != own {
        let detail = format!("this is cluster {own}, not {}: name the right members", join.cluster);
        return Err(Failure::new(Code::Conflict, detail));
    }
    let needed = service.machine().1.level();
    if let Some(known) = join.level.filter(|known| *known < needed) {
        return Err(problems::refused(&Refusal::LevelNotKnown { needed, known }).into());
    }
    let address = address(&join.peer_address, &join.api_address)?;
    let disk = join.disk;
    let command = Command::Group(GroupCommand::Admit { disk, address });
    let Keyed { key, forwarded } = keyed;
    let change =
        Change { method: Method::POST, path: MEMBERS, body: &join, key, command, forwarded };
    let render = move |service: &Service, _| {
        let node = service.machine().1.admitted(disk).map_or(NodeId(0), |row| row.node);
        MemberJoined { stand: service.stand(), node }
    };
    let joined = service.change(change, render).await?;
    if joined.node == NodeId(0) {
        // Admitted by the first asking with this key, and removed since.
        return Err(Failure::new(Code::Conflict, "it was admitted and removed again meanwhile"));
    }
    Ok(Json(joined))
}

fn address(peer: &str, api: &str) -> Result<MemberAddress, Failure> {
    if peer.parse::<std::net::SocketAddr>().is_err() {
        let detail = format!("peer_address must be IP:PORT, not `{peer}`");
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    Ok(MemberAddress { peer: peer.to_owned(), api: api.to_owned() })
}

pub(super) async fn moved(
    State(service): State<Service>,
    Path(node): Path<NodeId>,
    keyed: Keyed,
    Json(moved): Json<MemberMoved>,
) -> Result<Json<Changed>, Failure> {
    let address = address(&moved.peer_address, &moved.api_address)?;
    if let Some((asked, own)) =
        moved.cluster.and_then(|asked| Some((asked, service.in_another_life(asked)?)))
    {
        let detail = format!(
            "this is life {own} of the cluster, node {node} of life {asked} has no part in it: move its directory \
             away and --join as a new member"
        );
        return Err(Failure::new(Code::Conflict, detail));
    }
    let command = Command::Group(GroupCommand::Tell { node, disk: moved.disk, address });
    put(&service, keyed, &format!("/v1/members/{node}/address"), &moved, command).await
}

pub(super) async fn knows(
    State(service): State<Service>,
    Path(node): Path<NodeId>,
    keyed: Keyed,
    Json(told): Json<MemberKnows>,
) -> Result<Json<Changed>, Failure> {
    let command = Command::Level(LevelCommand::Know { node, level: told.level });
    put(&service, keyed, &format!("/v1/members/{node}/level"), &told, command).await
}

pub(super) async fn voters_wanted(
    State(service): State<Service>,
    Keyed { key, forwarded }: Keyed,
    Said(terms): Said,
    Json(wanted): Json<VotersWanted>,
) -> Result<Json<Changed>, Failure> {
    let command = audited(&terms, &key, GroupAsk::WantVoters { voters: wanted.voters })?;
    let (method, path) = (Method::PUT, "/v1/members/voters-wanted");
    let change = Change { method, path, body: &wanted, key, command, forwarded };
    Ok(Json(service.change_on(change, terms, changed).await?))
}

/// In the name of whoever says who he is. A member has no revision that a condition could name.
fn audited(terms: &Terms, key: &IdempotencyKey, ask: GroupAsk) -> Result<Command, Failure> {
    if terms.on != Condition::Always {
        let detail = "If-Match and If-None-Match do not go with changes of the group";
        return Err(Failure::new(Code::MalformedRequest, detail));
    }
    let by = terms.by(&key.client);
    Ok(Command::Group(GroupCommand::Audited { by, ask }))
}

/// Begun when this answers; done when `GET /v1/members/{node}` says that it was removed.
pub(super) async fn remove(
    State(service): State<Service>,
    Path(node): Path<NodeId>,
    Query(options): Query<RemoveOptions>,
    Keyed { key, forwarded }: Keyed,
    Said(terms): Said,
) -> Result<(StatusCode, Json<Changed>), Failure> {
    let forced = options.force;
    let command = audited(&terms, &key, GroupAsk::Remove { node, forced })?;
    // A repeat is answered by its key, and a removal under way goes on.
    let machine = service.machine().1;
    let begun = machine.admission(node).is_some_and(AdmissionRow::is_removing);
    if service.leads_here() && !begun && !machine.was_removed(node) {
        check_removal(&service.parts().replica.group_as_seen(), node, forced)
            .map_err(|refused| problems::removal_refused(node, &refused))?;
    }
    let path = format!("/v1/members/{node}?force={forced}");
    let change = Change { method: Method::DELETE, path: &path, body: &(), key, command, forwarded };
    let changed = service.change_on(change, terms, changed).await?;
    Ok((StatusCode::ACCEPTED, Json(changed)))
}

/// Answers once another member leads. A repeat that comes to a later leadership changes nothing more. That it was asked
/// for, by whom and why, stands in the log before it is done.
pub(super) async fn transfer(
    State(service): State<Service>,
    Keyed { key, forwarded }: Keyed,
    Said(terms): Said,
    Json(transfer): Json<TransferLeader>,
) -> Result<Json<LeaderTransferred>, Failure> {
    let command = audited(&terms, &key, GroupAsk::Transfer { to: transfer.to })?;
    if !service.leads_here() {
        let there = service.hand_over(Method::POST, TRANSFER, &transfer, (&key, &terms), forwarded);
        return Ok(Json(there.await?));
    }
    // By Raft's membership: a group that was founded a moment ago may not have its admissions in the state yet.
    let replica = &service.parts().replica;
    let voters = replica.status().voters;
    if let Some(to) = transfer.to.filter(|to| !voters.contains(to)) {
        return Err(problems::not_transferred(&TransferError::NotAVoter(to)).into());
    }
    let (method, path) = (Method::POST, TRANSFER);
    let note = Change { method, path, body: &transfer, key, command, forwarded: true };
    let asked = service.change(note, changed).await?.applied;
    let handed = replica.transfer_asked(asked, transfer.to);
    let handed = timeout(HAND_OVER_WITHIN.min(TRANSFER_WITHIN), handed);
    match handed.await.unwrap_or(Err(TransferError::Unknown)) {
        Ok(to) => Ok(Json(LeaderTransferred { stand: service.stand(), to })),
        Err(error) => Err(problems::not_transferred(&error).into()),
    }
}
