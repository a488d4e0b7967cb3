//! Risk settings. Decides which are chosen; what they mean to an order is decided by its Broker.

use super::resources::{Items, Kind, Listed, Nothing, Seen, page};
use tradewind_domain::{
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        risk::{RiskRow, RiskSpec},
    },
    ids::{Revision, Scope},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{RiskInfo, ScopeKind, SelectRisk},
};

pub(super) struct Risk;

fn info(row: &RiskRow) -> RiskInfo {
    RiskInfo { scope: row.scope.clone(), revision: row.revision, spec: row.spec.clone() }
}

fn chosen(row: &RiskRow, select: &SelectRisk) -> bool {
    select.kind.is_none_or(|kind| kind == ScopeKind::of(&row.scope))
}

impl Kind for Risk {
    const NOUN: Noun = Noun::Risk;
    const ONE: &'static str = "/v1/risk/{scope}";
    type Id = Scope;
    type Spec = RiskSpec;
    type Info = RiskInfo;
    type Options = Nothing;

    fn name(id: &Scope) -> String {
        id.to_string()
    }

    fn path(id: &Scope) -> String {
        format!("/v1/risk/{id}")
    }

    fn resource(id: Scope) -> Resource {
        Resource::Risk(id)
    }

    fn declaration(scope: Scope, spec: &RiskSpec) -> Declaration {
        Declaration::Risk { scope, spec: spec.clone() }
    }

    fn item(machine: &Seen, id: &Scope) -> Option<(Revision, RiskInfo)> {
        machine.risk(id).map(|row| (row.revision, info(row)))
    }
}

impl Listed for Risk {
    const LIST: &'static str = "/v1/risk";
    type Select = SelectRisk;

    fn list(machine: &Seen, select: &SelectRisk, stand: Stand) -> Result<Json<Items>, Failure> {
        let rows = machine.risks_after(select.after.as_ref());
        let shown = |row: &&RiskRow| chosen(row, select).then(|| info(row));
        page(stand, select, rows, |row| row.scope.to_string(), shown)
    }
}
