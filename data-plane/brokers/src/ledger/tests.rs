//! Claims about the ledger's rules, and about any history of it.

#![allow(clippy::unwrap_used)]

mod evidence;
mod external;
mod histories;
mod lives;
mod presence;
mod replaces;

use super::*;
use crate::{
    ledger::{
        exposures::Owner,
        rules::{Assignment, Fenced, Submitted},
    },
    venue::{Capabilities, VenueFill, VenueOrder},
};
use tradewind_domain::{
    ids::{ClientOrderId, InstrumentId, VenueId},
    limits::{INTENT_DEADLINE, SWEEP_MARGIN},
    trading::{Conditions, NewOrder, OrderType, Side, TimeInForce},
};
use tradewind_protocol::{
    problem::{Code, Retry},
    trade::{Principal, PrivateEvent},
};

const NOW: UnixNanos = UnixNanos(1_700_000_000_000_000_000);

pub(super) fn account() -> AccountId {
    AccountId::new("sim-1").unwrap()
}

pub(super) fn opened() -> Record {
    let stream_epoch = StreamEpoch::new("e1").unwrap();
    Record::Opened { account: account(), stream_epoch, at: NOW }
}

fn fence(cluster: u64, epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(cluster), epoch: Epoch(epoch) }
}

pub(super) fn assignment() -> Assignment {
    let customers = ["acme", "bolt"].into_iter().map(|name| CustomerId::new(name).unwrap());
    Assignment {
        fence: fence(1, 10),
        customers: customers.collect(),
        venue: VenueId::new("sim").unwrap(),
        controls: Default::default(),
    }
}

pub(super) fn capabilities() -> Capabilities {
    Capabilities {
        order_types: vec![OrderType::Market, OrderType::Limit],
        instruments: Some([InstrumentId::new("BTC/USD").unwrap()].into()),
        ..Capabilities::plain()
    }
}

pub(super) fn principal(customer: &str) -> Principal {
    Principal { customer: CustomerId::new(customer).unwrap(), trader: None, session: None }
}

pub(super) fn new_order(name: &str, quantity: &str) -> NewOrder {
    NewOrder {
        client_order_id: ClientOrderId::new(name).unwrap(),
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: Side::Buy,
        order_type: OrderType::Limit,
        quantity: quantity.parse().unwrap(),
        limit_price: "100".parse().ok(),
        time_in_force: TimeInForce::Gtc,
        conditions: Conditions::NONE,
        cancel_on_disconnect: None,
    }
}

/// A ledger in memory with the records that made it.
#[derive(Clone)]
pub(super) struct Book {
    pub(super) ledger: Ledger,
    pub(super) records: Vec<Record>,
}

impl Book {
    pub(super) fn new() -> Self {
        let ledger = Ledger::opened(&account(), &opened()).unwrap();
        Self { ledger, records: vec![opened()] }
    }

    pub(super) fn put(&mut self, record: Record) {
        self.ledger.apply(&record).unwrap();
        self.records.push(record);
    }

    fn submit(&mut self, customer: &str, new: &NewOrder) -> Result<Submitted, Code> {
        let submitted = self.ledger.submit(
            &assignment(),
            &capabilities(),
            &principal(customer),
            new,
            Ok(()),
            NOW,
        );
        let submitted = submitted.map_err(|problem| problem.code)?;
        if let Submitted::New(record) = &submitted {
            self.put((**record).clone());
        }
        Ok(submitted)
    }

    /// An accepted order brought to that state.
    pub(super) fn order_in(&mut self, name: &str, states: &[OrderState]) -> VenueOrderId {
        self.submit("acme", &new_order(name, "1")).unwrap();
        let id = self.id("acme", name);
        for state in states {
            let order = self.order(&id);
            self.put(self.ledger.change(&order, *state, None, NOW).unwrap());
        }
        id
    }

    fn id(&self, customer: &str, name: &str) -> VenueOrderId {
        let name = ClientOrderId::new(name).unwrap();
        VenueOrderId::of(&account(), &CustomerId::new(customer).unwrap(), &name)
    }

    fn order(&self, id: &VenueOrderId) -> Order {
        self.ledger.entry(id).unwrap().order.clone()
    }

    fn cancel(&mut self, id: &VenueOrderId) -> Result<usize, Code> {
        let entry = self.ledger.entry(id).unwrap();
        let records = self.ledger.cancel(entry, NOW).map_err(|problem| problem.code)?;
        let count = records.len();
        records.into_iter().for_each(|record| self.put(record));
        Ok(count)
    }

    fn says(&mut self, id: &VenueOrderId, state: OrderState) {
        let (venue_order_id, reason, replaced, terms) = (*id, None, false, None);
        let said = VenueOrder { venue_order_id, state, reason, replaced, terms };
        while let Some(record) = self.ledger.evidence(&said, NOW) {
            self.put(record);
        }
    }

    fn fills(&mut self, id: &VenueOrderId, exec: &str, quantity: &str) {
        let said = fill_of(id, exec, quantity);
        if let Some(record) = self.ledger.fill(&said) {
            self.put(record.unwrap());
        }
    }
}

pub(super) fn fill_of(id: &VenueOrderId, exec: &str, quantity: &str) -> VenueFill {
    VenueFill {
        exec_id: ExecId::new(exec).unwrap(),
        venue_order_id: *id,
        quantity: quantity.parse().unwrap(),
        price: "100".parse().unwrap(),
        at: NOW,
        traded: None,
    }
}

#[test]
fn the_same_id_and_body_is_the_same_order_and_another_body_a_conflict() {
    // given
    let mut book = Book::new();
    let first = book.submit("acme", &new_order("o-1", "1.0"));
    assert!(matches!(first, Ok(Submitted::New(_))));
    // when, then
    let id = book.id("acme", "o-1");
    assert_eq!(book.submit("acme", &new_order("o-1", "1")), Ok(Submitted::Before(id)));
    assert_eq!(book.submit("acme", &new_order("o-1", "2")), Err(Code::Conflict));
    // another customer's names are his own
    assert!(matches!(book.submit("bolt", &new_order("o-1", "2")), Ok(Submitted::New(_))));
}

#[test]
fn an_order_that_cannot_be_sent_is_refused_before_anything_is_written() {
    let book = Book::new();
    let submit = |new: &NewOrder, ready| {
        let refused =
            book.ledger.submit(&assignment(), &capabilities(), &principal("acme"), new, ready, NOW);
        refused.unwrap_err()
    };
    let away = submit(&new_order("o-1", "1"), Err("away".to_string()));
    assert_eq!((away.code, away.retry), (Code::Unavailable, Retry::After));
    let ioc = NewOrder { time_in_force: TimeInForce::Ioc, ..new_order("o-1", "1") };
    assert_eq!(submit(&ioc, Ok(())).code, Code::Unsupported);
    let instrument = InstrumentId::new("AAPL").unwrap();
    let other = NewOrder { instrument, ..new_order("o-1", "1") };
    assert_eq!(submit(&other, Ok(())).code, Code::Unsupported);
    assert_eq!(submit(&new_order("o-1", "0"), Ok(())).code, Code::InvalidOrder);
}

#[test]
fn a_repeated_submit_is_answered_even_while_the_venue_is_away() {
    let mut book = Book::new();
    book.submit("acme", &new_order("o-1", "1")).unwrap();
    let away = Err("away".to_string());
    let (a, c, p) = (assignment(), capabilities(), principal("acme"));
    let again = book.ledger.submit(&a, &c, &p, &new_order("o-1", "1"), away, NOW);
    assert_eq!(again, Ok(Submitted::Before(book.id("acme", "o-1"))));
}

#[test]
fn only_the_broker_s_own_epoch_passes_and_a_higher_one_supersedes_it_for_good() {
    // given
    let mut book = Book::new();
    let own = assignment();
    book.put(book.ledger.assigned(&own).unwrap());
    assert_eq!(book.ledger.assigned(&own), None, "written once");
    // when, then
    assert_eq!(book.ledger.check_fence(&own, fence(1, 10)), Ok(()));
    let refused = |book: &Book, sent| book.ledger.check_fence(&own, sent).unwrap_err();
    let lower = refused(&book, fence(1, 9));
    assert!(matches!(lower, Fenced::Stale { .. }));
    let other = refused(&book, fence(2, 10));
    assert!(matches!(other, Fenced::OtherCluster { .. }));
    assert_eq!((book.ledger.news_of(&lower), book.ledger.news_of(&other)), (None, None));
    let higher = refused(&book, fence(1, 11));
    assert!(matches!(higher, Fenced::Superseded { .. }));
    book.put(book.ledger.news_of(&higher).unwrap());
    assert_eq!(book.ledger.news_of(&higher), None, "written once");
    assert!(book.ledger.check_fence(&own, fence(1, 10)).is_err(), "refuses everything");
    assert!(book.ledger.check_own(&own).is_err());
    assert_eq!(book.ledger.assigned(&own), None, "the lower right does not come back");
    // assigned anew, it serves again
    let anew = Assignment { fence: fence(1, 11), ..own.clone() };
    assert_eq!(book.ledger.check_fence(&anew, fence(1, 11)), Ok(()));
    // a restored cluster counts anew
    let restored = Assignment { fence: fence(2, 3), ..own };
    book.put(book.ledger.assigned(&restored).unwrap());
    assert_eq!(book.ledger.check_fence(&restored, fence(2, 3)), Ok(()));
}

#[test]
fn of_one_trader_only_the_newest_copy_may_send_and_the_ledger_remembers_it() {
    // given
    let mut book = Book::new();
    let copy = |customer: &str, epoch| Principal {
        trader: Some(TraderClaim { trader: TraderId::new("t").unwrap(), epoch: Epoch(epoch) }),
        ..principal(customer)
    };
    let seen = book.ledger.check_trader(&copy("acme", 5)).unwrap();
    book.put(seen.unwrap());
    // when, then
    assert_eq!(book.ledger.check_trader(&copy("acme", 5)), Ok(None), "nothing new");
    let stale = book.ledger.check_trader(&copy("acme", 4)).unwrap_err();
    assert_eq!(stale.code, Code::StaleTrader);
    assert!(book.ledger.check_trader(&copy("acme", 6)).unwrap().is_some());
    assert!(book.ledger.check_trader(&copy("bolt", 1)).is_ok(), "another customer's Trader");
    assert_eq!(book.ledger.check_trader(&principal("acme")), Ok(None), "no Trader at all");
}

#[test]
fn only_customers_with_a_grant_pass_and_each_sees_his_own_orders_only() {
    let mut book = Book::new();
    book.submit("acme", &new_order("o-1", "1")).unwrap();
    let order_id = book.order(&book.id("acme", "o-1")).order_id;
    let customer = |name| CustomerId::new(name).unwrap();
    assert!(Ledger::check_grant(&assignment(), &customer("acme")).is_ok());
    let refused = Ledger::check_grant(&assignment(), &customer("eve")).unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    assert!(book.ledger.own_order(&customer("acme"), &order_id).is_ok());
    let other = book.ledger.own_order(&customer("bolt"), &order_id).unwrap_err();
    assert_eq!(other.code, Code::NotFound);
    assert_eq!(book.ledger.list(&customer("bolt"), None, false, 9), []);
}

#[test]
fn a_list_holds_the_newest_orders_last() {
    let mut book = Book::new();
    for name in ["a", "b", "c"] {
        book.submit("acme", &new_order(name, "1")).unwrap();
    }
    let done = book.order(&book.id("acme", "b"));
    book.put(book.ledger.change(&done, OrderState::Rejected, None, NOW).unwrap());
    let acme = CustomerId::new("acme").unwrap();
    let names = |name: Option<&str>, open, most| -> Vec<String> {
        let name = name.map(|name| ClientOrderId::new(name).unwrap());
        let orders = book.ledger.list(&acme, name.as_ref(), open, most);
        orders.iter().map(|order| order.client_order_id.to_string()).collect()
    };
    assert_eq!(names(None, false, 9), ["a", "b", "c"]);
    assert_eq!(names(None, false, 2), ["b", "c"]);
    assert_eq!(names(None, true, 9), ["a", "c"]);
    assert_eq!(names(Some("b"), false, 9), ["b"]);
    assert_eq!(names(Some("b"), true, 9), Vec::<String>::new());
}

#[test]
fn a_cancel_is_remembered_until_the_order_has_ended() {
    use OrderState as S;
    let mut book = Book::new();
    // not sent yet: it never is
    let unsent = book.order_in("unsent", &[]);
    assert_eq!(book.cancel(&unsent), Ok(1));
    assert_eq!(book.order(&unsent).state, S::Canceled);
    // at the venue: on its way, once
    let open = book.order_in("open", &[S::PendingNew, S::New]);
    assert_eq!(book.cancel(&open), Ok(2));
    assert_eq!(book.order(&open).state, S::PendingCancel);
    assert_eq!(book.cancel(&open), Ok(0), "asked before");
    // not known to be there: stays so, and is canceled when it shows up
    let unknown = book.order_in("unknown", &[S::PendingNew, S::Unknown]);
    assert_eq!(book.cancel(&unknown), Ok(1));
    assert_eq!(book.order(&unknown).state, S::Unknown);
    assert!(book.ledger.entry(&unknown).unwrap().cancel_asked);
    book.says(&unknown, S::New);
    assert_eq!(book.order(&unknown).state, S::PendingCancel);
    book.says(&unknown, S::Canceled);
    assert_eq!(book.cancel(&unknown), Ok(0), "done: the same answer again");
    // ended otherwise: too late
    let filled = book.order_in("filled", &[S::PendingNew, S::New]);
    book.fills(&filled, "x1", "1");
    assert_eq!(book.cancel(&filled), Err(Code::Conflict));
}

#[test]
fn a_record_that_does_not_follow_is_refused() {
    let mut book = Book::new();
    book.submit("acme", &new_order("o", "1")).unwrap();
    let intent = book.records.last().unwrap().clone();
    let order = book.order(&book.id("acme", "o"));
    let change = book.ledger.change(&order, OrderState::PendingNew, None, NOW).unwrap();
    let Record::Changed { number, order } = change.clone() else { panic!("a change") };
    let hole = Number { seq: number.seq + 1, ..number };
    let backwards = OrderRecord { state: OrderState::Filled.into(), ..order.clone() };
    let more = OrderRecord { version: order.version + 1, ..order.clone() };
    for (record, what) in [
        (opened(), "opened twice"),
        (intent, "accepted twice"),
        (Record::Changed { number: hole, order }, "a number left out"),
        (Record::Changed { number, order: backwards }, "an illegal state"),
        (Record::Changed { number, order: more }, "more than a state"),
    ] {
        assert!(book.ledger.clone().apply(&record).is_err(), "{what}");
    }
    assert!(book.ledger.apply(&change).is_ok());
    let other = AccountId::new("sim-2").unwrap();
    assert!(Ledger::opened(&other, &opened()).is_err(), "another account's");
    assert!(Ledger::opened(&account(), &change).is_err(), "no opening");
}
