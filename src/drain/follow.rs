//! A drain that is watched. Decides when there is nothing more to wait for, what is said to whoever leaves before, and the form
//! of the lines.

use super::WATCHED_WITHIN;
use crate::{
    cli::resource::Format,
    clock,
    resource::{Asker, WITHIN, say},
};
use std::{process::ExitCode, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::Watched;
use tradewind_domain::{
    control::{
        EventKind,
        drain::{By, DrainRow, DrainState, DropSchedule},
    },
    ids::{DrainTarget, Revision},
    time::UnixNanos,
};
use tradewind_protocol::{
    Code, Problem,
    control::Stand,
    drains::{DrainTold, DrainView, Remaining, path_of},
};

/// Between two looks: what remains changes without a change of the drain.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Shows each change until nothing more comes by itself. Cut off by the user, the drain goes on; while there is no leader
/// it waits for the next one, and so does whoever watches.
pub(super) async fn follow(
    asker: &Asker,
    target: &DrainTarget,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let path = path_of(target);
    // As JSON it is one document: how it is in the end.
    let each = asker.output != Format::Json;
    let (mut seen, mut untold) = (None::<DrainView>, true);
    loop {
        let read = asker.control.read::<DrainTold>(&path, WATCHED_WITHIN);
        let told = tokio::select! {
            told = read => told,
            () = stop.cancelled() => {
                if let Some(drain) = seen.filter(|_| !each) {
                    show(asker.output, &drain)?;
                }
                eprintln!(
                    "tradewind: {target} goes on being drained; tradewind drain {target} --show tells how far it is, \
                     tradewind undrain {target} --why TEXT ends it"
                );
                // Not over: whoever waits for it by script must not go on.
                return Ok(ExitCode::from(6));
            }
        };
        match told {
            Ok(DrainTold { drain, .. }) => {
                // The revision is part of it; what has been seen is not shown again.
                let over = is_over(&drain);
                if (each && seen.as_ref() != Some(&drain)) || (!each && over) {
                    show(asker.output, &drain)?;
                }
                if over {
                    if let (Format::Table, Some(next)) = (asker.output, next(&drain)) {
                        say(&next)?;
                    }
                    return Ok(ExitCode::SUCCESS);
                }
                (seen, untold) = (Some(drain), true);
            }
            Err(problem) => match (problem.code, &seen) {
                (Code::NotFound, Some(seen)) => return gone(asker, seen).await,
                (
                    Code::NoLeader | Code::Unavailable | Code::Unknown | Code::RequestTimeout,
                    Some(_),
                ) => {
                    if untold {
                        eprintln!(
                            "tradewind: {problem}; the drain of {target} stands in the state and goes on with the next \
                             leader, which is waited for"
                        );
                    }
                    untold = false;
                }
                _ => return Err(problem.into()),
            },
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// A drain that was there and is no more: cancelled, or dropped with its implementation. The events tell which.
async fn gone(asker: &Asker, seen: &DrainView) -> anyhow::Result<ExitCode> {
    let target = &seen.row.target;
    let now: Stand = asker.control.read("/v1/revision", WITHIN).await?;
    match timeout(WATCHED_WITHIN, end_of(asker, &seen.row, now.revision)).await.unwrap_or(None) {
        Some(Fate::Dropped) => {
            asker.told(&now, || format!("{target}  dropped with its implementation\n"))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Fate::Cancelled(by)) => {
            let By { who, why } = by;
            let detail =
                format!("the drain of {target} was cancelled by {who}, {why}: it is active");
            Err(Problem::new(Code::Conflict, detail).into())
        }
        None => {
            let detail = format!(
                "the drain of {target} is not kept any more, nor what became of it; see tradewind status"
            );
            Err(Problem::new(Code::NotFound, detail).into())
        }
    }
}

/// What the events up to `until` say of it; `None` also where they are not kept any more.
async fn end_of(asker: &Asker, drain: &DrainRow, until: Revision) -> Option<Fate> {
    let mut watch = asker.control.watch(Some(drain.revision));
    loop {
        match watch.next().await.ok()? {
            Watched::Events(entry) => {
                if let Some(fate) = entry.events.iter().find_map(|event| fate(drain, event)) {
                    return Some(fate);
                }
            }
            Watched::Beat { seen } if seen >= until => return None,
            Watched::Beat { .. } | Watched::Opened { .. } => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Cancelled(By),
    Dropped,
}

fn fate(drain: &DrainRow, event: &EventKind) -> Option<Fate> {
    match event {
        EventKind::DrainCancelled { target, epoch, by }
            if (target, epoch) == (&drain.target, &drain.epoch) =>
        {
            Some(Fate::Cancelled(by.clone()))
        }
        EventKind::Dropped { target, .. } => {
            let with_it = match &drain.target {
                DrainTarget::Manager(manager) => target.covers(manager),
                DrainTarget::Implementation(_) => *target == drain.target,
            };
            with_it.then_some(Fate::Dropped)
        }
        _ => None,
    }
}

/// Nothing more is to be waited for: what is left comes by the clock, or not by itself.
fn is_over(drain: &DrainView) -> bool {
    match drain.row.state {
        DrainState::Cordoned | DrainState::Draining => false,
        DrainState::Drained => match drain.row.drop {
            DropSchedule::WhenIdle => false,
            DropSchedule::AfterHours | DropSchedule::At(_) | DropSchedule::Never => true,
        },
        DrainState::Dropped => true,
    }
}

/// What comes to one that is drained, and is not waited for here.
fn next(drain: &DrainView) -> Option<String> {
    let (target, row) = (&drain.row.target, &drain.row);
    let what = match target {
        DrainTarget::Implementation(_) => "implementation",
        DrainTarget::Manager(_) => "manager",
    };
    let when = match (row.state, row.drop) {
        (DrainState::Drained, DropSchedule::AfterHours) => "after hours of its location".to_owned(),
        (DrainState::Drained, DropSchedule::At(at)) => format!("at {at}"),
        (DrainState::Drained, DropSchedule::Never) => {
            return Some(format!(
                "{target} stays registered until tradewind drain {target} --reschedule --drop when-idle --why TEXT, and \
                 takes nothing until tradewind undrain {target} --why TEXT\n"
            ));
        }
        (DrainState::Drained, DropSchedule::WhenIdle)
        | (DrainState::Cordoned | DrainState::Draining | DrainState::Dropped, _) => return None,
    };
    Some(format!(
        "{target} is dropped {when}; tradewind wait {what} {target} --for dropped --timeout 12h waits for that\n"
    ))
}

fn show(output: Format, drain: &DrainView) -> anyhow::Result<()> {
    say(&match output {
        Format::Json => serde_json::to_string_pretty(drain)? + "\n",
        Format::Jsonl => serde_json::to_string(drain)? + "\n",
        Format::Table => line(drain, clock::now()),
    })
}

fn line(drain: &DrainView, now: UnixNanos) -> String {
    let (DrainRow { target, state, revision, .. }, left) = (&drain.row, left(drain, now));
    let left = if left.is_empty() { left } else { format!("  {left}") };
    format!("{target}  {state}  revision {revision}{left}\n")
}

/// What it has before it, in words; nothing where nothing is left.
pub(super) fn left(drain: &DrainView, now: UnixNanos) -> String {
    let row = &drain.row;
    let mut words = Vec::new();
    if matches!(row.state, DrainState::Cordoned) && !drain.acknowledged {
        words.push("not acknowledged yet".to_owned());
    }
    if let Some(Remaining { brokers, customers, traders, held }) = drain.remaining {
        let held = held.map_or_else(|| "?".to_owned(), |held| held.to_string());
        words.push(format!(
            "{brokers} brokers, {customers} customers, {traders} traders to move, {held} services and sessions there"
        ));
    }
    if row.overdue.is_some() {
        words.push("OVERDUE".to_owned());
    } else if let Some(deadline) = row.deadline.filter(|_| row.drained.is_none()) {
        words.push(format!("due in {} s", deadline.0.saturating_sub(now.0) / 1_000_000_000));
    }
    let waits = drain.waits.as_ref().map_or_else(String::new, |waits| format!(" - {waits}"));
    words.join(", ") + &waits
}

#[cfg(test)]
mod tests;
