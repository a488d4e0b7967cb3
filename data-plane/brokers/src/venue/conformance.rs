//! Conformance: what every adapter must do, as numbered cases over the `Venue` trait alone, against a simulator of its
//! venue. Decides which cases there are and which an adapter owes by its capabilities; how a simulator is started, cut,
//! made to do wrong and asked what arrived is its [`Stage`]'s matter.
//!
//! When you add a venue: write its stage, and let [`run`] or [`run_apart`] say that nothing fails.

mod cases;
mod conditions;
mod faults;
mod kraken;
mod line;
mod market_data;
mod permission;
mod planted;
mod replaces;
mod sim;

use super::{Capabilities, Submission, Venue};
use futures_util::{FutureExt as _, future::BoxFuture};
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
    /// At which a buy rests for as long as a case takes. All prices and quantities are of the recorded BTC/USD unless a stage
    /// has others.
    fn far_price(&self) -> Price {
        "1000".parse().expect("legal")
    }
    /// Two others at which it does, too.
    fn farther_price(&self) -> Price {
        "999".parse().expect("legal")
    }
    /// At which a buy trades at once, and which no market reaches from below while a case takes.
    fn crossing_price(&self) -> Price {
        "60000".parse().expect("legal")
    }
    fn quantity(&self) -> Quantity {
        "0.001".parse().expect("legal")
    }
    /// More than stands against a buy: at market it takes all of that, at several prices, and its rest is canceled.
    fn deep_quantity(&self) -> Quantity {
        "100".parse().expect("legal")
    }
    /// How often an order, or a replace by one of that id, has reached the venue.
    fn arrivals(&self, id: VenueOrderId) -> BoxFuture<'_, usize>;
    /// What the venue says is lost from now on, until the cut.
    fn deafen(&self);
    /// Ends all connections; the next one is whole.
    fn cut(&self);
    /// Strikes, once, the first that comes after this. False: this simulator cannot do it.
    fn fault(&self, _fault: Fault) -> BoxFuture<'_, bool> {
        std::future::ready(false).boxed()
    }
}

/// What a simulator does wrong when it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A fill is told twice.
    FillTwice,
    /// The fills of an order that ends with them are told after its end.
    FillsAfterTheEnd,
    /// An order's fills are told the last one first.
    FillsBackwards,
    /// An order is taken, and answered with an error that leaves that open.
    TakenAndRefused,
    /// What is told of the stage's instrument, after its first quote, is not what stands in its book.
    BookBroken,
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
    /// Brought about before it begins.
    fault: Option<Fault>,
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
    /// Owed, and not looked into: the simulator cannot bring their faults about.
    pub(crate) left: Vec<u32>,
}

impl Outcome {
    /// What failed, a line each.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.failed.iter().map(|failed| failed.why.as_str()).collect()
    }

    async fn look(&mut self, case: &Case, stage: &dyn Stage) {
        if let Some(fault) = case.fault
            && !stage.fault(fault).await
        {
            self.left.push(case.number);
            return;
        }
        self.ran.push(case.number);
        if let Err(why) = (case.run)(stage).await {
            let why = format!("C{:02} {}: {why}", case.number, case.claim);
            self.failed.push(Failed { number: case.number, why });
        }
    }
}

/// What an adapter with the stage's capabilities owes.
fn owed(stage: &dyn Stage) -> Vec<&'static Case> {
    let venue = stage.venue();
    let capabilities = venue.capabilities();
    cases::ALL.iter().filter(|case| (case.needs)(capabilities)).collect()
}

/// Runs what the adapter owes, one case after the other.
pub(crate) async fn run(stage: &dyn Stage) -> Outcome {
    let mut outcome = Outcome::default();
    for case in owed(stage) {
        outcome.look(case, stage).await;
    }
    outcome
}

/// The same, each case on a stage of its own: where a venue counts calls and connects, a case would lack what those
/// before it have used up.
pub(crate) async fn run_apart<S: Stage>(fresh: impl AsyncFn() -> S) -> Outcome {
    let mut outcome = Outcome::default();
    let owed = owed(&fresh().await);
    for case in owed {
        outcome.look(case, &fresh().await).await;
    }
    outcome
}

/// The case of that number alone, if it is owed.
pub(crate) async fn run_one(stage: &dyn Stage, number: u32) -> Outcome {
    let mut outcome = Outcome::default();
    for case in owed(stage).into_iter().filter(|case| case.number == number) {
        outcome.look(case, stage).await;
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
