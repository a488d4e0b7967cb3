//! `tradewind wait WHAT [NAME] --for STATE`: goes on when something is as it should be. Decides what can be waited for,
//! and the words for it; when it is so, or never will be, stands in `crate::wait`.

use super::{duration, resource::Whom};
use clap::{Args, Subcommand, ValueEnum};
use std::time::Duration;
use tradewind_domain::ids::{
    BrokerId, CustomerId, ImplementationId, ManagerId, MarketId, TraderId,
};

/// WHAT, its NAME, and the state that is waited for: `wait manager a1.trader-manager --for live`, `wait implementation a1
/// --for drained --timeout 10m`, `wait member --for voters=3`, `wait leader`. Without --for its good state is meant.
///
/// Ends with 0 when it is so, 3 when nobody has asked for it or it is not there, so that waiting is of no use, 5 when no
/// leader could tell, and 6 when the time is over.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    #[command(subcommand)]
    pub(crate) what: Awaited,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Awaited {
    /// A leader that a majority confirms
    Leader {
        #[command(flatten)]
        how: How,
    },
    /// A member by its number: voter, learner, leader or gone; or without one the group: voters=NUMBER
    Member {
        /// Its number
        node: Option<u64>,
        /// voter, learner, leader, gone, or voters=NUMBER
        #[arg(long = "for", value_name = "STATE", value_parser = member)]
        state: OfMember,
        #[command(flatten)]
        how: How,
    },
    /// A Manager, such as a1.trader-manager
    Manager {
        /// Its name
        name: ManagerId,
        /// The state it should come to
        #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = OfManager::Live)]
        state: OfManager,
        #[command(flatten)]
        how: How,
    },
    /// An implementation: live when all three of its Managers are
    Implementation {
        /// Its name
        name: ImplementationId,
        /// The state it should come to
        #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = OfImplementation::Live)]
        state: OfImplementation,
        #[command(flatten)]
        how: How,
    },
    /// A Broker, such as sim-1 or sim-1.0
    Broker {
        /// Its name
        name: BrokerId,
        /// The state it should come to
        #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = OfBroker::Live)]
        state: OfBroker,
        #[command(flatten)]
        how: How,
    },
    /// A Market: live when it is so at every live MarketManager
    Market {
        /// Its name
        name: MarketId,
        /// The state it should come to
        #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = OfMarket::Live)]
        state: OfMarket,
        #[command(flatten)]
        how: How,
    },
    /// A Trader
    Trader {
        /// Its name
        name: TraderId,
        /// The state it should come to
        #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = OfTrader::Running)]
        state: OfTrader,
        #[command(flatten)]
        how: How,
    },
    /// A customer
    Customer {
        /// Its name
        name: CustomerId,
        /// The state it should come to
        #[arg(long = "for", value_enum, value_name = "STATE", default_value_t = OfCustomer::Placed)]
        state: OfCustomer,
        #[command(flatten)]
        how: How,
    },
}

impl Awaited {
    pub(crate) fn how(&self) -> &How {
        match self {
            Self::Leader { how }
            | Self::Member { how, .. }
            | Self::Manager { how, .. }
            | Self::Implementation { how, .. }
            | Self::Broker { how, .. }
            | Self::Market { how, .. }
            | Self::Trader { how, .. }
            | Self::Customer { how, .. } => how,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct How {
    /// And no longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) whom: Whom,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OfMember {
    Voter,
    Learner,
    Leader,
    Gone,
    Voters(usize),
}

fn member(text: &str) -> Result<OfMember, String> {
    Ok(match text {
        "voter" => OfMember::Voter,
        "learner" => OfMember::Learner,
        "leader" => OfMember::Leader,
        "gone" => OfMember::Gone,
        _ => {
            let number = text.strip_prefix("voters=").and_then(|number| number.parse().ok());
            let number = number.filter(|number| *number > 0);
            OfMember::Voters(number.ok_or("voter, learner, leader, gone, or voters=3")?)
        }
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfManager {
    /// Registered, and the leader hears it
    Live,
    Down,
    /// Its drain is acknowledged: nothing new comes there
    Cordoned,
    Drained,
    Dropped,
    /// Not registered
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfImplementation {
    /// All three Managers are
    Live,
    /// Its drain is acknowledged: nothing new comes there
    Cordoned,
    Drained,
    Dropped,
    /// None of its Managers is registered
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfBroker {
    /// It takes orders
    Live,
    /// A BrokerManager has it
    Placed,
    /// Its account is deleted
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfMarket {
    Live,
    /// It is deleted
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfTrader {
    Running,
    /// A TraderManager has it
    Placed,
    Stopped,
    /// It is deleted
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OfCustomer {
    /// A TraderManager has him
    Placed,
    /// He is deleted
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_of_members_is_a_word_or_a_number_of_voters() {
        assert_eq!(member("voters=3"), Ok(OfMember::Voters(3)));
        assert_eq!(member("gone"), Ok(OfMember::Gone));
        for bad in ["", "voters", "voters=", "voters=0", "voters=-1", "live"] {
            assert!(member(bad).is_err(), "{bad}");
        }
    }
}
