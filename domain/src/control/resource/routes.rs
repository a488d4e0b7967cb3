//! One route of a Market at a time. Decides that a route is changed by itself, whatever the others are; a Market has
//! one for each instrument. Its revision is its Market's: Markets are told of all routes at once.

use crate::{
    control::{
        event::EventKind,
        machine::Machine,
        refusal::{Noun, Refusal},
        row::{MarketSpec, Route},
    },
    ids::{InstrumentId, MarketId, Revision},
    limits,
};
use alloc::vec::Vec;

impl Machine {
    /// Which venues serve an instrument there.
    #[must_use]
    pub fn route(&self, market: &MarketId, instrument: &InstrumentId) -> Option<&Route> {
        let mut routes = self.market(market)?.spec.routes.iter().rev();
        // A list that was declared whole may name an instrument twice: Markets take the last.
        routes.find(|route| route.instrument == *instrument)
    }

    pub(super) fn put_route(
        &mut self,
        market: MarketId,
        route: Route,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.market(&market).ok_or(Refusal::NotFound { what: Noun::Market })?;
        let mut routes = held.spec.routes.clone();
        let place = routes.iter().position(|held| held.instrument == route.instrument);
        if place.is_none() && routes.len() >= limits::ROUTES_PER_MARKET {
            return Err(Refusal::TooMany { what: Noun::Route });
        }
        routes.retain(|held| held.instrument != route.instrument);
        routes.insert(place.unwrap_or(routes.len()), route);
        self.put_market(market, MarketSpec { routes }, revision)
    }

    pub(super) fn remove_route(
        &mut self,
        market: MarketId,
        instrument: &InstrumentId,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.market(&market).ok_or(Refusal::NotFound { what: Noun::Market })?;
        let mut routes = held.spec.routes.clone();
        routes.retain(|route| route.instrument != *instrument);
        self.put_market(market, MarketSpec { routes }, revision)
    }
}
