//! Tests of the ledger: what is on disk keeps its form, is there again after opening, and is refused when it
//! does not hold together.

#![allow(clippy::unwrap_used)]

use tradewind_domain::{
    ids::{AccountId, InstrumentId},
    time::UnixNanos,
    trading::{Conditions, OrderType, Side, TimeInForce},
};

use super::event::{Arrived, CancelCause, Event, Fate};
use super::*;
use crate::limits::PAGE_ITEMS;
use crate::wire::RefusalCode;

fn account() -> AccountId {
    AccountId::new("a").unwrap()
}

fn arrived(number: u64, at: u64, fate: Fate) -> Event {
    let order = Arrived {
        venue_order_id: format!("{number:032x}").parse().unwrap(),
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: Side::Sell,
        order_type: OrderType::Limit,
        quantity: "2".parse().unwrap(),
        limit_price: Some("29430.2".parse().unwrap()),
        time_in_force: TimeInForce::Ioc,
        sent_at: UnixNanos(1),
        deadline: UnixNanos(2),
    };
    Event::Arrived { account: account(), order, at: UnixNanos(at), fate }
}

fn filled(order: u64, exec: u64, quantity: &str) -> Event {
    let (quantity, price) = (quantity.parse().unwrap(), "29430.2".parse().unwrap());
    Event::Filled { order, exec, quantity, price, at: UnixNanos(9) }
}

fn opened() -> Event {
    Event::Opened { at: UnixNanos(255) }
}

fn state(events: &[Event]) -> Result<State, Inconsistent> {
    let mut state = State::default();
    events.iter().try_for_each(|event| state.apply(event)).map(|()| state)
}

#[test]
fn the_bytes_of_a_step_never_change() {
    let refused = Fate::Refused { code: RefusalCode::TooMany, reason: "no".to_owned() };
    let events = vec![
        opened(),
        arrived(1, 3, Fate::Placed),
        arrived(1, 4, Fate::Duplicate),
        arrived(2, 5, refused),
        filled(0, 1, "0.5"),
        Event::Canceled { order: 0, cause: CancelCause::NotTraded, at: UnixNanos(6) },
        Event::CancelRefused {
            account: account(),
            order: format!("{:032x}", 7).parse().unwrap(),
            code: RefusalCode::UnknownOrder,
            at: UnixNanos(7),
        },
    ];
    let step = Step { events };
    let bytes = step.to_bytes().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden/step_1.hex").trim());
    assert_eq!(Step::from_bytes(&bytes).unwrap(), step);
}

fn replaced(order: u64, by: u64) -> Event {
    let Event::Arrived { order: arrived, at, .. } = arrived(by, 8, Fate::Placed) else {
        unreachable!("it is one")
    };
    Event::Replaced { order, by: arrived, at }
}

#[test]
fn the_bytes_of_replaces_never_change() {
    let refused = Event::ReplaceRefused {
        account: account(),
        by: format!("{:032x}", 8).parse().unwrap(),
        sent_at: UnixNanos(6),
        code: RefusalCode::TooLate,
        at: UnixNanos(7),
    };
    let step = Step { events: vec![replaced(0, 9), refused] };
    let bytes = step.to_bytes().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden/step_2.hex").trim());
    assert_eq!(Step::from_bytes(&bytes).unwrap(), step);
}

fn arrived_with(number: u64) -> Event {
    let Event::Arrived { order, at, .. } = arrived(number, 3, Fate::Placed) else {
        unreachable!("it is one")
    };
    let (order_type, time_in_force) = (OrderType::StopLimit, TimeInForce::Gtd);
    let order = Arrived { order_type, time_in_force, ..order };
    let conditions = Conditions {
        stop_price: "29500".parse().ok(),
        expires_at: Some(UnixNanos(90)),
        post_only: false,
        reduce_only: true,
    };
    Event::arrived(account(), order, conditions, at, Fate::Placed)
}

#[test]
fn the_bytes_of_conditions_never_change() {
    let canceled = |order, cause| Event::Canceled { order, cause, at: UnixNanos(6) };
    let events = vec![
        arrived_with(1),
        Event::Triggered { order: 0, at: UnixNanos(5) },
        Event::Expired { order: 0, at: UnixNanos(90) },
        canceled(1, CancelCause::NotWhole),
        canceled(2, CancelCause::WouldNotReduce),
    ];
    let step = Step { events };
    let bytes = step.to_bytes().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden/step_3.hex").trim());
    assert_eq!(Step::from_bytes(&bytes).unwrap(), step);
}

fn filled_with_fee(order: u64, exec: u64, quantity: &str) -> Event {
    let (quantity, price) = (quantity.parse().unwrap(), "29430.2".parse().unwrap());
    let fee = "7.651852".parse().ok();
    Event::filled((order, exec), quantity, price, fee, UnixNanos(9))
}

#[test]
fn the_bytes_of_fees_never_change() {
    let step = Step { events: vec![filled_with_fee(0, 1, "0.1")] };
    let bytes = step.to_bytes().unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, include_str!("golden/step_4.hex").trim());
    assert_eq!(Step::from_bytes(&bytes).unwrap(), step);
}

#[test]
fn a_ledger_without_fees_is_read_and_goes_on_with_them() {
    let events = [opened(), arrived(1, 3, Fate::Placed), filled(0, 1, "0.5")];
    let state = state(&[&events[..], &[filled_with_fee(0, 2, "0.1")]].concat()).unwrap();
    let fees: Vec<_> = state.page(None, UnixNanos(0)).fills.iter().map(|fill| fill.fee).collect();
    assert_eq!(fees, [None, "7.651852".parse().ok()]);
    assert_eq!(
        Event::filled(
            (0, 1),
            "0.5".parse().unwrap(),
            "29430.2".parse().unwrap(),
            None,
            UnixNanos(9)
        ),
        events[2]
    );
}

#[test]
fn a_stop_is_triggered_once_and_nothing_else_is() {
    let triggered = || Event::Triggered { order: 0, at: UnixNanos(5) };
    let expired = || Event::Expired { order: 0, at: UnixNanos(90) };
    assert!(state(&[opened(), arrived_with(1), triggered(), expired()]).is_ok());
    for events in [
        vec![opened(), arrived_with(1), triggered(), triggered()],
        vec![opened(), arrived_with(1), expired(), triggered()],
        vec![opened(), arrived_with(1), expired(), expired()],
        vec![opened(), arrived(1, 3, Fate::Placed), triggered()],
    ] {
        assert!(state(&events).is_err(), "{events:?}");
    }
}

#[test]
fn what_was_written_is_there_after_opening_again() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("deep/ledger");
    let first = [opened(), arrived(1, 3, Fate::Placed)];
    let second = [filled(0, 1, "0.5"), filled(0, 2, "1.5")];
    {
        let (ledger, _) = Ledger::open(&directory).unwrap();
        for events in [first.to_vec(), second.to_vec()] {
            ledger.write(&Step { events }).unwrap().wait().unwrap();
        }
    }
    let (_, again) = Ledger::open(&directory).unwrap();
    let whole = state(&[first, second].concat()).unwrap();
    assert_eq!(again.page(None, UnixNanos(0)), whole.page(None, UnixNanos(0)));
    assert_eq!(again.page(None, UnixNanos(0)).fills.len(), 2);
    assert_eq!(again.open_orders().count(), 0);
}

#[test]
fn events_that_cannot_follow_are_refused() {
    let placed = arrived(1, 3, Fate::Placed);
    let canceled = Event::Canceled { order: 0, cause: CancelCause::Client, at: UnixNanos(4) };
    let impossible = [
        vec![opened(), filled(0, 1, "1")],
        vec![placed.clone(), filled(0, 1, "1")],
        vec![opened(), placed.clone(), filled(0, 2, "1")],
        vec![opened(), placed.clone(), filled(0, 1, "2.1")],
        vec![opened(), placed.clone(), filled(0, 1, "2"), filled(0, 2, "1")],
        vec![opened(), placed.clone(), canceled.clone(), canceled.clone()],
        vec![opened(), placed.clone(), canceled.clone(), filled(0, 1, "1")],
        vec![opened(), placed.clone(), canceled, replaced(0, 2)],
        vec![opened(), placed.clone(), replaced(0, 2), replaced(0, 3)],
        vec![opened(), placed, replaced(0, 2), filled(0, 1, "1")],
    ];
    for (number, events) in impossible.iter().enumerate() {
        assert!(state(events).is_err(), "case {number}");
    }
}

#[test]
fn two_ledgers_never_use_the_same_name_for_an_execution() {
    let name = |at| {
        let opened = Event::Opened { at: UnixNanos(at) };
        let state = state(&[opened, arrived(1, 3, Fate::Placed), filled(0, 1, "1")]).unwrap();
        state.last_fill().unwrap().exec_id.to_string()
    };
    assert_eq!(name(255), "ff-1");
    assert_ne!(name(255), name(256));
}

#[test]
fn a_sweep_begins_at_its_time_and_goes_on_page_by_page() {
    let count = PAGE_ITEMS as u64 * 2;
    let mut events = vec![opened()];
    events.extend((1..=count).map(|number| arrived(number, 1_000 + number, Fate::Placed)));
    let state = state(&events).unwrap();
    let first = state.sweep(&account(), UnixNanos(0), None);
    assert_eq!((first.orders.len(), first.complete), (PAGE_ITEMS, false));
    let second = state.sweep(&account(), UnixNanos(0), Some(first.next));
    assert_eq!((second.orders.len(), second.complete), (PAGE_ITEMS, true));
    let last = state.sweep(&account(), UnixNanos(1_000 + count), None);
    assert_eq!((last.orders.len(), last.complete), (1, true));
    let none = state.sweep(&account(), UnixNanos(1_001 + count), None);
    assert_eq!((none.orders.len(), none.complete), (0, true));
    let beyond = state.sweep(&account(), UnixNanos(0), Some(u64::MAX));
    assert_eq!((beyond.orders.len(), beyond.complete, beyond.next), (0, true, u64::MAX));
}
