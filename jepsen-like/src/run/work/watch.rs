//! Watchers of the replicated state beside clients that change it. Decides what a watcher notes; that he was shown all
//! is checked against the events that a member keeps, read at the end.

use super::{
    super::{
        recorder::Ended,
        stage::{PATIENCE, Stage},
    },
    ANSWERED_WITHIN, Caller, Context, Over,
};
use crate::{history::OperationType, plan::Timed};
use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    sync::watch::{Sender, channel},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tradewind_control_client::{Answer, ControlClient, Watched, events_path};
use tradewind_domain::{
    control::row::CustomerSpec,
    ids::{CustomerId, KeyHash, Revision},
};
use tradewind_protocol::{
    control::Stand,
    events::{EventFilter, EventPage},
};

const PAGE_WITHIN: Duration = Duration::from_millis(500);
const PAGE_EVERY: Duration = Duration::from_millis(50);

/// Changes of customers, each to something that it was not: every one is an event.
pub(super) async fn change(
    context: Context,
    mut caller: Caller,
    operations: Vec<Timed>,
) -> anyhow::Result<()> {
    for operation in operations {
        if !context.is_time(&operation).await {
            continue;
        }
        let customer = CustomerId::new(operation.value.as_str().unwrap_or_default())?;
        let key = KeyHash::of(&operation.at_us.to_string());
        let spec = CustomerSpec { key_hashes: BTreeSet::from([key]) };
        let Caller { client, keys, process } = &mut caller;
        let done = async {
            match client.put_customer(&customer, &spec, &keys.next(), ANSWERED_WITHIN).await {
                Answer::Accepted(_) => Ended::Ok(operation.value.clone()),
                Answer::Refused(problem) => Ended::Fail(problem.to_string()),
                Answer::Unknown(problem) => Ended::Info(problem.to_string()),
            }
        };
        process.call("change", operation.value.clone(), done).await;
    }
    Ok(())
}

pub(super) struct Watchers {
    from: Revision,
    over: Sender<Option<u64>>,
    tasks: JoinSet<anyhow::Result<()>>,
    log: JoinHandle<Result<Vec<Value>, String>>,
}

impl Watchers {
    pub(super) async fn prepare(stage: &Stage) -> anyhow::Result<Self> {
        let from = revision(&stage.client).await?;
        let over = channel(None).0;
        let members = stage.cluster.members().into_iter();
        let members = members.map(|member| ControlClient::new(vec![member], stage.rest.clone()));
        let log = tokio::spawn(read_log(members.collect(), from, over.subscribe()));
        Ok(Self { from, over, tasks: JoinSet::new(), log })
    }

    pub(super) fn start(&mut self, caller: Caller, value: &Value) {
        let name = value["watcher"].as_str().unwrap_or_default().to_string();
        self.tasks.spawn(watch(caller, name, self.from, self.over.subscribe()));
    }

    /// Lets each watcher come to the revision of now, and notes what happened.
    pub(super) async fn close(mut self, mut caller: Caller) -> anyhow::Result<()> {
        let last = revision(&caller.client).await?;
        self.over.send_replace(Some(last.0));
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        let read = async {
            match self.log.await {
                Ok(Ok(log)) => Ended::Ok(Value::Array(log)),
                Ok(Err(why)) => Ended::Fail(why),
                Err(error) => Ended::Fail(error.to_string()),
            }
        };
        caller.process.call("log-read", Value::Null, read).await;
        Ok(())
    }
}

/// Reads page after page while the run goes on: a member that was started again keeps only what is new. It is asked
/// for at one member after the other, so what is read comes from all of them.
async fn read_log(
    members: Vec<ControlClient>,
    from: Revision,
    over: Over,
) -> Result<Vec<Value>, String> {
    let (mut since, mut log, mut last) = (from, Vec::new(), String::new());
    let mut missed = 0;
    for member in members.iter().cycle() {
        let until = *over.borrow();
        if until.is_some_and(|until| since.0 >= until) {
            return Ok(log);
        }
        let page = member
            .read::<EventPage>(
                &events_path(Some(since), None, &EventFilter::default()),
                PAGE_WITHIN,
            )
            .await;
        match page {
            Ok(page) if page.next > since => {
                for entry in &page.entries {
                    let text = serde_json::to_string(entry).map_err(|error| error.to_string())?;
                    log.push(json!([entry.revision.0, text]));
                }
                (since, missed) = (page.next, 0);
            }
            // It has come so far, and what is left has no events.
            Ok(page) if until.is_some_and(|until| page.stand.revision.0 >= until) => {
                return Ok(log);
            }
            Ok(_) => missed = 0,
            Err(problem) => {
                last = problem.to_string();
                missed += 1;
            }
        }
        // Everybody has been asked many times since it was over: nobody keeps it.
        if until.is_some() && missed > 20 * members.len() {
            return Err(format!("no member keeps what came after {since}: {last}"));
        }
        sleep(PAGE_EVERY).await;
    }
    Err("there is no member".to_string())
}

async fn revision(client: &ControlClient) -> anyhow::Result<Revision> {
    let stand: Result<Stand, _> = client.read("/v1/revision", PATIENCE).await;
    Ok(stand.map_err(|problem| anyhow!("no revision: {problem}"))?.revision)
}

/// Watches until it is over, and it has come as far as it should; then says how far it came.
async fn watch(caller: Caller, name: String, from: Revision, mut over: Over) -> anyhow::Result<()> {
    let mut stream = caller.client.watch(Some(from));
    let note = |f: &str, value: Value| caller.process.told(OperationType::Ok, f, value);
    let mut seen = from.0;
    let mut enough: Option<u64> = None;
    while enough.is_none_or(|enough| seen < enough) {
        let next = async {
            match enough {
                None => Some(stream.next().await),
                Some(_) => timeout(PATIENCE, stream.next()).await.ok(),
            }
        };
        tokio::select! {
            told = next => match told.transpose().map_err(|end| anyhow!("{name}: {end}"))? {
                Some(Watched::Opened { since, .. }) => {
                    note("resume", json!({"watcher": name, "after": since.0}));
                }
                Some(Watched::Events(entry)) => {
                    seen = entry.revision.0;
                    let text = serde_json::to_string(&entry)?;
                    note("event", json!({"watcher": name, "rev": seen, "event": text}));
                }
                Some(Watched::Beat { seen: beat }) => {
                    seen = seen.max(beat.0);
                    note("beat", json!({"watcher": name, "rev": beat.0}));
                }
                // Whoever does not come this far was left without what happened.
                None => break,
            },
            changed = over.changed(), if enough.is_none() => {
                changed.context("the run has gone")?;
                enough = *over.borrow_and_update();
            }
        }
    }
    note("final", json!({"watcher": name, "rev": enough.unwrap_or(seen)}));
    Ok(())
}
