//! `tradewind drain`, `tradewind undrain`: begins a drain and shows how far it is until it is done. Decides the form of
//! the lines and when there is nothing more to wait for; leaving off leaves the drain running.

use crate::{
    cli::{
        drain::{DrainArgs, UndrainArgs, Who},
        resource::Format,
    },
    clock,
    exit::Usage,
    resource::{Asker, WITHIN, say},
};
use anyhow::Context as _;
use serde::Serialize;
use std::{process::ExitCode, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::Watched;
use tradewind_domain::{
    control::{
        EventKind,
        drain::{By, DrainRow, DrainState, DropSchedule},
        resource::Condition,
    },
    ids::{DrainTarget, Revision},
    time::UnixNanos,
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, Stand},
    drains::{BeginDrain, ChangeDrain, DRAINS, DrainTold, DrainView, Drains, path_of},
    events::{EVENTS, EventPage},
};

/// Between two looks: what remains changes without a change of the drain.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A group without a leader is waited for.
const WATCHED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: &DrainArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.whom);
    let Some(target) = &args.target else {
        list(&asker).await?;
        return Ok(ExitCode::SUCCESS);
    };
    if args.show {
        let told: DrainTold = asker.control.read(&path_of(target), WITHIN).await?;
        show(asker.output, &told.drain)?;
        return Ok(ExitCode::SUCCESS);
    }
    let why =
        args.why.clone().ok_or_else(|| Usage("say --why: it is kept with the drain".into()))?;
    if args.force || args.abandon_accounts {
        // In this order a revision that was seen fits the first of them, and where accounts cannot be given up yet
        // nothing is forced: forced without that they might be lost.
        let asked = [(args.abandon_accounts, "abandon"), (args.force, "force")];
        let mut if_match = args.if_match;
        for (_, what) in asked.into_iter().filter(|(asked, _)| *asked) {
            let path = format!("{}/{what}", path_of(target));
            let why = why.clone();
            change(&asker, Method::POST, &path, &args.who, why, None, if_match).await?;
            if_match = None;
        }
    } else if args.reschedule {
        let missing = || Usage("say --drop or --drop-at: when it is dropped".into());
        let drop = Some(args.schedule().ok_or_else(missing)?);
        let path = format!("{}/drop", path_of(target));
        change(&asker, Method::PUT, &path, &args.who, why, drop, args.if_match).await?;
    } else {
        begin(&asker, args, target, why).await?;
    }
    if args.detach {
        let told: DrainTold = asker.control.read(&path_of(target), WITHIN).await?;
        show(asker.output, &told.drain)?;
        return Ok(ExitCode::SUCCESS);
    }
    follow(&asker, target, stop).await
}

pub(crate) async fn undrain(args: &UndrainArgs) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.whom);
    let (path, why) = (path_of(&args.target), args.why.clone());
    let changed =
        change(&asker, Method::DELETE, &path, &args.who, why, None, args.if_match).await?;
    asker.told(&changed, || format!("the drain of {} is over\n", args.target))?;
    Ok(ExitCode::SUCCESS)
}

async fn begin(
    asker: &Asker,
    args: &DrainArgs,
    target: &DrainTarget,
    why: String,
) -> anyhow::Result<()> {
    let path = match target {
        DrainTarget::Implementation(of) => format!("/v1/implementations/{of}/drain"),
        DrainTarget::Manager(of) => format!("/v1/managers/{of}/drain"),
    };
    let drop = args.schedule().unwrap_or(DropSchedule::AfterHours);
    let deadline = args.deadline.map(|within| clock::now() + within);
    let begin = BeginDrain { who: args.who.who.clone(), why, deadline, drop };
    let key = asker.key().await;
    let on = condition(args);
    let asked = asker.control.change_on(Method::POST, &path, &begin, &key, on, WITHIN).await;
    let refused = match asked.accepted() {
        Ok(Changed { .. }) => return Ok(()),
        Err(problem) => problem,
    };
    if refused.code == Code::Conflict && is_the_same(asker, target, drop, args.deadline).await {
        return Ok(());
    }
    Err(refused).with_context(|| format!("{target} is not drained"))
}

/// A deadline that is told as so long from now is another moment each time it is told. Whether the drain that goes on was
/// begun with these words: dropped as this one would be, and so long after its beginning, as the events tell that, is its deadline.
async fn is_the_same(
    asker: &Asker,
    target: &DrainTarget,
    drop: DropSchedule,
    within: Option<Duration>,
) -> bool {
    let Some(within) = within else { return false };
    let Ok(told) = asker.control.read::<DrainTold>(&path_of(target), WITHIN).await else {
        return false;
    };
    let row = &told.drain.row;
    let since = row.epoch.0.saturating_sub(1);
    let path = format!("{EVENTS}?since={since}&limit=1&kinds=cordoned&about={target}");
    let Ok(page) = asker.control.read::<EventPage>(&path, WITHIN).await else { return false };
    let begun = page.entries.first().filter(|entry| entry.revision.0 == row.epoch.0);
    let (Some(begun), Some(deadline)) = (begun, row.deadline) else { return false };
    row.drop == drop && about(begun.at + within, deadline)
}

/// Clocks of operators differ, and a request takes its time.
const CLOCKS_DIFFER: Duration = Duration::from_secs(30);

fn about(one: UnixNanos, other: UnixNanos) -> bool {
    u128::from(one.0.abs_diff(other.0)) <= CLOCKS_DIFFER.as_nanos()
}

/// Of a drain that is begun: another one there is not gone on with unless that was seen.
fn condition(args: &DrainArgs) -> Condition {
    match args.if_match {
        Some(at) => Condition::At(Revision(at)),
        None if args.create => Condition::Absent,
        None => Condition::Always,
    }
}

async fn change(
    asker: &Asker,
    method: Method,
    path: &str,
    who: &Who,
    why: String,
    drop: Option<DropSchedule>,
    if_match: Option<u64>,
) -> anyhow::Result<Changed> {
    let body = ChangeDrain { who: who.who.clone(), why, drop };
    let on = if_match.map_or(Condition::Always, |at| Condition::At(Revision(at)));
    let key = asker.key().await;
    let asked = asker.control.change_on(method, path, &body, &key, on, WITHIN).await;
    Ok(asked.accepted()?)
}

async fn list(asker: &Asker) -> anyhow::Result<()> {
    let all: Drains = asker.control.read(DRAINS, WITHIN).await?;
    if asker.output == Format::Json {
        return say(&(serde_json::to_string_pretty(&all.drains)? + "\n"));
    }
    if all.drains.is_empty() && asker.output == Format::Table {
        return say("nothing is being drained\n");
    }
    all.drains.iter().try_for_each(|drain| show(asker.output, drain))
}

/// Shows each change until nothing more comes by itself. Cut off by the user, the drain goes on.
async fn follow(
    asker: &Asker,
    target: &DrainTarget,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let path = path_of(target);
    let mut shown = None;
    loop {
        let read = asker.control.read::<DrainTold>(&path, WATCHED_WITHIN);
        let told = tokio::select! {
            told = read => told,
            () = stop.cancelled() => {
                eprintln!("tradewind: {target} goes on being drained; tradewind undrain ends that");
                // Not over: whoever waits for it by script must not go on.
                return Ok(ExitCode::from(6));
            }
        };
        let drain = match told {
            Ok(told) => told.drain,
            Err(problem) => {
                return match (problem.code, shown) {
                    (Code::NotFound, Some(seen)) => gone(asker, &seen).await,
                    _ => Err(problem.into()),
                };
            }
        };
        // The revision is part of it; what has been seen is not shown again.
        if shown.as_ref() != Some(&drain) {
            show(asker.output, &drain)?;
        }
        if is_over(&drain) {
            return Ok(ExitCode::SUCCESS);
        }
        shown = Some(drain);
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

fn show(output: Format, drain: &DrainView) -> anyhow::Result<()> {
    match output {
        Format::Json => say(&(pretty(drain)? + "\n")),
        Format::Jsonl => say(&(serde_json::to_string(drain)? + "\n")),
        Format::Table => say(&line(drain, clock::now())),
    }
}

fn pretty(drain: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(drain)?)
}

fn line(drain: &DrainView, now: UnixNanos) -> String {
    let row = &drain.row;
    let acknowledged = match (row.state, drain.acknowledged) {
        (DrainState::Cordoned, false) => " (not acknowledged yet)",
        _ => "",
    };
    let remaining = drain.remaining.map_or_else(String::new, |left| {
        let held = left.held.map_or_else(|| "?".to_owned(), |held| held.to_string());
        format!(
            ", {} brokers, {} customers, {} traders to move, {held} services and sessions there",
            left.brokers, left.customers, left.traders
        )
    });
    let overdue = if row.overdue.is_some() { ", OVERDUE" } else { "" };
    let due = row.deadline.filter(|_| row.overdue.is_none() && row.drained.is_none());
    let due = due.map_or_else(String::new, |deadline| {
        format!(", due in {} s", deadline.0.saturating_sub(now.0) / 1_000_000_000)
    });
    let waits = drain.waits.as_ref().map_or_else(String::new, |waits| format!(" - {waits}"));
    let (target, state, revision) = (&row.target, row.state, row.revision);
    format!(
        "{target}  {state}{acknowledged}  revision {revision}{remaining}{overdue}{due}{waits}\n"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::ids::Epoch;

    fn by() -> By {
        By { who: "ann".to_owned(), why: "an upgrade".to_owned() }
    }

    fn drain(target: &str) -> DrainRow {
        DrainRow {
            target: target.parse().unwrap(),
            epoch: Epoch(7),
            revision: Revision(7),
            state: DrainState::Drained,
            since: UnixNanos(1),
            by: by(),
            deadline: None,
            overdue: None,
            drop: DropSchedule::WhenIdle,
            forced: None,
            drained: None,
        }
    }

    #[test]
    fn a_drain_that_is_gone_was_cancelled_or_was_dropped_with_its_implementation() {
        let of_manager = drain("a1.trader-manager");
        let cancelled = |epoch| EventKind::DrainCancelled {
            target: of_manager.target.clone(),
            epoch: Epoch(epoch),
            by: by(),
        };
        assert_eq!(fate(&of_manager, &cancelled(7)), Some(Fate::Cancelled(by())));
        // An earlier drain of the same.
        assert_eq!(fate(&of_manager, &cancelled(6)), None);
        let dropped =
            |of: &str| EventKind::Dropped { target: of.parse().unwrap(), epoch: Epoch(9) };
        assert_eq!(fate(&of_manager, &dropped("a1")), Some(Fate::Dropped));
        assert_eq!(fate(&of_manager, &dropped("b1")), None);
        assert_eq!(fate(&drain("a1"), &dropped("a1")), Some(Fate::Dropped));
        assert_eq!(fate(&drain("a1"), &dropped("a1.trader-manager")), None);
    }
}
