//! The keeper: the one task that owns the ledger. Decides the order of things: take what has come, put its
//! records, and only when they are durable answer, tell and send; what a command or a venue's word comes
//! to is decided by `ledger::rules`, when to sweep by `reconcile`.
//!
//! K1 nothing is answered, told or sent before every record it rests on is durable. K2 a submit goes to
//! the venue at most once in the life of its order. K3 an intent older than its deadline is never sent.
//! It must not be cancelled half-way through a turn: it ends by its token, or by a failure.

mod command;
mod conditions;
mod external;
mod guard;
mod handle;
mod missed;
mod presence;
mod replaces;
mod tighten;
mod timers;
mod venue_side;

use crate::{
    ledger::{Ledger, record::Numbered, record::Record, rules::Assignment, stream::Streams},
    limits::{CLOSE_WITHIN, LEDGER_BATCH, LEDGER_QUEUE, TICK_EVERY},
    quotes::Quotes,
    reconcile::Reconcile,
    store::{Opened, Store, StoreError},
    venue::{Capabilities, Link},
};
use guard::Guard;
use handle::Ask;
pub(crate) use handle::{Closed, Command, FromVenue, LedgerHandle, Reply, Subscribe, Subscribed};
use missed::Missed;
use presence::Watch;
use replaces::UnderWay;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Instant,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tradewind_domain::{
    control::desired::TraderFence,
    ids::{CustomerId, Epoch, Fence, MarketId, TraderId, VenueOrderId},
};
use tradewind_node::{clock, service::StateReporter};
use tradewind_protocol::problem::Problem;

/// What waits until the record before it is durable.
enum Effect {
    Tell(u64, Numbered),
    Reply(oneshot::Sender<Reply>, Reply),
    /// Accepted at that moment.
    Send(VenueOrderId, Instant),
    Cancel(VenueOrderId),
    /// An order, by that id.
    Replace(VenueOrderId, VenueOrderId),
    /// These rights of Traders are on record.
    Fenced(BTreeMap<TraderId, Epoch>),
}

/// The way to the venue.
#[derive(Clone)]
enum Line {
    Down(String),
    /// Connected, and not everything that was missed is known yet.
    Sweeping(Arc<dyn Link>),
    Live(Arc<dyn Link>),
}

/// Why a keeper ends that has not failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Stopped,
    /// The copy of its ledger serves another.
    Sealed,
}

/// What a keeper is made of.
pub(crate) struct Setup {
    pub(crate) assignment: Assignment,
    /// Rights of Traders that are to be put on record.
    pub(crate) fences: Vec<TraderFence>,
    pub(crate) capabilities: Capabilities,
    pub(crate) quotes: Quotes,
    pub(crate) venue: mpsc::Receiver<FromVenue>,
    pub(crate) reporter: StateReporter,
}

/// See the module.
pub(crate) struct Keeper {
    store: Store,
    ledger: Ledger,
    streams: Streams,
    assignment: Assignment,
    capabilities: Capabilities,
    guard: Guard,
    line: Line,
    /// Why the venue takes no orders now, though it is connected.
    halted: Option<String>,
    /// On how many disks the ledger is, in words, of an account for which a copy is named.
    copies: Option<&'static str>,
    missed: Missed,
    /// Something external was written down, or missed, since it was last said how things stand.
    external_news: bool,
    reconcile: Reconcile,
    reporter: StateReporter,
    /// Bounded by what the journal takes before it is waited for.
    effects: VecDeque<(u64, Effect)>,
    /// Accepted, durable and surely not sent yet: at most what a second of orders brings.
    unsent: VecDeque<(VenueOrderId, Instant)>,
    /// Sent on this connection and not answered.
    awaited: BTreeMap<VenueOrderId, Instant>,
    /// Replaces under way, by their orders.
    replaces: BTreeMap<VenueOrderId, UnderWay>,
    /// Until when customers must be heard whose timers were set in this life.
    timers: BTreeMap<CustomerId, Instant>,
    watch: Watch,
    /// The latest routes of each Market that were heard of.
    routes: BTreeMap<MarketId, Fence>,
    /// Cancels to be repeated, and when next.
    cancels: BTreeMap<VenueOrderId, Instant>,
    asks: mpsc::Receiver<Ask>,
    venue: mpsc::Receiver<FromVenue>,
}

impl Keeper {
    /// Begins to work on a ledger. What a former life left without a result is `unknown` from here on.
    pub(crate) fn open(setup: Setup, opened: Opened) -> Result<(Self, LedgerHandle), StoreError> {
        let Setup { assignment, fences, capabilities, quotes, venue, reporter } = setup;
        let Opened { store, ledger, streams } = opened;
        let (sender, asks) = mpsc::channel(LEDGER_QUEUE);
        let handle = LedgerHandle { asks: sender, streams: streams.clone() };
        let now = Instant::now();
        let wanted = ledger.open_orders().filter(|entry| entry.cancel_asked);
        let cancels = wanted.map(|entry| (entry.order.order_id.venue_order_id, now)).collect();
        let mut keeper = Self {
            reconcile: Reconcile::new(ledger.swept_to()),
            copies: store.copies().in_words(),
            missed: Missed::default(),
            external_news: false,
            store,
            ledger,
            streams,
            assignment: assignment.clone(),
            capabilities,
            guard: Guard::new(quotes),
            line: Line::Down("not connected yet".to_string()),
            halted: None,
            reporter,
            effects: VecDeque::new(),
            unsent: VecDeque::new(),
            awaited: BTreeMap::new(),
            replaces: BTreeMap::new(),
            timers: BTreeMap::new(),
            watch: Watch::begins(),
            routes: BTreeMap::new(),
            cancels,
            asks,
            venue,
        };
        keeper.assign(assignment, fences)?;
        keeper.doubt_after_restart()?;
        keeper.cancel_what_is_halted()?;
        keeper.report();
        Ok((keeper, handle))
    }

    /// Runs until told to stop; an error is the ledger's, and the process must end.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<Ended, StoreError> {
        let mut durable = self.store.durable();
        let journal = self.store.journal().clone();
        let mut tick = tokio::time::interval(TICK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut asks = Vec::with_capacity(LEDGER_BATCH);
        let mut copies = self.store.copies().changes();
        loop {
            self.store.join()?;
            self.store.submit()?;
            journal.room().await;
            tokio::select! {
                () = shutdown.cancelled() => return self.close().await,
                failure = journal.stopped() => return Err(failure.into()),
                // The sender lives in the store.
                _ = durable.changed() => {}
                _ = copies.changed() => {
                    if self.store.copies().read(|writer| writer.is_superseded()) {
                        // Nothing more becomes durable: what waits for that is neither told nor sent.
                        tracing::warn!("its ledger is sealed: it is continued elsewhere");
                        return Ok(Ended::Sealed);
                    }
                    self.note_copies();
                }
                taken = self.asks.recv_many(&mut asks, LEDGER_BATCH) => {
                    if taken == 0 {
                        return self.close().await;
                    }
                    for ask in asks.drain(..) {
                        self.take(ask)?;
                    }
                }
                Some(news) = self.venue.recv() => self.hear_all(news)?,
                _ = tick.tick() => self.tick()?,
            }
            self.release(&mut durable)?;
        }
    }

    /// Stops in order: what was put is made durable and told.
    async fn close(mut self) -> Result<Ended, StoreError> {
        self.store.submit()?;
        let mut durable = self.store.durable();
        let last = self.store.last();
        let journal = self.store.journal().clone();
        tokio::select! {
            failure = journal.stopped() => return Err(failure.into()),
            _ = durable.wait_for(|reached| *reached >= last) => {}
            // The copy may be out of reach: nobody was told of what only this disk has.
            () = tokio::time::sleep(CLOSE_WITHIN) => {}
        }
        // Nothing is sent any more: what is not out yet is `unknown` in the next life.
        self.line = Line::Down("stopping".to_string());
        self.release(&mut durable)?;
        Ok(Ended::Stopped)
    }

    fn take(&mut self, ask: Ask) -> Result<(), StoreError> {
        match ask {
            Ask::Command(command, reply) => self.command(*command, reply),
            Ask::Subscribe(subscribe, reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.subscribe(subscribe));
                Ok(())
            }
            Ask::Present(sessions, reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.present(sessions));
                Ok(())
            }
            Ask::Assign(assignment, fences) => {
                self.assign(*assignment, fences)?;
                self.cancel_what_is_halted()?;
                self.report();
                Ok(())
            }
        }
    }

    fn assign(
        &mut self,
        assignment: Assignment,
        fences: Vec<TraderFence>,
    ) -> Result<(), StoreError> {
        if let Some(record) = self.ledger.assigned(&assignment) {
            self.put(&record)?;
        }
        self.guard.follow(&assignment.controls, &self.ledger, clock::now());
        self.assignment = assignment;
        self.fence_traders(fences)
    }

    /// Puts rights of Traders on record; once they are durable it says so. A Broker that was superseded records
    /// nothing: it takes no orders, and its rights may be of another life of the cluster.
    fn fence_traders(&mut self, fences: Vec<TraderFence>) -> Result<(), StoreError> {
        if self.ledger.check_own(&self.assignment).is_err() {
            return Ok(());
        }
        let mut rights = BTreeMap::new();
        for TraderFence { trader, customer, epoch } in fences {
            if let Some(record) = self.ledger.fence_trader(&customer, &trader, epoch) {
                self.put(&record)?;
            }
            rights.insert(trader, epoch);
        }
        self.then(Effect::Fenced(rights));
        Ok(())
    }

    /// Puts a record; its events are told when it is durable.
    fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        let index = self.store.put(&mut self.ledger, record)?;
        for event in record.events(self.ledger.account()) {
            self.effects.push_back((index, Effect::Tell(index, event)));
        }
        Ok(())
    }

    /// Has something done when everything put so far is durable.
    fn then(&mut self, effect: Effect) {
        self.effects.push_back((self.store.last(), effect));
    }

    fn release(&mut self, durable: &mut watch::Receiver<u64>) -> Result<(), StoreError> {
        let reached = *durable.borrow_and_update();
        while self.effects.front().is_some_and(|(index, _)| *index <= reached) {
            let Some((_, effect)) = self.effects.pop_front() else { break };
            match effect {
                Effect::Tell(index, event) => self.streams.publish(index, event),
                // Whoever asked may have gone; the order stands all the same.
                Effect::Reply(to, reply) => drop(to.send(reply)),
                Effect::Send(order, accepted) => self.send(order, accepted)?,
                Effect::Cancel(order) => {
                    self.cancels.insert(order, Instant::now());
                    self.send_cancels();
                }
                Effect::Replace(order, by) => self.send_replace(order, by)?,
                Effect::Fenced(rights) => self.reporter.fenced(rights),
            }
        }
        Ok(())
    }

    /// On how many disks the ledger is, where that has changed.
    fn note_copies(&mut self) {
        let copies = self.store.copies().in_words();
        if copies != self.copies {
            self.copies = copies;
            self.report();
        }
    }

    /// Says upward how things stand.
    fn report(&self) {
        if let Err(fenced) = self.ledger.check_own(&self.assignment) {
            self.reporter.connecting(Problem::from(fenced).detail);
            return;
        }
        match &self.line {
            Line::Down(why) => self.reporter.connecting(why.clone()),
            Line::Sweeping(_) => self.reporter.connecting("sweeping the venue"),
            Line::Live(_) => {
                let halted = self.halted.iter().map(|why| format!(": {why}"));
                let account = self.ledger.account();
                let copies = self.copies.iter().map(|copies| format!(", ledger: {copies}"));
                let overfilled = Some(self.ledger.overfilled()).filter(|orders| *orders > 0);
                let overfilled = overfilled.map(|orders| {
                    format!(", orders that the venue filled beyond what was ordered: {orders}")
                });
                // The longest last: what is too long for a beat is cut there.
                let external = Some(self.external_in_words());
                let more = copies.chain(overfilled).chain(halted).chain(external);
                let more: String = more.collect();
                self.reporter.live(format!("account {account}{more}"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
