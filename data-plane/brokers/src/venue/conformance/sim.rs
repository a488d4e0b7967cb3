//! The sim venue on the stage.

use super::{Stage, run};
use crate::{
    broker::tests::{wire::Wire, world},
    venue::{Venue, sim::Sim},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use std::sync::Arc;
use tradewind_domain::{
    ids::{AccountId, InstrumentId, VenueOrderId},
    money::{Price, Quantity},
};

pub(super) struct SimStage {
    venue: world::Venue,
    wire: Wire,
}

impl SimStage {
    pub(super) async fn new() -> Self {
        let venue = world::Venue::of(6, 4).await;
        let wire = Wire::to(venue.address).await;
        Self { venue, wire }
    }
}

impl Stage for SimStage {
    fn venue(&self) -> Arc<dyn Venue> {
        Arc::new(Sim::new(&self.wire.address.to_string(), world::account()))
    }
    fn account(&self) -> AccountId {
        world::account()
    }
    fn instrument(&self) -> InstrumentId {
        world::btc()
    }
    fn instruments(&self) -> Vec<InstrumentId> {
        (0..6).map(world::instrument).collect()
    }
    fn far_price(&self) -> Price {
        "1000".parse().expect("legal")
    }
    fn farther_price(&self) -> Price {
        "999".parse().expect("legal")
    }
    fn crossing_price(&self) -> Price {
        "60000".parse().expect("legal")
    }
    fn quantity(&self) -> Quantity {
        "0.001".parse().expect("legal")
    }
    fn deep_quantity(&self) -> Quantity {
        "100".parse().expect("legal")
    }
    fn arrivals(&self, id: VenueOrderId) -> BoxFuture<'_, usize> {
        async move { self.venue.arrivals(&id).await }.boxed()
    }
    fn deafen(&self) {
        self.wire.deafen();
    }
    fn cut(&self) {
        self.wire.cut();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sim_venue_does_what_every_venue_must() {
    let outcome = run(&SimStage::new().await).await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.words());
    assert_eq!(outcome.ran, (1..=29).collect::<Vec<_>>(), "it offers all of it");
    assert_eq!(outcome.left, (30..=34).collect::<Vec<_>>(), "it does nothing wrong");
}
