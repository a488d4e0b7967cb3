//! `tradewind events`: what happened in the replicated state, from any member, and what happens next. Decides
//! the form of the lines only.

use crate::{
    cli::{EventsArgs, Format},
    exit::one_document,
    resource::{said, say},
};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{ControlClient, WatchEnd, Watched, events_path};
use tradewind_domain::ids::{ClusterIncarnation, Revision};
use tradewind_link::rest::Rest;
use tradewind_protocol::{
    Problem,
    control::{Stand, Status},
    events::{EntryEvents, EventFilter, EventPage},
};

const WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at a member that lags.
const LAGS: Duration = Duration::from_millis(20);

pub(crate) async fn run(args: &EventsArgs, stop: CancellationToken) -> anyhow::Result<()> {
    one_document(args.output, args.follow)?;
    let client = ControlClient::new(args.addr.clone(), Rest::default());
    let filter = EventFilter::new(&args.kind, args.about.as_deref())?;
    if args.output == Format::Table && !said(&line("REVISION", "AT", "EVENT", ""))? {
        return Ok(());
    }
    if args.follow {
        follow(args, &client, filter, stop).await
    } else {
        pages(args, &client, &filter).await
    }
}

/// What is kept, to the revision that the group had come to when it was asked: whichever member answers, it may not
/// be there yet.
async fn pages(
    args: &EventsArgs,
    client: &ControlClient,
    filter: &EventFilter,
) -> anyhow::Result<()> {
    let nobody = || format!("no events from {}", args.addr.join(", "));
    let now = match client.read::<Stand>("/v1/revision", WITHIN).await {
        Ok(now) => now,
        Err(problem) => {
            eprintln!("tradewind: {problem}; what a member knows by itself is shown");
            client.read("/v1/revision?consistency=stale", WITHIN).await.with_context(nobody)?
        }
    };
    let ask = async |since, cluster| {
        let page: Result<EventPage, Problem> =
            client.read(&events_path(since, cluster, filter), WITHIN).await;
        page.with_context(nobody)
    };
    let place = (args.since.map(Revision), args.cluster.map(ClusterIncarnation));
    // One document, once all is there.
    let mut all = Vec::new();
    let show = |entry: &EntryEvents| match args.output {
        Format::Json => {
            all.push(entry.clone());
            Ok(true)
        }
        Format::Table | Format::Jsonl => print(args.output, entry),
    };
    up_to(now.revision, place, ask, show).await?;
    if args.output == Format::Json {
        say(&(serde_json::to_string_pretty(&all)? + "\n"))?;
    }
    Ok(())
}

/// Shows page after page until all up to `until` is shown, or nobody reads any more.
async fn up_to(
    until: Revision,
    place: (Option<Revision>, Option<ClusterIncarnation>),
    ask: impl AsyncFn(Option<Revision>, Option<ClusterIncarnation>) -> anyhow::Result<EventPage>,
    mut show: impl FnMut(&EntryEvents) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let (mut since, mut cluster) = place;
    let mut waited_since = Instant::now();
    loop {
        let page = ask(since, cluster).await?;
        for entry in &page.entries {
            if !show(entry)? {
                return Ok(());
            }
        }
        if page.next >= until {
            return Ok(());
        }
        if since != Some(page.next) {
            waited_since = Instant::now();
        } else if waited_since.elapsed() > WITHIN {
            bail!("events up to {} are shown, those up to {until} did not come", page.next);
        } else {
            // The member that answers has not heard of more yet.
            sleep(LAGS).await;
        }
        // Of another life nothing would be shown by mistake.
        (since, cluster) = (Some(page.next), cluster.or(page.cluster));
    }
}

async fn follow(
    args: &EventsArgs,
    client: &ControlClient,
    filter: EventFilter,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // The other members are learnt: watching goes on at them when this one goes.
    let known = client.read::<Status>("/v1/status?consistency=stale", WITHIN).await;
    if let Ok(status) = known {
        let members: Vec<String> = status.members.into_iter().map(|m| m.api_address).collect();
        client.learn(&members);
    }
    let watch = client.watch(args.since.map(Revision)).of(args.cluster.map(ClusterIncarnation));
    let mut watch = watch.only(filter);
    loop {
        let next = tokio::select! {
            next = watch.next() => next,
            () = stop.cancelled() => return Ok(()),
        };
        match next {
            Ok(Watched::Events(entry)) => {
                if !print(args.output, &entry)? {
                    return Ok(());
                }
            }
            Ok(Watched::Opened { member, since }) => {
                tracing::info!(%member, %since, "watching");
            }
            Ok(Watched::Beat { .. }) => {}
            Err(WatchEnd::Gone(problem)) => {
                bail!("{problem}; without --since the oldest events that are kept are shown first")
            }
            Err(WatchEnd::Refused(problem)) => return Err(problem.into()),
        }
    }
}

/// Says whether anybody still reads.
fn print(output: Format, entry: &EntryEvents) -> anyhow::Result<bool> {
    let mut lines = String::new();
    match output {
        Format::Json => lines = serde_json::to_string_pretty(entry)? + "\n",
        Format::Jsonl => lines = serde_json::to_string(entry)? + "\n",
        Format::Table => {
            for event in &entry.events {
                let (revision, at) = (entry.revision.to_string(), entry.at.to_string());
                let (name, fields) = named(&serde_json::to_value(event)?);
                lines.push_str(&line(&revision, &at, &name, &fields));
            }
        }
    }
    said(&lines)
}

fn line(revision: &str, at: &str, event: &str, fields: &str) -> String {
    let line = format!("{revision:<10}{at:<32}{event:<24} {fields}");
    format!("{}\n", line.trim_end())
}

/// `{"manager_down":{"manager":"a1.x","why":"silent"}}` as its name and `manager=a1.x why=silent`.
fn named(event: &Value) -> (String, String) {
    let Some((name, fields)) = event.as_object().and_then(|event| event.iter().next()) else {
        return (event.to_string(), String::new());
    };
    let mut told = Vec::new();
    for (name, value) in fields.as_object().into_iter().flatten() {
        field(name, value, &mut told);
    }
    (name.clone(), told.join(" "))
}

/// What has fields itself is told by them: `by` as who and why. What is not there is not told.
fn field(name: &str, value: &Value, told: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(name, value)| field(name, value, told)),
        Value::String(text) if text.is_empty() || text.contains([' ', '"', '=']) => {
            told.push(format!("{name}={value}"));
        }
        Value::String(text) => told.push(format!("{name}={text}")),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => told.push(format!("{name}={value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tradewind_domain::{control::EventKind, time::UnixNanos};

    #[test]
    fn an_event_is_shown_by_its_name_and_fields() {
        let event = serde_json::json!({"manager_down": {"manager": "a1.x", "epoch": 3}});
        let (name, fields) = named(&event);
        assert_eq!((name.as_str(), fields.as_str()), ("manager_down", "epoch=3 manager=a1.x"));
        let by = serde_json::json!({"who": "ann", "why": "an upgrade"});
        let event = serde_json::json!({"cordoned": {"target": "a1", "deadline": null, "by": by}});
        assert_eq!(named(&event).1, "who=ann why=\"an upgrade\" target=a1");
    }

    fn page(next: u64, revisions: &[u64]) -> EventPage {
        let stand = Stand { revision: Revision(next), ..Stand::default() };
        let entry = |revision: &u64| EntryEvents {
            revision: Revision(*revision),
            at: UnixNanos(1),
            events: vec![EventKind::VotersWanted { voters: 3 }],
        };
        let cluster = Some(ClusterIncarnation(7));
        EventPage {
            stand,
            cluster,
            next: Revision(next),
            entries: revisions.iter().map(entry).collect(),
        }
    }

    #[tokio::test]
    async fn all_up_to_the_revision_at_the_start_is_shown_also_by_a_member_that_lags() {
        // given: a page without events, one twice since the member lags, and more than was there at the start
        let pages = [page(4, &[]), page(6, &[5, 6]), page(6, &[]), page(9, &[9]), page(12, &[11])];
        let (asked, pages) = (RefCell::new(Vec::new()), RefCell::new(pages.into_iter()));
        let mut shown = Vec::new();
        let ask = async |since: Option<Revision>, cluster: Option<ClusterIncarnation>| {
            asked.borrow_mut().push((since.map(|since| since.0), cluster.map(|cluster| cluster.0)));
            Ok(pages.borrow_mut().next().unwrap_or_else(|| page(99, &[])))
        };
        // when
        let done = up_to(Revision(9), (None, None), ask, |entry| {
            shown.push(entry.revision.0);
            Ok(true)
        });
        // then
        assert!(done.await.is_ok());
        assert_eq!(shown, [5, 6, 9]);
        let life = Some(7);
        let places = [(None, None), (Some(4), life), (Some(6), life), (Some(6), life)];
        assert_eq!(*asked.borrow(), places);
    }
}
