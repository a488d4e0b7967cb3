//! All links of this member to its peers. Decides that there is one a peer and lane, which follows a peer that moves, and
//! what a peer is asked beside openraft's calls, which are `client`'s.

use super::{
    Lane,
    acks::Acks,
    client::{Client, RpcError, call, unexpected},
    handshake::Host,
    leases::Leases,
    life::KnownLife,
    link::{Link, Place, Target},
    standing::Notices,
    told::Told,
    wire::{Reply, ReportRecord, Request},
};
use crate::{
    environment::Network,
    limits::{CALL_DEADLINE, PEER_CALLS_WITHIN_IDLE},
    options::Timing,
    raft::{TypeConfig, Vote},
    records::MemberRecord,
    snapshot::Sending,
};
use openraft::RaftNetworkFactory;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;
use tradewind_domain::ids::DiskId;

/// All links of this member: one a peer and lane, shared by openraft's many short-lived clients, so that
/// a vote finds its connection made.
#[derive(Clone)]
pub(crate) struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    network: Arc<dyn Network>,
    node: u64,
    cluster: String,
    disk: DiskId,
    notices: Arc<Notices>,
    life: KnownLife,
    dial: Duration,
    sending: Sending,
    /// After so long without a call a connection is kept by one, or ended.
    quiet: Duration,
    links: Mutex<Links>,
    told: Told,
    leases: Arc<Leases>,
    acks: Arc<Acks>,
}

#[derive(Default)]
struct Links {
    by_peer: BTreeMap<(u64, Lane), Link>,
    tasks: JoinSet<()>,
}

impl Peers {
    pub(crate) fn new(
        network: Arc<dyn Network>,
        host: &Host,
        notices: Arc<Notices>,
        life: KnownLife,
        timing: &Timing,
        sending: Sending,
    ) -> Self {
        let links = Mutex::new(Links::default());
        let Host { node, cluster, disk, lease: _ } = host.clone();
        let (dial, quiet) = (timing.dial, timing.peer_idle / PEER_CALLS_WITHIN_IDLE);
        let told = Told::default();
        let shared = Shared {
            network,
            node,
            cluster,
            disk,
            notices,
            life,
            dial,
            sending,
            quiet,
            links,
            told,
            leases: Arc::default(),
            acks: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The last entry that any other member may have applied on this member's word as a leader.
    pub(crate) fn told_committed(&self) -> u64 {
        self.shared.told.latest()
    }

    /// The leases that peers give a leader, as they told.
    pub(crate) fn leases(&self) -> &Leases {
        &self.shared.leases
    }

    /// When other members acknowledged what this member sent as a leader.
    pub(crate) fn acks(&self) -> &Acks {
        &self.shared.acks
    }

    /// Ends every connection. Calls in flight end as broken.
    pub(crate) fn close(&self) {
        let mut links = self.shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        *links = Links::default();
    }

    pub(super) fn link(&self, lane: Lane, to: u64, peer: &MemberRecord) -> Link {
        let mut links = self.shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        let Links { by_peer, tasks } = &mut *links;
        while tasks.try_join_next().is_some() {}
        let place = Place { address: peer.peer_address.clone(), disk: peer.disk.map(DiskId) };
        if let Some(link) = by_peer.get(&(to, lane)) {
            link.redirect(&place);
            return link.clone();
        }
        let target = Target {
            network: self.shared.network.clone(),
            place: Mutex::new(place),
            lane,
            from: self.shared.node,
            to,
            cluster: self.shared.cluster.clone(),
            disk: self.shared.disk,
            life: self.shared.life.clone(),
            notices: self.shared.notices.clone(),
            leases: self.shared.leases.clone(),
            dial: self.shared.dial,
            quiet: self.shared.quiet,
        };
        let link = Link::start(target, tasks);
        by_peer.insert((to, lane), link.clone());
        link
    }

    /// Follows a member that has moved: streams to it that are there already, too.
    pub(crate) fn redirect(&self, to: u64, peer: &MemberRecord) {
        let place = Place { address: peer.peer_address.clone(), disk: peer.disk.map(DiskId) };
        let links = self.shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = links.by_peer.range((to, Lane::Append)..=(to, Lane::Snapshot));
        lanes.for_each(|(_, link)| link.redirect(&place));
    }

    /// Makes sure of a connection to a peer; what it has to say against this member is heard on it.
    pub(crate) fn greet(&self, to: u64, peer: &MemberRecord) {
        let link = self.link(Lane::Control, to, peer);
        let mut links = self.shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.tasks.spawn(async move {
            let _ = call(&link, &Request::Greet, CALL_DEADLINE).await;
        });
    }

    /// Asks a member for its clock and for its checkpoints above an index.
    pub(crate) async fn report(
        &self,
        to: u64,
        peer: &MemberRecord,
        above: u64,
    ) -> Result<ReportRecord, RpcError> {
        let link = self.link(Lane::Control, to, peer);
        match call(&link, &Request::Report { above }, CALL_DEADLINE).await? {
            Reply::Report(report) => Ok(report),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks a voter whether it has promised no leader after this one anything.
    pub(crate) async fn confirm(
        &self,
        to: u64,
        peer: &MemberRecord,
        vote: &Vote,
    ) -> Result<bool, RpcError> {
        let link = self.link(Lane::Control, to, peer);
        match call(&link, &Request::Confirm((*vote).into()), CALL_DEADLINE).await? {
            Reply::Confirmed => Ok(true),
            Reply::HigherVote(_) => Ok(false),
            other => Err(unexpected(&other)),
        }
    }

    fn client(&self, lane: Lane, to: u64, peer: &MemberRecord) -> Client {
        let (main, control) = (self.link(lane, to, peer), self.link(Lane::Control, to, peer));
        let (sending, told) = (self.shared.sending.clone(), self.shared.told.clone());
        Client { to, main, control, sending, told, acks: self.shared.acks.clone() }
    }
}

impl RaftNetworkFactory<TypeConfig> for Peers {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &MemberRecord) -> Client {
        self.client(Lane::Append, target, node)
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &MemberRecord) -> Client {
        self.client(Lane::Control, target, node)
    }

    async fn new_snapshot_client(&mut self, target: u64, node: &MemberRecord) -> Client {
        self.client(Lane::Snapshot, target, node)
    }
}
