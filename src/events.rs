//! `tradewind events`: what happened in the replicated state, from any member, and what happens next. Decides
//! the form of the lines only.

use crate::cli::{EventsArgs, EventsOutput};
use anyhow::{Context as _, bail};
use std::{
    io::{self, Write as _},
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{ControlClient, WatchEnd, Watched};
use tradewind_domain::ids::Revision;
use tradewind_link::rest::Rest;
use tradewind_protocol::{
    control::Status,
    events::{EVENTS, EntryEvents, EventPage},
};

const WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &EventsArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let client = ControlClient::new(args.addr.clone(), Rest::default());
    if args.follow { follow(args, &client, stop).await } else { pages(args, &client).await }
}

/// What is kept, to its end.
async fn pages(args: &EventsArgs, client: &ControlClient) -> anyhow::Result<()> {
    let mut since = args.since;
    loop {
        let query = since.map_or_else(String::new, |since| format!("?since={since}"));
        let page: EventPage = client
            .read(&format!("{EVENTS}{query}"), WITHIN)
            .await
            .with_context(|| format!("no events from {}", args.addr.join(", ")))?;
        for entry in &page.entries {
            if !print(args.output, entry)? {
                return Ok(());
            }
        }
        if page.entries.is_empty() {
            return Ok(());
        }
        since = Some(page.next.0);
    }
}

async fn follow(
    args: &EventsArgs,
    client: &ControlClient,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // The other members are learnt: watching goes on at them when this one goes.
    let known = client.read::<Status>("/v1/status?consistency=stale", WITHIN).await;
    if let Ok(status) = known {
        let members: Vec<String> = status.members.into_iter().map(|m| m.api_address).collect();
        client.learn(&members);
    }
    let mut watch = client.watch(args.since.map(Revision));
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
            Err(WatchEnd::Refused(problem)) => bail!("{problem}"),
        }
    }
}

/// Says whether anybody still reads.
fn print(output: EventsOutput, entry: &EntryEvents) -> anyhow::Result<bool> {
    let mut lines = String::new();
    match output {
        EventsOutput::Jsonl => {
            lines.push_str(&serde_json::to_string(entry)?);
            lines.push('\n');
        }
        EventsOutput::Table => {
            for event in &entry.events {
                let (revision, at) = (entry.revision.to_string(), entry.at.to_string());
                let (name, fields) = named(&serde_json::to_value(event)?);
                lines.push_str(&format!("{revision:<10}{at:<32}{name:<20}{fields}\n"));
            }
        }
    }
    match io::stdout().write_all(lines.as_bytes()).and_then(|()| io::stdout().flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// `{"manager_down":{"manager":"a1.x","why":"silent"}}` as its name and `manager=a1.x why=silent`.
fn named(event: &serde_json::Value) -> (String, String) {
    let Some((name, fields)) = event.as_object().and_then(|event| event.iter().next()) else {
        return (event.to_string(), String::new());
    };
    let fields = fields.as_object().into_iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{name}={text}")
    });
    (name.clone(), fields.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_by_its_name_and_fields() {
        let event = serde_json::json!({"manager_down": {"manager": "a1.x", "epoch": 3}});
        let (name, fields) = named(&event);
        assert_eq!((name.as_str(), fields.as_str()), ("manager_down", "epoch=3 manager=a1.x"));
    }
}
