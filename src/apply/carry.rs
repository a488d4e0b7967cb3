//! Carrying a plan out, step by step. Decides that each step is made only on what the plan has seen, and that the first
//! one that fails ends it: what follows may depend on it. What was done stays; applying again goes on from there.

use super::plan::{Plan, Planned, Step};
use crate::{
    cli::resource::Format,
    resource::{Asker, WITHIN, say},
    stopping::left_off,
};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{control::resource::Condition, ids::Revision};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::Changed,
    placed::ServiceStanding,
    resources::{Declared, One, TraderInfo},
    terms::Terms,
};

/// A Trader is asked to end, and killed when it does not.
const STOPPED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn out(
    asker: &Asker,
    plan: &Plan,
    terms: impl Fn(Condition) -> Terms,
    stop: &CancellationToken,
    told: &mut Vec<Value>,
) -> anyhow::Result<()> {
    // What a step has made of something a later one may change again.
    let mut made = BTreeMap::new();
    for (done, planned) in plan.steps.iter().enumerate() {
        let key = (planned.kind, planned.name.clone());
        let revision = tokio::select! {
            revision = step(asker, planned, made.get(&key).copied(), &terms) => revision,
            () = stop.cancelled() => Err(left_off().into()),
        };
        let revision = revision.with_context(|| {
            format!(
                "{} {}: {done} of {} steps are done; apply the file again to go on from there",
                planned.kind.word(),
                planned.name,
                plan.steps.len()
            )
        })?;
        made.insert(key, revision);
        told.push(tell(asker.output, planned, revision)?);
    }
    Ok(())
}

async fn step(
    asker: &Asker,
    planned: &Planned,
    made: Option<Revision>,
    terms: &impl Fn(Condition) -> Terms,
) -> anyhow::Result<Revision> {
    let Planned { kind, name, step, spec, until_stopped, .. } = planned;
    let path = kind.path(name);
    let put = async |on| -> anyhow::Result<Revision> {
        let declared: Declared = asker.change(Method::PUT, &path, spec, terms(on)).await?;
        Ok(declared.declared)
    };
    match *step {
        Step::Create => put(Condition::Absent).await,
        Step::Change { at } => {
            let declared = put(Condition::At(at)).await?;
            if *until_stopped {
                stopped(asker, &path).await?;
            }
            Ok(declared)
        }
        Step::Delete { at, release } => {
            let at = made.unwrap_or(at);
            let at = if spec.is_null() { at } else { put(Condition::At(at)).await? };
            let path = if release { format!("{path}?release=true") } else { path.clone() };
            let changed: Changed =
                asker.change(Method::DELETE, &path, &(), terms(Condition::At(at))).await?;
            Ok(changed.applied)
        }
    }
}

/// Waits until a Trader that was declared as stopped runs no more.
async fn stopped(asker: &Asker, path: &str) -> anyhow::Result<()> {
    let until = Instant::now() + STOPPED_WITHIN;
    loop {
        let one: One<TraderInfo> = asker.control.read(path, WITHIN).await?;
        let now = one.item.now;
        if now.as_ref().is_some_and(|now| now.state == ServiceStanding::Stopped) {
            return Ok(());
        }
        if Instant::now() >= until {
            bail!(
                "it is declared as stopped, and its TraderManager does not tell that it is: see `tradewind trader get`; \
                 its limits stay until then"
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Says what was done, as it is done; gives it for the end.
fn tell(output: Format, planned: &Planned, revision: Revision) -> anyhow::Result<Value> {
    let done = match planned.step {
        Step::Create => "created",
        Step::Change { .. } => "changed",
        Step::Delete { .. } => "deleted",
    };
    let (kind, name) = (planned.kind.word(), &planned.name);
    let told = json!({"done": done, "kind": kind, "name": name, "revision": revision});
    match output {
        Format::Table => say(&format!("{done} {kind} {name}, revision {revision}\n"))?,
        Format::Json => {}
        Format::Jsonl => say(&format!("{told}\n"))?,
    }
    Ok(told)
}
