//! The ledger: all orders and fills of an account, as its records make them. Decides what a record may
//! do and numbers the private streams; who may ask is `rules`, what is on disk `record`, telling `stream`.
//!
//! G1 the state is a function of the records alone: live and at a restart the same [`Ledger::apply`] runs.
//! G2 a customer's numbers rise by one over both channels, each in the record that makes its event. G3 fills are a set.

pub mod exposures;
pub mod external;
mod listing;
pub mod record;
pub mod replaces;
pub mod rules;
mod stand;
pub mod stream;

use exposures::Exposures;
use external::External;
use record::{Filled, Intent, Number, OrderRecord, Part, Record};
use replaces::Replaces;
use stand::Customer;
pub use stand::Stand;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tradewind_domain::{
    ids::{
        AccountId, ClusterIncarnation, CustomerId, Epoch, ExecId, Fence, Scope, StreamEpoch,
        TraderId, VenueOrderId,
    },
    time::UnixNanos,
    trading::{
        Order, OrderState,
        presence::{Marks, SessionKey},
        risk::word::Word,
    },
};
use tradewind_protocol::{token::TraderClaim, trade::PrivateChannel};

/// An order and what only its Broker needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub order: Order,
    /// The venue refuses it later.
    pub deadline: UnixNanos,
    pub trader: Option<TraderClaim>,
    /// The cancel is repeated until the order's end is known.
    pub cancel_asked: bool,
    /// Of most orders there are none.
    pub replaces: Option<Box<Replaces>>,
    /// In which it was submitted, of one that is canceled when that is gone.
    pub session: Option<SessionKey>,
    /// Its place among its customer's orders.
    place: usize,
}

/// A record that does not follow from those before it: written by a faulty program, or the log was
/// changed. Needs an operator; the ledger is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("it begins with another record than its opening, or is opened twice")]
    Opening,
    #[error("it is the ledger of account {found}, not of {expected}")]
    OtherAccount { expected: AccountId, found: AccountId },
    #[error("number {found:?} stands where {expected:?} follows")]
    Number { expected: Number, found: Number },
    #[error("order {0} is not known, or known twice")]
    Order(VenueOrderId),
    #[error("order {order} changes against the rules of its life: {why}")]
    Change { order: VenueOrderId, why: String },
    #[error("execution {0} is there twice")]
    Execution(ExecId),
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    account: AccountId,
    stream_epoch: StreamEpoch,
    opened_at: UnixNanos,
    orders: HashMap<VenueOrderId, Entry>,
    /// The order that each replace was asked for, by the id it has or would have had at the venue.
    later_ids: HashMap<VenueOrderId, VenueOrderId>,
    /// Orders that have not ended.
    open: BTreeSet<VenueOrderId>,
    /// Those of them whose outcome is not known.
    unknown: BTreeSet<VenueOrderId>,
    /// Those of them of which a replace has begun.
    replacing: BTreeSet<VenueOrderId>,
    /// Those of them that must only make a position smaller.
    reducing: BTreeSet<VenueOrderId>,
    /// Those of them that are canceled when their session is gone.
    marks: Marks,
    /// Orders of which the venue has filled more than was ordered.
    overfilled: BTreeSet<VenueOrderId>,
    customers: BTreeMap<CustomerId, Customer>,
    executions: HashSet<ExecId>,
    exposures: Exposures,
    external: External,
    /// What was tightened here.
    tightened: BTreeMap<Scope, Word>,
    /// When all open orders of a customer are canceled.
    cancel_all: BTreeMap<CustomerId, UnixNanos>,
    traders: BTreeMap<(CustomerId, TraderId), Epoch>,
    highest: Fence,
    swept_to: Option<UnixNanos>,
}

impl Ledger {
    /// A ledger as its first record opens it.
    pub fn opened(account: &AccountId, first: &Record) -> Result<Self, Broken> {
        let Record::Opened { account: found, stream_epoch, at } = first else {
            return Err(Broken::Opening);
        };
        if found != account {
            return Err(Broken::OtherAccount { expected: account.clone(), found: found.clone() });
        }
        Ok(Self {
            account: account.clone(),
            stream_epoch: stream_epoch.clone(),
            opened_at: *at,
            orders: HashMap::new(),
            later_ids: HashMap::new(),
            open: BTreeSet::new(),
            unknown: BTreeSet::new(),
            replacing: BTreeSet::new(),
            reducing: BTreeSet::new(),
            overfilled: BTreeSet::new(),
            marks: Marks::default(),
            customers: BTreeMap::new(),
            executions: HashSet::new(),
            exposures: Exposures::default(),
            external: External::default(),
            tightened: BTreeMap::new(),
            cancel_all: BTreeMap::new(),
            traders: BTreeMap::new(),
            highest: Fence::default(),
            swept_to: None,
        })
    }

    #[must_use]
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    #[must_use]
    pub fn stream_epoch(&self) -> &StreamEpoch {
        &self.stream_epoch
    }

    #[must_use]
    pub fn entry(&self, order: &VenueOrderId) -> Option<&Entry> {
        self.orders.get(order)
    }

    #[must_use]
    pub fn stand(&self, customer: &CustomerId) -> Stand {
        self.customers.get(customer).map(|c| c.stand).unwrap_or_default()
    }

    #[must_use]
    pub fn knows_execution(&self, execution: &ExecId) -> bool {
        self.executions.contains(execution)
    }

    /// The highest epoch of a Trader that was seen.
    #[must_use]
    pub fn trader_epoch(&self, customer: &CustomerId, trader: &TraderId) -> Option<Epoch> {
        self.traders.get(&(customer.clone(), trader.clone())).copied()
    }

    /// The highest right to the account that was seen.
    #[must_use]
    pub fn highest(&self) -> Fence {
        self.highest
    }

    /// Up to which moment of the venue's clock everything is known; the ledger's opening at first.
    #[must_use]
    pub fn swept_to(&self) -> UnixNanos {
        self.swept_to.unwrap_or(self.opened_at)
    }

    /// Whether a complete sweep stands in it.
    #[must_use]
    pub fn was_swept(&self) -> bool {
        self.swept_to.is_some()
    }

    /// The number that the customer's next event on that channel gets.
    pub(crate) fn next_number(&self, customer: &CustomerId, channel: PrivateChannel) -> Number {
        self.stand(customer).next(channel)
    }

    #[must_use]
    pub fn exposures(&self) -> &Exposures {
        &self.exposures
    }

    /// What was tightened here of a scope, if anything was.
    #[must_use]
    pub fn tightened(&self, scope: &Scope) -> Option<Word> {
        self.tightened.get(scope).copied()
    }

    /// When all open orders of that customer are canceled, if they are.
    #[must_use]
    pub fn cancel_all_at(&self, customer: &CustomerId) -> Option<UnixNanos> {
        self.cancel_all.get(customer).copied()
    }

    /// The same of all customers.
    pub fn cancel_timers(&self) -> impl Iterator<Item = (&CustomerId, UnixNanos)> {
        self.cancel_all.iter().map(|(customer, at)| (customer, *at))
    }

    /// Takes one record into the state. An error leaves the state unusable.
    pub fn apply(&mut self, record: &Record) -> Result<(), Broken> {
        match record {
            Record::Opened { .. } => Err(Broken::Opening),
            Record::Fenced { cluster, epoch } => {
                let cluster = ClusterIncarnation(*cluster);
                if cluster != self.highest.cluster {
                    // A later life of the cluster gives its Traders epochs anew.
                    self.traders.clear();
                }
                self.highest = Fence { cluster, epoch: Epoch(*epoch) };
                Ok(())
            }
            Record::TraderSeen { customer, trader, epoch } => {
                self.traders.insert((customer.clone(), trader.clone()), Epoch(*epoch));
                Ok(())
            }
            Record::Intent(intent) => self.take_intent(intent, &[]),
            Record::IntentWith { intent, parts } => self.take_intent(intent, parts),
            Record::Changed { number, order } => self.take_change(*number, order, &[]),
            Record::ChangedWith { number, order, parts } => self.take_change(*number, order, parts),
            Record::Filled(filled) => self.take_fill(filled, &[]),
            Record::FilledWith { filled, parts } => self.take_fill(filled, parts),
            Record::ReplaceAsked(asked) => self.take_replace(asked),
            Record::Replaced { number, order, parts } => self.take_replaced(*number, order, parts),
            Record::NotReplaced { number, order, parts } => {
                self.take_not_replaced(*number, order, parts)
            }
            Record::CancelAsked { order, .. } => {
                let entry = self.orders.get_mut(order).ok_or(Broken::Order(*order))?;
                entry.cancel_asked = true;
                Ok(())
            }
            Record::Swept { to } => {
                self.swept_to = Some(*to);
                Ok(())
            }
            Record::ExternalSeen { order, at } => {
                self.take_external(order, *at);
                Ok(())
            }
            Record::ExternalFilled(fill) => self.take_external_fill(fill),
            // What counts is decided beside the ledger, in `copies`.
            Record::CopyJoins { .. } => Ok(()),
            Record::CancelAllAfter { customer, at } => {
                match at {
                    Some(at) => self.cancel_all.insert(customer.clone(), *at),
                    None => self.cancel_all.remove(customer),
                };
                Ok(())
            }
            Record::Tightened { scope, state, version, .. } => {
                let word = Word { state: (*state).into(), version: *version };
                self.tightened.insert(scope.clone(), word);
                Ok(())
            }
        }
    }

    fn take_intent(&mut self, intent: &Intent, parts: &[Part]) -> Result<(), Broken> {
        let order = intent.order.order(&self.account, parts);
        let id = order.order_id.venue_order_id;
        let own = VenueOrderId::of(&self.account, &order.customer, &order.client_order_id);
        if id != own || self.entry_at(&id).is_some() {
            return Err(Broken::Order(id));
        }
        let customer = self.customers.entry(order.customer.clone()).or_default();
        customer.stand.take(PrivateChannel::Orders, intent.number)?;
        let place = customer.orders.len();
        customer.orders.push(id);
        customer.open.insert(place);
        self.open.insert(id);
        mark(&mut self.reducing, id, order.conditions.reduce_only);
        let trader = intent.trader.clone();
        let trader = trader.map(|trader| TraderClaim { trader, epoch: Epoch(intent.trader_epoch) });
        self.exposures.stands(trader.as_ref(), None, &order);
        let session = parts.iter().find_map(Part::session);
        let session = session.map(|session| SessionKey {
            customer: order.customer.clone(),
            session: session.clone(),
        });
        if let (Some(session), Some(away)) = (&session, order.cancel_on_disconnect) {
            self.marks.mark(session.clone(), id, away.after());
        }
        let deadline = intent.deadline;
        let (cancel_asked, replaces) = (false, None);
        let entry = Entry { order, deadline, trader, cancel_asked, replaces, session, place };
        self.orders.insert(id, entry);
        Ok(())
    }

    fn take_change(
        &mut self,
        number: Number,
        record: &OrderRecord,
        parts: &[Part],
    ) -> Result<(), Broken> {
        let next = record.order(&self.account, parts);
        let id = record.venue_order_id;
        let entry = self.orders.get(&id).ok_or(Broken::Order(id))?;
        let legal = entry
            .order
            .become_state(next.state, next.reason.clone(), next.updated_at)
            .map_err(|illegal| Broken::Change { order: id, why: illegal.to_string() })?;
        if legal.as_ref() != Some(&next) {
            let why = "more than its state changes".to_string();
            return Err(Broken::Change { order: id, why });
        }
        self.put(number, next)
    }

    fn take_fill(&mut self, filled: &Filled, parts: &[Part]) -> Result<(), Broken> {
        let id = filled.order.venue_order_id;
        let entry = self.orders.get(&id).ok_or(Broken::Order(id))?;
        if !self.executions.insert(filled.exec_id.clone()) {
            return Err(Broken::Execution(filled.exec_id.clone()));
        }
        let next = entry
            .order
            .filled_by(&filled.fill(&self.account))
            .map_err(|illegal| Broken::Change { order: id, why: illegal.to_string() })?;
        if next != filled.order.order(&self.account, parts) {
            let why = "its fill makes another order of it".to_string();
            return Err(Broken::Change { order: id, why });
        }
        self.exposures.filled(entry.trader.as_ref(), &next, filled.quantity);
        let customer = self.customers.entry(next.customer.clone()).or_default();
        customer.stand.take(PrivateChannel::Fills, filled.fill_number)?;
        self.put(filled.order_number, next)
    }

    fn put(&mut self, number: Number, next: Order) -> Result<(), Broken> {
        let id = next.order_id.venue_order_id;
        let customer = self.customers.entry(next.customer.clone()).or_default();
        customer.stand.take(PrivateChannel::Orders, number)?;
        let open = !next.state.is_terminal();
        let place = self.orders.get(&id).ok_or(Broken::Order(id))?.place;
        mark(&mut customer.open, place, open);
        mark(&mut self.open, id, open);
        mark(&mut self.reducing, id, open && next.conditions.reduce_only);
        mark(&mut self.overfilled, id, next.is_overfilled());
        mark(&mut self.unknown, id, next.state == OrderState::Unknown);
        mark(&mut self.replacing, id, next.replacement.is_some());
        let entry = self.orders.get_mut(&id).ok_or(Broken::Order(id))?;
        match (&entry.session, next.cancel_on_disconnect) {
            // Also one that a late fill has opened again.
            (Some(session), Some(away)) if open => {
                self.marks.mark(session.clone(), id, away.after());
            }
            (Some(session), _) => self.marks.unmark(session, &id),
            (None, _) => {}
        }
        self.exposures.stands(entry.trader.as_ref(), Some(&entry.order), &next);
        entry.order = next;
        Ok(())
    }
}

fn mark<T: Ord>(set: &mut BTreeSet<T>, one: T, is_in: bool) {
    if is_in {
        set.insert(one);
    } else {
        set.remove(&one);
    }
}

#[cfg(test)]
mod tests;
