//! Which member this process is. Decides that by its directory: one that belongs to a member is that
//! member's for ever; an empty one is made a member's by `--init`, under the number named there, or by
//! `--join`, under a number that the group gives from its log. The disk's identity is durable before it is
//! told, so a join that was cut off goes on as the same member.

use crate::{
    clock::Clocks,
    limits::{JOIN_AGAIN_AFTER, JOIN_ASKS_WITHIN, JOIN_WITHIN},
    options::{InvalidOptions, Options},
    server::{Listeners, RunError},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::time::{Instant, sleep};
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::ids::{ClientId, DiskId, NodeId};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{
    Code, Problem,
    members::{JoinMember, MemberJoined},
};
use tradewind_replication::{Belongs, belongs, disk_of};

/// Who this member is and where others reach it.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) node: NodeId,
    /// Drawn for a directory that has no disk identity yet.
    pub(crate) new_disk: DiskId,
    pub(crate) api_address: String,
    pub(crate) peer_address: SocketAddr,
}

/// Finds out, asking the group if need be.
pub(crate) async fn identify(
    options: &Options,
    listeners: &Listeners,
    clocks: &Clocks,
) -> Result<Own, RunError> {
    let api = listeners.api.local_addr().map_err(RunError::Listener)?;
    let peer = listeners.peer.local_addr().map_err(RunError::Listener)?;
    let api_address = options.advertise.clone().unwrap_or_else(|| api.to_string());
    let peer_address = options.advertise_peer.unwrap_or(peer);
    let new_disk = DiskId(random()?);
    let directory = options.state_dir.join(crate::server::RAFT_DIRECTORY);
    let whose = move || -> Result<_, tradewind_replication::StartError> {
        Ok((belongs(&directory)?, disk_of(&directory, new_disk)?))
    };
    let whose = tokio::task::spawn_blocking(whose).await;
    let (whose, disk) = whose.map_err(|error| RunError::Failed(error.to_string()))??;
    let node = match (whose, options.node, &options.init) {
        // A number that was named and is another's is refused when the member starts.
        (Some(Belongs { node, .. }), named, _) => named.unwrap_or(node),
        (None, Some(node), Some(_)) => node,
        (None, None, Some(_)) => return Err(InvalidOptions::NodeMissing.into()),
        (None, _, None) if options.join.is_empty() => return Err(InvalidOptions::NoGroup.into()),
        (None, _, None) => {
            let (cluster, peer_address) = (options.cluster.clone(), peer_address.to_string());
            let api_address = api_address.clone();
            let level = Some(options.knows);
            let join = JoinMember { cluster, disk, peer_address, api_address, level };
            ask(&options.join, &join, clocks).await?
        }
    };
    Ok(Own { node, new_disk, api_address, peer_address })
}

fn random() -> Result<u128, RunError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| RunError::Failed(format!("the system gives no randomness: {error}")))?;
    Ok(u128::from_le_bytes(bytes))
}

/// Asks until the group gives a number, or refuses for good.
async fn ask(members: &[String], join: &JoinMember, clocks: &Clocks) -> Result<NodeId, RunError> {
    let client: ClientId = format!("join-{}", join.disk.short()).parse()?;
    let unix = clocks.unix.clone();
    let control = ControlClient::new(members.to_vec(), Rest::default());
    let keys = KeySource::new(client, Arc::new(move || unix())).following(control.time());
    // Whatever this machine's clock says. Where nobody answers, the asking says so.
    let _ = control.learn_time(JOIN_ASKS_WITHIN).await;
    let until = Instant::now() + JOIN_WITHIN;
    loop {
        let key = keys.next();
        let asked = control.change::<_, MemberJoined>(
            Method::POST,
            "/v1/members",
            join,
            &key,
            JOIN_ASKS_WITHIN,
        );
        let problem = match asked.await {
            Answer::Accepted(joined) => {
                tracing::info!(node = %joined.node, disk = join.disk.short(), "admitted to the group");
                return Ok(joined.node);
            }
            Answer::Refused(problem) | Answer::Unknown(problem) => problem,
        };
        if !may_pass(&problem) || Instant::now() >= until {
            return Err(RunError::Join { members: members.join(","), problem: Box::new(problem) });
        }
        tracing::info!(%problem, "not admitted yet, asking again");
        sleep(JOIN_AGAIN_AFTER).await;
    }
}

/// Whether asking again may help: another change is under way, or nobody could answer.
fn may_pass(problem: &Problem) -> bool {
    matches!(
        problem.code,
        Code::Busy | Code::NoLeader | Code::Unavailable | Code::Unknown | Code::TooManyRequests
    )
}
