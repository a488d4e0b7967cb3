//! Routes of a Market, one by one. Decides which are chosen. The `/` of an instrument stands in an address as `%2F`.

use super::{
    resources,
    resources::{Items, Kind, Nothing, Seen, not_there, page},
};
use crate::service::Service;
use axum::extract::State;
use serde::Deserialize;
use tradewind_domain::{
    control::{
        refusal::Noun,
        resource::{Declaration, Resource},
        row::Route,
    },
    ids::{InstrumentId, MarketId, Revision, VenueId},
};
use tradewind_link::{
    Failure,
    json::{Json, Path, Query},
};
use tradewind_protocol::resources::{RouteInfo, RouteSpec, SelectRoutes, path_of_route};

pub(super) const LIST: &str = "/v1/markets/{market}/routes";

pub(super) struct Routes;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Name {
    market: MarketId,
    instrument: InstrumentId,
}

fn info(market: &MarketId, revision: Revision, route: &Route) -> RouteInfo {
    let Route { instrument, data_venue, order_venue } = route.clone();
    let spec = RouteSpec { data_venue, order_venue };
    RouteInfo { market: market.clone(), instrument, revision, spec }
}

fn chosen(route: &Route, select: &SelectRoutes) -> bool {
    let names = |venue: &VenueId| route.data_venue == *venue || route.order_venue == *venue;
    select.venue.as_ref().is_none_or(names)
        && select.after.as_ref().is_none_or(|after| route.instrument > *after)
}

pub(super) async fn list(
    State(service): State<Service>,
    Path(market): Path<MarketId>,
    Query(select): Query<SelectRoutes>,
) -> Result<Json<Items>, Failure> {
    let (stand, machine) = resources::look(&service, select.consistency).await?;
    let missing = || not_there(Noun::Market, &market.to_string());
    let row = machine.market(&market).ok_or_else(missing)?;
    let revision = Revision(row.epoch.0);
    let mut routes: Vec<&Route> = row.spec.routes.iter().collect();
    // Of two for one instrument the last counts: it comes first here, and stays.
    routes.reverse();
    routes.sort_by(|one, other| one.instrument.cmp(&other.instrument));
    routes.dedup_by(|one, other| one.instrument == other.instrument);
    let shown = |route: &&Route| chosen(route, &select).then(|| info(&market, revision, route));
    page(stand, &select, routes.into_iter(), |route| route.instrument.to_string(), shown)
}

impl Kind for Routes {
    const NOUN: Noun = Noun::Route;
    const ONE: &'static str = "/v1/markets/{market}/routes/{instrument}";
    type Id = Name;
    type Spec = RouteSpec;
    type Info = RouteInfo;
    type Options = Nothing;

    fn name(id: &Name) -> String {
        format!("for {} in {}", id.instrument, id.market)
    }

    fn path(id: &Name) -> String {
        path_of_route(&id.market, &id.instrument)
    }

    fn resource(Name { market, instrument }: Name) -> Resource {
        Resource::Route { market, instrument }
    }

    fn declaration(Name { market, instrument }: Name, spec: &RouteSpec) -> Declaration {
        let RouteSpec { data_venue, order_venue } = spec.clone();
        Declaration::Route { market, route: Route { instrument, data_venue, order_venue } }
    }

    fn item(machine: &Seen, id: &Name) -> Option<(Revision, RouteInfo)> {
        let row = machine.market(&id.market)?;
        let revision = Revision(row.epoch.0);
        let route = machine.route(&id.market, &id.instrument)?;
        Some((revision, info(&id.market, revision, route)))
    }
}
