//! Listing by REST what an account has at Kraken. Decides in which order: open orders first, then those that have ended,
//! then fills, so that an order that ends meanwhile is in one of them and none is told as ended before its fills; and
//! what follows when the stream has not told what is listed. Which orders are absent then is decided by the ledger.
//!
//! S1 a page is dated a second before its listing began: Kraken's listings lag.

use super::{
    Kraken,
    limits::{LISTINGS_APART, TOLD_WITHIN},
    names::{Unnamed, own},
    rest::CallError,
    session::VenueClock,
    socket::Over,
};
use crate::venue::{Event, Page, Rest, VenueOrder};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tradewind_domain::{ids::ExecId, time::UnixNanos, trading::OrderState};
use tradewind_kraken::{
    limits::{DEADLINE_MARGIN, PAGE},
    rest::{ClosedOrders, OpenOrders, RestOrder, RestStatus, RestTrade, TradesHistory, seconds},
};

/// Of one connection.
pub(super) struct Sweeper {
    kraken: Arc<Kraken>,
    told: mpsc::Sender<Event>,
    clock: VenueClock,
    /// What happened from here on, the stream has to tell.
    connected: UnixNanos,
}

/// All that Kraken lists since some time.
struct Listed {
    orders: BTreeMap<String, RestOrder>,
    fills: BTreeMap<String, RestTrade>,
}

impl Sweeper {
    pub(super) fn new(kraken: Arc<Kraken>, told: mpsc::Sender<Event>, clock: VenueClock) -> Self {
        Self { kraken, told, clock, connected: clock.now() }
    }

    /// One listing after another, each for the latest wish. May be cancelled.
    pub(super) async fn run(self, mut asked: watch::Receiver<Option<UnixNanos>>) -> Over {
        loop {
            if asked.changed().await.is_err() {
                return Over("nobody asks any more".to_owned());
            }
            let Some(since) = *asked.borrow_and_update() else { continue };
            let (begun, next) = (self.clock.now(), Instant::now() + LISTINGS_APART);
            let listed = match self.list(since).await {
                Ok(listed) => listed,
                Err(error) => {
                    tracing::warn!(%error, "Kraken does not list");
                    sleep_until(next).await;
                    asked.mark_changed();
                    continue;
                }
            };
            let silent = self.untold(&listed, begun);
            let page = self.page(since, begun, listed);
            if self.told.send(Event::Page(page)).await.is_err() {
                return Over("nobody listens any more".to_owned());
            }
            if let Some(what) = silent {
                return Over(format!(
                    "the stream of executions is silent: it has not told of {what}"
                ));
            }
            // The same wish once more, made while this one was listed, is fulfilled.
            if *asked.borrow() == Some(since) {
                asked.mark_unchanged();
            }
            sleep_until(next).await;
        }
    }

    async fn list(&self, since: UnixNanos) -> Result<Listed, CallError> {
        let rest = &self.kraken.rest;
        let open: OpenOrders = rest.private("OpenOrders", &[]).await?;
        let mut orders = open.open;
        // Kraken's start is not within.
        let start = decimal(UnixNanos(since.0.saturating_sub(1_000_000)));
        let mut offset = 0;
        loop {
            let at = offset.to_string();
            let page: ClosedOrders =
                rest.private("ClosedOrders", &[("start", &start), ("ofs", &at)]).await?;
            let found = page.closed.len();
            orders.extend(page.closed);
            offset += found;
            if found == 0 || offset >= page.count {
                break;
            }
        }
        let mut fills = BTreeMap::new();
        offset = 0;
        loop {
            let at = offset.to_string();
            let page: TradesHistory =
                rest.private("TradesHistory", &[("start", &start), ("ofs", &at)]).await?;
            let found = page.trades.len();
            fills.extend(page.trades);
            offset += found;
            if found == 0 || offset >= page.count {
                break;
            }
        }
        self.name(&orders).await;
        self.name_strangers(&fills).await?;
        Ok(Listed { orders, fills })
    }

    /// Learns under which of our names orders go.
    async fn name(&self, orders: &BTreeMap<String, RestOrder>) {
        let mut events = Vec::new();
        for (order_id, order) in orders {
            if let Some(name) = order.cl_ord_id.as_deref().and_then(own) {
                self.kraken.desk().learn(order_id, name, &mut events);
            }
        }
        for event in events {
            // Gone is seen by the caller.
            let _ = self.told.send(event).await;
        }
    }

    /// Fills of orders that no listing named: they were open before.
    async fn name_strangers(&self, fills: &BTreeMap<String, RestTrade>) -> Result<(), CallError> {
        let mut strangers: Vec<&str> = {
            let desk = self.kraken.desk();
            let of = fills.values().map(|fill| fill.ordertxid.as_str());
            of.filter(|order_id| desk.name(order_id).is_none()).collect()
        };
        strangers.sort_unstable();
        strangers.dedup();
        for page in strangers.chunks(PAGE) {
            let ids = page.join(",");
            let orders: BTreeMap<String, RestOrder> =
                self.kraken.rest.private("QueryOrders", &[("txid", &ids)]).await?;
            self.name(&orders).await;
        }
        Ok(())
    }

    /// What the stream should have told by now, if there is such.
    fn untold(&self, listed: &Listed, begun: UnixNanos) -> Option<String> {
        let due = |at: Option<UnixNanos>| {
            at.is_some_and(|at| {
                at.since(self.connected) > TOLD_WITHIN && begun.since(at) > TOLD_WITHIN
            })
        };
        let mut desk = self.kraken.desk();
        let mut untold = None;
        for (exec_id, trade) in listed.fills.iter().filter(|(_, trade)| due(trade.at())) {
            if !desk.has_told_fill(exec_id, trade) {
                untold = Some(format!("fill {exec_id}"));
            }
        }
        let closed = |order: &RestOrder| order.closetm.and_then(seconds);
        for (order_id, order) in listed.orders.iter().filter(|(_, order)| due(closed(order))) {
            if !desk.has_told_end(order_id, order) {
                untold = Some(format!("the end of {order_id}"));
            }
        }
        untold
    }

    fn page(&self, since: UnixNanos, begun: UnixNanos, listed: Listed) -> Page {
        let desk = self.kraken.desk();
        let orders = listed.orders.into_values().filter_map(|order| {
            let venue_order_id = order.cl_ord_id.as_deref().and_then(own)?;
            let state = match order.status {
                RestStatus::Pending | RestStatus::Open => OrderState::New,
                RestStatus::Closed => OrderState::Filled,
                RestStatus::Canceled => OrderState::Canceled,
                RestStatus::Expired => OrderState::Expired,
            };
            Some(VenueOrder { venue_order_id, state, reason: order.reason, replaced: false })
        });
        let mut fills: Vec<_> = listed.fills.into_iter().collect();
        // In the order they happened.
        fills.sort_by_key(|(_, fill)| fill.time);
        let fills = fills.into_iter().filter_map(|(exec_id, fill)| {
            let name = desk.name(&fill.ordertxid)?;
            let fill = Unnamed {
                exec_id: ExecId::new(&exec_id).ok()?,
                quantity: fill.vol.quantity().filter(|quantity| !quantity.is_zero())?,
                price: fill.price.price()?,
                at: fill.at()?,
                order_id: fill.ordertxid,
            };
            Some(fill.of(name))
        });
        Page {
            since,
            cursor: None,
            orders: orders.collect(),
            fills: fills.collect(),
            at: earlier(begun, DEADLINE_MARGIN),
            rest: Rest::Nothing { resume: None },
        }
    }
}

/// The listing of an account that has nothing.
pub(super) fn nothing(since: UnixNanos, at: UnixNanos) -> Page {
    let (orders, fills, rest) = (Vec::new(), Vec::new(), Rest::Nothing { resume: None });
    Page { since, cursor: None, orders, fills, at, rest }
}

fn earlier(at: UnixNanos, by: Duration) -> UnixNanos {
    UnixNanos(at.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
}

/// Seconds with decimals, as REST has times.
fn decimal(at: UnixNanos) -> String {
    format!("{}.{:09}", at.0 / 1_000_000_000, at.0 % 1_000_000_000)
}
