//! `--watch`: shows what was asked for again whenever it has changed. Decides when to look: behind an event, never by
//! the clock; and what is shown of it: all as a table or as JSON, a line for each change as JSON lines.

use super::{
    asker::{Asker, WITHIN, said},
    form,
    table::Column,
};
use crate::cli::resource::Format;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{WatchEnd, Watched};
use tradewind_domain::ids::Revision;
use tradewind_protocol::control::Status;

/// What is there, and a revision since which a change of it is an event.
type Looked = (Revision, Vec<Value>);

pub(super) async fn watch(
    asker: &Asker,
    columns: &[Column],
    stop: &CancellationToken,
    look: impl AsyncFn() -> anyhow::Result<Looked>,
) -> anyhow::Result<()> {
    let (mut at, mut shown) = look().await?;
    if !said(&form(asker.output, &shown, columns))? {
        return Ok(());
    }
    learn_members(asker).await;
    let mut watch = asker.control.watch(Some(at));
    loop {
        let next = tokio::select! {
            next = watch.next() => next,
            () = stop.cancelled() => return Ok(()),
        };
        let missed = match next {
            Ok(Watched::Events(entry)) if entry.revision > at => false,
            Ok(Watched::Events(_) | Watched::Opened { .. } | Watched::Beat { .. }) => continue,
            // More has happened than anybody keeps: what there is now is what counts.
            Err(WatchEnd::Gone(_)) => true,
            Err(WatchEnd::Refused(problem)) => return Err(problem.into()),
        };
        let items;
        (at, items) = tokio::select! {
            looked = look() => looked?,
            () = stop.cancelled() => return Ok(()),
        };
        if missed {
            watch = asker.control.watch(Some(at));
        }
        if items != shown {
            if !said(&news(asker.output, &shown, &items, columns))? {
                return Ok(());
            }
            shown = items;
        }
    }
}

/// Watching goes on at the others when this one goes.
async fn learn_members(asker: &Asker) {
    let known = asker.control.read::<Status>("/v1/status?consistency=stale", WITHIN).await;
    if let Ok(status) = known {
        let members: Vec<String> = status.members.into_iter().map(|m| m.api_address).collect();
        asker.control.learn(&members);
    }
}

fn news(output: Format, shown: &[Value], items: &[Value], columns: &[Column]) -> String {
    match output {
        Format::Table => format!("\n{}", form(output, items, columns)),
        Format::Json => form(output, items, columns),
        Format::Jsonl => {
            let name = |item: &Value| columns.first().and_then(|first| first.of(item)).cloned();
            let gone = shown.iter().filter(|item| !items.iter().any(|now| name(now) == name(item)));
            let gone = gone.map(|item| format!("{}\n", json!({ "deleted": name(item) })));
            let new = items.iter().filter(|item| !shown.contains(item));
            gone.chain(new.map(|item| format!("{item}\n"))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::table, *};

    #[test]
    fn as_lines_only_what_has_changed_is_shown() {
        let item = |name: &str, revision: u64| json!({"market": name, "revision": revision});
        let (before, after) =
            ([item("a", 1), item("b", 2), item("c", 3)], [item("a", 1), item("c", 4)]);
        let lines = news(Format::Jsonl, &before, &after, table::MARKETS);
        assert_eq!(lines, "{\"deleted\":\"b\"}\n{\"market\":\"c\",\"revision\":4}\n");
        let whole = news(Format::Table, &before, &after, table::MARKETS);
        assert!(whole.starts_with("\nMARKET") && whole.lines().count() == 4, "{whole}");
    }
}
