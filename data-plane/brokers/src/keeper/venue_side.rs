//! The ledger's side towards the venue. Decides what is sent when, and in which order the venue's words
//! are taken; what they mean for an order is decided by `ledger::rules`.

use super::{FromVenue, Keeper, Line};
use crate::{
    ledger::record::Record,
    limits::{CANCEL_AGAIN, LEDGER_BATCH},
    reconcile::{After, Ask, Need},
    store::StoreError,
    venue::{Event, Page, Placed, Refusal, Submission, VenueFill, external::ExternalFill},
};
use std::time::Instant;
use tradewind_domain::{
    ids::VenueOrderId,
    limits::{INTENT_DEADLINE, ORDER_ANSWER_WITHIN},
    time::UnixNanos,
    trading::{Order, OrderState},
};
use tradewind_node::clock;

impl Keeper {
    /// What a former life accepted and did not see answered may be at the venue or not.
    pub(super) fn doubt_after_restart(&mut self) -> Result<(), StoreError> {
        let doubtful =
            |order: &Order| matches!(order.state, OrderState::Accepted | OrderState::PendingNew);
        self.doubt(doubtful, "the Broker was restarted before the venue answered")
    }

    fn doubt(&mut self, doubtful: impl Fn(&Order) -> bool, why: &str) -> Result<(), StoreError> {
        let doubted = self.ledger.open_orders().map(|entry| &entry.order);
        let doubted: Vec<Order> = doubted.filter(|order| doubtful(order)).cloned().collect();
        doubted.iter().try_for_each(|order| self.become_unknown(order, why))
    }

    /// The reason stays out of the order: it would outlive the doubt.
    fn become_unknown(&mut self, order: &Order, why: &str) -> Result<(), StoreError> {
        tracing::warn!(order = %order.order_id, why, "order unknown");
        match self.ledger.change(order, OrderState::Unknown, None, clock::now()) {
            Some(record) => self.put(&record),
            None => Ok(()),
        }
    }

    fn reject(&mut self, order: &Order, why: &str) -> Result<(), StoreError> {
        let reason = Some(why.to_string());
        match self.ledger.change(order, OrderState::Rejected, reason, clock::now()) {
            Some(record) => self.put(&record),
            None => Ok(()),
        }
    }

    /// Sends an accepted order, once; keeps it if the venue is away and there is still time.
    pub(super) fn send(&mut self, id: VenueOrderId, accepted: Instant) -> Result<(), StoreError> {
        let Some(entry) = self.ledger.entry(&id) else { return Ok(()) };
        // Canceled meanwhile: with that it is never sent.
        if entry.order.state != OrderState::Accepted {
            return Ok(());
        }
        let order = entry.order.clone();
        let now = clock::now();
        // By either clock: one may have been set, the other may have stood still.
        if accepted.elapsed() >= INTENT_DEADLINE || now >= entry.deadline {
            let why = "not_placed: it could not be sent to the venue in time";
            return self.reject(&order, why);
        }
        let submission = submission(&order, entry.deadline, now);
        let sent = match &self.line {
            Line::Live(link) => link.submit(submission).is_ok(),
            Line::Sweeping(_) | Line::Down(_) => false,
        };
        if !sent {
            self.unsent.push_back((id, accepted));
            return Ok(());
        }
        self.awaited.insert(id, Instant::now());
        match self.ledger.change(&order, OrderState::PendingNew, None, now) {
            Some(record) => self.put(&record),
            None => Ok(()),
        }
    }

    pub(super) fn send_cancels(&mut self) {
        let Line::Live(link) = self.line.clone() else { return };
        let now = Instant::now();
        let (ledger, awaits) = (&self.ledger, &mut self.cancels);
        awaits
            .retain(|id, _| ledger.entry(id).is_some_and(|entry| !entry.order.state.is_terminal()));
        let due = self.cancels.iter().filter(|(_, next)| **next <= now);
        let due: Vec<VenueOrderId> = due.map(|(id, _)| *id).collect();
        for id in due {
            let sent: Vec<bool> =
                self.cancel_goes_to(&id).iter().map(|to| link.cancel(*to).is_ok()).collect();
            if !sent.is_empty() && sent.iter().all(|sent| *sent) {
                self.cancels.insert(id, now + CANCEL_AGAIN);
            }
        }
    }

    /// Takes what has come from the venue, a bounded part of it.
    pub(super) fn hear_all(&mut self, first: FromVenue) -> Result<(), StoreError> {
        self.hear(first)?;
        for _ in 1..LEDGER_BATCH {
            let Ok(next) = self.venue.try_recv() else { break };
            self.hear(next)?;
        }
        Ok(())
    }

    fn hear(&mut self, news: FromVenue) -> Result<(), StoreError> {
        match news {
            FromVenue::Up(link) => {
                self.halted = None;
                self.line = Line::Sweeping(link);
                self.reconcile.connection_changed();
                self.begin_with_all();
                self.report();
                self.sweep_if_due();
                Ok(())
            }
            FromVenue::Down(why) => {
                self.line = Line::Down(why);
                self.reconcile.connection_changed();
                self.awaited.clear();
                self.doubt_replaces();
                self.report();
                let sent = |order: &Order| order.state == OrderState::PendingNew;
                self.doubt(sent, "the connection was lost before the venue answered")
            }
            FromVenue::Event(event) => {
                self.event(event)?;
                self.report_external();
                Ok(())
            }
        }
    }

    fn event(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            // Goes past the ledger.
            Event::Quote { .. }
            | Event::Trade { .. }
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. } => Ok(()),
            Event::Submitted { order, result } => {
                self.awaited.remove(&order);
                match result {
                    Ok(said) => self.evidence(&said, clock::now()),
                    Err(refusal) => self.not_taken(order, &refusal),
                }
            }
            Event::Canceled { order, result } => match result {
                Ok(said) => self.evidence(&said, clock::now()),
                Err(refusal) => {
                    tracing::debug!(%order, reason = refusal.reason, "cancel refused");
                    // It has ended, or is not there: the listing tells which.
                    self.reconcile.want();
                    Ok(())
                }
            },
            Event::Replaced { by, result } => self.replace_answered(by, result),
            Event::Order(said) => self.evidence(&said, clock::now()),
            Event::Fill(said) => self.fill(&said),
            Event::Page(page) => self.page(page),
            Event::Halted(halted) => {
                self.halted = halted;
                self.report();
                Ok(())
            }
        }
    }

    fn not_taken(&mut self, id: VenueOrderId, refusal: &Refusal) -> Result<(), StoreError> {
        let Some(entry) = self.ledger.entry(&id) else { return Ok(()) };
        let order = entry.order.clone();
        match refusal.placed {
            Placed::No => self.reject(&order, &refusal.reason),
            Placed::Perhaps => self.become_unknown(&order, &refusal.reason),
        }
    }

    fn fill(&mut self, said: &VenueFill) -> Result<(), StoreError> {
        // Nothing fills under an id that the venue does not have.
        if let Some(record) = self.ledger.replaced(&said.venue_order_id, clock::now()) {
            if !self.writes_replaced(&record) {
                return Ok(());
            }
            self.put(&record)?;
            self.replace_is_over(&said.venue_order_id);
        }
        let overfills = self.ledger.overfills(said);
        // An earlier build could not read such a record.
        if overfills && !self.writes_overfill(said) {
            return self.cancel_what_reduces_no_more(&said.venue_order_id);
        }
        match self.ledger.fill(said) {
            Some(Ok(record)) => {
                self.put(&record)?;
                if overfills {
                    self.missed.is_overfill_written(&said.exec_id);
                    self.external_news = true;
                }
                self.cancel_what_reduces_no_more(&said.venue_order_id)
            }
            Some(Err(illegal)) => {
                let (exec_id, order) = (&said.exec_id, &said.venue_order_id);
                tracing::error!(%exec_id, %order, %illegal, "fill does not fit its order");
                Ok(())
            }
            None if self.ledger.entry_at(&said.venue_order_id).is_none() => {
                self.external_fill(&ExternalFill::of(said))
            }
            None => Ok(()),
        }
    }

    /// Whether a fill beyond what was ordered can be written down; otherwise it is looked for again.
    fn writes_overfill(&mut self, said: &VenueFill) -> bool {
        if self.missed.overfill(&said.exec_id) {
            let (exec_id, order) = (&said.exec_id, &said.venue_order_id);
            tracing::error!(%exec_id, %order, "the venue has filled more than was ordered");
            self.external_news = true;
        }
        self.writes_external()
    }

    fn page(&mut self, page: Page) -> Result<(), StoreError> {
        // Fills first: an order that has ended is told with all of them.
        for said in &page.fills {
            self.fill(said)?;
        }
        for said in &page.orders {
            self.evidence(said, page.at)?;
        }
        self.external_page(&page)?;
        let ask = Ask { since: page.since, cursor: page.cursor };
        match self.reconcile.page(ask, page.at, page.rest, Instant::now()) {
            After::Ask(ask) => {
                self.ask_page(ask);
                Ok(())
            }
            After::Complete { since, listed_at, write_down } => {
                self.swept(since, listed_at)?;
                if write_down && !self.missed.any {
                    self.put(&Record::Swept { to: listed_at })?;
                }
                Ok(())
            }
            After::Nothing => Ok(()),
        }
    }

    fn swept(&mut self, since: UnixNanos, listed_at: UnixNanos) -> Result<(), StoreError> {
        let now = clock::now();
        // Where the venue has no deadline, absence today says nothing of tomorrow.
        let evidence = self.capabilities.order_deadline;
        let unknown: Vec<_> = self
            .ledger
            .unknown()
            .filter(|_| evidence)
            .map(|entry| entry.order.order_id.venue_order_id)
            .collect();
        for id in unknown {
            if let Some(record) = self.ledger.absent(&id, since, listed_at, now) {
                tracing::info!(order = %id, "unknown order is not at the venue");
                self.put(&record)?;
            }
        }
        if evidence {
            self.replaces_swept((since, listed_at))?;
        }
        if let Line::Sweeping(link) = &self.line {
            self.line = Line::Live(link.clone());
            self.report();
            // Each cancel is due at once on a new connection.
            let now = Instant::now();
            self.cancels.values_mut().for_each(|next| *next = now);
        }
        self.catch_up()
    }

    /// Sends what waited for the venue.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        for (id, accepted) in std::mem::take(&mut self.unsent) {
            self.send(id, accepted)?;
        }
        self.send_replaces()?;
        self.send_cancels();
        Ok(())
    }

    /// Looks for what is overdue.
    pub(super) fn tick(&mut self) -> Result<(), StoreError> {
        let overdue: Vec<_> = self
            .awaited
            .iter()
            .filter(|(_, sent)| sent.elapsed() >= ORDER_ANSWER_WITHIN)
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            self.awaited.remove(&id);
            let order = self.ledger.entry(&id).map(|entry| entry.order.clone());
            if let Some(order) = order.filter(|order| order.state == OrderState::PendingNew) {
                self.become_unknown(&order, "the venue does not answer")?;
                self.query(id);
            }
        }
        self.replaces_overdue();
        self.look_for_what_was_missed();
        self.warn_of_external();
        self.run_timers()?;
        self.cancel_of_the_gone()?;
        self.catch_up()?;
        self.sweep_if_due();
        Ok(())
    }

    pub(super) fn query(&self, id: VenueOrderId) {
        if let Line::Live(link) = &self.line
            && self.capabilities.query_by_our_id
        {
            // Unsent it does no harm: the sweep finds the order as well.
            let _ = link.query(id);
        }
    }

    fn sweep_if_due(&mut self) {
        if matches!(self.line, Line::Down(_)) {
            return;
        }
        let unknown = self.ledger.unknown().map(|entry| entry.order.created_at);
        let in_doubt = self.replaces_in_doubt().into_iter().map(|(_, accepted)| accepted);
        let need = Need {
            open_orders: self.ledger.has_open_orders() || self.ledger.external().open().len() > 0,
            unknown_since: unknown.chain(in_doubt).min(),
        };
        if let Some(ask) = self.reconcile.due(need, Instant::now()) {
            self.ask_page(ask);
        }
    }

    fn ask_page(&mut self, ask: Ask) {
        let asked = match &self.line {
            Line::Sweeping(link) | Line::Live(link) => link.sweep(ask.since, ask.cursor),
            Line::Down(_) => return,
        };
        if asked.is_err() {
            self.reconcile.not_sent();
        }
    }
}

fn submission(order: &Order, deadline: UnixNanos, now: UnixNanos) -> Submission {
    Submission {
        venue_order_id: order.order_id.venue_order_id,
        account: order.order_id.account.clone(),
        instrument: order.instrument.clone(),
        side: order.side,
        order_type: order.order_type,
        quantity: order.quantity,
        limit_price: order.limit_price,
        time_in_force: order.time_in_force,
        conditions: order.conditions,
        sent_at: now,
        deadline,
    }
}
