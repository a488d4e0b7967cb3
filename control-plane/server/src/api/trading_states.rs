//! Trading states: who may trade, only reduce, or not at all. Decides which are chosen.

use super::resources::{Items, Kind, Listed, Nothing, Seen, page};
use crate::limits::PAGE_ITEMS_MAX;
use tradewind_domain::{
    control::{
        Machine,
        refusal::Noun,
        resource::{Declaration, Resource},
        risk::{TradingState, TradingStateRow},
    },
    ids::{Revision, Scope},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{ScopeKind, SelectTradingStates, TradingStateInfo, TradingStateSpec},
};

pub(super) struct TradingStates;

fn info(row: &TradingStateRow) -> TradingStateInfo {
    TradingStateInfo {
        scope: row.scope.clone(),
        revision: row.revision,
        spec: TradingStateSpec { state: row.state },
        version: row.version,
        by: row.by.clone(),
    }
}

fn chosen(row: &TradingStateRow, select: &SelectTradingStates) -> bool {
    select.kind.is_none_or(|kind| kind == ScopeKind::of(&row.scope))
        && select.state.is_none_or(|state| state == row.state)
}

/// As many as a page of them may hold: the list tells all.
pub(super) fn not_active(machine: &Machine) -> Vec<TradingStateInfo> {
    let rows = machine.trading_states_after(None).filter(|row| row.state != TradingState::Active);
    rows.take(usize::try_from(PAGE_ITEMS_MAX).unwrap_or(usize::MAX)).map(info).collect()
}

impl Kind for TradingStates {
    const NOUN: Noun = Noun::TradingState;
    const ONE: &'static str = "/v1/trading-states/{scope}";
    type Id = Scope;
    type Spec = TradingStateSpec;
    type Info = TradingStateInfo;
    type Options = Nothing;

    fn name(id: &Scope) -> String {
        id.to_string()
    }

    fn path(id: &Scope) -> String {
        format!("/v1/trading-states/{id}")
    }

    fn resource(id: Scope) -> Resource {
        Resource::TradingState(id)
    }

    fn declaration(scope: Scope, spec: &TradingStateSpec) -> Declaration {
        Declaration::TradingState { scope, state: spec.state }
    }

    fn item(machine: &Seen, id: &Scope) -> Option<(Revision, TradingStateInfo)> {
        machine.trading_state(id).map(|row| (row.revision, info(row)))
    }
}

impl Listed for TradingStates {
    const LIST: &'static str = "/v1/trading-states";
    type Select = SelectTradingStates;

    fn list(
        machine: &Seen,
        select: &SelectTradingStates,
        stand: Stand,
    ) -> Result<Json<Items>, Failure> {
        let rows = machine.trading_states_after(select.after.as_ref());
        let shown = |row: &&TradingStateRow| chosen(row, select).then(|| info(row));
        page(stand, select, rows, |row| row.scope.to_string(), shown)
    }
}
