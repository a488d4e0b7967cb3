//! The door for peers: greets, reads calls, hands them to Raft and answers. Decides how many calls are served at
//! once, in which order, and when a silent caller is shown out; what the answer is, Raft decides. The task may
//! be cancelled at any point.

use super::{
    Lane,
    callers::{Callers, Strangers},
    fetch::Giver,
    frame,
    handshake::{self, Answer, Hello, Host},
    snapshot::Receiver,
    standing::{Heard, Notice, Standing},
    wire::{Reply, ReportRecord, Request},
};
use crate::{
    audit::Audit,
    contact::Contact,
    environment::{Accept, Socket},
    group_clock::GroupClock,
    limits::{
        APPEND_WINDOW, CALL_DEADLINE, CONTROL_REQUESTS_MAX, HANDSHAKE_DEADLINE, LOOK_EVERY,
        PEER_CONNECTIONS_MAX, STRANGERS_MAX,
    },
    log::LogStore,
    raft::{Raft, TypeConfig, promised_no_later},
    records::{self, Kind, VoteRecord},
    snapshot::Shelf,
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use openraft::raft::AppendEntriesRequest;
use std::{collections::VecDeque, io, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{interval, timeout},
};
/// What serving a peer needs.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) host: Arc<Host>,
    pub(crate) raft: Raft,
    pub(crate) log: LogStore,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) callers: Arc<Callers>,
    pub(crate) strangers: Arc<Strangers>,
    /// A caller that calls nothing for so long is shown out.
    pub(crate) idle: Duration,
    /// Told whenever a connection from a peer has ended.
    pub(crate) lost: Arc<Notify>,
    pub(crate) standing: Standing,
    pub(crate) clock: Arc<GroupClock>,
    pub(crate) audit: Arc<Audit>,
    pub(crate) contact: Contact,
}

/// After a refused `accept`: out of file handles, most likely. Others may give some back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts peers until cancelled.
pub(crate) async fn serve(mut listener: Box<dyn Accept>, service: Service) {
    let mut connections = JoinSet::new();
    let mut look = interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = look.tick() => service.callers.show_out(&service.standing.register),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) if connections.len() < PEER_CONNECTIONS_MAX + STRANGERS_MAX => {
                    let service = service.clone();
                    connections.spawn(async move {
                        if let Err(why) = welcome(stream, service).await {
                            tracing::debug!(%from, %why, "peer connection ended");
                        }
                    });
                }
                Ok((_, from)) => {
                    tracing::warn!(%from, most = PEER_CONNECTIONS_MAX, "too many peer connections");
                }
                Err(why) => {
                    tracing::warn!(%why, "peer connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn welcome((mut reader, mut writer): Socket, service: Service) -> io::Result<()> {
    let (register, host) = (&service.standing.register, &service.host);
    let seat = service.strangers.enter();
    let greet = async {
        let hello = handshake::read_hello(&mut reader).await?;
        let life = register.life();
        let admitted = host.judge(&hello, life).and_then(|version| {
            register.judge(hello.from, hello.disk)?;
            let known = register.knows(hello.from, hello.disk);
            Ok((version, service.callers.take(&hello, known)?))
        });
        let (verdict, admitted) = match admitted {
            Ok((version, replaced)) => (Ok(version), Ok(replaced)),
            Err(notice) => (Err(notice.clone()), Err(notice)),
        };
        let answer = Answer { disk: host.disk, life, lease: host.lease, verdict };
        handshake::send_answer(&mut writer, &hello, &answer).await?;
        io::Result::Ok((hello, admitted))
    };
    let (hello, admitted) = tokio::select! {
        greeted = timeout(HANDSHAKE_DEADLINE, greet) => {
            greeted.map_err(|_| io::ErrorKind::TimedOut)??
        }
        _ = seat => return Err(io::Error::other("too many that do not say who they are")),
    };
    let replaced = match admitted {
        Ok(replaced) => replaced,
        Err(notice) => {
            refuse(&service, &hello, &notice);
            return Ok(());
        }
    };
    let lost = service.lost.clone();
    let ended = tokio::select! {
        served = serve_lane((reader, writer), &hello, service) => served,
        _ = replaced => return Err(io::Error::other("the peer has called anew")),
    };
    lost.notify_one();
    ended
}

/// The caller was told why he is not spoken to; it may be this member's own fault.
fn refuse(service: &Service, hello: &Hello, notice: &Notice) {
    tracing::warn!(peer = hello.from, reason = notice.reason, "peer refused");
    let Standing { register, notices, .. } = &service.standing;
    // He knows this member with another disk: it was wiped. Whether his word counts is decided beside others';
    // under a number that is nobody's, or on another disk than the group knows, it does not.
    let is_member = register.knows(hello.from, hello.disk) || register.is_empty();
    if is_member && *notice == Notice::other_disk(service.host.node) {
        notices.tell(hello.from, notice);
    }
}

async fn serve_lane((reader, writer): Socket, hello: &Hello, service: Service) -> io::Result<()> {
    let (heard, idle) = (service.standing.heard.clone(), service.idle);
    let calls = Calls { reader, input: BytesMut::new(), heard, idle };
    let answers = Answers { writer };
    match hello.lane {
        Lane::Append => serve_appends(calls, answers, service).await,
        Lane::Control => serve_control(calls, answers, service).await,
        Lane::Snapshot => serve_snapshots(calls, answers, service, hello.from).await,
    }
}

struct Calls {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    input: BytesMut,
    heard: Arc<Heard>,
    idle: Duration,
}

impl Calls {
    /// The next call; `None` when the peer has hung up. May be cancelled without loss.
    async fn next(&mut self) -> io::Result<Option<(u64, Request)>> {
        loop {
            if let Some((call, body)) = frame::take(&mut self.input).map_err(io::Error::other)? {
                let request = records::decode(Kind::Request, &body).map_err(io::Error::other)?;
                self.heard.note();
                return Ok(Some((call, request)));
            }
            let read = timeout(self.idle, self.reader.read_buf(&mut self.input)).await;
            if read.map_err(|_| io::Error::other("nothing was called for long"))?? == 0 {
                return Ok(None);
            }
        }
    }
}

struct Answers {
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Answers {
    /// A peer that does not take its answers in time has lost interest, or its power.
    async fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        timeout(CALL_DEADLINE, self.writer.write_all(frames))
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }
}

fn answer(call: u64, reply: &Reply) -> io::Result<Bytes> {
    let body = records::encode(Kind::Reply, reply).map_err(io::Error::other)?;
    let mut out = BytesMut::new();
    frame::put(&mut out, call, &body).map_err(io::Error::other)?;
    Ok(out.freeze())
}

type Results = Pin<Box<dyn Stream<Item = Reply> + Send>>;

/// One run of appends through openraft: it ends with the first that is not stored.
struct Run {
    input: mpsc::Sender<AppendEntriesRequest<TypeConfig>>,
    results: Results,
    /// Calls given in and not yet answered, oldest first.
    open: VecDeque<u64>,
}

impl Run {
    fn start(raft: &Raft) -> Self {
        let (input, requests) = mpsc::channel(APPEND_WINDOW);
        let requests = stream::unfold(requests, |mut requests| async move {
            requests.recv().await.map(|request| (request, requests))
        });
        let results = raft.stream_append(requests).map(|result| match result {
            Ok(result) => Reply::from(result),
            Err(fatal) => Reply::Failed(fatal.to_string()),
        });
        Self { input, results: Box::pin(results), open: VecDeque::new() }
    }
}

/// Appends are given to Raft in order and without waiting for the disk in between.
async fn serve_appends(mut calls: Calls, mut answers: Answers, service: Service) -> io::Result<()> {
    let mut run = Run::start(&service.raft);
    loop {
        tokio::select! {
            reply = run.results.next(), if !run.open.is_empty() => {
                let reply = reply.unwrap_or_else(|| Reply::Failed("raft has stopped".to_owned()));
                let ended = !matches!(reply, Reply::Appended(_));
                service.contact.heard(&reply);
                let call = run.open.pop_front().unwrap_or_default();
                let mut frames = BytesMut::from(&answer(call, &reply)?[..]);
                if ended {
                    // What came behind a refused append builds on it; the sender has given it up.
                    for call in std::mem::take(&mut run.open) {
                        let void = Reply::Failed("the append before was refused".to_owned());
                        frames.extend_from_slice(&answer(call, &void)?);
                    }
                    run = Run::start(&service.raft);
                }
                answers.send(&frames).await?;
            }
            next = calls.next(), if run.open.len() < APPEND_WINDOW => {
                let Some((call, request)) = next? else { return Ok(()) };
                let append = match request {
                    Request::Append(append) => append,
                    Request::Greet => {
                        answers.send(&answer(call, &Reply::Greeted)?).await?;
                        continue;
                    }
                    other => return Err(misplaced(&other)),
                };
                let append = AppendEntriesRequest::try_from(append).map_err(io::Error::other)?;
                run.open.push_back(call);
                // A run that has ended takes nothing more, and tells so by its last result.
                let _ = run.input.send(append).await;
            }
        }
    }
}

fn misplaced(request: &Request) -> io::Error {
    let text = format!("{request:?}");
    let name = text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
    io::Error::new(io::ErrorKind::InvalidData, format!("{name} does not belong on this lane"))
}

/// Votes, heartbeats and transfers overtake each other: none waits for another's disk.
async fn serve_control(mut calls: Calls, mut answers: Answers, service: Service) -> io::Result<()> {
    let mut work = JoinSet::new();
    loop {
        tokio::select! {
            next = calls.next(), if work.len() < CONTROL_REQUESTS_MAX => {
                let Some((call, request)) = next? else { return Ok(()) };
                if let Request::Confirm(vote) = request {
                    answers.send(&answer(call, &confirm(&service, vote))?).await?;
                    continue;
                }
                let service = service.clone();
                work.spawn(async move { (call, control(&service, request).await) });
            }
            Some(done) = work.join_next() => {
                let (call, reply) = done.map_err(io::Error::other)?;
                answers.send(&answer(call, &reply?)?).await?;
            }
        }
    }
}

/// By the vote on disk: one that was given away is there before anybody hears of it.
fn confirm(service: &Service, asked: VoteRecord) -> Reply {
    match service.log.vote() {
        Some(held) if !promised_no_later(Some(held), &asked.into()) => {
            Reply::HigherVote(held.into())
        }
        Some(_) | None => Reply::Confirmed,
    }
}

async fn control(service: &Service, request: Request) -> io::Result<Reply> {
    let raft = &service.raft;
    let failed = |fatal: &dyn std::error::Error| Reply::Failed(fatal.to_string());
    Ok(match request {
        Request::Append(append) => {
            let append = AppendEntriesRequest::try_from(append).map_err(io::Error::other)?;
            let previous = append.prev_log_id;
            let last = append.entries.last().map(|entry| entry.log_id).or(previous);
            let reply = match raft.append_entries(append).await {
                Ok(response) => Reply::from(response.into_stream_result(previous, last)),
                Err(error) => failed(&error),
            };
            service.contact.heard(&reply);
            reply
        }
        Request::Vote(call) => match raft.vote(call.into()).await {
            Ok(response) => Reply::Vote(response.into()),
            Err(error) => failed(&error),
        },
        Request::PreVote(call) => match raft.pre_vote(call.into()).await {
            Ok(response) => Reply::Vote(response.into()),
            Err(error) => failed(&error),
        },
        Request::TransferLeader(transfer) => {
            match raft.handle_transfer_leader(transfer.into()).await {
                Ok(response) => Reply::from(response),
                Err(error) => failed(&error),
            }
        }
        Request::Greet => Reply::Greeted,
        Request::Report { above } => {
            let (own, calendar) = (service.clock.own(), service.clock.calendar());
            Reply::Report(ReportRecord::new(own, calendar, service.audit.above(above)))
        }
        other => return Err(misplaced(&other)),
    })
}

async fn serve_snapshots(
    mut calls: Calls,
    mut answers: Answers,
    service: Service,
    from: u64,
) -> io::Result<()> {
    let mut receiver = Receiver::new(service.shelf.clone(), from);
    let mut giver = Giver::new(service.shelf.clone(), service.raft.clone(), from);
    while let Some((call, request)) = calls.next().await? {
        let reply = match request {
            Request::SnapshotOffer { vote, head, bytes, crc } => {
                receiver.begin(vote, head, bytes, Some(crc)).await
            }
            Request::SnapshotPiece { offset, bytes, crc } => {
                receiver.chunk(offset, bytes, Some(crc)).await
            }
            Request::SnapshotBegin { vote, head, bytes } => {
                receiver.begin(vote, head, bytes, None).await
            }
            Request::SnapshotChunk { offset, bytes } => receiver.chunk(offset, bytes, None).await,
            Request::SnapshotEnd { crc } => receiver.end(crc, &service.raft).await,
            Request::SnapshotWanted { least } => giver.give(least).await,
            Request::SnapshotRead { offset } => giver.read(offset).await,
            other => return Err(misplaced(&other)),
        };
        let reply = reply.unwrap_or_else(|why| {
            tracing::warn!(peer = from, %why, "snapshot not passed on");
            Reply::Failed(why.to_string())
        });
        answers.send(&answer(call, &reply)?).await?;
    }
    Ok(())
}
