//! Traders. Decides which are chosen; of a customer's, only those are looked at.

use super::resources::{Items, Kind, Listed, Nothing, page};
use tradewind_domain::{
    control::{
        Machine,
        refusal::Noun,
        resource::{Declaration, Resource},
        row::TraderRow,
        trader::TraderDeclaration,
    },
    ids::{Revision, TraderId},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{SelectTraders, TraderInfo},
};

pub(super) struct Traders;

fn info(machine: &Machine, row: &TraderRow) -> TraderInfo {
    TraderInfo {
        trader: row.trader.clone(),
        revision: row.revision,
        spec: machine.trader_declaration(row),
        assignment: row.assignment.clone(),
        fencing: row
            .assignment
            .as_ref()
            .is_some_and(|held| machine.is_fencing(&row.trader, held.epoch)),
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
        Declaration::TraderRun { trader, spec, run }
    }

    fn item(machine: &Machine, id: &TraderId) -> Option<(Revision, TraderInfo)> {
        machine.trader(id).map(|row| (row.revision, info(machine, row)))
    }
}

impl Listed for Traders {
    const LIST: &'static str = "/v1/traders";
    type Select = SelectTraders;

    fn list(
        machine: &Machine,
        select: &SelectTraders,
        stand: Stand,
    ) -> Result<Json<Items>, Failure> {
        let name = |row: &&TraderRow| row.trader.to_string();
        let shown = |row: &&TraderRow| chosen(row, select).then(|| info(machine, row));
        let after = select.after.as_ref();
        match &select.customer {
            Some(customer) => page(stand, select, machine.traders_of(customer, after), name, shown),
            None => page(stand, select, machine.traders_after(after), name, shown),
        }
    }
}
