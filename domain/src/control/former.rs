//! Venues that a Market's routes named before. Decides which are remembered: those that some instrument's data or
//! orders were moved away from. Orders stay open there, so the accounts of those venues go on being told to Markets.

use super::{
    machine::Machine,
    row::{FormerVenue, FormerVenuesRow, MarketSpec, Route, Row},
};
use crate::{
    ids::{InstrumentId, MarketId, Revision, VenueId},
    limits,
};
use alloc::{collections::BTreeMap, vec::Vec};

impl Machine {
    /// Venues that the Market's routes named before, some of which they may name again.
    pub fn former_venues(&self, market: &MarketId) -> impl Iterator<Item = &VenueId> {
        let row = self.tables.former_venues.get(market);
        row.into_iter().flat_map(|row| &row.venues).map(|former| &former.venue)
    }

    /// The Market's routes change: what they leave is remembered. Of too many the one that was left first is
    /// forgotten.
    pub(super) fn leave_venues(
        &mut self,
        market: &MarketId,
        before: &MarketSpec,
        after: &MarketSpec,
        revision: Revision,
    ) {
        let left = left(before, after);
        if left.is_empty() {
            return;
        }
        let held = self.tables.former_venues.get(market);
        let mut venues: Vec<FormerVenue> = held.map(|row| row.venues.clone()).unwrap_or_default();
        venues.retain(|former| !left.contains(&&former.venue));
        let left = left.into_iter().cloned();
        venues.extend(left.map(|venue| FormerVenue { venue, left: revision }));
        let over = venues.len().saturating_sub(limits::FORMER_VENUES_PER_MARKET);
        venues.drain(..over);
        self.tables.put(Row::FormerVenues(FormerVenuesRow { market: market.clone(), venues }));
    }
}

/// Of two routes for one instrument the last counts.
fn by_instrument(spec: &MarketSpec) -> BTreeMap<&InstrumentId, &Route> {
    spec.routes.iter().map(|route| (&route.instrument, route)).collect()
}

/// Each once, in order of the instruments that left it.
fn left<'a>(before: &'a MarketSpec, after: &MarketSpec) -> Vec<&'a VenueId> {
    let after = by_instrument(after);
    let mut left = Vec::new();
    for (instrument, before) in by_instrument(before) {
        let now = after.get(instrument);
        let pairs = [
            (&before.order_venue, now.map(|route| &route.order_venue)),
            (&before.data_venue, now.map(|route| &route.data_venue)),
        ];
        for (was, is) in pairs {
            if is != Some(was) && !left.contains(&was) {
                left.push(was);
            }
        }
    }
    left
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        control::{
            command::Command,
            desired::{MarketWanted, Work, desired},
            machine::world::{World, name},
            resource::{Condition, Declaration, Resource, ResourceCommand},
            row::AccountSpec,
        },
        ids::AccountId,
    };
    use alloc::{
        collections::BTreeSet,
        format,
        string::{String, ToString},
    };

    fn venue(name: &str) -> VenueId {
        VenueId::new(name).unwrap()
    }

    fn route(instrument: &str, data: &str, orders: &str) -> Route {
        let instrument = InstrumentId::new(instrument).unwrap();
        Route { instrument, data_venue: venue(data), order_venue: venue(orders) }
    }

    fn market(name: &str) -> MarketId {
        MarketId::new(name).unwrap()
    }

    fn put(world: &mut World, of: &str, routes: &[Route]) {
        let spec = MarketSpec { routes: routes.to_vec() };
        world.accept(Command::PutMarket { market: market(of), spec });
    }

    fn former(world: &World, of: &str) -> Vec<String> {
        world.machine.former_venues(&market(of)).map(ToString::to_string).collect()
    }

    #[test]
    fn a_venue_that_an_instrument_was_moved_away_from_is_remembered_once_the_last_left_last() {
        let mut world = World::new();
        put(&mut world, "m", &[route("A", "x", "x"), route("B", "x", "x")]);
        assert!(former(&world, "m").is_empty());
        put(&mut world, "m", &[route("A", "x", "y"), route("B", "x", "x")]);
        assert_eq!(former(&world, "m"), ["x"], "although it still serves B");
        put(&mut world, "m", &[route("A", "x", "x"), route("B", "x", "x")]);
        assert_eq!(former(&world, "m"), ["x", "y"]);
        put(&mut world, "m", &[route("B", "z", "x")]);
        assert_eq!(
            former(&world, "m"),
            ["y", "x"],
            "with its route an instrument leaves its venues"
        );
    }

    #[test]
    fn of_too_many_the_one_that_was_left_first_is_forgotten() {
        let mut world = World::new();
        for n in 0..=limits::FORMER_VENUES_PER_MARKET + 1 {
            let at = format!("v-{n}");
            put(&mut world, "m", &[route("A", &at, &at)]);
        }
        let former = former(&world, "m");
        assert_eq!(former.len(), limits::FORMER_VENUES_PER_MARKET);
        assert_eq!(former.first().map(String::as_str), Some("v-1"));
    }

    #[test]
    fn with_the_market_goes_what_was_remembered_of_it() {
        let mut world = World::new();
        put(&mut world, "m", &[route("A", "x", "x")]);
        put(&mut world, "m", &[route("A", "y", "y")]);
        let (what, on) = (Resource::Market(market("m")), Condition::Always);
        world.accept(Command::Resource(ResourceCommand::Delete { what, on, release: false }));
        assert!(former(&world, "m").is_empty());
    }

    /// A world with a MarketManager, and an account with a placed Broker at each venue.
    fn trading(venues: &[&str]) -> World {
        let mut world = World::new();
        world.check_in("a.broker-manager", 1);
        world.check_in("a.market-manager", 1);
        for at in venues {
            let spec = AccountSpec {
                venue: venue(at),
                adapter: "sim".to_string(),
                endpoint: "127.0.0.1:1".to_string(),
                customers: BTreeSet::new(),
            };
            let account = AccountId::new(&format!("{at}-1")).unwrap();
            let what = Declaration::Account { account, spec };
            world.accept(Command::Resource(ResourceCommand::Put { what, on: Condition::Always }));
        }
        world.settle(&[]);
        world
    }

    fn told(world: &World) -> Vec<(String, Vec<String>)> {
        let told = desired(&world.machine, Revision(1), &name("a.market-manager")).unwrap();
        let Work::Markets { markets, .. } = told.work else { panic!("no Markets") };
        let accounts = |wanted: &MarketWanted| {
            wanted.accounts.iter().map(|access| access.account.to_string()).collect()
        };
        markets.iter().map(|wanted| (wanted.market.to_string(), accounts(wanted))).collect()
    }

    #[test]
    fn a_market_goes_on_being_told_the_accounts_of_venues_that_its_routes_left() {
        let mut world = trading(&["x", "y"]);
        put(&mut world, "m", &[route("A", "x", "x")]);
        put(&mut world, "n", &[route("B", "x", "x")]);
        put(&mut world, "n", &[route("B", "y", "y")]);
        let both = ["x-1".to_string(), "y-1".to_string()].to_vec();
        let expected = [("m".to_string(), ["x-1".to_string()].to_vec()), ("n".to_string(), both)];
        assert_eq!(told(&world), expected);
    }

    #[test]
    fn accounts_of_venues_that_no_market_names_are_the_first_markets() {
        let mut world = trading(&["x", "y"]);
        put(&mut world, "m", &[route("A", "x", "x")]);
        put(&mut world, "n", &[route("B", "x", "x")]);
        let told = told(&world);
        assert_eq!(told[0].1, ["x-1", "y-1"]);
        assert_eq!(told[1].1, ["x-1"]);
    }
}
