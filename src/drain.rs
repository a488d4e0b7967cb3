//! `tradewind drain`, `tradewind undrain`: begins a drain and shows how far it is until it is done. Decides what is asked
//! for; how a drain is watched stands in `follow`, how they are listed in `list`. Leaving off leaves the drain running.

mod follow;
mod list;

use crate::{
    cli::drain::{DrainArgs, UndrainArgs, Who},
    clock,
    exit::{Over, Usage},
    resource::{Asker, WITHIN},
};
use anyhow::Context as _;
use follow::follow;
use std::{process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{drain::DropSchedule, resource::Condition},
    ids::{DrainTarget, Revision},
    time::UnixNanos,
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code,
    control::Changed,
    drains::{BeginDrain, ChangeDrain, DrainTold, path_of},
    events::{EVENTS, EventPage},
};

/// A group without a leader is waited for.
const WATCHED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: &DrainArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.whom);
    let Some(target) = &args.target else {
        if args.watch {
            list::watch(&asker, &stop).await?;
        } else {
            list::all(&asker).await?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    if args.watch {
        return follow(&asker, target, stop).await;
    }
    if args.show {
        list::one(&asker, target).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let why =
        args.why.clone().ok_or_else(|| Usage("say --why: it is kept with the drain".into()))?;
    let asked = ask(&asker, args, target, why);
    tokio::select! {
        asked = asked => asked?,
        () = stop.cancelled() => {
            let text = format!(
                "left before the answer came: whether it was done is not known; tradewind drain {target} --show tells"
            );
            return Err(Over::TimedOut(text).into());
        }
    }
    if args.detach {
        list::one(&asker, target).await?;
        return Ok(ExitCode::SUCCESS);
    }
    follow(&asker, target, stop).await
}

/// What is asked for besides looking at it.
async fn ask(
    asker: &Asker,
    args: &DrainArgs,
    target: &DrainTarget,
    why: String,
) -> anyhow::Result<()> {
    if args.force || args.abandon_accounts {
        // In this order a revision that was seen fits the first of them, and where accounts cannot be given up yet
        // nothing is forced: forced without that they might be lost.
        let asked = [(args.abandon_accounts, "abandon"), (args.force, "force")];
        let mut if_match = args.if_match;
        for (_, what) in asked.into_iter().filter(|(asked, _)| *asked) {
            let path = format!("{}/{what}", path_of(target));
            let why = why.clone();
            change(asker, Method::POST, &path, &args.who, why, None, if_match).await?;
            if_match = None;
        }
    } else if args.reschedule {
        let missing = || Usage("say --drop or --drop-at: when it is dropped".into());
        let drop = Some(args.schedule().ok_or_else(missing)?);
        let path = format!("{}/drop", path_of(target));
        change(asker, Method::PUT, &path, &args.who, why, drop, args.if_match).await?;
    } else {
        begin(asker, args, target, why).await?;
    }
    Ok(())
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
