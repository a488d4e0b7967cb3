//! `tradewind route`: the routes of a Market, one by one. Decides the form of its answers.

use super::{
    asker::Asker,
    condition, show_all, show_one,
    table::{self, Column},
};
use crate::cli::resource::{RouteAction, Show, Whom};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tradewind_domain::{control::resource::Condition, ids::Revision};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    control::Changed,
    resources::{Declared, RouteSpec, path_of_route},
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
        RouteAction::Rm { market, instrument, if_match, reason, whom } => {
            let path = path_of_route(market, instrument);
            let on = if_match.map_or(Condition::Always, |at| Condition::At(Revision(at)));
            remove(whom, &path, reason.terms(on), &format!("{instrument} in {market}")).await
        }
    }
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
