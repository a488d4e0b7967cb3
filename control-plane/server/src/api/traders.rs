//! Traders. Decides which are chosen; of a customer's, only those are looked at.

use super::{
    placed,
    resources::{Items, Kind, Listed, Nothing, Seen, page},
};
use tradewind_domain::{
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        row::{TraderRow, TraderWish},
        trader::TraderDeclaration,
    },
    ids::{Revision, ServiceId, TraderId},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    placed::{ServiceNow, ServiceStanding},
    resources::{SelectTraders, TraderInfo},
};

pub(super) struct Traders;

fn info(seen: &Seen, row: &TraderRow) -> TraderInfo {
    let now = seen.view.as_ref().map(|view| {
        let service = ServiceId::Trader { trader: row.trader.clone() };
        let holder = row.assignment.as_ref().map(|held| &held.manager);
        let now = placed::now(seen, view, holder, &service);
        let silent = match now.state {
            ServiceStanding::Unplaced | ServiceStanding::Unreported => true,
            ServiceStanding::Stopped
            | ServiceStanding::Starting
            | ServiceStanding::Connecting
            | ServiceStanding::Live
            | ServiceStanding::Waiting
            | ServiceStanding::Stopping
            | ServiceStanding::Paused
            | ServiceStanding::Completed
            | ServiceStanding::Failed
            | ServiceStanding::Away => false,
        };
        match row.spec.state {
            TraderWish::Stopped if silent && placed::is_told(seen, view, holder) => {
                ServiceNow::silent(ServiceStanding::Stopped)
            }
            TraderWish::Running | TraderWish::Paused | TraderWish::Stopped => now,
        }
    });
    TraderInfo {
        trader: row.trader.clone(),
        revision: row.revision,
        spec: seen.trader_declaration(row),
        assignment: row.assignment.clone(),
        now,
        fencing: seen
            .trader_right(&row.trader)
            .is_some_and(|right| seen.is_fencing(&row.trader, right)),
        attached: seen.attachment(&row.trader).cloned(),
    }
}

fn chosen(row: &TraderRow, select: &SelectTraders) -> bool {
    let with = row.assignment.as_ref().map(|assignment| &assignment.manager);
    select.customer.as_ref().is_none_or(|customer| row.spec.customer == *customer)
        && select.manager.as_ref().is_none_or(|manager| with == Some(manager))
        && select.state.is_none_or(|state| row.spec.state == state)
}

impl Kind for Traders {
    const NOUN: Noun = Noun::Trader;
    const SEEN: bool = true;
    const ONE: &'static str = "/v1/traders/{trader}";
    type Id = TraderId;
    type Spec = TraderDeclaration;
    type Info = TraderInfo;
    type Options = Nothing;

    fn name(id: &TraderId) -> String {
        id.to_string()
    }

    fn path(id: &TraderId) -> String {
        format!("/v1/traders/{id}")
    }

    fn resource(id: TraderId) -> Resource {
        Resource::Trader(id)
    }

    fn declaration(trader: TraderId, spec: &TraderDeclaration) -> Declaration {
        let (spec, run) = spec.clone().parts();
        if spec.is_self_managed() {
            return Declaration::SelfManaged { trader, spec, run };
        }
        Declaration::TraderRun { trader, spec, run }
    }

    fn item(machine: &Seen, id: &TraderId) -> Option<(Revision, TraderInfo)> {
        machine.trader(id).map(|row| (row.revision, info(machine, row)))
    }
}

impl Listed for Traders {
    const LIST: &'static str = "/v1/traders";
    type Select = SelectTraders;

    fn list(machine: &Seen, select: &SelectTraders, stand: Stand) -> Result<Json<Items>, Failure> {
        let name = |row: &&TraderRow| row.trader.to_string();
        let shown = |row: &&TraderRow| chosen(row, select).then(|| info(machine, row));
        let after = select.after.as_ref();
        match &select.customer {
            Some(customer) => page(stand, select, machine.traders_of(customer, after), name, shown),
            None => page(stand, select, machine.traders_after(after), name, shown),
        }
    }
}
