//! The sim venue on the stage.

use super::{Fault, Stage, run_apart};
use crate::{
    broker::tests::{wire::Wire, world},
    venue::{Venue, sim::Sim},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::json;
use std::sync::Arc;
use tradewind_domain::ids::{AccountId, InstrumentId, VenueOrderId};
use tradewind_sim::fault::FAULTS_PATH;

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
    fn arrivals(&self, id: VenueOrderId) -> BoxFuture<'_, usize> {
        async move { self.venue.arrivals(&id).await }.boxed()
    }
    fn deafen(&self) {
        self.wire.deafen();
    }
    fn cut(&self) {
        self.wire.cut();
    }
    fn fault(&self, fault: Fault) -> BoxFuture<'_, bool> {
        let body = match fault {
            Fault::FillTwice => json!({ "fault": "repeat_fill" }),
            Fault::FillsAfterTheEnd => json!({ "fault": "late_fills" }),
            Fault::FillsBackwards => json!({ "fault": "reverse_fills" }),
            Fault::TakenAndRefused => json!({ "fault": "error_after", "method": "submit" }),
            Fault::BookBroken => json!({ "fault": "skip_quote", "instrument": world::btc() }),
        };
        let url = format!("http://{}{FAULTS_PATH}", self.venue.address);
        async move {
            let asked = reqwest::Client::new().post(url).body(body.to_string());
            asked.send().await.is_ok_and(|answer| answer.status().is_success())
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sim_venue_does_what_every_venue_must() {
    // Apart: what one case has bought stands in the book of no other.
    let outcome = run_apart(SimStage::new).await;
    assert!(outcome.failed.is_empty(), "{:#?}", outcome.words());
    assert_eq!(outcome.ran, (1..=34).collect::<Vec<_>>(), "it offers all of it");
    assert!(outcome.left.is_empty(), "the venue cannot do {:?}", outcome.left);
}
