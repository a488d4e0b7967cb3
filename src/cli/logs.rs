//! `tradewind broker | market | trader logs ID`: names and forms of the flags. Read before the rest of the command line:
//! `broker`, `market` and `trader` are also what Managers spawn. What it does stands in `crate::logs`.

use clap::{Args, Parser, Subcommand};
use tradewind_domain::ids::{AccountId, MarketId, ServiceId, TraderId};

#[derive(Debug, Parser)]
#[command(name = "tradewind", disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    of: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Broker {
        #[command(subcommand)]
        what: What,
    },
    Market {
        #[command(subcommand)]
        what: What,
    },
    Trader {
        #[command(subcommand)]
        what: What,
    },
}

#[derive(Debug, Subcommand)]
enum What {
    /// What a service wrote to its log, wherever it runs
    Logs(LogArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Its id: of a Trader its name; of a Broker its account, of a Market its name, each with .SHARD if that is not 0
    id: String,
    /// Go on with what is written next, wherever it runs then, until Ctrl-C or until it is declared no more
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// So many of the last lines
    #[arg(short = 'n', long, default_value_t = 200)]
    pub(crate) lines: usize,
    /// Of a Trader: the words of the process that keeps its algo, instead of the algo's own
    #[arg(long)]
    pub(crate) service: bool,
    /// API addresses of InfrastructureManagers, any of them, or of the Manager itself
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:4001")]
    pub(crate) addr: Vec<String>,
}

/// Whose logs are asked for.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) service: ServiceId,
    pub(crate) args: LogArgs,
}

/// Whether a command line asks for logs.
pub(crate) fn is_meant(words: &[String]) -> bool {
    let kinds = ["broker", "market", "trader"];
    matches!(words, [_, kind, what, ..] if kinds.contains(&kind.as_str()) && what == "logs")
}

/// Reads a command line that asks for logs.
pub(crate) fn parse(words: &[String]) -> Result<Logs, clap::Error> {
    let (kind, args) = match Line::try_parse_from(words)?.of {
        Kind::Broker { what: What::Logs(args) } => ("broker", args),
        Kind::Market { what: What::Logs(args) } => ("market", args),
        Kind::Trader { what: What::Logs(args) } => ("trader", args),
    };
    let wrong = |why: String| clap::Error::raw(clap::error::ErrorKind::ValueValidation, why + "\n");
    let service = service(kind, &args.id).map_err(wrong)?;
    Ok(Logs { service, args })
}

/// Also the whole id is taken: `broker.sim-1.0`.
fn service(kind: &str, id: &str) -> Result<ServiceId, String> {
    let id = id.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')).unwrap_or(id);
    let (name, shard) = match id.split_once('.') {
        Some((name, shard)) => (name, shard.parse().map_err(|_| format!("no shard: {shard}"))?),
        None => (id, 0),
    };
    let wrong = |invalid: tradewind_domain::ids::InvalidName| invalid.to_string();
    match kind {
        "broker" => Ok(ServiceId::Broker { account: AccountId::new(name).map_err(wrong)?, shard }),
        "market" => Ok(ServiceId::Market { market: MarketId::new(name).map_err(wrong)?, shard }),
        _ if shard != 0 => Err("a Trader has no shards".to_string()),
        _ => Ok(ServiceId::Trader { trader: TraderId::new(name).map_err(wrong)? }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    fn asked(line: &str) -> Option<String> {
        parse(&words(line)).ok().map(|logs| logs.service.to_string())
    }

    #[test]
    fn a_service_is_named_by_its_own_name_or_as_status_names_it() {
        assert_eq!(asked("tradewind trader logs sample -f").as_deref(), Some("trader.sample"));
        assert_eq!(asked("tradewind broker logs sim-1").as_deref(), Some("broker.sim-1.0"));
        assert_eq!(
            asked("tradewind broker logs broker.sim-1.2").as_deref(),
            Some("broker.sim-1.2")
        );
        assert_eq!(asked("tradewind market logs crypto.1").as_deref(), Some("market.crypto.1"));
        for bad in ["trader logs a.1", "broker logs A", "market logs m.x", "trader logs"] {
            assert_eq!(asked(&format!("tradewind {bad}")), None, "{bad}");
        }
    }

    #[test]
    fn what_asks_for_logs_is_told_from_a_service_that_is_to_run() {
        assert!(is_meant(&words("tradewind trader logs sample")));
        assert!(!is_meant(&words("tradewind trader")));
        assert!(!is_meant(&words("tradewind trader ls")));
        assert!(!is_meant(&words("tradewind account logs")));
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Line::command().debug_assert();
    }
}
