//! `--watch`: shows what was asked for again whenever it has changed. Decides when to look: behind an event, and once a
//! second for what changes without one, such as how a service is; and what is shown of it: all as a table or as JSON, a line for each change as JSON lines.

use super::{
    asker::{Asker, WITHIN, said},
    form,
    table::Column,
};
use crate::{cli::resource::Format, exit::one_document};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{WatchEnd, Watched};
use tradewind_domain::ids::Revision;
use tradewind_protocol::{Code, Problem, control::Status};

/// What is there, and a revision since which a change of it is an event.
type Looked = (Revision, Vec<Value>);

/// What is seen of Managers and services is in no event.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One item, or none. Of what is not there the revision is asked for first: what comes after it is an event.
pub(super) async fn one(
    now: impl AsyncFn() -> anyhow::Result<Revision>,
    read: impl AsyncFn() -> anyhow::Result<Option<(Revision, Value)>>,
) -> anyhow::Result<Looked> {
    if let Some((at, item)) = read().await? {
        return Ok((at, vec![item]));
    }
    let before = now().await?;
    Ok(match read().await? {
        Some((at, item)) => (at, vec![item]),
        None => (before, Vec::new()),
    })
}

pub(super) async fn watch(
    asker: &Asker,
    columns: &[Column],
    stop: &CancellationToken,
    look: impl AsyncFn() -> anyhow::Result<Looked>,
) -> anyhow::Result<()> {
    one_document(asker.output, true)?;
    let (mut at, mut shown) = look().await?;
    if !said(&form(asker.output, &shown, columns))? {
        return Ok(());
    }
    learn_members(asker).await;
    let mut watch = asker.control.watch(Some(at));
    let mut again = Instant::now() + LOOK_EVERY;
    loop {
        let next = tokio::select! {
            next = watch.next() => Some(next),
            () = sleep_until(again) => None,
            () = stop.cancelled() => return Ok(()),
        };
        let missed = match next.transpose() {
            Ok(None) => false,
            Ok(Some(Watched::Events(entry))) if entry.revision > at => false,
            Ok(Some(Watched::Events(_) | Watched::Opened { .. } | Watched::Beat { .. })) => {
                continue;
            }
            // More has happened than anybody keeps: what there is now is what counts.
            Err(WatchEnd::Gone(_)) => true,
            Err(WatchEnd::Refused(problem)) => return Err(problem.into()),
        };
        let Some((now, items)) = looked(stop, &look).await? else { return Ok(()) };
        again = Instant::now() + LOOK_EVERY;
        at = now;
        if missed {
            watch = asker.control.watch(Some(at));
        }
        if differ(asker.output, &items, &shown, columns) {
            if !said(&news(asker.output, &shown, &items, columns)?)? {
                return Ok(());
            }
            shown = items;
        }
    }
}

/// What no event tells of: looked at once a second, and shown again when it differs by more than what changes all the time.
/// `news`: what is shown of it, beside what was shown before.
pub(crate) async fn steadily<T>(
    output: Format,
    stop: &CancellationToken,
    look: impl AsyncFn() -> anyhow::Result<T>,
    differs: impl Fn(&T, &T) -> anyhow::Result<bool>,
    news: impl Fn(Option<&T>, &T) -> anyhow::Result<String>,
) -> anyhow::Result<()> {
    one_document(output, true)?;
    let mut shown = look().await?;
    let mut reads = said(&news(None, &shown)?)?;
    while reads {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => break,
        }
        let Some(now) = looked(stop, &look).await? else { break };
        if differs(&now, &shown)? {
            let between = if output == Format::Table { "\n" } else { "" };
            reads = said(&format!("{between}{}", news(Some(&shown), &now)?))?;
            shown = now;
        }
    }
    Ok(())
}

/// What there is now; `None` if it was left. Without a leader there is nothing new to tell, and there will be one: it is waited
/// for, which is said once.
async fn looked<T>(
    stop: &CancellationToken,
    look: &impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    let mut untold = true;
    loop {
        let looked = tokio::select! {
            looked = look() => looked,
            () = stop.cancelled() => return Ok(None),
        };
        let error = match looked {
            Ok(now) => return Ok(Some(now)),
            Err(error) if passes(&error) => error,
            Err(error) => return Err(error),
        };
        if untold {
            eprintln!("tradewind: {error}; the next leader is waited for");
        }
        untold = false;
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return Ok(None),
        }
    }
}

/// Whether another look may find what this one did not.
fn passes(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Problem>().is_some_and(|problem| {
        let code = problem.code;
        matches!(code, Code::NoLeader | Code::Unavailable | Code::Unknown | Code::RequestTimeout)
    })
}

/// Watching goes on at the others when this one goes.
async fn learn_members(asker: &Asker) {
    let known = asker.control.read::<Status>("/v1/status?consistency=stale", WITHIN).await;
    if let Ok(status) = known {
        let members: Vec<String> = status.members.into_iter().map(|m| m.api_address).collect();
        asker.control.learn(&members);
    }
}

/// Of a table, what stands in it counts.
fn differ(output: Format, items: &[Value], shown: &[Value], columns: &[Column]) -> bool {
    match output {
        Format::Table => form(output, items, columns) != form(output, shown, columns),
        Format::Json | Format::Jsonl => items != shown,
    }
}

fn news(
    output: Format,
    shown: &[Value],
    items: &[Value],
    columns: &[Column],
) -> anyhow::Result<String> {
    match output {
        Format::Table => Ok(format!("\n{}", form(output, items, columns))),
        Format::Json => Ok(form(output, items, columns)),
        Format::Jsonl => {
            let name = |item: &Value| columns.first().and_then(|first| first.of(item)).cloned();
            lines(shown, items, name)
        }
    }
}

/// A line for each change: by its name what is gone, and whole what is new or another than it was.
pub(crate) fn lines<T: PartialEq + Serialize, N: PartialEq + Serialize>(
    shown: &[T],
    items: &[T],
    name: impl Fn(&T) -> N,
) -> anyhow::Result<String> {
    let gone = shown.iter().map(&name).filter(|gone| !items.iter().any(|now| name(now) == *gone));
    let gone = gone.map(|name| Ok(json!({ "deleted": name }).to_string()));
    let new = items.iter().filter(|item| !shown.contains(item)).map(serde_json::to_string);
    let each: Result<Vec<String>, serde_json::Error> = gone.chain(new).collect();
    Ok(each?.into_iter().map(|line| line + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::{super::table, *};
    use std::cell::Cell;

    #[tokio::test]
    async fn of_what_is_gone_the_revision_of_now_is_told_not_that_of_the_first_look() {
        // given: it was there at 7 and is not at 12
        let item = json!({ "market": "m", "revision": 5 });
        let there = Cell::new(true);
        let now = async || Ok(Revision(12));
        let read = async || Ok(there.get().then(|| (Revision(7), item.clone())));
        assert_eq!(one(&now, &read).await.ok(), Some((Revision(7), vec![item.clone()])));
        // when
        there.set(false);
        // then
        assert_eq!(one(&now, &read).await.ok(), Some((Revision(12), vec![])));
    }

    #[tokio::test]
    async fn what_comes_while_its_revision_is_asked_for_is_shown() {
        let asked = Cell::new(0);
        let read = async || {
            asked.set(asked.get() + 1);
            Ok((asked.get() > 1).then(|| (Revision(13), json!("back"))))
        };
        let looked = one(async || Ok(Revision(12)), read).await;
        assert_eq!(looked.ok(), Some((Revision(13), vec![json!("back")])));
    }

    #[test]
    fn a_table_is_shown_again_when_something_in_it_has_changed() {
        let item =
            |state: &str, pid: u64| [json!({"broker": "k.0", "now": {"state": state}, "x": pid})];
        let differs =
            |output, one: &[Value], two: &[Value]| differ(output, one, two, table::BROKERS);
        assert!(!differs(Format::Table, &item("live", 1), &item("live", 2)));
        assert!(differs(Format::Jsonl, &item("live", 1), &item("live", 2)));
        assert!(differs(Format::Table, &item("live", 1), &item("waiting", 1)));
    }

    #[test]
    fn as_lines_only_what_has_changed_is_shown() {
        let item = |name: &str, revision: u64| json!({"market": name, "revision": revision});
        let (before, after) =
            ([item("a", 1), item("b", 2), item("c", 3)], [item("a", 1), item("c", 4)]);
        let lines = news(Format::Jsonl, &before, &after, table::MARKETS).unwrap_or_default();
        assert_eq!(lines, "{\"deleted\":\"b\"}\n{\"market\":\"c\",\"revision\":4}\n");
        let whole = news(Format::Table, &before, &after, table::MARKETS).unwrap_or_default();
        assert!(whole.starts_with("\nMARKET") && whole.lines().count() == 4, "{whole}");
    }
}
