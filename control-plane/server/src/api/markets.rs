//! Markets. Decides which are chosen; their routes one by one: `routes`.

use super::{
    placed,
    resources::{Items, Kind, Listed, Nothing, Seen, page},
};
use crate::leader::observe::View;
use std::collections::BTreeSet;
use tradewind_domain::{
    control::{
        Machine,
        refusal::Noun,
        resource::{Declaration, Resource},
        row::{ManagerRow, ManagerState, MarketRow, MarketSpec, Route},
    },
    ids::{ManagerKind, MarketId, Revision, ServiceId, VenueId},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    placed::MarketAt,
    resources::{MarketInfo, SelectMarkets},
};

pub(super) struct Markets;

fn info(seen: &Seen, row: &MarketRow) -> MarketInfo {
    let revision = Revision(row.epoch.0);
    let at = seen.view.as_ref().map(|view| everywhere(seen, view, row));
    MarketInfo { market: row.market.clone(), revision, spec: row.spec.clone(), at }
}

/// At each MarketManager that is registered as live: its shard 0, and the others that it tells of.
fn everywhere(machine: &Machine, view: &View, row: &MarketRow) -> Vec<MarketAt> {
    let runs = |manager: &&ManagerRow| {
        manager.manager.kind == ManagerKind::MarketManager && manager.state == ManagerState::Live
    };
    let shards = |manager: &ManagerRow| {
        let told = placed::told(manager, Some(view)).map(|told| told.services.as_slice());
        let of_it = told.unwrap_or_default().iter().filter_map(|report| match &report.service {
            ServiceId::Market { market, shard } if *market == row.market => Some(*shard),
            ServiceId::Market { .. } | ServiceId::Broker { .. } | ServiceId::Trader { .. } => None,
        });
        of_it.chain([0]).collect::<BTreeSet<u16>>()
    };
    let at = |manager: &ManagerRow, shard| {
        let service = ServiceId::Market { market: row.market.clone(), shard };
        let now = placed::now(machine, view, Some(&manager.manager), &service);
        MarketAt { manager: manager.manager.clone(), shard, now }
    };
    let all = machine.managers().filter(runs);
    all.flat_map(|manager| shards(manager).into_iter().map(move |shard| at(manager, shard)))
        .collect()
}

/// One route has to do with all that is asked for.
fn chosen(row: &MarketRow, select: &SelectMarkets) -> bool {
    let serves = |route: &Route| {
        let names = |venue: &VenueId| route.data_venue == *venue || route.order_venue == *venue;
        select.instrument.as_ref().is_none_or(|instrument| route.instrument == *instrument)
            && select.venue.as_ref().is_none_or(names)
    };
    let all = select.instrument.is_none() && select.venue.is_none();
    all || row.spec.routes.iter().any(serves)
}

impl Kind for Markets {
    const NOUN: Noun = Noun::Market;
    const SEEN: bool = true;
    const ONE: &'static str = "/v1/markets/{market}";
    type Id = MarketId;
    type Spec = MarketSpec;
    type Info = MarketInfo;
    type Options = Nothing;

    fn name(id: &MarketId) -> String {
        id.to_string()
    }

    fn path(id: &MarketId) -> String {
        format!("/v1/markets/{id}")
    }

    fn resource(id: MarketId) -> Resource {
        Resource::Market(id)
    }

    fn declaration(market: MarketId, spec: &MarketSpec) -> Declaration {
        Declaration::Market { market, spec: spec.clone() }
    }

    fn item(machine: &Seen, id: &MarketId) -> Option<(Revision, MarketInfo)> {
        machine.market(id).map(|row| info(machine, row)).map(|info| (info.revision, info))
    }
}

impl Listed for Markets {
    const LIST: &'static str = "/v1/markets";
    type Select = SelectMarkets;

    fn list(machine: &Seen, select: &SelectMarkets, stand: Stand) -> Result<Json<Items>, Failure> {
        let rows = machine.markets_after(select.after.as_ref());
        let shown = |row: &&MarketRow| chosen(row, select).then(|| info(machine, row));
        page(stand, select, rows, |row| row.market.to_string(), shown)
    }
}
