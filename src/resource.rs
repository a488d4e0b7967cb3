//! `tradewind account`, `customer` and the like: asks the group for what is declared and changes it. Decides the form
//! of the answer; how a problem ends the program stands in `exit`.

pub(crate) mod key;
mod table;

use crate::{
    cli::resource::{
        Action, Flags, Format, Nothing, On, OrService, Release, ResourceCommand, Whom,
    },
    clock,
    exit::Usage,
};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use std::{
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};
use table::Column;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::{IdempotencyKey, resource::Condition},
    ids::Revision,
};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{
    control::Changed,
    resources::{Declared, One, Page},
};

/// One question, with its repeats.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// What time it is, before a change is asked for.
const TIME_WITHIN: Duration = Duration::from_secs(2);
/// What is declared is far smaller: a Market with all its routes has 170 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(crate) async fn run(command: &ResourceCommand) -> anyhow::Result<ExitCode> {
    match command {
        ResourceCommand::Account(action) => of("accounts", action, table::ACCOUNTS).await,
        ResourceCommand::Customer(action) => of("customers", action, table::CUSTOMERS).await,
        ResourceCommand::Market(OrService { action: Some(action) }) => {
            of("markets", action, table::MARKETS).await
        }
        ResourceCommand::Trader(OrService { action: Some(action) }) => {
            of("traders", action, table::TRADERS).await
        }
        ResourceCommand::Market(_) | ResourceCommand::Trader(_) => {
            Err(Usage("name what to do: ls, get, put or rm".to_owned()).into())
        }
        ResourceCommand::Location(action) => of("locations", action, table::LOCATIONS).await,
        ResourceCommand::ExchangeDays(action) => {
            of("exchange-days", action, table::EXCHANGE_DAYS).await
        }
        ResourceCommand::Scale(action) => of("scale", action, table::SCALES).await,
        ResourceCommand::Provisioning(args) => {
            let items = Asker::new(&args.whom).all("provisioning", &args.select).await?;
            show(args.whom.output, &items, table::PROVISIONING)
        }
        ResourceCommand::Key(action) => key::run(action).await,
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What deleting may be told besides.
trait Options {
    fn query(&self) -> &'static str;
}

impl Options for Nothing {
    fn query(&self) -> &'static str {
        ""
    }
}

impl Options for Release {
    fn query(&self) -> &'static str {
        if self.release { "?release=true" } else { "" }
    }
}

async fn of<S, P, R>(list: &str, action: &Action<S, P, R>, columns: &[Column]) -> anyhow::Result<()>
where
    S: Args + Serialize,
    P: Args + Flags,
    R: Args + Options,
{
    match action {
        Action::Ls { select, whom } => {
            let items = Asker::new(whom).all(list, select).await?;
            show(whom.output, &items, columns)
        }
        Action::Get { name, whom } => {
            let path = place(list, name);
            let one: One<Value> = Asker::new(whom).control.read(&path, WITHIN).await?;
            match whom.output {
                Format::Json => say(&format!("{:#}\n", one.item)),
                Format::Table | Format::Jsonl => show(whom.output, &[one.item], columns),
            }
        }
        Action::Put { name, file, flags, on, whom } => {
            let (spec, seen) = match file {
                Some(file) => read(file)?,
                None => (flags.spec()?, None),
            };
            let asker = Asker::new(whom);
            let (path, on) = (place(list, name), condition(on, seen));
            let key = asker.key().await;
            let asked = asker.control.change_on(Method::PUT, &path, &spec, &key, on, WITHIN).await;
            let declared: Declared = asked.accepted()?;
            asker.told(&declared, || match declared.declared {
                now if now == declared.applied => format!("{name} is declared, revision {now}\n"),
                then => format!("{name} is declared so since revision {then}\n"),
            })
        }
        Action::Rm { name, options, if_match, whom } => {
            let asker = Asker::new(whom);
            let path = place(list, name) + options.query();
            let on = if_match.map_or(Condition::Always, |at| Condition::At(Revision(at)));
            let key = asker.key().await;
            let asked = asker.control.change_on(Method::DELETE, &path, &(), &key, on, WITHIN).await;
            let changed: Changed = asked.accepted()?;
            asker.told(&changed, || format!("{name} is deleted\n"))
        }
    }
}

/// Where one of a list stands.
fn place(list: &str, name: &str) -> String {
    match list {
        "scale" => format!("/v1/locations/{name}/scale"),
        list => format!("/v1/{list}/{name}"),
    }
}

/// What was asked for holds; else what the file was when it was shown.
fn condition(on: &On, seen: Option<Revision>) -> Condition {
    match (on.if_match.map(Revision).or(seen), on.create) {
        (_, true) => Condition::Absent,
        (Some(at), false) => Condition::At(at),
        (None, false) => Condition::Always,
    }
}

/// What a file declares; of one that `get -o json` has written, also the revision that was shown.
fn read(file: &Path) -> anyhow::Result<(Value, Option<Revision>)> {
    let text = contents(file)?;
    let wrong = |error: String| Usage(format!("{}: {error}", file.display()));
    let value: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
    } else {
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))?
    };
    let seen = value.get("revision").and_then(Value::as_u64).map(Revision);
    Ok(match (seen, value.get("spec")) {
        (Some(seen), Some(spec)) => (spec.clone(), Some(seen)),
        _ => (value, None),
    })
}

/// All of a file, or of the standard input.
fn contents(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let source: &mut dyn io::Read = if file.as_os_str() == "-" {
        &mut io::stdin()
    } else {
        &mut std::fs::File::open(file)
            .map_err(|error| Usage(format!("{}: {error}", file.display())))?
    };
    source
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("reading {}", file.display()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Usage(format!("{} is larger than 1 MiB", file.display())).into());
    }
    Ok(text)
}

/// Asks and changes in the name of this process.
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

    /// Page by page.
    async fn all(&self, list: &str, select: &impl Serialize) -> anyhow::Result<Vec<Value>> {
        let selectors = serde_json::to_value(select)?;
        let chosen = selectors.as_object().into_iter().flatten();
        let chosen =
            chosen.filter_map(|(name, value)| Some(format!("&{name}={}", value.as_str()?)));
        let path = format!("/v1/{list}?limit=1000{}", chosen.collect::<String>());
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let page = format!("{path}{after}");
            let page: Page<Value> = self.control.read(&page, WITHIN).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
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

fn show(output: Format, items: &[Value], columns: &[Column]) -> anyhow::Result<()> {
    say(&match output {
        Format::Table => table::table(items, columns),
        Format::Json => format!("{:#}\n", Value::from(items)),
        Format::Jsonl => items.iter().map(|item| format!("{item}\n")).collect(),
    })
}

/// A reader who has gone has read enough.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
