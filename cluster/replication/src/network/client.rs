//! Openraft's way out: its calls to one peer over that peer's links. Decides which lane a call takes, its
//! deadline, and how a failure is told to openraft: not reached, or reached and not answered.

use super::{
    LinkError,
    acks::Acks,
    commits::{self, Bundle},
    link::{Answer, Link},
    snapshot,
    told::Told,
    wire::{AppendRecord, Reply, Request},
};
use crate::{
    limits::{APPEND_WINDOW, CALL_DEADLINE},
    raft::{LeaderId, LogId, TypeConfig, Vote},
    records::{self, Kind},
    runtime::Moment,
    snapshot::{Sending, SnapshotFile},
};
use futures_util::{Stream, StreamExt, stream};
use openraft::{
    OptionalSend, RaftNetworkV2,
    base::{BoxFuture, BoxStream},
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
        StreamAppendResult, TransferLeaderRequest, TransferLeaderResponse, VoteRequest,
        VoteResponse,
    },
};
use std::{future::Future, sync::Arc, time::Duration};

pub(crate) type RpcError = RPCError<TypeConfig>;

/// Openraft's client of one peer: entries, heartbeats or snapshots go over `main`, according to what it was
/// made for; votes and the transfer of leadership always over `control`.
pub(crate) struct Client {
    pub(super) to: u64,
    pub(super) main: Link,
    pub(super) control: Link,
    pub(super) sending: Sending,
    pub(super) told: Told,
    pub(super) acks: Arc<Acks>,
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

pub(super) fn unexpected(reply: &Reply) -> RpcError {
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
