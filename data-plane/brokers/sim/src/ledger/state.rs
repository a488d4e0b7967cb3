//! What the ledger's events add up to: every arrival, order and fill there ever was. Decides which event may
//! follow which; it is the same fold while the venue runs and after a restart.
//!
//! Changes of an account are numbered. A sweep lists them by number, an order only at its last change: so
//! what changes while a client pages is listed again further on, and nothing is ever missed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tradewind_domain::{
    ids::{AccountId, ExecId, VenueOrderId},
    money::{InvalidAmount, Notional, Price, Quantity},
    time::UnixNanos,
    trading::Conditions,
};

use super::event::{Arrived, Event, Fate};
use crate::engine::OrderKey;
use crate::limits::PAGE_ITEMS;
use crate::wire::{
    Arrival, ArrivalOutcome, LedgerPage, Page, RefusalCode, VenueFill, VenueOrder, VenueOrderState,
};

/// An event that cannot follow those before it: a bug, or a ledger of another program.
#[derive(Debug, thiserror::Error)]
pub enum Inconsistent {
    #[error("the ledger names order {0}, which never arrived")]
    NoSuchOrder(u64),
    #[error("execution {found} where {expected} was due")]
    Execution { expected: u64, found: u64 },
    #[error("order {0} has ended, or would be filled beyond its quantity")]
    Ended(u64),
    #[error("order {0} is triggered and does not wait")]
    Triggered(u64),
    #[error("order {0} is open and can rest at no price")]
    CannotRest(u64),
    #[error("the ledger has no beginning")]
    NotOpened,
    #[error(transparent)]
    Amount(#[from] InvalidAmount),
}

/// An order and whose it is.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    pub(crate) order: VenueOrder,
    /// Number of its last change.
    changed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Order(OrderKey),
    Fill(usize),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct State {
    opened: Option<UnixNanos>,
    arrivals: Vec<Arrival>,
    orders: Vec<Entry>,
    by_id: HashMap<(AccountId, VenueOrderId), OrderKey>,
    open: BTreeSet<OrderKey>,
    fills: Vec<(AccountId, VenueFill)>,
    changes: HashMap<AccountId, BTreeMap<u64, Change>>,
    /// When each change was, the one numbered 1 first. Never falls.
    times: Vec<UnixNanos>,
    latest: UnixNanos,
}

impl State {
    pub(crate) fn apply(&mut self, event: &Event) -> Result<(), Inconsistent> {
        match event {
            Event::Opened { at } => {
                self.opened = Some(*at);
                self.latest = self.latest.max(*at);
            }
            Event::Arrived { account, order, at, fate } => {
                self.arrive((account, order, Conditions::NONE), *at, fate);
            }
            Event::ArrivedWith { account, order, conditions, at, fate } => {
                self.arrive((account, order, (*conditions).into()), *at, fate);
            }
            Event::Filled { order, exec, quantity, price, at } => {
                self.fill((OrderKey(*order), *exec), *quantity, *price, None, *at)?;
            }
            Event::FilledWithFee { order, exec, quantity, price, fee, at } => {
                self.fill((OrderKey(*order), *exec), *quantity, *price, Some(*fee), *at)?;
            }
            Event::Canceled { order, cause, at } => {
                let reason = cause.as_str();
                self.end(OrderKey(*order), VenueOrderState::Canceled, reason, *at)?;
            }
            Event::Expired { order, at } => {
                let state = VenueOrderState::Expired;
                self.end(OrderKey(*order), state, "its time is over", *at)?;
            }
            Event::Triggered { order, at } => self.trigger(OrderKey(*order), *at)?,
            Event::CancelRefused { at, .. } => self.latest = self.latest.max(*at),
            Event::Replaced { order, by, at } => self.replace(OrderKey(*order), by, *at)?,
            Event::ReplaceRefused { account, by, sent_at, code, at } => {
                let outcome = match code {
                    RefusalCode::Duplicate => ArrivalOutcome::Duplicate,
                    code => ArrivalOutcome::Refused(*code),
                };
                self.arrived(account, *by, *sent_at, *at, outcome);
            }
        }
        Ok(())
    }

    fn end(
        &mut self,
        key: OrderKey,
        state: VenueOrderState,
        reason: &str,
        at: UnixNanos,
    ) -> Result<(), Inconsistent> {
        if !self.open.remove(&key) {
            return Err(Inconsistent::Ended(key.0));
        }
        let entry = self.entry_mut(key)?;
        entry.order.state = state;
        entry.order.reason = Some(reason.to_owned());
        self.order_changed(key, at)
    }

    fn trigger(&mut self, key: OrderKey, at: UnixNanos) -> Result<(), Inconsistent> {
        let entry = self.entry_mut(key)?;
        if entry.order.state.is_terminal() || !entry.order.waits() {
            return Err(Inconsistent::Triggered(key.0));
        }
        entry.order.triggered_at = Some(at);
        self.order_changed(key, at)
    }

    fn arrive(
        &mut self,
        (account, order, conditions): (&AccountId, &Arrived, Conditions),
        at: UnixNanos,
        fate: &Fate,
    ) {
        let (outcome, state, reason) = match fate {
            Fate::Placed => (ArrivalOutcome::Placed, Some(VenueOrderState::New), None),
            Fate::Duplicate => (ArrivalOutcome::Duplicate, None, None),
            Fate::Refused { code, reason } => {
                let state = Some(VenueOrderState::Rejected);
                (ArrivalOutcome::Refused(*code), state, Some(reason.clone()))
            }
        };
        self.arrived(account, order.venue_order_id, order.sent_at, at, outcome);
        if let Some(state) = state {
            let order = arrived(order, conditions, state, at);
            self.add(account, VenueOrder { reason, ..order });
        }
    }

    fn arrived(
        &mut self,
        account: &AccountId,
        venue_order_id: VenueOrderId,
        sent_at: UnixNanos,
        arrived_at: UnixNanos,
        outcome: ArrivalOutcome,
    ) {
        let account = account.clone();
        self.arrivals.push(Arrival { account, venue_order_id, sent_at, arrived_at, outcome });
        self.latest = self.latest.max(arrived_at);
    }

    fn replace(
        &mut self,
        former: OrderKey,
        by: &Arrived,
        at: UnixNanos,
    ) -> Result<(), Inconsistent> {
        if !self.open.remove(&former) {
            return Err(Inconsistent::Ended(former.0));
        }
        let entry = self.entry_mut(former)?;
        entry.order.state = VenueOrderState::Replaced;
        let (account, replaces) = (entry.account.clone(), entry.order.venue_order_id);
        let conditions = entry.order.conditions;
        self.order_changed(former, at)?;
        self.arrived(&account, by.venue_order_id, by.sent_at, at, ArrivalOutcome::Placed);
        let order = arrived(by, conditions, VenueOrderState::New, at);
        self.add(&account, VenueOrder { replaces: Some(replaces), ..order });
        Ok(())
    }

    fn add(&mut self, account: &AccountId, order: VenueOrder) {
        let key = OrderKey(self.orders.len() as u64);
        if !order.state.is_terminal() {
            self.open.insert(key);
        }
        self.by_id.insert((account.clone(), order.venue_order_id), key);
        let changed = self.change(account.clone(), Change::Order(key), order.time);
        self.orders.push(Entry { account: account.clone(), order, changed });
    }

    fn fill(
        &mut self,
        (key, exec): (OrderKey, u64),
        quantity: Quantity,
        price: Price,
        fee: Option<Notional>,
        at: UnixNanos,
    ) -> Result<(), Inconsistent> {
        let expected = self.next_exec();
        if exec != expected {
            return Err(Inconsistent::Execution { expected, found: exec });
        }
        let exec_id = self.exec_id(exec)?;
        let entry = self.entry_mut(key)?;
        let filled = entry.order.filled.checked_add(quantity)?;
        if entry.order.state.is_terminal() || filled > entry.order.quantity {
            return Err(Inconsistent::Ended(key.0));
        }
        let whole = filled == entry.order.quantity;
        entry.order.filled = filled;
        entry.order.state =
            if whole { VenueOrderState::Filled } else { VenueOrderState::PartiallyFilled };
        let account = entry.account.clone();
        let fill = VenueFill {
            exec_id,
            venue_order_id: entry.order.venue_order_id,
            instrument: entry.order.instrument.clone(),
            side: entry.order.side,
            quantity,
            price,
            time: at,
            fee,
        };
        if whole {
            self.open.remove(&key);
        }
        self.fills.push((account.clone(), fill));
        self.change(account, Change::Fill(self.fills.len() - 1), at);
        self.order_changed(key, at)
    }

    fn order_changed(&mut self, key: OrderKey, at: UnixNanos) -> Result<(), Inconsistent> {
        let entry = self.entry_mut(key)?;
        entry.order.time = at;
        let (account, before) = (entry.account.clone(), entry.changed);
        if let Some(changes) = self.changes.get_mut(&account) {
            changes.remove(&before);
        }
        let changed = self.change(account, Change::Order(key), at);
        self.entry_mut(key)?.changed = changed;
        Ok(())
    }

    /// Numbers a change.
    fn change(&mut self, account: AccountId, change: Change, at: UnixNanos) -> u64 {
        self.latest = self.latest.max(at);
        self.times.push(self.latest);
        let number = self.times.len() as u64;
        self.changes.entry(account).or_default().insert(number, change);
        number
    }

    fn entry_mut(&mut self, key: OrderKey) -> Result<&mut Entry, Inconsistent> {
        let index = usize::try_from(key.0).map_err(|_| Inconsistent::NoSuchOrder(key.0))?;
        self.orders.get_mut(index).ok_or(Inconsistent::NoSuchOrder(key.0))
    }

    /// Names of executions never come again: not after a restart, since each is counted in the ledger, and
    /// not in a ledger made later, since that began at another time.
    fn exec_id(&self, exec: u64) -> Result<ExecId, Inconsistent> {
        let opened = self.opened.ok_or(Inconsistent::NotOpened)?;
        Ok(ExecId::new(&format!("{:x}-{exec}", opened.0)).expect("digits and a hyphen"))
    }
}

fn arrived(
    order: &Arrived,
    conditions: Conditions,
    state: VenueOrderState,
    at: UnixNanos,
) -> VenueOrder {
    VenueOrder {
        venue_order_id: order.venue_order_id,
        instrument: order.instrument.clone(),
        side: order.side,
        order_type: order.order_type,
        quantity: order.quantity,
        limit_price: order.limit_price,
        time_in_force: order.time_in_force,
        conditions,
        state,
        filled: Quantity::ZERO,
        reason: None,
        time: at,
        replaces: None,
        triggered_at: None,
    }
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

    /// The number of the next fill.
    pub(crate) fn next_exec(&self) -> u64 {
        self.fills.len() as u64 + 1
    }

    /// The order that arrived first under this id, refused ones included.
    pub(crate) fn find(&self, account: &AccountId, id: VenueOrderId) -> Option<(OrderKey, &Entry)> {
        let key = *self.by_id.get(&(account.clone(), id))?;
        self.entry(key).map(|entry| (key, entry))
    }

    pub(crate) fn entry(&self, key: OrderKey) -> Option<&Entry> {
        self.orders.get(usize::try_from(key.0).ok()?)
    }

    /// The key that the next order to arrive will have.
    pub(crate) fn next_key(&self) -> OrderKey {
        OrderKey(self.orders.len() as u64)
    }

    /// What is filled of an order and of those in whose place it came.
    pub(crate) fn filled_in_all(&self, order: &Entry) -> Result<Quantity, InvalidAmount> {
        let mut sum = order.order.filled;
        let mut before = order.order.replaces;
        while let Some((_, former)) = before.and_then(|id| self.find(&order.account, id)) {
            sum = sum.checked_add(former.order.filled)?;
            before = former.order.replaces;
        }
        Ok(sum)
    }

    pub(crate) fn last_fill(&self) -> Option<&VenueFill> {
        self.fills.last().map(|(_, fill)| fill)
    }

    /// Every fill there ever was, in order, with whose it is.
    pub(crate) fn fills(&self) -> impl Iterator<Item = (&AccountId, &VenueFill)> {
        self.fills.iter().map(|(account, fill)| (account, fill))
    }

    /// Orders that have not ended, in the order they came.
    pub(crate) fn open_orders(&self) -> impl Iterator<Item = (OrderKey, &Entry)> {
        self.open.iter().filter_map(|key| self.entry(*key).map(|entry| (*key, entry)))
    }

    /// A page of what changed for the account at or after `since`; with a cursor, of what changed after it.
    pub(crate) fn sweep(&self, account: &AccountId, since: UnixNanos, cursor: Option<u64>) -> Page {
        let after = cursor.unwrap_or_else(|| self.times.partition_point(|at| *at < since) as u64);
        let mut page = Page { orders: Vec::new(), fills: Vec::new(), next: after, complete: true };
        let Some(changes) = self.changes.get(account) else { return page };
        let beyond = (core::ops::Bound::Excluded(after), core::ops::Bound::Unbounded);
        for (place, (number, change)) in changes.range(beyond).enumerate() {
            if place == PAGE_ITEMS {
                page.complete = false;
                break;
            }
            match change {
                Change::Order(key) => {
                    page.orders.extend(self.entry(*key).map(|entry| entry.order.clone()));
                }
                Change::Fill(index) => page.fills.push(self.fills[*index].1.clone()),
            }
            page.next = *number;
        }
        page
    }

    /// Everything, of one account or of all.
    pub(crate) fn page(&self, account: Option<&AccountId>, time: UnixNanos) -> LedgerPage {
        let wanted = |of: &AccountId| account.is_none_or(|account| account == of);
        let orders = self.orders.iter().filter(|entry| wanted(&entry.account));
        let fills = self.fills.iter().filter(|(of, _)| wanted(of));
        LedgerPage {
            time,
            arrivals: self.arrivals.iter().filter(|a| wanted(&a.account)).cloned().collect(),
            orders: orders.map(|entry| entry.order.clone()).collect(),
            fills: fills.map(|(_, fill)| fill.clone()).collect(),
        }
    }
}
