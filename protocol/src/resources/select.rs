//! What chooses a list, and a page of it. Decides the names of the selectors; which items they choose is decided where
//! each list is made.

use super::ScopeKind;
use crate::{
    control::Consistency,
    placed::{ManagerStanding, ServiceStanding},
};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    calendar::Exchange,
    control::{risk::TradingState, row::TraderWish, scale::ProvisionState},
    ids::{
        AccountId, BrokerId, CustomerId, Epoch, ImplementationId, InstrumentId, LocationId,
        ManagerId, ManagerKind, MarketId, Scope, TraderId, VenueId,
    },
};

/// What chooses a list, and a page of it.
pub trait Selects {
    type Id;

    /// How sure it must be, how many at most, and behind which.
    fn of_page(&self) -> (Consistency, Option<u64>, Option<&Self::Id>);
}

macro_rules! selectors {
    ($($(#[$doc:meta])* $name:ident after $id:ty { $($(#[$of:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
            #[serde(deny_unknown_fields)]
            pub struct $name {
                #[serde(default)]
                pub consistency: Consistency,
                /// So many at most.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub limit: Option<u64>,
                /// Only what stands behind this name.
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub after: Option<$id>,
                $(
                    $(#[$of])*
                    #[serde(default, skip_serializing_if = "Option::is_none")]
                    pub $field: Option<$type>,
                )*
            }

            impl Selects for $name {
                type Id = $id;

                fn of_page(&self) -> (Consistency, Option<u64>, Option<&$id>) {
                    (self.consistency, self.limit, self.after.as_ref())
                }
            }
        )*
    };
}

selectors! {
    /// `GET /v1/accounts`. Of several selectors all must hold, here and below.
    SelectAccounts after AccountId {
        venue: VenueId,
        /// Who may use it.
        customer: CustomerId,
        /// Who has a Broker of it.
        manager: ManagerId,
    }
    /// `GET /v1/customers`.
    SelectCustomers after CustomerId {
        /// The TraderManager he is with.
        manager: ManagerId,
        /// An account that he may use.
        account: AccountId,
    }
    /// `GET /v1/markets`.
    SelectMarkets after MarketId {
        /// That a route serves.
        instrument: InstrumentId,
        /// That a route names, for data or for orders.
        venue: VenueId,
    }
    /// `GET /v1/traders`.
    SelectTraders after TraderId {
        customer: CustomerId,
        /// The TraderManager it was given to.
        manager: ManagerId,
        /// What it should do.
        state: TraderWish,
    }
    /// `GET /v1/locations`.
    SelectLocations after LocationId {
        /// That its hours go by.
        exchange: Exchange,
    }
    /// `GET /v1/exchange-days`.
    SelectExchangeDays after Exchange {}
    /// `GET /v1/markets/{market}/routes`.
    SelectRoutes after InstrumentId {
        /// That it names, for data or for orders.
        venue: VenueId,
    }
    /// `GET /v1/risk`.
    SelectRisk after Scope {
        kind: ScopeKind,
    }
    /// `GET /v1/trading-states`.
    SelectTradingStates after Scope {
        kind: ScopeKind,
        state: TradingState,
    }
    /// `GET /v1/scale`.
    SelectScales after LocationId {}
    /// `GET /v1/provisioning`.
    SelectProvisioning after Epoch {
        location: LocationId,
        state: ProvisionState,
    }
    /// `GET /v1/managers`.
    SelectManagers after ManagerId {
        location: LocationId,
        implementation: ImplementationId,
        kind: ManagerKind,
        state: ManagerStanding,
    }
    /// `GET /v1/implementations`.
    SelectImplementations after ImplementationId {
        /// That one of its Managers is in.
        location: LocationId,
    }
    /// `GET /v1/brokers`.
    SelectBrokers after BrokerId {
        account: AccountId,
        venue: VenueId,
        /// The BrokerManager it was given to.
        manager: ManagerId,
        state: ServiceStanding,
    }
}
