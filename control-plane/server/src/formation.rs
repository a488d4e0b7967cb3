//! Forming the group, once and explicitly (`--init`). Decides that exactly one member does it, the first of
//! the list, only when all those named answer, and from their disks: from its first entry on the group
//! knows who may vote on which. Where there is a group already none is formed.

use crate::{
    api::health::{LIVEZ, Well},
    limits::{FORM_EVERY, MEMBER_ANSWERS_WITHIN},
    options::{InitMember, Options},
    server::RunError,
};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use tokio::time::sleep;
use tradewind_domain::ids::NodeId;
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::control::Stand;
use tradewind_replication::{InitializeError, Member, Replica};

/// What the first of the list needs to form the group.
pub(crate) struct Formation {
    node: NodeId,
    cluster: String,
    members: Vec<InitMember>,
    replica: Replica,
    rest: Rest,
}

impl Formation {
    /// `None` when there is nothing to form: no list, another's task, or a group that is there.
    pub(crate) async fn of(
        options: &Options,
        replica: &Replica,
        rest: &Rest,
    ) -> Result<Option<Self>, RunError> {
        let Some(members) = options.init.clone() else { return Ok(None) };
        let node = replica.node();
        if replica.is_initialized().await? {
            tracing::info!(%node, "the group is formed already: --init is of no account");
            return Ok(None);
        }
        if members.iter().map(|member| member.node).min() != Some(node) {
            return Ok(None);
        }
        let (cluster, replica, rest) = (options.cluster.clone(), replica.clone(), rest.clone());
        let formation = Self { node, cluster, members, replica, rest };
        formation.founders().await?;
        Ok(Some(formation))
    }

    /// Tries until the group is there. May be cancelled.
    pub(crate) async fn run(self) {
        loop {
            match self.try_once().await {
                Ok(true) => return,
                Ok(false) => sleep(FORM_EVERY).await,
                Err(error) => {
                    self.replica.give_up(error.to_string()).await;
                    return;
                }
            }
        }
    }

    async fn try_once(&self) -> Result<bool, RunError> {
        let Some(members) = self.founders().await? else { return Ok(false) };
        let named = members.len();
        match self.replica.initialize(members).await {
            Ok(()) => tracing::info!(named, "group formed"),
            Err(InitializeError::AlreadyInitialized) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// All members with their disks; `None` while one of them does not answer. If one has entries
    /// already the group was formed before, and this member has lost what it promised then.
    async fn founders(&self) -> Result<Option<BTreeMap<NodeId, Member>>, RunError> {
        let asked = self.members.iter().map(|member| self.founder(member));
        let mut founders = BTreeMap::new();
        let mut all = true;
        for (member, answer) in self.members.iter().zip(join_all(asked).await) {
            match answer {
                Some(well) if well.stand.term > 0 && member.node != self.node => {
                    return Err(RunError::DiskGone { address: member.api_address.clone() });
                }
                Some(well) => {
                    let (peer_address, disk) = (member.peer_address, Some(well.disk));
                    let api_address = member.api_address.clone();
                    founders.insert(member.node, Member { peer_address, api_address, disk });
                }
                None => all = false,
            }
        }
        Ok(all.then_some(founders))
    }

    async fn founder(&self, member: &InitMember) -> Option<Well> {
        if member.node == self.node {
            let (node, disk, cluster) = (self.node, self.replica.disk(), self.cluster.clone());
            return Some(Well {
                node,
                disk,
                cluster,
                version: String::new(),
                stand: Stand::default(),
            });
        }
        let (address, within) = (&member.api_address, MEMBER_ANSWERS_WITHIN);
        let asked =
            self.rest.request::<(), Well>(Method::GET, address, LIVEZ, &[], None, within).await;
        // Another process may have taken the port.
        let (_, well) = asked.ok()?;
        (well.node == member.node && well.cluster == self.cluster).then_some(well)
    }
}
