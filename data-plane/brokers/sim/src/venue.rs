//! The venue's one task: it owns the exchange, the ledger and the list of clients. Decides in which order
//! requests, the recording and the clock reach the exchange, and that nothing is told before it is on disk;
//! what happens to an order is decided by `exchange`, how frames travel by `connection`.
//!
//! The task never waits for a client: one whose queue is full is cut. It may be cancelled at any await: what
//! was not told may or may not be in the ledger, as after a crash.

mod clients;
mod market_data;
mod queue;
mod telling;
mod trouble;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tradewind_domain::ids::{AccountId, InstrumentId};
use tradewind_domain::limits::HEARTBEAT_EVERY;
use tradewind_journal::{Failure, Ticket};

use crate::clock::Clock;
use crate::exchange::{Done, Exchange};
use crate::fault::{About, Fault, Method, NotTaken};
use crate::fees::Fees;
use crate::generated::Streets;
use crate::instrument::Instrument;
use crate::ledger::event::Step;
use crate::ledger::state::{Inconsistent, State};
use crate::ledger::{Ledger, LedgerError};
use crate::limits::{EXPIRE_EVERY, INBOX_REQUESTS, PAUSE_MAX, STEPS_IN_FLIGHT};
use crate::wire::{Connected, FromVenue, LedgerPage, Outcome, RefusalCode, ToVenue};
use clients::{Client, ClientNumber, Clients};
use trouble::Trouble;

pub(crate) use queue::QueueReader;

/// The venue cannot go on; it is to be started again, or looked at.
#[derive(Debug, thiserror::Error)]
pub enum VenueError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the exchange contradicts its ledger: this is a bug")]
    Inconsistent(#[from] Inconsistent),
    #[error("a frame has no json form: this is a bug")]
    Encode(#[from] serde_json::Error),
}

enum Request {
    Join { number: ClientNumber, client: Client },
    Frame { number: ClientNumber, frame: ToVenue },
    Leave { number: ClientNumber },
    Page { account: Option<AccountId>, answer: oneshot::Sender<LedgerPage> },
    List { answer: oneshot::Sender<Vec<Connected>> },
    Cut { number: u64, answer: oneshot::Sender<bool> },
    Cause { faults: Vec<Fault>, answer: oneshot::Sender<Result<(), NotTaken>> },
    Waiting { answer: oneshot::Sender<Vec<Fault>> },
    Forget { answer: oneshot::Sender<()> },
}

/// What the venue offers.
pub(crate) struct Offer {
    /// Beside BTC/USD.
    pub(crate) instruments: Vec<InstrumentId>,
    /// Subscriptions of one connection.
    pub(crate) subscriptions: u32,
    pub(crate) fees: Fees,
}

/// The handle. Clones speak to the same venue; when the last one is gone the task ends.
#[derive(Clone)]
pub(crate) struct Venue {
    inbox: mpsc::Sender<Request>,
    numbers: Arc<AtomicU64>,
}

/// The venue has stopped.
#[derive(Debug)]
pub(crate) struct Stopped;

/// One client's two ends.
pub(crate) struct Joined {
    pub(crate) sender: ClientSender,
    /// What the client is to be sent. It ends when the venue stops.
    pub(crate) frames: QueueReader,
}

/// Hands in what one client sends.
pub(crate) struct ClientSender {
    venue: Venue,
    number: ClientNumber,
}

impl Venue {
    /// Takes a new client in. The caller says `leave` when it has gone.
    pub(crate) async fn join(&self) -> Result<Joined, Stopped> {
        let number = ClientNumber(self.numbers.fetch_add(1, Ordering::Relaxed));
        let (queue, frames) = queue::queue();
        let client = Client::new(queue);
        self.ask(Request::Join { number, client }).await?;
        Ok(Joined { sender: ClientSender { venue: self.clone(), number }, frames })
    }

    /// The judge's page.
    pub(crate) async fn page(&self, account: Option<AccountId>) -> Result<LedgerPage, Stopped> {
        let (answer, page) = oneshot::channel();
        self.ask(Request::Page { account, answer }).await?;
        page.await.map_err(|_| Stopped)
    }

    /// Who is connected.
    pub(crate) async fn connections(&self) -> Result<Vec<Connected>, Stopped> {
        let (answer, list) = oneshot::channel();
        self.ask(Request::List { answer }).await?;
        list.await.map_err(|_| Stopped)
    }

    /// Ends a connection; false if there is none of that number.
    pub(crate) async fn cut(&self, number: u64) -> Result<bool, Stopped> {
        let (answer, cut) = oneshot::channel();
        self.ask(Request::Cut { number, answer }).await?;
        cut.await.map_err(|_| Stopped)
    }

    async fn ask(&self, request: Request) -> Result<(), Stopped> {
        self.inbox.send(request).await.map_err(|_| Stopped)
    }
}

impl ClientSender {
    /// Waits while the venue is busy.
    pub(crate) async fn send(&self, frame: ToVenue) -> Result<(), Stopped> {
        self.venue.ask(Request::Frame { number: self.number, frame }).await
    }

    pub(crate) async fn leave(self) {
        // A venue that has stopped has no list to be taken from.
        let _ = self.venue.ask(Request::Leave { number: self.number }).await;
    }
}

/// What is told when a step is on disk, or at once when there is nothing to write.
struct Pending {
    ticket: Option<Ticket>,
    frames: Vec<(ClientNumber, Utf8Bytes)>,
    page: Option<(oneshot::Sender<LedgerPage>, LedgerPage)>,
}

/// See the module.
pub(crate) struct Task {
    exchange: Exchange,
    ledger: Ledger,
    clock: Clock,
    /// What is traded, as its streets are.
    instruments: Vec<InstrumentId>,
    subscriptions: u32,
    /// Names this life of the process.
    life: u64,
    streets: Streets,
    clients: Clients,
    trouble: Trouble,
    /// In the order of the steps.
    pending: VecDeque<Pending>,
    inbox: mpsc::Receiver<Request>,
}

impl Task {
    /// Takes up the ledger. The recording's first message is the book's beginning.
    pub(crate) fn new(
        ledger: Ledger,
        state: State,
        streets: Streets,
        offer: Offer,
    ) -> Result<(Venue, Self), VenueError> {
        let mut clock = Clock::from(state.latest());
        let Offer { instruments, subscriptions, fees } = offer;
        let mut instruments: Vec<_> =
            instruments.into_iter().map(Instrument::like_btc_usd).collect();
        instruments.insert(0, Instrument::btc_usd());
        let names = instruments.iter().map(|instrument| instrument.id.clone()).collect();
        let life = clock.now().0;
        let (exchange, opened) = Exchange::resume(state, instruments, clock.now())?;
        let (sender, inbox) = mpsc::channel(INBOX_REQUESTS);
        let venue = Venue { inbox: sender, numbers: Arc::default() };
        let mut task = Self {
            exchange: exchange.with_fees(fees),
            ledger,
            clock,
            instruments: names,
            subscriptions,
            life,
            streets,
            clients: Clients::new(subscriptions),
            trouble: Trouble::default(),
            pending: VecDeque::new(),
            inbox,
        };
        task.finish(Vec::new(), opened)?;
        task.play()?;
        Ok((venue, task))
    }

    /// Runs until the last handle is gone and everything is told, or the ledger stops.
    pub(crate) async fn run(mut self) -> Result<(), VenueError> {
        let mut due = Instant::now() + self.streets.pause();
        let mut heartbeat = interval(HEARTBEAT_EVERY);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut expiry = interval(EXPIRE_EVERY);
        expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let over = self.trouble.over_at();
            let has_room = self.pending.len() < STEPS_IN_FLIGHT;
            tokio::select! {
                outcome = durable(&mut self.pending), if !self.pending.is_empty() => {
                    outcome.map_err(LedgerError::from)?;
                    self.tell();
                }
                request = self.inbox.recv(), if has_room => match request {
                    Some(request) => self.handle(request)?,
                    None => break,
                },
                () = sleep_until(due), if has_room => {
                    self.play()?;
                    // Late by more than a pause, what was missed is not made up for in a burst.
                    let earliest = Instant::now().checked_sub(PAUSE_MAX).unwrap_or(due);
                    due = due.max(earliest) + self.streets.pause();
                }
                () = sleep_until(over.unwrap_or(due)), if has_room && over.is_some() => self.end_trouble(),
                _ = heartbeat.tick(), if has_room => self.beat()?,
                _ = expiry.tick(), if has_room => {
                    let done = self.exchange.expire(self.clock.now())?;
                    self.finish(Vec::new(), done)?;
                }
            }
        }
        while !self.pending.is_empty() {
            durable(&mut self.pending).await.map_err(LedgerError::from)?;
            self.tell();
        }
        Ok(())
    }

    fn handle(&mut self, request: Request) -> Result<(), VenueError> {
        match request {
            Request::Join { number, client } => self.clients.join(number, client),
            Request::Leave { number } => self.clients.leave(number),
            Request::Page { account, answer } => {
                let page = self.exchange.page(account.as_ref(), self.clock.now());
                let page = Some((answer, page));
                self.pending.push_back(Pending { ticket: None, frames: Vec::new(), page });
            }
            Request::List { answer } => drop(answer.send(self.clients.list())),
            Request::Cut { number, answer } => drop(answer.send(self.clients.cut(number))),
            Request::Cause { faults, answer } => drop(answer.send(self.begin_trouble(faults))),
            Request::Waiting { answer } => {
                drop(answer.send(self.trouble.faults.waiting().to_vec()))
            }
            Request::Forget { answer } => {
                self.forget_trouble();
                // Whoever asked may have gone.
                let _ = answer.send(());
            }
            Request::Frame { number, frame } => self.frame(number, frame)?,
        }
        Ok(())
    }

    fn frame(&mut self, number: ClientNumber, frame: ToVenue) -> Result<(), VenueError> {
        let time = self.clock.now();
        match frame {
            ToVenue::Ping {} => self.say(number, &FromVenue::Pong { time }),
            ToVenue::Login { account } => self.log_in(number, account, time),
            ToVenue::Observe {} => self.observe(number, time),
            ToVenue::Subscribe { instrument } => self.subscribe(number, instrument),
            ToVenue::Unsubscribe { instrument } => self.unsubscribe(number, instrument),
            ToVenue::Submit { request, order } => {
                let instrument = Some(order.instrument.clone());
                let about = About { method: Method::Submit, instrument };
                self.act((number, request), Some(&about), |venue, account| {
                    if venue.trouble.faults.refuses(&order.instrument) {
                        return Ok(venue.exchange.refuse(account, order, time)?);
                    }
                    Ok(venue.exchange.submit(account, order, time)?)
                })
            }
            ToVenue::Cancel { request, venue_order_id } => {
                let about = self.about(number, Method::Cancel, venue_order_id);
                self.act((number, request), Some(&about), |venue, account| {
                    Ok(venue.exchange.cancel(account, venue_order_id, time)?)
                })
            }
            ToVenue::Replace { request, venue_order_id, by } => {
                let about = self.about(number, Method::Replace, venue_order_id);
                self.act((number, request), Some(&about), |venue, account| {
                    Ok(venue.exchange.replace(account, venue_order_id, &by, time)?)
                })
            }
            ToVenue::QueryOrder { request, venue_order_id } => {
                self.act((number, request), None, |venue, account| {
                    Ok((venue.exchange.query(account, venue_order_id), Done::default()))
                })
            }
            ToVenue::Sweep { request, since, cursor } => {
                self.act((number, request), None, |venue, account| {
                    let page = venue.exchange.sweep(account, since, cursor);
                    Ok((Outcome::Page(page), Done::default()))
                })
            }
        }
    }

    /// Does something for the client's account and answers; whoever has not logged in has none.
    fn act(
        &mut self,
        (number, request): (ClientNumber, u64),
        about: Option<&About>,
        act: impl FnOnce(&mut Self, &AccountId) -> Result<(Outcome, Done), VenueError>,
    ) -> Result<(), VenueError> {
        let Some(account) = self.clients.account(number) else {
            let reason = "log in first".to_owned();
            let result = Outcome::Refused { code: RefusalCode::NotLoggedIn, reason };
            return self.answer((number, request), None, result, Done::default());
        };
        let (result, done) = act(self, &account)?;
        self.answer((number, request), about, result, done)
    }

    fn beat(&mut self) -> Result<(), VenueError> {
        let frame = encode(&FromVenue::Heartbeat { time: self.clock.now() })?;
        let frames = self.clients.all().map(|number| (number, frame.clone())).collect();
        self.pending.push_back(Pending { ticket: None, frames, page: None });
        Ok(())
    }

    /// One frame for one client, after all that was done before it.
    fn say(&mut self, number: ClientNumber, frame: &FromVenue) -> Result<(), VenueError> {
        let frames = vec![(number, encode(frame)?)];
        self.pending.push_back(Pending { ticket: None, frames, page: None });
        Ok(())
    }

    /// Writes down what was done, and queues what is to be told then: the given frames first.
    fn finish(
        &mut self,
        mut frames: Vec<(ClientNumber, Utf8Bytes)>,
        done: Done,
    ) -> Result<(), VenueError> {
        frames.extend(self.frames(done.told)?);
        let ticket = if done.events.is_empty() {
            None
        } else {
            Some(self.ledger.write(&Step { events: done.events })?)
        };
        if ticket.is_some() || !frames.is_empty() {
            self.pending.push_back(Pending { ticket, frames, page: None });
        }
        Ok(())
    }

    /// Tells what the first step has to tell.
    fn tell(&mut self) {
        let Some(pending) = self.pending.pop_front() else { return };
        for (number, frame) in pending.frames {
            self.send(number, frame);
        }
        if let Some((answer, page)) = pending.page {
            // Whoever asked may have gone.
            let _ = answer.send(page);
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

fn encode(frame: &FromVenue) -> Result<Utf8Bytes, serde_json::Error> {
    serde_json::to_string(frame).map(Utf8Bytes::from)
}

fn error(code: RefusalCode, reason: &str) -> FromVenue {
    FromVenue::Error { code, reason: reason.to_owned() }
}
