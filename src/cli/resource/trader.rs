//! `tradewind trader`: flags that declare a Trader, and the words that change what it should do.

use super::{
    Action, Flags, Nothing, OfTraders, Reason, Whom,
    flags::{needed, value},
    name,
};
use crate::exit::Usage;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        row::TraderWish,
        trader::{EnvironmentValue, RestartPolicy, TraderDeclaration, TraderLimits},
    },
    ids::CustomerId,
};

/// Without an action it is the service of that name, as its TraderManager spawns it.
#[derive(Debug, Args)]
pub(crate) struct TraderArgs {
    #[command(subcommand)]
    pub(crate) action: Option<TraderAction>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TraderAction {
    #[command(flatten)]
    Declared(Action<OfTraders, TraderFlags, Nothing>),
    #[command(flatten)]
    Turned(Turn),
}

/// What a Trader should do from now on; the rest of what is declared stays.
#[derive(Debug, Subcommand)]
pub(crate) enum Turn {
    /// End its algo in order; its place and its service stay. One that its customer runs is told so
    Pause(Turned),
    /// Start the algo of one that is paused
    Resume(Turned),
    /// End its algo in order and start a fresh copy; one that is completed runs again. Not one that its customer runs
    Restart(Turned),
    /// End its algo in order, and its service. One that its customer runs is told so, and its orders are refused
    Stop(Turned),
    /// Start one that is stopped or paused
    Start(Turned),
}

#[derive(Debug, Args)]
pub(crate) struct Turned {
    /// Which Trader
    #[arg(value_parser = name)]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Restart {
    Always,
    #[default]
    OnFailure,
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct TraderFlags {
    /// Whose it is
    #[arg(long, conflicts_with = "file")]
    customer: Option<CustomerId>,
    /// It is not to run
    #[arg(long, conflicts_with_all = ["file", "paused"])]
    stopped: bool,
    /// Its algo is not to run, its service is
    #[arg(long, conflicts_with = "file")]
    paused: bool,
    /// A value of its environment; it is in the state and told to all who may read it: no secrets
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, conflicts_with = "file")]
    env: Vec<(String, String)>,
    /// Where the Trader finds a value at each start: file:/PATH, env:NAME, exec:/PROGRAM, credential:NAME
    #[arg(long, value_name = "NAME=REFERENCE", value_parser = variable, conflicts_with = "file")]
    env_from: Vec<(String, String)>,
    /// Where it is started, on the TraderManager's machine
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    directory: Option<String>,
    /// Address space of each of its processes
    #[arg(long, value_name = "MIB", conflicts_with = "file")]
    memory_mib: Option<u32>,
    /// Open files of each of its processes
    #[arg(long, value_name = "COUNT", conflicts_with = "file")]
    open_files: Option<u32>,
    /// How far it steps back for others: 0 to 19
    #[arg(long, conflicts_with = "file")]
    nice: Option<u8>,
    /// What follows when it ends by itself
    #[arg(long, value_enum, default_value_t, conflicts_with = "file")]
    restart: Restart,
    /// Program and arguments, behind --. Without them its customer runs it himself, and attaches it: then nothing else is said
    /// of how it is run
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "file")]
    command: Vec<String>,
}

impl Flags for TraderFlags {
    fn spec(&self) -> Result<Value, Usage> {
        let state = match (self.stopped, self.paused) {
            (true, _) => TraderWish::Stopped,
            (false, true) => TraderWish::Paused,
            (false, false) => TraderWish::Running,
        };
        value(&TraderDeclaration {
            customer: needed(self.customer.as_ref(), "--customer")?,
            command: self.command.clone(),
            state,
            environment: self.environment()?,
            directory: self.directory.clone(),
            limits: TraderLimits {
                memory_mib: self.memory_mib,
                open_files: self.open_files,
                nice: self.nice,
            },
            restart: match self.restart {
                Restart::Always => RestartPolicy::Always,
                Restart::OnFailure => RestartPolicy::OnFailure,
                Restart::Never => RestartPolicy::Never,
            },
            restarts: 0,
        })
    }
}

impl TraderFlags {
    fn environment(&self) -> Result<BTreeMap<String, EnvironmentValue>, Usage> {
        let plain = self.env.iter().cloned().map(|(n, text)| (n, EnvironmentValue::Value(text)));
        let found = self.env_from.iter().cloned();
        let found = found.map(|(n, text)| (n, EnvironmentValue::From(text)));
        let mut all = BTreeMap::new();
        for (name, value) in plain.chain(found) {
            if all.insert(name.clone(), value).is_some() {
                return Err(Usage(format!("{name} is given twice")));
            }
        }
        Ok(all)
    }
}

pub(super) fn wish(text: &str) -> Result<TraderWish, String> {
    match text {
        "running" => Ok(TraderWish::Running),
        "paused" => Ok(TraderWish::Paused),
        "stopped" => Ok(TraderWish::Stopped),
        _ => Err("running, paused or stopped".to_owned()),
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("such as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: TraderFlags,
        #[arg(long)]
        file: Option<String>,
    }

    fn said(words: &[&str]) -> Result<Value, String> {
        let line = Line::try_parse_from([&["put"][..], words].concat());
        line.map_err(|error| error.to_string())?.flags.spec().map_err(|usage| usage.to_string())
    }

    #[test]
    fn flags_of_a_trader_say_what_a_file_would() {
        let plain = said(&["--customer", "acme", "--", "algo", "-v"]);
        let expected = json!({"customer": "acme", "command": ["algo", "-v"], "state": "running"});
        assert_eq!(plain, Ok(expected));
        let words = [
            "--customer",
            "acme",
            "--paused",
            "--env",
            "A=b=c",
            "--env-from",
            "KEY=file:/k",
            "--directory",
            "/d",
            "--memory-mib",
            "64",
            "--nice",
            "3",
            "--restart",
            "never",
            "--",
            "algo",
        ];
        let expected = json!({
            "customer": "acme", "command": ["algo"], "state": "paused",
            "environment": {"A": {"value": "b=c"}, "KEY": {"from": "file:/k"}},
            "directory": "/d", "restart": "never",
            "limits": {"memory_mib": 64, "open_files": null, "nice": 3},
        });
        assert_eq!(said(&words), Ok(expected));
    }

    #[test]
    fn without_a_command_its_customer_runs_it() {
        let expected = json!({"customer": "acme", "state": "running"});
        assert_eq!(said(&["--customer", "acme"]), Ok(expected));
    }

    #[test]
    fn a_variable_that_is_given_twice_or_without_a_value_is_refused() {
        let of = |more: &[&str]| said(&[&["--customer", "c"][..], more, &["--", "algo"]].concat());
        assert!(of(&["--env", "A=1", "--env-from", "A=env:B"]).is_err_and(|e| e.contains("twice")));
        assert!(of(&["--env", "A"]).is_err_and(|e| e.contains("NAME=VALUE")));
        assert!(of(&["--stopped", "--paused"]).is_err());
    }
}
