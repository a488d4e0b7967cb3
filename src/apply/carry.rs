//! Carrying a plan out, step by step. Decides that each step is made only on what the plan has seen, and that the first
//! one that fails ends it: what follows may depend on it. What was done stays; applying again goes on from there.

use super::plan::{Plan, Planned, Step};
use crate::{
    cli::resource::Format,
    resource::{Asker, say},
};
use anyhow::Context as _;
use serde_json::json;
use tradewind_domain::{control::resource::Condition, ids::Revision};
use tradewind_link::rest::Method;
use tradewind_protocol::{control::Changed, resources::Declared, terms::Terms};

pub(super) async fn out(
    asker: &Asker,
    plan: &Plan,
    terms: impl Fn(Condition) -> Terms,
) -> anyhow::Result<()> {
    for (done, planned) in plan.steps.iter().enumerate() {
        let revision = step(asker, planned, &terms).await.with_context(|| {
            format!(
                "{} {}: {done} of {} steps are done; apply the file again to go on from there",
                planned.kind.word(),
                planned.name,
                plan.steps.len()
            )
        })?;
        told(asker.output, planned, revision)?;
    }
    Ok(())
}

async fn step(
    asker: &Asker,
    planned: &Planned,
    terms: &impl Fn(Condition) -> Terms,
) -> anyhow::Result<Revision> {
    let Planned { kind, name, step, spec, .. } = planned;
    let path = kind.path(name);
    let put = async |on| -> anyhow::Result<Revision> {
        let declared: Declared = asker.change(Method::PUT, &path, spec, terms(on)).await?;
        Ok(declared.declared)
    };
    match *step {
        Step::Create => put(Condition::Absent).await,
        Step::Change { at } => put(Condition::At(at)).await,
        Step::Delete { at, release } => {
            let at = if spec.is_null() { at } else { put(Condition::At(at)).await? };
            let path = if release { format!("{path}?release=true") } else { path.clone() };
            let changed: Changed =
                asker.change(Method::DELETE, &path, &(), terms(Condition::At(at))).await?;
            Ok(changed.applied)
        }
    }
}

fn told(output: Format, planned: &Planned, revision: Revision) -> anyhow::Result<()> {
    let done = match planned.step {
        Step::Create => "created",
        Step::Change { .. } => "changed",
        Step::Delete { .. } => "deleted",
    };
    let (kind, name) = (planned.kind.word(), &planned.name);
    match output {
        Format::Table => say(&format!("{done} {kind} {name}, revision {revision}\n")),
        Format::Json | Format::Jsonl => say(&format!(
            "{}\n",
            json!({"done": done, "kind": kind, "name": name, "revision": revision})
        )),
    }
}
