//! Watchers of the replicated state beside clients that change it. Decides what a watcher notes; that he was shown all
//! is checked against the events that a member keeps, read at the end.

use super::{
    super::{recorder::Ended, stage::PATIENCE},
    ANSWERED_WITHIN, Caller, Context, Over,
};
use crate::{history::OperationType, plan::Timed};
use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::{
    sync::watch::{Sender, channel},
    task::JoinSet,
    time::timeout,
};
use tradewind_control_client::{Answer, ControlClient, Watched, events_path};
use tradewind_domain::{
    control::row::CustomerSpec,
    ids::{CustomerId, KeyHash, Revision},
};
use tradewind_protocol::{control::Stand, events::EventPage};

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
}

impl Watchers {
    pub(super) async fn prepare(client: &ControlClient) -> anyhow::Result<Self> {
        let from = revision(client).await?;
        Ok(Self { from, over: channel(None).0, tasks: JoinSet::new() })
    }

    pub(super) fn start(&mut self, caller: Caller, value: &Value) {
        let name = value["watcher"].as_str().unwrap_or_default().to_string();
        self.tasks.spawn(watch(caller, name, self.from, self.over.subscribe()));
    }

    /// Lets each watcher come to the revision of now, and reads what happened.
    pub(super) async fn close(mut self, mut caller: Caller) -> anyhow::Result<()> {
        let last = revision(&caller.client).await?;
        self.over.send_replace(Some(last.0));
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        let (mut since, mut log) = (self.from, Vec::<Value>::new());
        loop {
            let page: EventPage = caller
                .client
                .read(&events_path(Some(since), None), PATIENCE)
                .await
                .map_err(|problem| anyhow!("the events could not be read: {problem}"))?;
            for entry in &page.entries {
                log.push(json!([entry.revision.0, serde_json::to_string(entry)?]));
            }
            if page.next <= since || page.next >= last {
                break;
            }
            since = page.next;
        }
        let read = async { Ended::Ok(Value::Array(log)) };
        caller.process.call("log-read", Value::Null, read).await;
        Ok(())
    }
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
