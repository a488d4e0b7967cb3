//! A session: the handle an algo holds. Decides how often and where a request is repeated: only under
//! its own id, until it is answered or the time is up.

use crate::{
    builder::Builder,
    connection::{Ask, Connection, Progress, Secret},
    edges::Edges,
    error::{Error, OrderError},
    history::Recorder,
    orders::OrderRequest,
    requests::{Failed, Requests},
    streams::{Fills, OrderUpdates, Quotes},
    subscriptions::{Sink, Subscriptions},
};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout},
};
use tradewind_protocol::{
    Problem, Retry,
    domain::{
        ids::{AccountId, InstrumentId, OrderId},
        limits,
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
    edges: Arc<Edges>,
    secret: Secret,
    recorder: Arc<Recorder>,
    accounts: Vec<AccountId>,
    asks: mpsc::Sender<Ask>,
    progress: watch::Receiver<Progress>,
}

/// How a session gets in, and how it gets in again.
pub(crate) struct Access {
    pub(crate) token: String,
    pub(crate) api_key: Option<String>,
    pub(crate) market_managers: Vec<String>,
    pub(crate) infrastructure_managers: Vec<String>,
}

/// Why a request was not answered with what was asked for.
enum Unanswered {
    Refused(Box<Problem>),
    /// Every attempt surely did not arrive.
    Unreachable(String),
    Unknown(String),
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
        within: Duration,
    ) -> Result<Self, Error> {
        let Access { token, api_key, market_managers, infrastructure_managers } = access;
        let edges = Arc::new(Edges::new(market_managers));
        let secret = Secret::new(token);
        let recorder = Arc::new(recorder);
        let (asks, asked) = mpsc::channel(64);
        let (publish, mut progress) = watch::channel(Progress::default());
        let connection = Connection {
            edges: edges.clone(),
            secret: secret.clone(),
            requests: requests.clone(),
            infrastructure_managers,
            api_key,
            recorder: recorder.clone(),
            asks: asked,
            progress: publish,
            subscriptions: Subscriptions::default(),
        };
        // Ends by itself when the last handle is dropped: the asks are closed then.
        tokio::spawn(connection.run());
        let connected = progress.wait_for(|progress| progress.connections > 0);
        if timeout(within, connected).await.is_err() {
            let last = progress.borrow().last_failure.clone();
            return Err(Error::Unreachable {
                whom: "MarketManager",
                within_ms: within.as_millis(),
                last,
            });
        }
        let accounts = Vec::new();
        let mut session = Self { requests, edges, secret, recorder, accounts, asks, progress };
        session.accounts = session.get::<Accounts>("/v1/accounts").await?.accounts;
        // Followed from the start: no change of an order of ours goes by unseen.
        for account in session.accounts.clone() {
            session.subscribe(Topic::Orders { account }, Sink::Nobody).await?;
        }
        Ok(session)
    }

    /// The accounts the customer may trade on.
    #[must_use]
    pub fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    /// Quotes of an instrument, from now on.
    pub async fn quotes(&self, instrument: &str) -> Result<Quotes, Error> {
        let (publish, latest) = watch::channel(None);
        let instrument = InstrumentId::new(instrument)?;
        self.subscribe(Topic::Quotes { instrument }, Sink::Quotes(publish)).await?;
        Ok(Quotes { latest })
    }

    /// The customer's fills on all his accounts, from now on.
    pub async fn fills(&self) -> Result<Fills, Error> {
        let (publish, fills) = mpsc::channel(QUEUED);
        for account in self.accounts.clone() {
            self.subscribe(Topic::Fills { account }, Sink::Fills(publish.clone())).await?;
        }
        Ok(Fills { fills })
    }

    /// Changes of the customer's orders on all his accounts, from now on.
    pub async fn order_updates(&self) -> Result<OrderUpdates, Error> {
        let (publish, orders) = mpsc::channel(QUEUED);
        for account in self.accounts.clone() {
            self.subscribe(Topic::Orders { account }, Sink::Orders(publish.clone())).await?;
        }
        Ok(OrderUpdates { orders })
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
        let id = request.id().clone();
        self.recorder.write(OperationType::Invoke, "submit", id.as_str());
        let answer = self.ask_until(Method::POST, "/v1/orders", Some(&request.body)).await;
        let (kind, error) = match answer {
            Ok(order) => {
                self.recorder.write(OperationType::Ok, "submit", id.as_str());
                return Ok(order);
            }
            Err(Unanswered::Refused(problem)) => {
                let client_order_id = id.clone();
                (OperationType::Fail, OrderError::Refused { client_order_id, problem })
            }
            Err(Unanswered::Unreachable(last) | Unanswered::Unknown(last)) => {
                let client_order_id = id.clone();
                (OperationType::Info, OrderError::Unknown { client_order_id, last })
            }
        };
        self.recorder.write_error(kind, "submit", id.as_str(), error.to_string());
        Err(error)
    }

    /// Asks for an order to be canceled. It may still fill: its end comes with its updates.
    pub async fn cancel(&self, order: &OrderId) -> Result<Order, Error> {
        let path = format!("/v1/orders/{order}");
        self.recorder.write(OperationType::Invoke, "cancel", order.to_string());
        let canceled = self.answered(Method::DELETE, &path).await;
        let kind = if canceled.is_ok() { OperationType::Ok } else { OperationType::Info };
        self.recorder.write(kind, "cancel", order.to_string());
        canceled
    }

    /// An order as its ledger has it now.
    pub async fn order(&self, order: &OrderId) -> Result<Order, Error> {
        self.get(&format!("/v1/orders/{order}")).await
    }

    /// Orders that have not ended, on all accounts.
    pub async fn open_orders(&self) -> Result<Vec<Order>, Error> {
        let mut open = Vec::new();
        for account in &self.accounts {
            let path = format!("/v1/orders?account={account}&open=true");
            open.extend(self.get::<Orders>(&path).await?.orders);
        }
        Ok(open)
    }

    /// Resolves when the process is asked to stop (SIGTERM, as a TraderManager does, or Ctrl-C).
    pub async fn stopped(&self) {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            // Without signals nobody can ask; the process ends by a kill.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }

    /// Cancels what is open, waits for each order's end and for every fill that was made. Within
    /// `limits::TRADER_WINDS_DOWN_WITHIN`; what is open then stays open.
    pub async fn wind_down(&self) -> Result<(), Error> {
        let wound_down = timeout(limits::TRADER_WINDS_DOWN_WITHIN, self.end_all()).await;
        let kind = if wound_down.is_ok() { OperationType::Ok } else { OperationType::Info };
        self.recorder.write(kind, "wind-down", serde_json::Value::Null);
        wound_down.unwrap_or_else(|_| {
            Err(Error::Unreachable {
                whom: "end of all orders",
                within_ms: limits::TRADER_WINDS_DOWN_WITHIN.as_millis(),
                last: self.progress.borrow().last_failure.clone(),
            })
        })
    }

    async fn end_all(&self) -> Result<(), Error> {
        loop {
            let open = self.open_orders().await?;
            if open.is_empty() {
                break;
            }
            for order in open {
                // An order that has filled meanwhile cannot be canceled: it has ended, too.
                match self.cancel(&order.order_id).await {
                    Ok(_) | Err(Error::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            sleep(REPEAT_AFTER).await;
        }
        let mut progress = self.progress.clone();
        let seen = progress.borrow_and_update().whole_heartbeats;
        let whole = progress.wait_for(|progress| progress.whole_heartbeats > seen);
        whole.await.map(|_| ()).map_err(|_| Error::Closed)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.answered(Method::GET, path).await
    }

    async fn answered<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Error> {
        match self.ask_until::<(), T>(method, path, None).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered::Refused(problem)) => Err(Error::Refused(problem)),
            Err(Unanswered::Unreachable(last) | Unanswered::Unknown(last)) => {
                let within_ms = ANSWERED_WITHIN.as_millis();
                Err(Error::Unreachable { whom: "MarketManager", within_ms, last })
            }
        }
    }

    /// Asks until there is an answer that stands. What is sent again is the same to the letter: an
    /// order under its id, a cancel, a read.
    async fn ask_until<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, Unanswered> {
        let began = Instant::now();
        let mut maybe_done = false;
        loop {
            let edge = self.edges.current();
            let secret = self.secret.get();
            let failed = match self.requests.send(method.clone(), &edge, path, &secret, body).await
            {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let mut wait = REPEAT_AFTER;
            let last = match failed {
                Failed::Problem(problem) if problem.retry == Retry::Never => {
                    // After an attempt whose end is not known a refusal says nothing about that one.
                    return Err(if maybe_done {
                        Unanswered::Unknown(problem.to_string())
                    } else {
                        Unanswered::Refused(problem)
                    });
                }
                Failed::Problem(problem) => {
                    maybe_done |= problem.retry == Retry::SameId;
                    let named = problem.retry_after_ms.map(Duration::from_millis);
                    wait = named.unwrap_or(REPEAT_AFTER).min(Duration::from_secs(1));
                    problem.to_string()
                }
                Failed::Lost(text) => {
                    maybe_done = true;
                    self.edges.leave(&edge);
                    text
                }
                Failed::NotSent(text) => {
                    self.edges.leave(&edge);
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
