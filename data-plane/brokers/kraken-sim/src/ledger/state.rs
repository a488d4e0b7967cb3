//! What the ledger's events add up to: every arrival, order, fill and balance there ever was. Decides which event
//! may follow which; it is the same fold while the venue runs and after a restart.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use tradewind_domain::{time::UnixNanos, trading::Side};
use tradewind_sim::engine::OrderKey;
use tradewind_sim::instrument::{Lots, Ticks};

use super::event::{Arrived, End, Event, Fate, Force};
use crate::ids::{self, Of};
use crate::pair::{COST_DECIMALS, Pair};

/// What the account begins with.
const BEGINNING: [(&str, u32); 3] = [("BTC", 100), ("ETH", 1_000), ("USD", 10_000_000)];
/// Fees of the lowest tier, as `AssetPairs` shows them: 0.40 % for a taker, 0.25 % for a maker.
const TAKER_FEE: Decimal = Decimal::from_parts(40, 0, 0, false, 4);
const MAKER_FEE: Decimal = Decimal::from_parts(25, 0, 0, false, 4);

/// An event that cannot follow those before it: a bug, or a ledger of another program.
#[derive(Debug, thiserror::Error)]
pub enum Inconsistent {
    #[error("the ledger names order {0}, which was never placed")]
    NoSuchOrder(u64),
    #[error("execution {found} where {expected} was due")]
    Execution { expected: u64, found: u64 },
    #[error("order {0} has ended, or would be filled beyond its quantity")]
    Ended(u64),
    #[error("order {0} can rest at no price")]
    CannotRest(u64),
    #[error("{0} is no amount of its pair")]
    Amount(u64),
    #[error("no pair is called {0}")]
    NoSuchPair(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Filled,
    Canceled,
    Expired,
}

/// An order that was placed.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) key: OrderKey,
    pub(crate) id: String,
    /// Index of its pair.
    pub(crate) pair: usize,
    pub(crate) side: Side,
    pub(crate) quantity: Lots,
    pub(crate) limit: Option<Ticks>,
    pub(crate) market: bool,
    pub(crate) force: Force,
    pub(crate) post_only: bool,
    pub(crate) cl_ord_id: Option<String>,
    pub(crate) userref: Option<i64>,
    pub(crate) expires: Option<UnixNanos>,
    pub(crate) opened: UnixNanos,
    /// When it was made or last amended.
    pub(crate) touched: UnixNanos,
    pub(crate) closed: Option<UnixNanos>,
    pub(crate) filled: Lots,
    pub(crate) cost: Decimal,
    pub(crate) fee: Decimal,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) fills: Vec<usize>,
    /// Its place in time among all orders: the lower came first.
    pub(crate) queued: u64,
}

impl Order {
    pub(crate) fn left(&self) -> Lots {
        self.quantity.less(self.filled)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.status == Status::Open
    }
}

/// A fill of one order.
#[derive(Clone, Debug)]
pub(crate) struct Fill {
    pub(crate) id: String,
    pub(crate) order: OrderKey,
    pub(crate) trade: u64,
    pub(crate) quantity: Lots,
    pub(crate) price: Ticks,
    pub(crate) cost: Decimal,
    pub(crate) fee: Decimal,
    pub(crate) maker: bool,
    pub(crate) at: UnixNanos,
    /// Balances after it: of the base and of the quote.
    pub(crate) balances: (Decimal, Decimal),
    /// What the order had then.
    pub(crate) order_filled: Lots,
    pub(crate) order_cost: Decimal,
}

/// An order that came, whatever became of it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) order: Arrived,
    pub(crate) at: UnixNanos,
    pub(crate) fate: Fate,
    /// Its id, if it was placed.
    pub(crate) id: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pairs: Vec<Pair>,
    opened: Option<UnixNanos>,
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) orders: Vec<Order>,
    pub(crate) fills: Vec<Fill>,
    pub(crate) balances: BTreeMap<&'static str, Decimal>,
    by_id: BTreeMap<String, OrderKey>,
    pub(crate) open: BTreeSet<OrderKey>,
    amends: u64,
    trades: Vec<u64>,
    queued: u64,
    latest: UnixNanos,
}

impl State {
    pub(crate) fn new(pairs: Vec<Pair>) -> Self {
        let balances = BEGINNING.map(|(asset, amount)| (asset, Decimal::from(amount)));
        Self {
            trades: vec![0; pairs.len()],
            pairs,
            opened: None,
            arrivals: Vec::new(),
            orders: Vec::new(),
            fills: Vec::new(),
            balances: balances.into(),
            by_id: BTreeMap::new(),
            open: BTreeSet::new(),
            amends: 0,
            queued: 0,
            latest: UnixNanos(0),
        }
    }

    pub(crate) fn apply(&mut self, event: &Event) -> Result<(), Inconsistent> {
        match event {
            Event::Opened { at } => {
                self.opened = Some(*at);
                self.latest = self.latest.max(*at);
                Ok(())
            }
            Event::Arrived { order, at, fate } => self.arrive(order, *at, fate),
            Event::Filled { order, exec, trade, quantity, price, maker, at } => {
                let price = ticks(*price)?;
                self.fill(OrderKey(*order), *exec, *trade, Lots(*quantity), price, *maker, *at)
            }
            Event::Amended { order, amend, quantity, limit, requeued, at } => {
                self.amends = amend + 1;
                let limit = limit.map(ticks).transpose()?;
                self.queued += 1;
                let queued = self.queued;
                let order = self.open_mut(OrderKey(*order))?;
                order.quantity = Lots(*quantity);
                order.limit = limit.or(order.limit);
                order.touched = *at;
                if *requeued {
                    order.queued = queued;
                }
                self.latest = self.latest.max(*at);
                Ok(())
            }
            Event::Ended { order, how, reason, at } => {
                let key = OrderKey(*order);
                let order = self.open_mut(key)?;
                order.status = match how {
                    End::Canceled => Status::Canceled,
                    End::Expired => Status::Expired,
                };
                order.reason = Some(reason.clone());
                order.closed = Some(*at);
                self.open.remove(&key);
                self.latest = self.latest.max(*at);
                Ok(())
            }
        }
    }

    fn arrive(&mut self, order: &Arrived, at: UnixNanos, fate: &Fate) -> Result<(), Inconsistent> {
        self.latest = self.latest.max(at);
        let id = match fate {
            Fate::Placed => Some(self.place(order, at)?),
            Fate::Validated | Fate::Refused(_) => None,
        };
        self.arrivals.push(Arrival { order: order.clone(), at, fate: fate.clone(), id });
        Ok(())
    }

    fn place(&mut self, order: &Arrived, at: UnixNanos) -> Result<String, Inconsistent> {
        let pair = self.pairs.iter().position(|pair| pair.symbol == order.symbol);
        let pair = pair.ok_or_else(|| Inconsistent::NoSuchPair(order.symbol.clone()))?;
        let key = self.next_key();
        let id = self.id(Of::Order, key.0);
        self.queued += 1;
        self.orders.push(Order {
            key,
            id: id.clone(),
            pair,
            side: order.side,
            quantity: Lots(order.quantity.ok_or(Inconsistent::Amount(key.0))?),
            limit: order.limit.map(ticks).transpose()?,
            market: order.market,
            force: order.time_in_force,
            post_only: order.post_only,
            cl_ord_id: order.cl_ord_id.clone(),
            userref: order.userref,
            expires: order.expires,
            opened: at,
            touched: at,
            closed: None,
            filled: Lots::ZERO,
            cost: Decimal::ZERO,
            fee: Decimal::ZERO,
            status: Status::Open,
            reason: None,
            fills: Vec::new(),
            queued: self.queued,
        });
        self.open.insert(key);
        self.by_id.insert(id.clone(), key);
        Ok(id)
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of the one event")]
    fn fill(
        &mut self,
        key: OrderKey,
        exec: u64,
        trade: u64,
        quantity: Lots,
        price: Ticks,
        maker: bool,
        at: UnixNanos,
    ) -> Result<(), Inconsistent> {
        let expected = self.next_exec();
        if exec != expected {
            return Err(Inconsistent::Execution { expected, found: exec });
        }
        let (id, index) = (self.id(Of::Execution, exec), self.fills.len());
        let order = self.entry(key).ok_or(Inconsistent::NoSuchOrder(key.0))?;
        let (pair, side) = (order.pair, order.side);
        let at_pair = &self.pairs[pair];
        let (base, quote) = (at_pair.base, at_pair.quote);
        let amount = at_pair.instrument.quantity(quantity).decimal();
        let cost = (at_pair.instrument.price(price).decimal() * amount).round_dp(COST_DECIMALS);
        let rate = if maker { MAKER_FEE } else { TAKER_FEE };
        let fee = (cost * rate).round_dp(COST_DECIMALS);
        let (more, less) = match side {
            Side::Buy => (amount, -cost - fee),
            Side::Sell => (-amount, cost - fee),
        };
        *self.balances.entry(base).or_default() += more;
        *self.balances.entry(quote).or_default() += less;
        let balances = (self.balance(base), self.balance(quote));
        let order = self.open_mut(key)?;
        if quantity > order.left() {
            return Err(Inconsistent::Ended(key.0));
        }
        order.filled = order.filled.plus(quantity);
        order.cost += cost;
        order.fee += fee;
        order.fills.push(index);
        let (order_filled, order_cost) = (order.filled, order.cost);
        if order.left().is_zero() {
            order.status = Status::Filled;
            order.closed = Some(at);
            self.open.remove(&key);
        }
        self.trades[pair] = self.trades[pair].max(trade);
        self.latest = self.latest.max(at);
        self.fills.push(Fill {
            id,
            order: key,
            trade,
            quantity,
            price,
            cost,
            fee,
            maker,
            at,
            balances,
            order_filled,
            order_cost,
        });
        Ok(())
    }

    fn open_mut(&mut self, key: OrderKey) -> Result<&mut Order, Inconsistent> {
        let index = usize::try_from(key.0).map_err(|_| Inconsistent::NoSuchOrder(key.0))?;
        let order = self.orders.get_mut(index).ok_or(Inconsistent::NoSuchOrder(key.0))?;
        if order.is_open() { Ok(order) } else { Err(Inconsistent::Ended(key.0)) }
    }
}

fn ticks(number: u64) -> Result<Ticks, Inconsistent> {
    number.try_into().map(Ticks).map_err(|_| Inconsistent::Amount(number))
}

/// What is asked of it.
impl State {
    pub(crate) fn is_opened(&self) -> bool {
        self.opened.is_some()
    }

    /// The latest time in the ledger: the venue's clock does not fall behind it.
    pub(crate) fn latest(&self) -> UnixNanos {
        self.latest
    }

    pub(crate) fn id(&self, of: Of, number: u64) -> String {
        ids::id(of, number, self.opened.unwrap_or_default())
    }

    pub(crate) fn next_key(&self) -> OrderKey {
        OrderKey(self.orders.len() as u64)
    }

    pub(crate) fn next_exec(&self) -> u64 {
        self.fills.len() as u64
    }

    pub(crate) fn next_amend(&self) -> u64 {
        self.amends
    }

    pub(crate) fn next_trade(&self, pair: usize) -> u64 {
        self.trades[pair] + 1
    }

    pub(crate) fn entry(&self, key: OrderKey) -> Option<&Order> {
        self.orders.get(usize::try_from(key.0).ok()?)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Order> {
        self.by_id.get(id).and_then(|key| self.entry(*key))
    }

    /// Open orders, the first to come first.
    pub(crate) fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.open.iter().filter_map(|key| self.entry(*key))
    }

    pub(crate) fn balance(&self, asset: &str) -> Decimal {
        self.balances.get(asset).copied().unwrap_or_default()
    }

    /// What open orders hold of an asset.
    pub(crate) fn held(&self, asset: &str) -> Decimal {
        let held = |order: &Order| {
            let pair = &self.pairs[order.pair];
            let left = pair.instrument.quantity(order.left()).decimal();
            match (order.side, order.limit) {
                (Side::Sell, _) if pair.base == asset => left,
                (Side::Buy, Some(limit)) if pair.quote == asset => {
                    left * pair.instrument.price(limit).decimal()
                }
                _ => Decimal::ZERO,
            }
        };
        self.open_orders().map(held).sum()
    }
}
