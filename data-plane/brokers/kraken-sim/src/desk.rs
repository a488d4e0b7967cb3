//! The desk: the one task that owns exchange, ledger and clients. Decides the order in which requests are done and
//! that nothing is told before it is on disk; what a request means is decided by the parts beside this file.

pub(crate) mod call;
pub(crate) mod channel;
pub(crate) mod client;
pub(crate) mod compose;
pub(crate) mod fault;
pub(crate) mod judge;
pub(crate) mod listing;
pub(crate) mod method;
pub(crate) mod public;
pub(crate) mod session;
pub(crate) mod view;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tradewind_domain::time::UnixNanos;
use tradewind_journal::{Failure, Ticket};
use tradewind_sim::clock::Clock;

use crate::exchange::{Done, Exchange};
use crate::ledger::event::Step;
use crate::ledger::state::Inconsistent;
use crate::ledger::{Ledger, LedgerError};
use crate::limits::{CLIENT_QUEUE_FRAMES, INBOX_REQUESTS, PAUSE_MAX, STEPS_IN_FLIGHT, TICK};
use crate::street::Street;
use client::{Client, ClientNumber, Out, Stall};
use fault::{Fault, Faults};
use session::{Call, Session};
use view::View;

/// The simulator cannot go on; it is to be started again, or looked at.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the exchange contradicts its ledger: this is a bug")]
    Inconsistent(#[from] Inconsistent),
    #[error("a frame has no json form: this is a bug")]
    Encode(#[from] serde_json::Error),
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub(crate) struct RestAnswer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// What somebody asks of the desk.
pub(crate) enum Request {
    Join { number: ClientNumber, queue: mpsc::Sender<Out>, cut: CancellationToken },
    Frame { number: ClientNumber, text: String },
    Leave { number: ClientNumber },
    Public { call: String, query: String, answer: oneshot::Sender<RestAnswer> },
    Private { call: Call, answer: oneshot::Sender<RestAnswer> },
    Faults { faults: Vec<Fault>, answer: oneshot::Sender<RestAnswer> },
    Judge { answer: oneshot::Sender<RestAnswer> },
    Connects { answer: oneshot::Sender<RestAnswer> },
}

/// The handle. Clones speak to the same desk; when the last one is gone the task ends.
#[derive(Clone)]
pub(crate) struct Desk {
    inbox: mpsc::Sender<Request>,
    numbers: Arc<AtomicU64>,
}

/// The simulator has stopped.
#[derive(Debug)]
pub(crate) struct Stopped;

/// One connection's two ends.
pub(crate) struct Joined {
    pub(crate) number: ClientNumber,
    pub(crate) frames: mpsc::Receiver<Out>,
    pub(crate) cut: CancellationToken,
}

impl Desk {
    /// Waits while the desk is busy.
    pub(crate) async fn ask(&self, request: Request) -> Result<(), Stopped> {
        self.inbox.send(request).await.map_err(|_| Stopped)
    }

    /// Takes a new connection in. The caller says `Leave` when it has gone.
    pub(crate) async fn join(&self) -> Result<Joined, Stopped> {
        let number = ClientNumber(self.numbers.fetch_add(1, Ordering::Relaxed));
        let (queue, frames) = mpsc::channel(CLIENT_QUEUE_FRAMES);
        let cut = CancellationToken::new();
        self.ask(Request::Join { number, queue, cut: cut.clone() }).await?;
        Ok(Joined { number, frames, cut })
    }
}

/// What is told when a step is on disk, or at once when there is nothing to write.
pub(crate) enum Output {
    Frame(ClientNumber, Utf8Bytes),
    Rest(oneshot::Sender<RestAnswer>, RestAnswer),
}

struct Pending {
    ticket: Option<Ticket>,
    outputs: Vec<Output>,
}

/// See the module.
pub(crate) struct Task {
    pub(crate) exchange: Exchange,
    pub(crate) session: Session,
    pub(crate) clients: BTreeMap<ClientNumber, Client>,
    pub(crate) faults: Faults,
    /// Books as they were last published, by pair and depth.
    pub(crate) views: BTreeMap<(usize, usize), View>,
    pub(crate) tops: BTreeMap<usize, compose::Top>,
    ledger: Ledger,
    clock: Clock,
    streets: Vec<Street>,
    /// Answers held back by a fault, and until when.
    held: Vec<(UnixNanos, Output)>,
    pub(crate) banned_until: UnixNanos,
    /// When connections were opened in the last ten minutes.
    pub(crate) opened: VecDeque<UnixNanos>,
    pub(crate) connects: judge::Connects,
    /// In the order of the steps.
    pending: VecDeque<Pending>,
    inbox: mpsc::Receiver<Request>,
}

impl Task {
    /// The streets' first steps are the books' beginning.
    pub(crate) fn new(
        exchange: Exchange,
        resumed: Done,
        session: Session,
        ledger: Ledger,
        clock: Clock,
        streets: Vec<Street>,
    ) -> Result<(Desk, Self), DeskError> {
        let (sender, inbox) = mpsc::channel(INBOX_REQUESTS);
        let desk = Desk { inbox: sender, numbers: Arc::default() };
        let mut task = Self {
            exchange,
            session,
            clients: BTreeMap::new(),
            faults: Faults::default(),
            views: BTreeMap::new(),
            tops: BTreeMap::new(),
            ledger,
            clock,
            streets,
            held: Vec::new(),
            banned_until: UnixNanos(0),
            opened: VecDeque::new(),
            connects: judge::Connects::default(),
            pending: VecDeque::new(),
            inbox,
        };
        task.finish(Vec::new(), resumed)?;
        for pair in 0..task.streets.len() {
            task.play(pair)?;
        }
        Ok((desk, task))
    }

    pub(crate) fn now(&mut self) -> UnixNanos {
        self.clock.now()
    }

    /// Runs until the last handle is gone and everything is told, or the ledger stops.
    pub(crate) async fn run(mut self) -> Result<(), DeskError> {
        let begun = Instant::now();
        let mut due: Vec<Instant> = self.streets.iter().map(|s| begun + s.pause()).collect();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let has_room = self.pending.len() < STEPS_IN_FLIGHT;
            let next = due.iter().copied().min().unwrap_or(begun);
            tokio::select! {
                outcome = durable(&mut self.pending), if !self.pending.is_empty() => {
                    outcome.map_err(LedgerError::from)?;
                    self.tell();
                }
                request = self.inbox.recv(), if has_room => match request {
                    Some(request) => self.handle(request)?,
                    None => break,
                },
                () = sleep_until(next), if has_room && !due.is_empty() => {
                    let now = Instant::now();
                    for (pair, due) in due.iter_mut().enumerate() {
                        if *due <= now {
                            self.play(pair)?;
                            // What was missed is not made up for in a burst.
                            let earliest = now.checked_sub(PAUSE_MAX).unwrap_or(now);
                            *due = (*due).max(earliest) + self.streets[pair].pause();
                        }
                    }
                }
                _ = tick.tick(), if has_room => self.tick()?,
            }
        }
        while !self.pending.is_empty() {
            durable(&mut self.pending).await.map_err(LedgerError::from)?;
            self.tell();
        }
        Ok(())
    }

    fn handle(&mut self, request: Request) -> Result<(), DeskError> {
        match request {
            Request::Join { number, queue, cut } => self.join(number, queue, cut),
            Request::Leave { number } => {
                self.clients.remove(&number);
                Ok(())
            }
            Request::Frame { number, text } => self.frame(number, &text),
            Request::Public { call, query, answer } => {
                let body = self.public(&call, &query);
                self.finish(vec![Output::Rest(answer, body)], Done::default())
            }
            Request::Private { call, answer } => self.private(&call, answer),
            Request::Faults { faults, answer } => self.do_faults(faults, answer),
            Request::Judge { answer } => {
                let page = judge::page(&self.exchange.state)?;
                let page = RestAnswer { status: 200, body: page };
                self.finish(vec![Output::Rest(answer, page)], Done::default())
            }
            Request::Connects { answer } => {
                let page =
                    RestAnswer { status: 200, body: self.connects.page(self.clients.len())? };
                self.finish(vec![Output::Rest(answer, page)], Done::default())
            }
        }
    }

    /// The next message of a street.
    fn play(&mut self, pair: usize) -> Result<(), DeskError> {
        let (levels, now) = (self.streets[pair].step(), self.now());
        let done = self.exchange.set_street(pair, &levels, now)?;
        self.finish(Vec::new(), done)
    }

    fn tick(&mut self) -> Result<(), DeskError> {
        let now = self.now();
        let done = self.exchange.tick(now)?;
        self.finish(Vec::new(), done)?;
        let (due, held) = self.held.drain(..).partition(|(at, _)| *at <= now);
        self.held = held;
        for (_, output) in due {
            self.finish(vec![output], Done::default())?;
        }
        for client in self.clients.values_mut() {
            client.beat(now);
        }
        Ok(())
    }

    fn do_faults(
        &mut self,
        faults: Vec<Fault>,
        answer: oneshot::Sender<RestAnswer>,
    ) -> Result<(), DeskError> {
        let now = self.now();
        let mut done = Done::default();
        let mut room = true;
        for fault in faults {
            match fault {
                Fault::Drop { clean } => {
                    self.clients.values_mut().for_each(|client| client.end(clean));
                }
                Fault::Stall { heartbeats } => {
                    let stall = if heartbeats { Stall::HeartbeatsOnly } else { Stall::Silent };
                    self.clients.values_mut().for_each(|client| client.stall = stall);
                }
                Fault::Silence { channel } => self.silence(&channel),
                Fault::ExpireTokens {} => self.session.expire_tokens(),
                Fault::System { system } => {
                    done.told.extend(self.exchange.set_system(system).told);
                }
                Fault::Ban { seconds } => {
                    self.banned_until = now + core::time::Duration::from_secs(seconds);
                }
                waiting => room &= self.faults.add(waiting),
            }
        }
        let answered = if room {
            RestAnswer { status: 200, body: "{}".to_owned() }
        } else {
            RestAnswer { status: 429, body: r#"{"error":"too many faults wait"}"#.to_owned() }
        };
        self.finish(vec![Output::Rest(answer, answered)], done)
    }

    fn silence(&mut self, channel: &str) {
        for client in self.clients.values_mut() {
            let slots = client.topics.keys().filter(|slot| slot.0 == channel).copied();
            client.silenced = slots.collect();
            let private = match channel {
                "executions" => client.executions.as_mut(),
                "balances" => client.balances.as_mut(),
                _ => None,
            };
            if let Some(private) = private {
                private.silent = true;
            }
        }
    }

    /// Writes down what was done, and queues what is to be told then: the given outputs first.
    pub(crate) fn finish(&mut self, mut outputs: Vec<Output>, done: Done) -> Result<(), DeskError> {
        outputs.extend(self.compose(done.told)?);
        let ticket = if done.events.is_empty() {
            None
        } else {
            Some(self.ledger.write(&Step { events: done.events })?)
        };
        if ticket.is_some() || !outputs.is_empty() {
            self.pending.push_back(Pending { ticket, outputs });
        }
        Ok(())
    }

    /// Holds an answer back, if a fault says so; else gives it.
    pub(crate) fn hold(&mut self, method: &str, output: Output) -> Option<Output> {
        if self.faults.swallows(method) {
            if let Output::Rest(answer, _) = output {
                // Who waits for it is to wait: an end of the channel would be an answer.
                self.held.push((
                    UnixNanos(u64::MAX),
                    Output::Rest(answer, RestAnswer { status: 200, body: String::new() }),
                ));
            }
            return None;
        }
        match self.faults.delay(method) {
            Some(millis) => {
                let until = self.now() + core::time::Duration::from_millis(millis);
                self.held.push((until, output));
                None
            }
            None => Some(output),
        }
    }

    /// Tells what the first step has to tell.
    fn tell(&mut self) {
        let Some(pending) = self.pending.pop_front() else { return };
        let now = self.now();
        for output in pending.outputs {
            match output {
                Output::Frame(number, frame) => {
                    if let Some(client) = self.clients.get_mut(&number) {
                        client.send(frame, now);
                    }
                }
                Output::Rest(answer, body) => {
                    // Whoever asked may have gone.
                    let _ = answer.send(body);
                }
            }
        }
    }
}

/// Waits until the first step is on disk.
async fn durable(pending: &mut VecDeque<Pending>) -> Result<(), Failure> {
    match pending.front_mut().and_then(|first| first.ticket.as_mut()) {
        Some(ticket) => ticket.await,
        None => Ok(()),
    }
}
