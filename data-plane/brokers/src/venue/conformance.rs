//! Conformance: what every adapter must do, as numbered cases over the `Venue` trait alone, against a simulator of its
//! venue. Decides which cases there are and which an adapter owes by its capabilities; how a simulator is started, cut
//! and asked what arrived is its [`Stage`]'s matter.
//!
//! When you add a venue: write its stage, and let [`run`] say that nothing fails.

mod cases;
mod conditions;
mod line;
mod market_data;
mod permission;
mod planted;
mod sim;

use super::{Capabilities, Submission, Venue};
use futures_util::future::BoxFuture;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tradewind_domain::{
    ids::{AccountId, ClientOrderId, CustomerId, InstrumentId, VenueOrderId},
    limits::INTENT_DEADLINE,
    money::{Price, Quantity},
    trading::{Conditions, OrderType, Side, TimeInForce},
};
use tradewind_node::clock;

/// A simulator with an adapter before it.
pub(crate) trait Stage: Send + Sync {
    fn venue(&self) -> Arc<dyn Venue>;
    fn account(&self) -> AccountId;
    fn instrument(&self) -> InstrumentId;
    /// Where a connection takes only so many: more than one takes, that one among them.
    fn instruments(&self) -> Vec<InstrumentId> {
        vec![self.instrument()]
    }
    /// At which a buy rests for as long as a case takes.
    fn far_price(&self) -> Price;
    /// Two others at which it does, too.
    fn farther_price(&self) -> Price;
    /// At which a buy trades at once, and which no market reaches from below while a case takes.
    fn crossing_price(&self) -> Price;
    fn quantity(&self) -> Quantity;
    /// How often an order, or a replace by one of that id, has reached the venue.
    fn arrivals(&self, id: VenueOrderId) -> BoxFuture<'_, usize>;
    /// What the venue says is lost from now on, until the cut.
    fn deafen(&self);
    /// Ends all connections; the next one is whole.
    fn cut(&self);
}

impl Capabilities {
    /// Of a venue with no more than limit orders that stay.
    pub(crate) fn plain() -> Self {
        Self {
            order_types: vec![OrderType::Limit],
            times_in_force: vec![TimeInForce::Gtc],
            post_only: false,
            reduce_only: false,
            instruments: None,
            order_deadline: true,
            query_by_our_id: true,
            replace: true,
            data_connections: false,
        }
    }
}

/// What was wrong.
pub(crate) type Verdict = Result<(), String>;

/// A claim and how it is looked into.
pub(crate) struct Case {
    pub(crate) number: u32,
    pub(crate) claim: &'static str,
    /// Whether an adapter with these capabilities owes it.
    needs: fn(&Capabilities) -> bool,
    run: for<'a> fn(&'a dyn Stage) -> BoxFuture<'a, Verdict>,
}

/// A case that failed, in words for whoever writes the adapter.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) number: u32,
    pub(crate) why: String,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) ran: Vec<u32>,
    pub(crate) failed: Vec<Failed>,
}

impl Outcome {
    /// What failed, a line each.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.failed.iter().map(|failed| failed.why.as_str()).collect()
    }
}

/// Runs what the adapter owes, one case after the other.
pub(crate) async fn run(stage: &dyn Stage) -> Outcome {
    let mut outcome = Outcome::default();
    let capabilities = stage.venue().capabilities().clone();
    for case in cases::ALL.iter().filter(|case| (case.needs)(&capabilities)) {
        outcome.ran.push(case.number);
        if let Err(why) = (case.run)(stage).await {
            let why = format!("C{:02} {}: {why}", case.number, case.claim);
            outcome.failed.push(Failed { number: case.number, why });
        }
    }
    outcome
}

/// An id that no case before has used.
fn fresh_id(stage: &dyn Stage) -> VenueOrderId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let customer = CustomerId::new("conformance").expect("legal");
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let order = ClientOrderId::new(&format!("{:x}-{n}", clock::now().0)).expect("legal");
    VenueOrderId::of(&stage.account(), &customer, &order)
}

/// A buy that rests.
fn resting(stage: &dyn Stage, id: VenueOrderId) -> Submission {
    let now = clock::now();
    Submission {
        venue_order_id: id,
        account: stage.account(),
        instrument: stage.instrument(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: stage.quantity(),
        limit_price: Some(stage.far_price()),
        time_in_force: TimeInForce::Gtc,
        conditions: Conditions::NONE,
        sent_at: now,
        deadline: now + INTENT_DEADLINE,
    }
}

/// A buy that trades at once.
fn crossing(stage: &dyn Stage, id: VenueOrderId) -> Submission {
    Submission {
        order_type: OrderType::Market,
        limit_price: None,
        time_in_force: TimeInForce::Ioc,
        ..resting(stage, id)
    }
}
