//! Claims about orders that are tied to their session: which session that is, and that a replay makes the same of it.

use super::*;
use tradewind_domain::{
    ids::SessionId,
    trading::{CancelOnDisconnect, presence::SessionKey},
};

fn tied(name: &str, after_ms: u64) -> NewOrder {
    let cancel_on_disconnect = Some(CancelOnDisconnect { after_ms });
    NewOrder { cancel_on_disconnect, ..new_order(name, "1") }
}

fn key(session: &str) -> SessionKey {
    let session = SessionId::new(session).unwrap();
    SessionKey { customer: CustomerId::new("acme").unwrap(), session }
}

fn submit_in(book: &mut Book, session: Option<&str>, new: &NewOrder) -> Result<Submitted, Code> {
    let session = session.map(|name| SessionId::new(name).unwrap());
    let principal = Principal { session, ..principal("acme") };
    let (a, c) = (assignment(), capabilities());
    let submitted = book.ledger.submit(&a, &c, &principal, new, Ok(()), NOW);
    let submitted = submitted.map_err(|problem| problem.code)?;
    if let Submitted::New(record) = &submitted {
        book.put((**record).clone());
    }
    Ok(submitted)
}

#[test]
fn an_order_is_tied_to_the_session_that_submitted_it_first_and_until_it_ends() {
    // given
    let mut book = Book::new();
    submit_in(&mut book, Some("s-1"), &tied("o", 5_000)).unwrap();
    let id = VenueOrderId::of(&account(), &key("s-1").customer, &"o".parse().unwrap());
    // when: another session repeats it
    assert_eq!(submit_in(&mut book, Some("s-2"), &tied("o", 5_000)), Ok(Submitted::Before(id)));
    assert_eq!(submit_in(&mut book, Some("s-2"), &tied("o", 6_000)), Err(Code::Conflict));
    assert_eq!(submit_in(&mut book, Some("s-2"), &new_order("o", "1")), Err(Code::Conflict));
    // then
    assert!(book.ledger.marks().has(&key("s-1")) && !book.ledger.marks().has(&key("s-2")));
    assert_eq!(book.order(&id).cancel_on_disconnect, Some(CancelOnDisconnect { after_ms: 5_000 }));
    let order = book.order(&id);
    for state in [OrderState::PendingNew, OrderState::New, OrderState::Canceled] {
        assert!(book.ledger.marks().has(&key("s-1")), "before {state:?}");
        let changed = book.ledger.change(&book.order(&id), state, None, NOW).unwrap();
        book.put(changed);
    }
    assert_eq!(book.ledger.marks().sessions(), 0);
    assert_eq!(book.order(&id).cancel_on_disconnect, order.cancel_on_disconnect);
}

#[test]
fn an_order_that_a_late_fill_opens_again_is_tied_again() {
    let mut book = Book::new();
    submit_in(&mut book, Some("s-1"), &tied("o", 5_000)).unwrap();
    let id = VenueOrderId::of(&account(), &key("s-1").customer, &"o".parse().unwrap());
    for state in [OrderState::PendingNew, OrderState::Rejected] {
        let changed = book.ledger.change(&book.order(&id), state, None, NOW).unwrap();
        book.put(changed);
    }
    assert_eq!(book.ledger.marks().sessions(), 0);
    book.fills(&id, "x-1", "0.5");
    assert_eq!(book.order(&id).state, OrderState::PartiallyFilled);
    assert!(book.ledger.marks().has(&key("s-1")));
}

#[test]
fn a_replayed_ledger_has_the_same_ties() {
    let mut book = Book::new();
    for (session, name) in [("s-1", "a"), ("s-1", "b"), ("s-2", "c")] {
        submit_in(&mut book, Some(session), &tied(name, 5_000)).unwrap();
    }
    let mut replayed = Ledger::opened(&account(), &book.records[0]).unwrap();
    for record in &book.records[1..] {
        replayed.apply(&Record::decode(&record.encode().unwrap()).unwrap()).unwrap();
    }
    assert_eq!(replayed.marks().sessions(), 2);
    assert_eq!(replayed, book.ledger);
}

#[test]
fn without_a_session_or_out_of_bounds_nothing_is_written_down() {
    let mut book = Book::new();
    assert_eq!(submit_in(&mut book, None, &tied("o", 5_000)), Err(Code::InvalidOrder));
    for after_ms in [0, 4_999, 3_600_001, u64::MAX] {
        let refused = submit_in(&mut book, Some("s"), &tied("o", after_ms));
        assert_eq!(refused, Err(Code::InvalidOrder), "{after_ms}");
    }
    submit_in(&mut book, None, &new_order("o", "1")).unwrap();
    assert_eq!(book.ledger.marks().sessions(), 0);
}
