//! A cluster with something in every list that operators can ask for: members, Managers of two implementations with a service of
//! each kind, all that can be declared, a drain, moves that would even out, a request. Decides what is there and in which
//! order it comes; the claims stand in `tests/forms.rs` and `tests/watched.rs`.
#![allow(clippy::unwrap_used)]

use crate::{eventually, members::SOON, operator::Operator, other_venue::OtherVenue, site::Site};
use tradewind_launcher::Passing;

/// Killed when dropped.
pub struct Whole {
    pub site: Site,
    pub operator: Operator,
    _venue: OtherVenue,
}

/// Managers on nodes of their own; those of `b1` come when the others are at work.
pub const BROKER_MANAGER: usize = 0;
pub const MARKET_MANAGER: usize = 1;
pub const TRADER_MANAGER: usize = 2;

/// It is drained, and stays.
pub const DRAINED: &str = "b1.market-manager";

impl Whole {
    pub async fn started() -> Self {
        let mut site = Site::of(0).await;
        for kind in ["broker-manager", "market-manager", "trader-manager"] {
            site.start(kind, "a1", Passing::All).await;
        }
        let venue = OtherVenue::at(&site.group.home.path().join("venue"), &[]);
        let operator = Operator::at(&site.group.addresses());
        for customer in ["acme", "bolt", "cobb", "dean"] {
            operator.does(&format!("customer put {customer}"));
        }
        let endpoint = &venue.address;
        operator.does("key add acme");
        operator.does(&format!("account put k --venue sim --endpoint {endpoint} --customers acme"));
        operator.does("market put crypto --route BTC/USD=sim");
        operator.does("trader put sample --customer acme -- sleep 86400");
        operator.does("risk put customer.acme --max-open-orders 7");
        operator.does("trading-state put customer.bolt --state halted --why trouble");
        operator.does("location put here --daily 01:00-02:00");
        operator.does("exchange-days put XNYS --closed 2026-12-24");
        for wanted in ["broker k", "market crypto", "trader sample --for running"] {
            operator.does(&format!("wait {wanted} --timeout 60s"));
        }
        let placed = || {
            let told = operator.does("customer ls --manager a1.trader-manager -o jsonl");
            told.lines().count() == 4
        };
        eventually("all customers have a place", SOON, placed);
        for kind in ["market-manager", "trader-manager"] {
            site.start(kind, "b1", Passing::All).await;
            operator.does(&format!("wait manager b1.{kind} --timeout 60s"));
        }
        operator.does(&format!("drain {DRAINED} --why disk --drop never --detach"));
        operator.does(&format!("wait manager {DRAINED} --for drained --timeout 60s"));
        // No member knows this program: what is asked for stays so, and says why.
        operator.does("scale put here --exec nobody --least 3 --most 3");
        let moves = || operator.does("rebalance -o jsonl").lines().count() == 2;
        eventually("customers would be moved", SOON, moves);
        let asked = || operator.does("provisioning -o jsonl").lines().count() == 1;
        eventually("one more is asked for", SOON, asked);
        Self { site, operator, _venue: venue }
    }
}
