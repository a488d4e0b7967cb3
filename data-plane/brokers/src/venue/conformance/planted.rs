//! Adapters with a bug: each must fail the case that looks for it, and no venue passes by saying that it offers nothing.

use super::{Stage, run, sim::SimStage};
use crate::venue::{
    Capabilities, ConnectError, Connection, Event, Placed, Refusal, Venue, VenueOrder,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::{collections::HashSet, sync::Arc};
use tokio::sync::mpsc;
use tradewind_domain::{
    ids::{AccountId, InstrumentId, VenueOrderId},
    money::{Price, Quantity},
    trading::{OrderState, TimeInForce},
};
use tradewind_protocol::asks::ConnectsAllowed;

/// What an adapter makes of the venue's words; nothing, and the word is swallowed.
type Bug = fn(Event) -> Vec<Event>;

struct Buggy {
    venue: Arc<dyn Venue>,
    capabilities: Capabilities,
    bug: Bug,
}

impl Venue for Buggy {
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn connects_allowed(&self) -> BoxFuture<'_, ConnectsAllowed> {
        self.venue.connects_allowed()
    }

    fn connect(&self) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        async {
            let mut connection = self.venue.connect().await?;
            let (told, events) = mpsc::channel(1_024);
            let mut heard = std::mem::replace(&mut connection.events, events);
            let bug = self.bug;
            connection.tasks.spawn(async move {
                while let Some(event) = heard.recv().await {
                    for event in bug(event) {
                        if told.send(event).await.is_err() {
                            return;
                        }
                    }
                }
            });
            Ok(connection)
        }
        .boxed()
    }
}

struct Planted {
    stage: SimStage,
    bug: Bug,
    offers: fn(&mut Capabilities),
}

impl Stage for Planted {
    fn venue(&self) -> Arc<dyn Venue> {
        let venue = self.stage.venue();
        let mut capabilities = venue.capabilities().clone();
        (self.offers)(&mut capabilities);
        Arc::new(Buggy { venue, capabilities, bug: self.bug })
    }
    fn account(&self) -> AccountId {
        self.stage.account()
    }
    fn instrument(&self) -> InstrumentId {
        self.stage.instrument()
    }
    fn far_price(&self) -> Price {
        self.stage.far_price()
    }
    fn farther_price(&self) -> Price {
        self.stage.farther_price()
    }
    fn crossing_price(&self) -> Price {
        self.stage.crossing_price()
    }
    fn quantity(&self) -> Quantity {
        self.stage.quantity()
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
}

async fn failed(bug: Bug) -> HashSet<u32> {
    let planted = Planted { stage: SimStage::new().await, bug, offers: |_| {} };
    run(&planted).await.failed.into_iter().map(|failed| failed.number).collect()
}

fn not_placed(result: Result<VenueOrder, Refusal>) -> Result<VenueOrder, Refusal> {
    result.map_err(|refusal| Refusal { placed: Placed::No, ..refusal })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_bug_fails_the_case_that_looks_for_it() {
    let planted: [(&str, u32, Bug); 10] = [
        ("a fill is told twice", 4, |event| match event {
            Event::Fill(fill) => vec![Event::Fill(fill.clone()), Event::Fill(fill)],
            other => vec![other],
        }),
        ("fills are swallowed", 4, |event| match event {
            Event::Fill(_) => Vec::new(),
            other => vec![other],
        }),
        ("a cancel is said to be done and is not", 6, |event| match event {
            Event::Canceled { order, .. } => {
                let (state, reason) = (OrderState::Canceled, None);
                let said = VenueOrder { venue_order_id: order, state, reason, replaced: false };
                vec![Event::Canceled { order, result: Ok(said) }]
            }
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
    for (what, case, bug) in planted {
        let failed = failed(bug).await;
        assert!(failed.contains(&case), "{what}: C{case:02} passes; failed: {failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_adapter_does_not_offer_it_is_not_asked_for() {
    let offers = |offered: &mut Capabilities| {
        offered.replace = false;
        offered.query_by_our_id = false;
        offered.order_deadline = false;
        (offered.post_only, offered.reduce_only) = (false, false);
        offered.times_in_force = vec![TimeInForce::Gtc];
        offered.order_types.retain(|t| *t == tradewind_domain::trading::OrderType::Limit);
    };
    let bug: Bug = |event| vec![event];
    let outcome = run(&Planted { stage: SimStage::new().await, bug, offers }).await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.words());
    assert_eq!(outcome.ran, [1, 2, 3, 5, 6, 7, 8, 10, 12, 13]);
}
