//! Claims about what the venue's word makes of an order: its fills, and the end of what is not known.

use super::*;

#[test]
fn fills_are_a_set_and_only_they_make_an_order_filled() {
    use OrderState as S;
    // given
    let mut book = Book::new();
    let id = book.order_in("o", &[S::PendingNew]);
    // when the venue speaks of fills before it tells them
    book.says(&id, S::Filled);
    assert_eq!(book.order(&id).state, S::New);
    book.fills(&id, "x1", "0.4");
    book.fills(&id, "x1", "0.4");
    // then
    assert_eq!(book.order(&id).filled_quantity, "0.4".parse().unwrap());
    book.says(&id, S::Canceled);
    book.fills(&id, "x2", "0.6");
    assert_eq!(book.order(&id).state, S::Filled, "a late fill still counts");
    assert_eq!(book.ledger.overfilled(), 0);
    book.fills(&id, "x3", "0.1");
    assert_eq!(book.order(&id).filled_quantity, "1.1".parse().unwrap(), "the venue's word");
    let has = book.ledger.exposures().of(&Owner::Account, &book.order(&id).instrument);
    assert_eq!((has.position.to_string(), has.buying.to_string()), ("1.1".into(), "0".into()));
    assert_eq!(book.ledger.overfilled(), 1);
    let not_ours = book.id("eve", "o");
    assert!(book.ledger.fill(&fill_of(&not_ours, "x4", "1")).is_none(), "external");
}

#[test]
fn unknown_ends_only_by_evidence() {
    use OrderState as S;
    let mut book = Book::new();
    let id = book.order_in("o", &[S::PendingNew, S::Unknown]);
    let since = UnixNanos(NOW.0 - u64::try_from(SWEEP_MARGIN.as_nanos()).unwrap());
    let deadline = NOW + INTENT_DEADLINE;
    let late = UnixNanos(deadline.0 + 1);
    let absent = |since, listed_at| book.ledger.absent(&id, since, listed_at, NOW);
    assert_eq!(absent(since, deadline), None, "the venue may still take it");
    assert_eq!(absent(UnixNanos(since.0 + 1), late), None, "the listing begins too late");
    let Some(Record::Changed { order, .. }) = absent(since, late) else {
        panic!("absent from a listing that would have it");
    };
    assert_eq!(OrderState::from(order.state), S::Rejected);
    assert!(order.reason.unwrap().starts_with("not_placed"));
    // found, it is what it is
    for (name, found) in [("n", S::New), ("c", S::Canceled), ("r", S::Rejected)] {
        let id = book.order_in(name, &[S::PendingNew, S::Unknown]);
        book.says(&id, found);
        assert_eq!(book.order(&id).state, found);
        assert_eq!(book.ledger.absent(&id, since, late, NOW), None, "no longer unknown");
    }
}

#[test]
fn a_venue_that_rejects_what_it_had_taken_has_ended_it() {
    use OrderState as S;
    let mut book = Book::new();
    let id = book.order_in("o", &[S::PendingNew, S::New]);
    book.says(&id, S::Rejected);
    assert_eq!(book.order(&id).state, S::Canceled);
}
