//! `tradewind account`, `customer` and the like: asks the group for what is declared and changes it. Decides the form
//! of the answer; how a problem ends the program stands in `exit`.

mod asker;
pub(crate) mod key;
mod provisioning;
mod route;
mod table;
mod trader;
mod watch;

pub(crate) use asker::{Asker, WITHIN, said, say};
pub(crate) use watch::{lines, steadily};

use crate::{
    cli::resource::{
        Action, Flags, Format, Look, Nothing, On, OrBroker, OrService, Release, ResourceCommand,
        Show, TraderAction, TraderArgs,
    },
    exit::Usage,
    stopping::aside,
};
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use std::{
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
};
use table::Column;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{control::resource::Condition, ids::Revision};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::{Changed, Stand},
    resources::{Declared, One},
};

/// What is declared is far smaller: a Market with all its routes has 170 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(crate) async fn run(
    command: &ResourceCommand,
    stop: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    match command {
        ResourceCommand::Account(action) => of("accounts", action, table::ACCOUNTS, stop).await,
        ResourceCommand::Customer(action) => of("customers", action, table::CUSTOMERS, stop).await,
        ResourceCommand::Market(OrService { action: Some(action) }) => {
            of("markets", action, table::MARKETS, stop).await
        }
        ResourceCommand::Trader(TraderArgs { action: Some(action) }) => match action {
            TraderAction::Declared(action) => of("traders", action, table::TRADERS, stop).await,
            TraderAction::Turned(turn) => trader::turn(turn).await,
        },
        ResourceCommand::Market(_) => {
            Err(Usage("name what to do: ls, get, put, rm or logs".to_owned()).into())
        }
        ResourceCommand::Trader(_) => {
            let verbs =
                "name what to do: ls, get, put, rm, pause, resume, restart, stop, start or logs";
            Err(Usage(verbs.to_owned()).into())
        }
        ResourceCommand::Manager(look) => seen("managers", look, table::MANAGERS, stop).await,
        ResourceCommand::Implementation(look) => {
            seen("implementations", look, table::IMPLEMENTATIONS, stop).await
        }
        ResourceCommand::Broker(OrBroker { action: Some(look) }) => {
            seen("brokers", look, table::BROKERS, stop).await
        }
        ResourceCommand::Broker(_) => {
            Err(Usage("name what to do: ls, get or logs".to_owned()).into())
        }
        ResourceCommand::Location(action) => of("locations", action, table::LOCATIONS, stop).await,
        ResourceCommand::ExchangeDays(action) => {
            of("exchange-days", action, table::EXCHANGE_DAYS, stop).await
        }
        ResourceCommand::Scale(action) => of("scale", action, table::SCALES, stop).await,
        ResourceCommand::Provisioning(args) => provisioning::run(args, stop).await,
        ResourceCommand::Key(action) => key::run(action, stop).await,
        ResourceCommand::Route(action) => route::run(action, stop).await,
        ResourceCommand::Risk(action) => of("risk", action, table::RISK, stop).await,
        ResourceCommand::TradingState(action) => {
            of("trading-states", action, table::TRADING_STATES, stop).await
        }
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

async fn of<S, P, R>(
    list: &str,
    action: &Action<S, P, R>,
    columns: &[Column],
    stop: &CancellationToken,
) -> anyhow::Result<()>
where
    S: Args + Serialize,
    P: Args + Flags,
    R: Args + Options,
{
    match action {
        Action::Ls { select, show: Show { watch }, whom } => {
            let path = format!("/v1/{list}");
            show_all(&Asker::new(whom), &path, select, columns, *watch, stop).await
        }
        Action::Get { name, show: Show { watch }, whom } => {
            show_one(&Asker::new(whom), &place(list, name), columns, *watch, stop).await
        }
        Action::Put { name, file, flags, on, reason, whom } => {
            let (spec, seen) = match file {
                Some(file) => read(file).await?,
                None => (flags.spec()?, None),
            };
            let asker = Asker::new(whom);
            let (path, terms) = (place(list, name), reason.terms(condition(on, seen)));
            let declared: Declared = asker.change(Method::PUT, &path, &spec, terms).await?;
            asker.told(&declared, || match declared.declared {
                now if now == declared.applied => format!("{name} is declared, revision {now}\n"),
                then => format!("{name} is declared so since revision {then}\n"),
            })
        }
        Action::Rm { name, options, if_match, reason, whom } => {
            let asker = Asker::new(whom);
            let path = place(list, name) + options.query();
            let on = if_match.map_or(Condition::Always, |at| Condition::At(Revision(at)));
            let changed: Changed =
                asker.change(Method::DELETE, &path, &(), reason.terms(on)).await?;
            asker.told(&changed, || format!("{name} is deleted\n"))
        }
    }
}

/// What is registered and placed.
async fn seen<S: Args + Serialize>(
    list: &str,
    look: &Look<S>,
    columns: &[Column],
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    match look {
        Look::Ls { select, show: Show { watch }, whom } => {
            let path = format!("/v1/{list}");
            show_all(&Asker::new(whom), &path, select, columns, *watch, stop).await
        }
        Look::Get { name, show: Show { watch }, whom } => {
            show_one(&Asker::new(whom), &place(list, name), columns, *watch, stop).await
        }
    }
}

/// A list, once or as it changes.
async fn show_all(
    asker: &Asker,
    path: &str,
    select: &impl Serialize,
    columns: &[Column],
    watched: bool,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if watched {
        return watch::watch(asker, columns, stop, async || asker.all(path, select).await).await;
    }
    let (_, items) = asker.all(path, select).await?;
    show(asker.output, &items, columns)
}

/// One of them, once or as it changes; when it is gone it may come back.
async fn show_one(
    asker: &Asker,
    path: &str,
    columns: &[Column],
    watched: bool,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let one: One<Value> = asker.control.read(path, WITHIN).await?;
    if watched {
        let now = async || Ok(asker.control.read::<Stand>("/v1/revision", WITHIN).await?.revision);
        let read = async || match asker.control.read::<One<Value>>(path, WITHIN).await {
            Ok(one) => Ok(Some((one.stand.revision, one.item))),
            Err(Problem { code: Code::NotFound, .. }) => Ok(None),
            Err(problem) => Err(problem.into()),
        };
        let look = async || watch::one(&now, &read).await;
        return watch::watch(asker, columns, stop, look).await;
    }
    match asker.output {
        Format::Json => say(&format!("{:#}\n", one.item)),
        Format::Table | Format::Jsonl => show(asker.output, &[one.item], columns),
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
async fn read(file: &Path) -> anyhow::Result<(Value, Option<Revision>)> {
    let text = contents(file).await?;
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

/// All of a file, or of the standard input, which may be a terminal where nobody types.
pub(crate) async fn contents(file: &Path) -> anyhow::Result<String> {
    let file = file.to_owned();
    aside(move || all_of(&file)).await?
}

fn all_of(file: &Path) -> anyhow::Result<String> {
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

fn show(output: Format, items: &[Value], columns: &[Column]) -> anyhow::Result<()> {
    say(&form(output, items, columns))
}

fn form(output: Format, items: &[Value], columns: &[Column]) -> String {
    match output {
        Format::Table => table::table(items, columns),
        Format::Json => format!("{:#}\n", Value::from(items)),
        Format::Jsonl => items.iter().map(|item| format!("{item}\n")).collect(),
    }
}

#[cfg(test)]
mod tests;
