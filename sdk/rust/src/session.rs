//! A session: the handle an algo holds. Decides how often and where a request is repeated: only under
//! its own id, until it is answered or the time is up.

mod ending;
mod order_handle;

pub use order_handle::OrderHandle;

use crate::{
    access::Access,
    attachment::{Attachment, feed},
    builder::Builder,
    connection::{Ask, Connection, Progress},
    error::{Error, OrderError},
    events::SessionEvents,
    history::Recorder,
    orders::{OrderRequest, ReplaceRequest},
    requests::{Failed, Requests},
    streams::{Fills, OrderUpdates, Quotes},
    subscriptions::{Sink, Subscriptions},
    tape::{Trades, tape},
    tracked::Tracked,
};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout},
};
use tradewind_protocol::{
    Code, Problem, Retry,
    domain::{
        ids::{AccountId, ClientOrderId, InstrumentId, OrderId},
        trading::Order,
    },
    history::OperationType,
    orders::{Accounts, Orders},
    stream::Topic,
};

/// A request is repeated for so long: above any failover that is promised.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);
/// Wait before a request is repeated, unless the answer named one.
const REPEAT_AFTER: Duration = Duration::from_millis(50);
/// Fills and order changes that wait for the algo; when it is full the server is made to wait.
const QUEUED: usize = 4_096;

/// A cheap handle; all clones are one session.
#[derive(Clone, Debug)]
pub struct Session {
    requests: Requests,
    access: Arc<Access>,
    recorder: Arc<Recorder>,
    /// That the session knows of; where an order went to another one, that is followed from then on.
    accounts: Arc<Mutex<Vec<AccountId>>>,
    asks: mpsc::Sender<Ask>,
    progress: watch::Receiver<Progress>,
    attachment: Option<Attachment>,
    tracked: Tracked,
}

/// Why a request was not answered with what was asked for.
enum Unanswered {
    Refused(Box<Problem>),
    /// Every attempt surely did not arrive.
    Unreachable(String),
    Unknown(String),
}

impl Unanswered {
    /// After an attempt whose end is not known a refusal says nothing about that one.
    fn of(problem: Box<Problem>, maybe_done: bool) -> Self {
        if maybe_done { Self::Unknown(problem.to_string()) } else { Self::Refused(problem) }
    }
}

impl Session {
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) async fn start(
        requests: Requests,
        recorder: Recorder,
        access: Access,
        attachment: Option<Attachment>,
        within: Duration,
    ) -> Result<Self, Error> {
        let access = Arc::new(access);
        let recorder = Arc::new(recorder);
        let (asks, asked) = mpsc::channel(64);
        let tracked = Tracked::default();
        let (publish, mut progress) = watch::channel(Progress::default());
        let connection = Connection {
            access: access.clone(),
            recorder: recorder.clone(),
            asks: asked,
            progress: publish,
            subscriptions: Subscriptions::default(),
            homes: attachment.as_ref().map(|of| of.homes.clone()).unwrap_or_default(),
            tracked: tracked.clone(),
        };
        // Ends by itself when the last handle is dropped: the asks are closed then.
        tokio::spawn(connection.run());
        if let Some(attachment) = &attachment {
            tokio::spawn(feed(access.clone(), attachment.now.clone()));
        }
        let connected = progress.wait_for(|progress| progress.connections > 0);
        if timeout(within, connected).await.is_err() {
            let last = progress.borrow().last_failure.clone();
            return Err(Error::Unreachable {
                whom: "MarketManager",
                within_ms: within.as_millis(),
                last,
            });
        }
        let accounts = Arc::default();
        let session =
            Self { requests, access, recorder, accounts, asks, progress, attachment, tracked };
        let accounts = session.get::<Accounts>("/v1/accounts").await?.accounts;
        session.known().clone_from(&accounts);
        // Followed from the start: no change of an order of ours goes by unseen.
        for account in accounts {
            session.subscribe(Topic::Orders { account }, Sink::Nobody).await?;
        }
        Ok(session)
    }

    /// How the algo is attached as a Trader; `None` if it is not: it was spawned, or trades without being one.
    #[must_use]
    pub fn attachment(&self) -> Option<Attachment> {
        self.attachment.clone()
    }

    /// What happens to the session, for the curious: connections, streams, tokens. Nothing waits for it to be read.
    #[must_use]
    pub fn on_event(&self) -> SessionEvents {
        self.access.events.subscribe()
    }

    /// The accounts the customer may trade on.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountId> {
        self.known().clone()
    }

    fn known(&self) -> MutexGuard<'_, Vec<AccountId>> {
        // No code that can panic runs under the lock.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The operator has routed an order to an account that was granted since the session began.
    async fn follow(&self, account: &AccountId) {
        if self.known().contains(account) {
            return;
        }
        // Room comes first: who waits for it may be canceled, and what is known is followed. Without a task the session is
        // closed, and the next call says so.
        let Ok(room) = self.asks.reserve().await else { return };
        let mut known = self.known();
        if !known.contains(account) {
            known.push(account.clone());
            room.send(Ask::Follow { account: account.clone() });
        }
    }

    /// Quotes of an instrument, from now on.
    pub async fn quotes(&self, instrument: &str) -> Result<Quotes, Error> {
        let (publish, latest) = watch::channel(None);
        let instrument = InstrumentId::new(instrument)?;
        self.subscribe(Topic::Quotes { instrument }, Sink::Quotes(publish)).await?;
        Ok(Quotes::of(latest))
    }

    /// Trades of an instrument, from now on: everybody's.
    pub async fn trades(&self, instrument: &str) -> Result<Trades, Error> {
        let (sink, trades) = tape();
        let instrument = InstrumentId::new(instrument)?;
        self.subscribe(Topic::Trades { instrument }, Sink::Trades(sink)).await?;
        Ok(trades)
    }

    /// The customer's fills on all his accounts, from now on.
    pub async fn fills(&self) -> Result<Fills, Error> {
        self.has_account()?;
        let (publish, fills) = mpsc::channel(QUEUED);
        for account in self.accounts() {
            self.subscribe(Topic::Fills { account }, Sink::Fills(publish.clone())).await?;
        }
        Ok(Fills { fills })
    }

    /// Changes of the customer's orders on all his accounts, from now on.
    pub async fn order_updates(&self) -> Result<OrderUpdates, Error> {
        self.has_account()?;
        let (publish, orders) = mpsc::channel(QUEUED);
        for account in self.accounts() {
            self.subscribe(Topic::Orders { account }, Sink::Orders(publish.clone())).await?;
        }
        Ok(OrderUpdates { orders })
    }

    fn has_account(&self) -> Result<(), Error> {
        if self.known().is_empty() {
            let text =
                "the customer may use no account; ask the operator for one, and connect again";
            return Err(Error::Configuration(text.to_string()));
        }
        Ok(())
    }

    async fn subscribe(&self, topic: Topic, sink: Sink) -> Result<(), Error> {
        let (opened, waiting) = oneshot::channel();
        let ask = Ask::Subscribe { topic, sink, opened };
        self.asks.send(ask).await.map_err(|_| Error::Closed)?;
        match timeout(ANSWERED_WITHIN, waiting).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Unreachable {
                whom: "MarketManager",
                within_ms: ANSWERED_WITHIN.as_millis(),
                last: self.progress.borrow().last_failure.clone(),
            }),
        }
    }

    /// Submits an order: returns when it is durable in the account's ledger, before the venue has it.
    /// Submitting the same request again gives the same order.
    pub async fn submit(&self, request: &OrderRequest) -> Result<Order, OrderError> {
        let order =
            self.send_order(Method::POST, "/v1/orders", "submit", request.id(), &request.body);
        let order = order.await?;
        self.follow(&order.order_id.account).await;
        Ok(order)
    }

    /// Sends what is the algo's under an id of its own until there is an answer that stands.
    async fn send_order<B: Serialize + Sync>(
        &self,
        method: Method,
        path: &str,
        what: &str,
        id: &ClientOrderId,
        body: &B,
    ) -> Result<Order, OrderError> {
        self.recorder.write(OperationType::Invoke, what, id.as_str());
        let answer: Result<Order, _> = self.ask_until(method, path, Some(body)).await;
        let client_order_id = id.clone();
        let (kind, error) = match answer {
            Ok(order) => {
                self.recorder.write(OperationType::Ok, what, id.as_str());
                return Ok(order);
            }
            Err(Unanswered::Refused(problem)) => {
                (OperationType::Fail, OrderError::Refused { client_order_id, problem })
            }
            Err(Unanswered::Unreachable(last) | Unanswered::Unknown(last)) => {
                (OperationType::Info, OrderError::Unknown { client_order_id, last })
            }
        };
        self.recorder.write_error(kind, what, id.as_str(), error.to_string());
        Err(error)
    }

    /// Asks for other terms of an order: returns when that is durable in the account's ledger. What becomes of it comes
    /// with the order's updates: it has the new terms, or the old ones and a reason. Asking the same again is the same
    /// replace.
    pub async fn replace(&self, request: &ReplaceRequest) -> Result<Order, OrderError> {
        let path = format!("/v1/orders/{}", request.order);
        self.send_order(Method::PATCH, &path, "replace", request.id(), &request.body).await
    }

    /// Asks for an order to be canceled. It may still fill: its end comes with its updates. Of an order
    /// that has ended already it gives the end.
    pub async fn cancel(&self, order: &OrderId) -> Result<Order, Error> {
        let path = format!("/v1/orders/{order}");
        self.recorder.write(OperationType::Invoke, "cancel", order.to_string());
        let canceled = match self.answered::<(), _>(Method::DELETE, &path, None).await {
            Err(Error::Refused(problem)) if problem.code == Code::Conflict => self.get(&path).await,
            canceled => canceled,
        };
        self.record("cancel", order.to_string(), &canceled);
        canceled
    }

    fn record<T>(&self, f: &str, value: impl Into<serde_json::Value>, done: &Result<T, Error>) {
        match done {
            Ok(_) => self.recorder.write(OperationType::Ok, f, value),
            Err(error) => {
                self.recorder.write_error(OperationType::Info, f, value, error.to_string());
            }
        }
    }

    /// An order as its ledger has it now.
    pub async fn order(&self, order: &OrderId) -> Result<Order, Error> {
        self.get(&format!("/v1/orders/{order}")).await
    }

    /// Orders that have not ended, on all accounts.
    pub async fn open_orders(&self) -> Result<Vec<Order>, Error> {
        let mut open = Vec::new();
        for account in self.accounts() {
            let path = format!("/v1/orders?account={account}&open=true");
            open.extend(self.get::<Orders>(&path).await?.orders);
        }
        Ok(open)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.answered::<(), T>(Method::GET, path, None).await
    }

    pub(crate) async fn answered<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Error> {
        match self.ask_until(method, path, body).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered::Refused(problem)) => Err(Error::Refused(problem)),
            Err(Unanswered::Unreachable(last) | Unanswered::Unknown(last)) => {
                let within_ms = ANSWERED_WITHIN.as_millis();
                Err(Error::Unreachable { whom: "MarketManager", within_ms, last })
            }
        }
    }

    /// Asks until there is an answer that stands. What is sent again is the same to the letter: an
    /// order under its id, a cancel, a read. Only of a submit a refusal says nothing of the attempts before it.
    async fn ask_until<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Unanswered> {
        let began = Instant::now();
        let mut maybe_done = false;
        let mut renewed = false;
        loop {
            let edge = self.access.edges.current();
            let token = self.access.token();
            let failed = match self.requests.send(method.clone(), &edge, path, &token, body).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let mut wait = REPEAT_AFTER;
            let maybe_submitted = maybe_done && matches!(method, Method::POST | Method::PATCH);
            let last = match failed {
                // The token may have expired while nobody could renew it.
                Failed::Problem(problem) if problem.code == Code::Unauthorized && !renewed => {
                    renewed = true;
                    match self.access.renew(&token).await {
                        Ok(()) => continue,
                        Err(_) => return Err(Unanswered::of(problem, maybe_submitted)),
                    }
                }
                Failed::Problem(problem) if problem.retry == Retry::Never => {
                    return Err(Unanswered::of(problem, maybe_submitted));
                }
                Failed::Problem(problem) => {
                    maybe_done |= problem.retry == Retry::SameId;
                    let named = problem.retry_after_ms.map(Duration::from_millis);
                    wait = named.unwrap_or(REPEAT_AFTER).min(Duration::from_secs(1));
                    problem.to_string()
                }
                Failed::Lost(text) => {
                    maybe_done = true;
                    self.access.edges.leave(&edge);
                    text
                }
                Failed::NotSent(text) => {
                    self.access.edges.leave(&edge);
                    text
                }
            };
            if began.elapsed() + wait > ANSWERED_WITHIN {
                return Err(if maybe_done {
                    Unanswered::Unknown(last)
                } else {
                    Unanswered::Unreachable(last)
                });
            }
            sleep(wait).await;
        }
    }
}
