//! `tradewind route`: the routes of a Market, one by one, or all that a venue serves. Decides the form of its answers,
//! and which routes a move changes.

use super::{
    WITHIN,
    asker::Asker,
    condition, show_all, show_one,
    table::{self, Column},
};
use crate::{
    cli::resource::{MoveRoutes, RouteAction, Show, Whom},
    exit::Usage,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::{
        resource::Condition,
        row::{MarketSpec, Route},
    },
    ids::Revision,
};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::Changed,
    resources::{Declared, MarketInfo, One, RouteSpec, path_of_route},
};

const COLUMNS: &[Column] = table::ROUTES;

pub(super) async fn run(action: &RouteAction, stop: &CancellationToken) -> anyhow::Result<()> {
    match action {
        RouteAction::Ls { market, venue, show: Show { watch }, whom } => {
            let path = format!("/v1/markets/{market}/routes");
            show_all(&Asker::new(whom), &path, &json!({ "venue": venue }), COLUMNS, *watch, stop)
                .await
        }
        RouteAction::Get { market, instrument, show: Show { watch }, whom } => {
            let path = path_of_route(market, instrument);
            show_one(&Asker::new(whom), &path, COLUMNS, *watch, stop).await
        }
        RouteAction::Put { market, instrument, venue, orders, on, reason, whom } => {
            let path = path_of_route(market, instrument);
            let order_venue = orders.as_ref().unwrap_or(venue).clone();
            let spec = RouteSpec { data_venue: venue.clone(), order_venue };
            let asker = Asker::new(whom);
            let terms = reason.terms(condition(on, None));
            let declared: Declared = asker.change(Method::PUT, &path, &spec, terms).await?;
            asker.told(&declared, || {
                format!("{instrument} in {market} is declared, revision {}\n", declared.declared)
            })
        }
        RouteAction::Move(wanted) => relocate(wanted).await,
        RouteAction::Rm { market, instrument, if_match, reason, whom } => {
            let path = path_of_route(market, instrument);
            let on = if_match.map_or(Condition::Always, |at| Condition::At(Revision(at)));
            remove(whom, &path, reason.terms(on), &format!("{instrument} in {market}")).await
        }
    }
}

/// One change of the Market, on what it was when it was read: no route is moved that another has just changed.
async fn relocate(wanted: &MoveRoutes) -> anyhow::Result<()> {
    let MoveRoutes { market, from, to, reason, whom, .. } = wanted;
    let asker = Asker::new(whom);
    let path = format!("/v1/markets/{market}");
    let held: One<MarketInfo> = asker.control.read(&path, WITHIN).await?;
    let (routes, moved) = moved(wanted, &held.item.spec.routes)?;
    let terms = reason.terms(Condition::At(held.item.revision));
    let declared: Declared =
        asker.change(Method::PUT, &path, &MarketSpec { routes }, terms).await?;
    asker.told(&declared, || {
        format!(
            "{moved} routes of {market} are moved from {from} to {to}, revision {}\n",
            declared.declared
        )
    })
}

/// All routes as they are to be, and how many of them are moved.
fn moved(wanted: &MoveRoutes, held: &[Route]) -> Result<(Vec<Route>, usize), Usage> {
    let MoveRoutes { market, from, to, instruments, data_only, orders_only, .. } = wanted;
    if let Some(none) = instruments.iter().find(|i| held.iter().all(|r| r.instrument != **i)) {
        return Err(Usage(format!("{none} has no route in {market}")));
    }
    let (mut routes, mut count) = (held.to_vec(), 0);
    for route in &mut routes {
        if !instruments.is_empty() && !instruments.contains(&route.instrument) {
            continue;
        }
        let before = route.clone();
        if !orders_only && route.data_venue == *from {
            route.data_venue = to.clone();
        }
        if !data_only && route.order_venue == *from {
            route.order_venue = to.clone();
        }
        count += usize::from(*route != before);
    }
    if count == 0 {
        let what = "nothing is to be moved: no such route of";
        return Err(Usage(format!("{what} {market} names {from}, or it is {to} already")));
    }
    Ok((routes, count))
}

async fn remove(
    whom: &Whom,
    path: &str,
    terms: tradewind_protocol::terms::Terms,
    name: &str,
) -> anyhow::Result<()> {
    let asker = Asker::new(whom);
    let changed: Changed = asker.change(Method::DELETE, path, &(), terms).await?;
    asker.told(&changed, || format!("{name} is deleted\n"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        wanted: MoveRoutes,
    }

    fn route(instrument: &str, data: &str, orders: &str) -> Route {
        Route {
            instrument: instrument.parse().unwrap(),
            data_venue: data.parse().unwrap(),
            order_venue: orders.parse().unwrap(),
        }
    }

    fn after(words: &str) -> Result<(Vec<Route>, usize), Usage> {
        let line = Line::parse_from(words.split(' '));
        let held = [route("A", "x", "x"), route("B", "x", "y"), route("C", "z", "z")];
        moved(&line.wanted, &held)
    }

    #[test]
    fn a_move_changes_what_names_the_venue_and_nothing_else() {
        let (routes, count) = after("move m --from x --to w").unwrap();
        let expected = [route("A", "w", "w"), route("B", "w", "y"), route("C", "z", "z")];
        assert_eq!((routes, count), (expected.to_vec(), 2));
        let (routes, count) =
            after("move m --from x --to w --instruments A --orders-only").unwrap();
        assert_eq!((&routes[0], count), (&route("A", "x", "w"), 1));
        let (routes, _) = after("move m --from x --to w --instruments A,B --data-only").unwrap();
        assert_eq!(routes[..2], [route("A", "w", "x"), route("B", "w", "y")]);
    }

    #[test]
    fn a_move_of_nothing_is_wrong_usage() {
        for words in ["--from q --to w", "--from x --to w --instruments D", "--from x --to x"] {
            assert!(after(&format!("move m {words}")).is_err(), "{words}");
        }
    }
}
