//! `tradewind manager | implementation | broker`: what is registered and placed, which nobody declares. Decides names and
//! forms of the flags.

use super::{Show, Whom, name};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use tradewind_domain::ids::{AccountId, ImplementationId, LocationId, ManagerId, VenueId};

/// `S` chooses.
#[derive(Debug, Subcommand)]
pub(crate) enum Look<S: Args> {
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
    /// One of them, where it is and how it is
    #[command(visible_alias = "show")]
    Get {
        /// Its name, as `ls` shows it
        #[arg(value_parser = name)]
        name: String,
        #[command(flatten)]
        show: Show,
        #[command(flatten)]
        whom: Whom,
    },
}

/// Without an action it is the service of that name, as its Manager spawns it.
#[derive(Debug, Args)]
pub(crate) struct OrBroker {
    #[command(subcommand)]
    pub(crate) action: Option<Look<OfBrokers>>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfManagers {
    /// In this location
    #[arg(long)]
    location: Option<LocationId>,
    /// Of this implementation
    #[arg(long)]
    implementation: Option<ImplementationId>,
    /// Of this kind
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// As they are now
    #[arg(long, value_enum)]
    state: Option<Standing>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfImplementations {
    /// Of which a Manager is in this location
    #[arg(long)]
    location: Option<LocationId>,
}

#[derive(Debug, Args, Serialize)]
pub(crate) struct OfBrokers {
    /// Of this account
    #[arg(long)]
    account: Option<AccountId>,
    /// At this venue
    #[arg(long)]
    venue: Option<VenueId>,
    /// With this BrokerManager
    #[arg(long)]
    manager: Option<ManagerId>,
    /// As they are now
    #[arg(long, value_enum)]
    state: Option<Service>,
}

/// As [`ManagerKind`](tradewind_domain::ids::ManagerKind) stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
enum Kind {
    #[value(name = "broker-manager")]
    #[serde(rename = "broker_manager")]
    Broker,
    #[value(name = "market-manager")]
    #[serde(rename = "market_manager")]
    Market,
    #[value(name = "trader-manager")]
    #[serde(rename = "trader_manager")]
    Trader,
}

/// As [`ManagerStanding`](tradewind_protocol::placed::ManagerStanding) stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Live,
    /// Not heard for a while: nothing new is placed there
    Suspect,
    /// Not heard for too long: it is taken for down in a moment
    Lost,
    /// The same, and the brake holds it
    Held,
    Down,
}

/// As [`ServiceStanding`](tradewind_protocol::placed::ServiceStanding) stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Service {
    /// No Manager has it
    Unplaced,
    /// Its Manager has not told of it
    Unreported,
    Stopped,
    Starting,
    Connecting,
    Live,
    Waiting,
    Stopping,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use tradewind_domain::ids::ManagerKind;
    use tradewind_protocol::placed::{ManagerStanding, ServiceStanding};

    fn all_are<W: DeserializeOwned, E: ValueEnum + Serialize>() {
        for word in E::value_variants() {
            let text = serde_json::to_value(word).unwrap_or_default();
            assert!(serde_json::from_value::<W>(text.clone()).is_ok(), "{text}");
        }
    }

    #[test]
    fn every_word_of_a_flag_is_one_that_the_group_knows() {
        all_are::<ManagerKind, Kind>();
        all_are::<ManagerStanding, Standing>();
        all_are::<ServiceStanding, Service>();
    }
}
