//! Markets. Decides which are chosen; their routes one by one: `routes`.

use super::resources::{Items, Kind, Listed, Nothing, page};
use tradewind_domain::{
    control::{
        Machine,
        refusal::Noun,
        resource::{Declaration, Resource},
        row::{MarketRow, MarketSpec, Route},
    },
    ids::{MarketId, Revision, VenueId},
};
use tradewind_link::{Failure, json::Json};
use tradewind_protocol::{
    control::Stand,
    resources::{MarketInfo, SelectMarkets},
};

pub(super) struct Markets;

fn info(row: &MarketRow) -> MarketInfo {
    let revision = Revision(row.epoch.0);
    MarketInfo { market: row.market.clone(), revision, spec: row.spec.clone() }
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

    fn item(machine: &Machine, id: &MarketId) -> Option<(Revision, MarketInfo)> {
        machine.market(id).map(info).map(|info| (info.revision, info))
    }
}

impl Listed for Markets {
    const LIST: &'static str = "/v1/markets";
    type Select = SelectMarkets;

    fn list(
        machine: &Machine,
        select: &SelectMarkets,
        stand: Stand,
    ) -> Result<Json<Items>, Failure> {
        let rows = machine.markets_after(select.after.as_ref());
        let shown = |row: &&MarketRow| chosen(row, select).then(|| info(row));
        page(stand, select, rows, |row| row.market.to_string(), shown)
    }
}
