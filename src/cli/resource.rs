//! `tradewind account | customer | market | route | trader | location | exchange-days | key | risk | trading-state |
//! scale`: what operators declare; `manager | implementation | broker`: what is registered and placed.
//! Decides names and forms of the flags, and what they say of a resource; what is done with it stands in
//! `crate::resource`.

mod flags;
mod placed;
mod provisioning;
mod risk;
mod route;
mod scale;
mod trader;

pub(crate) use flags::{
    AccountFlags, CustomerFlags, ExchangeDaysFlags, Flags, LocationFlags, MarketFlags,
};
pub(crate) use placed::{Look, OfImplementations, OfManagers, OrBroker};
pub(crate) use provisioning::{
    ListProvisioning, ProvisioningAction, ProvisioningArgs, ToldProvisioning,
};
pub(crate) use risk::{OfRisk, OfTradingStates, RiskFlags, TradingStateFlags};
pub(crate) use route::{MoveRoutes, RouteAction};
pub(crate) use scale::ScaleFlags;
pub(crate) use trader::{TraderAction, TraderArgs, Turn};

use super::drain::Who;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::path::PathBuf;
use tradewind_domain::{
    calendar::Exchange,
    control::row::TraderWish,
    ids::{AccountId, CustomerId, InstrumentId, ManagerId, VenueId},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ResourceCommand {
    /// Accounts at venues: ls, get, put, rm
    #[command(subcommand)]
    Account(Action<OfAccounts, AccountFlags, Release>),
    /// Customers: ls, get, put, rm; their API keys: `tradewind key`
    #[command(subcommand)]
    Customer(Action<OfCustomers, CustomerFlags, Nothing>),
    /// Markets and their routes: ls, get, put, rm; what one wrote: `tradewind market logs NAME`
    Market(OrService<OfMarkets, MarketFlags, Nothing>),
    /// Traders: ls, get, put, rm; pause, resume, restart, stop, start; what one wrote: `tradewind trader logs NAME`
    Trader(TraderArgs),
    /// Managers that are registered: ls, get
    #[command(subcommand)]
    Manager(Look<OfManagers>),
    /// Implementations and their Managers: ls, get
    #[command(subcommand)]
    Implementation(Look<OfImplementations>),
    /// Brokers, who has each and how it is: ls, get; what one wrote: `tradewind broker logs ACCOUNT`
    Broker(OrBroker),
    /// When it is after hours in a location: ls, get, put, rm
    #[command(subcommand)]
    Location(Action<OfLocations, LocationFlags, Nothing>),
    /// Days on which an exchange is closed or closes early, beside its table: ls, get, put, rm
    #[command(subcommand)]
    ExchangeDays(Action<Nothing, ExchangeDaysFlags, Nothing>),
    /// Between which marks a location scales, how far, and by whom: ls, get, put, rm
    #[command(subcommand)]
    Scale(Action<Nothing, ScaleFlags, Nothing>),
    /// Implementations that were asked for, and what has become of each: ls, get, released, failed
    Provisioning(ProvisioningArgs),
    /// A customer's API keys: add, ls, rm
    #[command(subcommand)]
    Key(KeyAction),
    /// Routes of a Market, one by one: ls, get, put, move, rm
    #[command(subcommand)]
    Route(RouteAction),
    /// What orders must keep, of everybody (`global`), `customer.NAME`, `account.NAME`, `trader.NAME`: ls, get, put, rm
    #[command(subcommand)]
    Risk(Action<OfRisk, RiskFlags, Nothing>),
    /// Who may trade, only reduce, or not at all, of `global`, `customer.NAME`, `account.NAME`, `trader.NAME`: ls, get, put, rm
    #[command(subcommand)]
    TradingState(Action<OfTradingStates, TradingStateFlags, Nothing>),
}

/// Without an action it is the service of that name, as its Manager spawns it.
#[derive(Debug, Args)]
pub(crate) struct OrService<S: Args, P: Args, R: Args> {
    #[command(subcommand)]
    pub(crate) action: Option<Action<S, P, R>>,
}

impl ResourceCommand {
    /// Whether it is a service that is to run.
    pub(crate) fn is_service(&self) -> bool {
        match self {
            Self::Market(market) => market.action.is_none(),
            Self::Trader(trader) => trader.action.is_none(),
            Self::Broker(broker) => broker.action.is_none(),
            Self::Account(_)
            | Self::Customer(_)
            | Self::Manager(_)
            | Self::Implementation(_)
            | Self::Location(_)
            | Self::ExchangeDays(_)
            | Self::Key(_)
            | Self::Route(_)
            | Self::Risk(_)
            | Self::TradingState(_)
            | Self::Scale(_)
            | Self::Provisioning(_) => false,
        }
    }
}

/// Of one kind: `S` chooses, `P` declares, `R` deletes.
#[derive(Debug, Subcommand)]
pub(crate) enum Action<S: Args, P: Args, R: Args> {
    /// All of them, or those that are chosen
    #[command(visible_alias = "list")]
    Ls {
        #[command(flatten)]
        select: S,
        #[command(flatten)]
        show: Show,
        #[command(flatten)]
        whom: Whom,
    },
    /// One of them, as it is declared and where it is
    #[command(visible_alias = "show")]
    Get {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        show: Show,
        #[command(flatten)]
        whom: Whom,
    },
    /// Declare one, new or instead of what is declared
    #[command(visible_aliases = ["set", "declare"])]
    Put {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
        /// From this file, in TOML or JSON (- is the standard input): what is declared, or what `get -o json` has
        /// shown, and then only if it has not changed since
        #[arg(short, long)]
        file: Option<PathBuf>,
        #[command(flatten)]
        flags: P,
        #[command(flatten)]
        on: On,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        whom: Whom,
    },
    /// Delete one that nobody needs
    #[command(visible_aliases = ["remove", "delete"])]
    Rm {
        /// Its name
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        options: R,
        /// Only if this is its revision
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Draw a new key and show it, once; only its hash is sent
    Add {
        /// Whose it is
        #[arg(value_parser = name)]
        customer: String,
        /// Take the key that stands in this file (- is the standard input), and do not show it
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        whom: Whom,
    },
    /// Ids of all keys
    #[command(visible_alias = "list")]
    Ls {
        /// Whose it is
        #[arg(value_parser = name)]
        customer: String,
        #[command(flatten)]
        show: Show,
        #[command(flatten)]
        whom: Whom,
    },
    /// Remove a key: its sessions end
    #[command(visible_aliases = ["remove", "delete"])]
    Rm {
        /// Whose it is
        #[arg(value_parser = name)]
        customer: String,
        /// As `key ls` shows it
        #[arg(value_parser = name)]
        key_id: String,
        #[command(flatten)]
        reason: Reason,
        #[command(flatten)]
        whom: Whom,
    },
}

/// Whom to ask and how to answer.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// API addresses of InfrastructureManagers, any of them
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', default_value = "127.0.0.1:4001")]
    pub(crate) addr: Vec<String>,
    /// How it is shown: for people, as one JSON document, or as JSON lines
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
    /// An item a line
    Jsonl,
}

/// Who asks for a change and why: told to whoever watches.
#[derive(Debug, Args)]
pub(crate) struct Reason {
    #[command(flatten)]
    pub(crate) who: Who,
    /// Why, for whoever looks at it later
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Show it again whenever it has changed, until Ctrl-C
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// On which condition.
#[derive(Debug, Args)]
pub(crate) struct On {
    /// Only if this is its revision
    #[arg(long, value_name = "REVISION", conflicts_with = "create")]
    pub(crate) if_match: Option<u64>,
    /// Only if there is none yet
    #[arg(long)]
    pub(crate) create: bool,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct Nothing {}

#[derive(Debug, Args, Serialize)]
pub(crate) struct Release {
    /// Also where a BrokerManager has its Broker, which is stopped; its ledger stays on that disk
    #[arg(long)]
    pub(crate) release: bool,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfAccounts {
    /// At this venue
    #[arg(long)]
    venue: Option<VenueId>,
    /// That this customer may use
    #[arg(long)]
    customer: Option<CustomerId>,
    /// Whose Broker is with this BrokerManager
    #[arg(long)]
    manager: Option<ManagerId>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfCustomers {
    /// With this TraderManager
    #[arg(long)]
    manager: Option<ManagerId>,
    /// Who may use this account
    #[arg(long)]
    account: Option<AccountId>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfMarkets {
    /// That have a route for it
    #[arg(long)]
    instrument: Option<InstrumentId>,
    /// That have a route to it
    #[arg(long)]
    venue: Option<VenueId>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfTraders {
    /// Of this customer
    #[arg(long)]
    customer: Option<CustomerId>,
    /// With this TraderManager
    #[arg(long)]
    manager: Option<ManagerId>,
    /// running, paused or stopped: what they should be
    #[arg(long, value_parser = trader::wish)]
    state: Option<TraderWish>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfLocations {
    /// Whose hours go by this exchange
    #[arg(long, value_parser = flags::exchange)]
    exchange: Option<Exchange>,
}

/// Any name, before it is known of what: none leads to another address.
fn name(text: &str) -> Result<String, String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.split('.').all(|part| !part.is_empty() && part.bytes().all(legal)) {
        Ok(text.to_owned())
    } else {
        Err("a name has letters, digits and '-', and '.' between the parts of a scope".to_owned())
    }
}
