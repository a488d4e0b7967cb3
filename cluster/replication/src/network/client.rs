//! Openraft's way out: its calls to one peer over that peer's links. Decides which lane a call takes, its
//! deadline, and how a failure is told to openraft: not reached, or reached and not answered.

use super::{
    Lane, LinkError,
    acks::Acks,
    commits::{self, Bundle},
    handshake::Host,
    leases::Leases,
    life::KnownLife,
    link::{Answer, Link, Place, Target},
    snapshot,
    standing::Notices,
    told::Told,
    wire::{AppendRecord, Reply, ReportRecord, Request},
};
use crate::{
    environment::Network,
    limits::{APPEND_WINDOW, CALL_DEADLINE, PEER_CALLS_WITHIN_IDLE},
    options::Timing,
    raft::{LeaderId, LogId, TypeConfig, Vote},
    records::{self, Kind, MemberRecord},
    runtime::Moment,
    snapshot::{Sending, SnapshotFile},
};
use futures_util::{Stream, StreamExt, stream};
use openraft::{
    OptionalSend, RaftNetworkFactory, RaftNetworkV2,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
        StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
        VoteResponse,
    },
};
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinSet;
use tradewind_domain::ids::DiskId;

pub(crate) type RpcError = RPCError<TypeConfig>;

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

/// Openraft's client of one peer: entries, heartbeats or snapshots go over `main`, according to what it was
/// made for; votes and the transfer of leadership always over `control`.
pub(crate) struct Client {
    to: u64,
    main: Link,
    control: Link,
    sending: Sending,
    told: Told,
    acks: Arc<Acks>,
}

/// An append under way.
struct Sent {
    answer: Answer,
    leader: LeaderId,
    begun: Moment,
    held: Vec<Option<LogId>>,
}

impl Client {
    async fn begin(
        &self,
        append: AppendEntriesRequest<TypeConfig>,
        held: Vec<Option<LogId>>,
        deadline: Duration,
    ) -> Result<Sent, RpcError> {
        self.told.note(&append);
        let (leader, begun) = (append.vote.leader_id, Moment::now());
        let body = encode(&Request::Append(AppendRecord::from(&append)))?;
        Ok(Sent { answer: self.main.begin(body, deadline).await, leader, begun, held })
    }

    async fn end(
        &self,
        sent: Sent,
    ) -> Result<(Vec<Option<LogId>>, StreamAppendResult<TypeConfig>), RpcError> {
        let result = append_result(finish(&self.main, sent.answer).await?)?;
        self.heard(sent.leader, sent.begun, &result);
        Ok((sent.held, result))
    }

    /// Whoever takes an append, or says from where on he does not have the log, has taken this leader for his.
    fn heard(&self, leader: LeaderId, begun: Moment, result: &StreamAppendResult<TypeConfig>) {
        match result {
            Ok(_) | Err(StreamAppendError::Conflict(_)) => self.acks.note(self.to, leader, begun),
            Err(StreamAppendError::HigherVote(_)) => {}
        }
    }
}

pub(super) fn rpc_error(error: &LinkError) -> RpcError {
    match error {
        LinkError::Dial { .. } | LinkError::Greeting { .. } => Unreachable::new(error).into(),
        LinkError::Broken { .. } | LinkError::Late { .. } => NetworkError::new(error).into(),
    }
}

fn unexpected(reply: &Reply) -> RpcError {
    NetworkError::from_string(format!("the answer does not fit the call: {reply:?}")).into()
}

fn encode(request: &Request) -> Result<Vec<u8>, RpcError> {
    records::encode(Kind::Request, request).map_err(|error| NetworkError::new(&error).into())
}

/// What the peer answered; `Failed` is an error here.
pub(super) async fn finish(link: &Link, answer: Answer) -> Result<Reply, RpcError> {
    let bytes = link.finish(answer).await.map_err(|error| rpc_error(&error))?;
    match records::decode(Kind::Reply, &bytes) {
        Ok(Reply::Failed(reason)) => Err(NetworkError::from_string(reason).into()),
        Ok(reply) => Ok(reply),
        Err(error) => Err(NetworkError::new(&error).into()),
    }
}

pub(super) async fn call(
    link: &Link,
    request: &Request,
    deadline: Duration,
) -> Result<Reply, RpcError> {
    let answer = link.begin(encode(request)?, deadline).await;
    finish(link, answer).await
}

fn append_result(reply: Reply) -> Result<StreamAppendResult<TypeConfig>, RpcError> {
    match reply {
        Reply::Appended(matching) => Ok(Ok(matching.map(LogId::from))),
        Reply::Conflict(at) => Ok(Err(StreamAppendError::Conflict(at.into()))),
        Reply::HigherVote(vote) => Ok(Err(StreamAppendError::HigherVote(vote.into()))),
        other => Err(unexpected(&other)),
    }
}

/// One answer for each append: what was held is stored where the append is that stood for it.
fn each(
    answered: Result<(Vec<Option<LogId>>, StreamAppendResult<TypeConfig>), RpcError>,
) -> Vec<Result<StreamAppendResult<TypeConfig>, RpcError>> {
    match answered {
        Ok((held, Ok(matching))) => {
            held.into_iter().map(|at| Ok(Ok(at))).chain([Ok(Ok(matching))]).collect()
        }
        Ok((_, refused)) => vec![Ok(refused)],
        Err(error) => vec![Err(error)],
    }
}

/// The responses end with the first that is not a plain success: what was sent after it is void.
fn until_failure(
    results: impl Stream<Item = Result<StreamAppendResult<TypeConfig>, RpcError>>,
) -> impl Stream<Item = Result<StreamAppendResult<TypeConfig>, RpcError>> {
    results.scan(false, |ended, result| {
        let item = (!*ended).then_some(result);
        *ended |= !matches!(item, Some(Ok(Ok(_))));
        std::future::ready(item)
    })
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RpcError> {
        self.told.note(&rpc);
        let (leader, begun) = (rpc.vote.leader_id, Moment::now());
        let request = Request::Append(AppendRecord::from(&rpc));
        let reply = call(&self.main, &request, CALL_DEADLINE.max(option.soft_ttl())).await?;
        let result = append_result(reply)?;
        self.heard(leader, begun, &result);
        Ok(match result {
            Ok(matching) => AppendEntriesResponse::PartialSuccess(matching),
            Err(StreamAppendError::Conflict(_)) => AppendEntriesResponse::Conflict,
            Err(StreamAppendError::HigherVote(vote)) => AppendEntriesResponse::HigherVote(vote),
        })
    }

    /// Appends leave one after the other without waiting for answers, which come back in order.
    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<
        's,
        Result<BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RpcError>>, RpcError>,
    >
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let client = &*self;
        // Openraft's deadline, a heartbeat, is for a round trip; a follower may be syncing its disk.
        let deadline = CALL_DEADLINE.max(option.soft_ttl());
        Box::pin(async move {
            let answers = commits::held(input)
                .then(move |Bundle { append, held }| client.begin(append, held, deadline))
                .map(move |sent| async move { client.end(sent?).await })
                .buffered(APPEND_WINDOW)
                .flat_map(|answered| stream::iter(each(answered)));
            let results: BoxStream<'s, _> = Box::pin(until_failure(answers));
            Ok(results)
        })
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let deadline = CALL_DEADLINE.max(option.hard_ttl());
        match call(&self.control, &Request::Vote(rpc.into()), deadline).await? {
            Reply::Vote(answer) => Ok(answer.into()),
            other => Err(unexpected(&other)),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        let deadline = CALL_DEADLINE.max(option.hard_ttl());
        match call(&self.control, &Request::PreVote(rpc.into()), deadline).await? {
            Reply::Vote(answer) => Ok(answer.into()),
            other => Err(unexpected(&other)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::type_config::alias::SnapshotOf<TypeConfig, SnapshotFile>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = snapshot::send(&self.main, vote, &snapshot.snapshot, &self.sending) => {
                sent.map_err(StreamingError::from)
            }
        }
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        let deadline = CALL_DEADLINE.max(option.hard_ttl());
        match call(&self.control, &Request::TransferLeader(req.into()), deadline).await? {
            Reply::TransferStarted => Ok(Ok(())),
            Reply::TransferRefused(refusal) => Ok(Err(refusal.into())),
            other => Err(unexpected(&other)),
        }
    }
}
