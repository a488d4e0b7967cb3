//! What this member tells the group of itself: which key it signs sessions with, where it is reached, on
//! which disk it is, and what its build understands. Decides when: at each start, by the way every change takes, until it stands there.
//! One that was started at another address is not found by the leader, and so finds the leader itself.

use crate::{
    api::changes::{TellMember, changed},
    leader::time_of_keys,
    limits::{TELL_MEMBER_EVERY, TELL_MEMBER_WITHIN},
    service::{Change, Service},
};
use tokio::time::sleep;
use tradewind_control_client::{Answer, ControlClient};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine,
        group::{GroupCommand, MemberAddress},
        level::LevelCommand,
    },
    ids::{ClientId, NodeId},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::Changed,
    members::{MemberKnows, MemberMoved},
    token::{format_public_key, parse_public_key},
};

/// Ends when all of it stands. May be cancelled.
pub(crate) async fn tell(service: Service) {
    let parts = service.parts();
    let node = parts.node;
    let Ok(client) = format!("member-{node}").parse::<ClientId>() else { return };
    let key_told = TellMember {
        api_address: parts.api_address.clone(),
        public_key: format_public_key(&parts.identity.signing.verifying_key()),
    };
    let mut moved = MemberMoved {
        cluster: None,
        disk: parts.replica.disk(),
        peer_address: parts.peer_address.to_string(),
        api_address: parts.api_address.clone(),
    };
    let mut asked = 0;
    loop {
        let machine = service.machine().1;
        moved.cluster = machine.cluster().opened();
        let place = stands(&machine, node, &moved);
        let key = machine.member(node).is_some_and(|row| {
            row.api_address == key_told.api_address && row.public_key == key_told.public_key
        });
        let level = machine.member_level(node) == Some(parts.knows);
        if place && key && level {
            tracing::info!(%node, "the group knows this member's key, address and build");
            return;
        }
        asked += 1;
        let told = if place && key {
            tell_level(&service, &client, asked).await
        } else if place {
            tell_key(&service, &client, &key_told).await
        } else {
            tell_place(&service, &client, asked, &moved).await
        };
        // Once accepted it is in this member's own state a moment later.
        if let Err(problem) = told {
            tracing::debug!(%problem, "the group does not know this member's key, address and build yet");
        }
        sleep(TELL_MEMBER_EVERY).await;
    }
}

fn stands(machine: &Machine, node: NodeId, moved: &MemberMoved) -> bool {
    machine.admission(node).is_some_and(|row| {
        row.disk == Some(moved.disk)
            && row.address.peer == moved.peer_address
            && row.address.api == moved.api_address
    })
}

/// `n` is one that this life has not used: a place told before may have been told over since.
fn fresh(service: &Service, client: &ClientId, n: u64) -> IdempotencyKey {
    let parts = service.parts();
    let issued_at = time_of_keys(&parts.replica, &parts.clocks);
    IdempotencyKey { client: client.clone(), issued_at, n }
}

async fn tell_key(service: &Service, client: &ClientId, told: &TellMember) -> Result<(), Problem> {
    let parts = service.parts();
    let path = format!("/v1/members/{}", parts.node);
    // Nothing is done twice by a new key here.
    let key = fresh(service, client, parts.identity.incarnation.0);
    let TellMember { api_address, public_key } = told.clone();
    let command = Command::PutMember { node: parts.node, api_address, public_key };
    let change =
        Change { method: Method::PUT, path: &path, body: told, key, command, forwarded: false };
    service.change(change, changed).await.map(drop)
}

async fn tell_level(service: &Service, client: &ClientId, asked: u64) -> Result<(), Problem> {
    let parts = service.parts();
    let (node, level) = (parts.node, parts.knows);
    let (path, body) = (format!("/v1/members/{node}/level"), MemberKnows { level });
    let key = fresh(service, client, parts.identity.incarnation.0 + asked);
    let command = Command::Level(LevelCommand::Know { node, level });
    let method = Method::PUT;
    let change = Change { method, path: &path, body: &body, key, command, forwarded: false };
    service.change(change, changed).await.map(drop)
}

async fn tell_place(
    service: &Service,
    client: &ClientId,
    asked: u64,
    moved: &MemberMoved,
) -> Result<(), Problem> {
    let parts = service.parts();
    let (node, path) = (parts.node, format!("/v1/members/{}/address", parts.node));
    let key = fresh(service, client, parts.identity.incarnation.0 + asked);
    if parts.leading.borrow().leader.is_some() {
        let (peer, api) = (moved.peer_address.clone(), moved.api_address.clone());
        let address = MemberAddress { peer, api };
        let command = Command::Group(GroupCommand::Tell { node, disk: moved.disk, address });
        let method = Method::PUT;
        let change = Change { method, path: &path, body: moved, key, command, forwarded: false };
        return service.change(change, changed).await.map(drop);
    }
    // Nobody calls here, perhaps because nobody knows where this is: any other member takes it on.
    let others = service.member_addresses();
    let others = others.into_iter().filter(|address| *address != parts.api_address).collect();
    let control = ControlClient::new(others, parts.rest.clone());
    let mut leading = parts.leading.clone();
    // What it finds is let go: held while the leader is looked at below, it would keep out whoever writes it, and he
    // would keep out that look.
    let led = async { drop(leading.wait_for(|leading| leading.leader.is_some()).await) };
    tokio::select! {
        told = control.change(Method::PUT, &path, moved, &key, TELL_MEMBER_WITHIN) => {
            let told: Answer<Changed> = told;
            told.accepted().map(drop)
        }
        // A leader is known here by now: it is asked itself. A group that forms begins so.
        () = led => Err(service.no_leader()),
    }
}

impl Service {
    /// Only members of the group have a row, and a key that is none would lock its sessions out.
    pub(crate) fn check_member(&self, node: NodeId, told: &TellMember) -> Result<(), Problem> {
        if !self.parts().replica.status().members.contains_key(&node) {
            let detail = format!("node {node} is not a member of this group");
            return Err(Problem::new(Code::NotFound, detail));
        }
        if parse_public_key(&told.public_key).is_none() {
            let detail = "public_key must be an Ed25519 key, 64 hexadecimal digits";
            return Err(Problem::new(Code::MalformedRequest, detail));
        }
        Ok(())
    }
}
