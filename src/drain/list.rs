//! Drains as they are now, all of them or one. Decides the form of the table, and what counts as a change of it.

use super::follow::left;
use crate::{
    cli::resource::Format,
    clock,
    resource::{Asker, WITHIN, lines, say, steadily},
};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{ids::DrainTarget, time::UnixNanos};
use tradewind_protocol::{
    Problem,
    drains::{DRAINS, DrainTold, DrainView, Drains, path_of},
};

pub(super) async fn all(asker: &Asker) -> anyhow::Result<()> {
    say(&form(asker.output, &look(asker).await?)?)
}

pub(super) async fn one(asker: &Asker, target: &DrainTarget) -> anyhow::Result<()> {
    let told: DrainTold = asker.control.read(&path_of(target), WITHIN).await?;
    say(&match asker.output {
        Format::Json => serde_json::to_string_pretty(&told.drain)? + "\n",
        Format::Table | Format::Jsonl => form(asker.output, &[told.drain])?,
    })
}

/// How long until a deadline is another time at each look, and no change.
pub(super) async fn watch(asker: &Asker, stop: &CancellationToken) -> anyhow::Result<()> {
    let look = async || Ok(look(asker).await?);
    let differs = |now: &Vec<DrainView>, shown: &Vec<DrainView>| Ok(now != shown);
    let news = |shown: Option<&Vec<DrainView>>, now: &Vec<DrainView>| match asker.output {
        Format::Table | Format::Json => form(asker.output, now),
        Format::Jsonl => {
            let shown = shown.map(Vec::as_slice).unwrap_or_default();
            lines(shown, now, |drain| drain.row.target.clone())
        }
    };
    steadily(asker.output, stop, look, differs, news).await
}

async fn look(asker: &Asker) -> Result<Vec<DrainView>, Problem> {
    let all: Drains = asker.control.read(DRAINS, WITHIN).await?;
    Ok(all.drains)
}

fn form(output: Format, drains: &[DrainView]) -> anyhow::Result<String> {
    match output {
        Format::Table => Ok(table(drains, clock::now())),
        Format::Json => Ok(serde_json::to_string_pretty(drains)? + "\n"),
        Format::Jsonl => lines(&[], drains, |drain| drain.row.target.clone()),
    }
}

fn table(drains: &[DrainView], now: UnixNanos) -> String {
    if drains.is_empty() {
        return "nothing is being drained\n".to_owned();
    }
    let row = |target: &str, state: &str, revision: &str, left: &str| {
        format!("{target:<36}{state:<10}{revision:<10}{left}\n")
    };
    let rows = drains.iter().map(|drain| {
        let left = Some(left(drain, now)).filter(|left| !left.is_empty());
        let (target, state) = (drain.row.target.to_string(), drain.row.state.to_string());
        let (revision, left) = (drain.row.revision.to_string(), left.as_deref().unwrap_or("-"));
        row(&target, &state, &revision, left)
    });
    let titles = row("DRAIN", "STATE", "REVISION", "REMAINING");
    std::iter::once(titles).chain(rows).collect()
}
