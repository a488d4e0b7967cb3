//! Orders that somebody holds a handle of: of each the latest that is known, however many handles there are. Decides what is
//! newer and when waiting for a state is over; what is told comes from the session's one stream of an account's orders, and
//! from answers. No more is kept than there are handles.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tradewind_protocol::{
    domain::{
        ids::{AccountId, ClientOrderId, StreamEpoch},
        trading::{Order, OrderState},
    },
    stream::Topic,
};

/// What is known of an order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// None while it is not known whether it was placed.
    pub(crate) order: Option<Order>,
    /// The states it was seen in, each once.
    been: Vec<OrderState>,
    /// So often changes of it may have been missed.
    pub(crate) gaps: u64,
    /// So many gaps were there before it was asked for.
    gaps_closed: u64,
    /// So many there were when it was learned as it is held.
    learned: u64,
    /// So many there were when its ledger was last seen to be built anew: versions begin anew there.
    anew: u64,
}

impl Known {
    /// The stream has told it. Returns whether it is news.
    fn told(&mut self, order: &Order) -> bool {
        self.learn(order, self.gaps)
    }

    /// It was so when there were so many gaps, or later. Returns whether it is news.
    fn learn(&mut self, order: &Order, gaps: u64) -> bool {
        let is_news = match &self.order {
            None => true,
            // Another account's, under the same id.
            Some(held) if held.order_id != order.order_id => false,
            // Versions are one ledger's, and nothing follows an end, whichever ledger has it.
            Some(held) => {
                let [has_ended, ends] = [held, order].map(|order| order.state.is_terminal());
                let [was, is] = [self.learned, gaps].map(|gaps| gaps >= self.anew);
                let is_later =
                    if was == is { order.version > held.version } else { is && !has_ended };
                is_later || ends && !has_ended
            }
        };
        if is_news {
            if !self.been.contains(&order.state) {
                self.been.push(order.state);
            }
            (self.order, self.learned) = (Some(order.clone()), gaps);
        }
        is_news
    }

    /// Whoever was asked has answered with it: it is this one and no other of its name. When it was asked for there were so
    /// many gaps. Returns whether it is news.
    fn answered(&mut self, order: &Order, gaps: u64) -> bool {
        if self.order.as_ref().is_some_and(|held| held.order_id != order.order_id) {
            (self.order, self.been) = (None, Vec::new());
        }
        let closes = gaps > self.gaps_closed;
        self.gaps_closed = self.gaps_closed.max(gaps);
        self.learn(order, gaps) || closes
    }

    /// Whether it has to be asked for.
    pub(crate) fn is_doubted(&self) -> bool {
        self.order.is_none() || self.gaps > self.gaps_closed
    }

    /// Whether waiting for this state is over: it was in it, or it has gone past it.
    pub(crate) fn is_over(&self, wanted: OrderState) -> bool {
        let past = self.order.as_ref().is_some_and(|order| is_past(order, wanted));
        past || self.been.contains(&wanted)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.order.as_ref().is_some_and(|order| order.state.is_terminal())
    }
}

fn is_past(order: &Order, wanted: OrderState) -> bool {
    use OrderState as S;
    if order.state.is_terminal() {
        return true;
    }
    let has_fills = !order.filled_quantity.is_zero();
    match wanted {
        // Without being durable it would not be known.
        S::Accepted => true,
        S::PendingNew => order.state != S::Accepted,
        // What fills, or is replaced, is at the venue. What is to be canceled, or is not known, need not be.
        S::New => has_fills || matches!(order.state, S::PartiallyFilled | S::PendingReplace),
        S::PartiallyFilled => has_fills,
        // These come and go as long as it lives, and of the ends only one comes.
        S::PendingCancel
        | S::PendingReplace
        | S::Unknown
        | S::Filled
        | S::Canceled
        | S::Rejected
        | S::Expired => false,
    }
}

/// The algo's name for it, and the account if that was named.
type Name = (ClientOrderId, Option<AccountId>);

#[derive(Debug)]
struct Entry {
    known: watch::Sender<Known>,
    /// Watchers of it.
    held: usize,
}

/// All of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracked(Arc<Mutex<BTreeMap<Name, Entry>>>);

impl Tracked {
    // No code that can panic runs under the lock.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(&self, id: &ClientOrderId, account: Option<&AccountId>) -> Watched {
        let name = (id.clone(), account.cloned());
        let mut all = self.lock();
        let entry = all
            .entry(name.clone())
            .or_insert_with(|| Entry { known: watch::Sender::default(), held: 0 });
        entry.held += 1;
        let known = entry.known.subscribe();
        drop(all);
        Watched { tracked: self.clone(), name, known }
    }

    /// The stream of its account's orders has told it, for the first time.
    pub(crate) fn told(&self, order: &Order) {
        let all = self.lock();
        if all.is_empty() {
            return;
        }
        let account = &order.order_id.account;
        for account in [None, Some(account.clone())] {
            if let Some(entry) = all.get(&(order.client_order_id.clone(), account)) {
                entry.known.send_if_modified(|known| known.told(order));
            }
        }
    }

    /// Changes of this account's orders are missing.
    pub(crate) fn doubt(&self, account: &AccountId) {
        self.lose(account, false);
    }

    /// A stream comes from this source now. Another one of an account's orders is a ledger that was built anew.
    pub(crate) fn heard(&self, topic: &Topic, was: Option<&StreamEpoch>, is: &StreamEpoch) {
        if let Topic::Orders { account } = topic
            && was.is_some_and(|was| was != is)
        {
            self.lose(account, true);
        }
    }

    fn lose(&self, account: &AccountId, is_anew: bool) {
        for ((_, named), entry) in self.lock().iter() {
            entry.known.send_if_modified(|known| {
                let at = known.order.as_ref().map(|order| &order.order_id.account);
                let is_of_it = at.or(named.as_ref()).is_none_or(|at| at == account);
                let is_news = is_of_it && !known.has_ended();
                known.gaps += u64::from(is_news);
                known.anew = if is_news && is_anew { known.gaps } else { known.anew };
                is_news
            });
        }
    }
}

/// One of them, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Watched {
    tracked: Tracked,
    name: Name,
    pub(crate) known: watch::Receiver<Known>,
}

impl Watched {
    pub(crate) fn id(&self) -> &ClientOrderId {
        &self.name.0
    }

    /// If it was named.
    pub(crate) fn account(&self) -> Option<&AccountId> {
        self.name.1.as_ref()
    }

    /// Gaps so far: taken before it is asked for.
    pub(crate) fn gaps(&self) -> u64 {
        self.known.borrow().gaps
    }

    pub(crate) fn answered(&self, order: &Order, gaps: u64) {
        if let Some(entry) = self.tracked.lock().get(&self.name) {
            entry.known.send_if_modified(|known| known.answered(order, gaps));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut all = self.tracked.lock();
        if let Some(entry) = all.get_mut(&self.name) {
            entry.held -= 1;
            if entry.held == 0 {
                all.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
