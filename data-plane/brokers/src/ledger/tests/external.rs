//! Claims about what is external: it counts for the account and for nobody else, once, and ends.

use super::*;
use crate::venue::external::{ExternalFill, ExternalId, ExternalOrder, Terms};
use std::collections::HashSet;
use tradewind_domain::trading::exposure::Exposure;

pub(super) fn stranger(id: &str, quantity: &str, filled: &str, open: bool) -> ExternalOrder {
    let terms = Terms {
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: Side::Buy,
        quantity: quantity.parse().unwrap(),
        filled: filled.parse().unwrap(),
        limit_price: "100".parse().ok(),
    };
    ExternalOrder { id: ExternalId::new(id), open, terms: Some(terms) }
}

pub(super) fn stranger_fill(id: &str, exec: &str, quantity: &str) -> ExternalFill {
    ExternalFill {
        exec_id: ExecId::new(exec).unwrap(),
        order: ExternalId::new(id),
        quantity: quantity.parse().unwrap(),
        price: "100".parse().unwrap(),
        at: NOW,
        traded: Some((InstrumentId::new("BTC/USD").unwrap(), Side::Buy)),
    }
}

impl Book {
    pub(super) fn shows(&mut self, said: &ExternalOrder) -> bool {
        let record = self.ledger.external_order(said, NOW);
        record.map(|record| self.put(record)).is_some()
    }

    pub(super) fn shows_fill(&mut self, said: &ExternalFill) -> bool {
        let record = self.ledger.external_fill(said);
        record.map(|record| self.put(record)).is_some()
    }

    fn account_has(&self) -> (Exposure, u32) {
        let instrument = InstrumentId::new("BTC/USD").unwrap();
        let exposures = self.ledger.exposures();
        (exposures.of(&Owner::Account, &instrument), exposures.open_orders(&Owner::Account))
    }

    fn external(&self) -> Vec<String> {
        let open = self.ledger.external().open();
        open.map(|(id, order)| format!("{id} {order}")).collect()
    }
}

fn exposure(position: &str, buying: &str) -> Exposure {
    let (position, buying) = (position.parse().unwrap(), buying.parse().unwrap());
    Exposure { position, buying, ..Exposure::default() }
}

#[test]
fn an_external_order_counts_for_the_account_alone_until_it_has_ended() {
    // given
    let mut book = Book::new();
    book.submit("acme", &new_order("o-1", "1")).unwrap();
    // when, then
    assert!(book.shows(&stranger("X-1", "5", "2", true)));
    assert_eq!(book.account_has(), (exposure("0", "4"), 2), "what it may still come to");
    assert_eq!(book.external(), ["X-1 buy 5 BTC/USD at 100, filled 2"]);
    let acme = Owner::Customer(CustomerId::new("acme").unwrap());
    let instrument = InstrumentId::new("BTC/USD").unwrap();
    assert_eq!(book.ledger.exposures().of(&acme, &instrument), exposure("0", "1"));
    assert_eq!(book.ledger.exposures().open_orders(&acme), 1);
    // the same word is no news, another one is
    assert!(!book.shows(&stranger("X-1", "5", "2", true)));
    assert!(book.shows(&stranger("X-1", "5", "3", true)));
    assert_eq!(book.account_has(), (exposure("0", "3"), 2));
    // a word without terms takes none back
    assert!(!book.shows(&ExternalOrder { terms: None, ..stranger("X-1", "5", "3", true) }));
    assert!(book.shows(&stranger("X-1", "5", "3", false)));
    assert_eq!(book.account_has(), (exposure("0", "1"), 1));
    assert!(!book.shows(&stranger("X-1", "5", "3", false)), "it has ended");
}

#[test]
fn one_of_unknown_terms_is_an_open_order_and_counts_when_they_are_known() {
    let mut book = Book::new();
    let known = stranger("X-1", "5", "0", true);
    assert!(book.shows(&ExternalOrder { terms: None, ..known.clone() }));
    assert_eq!(book.account_has(), (exposure("0", "0"), 1));
    assert_eq!(book.external(), ["X-1 of unknown terms"]);
    assert!(book.shows(&known));
    assert_eq!(book.account_has(), (exposure("0", "5"), 1));
}

#[test]
fn an_external_fill_counts_once_whoever_tells_of_it() {
    // given
    let mut book = Book::new();
    let ours = book.order_in("o-1", &[OrderState::PendingNew, OrderState::New]);
    book.fills(&ours, "x-1", "1");
    // when, then
    assert!(!book.shows_fill(&stranger_fill("X-1", "x-1", "1")), "an execution is one");
    assert!(book.shows_fill(&stranger_fill("X-1", "x-2", "2")));
    assert!(!book.shows_fill(&stranger_fill("X-1", "x-2", "2")));
    assert_eq!((book.account_has().0, book.ledger.external().fills()), (exposure("3", "0"), 1));
    let acme = CustomerId::new("acme").unwrap();
    assert_eq!(book.ledger.positions(&acme).positions[0].quantity.to_string(), "1");
    let twice = book.records.last().unwrap().clone();
    assert_eq!(book.ledger.apply(&twice), Err(Broken::Execution(ExecId::new("x-2").unwrap())));
}

#[test]
fn a_fill_of_which_the_venue_does_not_tell_of_what_is_one_of_its_order() {
    let mut book = Book::new();
    book.shows(&stranger("X-1", "5", "0", true));
    assert!(book.shows_fill(&ExternalFill { traded: None, ..stranger_fill("X-1", "x-1", "2") }));
    assert_eq!(book.account_has().0.position.to_string(), "2");
    // of what this one is, nobody knows: it counts when that is known
    let untold = ExternalFill { traded: None, ..stranger_fill("X-2", "x-2", "2") };
    assert!(!book.shows_fill(&untold) && book.ledger.is_external_news(&untold));
    assert!(book.shows_fill(&stranger_fill("X-2", "x-2", "2")));
    assert_eq!(book.account_has().0.position.to_string(), "4");
    assert!(!book.ledger.is_external_news(&untold));
    assert_eq!(book.ledger.external().fills(), 2);
}

#[test]
fn what_is_ours_is_never_external_also_under_the_id_of_a_replace() {
    let mut book = Book::new();
    let ours = book.order_in("o-1", &[OrderState::PendingNew, OrderState::New]);
    book.replace(&ours, "r-1", "2").unwrap();
    for id in [ours, book.id("acme", "r-1")] {
        assert!(!book.shows(&stranger(&id.to_string(), "1", "0", true)));
        assert!(!book.shows_fill(&stranger_fill(&id.to_string(), "x-1", "1")));
    }
}

#[test]
fn a_listing_of_all_that_is_open_ends_what_it_does_not_name_and_was_seen_before_it() {
    // given
    let mut book = Book::new();
    for id in ["X-1", "X-2"] {
        book.shows(&stranger(id, "1", "0", true));
    }
    let listed: HashSet<_> = [ExternalId::new("X-2")].into();
    let (same, later) = (NOW, UnixNanos(NOW.0 + 1));
    // when, then
    assert_eq!(book.ledger.external_absent(&listed, same), [], "it was made before");
    let gone = book.ledger.external_absent(&listed, later);
    gone.into_iter().for_each(|record| book.put(record));
    assert_eq!(book.external(), ["X-2 buy 1 BTC/USD at 100"]);
    assert_eq!(book.account_has(), (exposure("0", "1"), 1));
}

#[test]
fn no_order_is_accepted_under_an_id_that_the_venue_had_for_another() {
    // given: an order of a ledger that was lost
    let mut book = Book::new();
    let lost = book.id("acme", "o-1").to_string();
    book.shows(&stranger(&lost, "1", "0", true));
    // when, then
    assert_eq!(book.submit("acme", &new_order("o-1", "1")), Err(Code::Conflict));
    book.shows(&stranger(&lost, "1", "0", false));
    assert_eq!(book.submit("acme", &new_order("o-1", "1")), Err(Code::Conflict), "also ended");
    let other = book.order_in("o-2", &[OrderState::PendingNew, OrderState::New]);
    assert_eq!(book.replace(&other, "o-1", "2"), Err(Code::Conflict));
    assert!(book.submit("bolt", &new_order("o-1", "1")).is_ok(), "another customer's name");
}
