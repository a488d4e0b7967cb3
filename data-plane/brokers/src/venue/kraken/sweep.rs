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
use crate::venue::{
    Event, Page, Rest, VenueFill, VenueOrder,
    external::{ExternalFill, ExternalId, ExternalOrder, Externals, Terms},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tradewind_domain::{
    ids::{ExecId, InstrumentId},
    time::UnixNanos,
    trading::{OrderState, Side},
};
use tradewind_kraken::{
    limits::{DEADLINE_MARGIN, PAGE},
    rest::{
        AssetPair, ClosedOrders, NoResult, OpenOrders, RestOrder, RestStatus, RestTrade,
        TradesHistory, seconds,
    },
    symbol,
};

/// Of one connection.
pub(super) struct Sweeper {
    kraken: Arc<Kraken>,
    told: mpsc::Sender<Event>,
    clock: VenueClock,
    /// What happened from here on, the stream has to tell.
    connected: UnixNanos,
    /// Instruments by the altnames of their pairs, as far as they were asked for: none of one that Kraken does not tell.
    pairs: BTreeMap<String, Option<InstrumentId>>,
}

/// All that Kraken lists since some time.
struct Listed {
    orders: BTreeMap<String, RestOrder>,
    fills: BTreeMap<String, RestTrade>,
    /// Orders of those fills that are not among the orders.
    strangers: BTreeMap<String, RestOrder>,
}

impl Sweeper {
    pub(super) fn new(kraken: Arc<Kraken>, told: mpsc::Sender<Event>, clock: VenueClock) -> Self {
        Self { kraken, told, clock, connected: clock.now(), pairs: BTreeMap::new() }
    }

    /// One listing after another, each for the latest wish. May be cancelled.
    pub(super) async fn run(mut self, mut asked: watch::Receiver<Option<UnixNanos>>) -> Over {
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

    async fn list(&mut self, since: UnixNanos) -> Result<Listed, CallError> {
        let kraken = Arc::clone(&self.kraken);
        let rest = &kraken.rest;
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
        let strangers = self.name_strangers(&fills).await?;
        // A fill that nobody can place would be listed no more by the time that one can: then nothing is listed.
        self.learn_pairs(filled(&orders, &fills).chain(strangers.values())).await?;
        let open = |order: &&RestOrder| order.status == RestStatus::Open;
        if let Err(error) = self.learn_pairs(orders.values().filter(open)).await {
            tracing::warn!(%error, "open orders are listed without their terms");
        }
        Ok(Listed { orders, fills, strangers })
    }

    /// Asks, until Kraken has answered, for what the orders are of.
    async fn learn_pairs(
        &mut self,
        orders: impl Iterator<Item = &RestOrder>,
    ) -> Result<(), CallError> {
        let plain = |pair: &&str| pair.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let pairs: BTreeSet<&str> = orders.filter_map(RestOrder::pair).filter(plain).collect();
        for pair in pairs {
            if self.pairs.contains_key(pair) {
                continue;
            }
            let call = format!("AssetPairs?pair={pair}");
            let told = self.kraken.rest.public::<BTreeMap<String, AssetPair>>(&call).await;
            self.pairs.insert(pair.to_owned(), instrument(pair, told)?);
        }
        Ok(())
    }

    fn traded(&self, order: &RestOrder) -> Option<(InstrumentId, Side)> {
        Some((self.pairs.get(order.pair()?)?.clone()?, order.side()?))
    }

    fn terms(&self, order: &RestOrder) -> Option<Terms> {
        let (instrument, side) = self.traded(order)?;
        let (quantity, filled) = (order.vol.quantity()?, order.vol_exec.quantity()?);
        Some(Terms { instrument, side, quantity, filled, limit_price: order.limit_price() })
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

    /// Fills of orders that no listing named: they were open before. Gives those orders.
    async fn name_strangers(
        &self,
        fills: &BTreeMap<String, RestTrade>,
    ) -> Result<BTreeMap<String, RestOrder>, CallError> {
        let mut strangers: Vec<&str> = {
            let desk = self.kraken.desk();
            let of = fills.values().map(|fill| fill.ordertxid.as_str());
            of.filter(|order_id| desk.name(order_id).is_none()).collect()
        };
        strangers.sort_unstable();
        strangers.dedup();
        let mut found = BTreeMap::new();
        for page in strangers.chunks(PAGE) {
            let ids = page.join(",");
            let orders: BTreeMap<String, RestOrder> =
                self.kraken.rest.private("QueryOrders", &[("txid", &ids)]).await?;
            self.name(&orders).await;
            found.extend(orders);
        }
        Ok(found)
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
        let mut external = Externals { all_open: true, ..Externals::default() };
        let (mut orders, mut fills) = (Vec::new(), Vec::new());
        let mut trades: Vec<_> = listed.fills.iter().collect();
        // In the order they happened.
        trades.sort_by_key(|(_, trade)| trade.time);
        for (exec_id, trade) in trades {
            let Some(fill) = unnamed(exec_id, trade) else { continue };
            let order = &fill.order_id;
            let order = listed.orders.get(order).or_else(|| listed.strangers.get(order));
            let traded = order.and_then(|order| self.traded(order));
            if let Some(name) = desk.name(&fill.order_id) {
                fills.push(VenueFill { traded, ..fill.of(name) });
            } else if order.is_some() {
                // Without its order nobody can say that it is not ours.
                let Unnamed { order_id, exec_id, quantity, price, at, .. } = fill;
                let order = ExternalId::new(&order_id);
                external.fills.push(ExternalFill { exec_id, order, quantity, price, at, traded });
            }
        }
        for (order_id, order) in listed.orders {
            let terms = self.terms(&order);
            let state = state(order.status);
            let name = order.cl_ord_id.as_deref().and_then(own);
            if let Some(venue_order_id) = name.or_else(|| desk.name(&order_id)) {
                let (reason, replaced) = (order.reason, false);
                orders.push(VenueOrder { venue_order_id, state, reason, replaced, terms });
            } else {
                let (id, open) = (ExternalId::new(&order_id), state == OrderState::New);
                external.orders.push(ExternalOrder { id, open, terms });
            }
        }
        let (at, rest) = (earlier(begun, DEADLINE_MARGIN), Rest::Nothing { resume: None });
        Page { since, cursor: None, orders, fills, external, at, rest }
    }
}

/// Those of the orders that the fills are of.
fn filled<'a>(
    orders: &'a BTreeMap<String, RestOrder>,
    fills: &'a BTreeMap<String, RestTrade>,
) -> impl Iterator<Item = &'a RestOrder> {
    let ids: BTreeSet<&str> = fills.values().map(|fill| fill.ordertxid.as_str()).collect();
    ids.into_iter().filter_map(|id| orders.get(id))
}

/// What Kraken's answer says of a pair: none of one that it does not have. Anything else is to be asked again.
fn instrument(
    pair: &str,
    told: Result<BTreeMap<String, AssetPair>, CallError>,
) -> Result<Option<InstrumentId>, CallError> {
    match told {
        Ok(told) => Ok(told.values().find_map(|told| symbol::instrument(&told.wsname))),
        Err(CallError::NoResult(no_result)) if is_for_good(&no_result) => {
            tracing::warn!(pair, %no_result, "Kraken does not tell of a pair");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn is_for_good(no_result: &NoResult) -> bool {
    match no_result {
        NoResult::Errors { errors, .. } => errors.iter().any(|error| error.starts_with("EQuery:")),
        // What cannot be read now cannot be read later.
        NoResult::NoAnswer { status, .. } => *status == 200,
    }
}

fn state(status: RestStatus) -> OrderState {
    match status {
        RestStatus::Pending | RestStatus::Open => OrderState::New,
        RestStatus::Closed => OrderState::Filled,
        RestStatus::Canceled => OrderState::Canceled,
        RestStatus::Expired => OrderState::Expired,
    }
}

fn unnamed(exec_id: &str, trade: &RestTrade) -> Option<Unnamed> {
    Some(Unnamed {
        order_id: trade.ordertxid.clone(),
        exec_id: ExecId::new(exec_id).ok()?,
        quantity: trade.vol.quantity().filter(|quantity| !quantity.is_zero())?,
        price: trade.price.price()?,
        at: trade.at()?,
        traded: None,
    })
}

/// The listing of an account that has nothing.
pub(super) fn nothing(since: UnixNanos, at: UnixNanos) -> Page {
    let (orders, fills, rest) = (Vec::new(), Vec::new(), Rest::Nothing { resume: None });
    Page { since, cursor: None, orders, fills, external: Externals::default(), at, rest }
}

fn earlier(at: UnixNanos, by: Duration) -> UnixNanos {
    UnixNanos(at.0.saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
}

/// Seconds with decimals, as REST has times.
fn decimal(at: UnixNanos) -> String {
    format!("{}.{:09}", at.0 / 1_000_000_000, at.0 % 1_000_000_000)
}

#[cfg(test)]
mod tests;
