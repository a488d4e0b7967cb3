//! Claims about replaces in the ledger: who may ask, what is the same replace, and what is evidence of its end.

use super::*;
use crate::ledger::rules::Replacing;
use tradewind_domain::{ids::OrderId, trading::ReplaceOrder};

fn ask(name: &str, version: u32, quantity: &str) -> ReplaceOrder {
    ReplaceOrder {
        replace_id: ClientOrderId::new(name).unwrap(),
        version,
        quantity: Some(quantity.parse().unwrap()),
        limit_price: None,
    }
}

impl Book {
    /// By the order's version as it is.
    pub(super) fn replace(
        &mut self,
        id: &VenueOrderId,
        name: &str,
        quantity: &str,
    ) -> Result<Replacing, Code> {
        let version = self.order(id).version;
        self.replace_by(id, &ask(name, version, quantity))
    }

    fn replace_by(&mut self, id: &VenueOrderId, ask: &ReplaceOrder) -> Result<Replacing, Code> {
        let customer = self.order(id).customer;
        let order_id = OrderId { account: account(), venue_order_id: *id };
        let (a, c, p) = (assignment(), capabilities(), principal(customer.as_str()));
        let replaced = self.ledger.replace(&a, &c, &p, (&order_id, ask), Ok(()), NOW);
        let replaced = replaced.map_err(|problem| problem.code)?;
        if let Replacing::New(record) = &replaced {
            self.put((**record).clone());
        }
        Ok(replaced)
    }
}

/// An order of 1 at the venue, and a replace to 2 on its way.
fn replacing() -> (Book, VenueOrderId, VenueOrderId) {
    let mut book = Book::new();
    let id = book.order_in("o", &[OrderState::PendingNew, OrderState::New]);
    book.replace(&id, "r", "2").unwrap();
    let by = book.order(&id).next_venue_id().unwrap();
    (book, id, by)
}

#[test]
fn the_same_replace_is_not_another_one_and_its_id_is_nothing_else_s() {
    let (mut book, id, _) = replacing();
    let first = ask("r", 3, "2");
    assert_eq!(book.replace_by(&id, &first), Ok(Replacing::Before));
    assert_eq!(book.replace_by(&id, &ask("r", 3, "2.0")), Ok(Replacing::Before));
    for other in [ask("r", 4, "2"), ask("r", 3, "3")] {
        assert_eq!(book.replace_by(&id, &other), Err(Code::Conflict));
    }
    // an order's id is no replace's, and the other way round
    assert_eq!(book.replace_by(&id, &ask("o", 4, "3")), Err(Code::Conflict));
    assert_eq!(book.submit("acme", &new_order("r", "1")), Err(Code::Conflict));
    let other = book.order_in("p", &[OrderState::PendingNew, OrderState::New]);
    assert_eq!(book.replace_by(&other, &first), Err(Code::Conflict));
    // it is remembered after its end, done or not
    book.says(&book.order(&id).next_venue_id().unwrap(), OrderState::New);
    assert_eq!(book.replace_by(&id, &first), Ok(Replacing::Before));
}

#[test]
fn one_change_at_a_time_of_the_version_that_was_seen() {
    use OrderState as S;
    let (mut book, id, by) = replacing();
    assert_eq!(book.replace(&id, "s", "3"), Err(Code::Busy));
    book.says(&by, S::New);
    assert_eq!(book.replace_by(&id, &ask("s", 4, "3")), Err(Code::Conflict), "an old version");
    assert!(matches!(book.replace(&id, "s", "3"), Ok(Replacing::New(_))));
    for (name, states, code) in [
        ("accepted", &[][..], Code::Busy),
        ("sent", &[S::PendingNew], Code::Busy),
        ("unknown", &[S::PendingNew, S::Unknown], Code::Busy),
        ("canceling", &[S::PendingNew, S::New, S::PendingCancel], Code::Busy),
        ("canceled", &[S::PendingNew, S::Canceled], Code::Conflict),
    ] {
        let id = book.order_in(name, states);
        assert_eq!(book.replace(&id, &format!("r-{name}"), "2"), Err(code), "{name}");
    }
    let whole = book.order_in("whole", &[S::PendingNew, S::New]);
    assert_eq!(book.replace(&whole, "r-whole", "1"), Err(Code::InvalidOrder), "no change");
}

#[test]
fn where_the_venue_replaces_nothing_it_is_unsupported_and_nothing_is_written() {
    let mut book = Book::new();
    let id = book.order_in("o", &[OrderState::PendingNew, OrderState::New]);
    let order_id = OrderId { account: account(), venue_order_id: id };
    let none = Capabilities { replace: false, ..capabilities() };
    let ask = ask("r", 3, "2");
    let replace = |c: &Capabilities, who: &str, ready| {
        let (a, p) = (assignment(), principal(who));
        book.ledger.replace(&a, c, &p, (&order_id, &ask), ready, NOW).unwrap_err().code
    };
    assert_eq!(replace(&none, "acme", Ok(())), Code::Unsupported);
    assert_eq!(replace(&capabilities(), "bolt", Ok(())), Code::NotFound, "another's order");
    assert_eq!(replace(&capabilities(), "acme", Err("away".into())), Code::Unavailable);
}

#[test]
fn a_repeated_submit_of_a_replaced_order_is_that_order() {
    let (mut book, id, by) = replacing();
    book.says(&by, OrderState::New);
    assert_eq!(book.order(&id).quantity.to_string(), "2");
    assert_eq!(book.submit("acme", &new_order("o", "1")), Ok(Submitted::Before(id)));
    assert_eq!(book.submit("acme", &new_order("o", "2")), Err(Code::Conflict));
}

#[test]
fn what_the_venue_says_of_a_former_id_changes_nothing_but_by_fills() {
    let (mut book, id, by) = replacing();
    book.says(&by, OrderState::New);
    book.says(&id, OrderState::Canceled);
    assert_eq!(book.order(&id).state, OrderState::New);
    book.fills(&id, "x1", "0.5");
    book.fills(&by, "x2", "1.5");
    assert_eq!(book.order(&id).state, OrderState::Filled);
}

#[test]
fn an_order_in_whose_place_another_stands_has_ended_unless_a_replace_of_ours_is_on_its_way() {
    let (mut book, id, by) = replacing();
    let gone = |id| VenueOrder {
        venue_order_id: id,
        state: OrderState::Canceled,
        reason: None,
        replaced: true,
        terms: None,
    };
    assert_eq!(book.ledger.evidence(&gone(id), NOW), None);
    book.says(&by, OrderState::New);
    let record = book.ledger.evidence(&gone(by), NOW).expect("somebody else has replaced it");
    book.put(record);
    assert_eq!(book.order(&id).state, OrderState::Canceled);
}

#[test]
fn a_replace_in_doubt_ends_only_by_evidence() {
    let (book, id, by) = replacing();
    let margin = u64::try_from(SWEEP_MARGIN.as_nanos()).unwrap();
    let (since, deadline) = (UnixNanos(NOW.0 - margin), NOW + INTENT_DEADLINE);
    let late = UnixNanos(deadline.0 + 1);
    let absent = |listed| book.ledger.replace_absent(&id, listed, NOW);
    assert_eq!(absent((since, deadline)), None, "the venue may still take it");
    assert_eq!(absent((UnixNanos(since.0 + 1), late)), None, "the listing begins too late");
    let mut not_there = book.clone();
    not_there.put(absent((since, late)).expect("a listing that would have it"));
    let order = not_there.order(&id);
    assert_eq!((order.state, order.quantity.to_string()), (OrderState::New, "1".into()));
    assert!(order.reason.unwrap().starts_with("not_replaced"));
    // found, it was done, whatever has become of it
    for state in [OrderState::New, OrderState::Canceled] {
        let mut there = book.clone();
        there.says(&by, state);
        let order = there.order(&id);
        assert_eq!((order.state, order.quantity.to_string()), (state, "2".into()));
    }
}

#[test]
fn a_record_of_a_replace_that_does_not_follow_is_refused() {
    let (book, id, _) = replacing();
    let asked = book.records.last().unwrap().clone();
    let done = book.ledger.replaced(&book.order(&id).next_venue_id().unwrap(), NOW).unwrap();
    let Record::Replaced { number, order, parts } = done.clone() else { panic!("{done:?}") };
    let other = OrderRecord { quantity: "3".parse().unwrap(), ..order.clone() };
    for (record, what) in [
        (asked, "asked twice"),
        (Record::Replaced { number, order: order.clone(), parts: Vec::new() }, "no id"),
        (Record::Replaced { number, order: other, parts: parts.clone() }, "other terms"),
        (Record::NotReplaced { number, order, parts }, "both"),
    ] {
        assert!(book.ledger.clone().apply(&record).is_err(), "{what}");
    }
    let mut whole = book;
    whole.put(done.clone());
    assert!(whole.ledger.apply(&done).is_err(), "done twice");
}
