//! Algos that trade through the SDK. Decides when an order counts as done: `ok` when it was seen at the venue, `fail`
//! when it was refused, otherwise not known. What became of all of them is read from the venue's own ledger at the end.

use super::{
    super::{
        recorder::{Ended, Process},
        stage::{Algo, PATIENCE, Stage},
    },
    Context,
};
use crate::{history::OperationType, plan::Timed};
use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tradewind_domain::trading::invariants::AlgoView;
use tradewind_protocol::judge::VenueLedger;
use tradewind_sdk::{
    ClientOrderId, Error, OrderError, OrderId, OrderRequest, OrderState, Quote, Session, Side,
};

const INSTRUMENT: &str = "BTC/USD";
const SIZE: &str = "0.001";
/// Accepted, and not seen at the venue for so long: its fate is left to the ledger.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// Orders asked about at once, in the end.
const ASKED_AT_ONCE: usize = 16;

/// What an order's updates have said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    AtVenue,
    Rejected,
    /// It ended without having been seen at the venue.
    Over,
}

#[derive(Default)]
struct Seen {
    fates: BTreeMap<ClientOrderId, Fate>,
    quote: Option<Quote>,
    accepted: Vec<(ClientOrderId, OrderId)>,
    submitted: Vec<ClientOrderId>,
}

/// One session, which several processes share.
#[derive(Clone)]
pub(super) struct Handle {
    session: Session,
    seen: Arc<Mutex<Seen>>,
    news: Arc<Notify>,
}

pub(super) struct AlgoSession {
    algo: Algo,
    handle: Handle,
    history: PathBuf,
    tasks: JoinSet<()>,
}

impl AlgoSession {
    pub(super) async fn open(algo: &Algo, members: &[String], home: &Path) -> anyhow::Result<Self> {
        let history = home.join(format!("{}.sdk.jsonl", algo.customer));
        let connected = async {
            // The grant travels with the next beats; until then the customer has no account.
            loop {
                let builder = Session::builder()
                    .infrastructure_managers(members.iter().cloned())
                    .api_key(&algo.api_key)
                    .history(&history);
                let last = match builder.connect().await {
                    Ok(session) if !session.accounts().is_empty() => break Ok(session),
                    Ok(_) => continue,
                    Err(error) => error,
                };
                if !matches!(last, Error::Unreachable { .. }) {
                    break Err(last);
                }
            }
        };
        let session = timeout(PATIENCE, connected).await.context("an algo's session")??;
        let mut quotes = session.quotes(INSTRUMENT).await?;
        let mut fills = session.fills().await?;
        let mut orders = session.order_updates().await?;
        let handle = Handle { session, seen: Arc::default(), news: Arc::default() };
        let mut tasks = JoinSet::new();
        let own = handle.clone();
        tasks.spawn(async move {
            while let Ok(quote) = quotes.next().await {
                own.with(|seen| seen.quote = Some(quote));
            }
        });
        // The SDK's own history has them; here they only must not pile up.
        tasks.spawn(async move { while fills.next().await.is_ok() {} });
        let own = handle.clone();
        tasks.spawn(async move {
            while let Ok(order) = orders.next().await {
                own.changed(order.client_order_id, order.state);
            }
        });
        let quoted = async {
            while handle.with(|seen| seen.quote.is_none()) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, quoted).await.context("no quote came")?;
        Ok(Self { algo: algo.clone(), handle, history, tasks })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Handle {
    fn with<T>(&self, what: impl FnOnce(&mut Seen) -> T) -> T {
        what(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn changed(&self, id: ClientOrderId, state: OrderState) {
        let fate = match state {
            OrderState::New
            | OrderState::PartiallyFilled
            | OrderState::Filled
            | OrderState::Expired => Fate::AtVenue,
            OrderState::Rejected => Fate::Rejected,
            OrderState::Canceled => Fate::Over,
            OrderState::Accepted
            | OrderState::PendingNew
            | OrderState::PendingCancel
            | OrderState::PendingReplace
            | OrderState::Unknown => return,
        };
        // What was seen first stays: an order that was at the venue and is canceled was there.
        self.with(|seen| {
            seen.fates.entry(id).or_insert(fate);
        });
        self.news.notify_waiters();
    }

    async fn fate(&self, id: &ClientOrderId) -> Option<Fate> {
        let decided = async {
            loop {
                let next = self.news.notified();
                if let Some(fate) = self.with(|seen| seen.fates.get(id).copied()) {
                    return fate;
                }
                // A notice between the look and the wait is made up for soon.
                let _ = timeout(Duration::from_millis(50), next).await;
            }
        };
        timeout(SEEN_WITHIN, decided).await.ok()
    }

    fn request(&self, value: &Value) -> Result<OrderRequest, Error> {
        let side = if value["side"] == "buy" { Side::Buy } else { Side::Sell };
        let quote = self.with(|seen| seen.quote.clone());
        let (bid, ask) = quote.map_or((None, None), |quote| (quote.bid, quote.ask));
        match (value["rests"] == true, bid, ask) {
            (true, Some(bid), _) => OrderRequest::limit(INSTRUMENT, Side::Buy, SIZE, bid),
            (false, _, Some(ask)) if side == Side::Buy => {
                OrderRequest::limit(INSTRUMENT, Side::Buy, SIZE, ask)
            }
            _ => OrderRequest::market(INSTRUMENT, side, SIZE),
        }
    }
}

pub(super) async fn run(
    context: Context,
    algo: Handle,
    mut process: Process,
    operations: Vec<Timed>,
) -> anyhow::Result<()> {
    for operation in operations {
        if !context.is_time(&operation).await {
            continue;
        }
        let request = algo.request(&operation.value)?;
        let id = request.id().clone();
        algo.with(|seen| seen.submitted.push(id.clone()));
        let told = process.teller();
        let mut placed = None;
        let done = async {
            match algo.session.submit(&request).await {
                Ok(order) => {
                    told.told(OperationType::Ok, "accepted", id.to_string().into());
                    algo.with(|seen| seen.accepted.push((id.clone(), order.order_id.clone())));
                    placed = Some(order.order_id);
                    match algo.fate(&id).await {
                        Some(Fate::AtVenue) => Ended::Ok(id.to_string().into()),
                        Some(Fate::Rejected) => Ended::Fail("rejected".to_string()),
                        Some(Fate::Over) => Ended::Info("ended without being seen".to_string()),
                        None => Ended::Info("not seen at the venue".to_string()),
                    }
                }
                Err(OrderError::Refused { problem, .. }) => Ended::Fail(problem.to_string()),
                Err(error) => Ended::Info(error.to_string()),
            }
        };
        process.call("submit", id.to_string().into(), done).await;
        if let Some(order) = placed.filter(|_| operation.value["rests"] == true) {
            let asked = Value::from(order.to_string());
            let done = async {
                match algo.session.cancel(&order).await {
                    Ok(_) => Ended::Ok(asked.clone()),
                    Err(Error::Refused(problem)) => Ended::Fail(problem.to_string()),
                    Err(error) => Ended::Info(error.to_string()),
                }
            };
            process.call("cancel", asked.clone(), done).await;
        }
    }
    Ok(())
}

/// Ends all orders, and notes what the venue, the ledger and each algo have of them.
pub(super) async fn close(
    algos: &mut Vec<AlgoSession>,
    stage: &Stage,
    process: &mut Process,
) -> anyhow::Result<()> {
    let mut arrivals = Vec::new();
    let mut in_ledger = Vec::new();
    let mut truths = serde_json::Map::new();
    let mut sightings = Vec::new();
    for algo in algos.drain(..) {
        let AlgoSession { algo, handle, history, mut tasks } = algo;
        let wound_down = async {
            match handle.session.wind_down().await {
                Ok(()) => Ended::Ok(Value::Null),
                Err(error) => Ended::Info(error.to_string()),
            }
        };
        process.call("wind-down", Value::Null, wound_down).await;
        in_ledger.extend(ledger(&handle).await?);
        let ledger: VenueLedger = stage.venue_ledger(&algo.account).await?;
        let submitted = handle.with(|seen| seen.submitted.clone());
        let view = AlgoView { submitted, ..AlgoView::default() };
        let truth = ledger.truth(&view, &algo.account, &algo.customer);
        arrivals.extend(truth.arrivals.iter().map(ToString::to_string));
        let fills: Vec<String> = truth.fills.iter().map(ToString::to_string).collect();
        truths.insert(algo.customer.to_string(), json!(fills));
        tasks.shutdown().await;
        let text = fs::read_to_string(&history).with_context(|| history.display().to_string())?;
        sightings.push((algo.customer.to_string(), sighted(&text, process)));
    }
    let read = |value: Value| async { Ended::Ok(value) };
    process.call("venue-read", Value::Null, read(json!(arrivals))).await;
    process.call("ledger-read", Value::Null, read(json!(in_ledger))).await;
    process.call("fills-truth", Value::Null, read(Value::Object(truths))).await;
    for (algo, ids) in sightings {
        let seen = json!({"algo": algo, "ids": ids});
        process.call("fills-read", json!({"algo": algo}), read(seen)).await;
    }
    Ok(())
}

/// Which of the accepted orders the ledger has.
async fn ledger(handle: &Handle) -> anyhow::Result<Vec<String>> {
    let accepted = handle.with(|seen| seen.accepted.clone());
    let at_once = Arc::new(Semaphore::new(ASKED_AT_ONCE));
    let mut asked = JoinSet::new();
    for (id, order) in accepted {
        let (session, turn) = (handle.session.clone(), at_once.clone());
        asked.spawn(async move {
            let _turn = turn.acquire_owned().await;
            (id, session.order(&order).await)
        });
    }
    let mut there = Vec::new();
    while let Some(answer) = asked.join_next().await {
        let (id, answer) = answer?;
        match answer {
            Ok(order) if order.client_order_id == id => there.push(id.to_string()),
            Ok(order) => there.push(order.client_order_id.to_string()),
            // That it is not there is what is to be found out.
            Err(Error::Refused(_)) => {}
            Err(error) => return Err(anyhow!("the ledger could not be read: {error}")),
        }
    }
    Ok(there)
}

/// What the SDK wrote of fills, in order, and the holes that nobody told of.
fn sighted(text: &str, process: &Process) -> Vec<String> {
    let mut fills = Vec::new();
    for line in text.lines() {
        // A line torn by the end of its session is no operation.
        let Ok(operation) = serde_json::from_str::<crate::history::Operation>(line) else {
            continue;
        };
        match operation.f.as_str() {
            "fill" => fills.extend(operation.value.as_str().map(str::to_string)),
            "untold-gap" => process.told(OperationType::Fail, "untold-gap", operation.value),
            _ => {}
        }
    }
    fills
}
