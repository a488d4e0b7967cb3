//! What flags say of a location's scaling. Decides which flags are needed and how marks are written; what can work
//! is decided where it is declared.

use super::flags::{Flags, needed, value};
use crate::{cli::duration, exit::Usage};
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::time::Duration;
use tradewind_domain::{
    control::{
        drain::DropSchedule,
        scale::{Marks, ProvisionState, Provisioner, ScaleSpec},
    },
    ids::ProgramId,
    limits::SESSIONS_PER_MARKET_MANAGER,
};

#[derive(Debug, Args)]
pub(crate) struct ScaleFlags {
    /// The member that leads starts implementations on its machine, with Managers that take so many services each
    #[arg(long, value_name = "CAPACITY", conflicts_with_all = ["file", "exec"])]
    process: Option<u32>,
    /// The leader runs the program that members know under this name
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    exec: Option<ProgramId>,
    /// Told to the program; never a secret
    #[arg(long = "argument", value_name = "NAME=VALUE", requires = "exec", value_parser = argument)]
    arguments: Vec<(String, String)>,
    /// Implementations, whoever started them, at least
    #[arg(long, default_value_t = 1, conflicts_with = "file")]
    least: u32,
    /// And at most
    #[arg(long, conflicts_with = "file")]
    most: Option<u32>,
    /// Brokers in percent of what the BrokerManagers take: one more at the first, one less below the second
    #[arg(long, value_name = "OUT/IN", value_parser = marks, default_value = "80/30", conflicts_with = "file")]
    brokers: Marks,
    /// Sessions in percent of what the MarketManagers take
    #[arg(long, value_name = "OUT/IN", value_parser = marks, default_value = "80/30", conflicts_with = "file")]
    sessions: Marks,
    /// Traders in percent of what the TraderManagers take
    #[arg(long, value_name = "OUT/IN", value_parser = marks, default_value = "80/30", conflicts_with = "file")]
    traders: Marks,
    /// Sessions that fill one MarketManager
    #[arg(long, default_value_t = sessions_each(), conflicts_with = "file")]
    sessions_each: u32,
    /// The pause after each change, and how long it must be quiet before one goes
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m", conflicts_with = "file")]
    cool_down: Duration,
    /// Of one attempt, from its start until all three Managers are there
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m", conflicts_with = "file")]
    deadline: Duration,
    /// When one that is drained is dropped
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, conflicts_with = "file")]
    drop: When,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    #[default]
    WhenIdle,
    AfterHours,
}

fn sessions_each() -> u32 {
    u32::try_from(SESSIONS_PER_MARKET_MANAGER).unwrap_or(u32::MAX)
}

impl Flags for ScaleFlags {
    fn spec(&self) -> Result<Value, Usage> {
        let provisioner = match (self.process, &self.exec) {
            (Some(capacity), _) => Provisioner::Process { capacity },
            (None, Some(program)) => Provisioner::Exec {
                program: program.clone(),
                arguments: self.arguments.iter().cloned().collect(),
            },
            (None, None) => {
                let usage = "name --process or --exec, or take all from --file FILE";
                return Err(Usage(usage.to_owned()));
            }
        };
        value(&ScaleSpec {
            provisioner,
            least: self.least,
            most: needed(self.most.as_ref(), "--most")?,
            brokers: self.brokers,
            sessions: self.sessions,
            traders: self.traders,
            sessions_each: self.sessions_each,
            cool_down_seconds: seconds(self.cool_down, "--cool-down")?,
            deadline_seconds: seconds(self.deadline, "--deadline")?,
            drop: match self.drop {
                When::WhenIdle => DropSchedule::WhenIdle,
                When::AfterHours => DropSchedule::AfterHours,
            },
        })
    }
}

fn seconds(time: Duration, flag: &str) -> Result<u32, Usage> {
    let whole = time.subsec_nanos() == 0;
    let seconds = u32::try_from(time.as_secs()).ok().filter(|_| whole);
    seconds.ok_or_else(|| Usage(format!("{flag} is in whole seconds")))
}

fn marks(text: &str) -> Result<Marks, String> {
    let (out, below) = text.split_once('/').ok_or("such as 80/30")?;
    let percent = |text: &str| text.parse().map_err(|_| "whole percent, such as 80/30".to_owned());
    Ok(Marks { out_percent: percent(out)?, in_percent: percent(below)? })
}

fn argument(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("such as pool=blue")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn state(text: &str) -> Result<ProvisionState, String> {
    let known = ProvisionState::ALL.into_iter().find(|state| state.to_string() == text);
    known.ok_or_else(|| {
        let all: Vec<String> = ProvisionState::ALL.iter().map(ToString::to_string).collect();
        format!("one of {}", all.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_arguments_are_read_and_what_cannot_be_is_said() {
        assert_eq!(marks("80/30"), Ok(Marks { out_percent: 80, in_percent: 30 }));
        for bad in ["80", "80/", "x/30", "300/1", "-1/0"] {
            assert!(marks(bad).is_err(), "{bad}");
        }
        assert_eq!(argument("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(argument("a").is_err());
        assert_eq!(state("there"), Ok(ProvisionState::There));
        assert!(state("gone").is_err_and(|said| said.contains("released")));
    }
}
