//! One outgoing connection to a peer: dialled when first needed, kept, dialled anew after it broke.
//! Decides when a connection is given up, and that one on which nothing is called for long is kept by a call
//! of its own, or ended where snapshots go; a call is never sent twice, and its caller hears what became of
//! it. The task may be cancelled at any point: calls then end as broken.

use super::{
    Lane, LinkError, frame,
    handshake::{self, Answer as Greeted, Hello, VERSIONS},
    leases::Leases,
    life::{KnownLife, Life},
    standing::{Notice, Notices, Why},
    wire::Request,
};
use crate::{
    environment::{Network, Socket},
    limits::{CALL_DEADLINE, HANDSHAKE_DEADLINE, LINK_OUT_BYTES_MAX, LINK_QUEUE},
    records::{self, Kind},
};
use bytes::{Bytes, BytesMut};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tradewind_domain::ids::DiskId;

pub(crate) type Answer = oneshot::Receiver<Result<Bytes, LinkError>>;

struct Call {
    body: Vec<u8>,
    until: Instant,
    answer: oneshot::Sender<Result<Bytes, LinkError>>,
}

/// A cheap handle; the connection ends when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Link {
    inbox: mpsc::Sender<Call>,
    target: Arc<Target>,
}

/// Where a peer is, and on which disk, as the membership says at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) disk: Option<DiskId>,
}

/// Whom a link calls, as whom.
pub(crate) struct Target {
    pub(crate) network: Arc<dyn Network>,
    pub(crate) place: Mutex<Place>,
    pub(crate) lane: Lane,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) cluster: String,
    /// This member's disk.
    pub(crate) disk: DiskId,
    pub(crate) life: KnownLife,
    /// Where a peer's word that this member must not go on is heard.
    pub(crate) notices: Arc<Notices>,
    /// Where a peer's lease is noted.
    pub(crate) leases: Arc<Leases>,
    pub(crate) dial: Duration,
    /// After so long without a call the connection is kept by one, or ended.
    pub(crate) quiet: Duration,
}

impl Link {
    /// Starts the connection's task in `tasks`. Nothing is dialled yet.
    pub(crate) fn start(target: Target, tasks: &mut JoinSet<()>) -> Self {
        let target = Arc::new(target);
        let (inbox, calls) = mpsc::channel(LINK_QUEUE);
        tasks.spawn(run(calls, target.clone()));
        Self { inbox, target }
    }

    /// From its next connection on the link goes there. Openraft keeps its clients when a member moves.
    pub(crate) fn redirect(&self, place: &Place) {
        let mut held = self.target.place.lock().unwrap_or_else(PoisonError::into_inner);
        if *held != *place {
            held.clone_from(place);
        }
    }

    /// Queues a call: calls of one task leave in the order of their `begin`s. The answer comes later.
    pub(crate) async fn begin(&self, body: Vec<u8>, deadline: Duration) -> Answer {
        let (answer, receiver) = oneshot::channel();
        let call = Call { body, until: Instant::now() + deadline, answer };
        if let Err(refused) = self.inbox.send(call).await {
            let _ = refused.0.answer.send(Err(self.target.broken("the member is stopping")));
        }
        receiver
    }

    /// Waits for an answer that [`begin`](Self::begin) gave.
    pub(crate) async fn finish(&self, answer: Answer) -> Result<Bytes, LinkError> {
        answer.await.unwrap_or_else(|_| Err(self.target.broken("the member is stopping")))
    }
}

impl Target {
    fn place(&self) -> Place {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn broken(&self, reason: impl ToString) -> LinkError {
        LinkError::Broken { address: self.place().address, reason: reason.to_string() }
    }
}

async fn run(mut calls: mpsc::Receiver<Call>, target: Arc<Target>) {
    while let Some(first) = calls.recv().await {
        match connect(&target).await {
            Ok(stream) => {
                let why = Connection::new(stream, &target).run(first, &mut calls).await;
                if let Some(why) = why {
                    tracing::debug!(peer = target.to, lane = target.lane.name(), %why, "link broke");
                }
            }
            Err(why) => {
                if matches!(why, LinkError::Greeting { .. }) {
                    tracing::warn!(peer = target.to, lane = target.lane.name(), %why, "peer refused us");
                }
                // Whoever queued while the dial failed would meet the same failure, only later.
                let _ = first.answer.send(Err(why.clone()));
                while let Ok(call) = calls.try_recv() {
                    let _ = call.answer.send(Err(why.clone()));
                }
            }
        }
    }
}

async fn connect(target: &Target) -> Result<Socket, LinkError> {
    let Place { address, disk: expected } = target.place();
    let failed =
        |source: io::Error| LinkError::Dial { address: address.clone(), source: Arc::new(source) };
    let late = |_| failed(io::ErrorKind::TimedOut.into());
    let dial = target.network.dial(&address);
    let (mut reader, mut writer) =
        timeout(target.dial, dial).await.map_err(late)?.map_err(failed)?;
    let life = (target.life)();
    let greet = async {
        let hello = Hello {
            versions: VERSIONS,
            lane: target.lane,
            from: target.from,
            to: target.to,
            cluster: target.cluster.clone(),
            disk: target.disk,
            expected,
            life,
        };
        handshake::send_hello(&mut writer, &hello).await?;
        handshake::read_answer(&mut reader).await
    };
    let greeted = timeout(HANDSHAKE_DEADLINE.min(target.dial * 2), greet).await.map_err(late)?;
    match judge(target, greeted.map_err(failed)?, expected, life) {
        Ok(()) => Ok((reader, writer)),
        Err(notice) => Err(refused(target, notice)),
    }
}

/// Whether the one reached is whom this member has called, and welcomes it; what it has to say against this
/// member is heard.
fn judge(
    target: &Target,
    greeted: Greeted,
    expected: Option<DiskId>,
    life: Life,
) -> Result<(), Notice> {
    let Greeted { disk, life: theirs, lease, verdict } = greeted;
    let another = expected.is_some_and(|expected| expected != disk);
    match verdict {
        Err(notice) => {
            let of_another_life = notice.why == Why::OtherLife;
            // A peer that refuses for its own disk's sake speaks of itself, one in another's place of nothing
            // it knows. One of a later life has another disk, and one of an earlier life is no witness.
            let witness = match life.conflict(theirs) {
                Some(order) => of_another_life && order.is_gt(),
                None => !of_another_life && !another && notice != Notice::other_disk(target.to),
            };
            if witness {
                target.notices.tell(target.to, &notice);
            }
            Err(notice)
        }
        Ok(_) if another => Err(Notice::other_disk(target.to)),
        Ok(_) => {
            target.notices.welcomed(target.to);
            target.leases.note(target.to, lease);
            Ok(())
        }
    }
}

fn refused(target: &Target, notice: Notice) -> LinkError {
    LinkError::Greeting { address: target.place().address, reason: notice.reason }
}

struct Waiting {
    until: Instant,
    answer: oneshot::Sender<Result<Bytes, LinkError>>,
}

struct Connection<'a> {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    target: &'a Target,
    input: BytesMut,
    output: BytesMut,
    next_call: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// When the last call was taken.
    called: Instant,
}

impl<'a> Connection<'a> {
    fn new((reader, writer): Socket, target: &'a Target) -> Self {
        Self {
            reader,
            writer,
            target,
            input: BytesMut::new(),
            output: BytesMut::new(),
            next_call: 0,
            waiting: BTreeMap::new(),
            called: Instant::now(),
        }
    }

    /// Serves calls until the connection breaks; `None` if it has ended well: there will be no more calls, or
    /// none has come for long.
    async fn run(mut self, first: Call, calls: &mut mpsc::Receiver<Call>) -> Option<LinkError> {
        self.take_call(first);
        let why = self.serve(calls).await;
        let told = why.clone().unwrap_or_else(|| self.target.broken("the member is stopping"));
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            let _ = waiting.answer.send(Err(told.clone()));
        }
        why
    }

    async fn serve(&mut self, calls: &mut mpsc::Receiver<Call>) -> Option<LinkError> {
        loop {
            let until = self.waiting.values().map(|waiting| waiting.until).min();
            let late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                read = self.reader.read_buf(&mut self.input) => match read {
                    Ok(0) => Err(self.target.broken("the peer closed it")),
                    Ok(_) => self.take_answers(),
                    Err(error) => Err(self.target.broken(error)),
                },
                written = self.writer.write_buf(&mut self.output), if !self.output.is_empty() => {
                    written.map(drop).map_err(|error| self.target.broken(error))
                }
                call = calls.recv(), if self.output.len() < LINK_OUT_BYTES_MAX => match call {
                    Some(call) => {
                        self.take_call(call);
                        Ok(())
                    }
                    None => return None,
                },
                () = late => Err(LinkError::Late { address: self.target.place().address }),
                () = sleep_until(self.called + self.target.quiet), if self.waiting.is_empty() => {
                    if self.target.lane == Lane::Snapshot {
                        return None;
                    }
                    self.keep();
                    Ok(())
                }
            };
            if let Err(why) = step {
                return Some(why);
            }
        }
    }

    /// Calls for nothing: a peer that is gone without a word shows by not answering, and one that is there
    /// hears that this member still is.
    fn keep(&mut self) {
        let Ok(body) = records::encode(Kind::Request, &Request::Greet) else { return };
        let (answer, _) = oneshot::channel();
        self.take_call(Call { body, until: Instant::now() + CALL_DEADLINE, answer });
    }

    /// A call too large for a frame fails alone; the connection is as good as before.
    fn take_call(&mut self, call: Call) {
        self.next_call += 1;
        self.called = Instant::now();
        match frame::put(&mut self.output, self.next_call, &call.body) {
            Ok(()) => {
                let waiting = Waiting { until: call.until, answer: call.answer };
                self.waiting.insert(self.next_call, waiting);
            }
            Err(too_large) => {
                let _ = call.answer.send(Err(self.target.broken(too_large)));
            }
        }
    }

    fn take_answers(&mut self) -> Result<(), LinkError> {
        loop {
            match frame::take(&mut self.input) {
                Ok(Some((call, body))) => {
                    // Unknown numbers are answers to calls that were given up; they end here.
                    if let Some(waiting) = self.waiting.remove(&call) {
                        let _ = waiting.answer.send(Ok(body));
                    }
                }
                Ok(None) => return Ok(()),
                Err(bad) => return Err(self.target.broken(bad)),
            }
        }
    }
}
