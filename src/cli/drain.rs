//! `tradewind drain | undrain`: emptying an implementation or a Manager. Decides names and forms of the flags.

use super::{duration, resource::Whom};
use clap::{Args, ValueEnum};
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tradewind_domain::{control::drain::DropSchedule, ids::DrainTarget, time::UnixNanos};

#[derive(Debug, Args)]
pub(crate) struct DrainArgs {
    /// An implementation (`a1`) or one of its Managers (`a1.trader-manager`); without it all drains are listed
    pub(crate) target: Option<DrainTarget>,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT", requires = "target")]
    pub(crate) why: Option<String>,
    #[command(flatten)]
    pub(crate) who: Who,
    /// When it leaves the registry once it is drained
    #[arg(long, value_enum, value_name = "WHEN", requires = "target", conflicts_with = "drop_at")]
    pub(crate) drop: Option<Until>,
    /// The same, at a time: 2026-11-27T22:00:00Z
    #[arg(long, value_name = "TIME", requires = "target", value_parser = at)]
    pub(crate) drop_at: Option<UnixNanos>,
    /// Raise an alarm if it is not drained by then; nothing is forced
    #[arg(long, value_name = "TIME", requires = "target", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,
    /// Begin and leave it to itself
    #[arg(long, requires = "target")]
    pub(crate) detach: bool,
    /// Show how far it is, begin nothing
    #[arg(long, requires = "target", conflicts_with_all = ["why", "drop", "drop_at", "deadline"])]
    pub(crate) show: bool,
    /// Count it as drained now, whatever is still there
    #[arg(long, requires = "why", conflicts_with_all = ["show", "drop", "drop_at", "deadline"])]
    pub(crate) force: bool,
    /// Of a drain that is there: give up the accounts whose Brokers are there. Their ledgers stay on that disk, and they
    /// begin elsewhere with empty ones that know nothing of orders that were acknowledged
    #[arg(long, requires = "why", conflicts_with_all = ["show", "drop", "drop_at", "deadline", "reschedule", "create"])]
    pub(crate) abandon_accounts: bool,
    /// Of a drain that is there: set anew when it is dropped
    #[arg(long, requires = "why", conflicts_with_all = ["show", "force", "deadline"])]
    pub(crate) reschedule: bool,
    /// Only if this is the revision of the drain that is there
    #[arg(long, value_name = "REVISION", requires = "why")]
    pub(crate) if_match: Option<u64>,
    /// Only if there is none yet; else the one that is there goes on and is shown
    #[arg(long, requires = "why", conflicts_with_all = ["if_match", "force", "reschedule"])]
    pub(crate) create: bool,
    /// Begin nothing, and show it again whenever it has changed: the list until Ctrl-C, one drain until nothing more comes by itself
    #[arg(short, long, conflicts_with_all = ["why", "drop", "drop_at", "deadline", "detach", "show"])]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

impl DrainArgs {
    pub(crate) fn schedule(&self) -> Option<DropSchedule> {
        match (self.drop, self.drop_at) {
            (_, Some(at)) => Some(DropSchedule::At(at)),
            (Some(Until::AfterHours), None) => Some(DropSchedule::AfterHours),
            (Some(Until::Idle), None) => Some(DropSchedule::WhenIdle),
            (Some(Until::Never), None) => Some(DropSchedule::Never),
            (None, None) => None,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct UndrainArgs {
    /// An implementation (`a1`) or one of its Managers (`a1.trader-manager`)
    pub(crate) target: DrainTarget,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) who: Who,
    /// Only if this is the drain's revision
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_match: Option<u64>,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Who asks
    #[arg(long, value_name = "NAME", env = "USER", default_value = "operator", hide_env = true)]
    pub(crate) who: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// When the exchanges of all its locations are closed (the default)
    AfterHours,
    /// As soon as it is drained
    #[value(name = "when-idle")]
    Idle,
    /// It stays registered until it is rescheduled
    Never,
}

fn at(text: &str) -> Result<UnixNanos, String> {
    let form = |_| "a time with its zone, such as 2026-11-27T22:00:00Z".to_owned();
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(form)?;
    let nanos = u64::try_from(at.unix_timestamp_nanos());
    nanos.map(UnixNanos).map_err(|_| "before 1970 or after 2554".to_owned())
}
