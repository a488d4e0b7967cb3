//! This member's own row: where it serves clients and which key it signs sessions with. Decides when it
//! is told to the group: at each start, by the way every change takes, until it stands there.

use crate::{
    api::changes::{TellMember, changed},
    limits::TELL_MEMBER_EVERY,
    service::{Change, Service},
};
use tokio::time::sleep;
use tradewind_domain::{
    control::{Command, IdempotencyKey},
    ids::{ClientId, NodeId},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    token::{format_public_key, parse_public_key},
};

/// Ends when the row stands. May be cancelled.
pub(crate) async fn tell(service: Service) {
    let parts = service.parts();
    let node = parts.node;
    let told = TellMember {
        api_address: parts.api_address.clone(),
        public_key: format_public_key(&parts.identity.signing.verifying_key()),
    };
    let Ok(client) = format!("member-{node}").parse::<ClientId>() else { return };
    let path = format!("/v1/members/{node}");
    let stands = || {
        let machine = service.machine().1;
        machine.member(node).is_some_and(|row| {
            row.api_address == told.api_address && row.public_key == told.public_key
        })
    };
    while !stands() {
        // Nothing is done twice by a new key here. The log's time may be ahead of this clock.
        let issued_at = (parts.clocks.unix)().max(service.machine().1.cluster().at);
        let n = parts.identity.incarnation.0;
        let key = IdempotencyKey { client: client.clone(), issued_at, n };
        let TellMember { api_address, public_key } = told.clone();
        let command = Command::PutMember { node, api_address, public_key };
        let (method, body) = (Method::PUT, &told);
        let change = Change { method, path: &path, body, key, command, forwarded: false };
        // Once accepted it is in this member's own state a moment later.
        if let Err(problem) = service.change(change, changed).await {
            tracing::debug!(%problem, "the group does not know this member's key yet");
        }
        sleep(TELL_MEMBER_EVERY).await;
    }
    tracing::info!(%node, "the group knows this member's key");
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
