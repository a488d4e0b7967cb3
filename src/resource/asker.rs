//! Asks and changes in the name of this process. Decides how its keys are dated and how an answer is shown.

use crate::{
    cli::resource::{Format, Reason, Whom},
    clock,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    io::{self, Write as _},
    time::Duration,
};
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::{IdempotencyKey, resource::Condition},
    ids::Revision,
};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{resources::Page, terms::Terms};

/// One question, with its repeats.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// What time it is, before a change is asked for.
const TIME_WITHIN: Duration = Duration::from_secs(2);

pub(crate) struct Asker {
    pub(crate) control: ControlClient,
    keys: KeySource,
    pub(crate) output: Format,
}

impl Asker {
    pub(crate) fn new(whom: &Whom) -> Self {
        // The process is new for each command: its number tells its keys from others'.
        let name = format!("cli-{}", std::process::id());
        let client = name.parse().unwrap_or_else(|_| unreachable!("{name} is a legal name"));
        let control = ControlClient::new(whom.addr.clone(), Rest::default());
        let keys = KeySource::new(client, std::sync::Arc::new(clock::now));
        Self { keys: keys.following(control.time()), control, output: whom.output }
    }

    /// Dated by the group's time, whatever the clock here says; where nobody tells it, the change says so.
    pub(crate) async fn key(&self) -> IdempotencyKey {
        let _ = self.control.learn_time(TIME_WITHIN).await;
        self.keys.next()
    }

    /// A change under a key of its own.
    pub(crate) async fn change<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &B,
        terms: Terms,
    ) -> anyhow::Result<T> {
        let key = self.key().await;
        let asked = self.control.change_on(method, path, body, &key, terms, WITHIN).await;
        Ok(asked.accepted()?)
    }

    /// All that are chosen, page by page, and a revision since which a change of them is an event.
    pub(crate) async fn all(
        &self,
        path: &str,
        select: &impl Serialize,
    ) -> anyhow::Result<(Revision, Vec<Value>)> {
        let selectors = serde_json::to_value(select)?;
        let chosen = selectors.as_object().into_iter().flatten();
        let chosen =
            chosen.filter_map(|(name, value)| Some(format!("&{name}={}", value.as_str()?)));
        let path = format!("{path}?limit=1000{}", chosen.collect::<String>());
        let (mut first, mut items, mut after) = (None, Vec::new(), String::new());
        loop {
            let page = format!("{path}{after}");
            let page: Page<Value> = self.control.read(&page, WITHIN).await?;
            let revision = *first.get_or_insert(page.stand.revision);
            items.extend(page.items);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => return Ok((revision, items)),
            }
        }
    }

    pub(crate) fn told<T: Serialize>(
        &self,
        answer: &T,
        text: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        match self.output {
            Format::Json | Format::Jsonl => say(&(serde_json::to_string(answer)? + "\n")),
            Format::Table => say(&text()),
        }
    }
}

impl Reason {
    pub(crate) fn terms(&self, on: Condition) -> Terms {
        Terms { on, who: Some(self.who.who.clone()), why: self.why.clone() }
    }
}

/// A reader who has gone has read enough.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    said(text).map(drop)
}

/// Whether anybody still reads.
pub(crate) fn said(text: &str) -> anyhow::Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}
