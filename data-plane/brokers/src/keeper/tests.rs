//! Claims about the keeper's order of things, with a venue that does as it is told and a disk that fails
//! when it is told.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    copies::durable::Durable,
    limits::CANCEL_AGAIN,
    venue::{Event, Page, Placed, Refusal, Replace, Rest, VenueOrder, external::Externals},
};
use std::{path::Path, sync::atomic::Ordering, time::Duration};
use tokio::task::JoinSet;
use tradewind_domain::{
    ids::{
        AccountId, ClientOrderId, ClusterIncarnation, Epoch, Incarnation, InstrumentId, ManagerId,
        VenueId,
    },
    limits::INTENT_DEADLINE,
    trading::{
        Conditions, NewOrder, Order, OrderState, OrderType, Side, TimeInForce, copies::Naming,
    },
};
use tradewind_journal::disk::SimulatedDisk;
use tradewind_protocol::{
    problem::Code,
    supervision::ServiceState,
    trade::{CommandAnswer, OrderCommand, Principal, PrivateChannel},
};

mod conditions;
mod external;
mod fences;
mod limits;
mod missed;
mod noted;
mod presence;
mod replaces;
mod routes;
mod timers;

use noted::Noted;

struct Desk {
    ledger: LedgerHandle,
    venue: mpsc::Sender<FromVenue>,
    quotes: Quotes,
    said: watch::Receiver<(ServiceState, String)>,
    reporter: StateReporter,
    stop: CancellationToken,
    tasks: JoinSet<Result<super::Ended, StoreError>>,
}

fn account() -> AccountId {
    AccountId::new("sim-1").unwrap()
}

fn fence() -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(10) }
}

fn acme() -> CustomerId {
    CustomerId::new("acme").unwrap()
}

fn resting(name: &str) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(name).unwrap(),
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: "1".parse().unwrap(),
        limit_price: "100".parse().ok(),
        time_in_force: TimeInForce::Gtc,
        conditions: Conditions::NONE,
        cancel_on_disconnect: None,
    }
}

async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

impl Desk {
    async fn try_open(disk: &SimulatedDisk) -> Result<Self, StoreError> {
        let alone = Naming { since: fence(), holder: None };
        Ok(Self::try_open_with(disk, alone).await?.0)
    }

    /// With a copy as it is named.
    async fn try_open_with(
        disk: &SimulatedDisk,
        naming: Naming<ManagerId>,
    ) -> Result<(Self, Durable), StoreError> {
        let (venue, from_venue) = mpsc::channel(64);
        let (reporter, said) = StateReporter::new();
        let quotes = Quotes::new(fence(), Incarnation(1), false).unwrap();
        let disk = Arc::new(disk.clone());
        let opened = tokio::task::spawn_blocking(move || {
            Store::open(Path::new("/ledger"), &account(), disk, clock::now(), (fence(), naming))
        });
        let opened = opened.await.unwrap()?;
        let copies = opened.store.copies().clone();
        let setup = Setup {
            assignment: Assignment {
                fence: fence(),
                customers: [acme()].into(),
                venue: VenueId::new("sim").unwrap(),
                controls: Default::default(),
            },
            fences: Vec::new(),
            capabilities: Capabilities { reduce_only: true, ..Capabilities::plain() },
            quotes: quotes.clone(),
            venue: from_venue,
            reporter: reporter.clone(),
        };
        let (keeper, ledger) =
            tokio::task::spawn_blocking(|| Keeper::open(setup, opened)).await.unwrap()?;
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run(stop.clone()));
        Ok((Self { ledger, venue, quotes, said, reporter, stop, tasks }, copies))
    }

    async fn open(disk: &SimulatedDisk) -> Self {
        Self::try_open(disk).await.unwrap()
    }

    /// Connects that link and answers its first sweep.
    async fn connect(&self, link: &Arc<Noted>) {
        self.venue.send(FromVenue::Up(link.clone())).await.ok();
        let (since, cursor) =
            eventually("a sweep", || link.sweeps.lock().unwrap().last().copied()).await;
        let (at, rest) = (clock::now(), Rest::Nothing { resume: None });
        let (orders, fills, external) = (Vec::new(), Vec::new(), Externals::default());
        let page = Page { since, cursor, orders, fills, external, at, rest };
        self.event(Event::Page(page)).await;
        eventually("live", || (self.said.borrow().0 == ServiceState::Live).then_some(())).await;
    }

    async fn event(&self, event: Event) {
        self.venue.send(FromVenue::Event(event)).await.ok();
    }

    async fn ask(&self, command: OrderCommand) -> Option<CommandAnswer> {
        let principal = Principal { customer: acme(), trader: None, session: None };
        let command = Command { fence: fence(), principal, command, routed: None };
        // What is queued at the moment of a keeper's end may stay in the queue as long as there are handles: without a
        // bound its answer would be waited for for ever. The process ends with its keeper.
        let answer = self.ledger.command(command).await.ok()?;
        match tokio::time::timeout(Duration::from_secs(10), answer).await.ok()?.ok()? {
            Reply::Answer(answer) => Some(answer),
            Reply::FillsOf(_) => None,
        }
    }

    /// `None` if there is no answer: the ledger has failed.
    async fn submit(&self, name: &str) -> Option<Order> {
        let submit = OrderCommand::Submit { account: None, order: resting(name) };
        match self.ask(submit).await? {
            CommandAnswer::Order { order, .. } => Some(*order),
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self, order: &Order) -> OrderState {
        let get = OrderCommand::Get { order_id: order.order_id.clone() };
        match self.ask(get).await {
            Some(CommandAnswer::Order { order, .. }) => order.state,
            other => panic!("{other:?}"),
        }
    }

    async fn until(&self, order: &Order, state: OrderState) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.state(order).await != state {
            assert!(Instant::now() < deadline, "never {state:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn die(mut self) {
        self.tasks.abort_all();
        while self.tasks.join_next().await.is_some() {}
    }

    async fn close(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap().unwrap();
    }
}

fn taken(order: &Order, state: OrderState) -> VenueOrder {
    let venue_order_id = order.order_id.venue_order_id;
    VenueOrder { venue_order_id, state, reason: None, replaced: false, terms: None }
}

#[tokio::test]
async fn nothing_is_answered_told_or_sent_that_is_not_durable() {
    // given
    let disk = SimulatedDisk::new(1);
    let mut desk = Desk::open(&disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    // when
    disk.fail_syncs(true);
    let answer = desk.submit("o-1").await;
    // then
    assert_eq!(answer, None);
    let ended = desk.tasks.join_next().await.unwrap().unwrap();
    assert!(matches!(ended, Err(StoreError::Failed(_) | StoreError::Submit(_))), "{ended:?}");
    assert!(link.submits().is_empty());
    assert_eq!(desk.ledger.streams().stand(&acme(), PrivateChannel::Orders), 0);
}

#[tokio::test]
async fn an_intent_that_could_not_be_sent_within_its_deadline_never_is() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    link.full.store(true, Ordering::SeqCst);
    desk.connect(&link).await;
    // when
    let order = desk.submit("o-1").await.unwrap();
    let begun = Instant::now();
    desk.until(&order, OrderState::Rejected).await;
    // then
    assert!(begun.elapsed() + Duration::from_millis(50) >= INTENT_DEADLINE, "not given up early");
    link.full.store(false, Ordering::SeqCst);
    desk.submit("o-2").await.unwrap();
    eventually("the next is sent", || (!link.submits().is_empty()).then_some(())).await;
    assert!(!link.submits().contains(&order.order_id.venue_order_id));
    desk.close().await;
}

#[tokio::test]
async fn an_intent_that_was_surely_not_sent_goes_out_once_over_the_next_connection() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let (first, second) = (Arc::new(Noted::default()), Arc::new(Noted::default()));
    first.full.store(true, Ordering::SeqCst);
    desk.connect(&first).await;
    let order = desk.submit("o-1").await.unwrap();
    // when
    desk.venue.send(FromVenue::Down("cut".to_string())).await.ok();
    desk.connect(&second).await;
    // then
    desk.until(&order, OrderState::PendingNew).await;
    assert_eq!(first.submits(), []);
    assert_eq!(second.submits(), [order.order_id.venue_order_id]);
    desk.close().await;
}

#[tokio::test]
async fn a_submit_that_may_have_been_sent_is_not_sent_again_over_the_next_connection() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let (first, second) = (Arc::new(Noted::default()), Arc::new(Noted::default()));
    desk.connect(&first).await;
    let order = desk.submit("o-1").await.unwrap();
    desk.until(&order, OrderState::PendingNew).await;
    // when
    desk.venue.send(FromVenue::Down("cut".to_string())).await.ok();
    desk.connect(&second).await;
    // then
    assert_eq!(desk.state(&order).await, OrderState::Unknown);
    desk.submit("o-2").await.unwrap();
    eventually("a later order is sent", || (!second.submits().is_empty()).then_some(())).await;
    assert_eq!(second.submits().len(), 1);
    assert_eq!(first.submits(), [order.order_id.venue_order_id]);
    desk.close().await;
}

#[tokio::test]
async fn a_cancel_is_repeated_until_the_end_is_known_and_not_after() {
    // given
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let order = desk.submit("o-1").await.unwrap();
    let id = order.order_id.venue_order_id;
    let result = Ok(taken(&order, OrderState::New));
    desk.event(Event::Submitted { order: id, result }).await;
    desk.until(&order, OrderState::New).await;
    // when
    desk.ask(OrderCommand::Cancel { order_id: order.order_id.clone() }).await;
    // then
    eventually("sent again", || (link.cancels() >= 2).then_some(())).await;
    desk.event(Event::Order(taken(&order, OrderState::Canceled))).await;
    desk.until(&order, OrderState::Canceled).await;
    let sent = link.cancels();
    let quiet = Instant::now() + CANCEL_AGAIN * 2;
    while Instant::now() < quiet {
        assert_eq!(link.cancels(), sent);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    desk.close().await;
}

#[tokio::test]
async fn an_order_the_venue_has_seen_before_is_unknown_not_rejected() {
    let desk = Desk::open(&SimulatedDisk::new(1)).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    let order = desk.submit("o-1").await.unwrap();
    let id = order.order_id.venue_order_id;
    let refusal = Refusal { placed: Placed::Perhaps, reason: "duplicate".to_string() };
    desk.event(Event::Submitted { order: id, result: Err(refusal) }).await;
    desk.until(&order, OrderState::Unknown).await;
    let refusal = Refusal { placed: Placed::No, reason: "deadline passed".to_string() };
    let late = desk.submit("o-2").await.unwrap();
    let id = late.order_id.venue_order_id;
    desk.event(Event::Submitted { order: id, result: Err(refusal) }).await;
    desk.until(&late, OrderState::Rejected).await;
    desk.close().await;
}

/// Power is lost at many moments: whatever anybody was told, or the venue was sent, is still there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_power_loss_the_ledger_knows_all_that_was_told_or_sent() {
    for seed in 0..60 {
        // given
        let disk = SimulatedDisk::new(seed);
        let desk = Desk::open(&disk).await;
        let link = Arc::new(Noted::default());
        desk.connect(&link).await;
        disk.lose_power_at(disk.operations() + seed % 20);
        // when
        let mut answered = Vec::new();
        for n in 0..20 {
            let Some(order) = desk.submit(&format!("o-{n}")).await else { break };
            let id = order.order_id.venue_order_id;
            answered.push(order.clone());
            let result = Ok(taken(&order, OrderState::New));
            desk.event(Event::Submitted { order: id, result }).await;
        }
        let streams = desk.ledger.streams().clone();
        let told = streams.stand(&acme(), PrivateChannel::Orders);
        let epoch = streams.epoch().clone();
        drop(streams);
        desk.die().await;
        disk.restart();
        // then
        let desk = Desk::open(&disk).await;
        assert_eq!(*desk.ledger.streams().epoch(), epoch, "seed {seed}");
        let stand = desk.ledger.streams().stand(&acme(), PrivateChannel::Orders);
        assert!(stand >= told, "seed {seed}: {told} told, {stand} known");
        for order in &answered {
            // Panics if it is not known.
            let state = desk.state(order).await;
            assert!(!state.is_terminal(), "seed {seed}: {state:?}");
        }
        let list = OrderCommand::List { account: account(), client_order_id: None, open: false };
        let Some(CommandAnswer::Orders { orders }) = desk.ask(list).await else { panic!("a list") };
        for sent in link.submits() {
            assert!(orders.iter().any(|o| o.order_id.venue_order_id == sent), "seed {seed}");
        }
        desk.close().await;
    }
}
