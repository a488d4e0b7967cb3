//! A run with real processes. Decides the order: start, load beside faults, heal, final reads, verdict, files. What is
//! asked is `work`'s, what is broken `nemesis`', what it means `verdict`'s.

mod nemesis;
mod recorder;
mod stage;
mod work;

use crate::{
    plan::Plan,
    report,
    verdict::{self, Verdict},
};
use anyhow::Context as _;
use recorder::Recorder;
use serde_json::json;
use stage::{PATIENCE, Stage};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use work::Work;

/// Names of the files of a run, below its directory.
pub const HISTORY: &str = "history.jsonl";
pub const PLAN: &str = "plan.json";
pub const VERDICT: &str = "verdict.json";
pub const REPORT: &str = "report.html";
/// The nemesis' word on the end of a run.
pub const REST: &str = "at-rest";

/// For those who name none: told, so that the run can be made again.
#[must_use]
pub fn drawn_seed() -> u64 {
    recorder::now().0 / 1_000 % 1_000_000_000
}

/// Does what the plan says with processes of this binary; leaves everything in `out`, which must be new or empty.
pub async fn run(binary: &Path, plan: &Plan, out: &Path) -> anyhow::Result<Verdict> {
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let filled = fs::read_dir(out)?.next().is_some();
    anyhow::ensure!(!filled, "{} is not empty: name another --out", out.display());
    fs::write(out.join(PLAN), serde_json::to_string_pretty(plan)?)?;
    let recorder = Recorder::create(&out.join(HISTORY))?;
    let home = out.join("cluster");
    let mut stage = Stage::start(PathBuf::from(binary), &plan.options, &home).await?;
    let played = play(&mut stage, plan, &recorder, out).await;
    // Whatever happened, what was noted is kept and nothing is left running.
    let history = recorder.finish()?;
    let forced = stage.cluster.stop().await;
    played?;
    if !forced.is_empty() {
        tracing::warn!(?forced, "processes had to be killed at the end");
    }
    let verdict = verdict::judge(plan, &history)?;
    save(out, plan, &history, &verdict)?;
    Ok(verdict)
}

/// Checks a stored run again, and writes its verdict and report anew.
pub fn check(out: &Path) -> anyhow::Result<Verdict> {
    let text = fs::read_to_string(out.join(PLAN));
    let text = text.with_context(|| format!("{}: no plan", out.display()))?;
    let plan: Plan = serde_json::from_str(&text).context("the plan")?;
    let history = crate::history::read(&out.join(HISTORY))?;
    let verdict = verdict::judge(&plan, &history)?;
    save(out, &plan, &history, &verdict)?;
    Ok(verdict)
}

fn save(
    out: &Path,
    plan: &Plan,
    history: &[crate::history::Operation],
    verdict: &Verdict,
) -> anyhow::Result<()> {
    fs::write(out.join(VERDICT), serde_json::to_string_pretty(verdict)?)?;
    fs::write(out.join(REPORT), report::page(plan, history, verdict)?)?;
    Ok(())
}

/// From the first operation to the last read.
async fn play(
    stage: &mut Stage,
    plan: &Plan,
    recorder: &Arc<Recorder>,
    out: &Path,
) -> anyhow::Result<()> {
    let mut work = Work::prepare(stage, plan, recorder, out).await?;
    let began = Instant::now();
    recorder.nemesis("load", json!({"state": "begins"}));
    work.begin(plan, began)?;
    let tormented = nemesis::torment(stage, &plan.faults, began, recorder).await;
    nemesis::heal(stage).await?;
    tormented?;
    work.ended().await?;
    recorder.nemesis("load", json!({"state": "ends"}));
    nemesis::heal(stage).await?;
    let rested = at_rest(stage).await;
    recorder.nemesis(
        REST,
        match &rested {
            Ok(found) => json!({"state": "installed", "text": found}),
            Err(why) => json!({"state": "failed", "text": why.to_string()}),
        },
    );
    if rested.is_ok() {
        work.close(stage).await?;
    }
    Ok(())
}

/// One leader, and equal states on all members.
async fn at_rest(stage: &Stage) -> anyhow::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let status = stage.until_whole().await?;
    let leader = status.stand.leader.map_or_else(String::new, |leader| leader.to_string());
    loop {
        if let Some(told) = stage.hashes().await {
            let first = told.values().next().cloned().unwrap_or_default();
            if told.values().all(|(_, hash)| *hash == first.1) {
                let (count, revision) = (told.len(), first.0);
                return Ok(format!("{leader} leads; {count} members have one state at {revision}"));
            }
            anyhow::bail!("the members' states differ: {told:?}");
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the members' states are not told at one revision"
        );
        sleep(Duration::from_millis(50)).await;
    }
}
