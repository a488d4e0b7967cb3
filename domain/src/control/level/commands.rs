//! From which level on each command is taken. Decides it for every variant, those inside others too, and by no arm for
//! all others: whoever appends one that older builds cannot read has to name its level here, and the test that keeps the
//! names of all levels says which.

use super::FeatureLevel;
use crate::control::{
    command::Command,
    copies::CopyCommand,
    drain::DrainCommand,
    fencing::TraderCommand,
    group::{GroupAsk, GroupCommand},
    handed_back::ServiceCommand,
    level::LevelCommand,
    placement::RebalanceCommand,
    resource::{Declaration, Resource, ResourceChange, ResourceCommand},
    scale::ScaleCommand,
};

const FIRST: FeatureLevel = FeatureLevel::FIRST;
const SECOND: FeatureLevel = FeatureLevel::SECOND;
const THIRD: FeatureLevel = FeatureLevel::THIRD;

impl Command {
    /// From which level on it is taken.
    #[must_use]
    pub fn level(&self) -> FeatureLevel {
        match self {
            // Not by calling itself: with that, rustc 1.95 at opt-level 2 gives the third level for every command.
            Self::Asked { request: _, command } => command.own_level().max(THIRD),
            own => own.own_level(),
        }
    }

    fn own_level(&self) -> FeatureLevel {
        match self {
            Self::Drain(command) => command.level(),
            Self::Group(command) => command.level(),
            Self::Rebalance(command) => command.level(),
            Self::Resource(command) => command.level(),
            Self::Scale(command) => command.level(),
            Self::Service(command) => command.level(),
            Self::Trader(command) => command.level(),
            Self::Level(command) => command.level(),
            Self::Copies(command) => command.level(),
            Self::Asked { .. } => THIRD,
            Self::OpenCluster { .. }
            | Self::PutMember { .. }
            | Self::CheckIn { .. }
            | Self::CheckInFrom { .. }
            | Self::ExpireManager { .. }
            | Self::PutAccount { .. }
            | Self::PutCustomer { .. }
            | Self::PutMarket { .. }
            | Self::PutTrader { .. }
            | Self::AssignBroker { .. }
            | Self::AssignCustomer { .. }
            | Self::AssignTrader { .. }
            | Self::PutRegister { .. }
            | Self::PutLocation { .. }
            | Self::PutExchangeDays { .. } => FIRST,
        }
    }
}

impl CopyCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Name { .. }
            | Self::Joined { .. }
            | Self::Succeed { .. }
            | Self::WentLive { .. }
            | Self::GiveBack { .. } => SECOND,
        }
    }
}

impl DrainCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::DropConfirmed { .. } => THIRD,
            Self::Abandon { .. } | Self::HoursUnknown { .. } => SECOND,
            Self::Begin { .. }
            | Self::Acknowledge { .. }
            | Self::Emptied { .. }
            | Self::Overdue { .. }
            | Self::Drop { .. }
            | Self::Cancel { .. }
            | Self::Force { .. }
            | Self::Reschedule { .. }
            | Self::BeginOn { .. } => FIRST,
        }
    }
}

impl TraderCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Move { .. } | Self::Fenced { .. } | Self::Attach(_) => FIRST,
        }
    }
}

impl ResourceCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Put { what, on: _ } => what.level(),
            Self::Delete { what, on: _, release: _ } => what.level(),
            Self::Audited { by: _, change } => change.level(),
            Self::AddKey { .. } | Self::RemoveKey { .. } => FIRST,
        }
    }
}

impl ResourceChange {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Put { what, on: _ } => what.level(),
            Self::Delete { what, on: _, release: _ } => what.level(),
            Self::AddKey { .. } | Self::RemoveKey { .. } => FIRST,
        }
    }
}

impl Declaration {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Account { .. }
            | Self::Customer { .. }
            | Self::Market { .. }
            | Self::Trader { .. }
            | Self::Location { .. }
            | Self::ExchangeDays { .. }
            | Self::Route { .. }
            | Self::Risk { .. }
            | Self::TradingState { .. }
            | Self::Scale { .. }
            | Self::TraderRun { .. }
            | Self::SelfManaged { .. } => FIRST,
            Self::AccountCopies { .. } => SECOND,
        }
    }
}

impl Resource {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Account(_)
            | Self::Customer(_)
            | Self::Market(_)
            | Self::Trader(_)
            | Self::Location(_)
            | Self::ExchangeDays(_)
            | Self::Route { .. }
            | Self::Risk(_)
            | Self::TradingState(_)
            | Self::Scale(_) => FIRST,
        }
    }
}

impl GroupCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Audited { by: _, ask } => ask.level(),
            Self::Found { .. }
            | Self::Admit { .. }
            | Self::Tell { .. }
            | Self::Remove { .. }
            | Self::Forget { .. }
            | Self::WantVoters { .. } => FIRST,
        }
    }
}

impl GroupAsk {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Remove { .. } | Self::WantVoters { .. } | Self::Transfer { .. } => FIRST,
        }
    }
}

impl RebalanceCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Begin { .. } | Self::End { .. } | Self::Cancel { .. } | Self::CancelAt { .. } => {
                FIRST
            }
        }
    }
}

impl ScaleCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Tell { .. } => THIRD,
            Self::Ask { .. }
            | Self::Start { .. }
            | Self::Arrive { .. }
            | Self::Fail { .. }
            | Self::GiveUp { .. }
            | Self::Retire { .. }
            | Self::Keep { .. }
            | Self::Release { .. }
            | Self::Done { .. }
            | Self::Quiet { .. } => FIRST,
        }
    }
}

impl ServiceCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::HandBack { .. } | Self::Settle { .. } => FIRST,
        }
    }
}

impl LevelCommand {
    fn level(&self) -> FeatureLevel {
        match self {
            Self::Know { .. } | Self::CheckIn(_) | Self::Raise { .. } => FIRST,
        }
    }
}
