//! `tradewind rebalance`: shows what would be moved, has it done and shows each move until it is over. Decides the form
//! of the lines; leaving off leaves it running.

use crate::{
    cli::{rebalance::RebalanceArgs, resource::Format},
    exit::Usage,
    resource::{Asker, WITHIN, lines, say, steadily},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tradewind_control_client::Watched;
use tradewind_domain::{
    control::{EventKind, resource::Condition},
    ids::{CustomerId, Epoch, Revision},
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::Changed,
    rebalance::{AskRebalance, CustomerMove, REBALANCE, RebalanceTold, RebalanceUnderWay},
};

/// A leader that is new looks around first, for less than a second.
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) async fn run(args: &RebalanceArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.whom);
    let asked = || {
        let why = args.why.clone().ok_or_else(|| Usage("say --why: it is kept with it".into()));
        why.map(|why| AskRebalance { who: args.who.who.clone(), why })
    };
    if args.cancel {
        // The one that is there now, and none that somebody begins meanwhile.
        let seen: RebalanceTold = asker.control.read(REBALANCE, WITHIN).await?;
        let on =
            seen.under_way.map_or(Condition::Always, |row| Condition::At(Revision(row.epoch.0)));
        let changed = change(&asker, Method::DELETE, &asked()?, on).await?;
        asker.told(&changed, || "the rebalance is over: who has not moved stays\n".to_owned())?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.watch {
        watch(&asker, &stop).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let before = look(&asker).await?;
    if !args.apply {
        say(&shown(asker.output, &before)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let begun = change(&asker, Method::POST, &asked()?, Condition::Always).await?;
    if args.detach {
        asker.told(&begun, || format!("under way since revision {}\n", begun.applied))?;
        return Ok(ExitCode::SUCCESS);
    }
    let after: RebalanceTold = asker.control.read(REBALANCE, WITHIN).await?;
    follow(&asker, Moves::of(&begun, before, after), stop).await
}

async fn change(
    asker: &Asker,
    method: Method,
    asked: &AskRebalance,
    on: Condition,
) -> Result<Changed, Problem> {
    let key = asker.key().await;
    asker.control.change_on(method, REBALANCE, asked, &key, on, WITHIN).await.accepted()
}

/// As the leader sees it, once it has looked around.
async fn look(asker: &Asker) -> Result<RebalanceTold, Problem> {
    let until = Instant::now() + WITHIN;
    loop {
        let told: RebalanceTold = asker.control.read(REBALANCE, WITHIN).await?;
        if told.plan.is_some() {
            return Ok(told);
        }
        if Instant::now() >= until {
            let detail = "the leader has not heard all Managers yet; ask again in a moment";
            return Err(Problem::new(Code::Unavailable, detail));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What would be moved and what is under way, again when that is another.
async fn watch(asker: &Asker, stop: &CancellationToken) -> anyhow::Result<()> {
    let look = async || Ok(look(asker).await?);
    let of = |told: &RebalanceTold| (told.under_way.clone(), told.plan.clone());
    let differs = |now: &RebalanceTold, shown: &RebalanceTold| Ok(of(now) != of(shown));
    let news = |before: Option<&RebalanceTold>, now: &RebalanceTold| match asker.output {
        Format::Table | Format::Json => shown(asker.output, now),
        Format::Jsonl => {
            let before = before.map(to_make).unwrap_or_default();
            lines(&before, &to_make(now), |each| each.customer.clone())
        }
    };
    steadily(asker.output, stop, look, differs, news).await
}

/// The moves that have not been made of what is under way; else those that would be.
fn to_make(told: &RebalanceTold) -> Vec<CustomerMove> {
    let left = told.under_way.as_ref().map(|row| row.left.clone());
    left.or_else(|| told.plan.clone()).unwrap_or_default()
}

/// What is followed: the moves, as far as they are known, and from where the events tell of them.
#[derive(Debug, PartialEq, Eq)]
struct Moves {
    epoch: Epoch,
    since: Revision,
    open: BTreeMap<CustomerId, CustomerMove>,
    /// As it was begun: the moves may have been decided anew since they were shown.
    total: usize,
    done: usize,
}

impl Moves {
    /// `before` it was asked for and `after`.
    fn of(begun: &Changed, before: RebalanceTold, after: RebalanceTold) -> Self {
        let epoch = Epoch(begun.applied.0);
        let by_name = |moves: Vec<CustomerMove>| {
            moves.into_iter().map(|each| (each.customer.clone(), each)).collect::<BTreeMap<_, _>>()
        };
        if let Some(first) = before.under_way.filter(|row| row.epoch == epoch) {
            // Somebody else's, which goes on: from where it was.
            let (open, since) = (by_name(first.left), before.stand.revision);
            return Self { epoch, since, total: open.len(), open, done: 0 };
        }
        let mut open = by_name(before.plan.unwrap_or_default());
        let now = after.under_way.filter(|row| row.epoch == epoch);
        let total = now.as_ref().map_or(open.len(), |row| usize::try_from(row.moves).unwrap_or(0));
        open.extend(by_name(now.map(|row| row.left).unwrap_or_default()));
        let since = Revision(begun.applied.0.saturating_sub(1));
        Self { epoch, since, open, total, done: 0 }
    }

    fn heard(&mut self, event: &EventKind) -> Heard {
        match event {
            EventKind::CustomerAssigned { customer, manager, .. } => {
                let of_it = self.open.get(customer).is_some_and(|each| each.to == *manager);
                match self.open.remove(customer).filter(|_| of_it) {
                    Some(each) => {
                        self.done += 1;
                        Heard::Moved(each)
                    }
                    None => Heard::Nothing,
                }
            }
            EventKind::RebalanceBegun { epoch, moves, .. } if *epoch == self.epoch => {
                self.total = usize::try_from(*moves).unwrap_or(usize::MAX);
                Heard::Nothing
            }
            EventKind::Rebalanced { epoch } if *epoch == self.epoch => Heard::Over,
            EventKind::RebalanceCancelled { epoch, by } if *epoch == self.epoch => {
                Heard::Cancelled(by.who.clone(), by.why.clone())
            }
            _ => Heard::Nothing,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Moved(CustomerMove),
    Over,
    Cancelled(String, String),
}

/// Shows each move until it is over. Cut off by the user, it goes on.
async fn follow(
    asker: &Asker,
    mut moves: Moves,
    stop: CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut watch = asker.control.watch(Some(moves.since));
    let mut gone = Vec::new();
    loop {
        let next = tokio::select! {
            next = watch.next() => next,
            () = stop.cancelled() => {
                eprintln!("tradewind: the rebalance goes on; tradewind rebalance tells how far it is, tradewind rebalance --cancel --why TEXT ends it");
                // Not over: whoever waits for it by script must not go on.
                return Ok(ExitCode::from(6));
            }
        };
        let Watched::Events(entry) = next? else { continue };
        for event in &entry.events {
            match moves.heard(event) {
                Heard::Nothing => {}
                Heard::Moved(each) => {
                    moved(asker.output, &each, &moves)?;
                    gone.push(each);
                }
                Heard::Over => return over(asker.output, &moves, &gone),
                Heard::Cancelled(who, why) => {
                    let (done, total) = (moves.done, moves.total);
                    let detail = format!("cancelled by {who}, {why}: {done} of {total} have moved");
                    return Err(Problem::new(Code::Conflict, detail).into());
                }
            }
        }
    }
}

fn moved(output: Format, each: &CustomerMove, moves: &Moves) -> anyhow::Result<()> {
    let (CustomerMove { customer, from, to, .. }, done, total) = (each, moves.done, moves.total);
    match output {
        Format::Table => say(&format!("{customer}  {from} -> {to}  {done} of {total}\n")),
        // All of them in one document, at the end.
        Format::Json => Ok(()),
        Format::Jsonl => {
            let told = json!({ "moved": each, "done": done, "moves": total });
            say(&format!("{told}\n"))
        }
    }
}

fn over(output: Format, moves: &Moves, gone: &[CustomerMove]) -> anyhow::Result<ExitCode> {
    let Moves { done, total, .. } = moves;
    match output {
        Format::Table => say(&format!("done: {done} of {total} customers moved\n"))?,
        Format::Json => {
            let told = json!({ "over": true, "done": done, "moves": total, "moved": gone });
            say(&format!("{told:#}\n"))?;
        }
        Format::Jsonl => {
            say(&format!("{}\n", json!({ "over": true, "done": done, "moves": total })))?;
        }
    }
    if done < total {
        eprintln!(
            "tradewind: the others have moved otherwise, or their TraderManagers do not take them now; \
             tradewind rebalance --plan shows what is left"
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(output: Format, told: &RebalanceTold) -> anyhow::Result<String> {
    let plan = told.plan.clone().unwrap_or_default();
    match output {
        Format::Json => {
            let told = json!({ "under_way": told.under_way, "plan": plan });
            Ok(format!("{told:#}\n"))
        }
        Format::Jsonl => lines(&[], &to_make(told), |each| each.customer.clone()),
        Format::Table => Ok(table(told.under_way.as_ref(), &plan)),
    }
}

fn table(under_way: Option<&RebalanceUnderWay>, plan: &[CustomerMove]) -> String {
    let mut text = String::new();
    let mut list = |moves: &[CustomerMove]| {
        let mut rows = format!("{:<24}{:<36}{:<36}WEIGHT\n", "CUSTOMER", "FROM", "TO");
        for CustomerMove { customer, from, to, weight } in moves {
            let (customer, from, to) = (customer.to_string(), from.to_string(), to.to_string());
            // Writing to a string cannot fail.
            let _ = writeln!(rows, "{customer:<24}{from:<36}{to:<36}{weight}");
        }
        text.push_str(&rows);
    };
    match (under_way, plan) {
        (Some(row), _) => {
            list(&row.left);
            let (left, by) = (row.left.len(), &row.by);
            text.push_str(&format!(
                "under way since {} by {}, {}: {left} of {} have not moved\n",
                row.since, by.who, by.why, row.moves
            ));
        }
        (None, []) => {
            text.push_str("nothing to move: the TraderManagers are as even as they get\n")
        }
        (None, plan) => {
            list(plan);
            text.push_str(&format!(
                "{} would move; tradewind rebalance --apply --why TEXT does it\n",
                plan.len()
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests;
