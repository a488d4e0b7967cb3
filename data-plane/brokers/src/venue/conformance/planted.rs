//! Adapters with a bug: each must fail the case that looks for it, and no venue passes by saying that it offers nothing.

use super::{
    Fault, Stage,
    kraken::{KrakenStage, eth},
    permission::Asked,
    run, run_one,
    sim::SimStage,
};
use crate::venue::{
    Capabilities, ConnectError, Connection, Event, Permission, Placed, Refusal, Venue, VenueOrder,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::sync::Arc;
use tokio::sync::mpsc;
use tradewind_domain::{
    ids::{AccountId, InstrumentId, VenueOrderId},
    money::Quantity,
    time::UnixNanos,
    trading::{OrderState, Quote, TimeInForce},
};

/// What an adapter makes of the venue's words; nothing, and the word is swallowed.
type Bug = fn(Event) -> Vec<Event>;

struct Buggy {
    venue: Arc<dyn Venue>,
    capabilities: Capabilities,
    bug: Bug,
    room: fn(usize) -> usize,
    logs_in: bool,
    asks: bool,
}

impl Buggy {
    fn spoil(&self, mut connection: Connection) -> Connection {
        let (told, events) = mpsc::channel(1_024);
        let mut heard = std::mem::replace(&mut connection.events, events);
        let bug = self.bug;
        connection.room = connection.room.map(self.room);
        connection.tasks.spawn(async move {
            while let Some(event) = heard.recv().await {
                for event in bug(event) {
                    if told.send(event).await.is_err() {
                        return;
                    }
                }
            }
        });
        connection
    }
}

impl Venue for Buggy {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connect(&self, may: Arc<dyn Permission>) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        let may: Arc<dyn Permission> = if self.asks { may } else { Arc::<Asked>::default() };
        async { Ok(self.spoil(self.venue.connect(may).await?)) }.boxed()
    }

    fn connect_for_data(
        &self,
        may: Arc<dyn Permission>,
    ) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        async {
            let venue = &self.venue;
            let connection = if self.logs_in {
                venue.connect(may).await
            } else {
                venue.connect_for_data(may).await
            };
            Ok(self.spoil(connection?))
        }
        .boxed()
    }
}

struct Planted {
    stage: Box<dyn Stage>,
    bug: Bug,
    offers: fn(&mut Capabilities),
    /// What it says that a connection takes, of what that does.
    room: fn(usize) -> usize,
    /// Its connections for market data are like the first one.
    logs_in: bool,
    /// It asks for the right to connect.
    asks: bool,
}

impl Planted {
    async fn new(bug: Bug) -> Self {
        Self::on(Box::new(SimStage::new().await), bug)
    }

    /// On a stage whose simulator can be made to do wrong.
    async fn at_kraken(bug: Bug) -> Self {
        Self::on(Box::new(KrakenStage::by_websocket().await), bug)
    }

    fn on(stage: Box<dyn Stage>, bug: Bug) -> Self {
        let (offers, room) = (|_: &mut Capabilities| {}, |room| room);
        Self { stage, bug, offers, room, logs_in: false, asks: true }
    }
}

impl Stage for Planted {
    fn venue(&self) -> Arc<dyn Venue> {
        let venue = self.stage.venue();
        let mut capabilities = venue.capabilities().clone();
        (self.offers)(&mut capabilities);
        let &Self { bug, room, logs_in, asks, .. } = self;
        Arc::new(Buggy { venue, capabilities, bug, room, logs_in, asks })
    }
    fn account(&self) -> AccountId {
        self.stage.account()
    }
    fn instrument(&self) -> InstrumentId {
        self.stage.instrument()
    }
    fn instruments(&self) -> Vec<InstrumentId> {
        self.stage.instruments()
    }
    fn arrivals(&self, id: VenueOrderId) -> BoxFuture<'_, usize> {
        self.stage.arrivals(id)
    }
    fn deafen(&self) {
        self.stage.deafen();
    }
    fn cut(&self) {
        self.stage.cut();
    }
    fn fault(&self, fault: Fault) -> BoxFuture<'_, bool> {
        self.stage.fault(fault)
    }
}

/// The case is looked into, and does not pass.
async fn fails(what: &str, case: u32, planted: &Planted) {
    let outcome = run_one(planted, case).await;
    assert_eq!(outcome.ran, [case], "{what}");
    let failed = outcome.failed.iter().any(|failed| failed.number == case);
    assert!(failed, "{what}: C{case:02} passes");
}

fn not_placed(result: Result<VenueOrder, Refusal>) -> Result<VenueOrder, Refusal> {
    result.map_err(|refusal| Refusal { placed: Placed::No, ..refusal })
}

async fn each_fails(planted: &[(&str, u32, Bug)]) {
    for (what, case, bug) in planted {
        fails(what, *case, &Planted::new(*bug).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_bug_fails_the_case_that_looks_for_it() {
    let planted: [(&str, u32, Bug); 9] = [
        ("a fill is told twice", 4, |event| match event {
            Event::Fill(fill) => vec![Event::Fill(fill.clone()), Event::Fill(fill)],
            other => vec![other],
        }),
        ("fills are swallowed", 4, |event| match event {
            Event::Fill(_) => Vec::new(),
            other => vec![other],
        }),
        ("what may be there is said not to be", 8, |event| match event {
            Event::Submitted { order, result } => {
                vec![Event::Submitted { order, result: not_placed(result) }]
            }
            other => vec![other],
        }),
        ("pages lose their fills", 10, |event| match event {
            Event::Page(mut page) => {
                page.fills.clear();
                vec![Event::Page(page)]
            }
            other => vec![other],
        }),
        ("pages lose their orders", 12, |event| match event {
            Event::Page(mut page) => {
                page.orders.clear();
                vec![Event::Page(page)]
            }
            other => vec![other],
        }),
        ("what was replaced is said to be canceled", 14, |event| match event {
            Event::Page(mut page) => {
                page.orders.iter_mut().for_each(|order| order.replaced = false);
                vec![Event::Page(page)]
            }
            other => vec![other],
        }),
        ("what is not taken is said to be there perhaps", 19, |event| match event {
            Event::Submitted { order, result } => {
                let perhaps = |refusal| Refusal { placed: Placed::Perhaps, ..refusal };
                vec![Event::Submitted { order, result: result.map_err(perhaps) }]
            }
            other => vec![other],
        }),
        ("what is over is said to be open", 22, |event| match event {
            Event::Order(order) if order.state == OrderState::Expired => Vec::new(),
            other => vec![other],
        }),
        ("a refused replace is said to be placed perhaps", 15, |event| match event {
            Event::Replaced { by, result } => {
                let perhaps = |refusal| Refusal { placed: Placed::Perhaps, ..refusal };
                vec![Event::Replaced { by, result: result.map_err(perhaps) }]
            }
            other => vec![other],
        }),
    ];
    each_fails(&planted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_every_bug_in_cancels() {
    let planted: [(&str, u32, Bug); 2] = [
        ("the end of what is canceled is not told", 5, |event| match event {
            Event::Canceled { order, result } => {
                let open = |said| VenueOrder { state: OrderState::New, ..said };
                vec![Event::Canceled { order, result: result.map(open) }]
            }
            Event::Order(order) if order.state == OrderState::Canceled => Vec::new(),
            other => vec![other],
        }),
        ("a cancel is said to be done and is not", 6, |event| match event {
            Event::Canceled { order, .. } => {
                let (state, reason) = (OrderState::Canceled, None);
                let (replaced, terms) = (false, None);
                let said = VenueOrder { venue_order_id: order, state, reason, replaced, terms };
                vec![Event::Canceled { order, result: Ok(said) }]
            }
            other => vec![other],
        }),
    ];
    each_fails(&planted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_every_bug_in_market_data() {
    let planted: [(&str, u32, Bug); 3] = [
        ("a quote comes before its subscription is confirmed", 25, |event| match event {
            Event::Subscribed { instrument, stands } => {
                let (size, at) = (Quantity::ZERO, UnixNanos(1));
                let quote = Quote { bid: None, bid_size: size, ask: None, ask_size: size, at };
                let early = Event::Quote { instrument: instrument.clone(), quote };
                vec![early, Event::Subscribed { instrument, stands }]
            }
            other => vec![other],
        }),
        ("that an instrument is left is said before it is", 25, |event| match event {
            Event::Subscribed { instrument, stands } => {
                let left = Event::Unsubscribed { instrument: instrument.clone() };
                vec![Event::Subscribed { instrument, stands }, left]
            }
            other => vec![other],
        }),
        ("trades are numbered with holes", 28, |event| match event {
            Event::Trade { instrument, number, trade } => {
                vec![Event::Trade { instrument, number: number.map(|n| 2 * n), trade }]
            }
            other => vec![other],
        }),
    ];
    each_fails(&planted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_take_less_than_they_say_are_not_for_data_alone_or_not_asked_for_fail() {
    let honest: Bug = |event| vec![event];
    let boasts = Planted { room: |room| room + 1, ..Planted::new(honest).await };
    fails("it takes less than it says", 26, &boasts).await;
    let tells_all = Planted { logs_in: true, ..Planted::new(honest).await };
    fails("it is not for data alone", 27, &tells_all).await;
    let asks_nobody = Planted { asks: false, ..Planted::new(honest).await };
    fails("it is not asked for", 29, &asks_nobody).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_every_bug_that_shows_only_where_the_venue_does_wrong() {
    let planted: [(&str, u32, Bug); 5] = [
        ("a fill that is told twice counts twice", 30, |event| match event {
            Event::Fill(fill) => vec![Event::Fill(fill.clone()), Event::Fill(fill)],
            other => vec![other],
        }),
        ("fills that come late are passed over", 31, |event| match event {
            Event::Fill(_) => Vec::new(),
            other => vec![other],
        }),
        ("an order has ended with the fill that is told first", 32, |event| match event {
            Event::Fill(fill) => {
                let (venue_order_id, state) = (fill.venue_order_id, OrderState::Filled);
                let (reason, replaced, terms) = (None, false, None);
                let ended = VenueOrder { venue_order_id, state, reason, replaced, terms };
                vec![Event::Fill(fill), Event::Order(ended)]
            }
            other => vec![other],
        }),
        ("what was answered with an error is said not to be there", 33, |event| match event {
            Event::Submitted { order, result } => {
                vec![Event::Submitted { order, result: not_placed(result) }]
            }
            other => vec![other],
        }),
        ("another instrument begins anew with the broken one", 34, |event| match event {
            Event::Subscribed { instrument, stands } if instrument != eth() => {
                let other = Event::Subscribed { instrument: eth(), stands };
                vec![Event::Subscribed { instrument, stands }, other]
            }
            other => vec![other],
        }),
    ];
    for (what, case, bug) in planted {
        fails(what, case, &Planted::at_kraken(bug).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_adapter_does_not_offer_it_is_not_asked_for() {
    let offers = |offered: &mut Capabilities| {
        offered.replace = false;
        offered.data_connections = false;
        offered.query_by_our_id = false;
        offered.order_deadline = false;
        (offered.post_only, offered.reduce_only) = (false, false);
        offered.times_in_force = vec![TimeInForce::Gtc];
        offered.order_types.retain(|t| *t == tradewind_domain::trading::OrderType::Limit);
    };
    let bug: Bug = |event| vec![event];
    let outcome = run(&Planted { offers, ..Planted::new(bug).await }).await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.words());
    assert_eq!(outcome.ran, [1, 2, 3, 5, 6, 7, 8, 10, 12, 13, 25, 29, 33, 34]);
    assert!(outcome.left.is_empty(), "{:?}", outcome.left);
}
