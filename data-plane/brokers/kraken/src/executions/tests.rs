//! Lives of orders, told in every order the protocol allows.

use proptest::prelude::*;

use super::*;
use crate::stamp::Stamp;

const ID: &str = "OK4GJX-KSTLS-7DZZO5";

fn event(exec_type: ExecType, order_status: OrderStatus) -> Execution {
    let text = format!(
        r#"{{"order_id":"{ID}","exec_type":"new","order_status":"new","timestamp":"2026-01-22T06:06:19.833306Z"}}"#
    );
    let mut event: Execution = serde_json::from_str(&text).unwrap();
    (event.exec_type, event.order_status) = (exec_type, order_status);
    event
}

fn new(quantity: u32) -> Vec<Execution> {
    let mut pending = event(ExecType::PendingNew, OrderStatus::PendingNew);
    pending.order_qty = Some(Number(quantity.into()));
    pending.cl_ord_id = Some("ours".into());
    vec![pending, event(ExecType::New, OrderStatus::New)]
}

fn trade(number: usize, quantity: u32, cum: Option<u32>) -> Execution {
    let mut trade = event(ExecType::Trade, OrderStatus::PartiallyFilled);
    trade.exec_id = Some(format!("T{number}"));
    trade.last_qty = Some(Number(quantity.into()));
    trade.last_price = Some(Number(100.into()));
    trade.cum_qty = cum.map(|cum| Number(cum.into()));
    trade
}

/// What an order came to: its fills, and how it ended.
#[derive(Debug, Default, PartialEq)]
struct Ledger {
    opened: u32,
    fills: BTreeMap<String, Quantity>,
    ends: Vec<OrderState>,
}

impl Ledger {
    fn take(&mut self, events: Vec<Event>) {
        for event in events {
            assert_eq!(event.order_id, ID);
            match event.what {
                What::Open => self.opened += 1,
                What::Amended { .. } => {}
                What::Fill { exec_id, quantity, .. } => {
                    assert_eq!(self.fills.insert(exec_id, quantity), None, "a fill was told twice");
                }
                What::Ended { state, .. } => self.ends.push(state),
            }
        }
    }
}

#[test]
fn the_completing_fill_ends_the_order_though_it_says_partially_filled() {
    let (mut orders, mut ledger) = (Orders::default(), Ledger::default());
    for event in new(5) {
        ledger.take(orders.apply(&event).unwrap());
    }
    ledger.take(orders.apply(&trade(1, 2, Some(2))).unwrap());
    assert_eq!((ledger.opened, ledger.ends.len()), (1, 0));
    ledger.take(orders.apply(&trade(2, 3, Some(5))).unwrap());
    assert_eq!(ledger.ends, [OrderState::Filled]);
    ledger.take(orders.apply(&event(ExecType::Filled, OrderStatus::Filled)).unwrap());
    assert_eq!(ledger.ends, [OrderState::Filled], "told once");
    assert_eq!(orders.open_orders().count(), 0);
}

#[test]
fn a_fill_of_a_snapshot_says_filled_and_ends_nothing() {
    let mut orders = Orders::default();
    for event in new(5) {
        orders.apply(&event).unwrap();
    }
    let mut old = trade(1, 2, None);
    old.order_status = OrderStatus::Filled;
    let events = orders.apply(&old).unwrap();
    assert!(matches!(&events[..], [Event { what: What::Fill { .. }, .. }]), "{events:?}");
    assert_eq!(orders.open_orders().collect::<Vec<_>>(), [ID]);
}

#[test]
fn thin_messages_bear_our_id_once_it_is_known() {
    let mut orders = Orders::default();
    let told = orders.answered(ID, Some("ours"));
    assert_eq!(told[0].what, What::Open);
    let told = orders.apply(&trade(1, 2, None)).unwrap();
    assert_eq!(told[0].cl_ord_id.as_deref(), Some("ours"));
    let mut orders = Orders::default();
    let told = orders.apply(&trade(1, 2, None)).unwrap();
    assert_eq!(told[0].cl_ord_id, None, "nobody has said whose it is");
}

#[test]
fn a_cancel_after_a_part_was_filled_keeps_both() {
    let (mut orders, mut ledger) = (Orders::default(), Ledger::default());
    for event in new(5) {
        ledger.take(orders.apply(&event).unwrap());
    }
    ledger.take(orders.apply(&event(ExecType::Canceled, OrderStatus::Canceled)).unwrap());
    ledger.take(orders.apply(&trade(1, 2, Some(2))).unwrap());
    assert_eq!((ledger.ends, ledger.fills.len()), (vec![OrderState::Canceled], 1));
}

#[test]
fn a_fill_without_a_name_or_an_amount_is_refused() {
    let mut orders = Orders::default();
    let mut nameless = trade(1, 2, None);
    nameless.exec_id = None;
    assert_eq!(orders.apply(&nameless).unwrap_err().lacks, "exec_id");
    assert_eq!(orders.apply(&trade(1, 0, None)).unwrap_err().lacks, "last_qty");
}

#[test]
fn more_filled_than_is_known_of_is_noticed() {
    let mut orders = Orders::default();
    for event in new(5) {
        orders.apply(&event).unwrap();
    }
    orders.apply(&trade(2, 1, Some(3))).unwrap();
    assert!(orders.lacks_fills(ID));
    orders.apply(&trade(1, 2, None)).unwrap();
    assert!(!orders.lacks_fills(ID));
}

#[test]
fn a_hole_in_the_numbers_is_told() {
    let mut sequence = Sequence::default();
    sequence.next(1).unwrap();
    sequence.next(2).unwrap();
    assert_eq!(sequence.next(4), Err(Hole { expected: 3, found: 4 }));
    assert_eq!(Sequence::default().next(2), Err(Hole { expected: 1, found: 2 }));
}

#[test]
fn ended_orders_are_forgotten_in_the_end() {
    let mut orders = Orders::default();
    for number in 0..ENDED_KEPT + 10 {
        let mut canceled = event(ExecType::Canceled, OrderStatus::Canceled);
        canceled.order_id = format!("O{number}");
        orders.apply(&canceled).unwrap();
    }
    assert_eq!(orders.orders.len(), ENDED_KEPT);
}

fn listed(status: RestStatus, vol: u32, vol_exec: u32) -> RestOrder {
    let text = format!(
        r#"{{"status":"open","cl_ord_id":"ours","opentm":1688583840.8648,"vol":"{vol}","vol_exec":"{vol_exec}"}}"#
    );
    RestOrder { status, ..serde_json::from_str(&text).unwrap() }
}

/// One thing that comes to the adapter.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a few of them in a test")]
enum Frame {
    Stream(Execution),
    /// The answer to the submit races with the stream.
    Answer,
    /// A fill again: by a snapshot after a reconnect, or by REST.
    Again {
        fill: usize,
        by_rest: bool,
    },
    /// The order as REST lists it at that time.
    Listed,
}

/// Where something is put among the frames, which fill it concerns, and what it is.
type Extra = (prop::sample::Index, prop::sample::Index, u8);

/// Puts answers, repeated fills and listings among the frames of the stream: a fill again only after it happened,
/// a listing only at the end, since it shows the end.
fn add_extra(frames: &mut Vec<Frame>, extra: &[Extra]) {
    for (place, which, kind) in extra {
        let place = place.index(frames.len() + 1);
        let happened = frames[..place].iter().filter_map(|frame| match frame {
            Frame::Stream(Execution { exec_id: Some(id), .. }) => id[1..].parse::<usize>().ok(),
            _ => None,
        });
        let happened: Vec<_> = happened.collect();
        let frame = match kind {
            0 => Frame::Answer,
            1 if !happened.is_empty() => Frame::Again {
                fill: happened[which.index(happened.len())],
                by_rest: which.index(2) == 0,
            },
            _ if place == frames.len() => Frame::Listed,
            _ => continue,
        };
        frames.insert(place, frame);
    }
}

/// The fill as a snapshot of the stream or REST tells it again.
fn tell_again(orders: &mut Orders, fill: usize, quantity: u32, by_rest: bool) -> Vec<Event> {
    if by_rest {
        let trade = RestTrade {
            ordertxid: ID.into(),
            price: Number(100.into()),
            vol: Number(quantity.into()),
            time: "1688585840.8921".parse().unwrap(),
        };
        return orders.traded(&format!("T{fill}"), &trade).unwrap();
    }
    let mut again = trade(fill, quantity, None);
    again.order_status = OrderStatus::Filled;
    orders.apply(&again).unwrap()
}

proptest! {
    /// The stream keeps its order. The answer comes at any place in it; fills come again at any place after
    /// they happened, and a fill whose frame was lost comes by REST at the end.
    #[test]
    fn every_order_of_frames_gives_the_same_ledger(
        quantities in prop::collection::vec(1_u32..5, 0..5),
        ends_filled in any::<bool>(),
        lost in any::<prop::sample::Index>(),
        (loses, cums) in any::<(bool, bool)>(),
        extra in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..3_u8), 0..8),
    ) {
        let sum: u32 = quantities.iter().sum();
        let filled = ends_filled && sum > 0;
        let total = if filled { sum } else { sum + 1 };
        let mut frames: Vec<Frame> = new(total).into_iter().map(Frame::Stream).collect();
        let mut cum = 0;
        for (number, quantity) in quantities.iter().enumerate() {
            cum += quantity;
            frames.push(Frame::Stream(trade(number, *quantity, cums.then_some(cum))));
        }
        let (exec, status) = if filled {
            (ExecType::Filled, OrderStatus::Filled)
        } else {
            (ExecType::Canceled, OrderStatus::Canceled)
        };
        frames.push(Frame::Stream(event(exec, status)));
        if loses && !quantities.is_empty() {
            frames.remove(2 + lost.index(quantities.len()));
        }
        add_extra(&mut frames, &extra);
        // The sweep that ends every reconnect.
        frames.extend((0..quantities.len()).map(|fill| Frame::Again { fill, by_rest: true }));
        frames.push(Frame::Listed);

        let (mut orders, mut ledger) = (Orders::default(), Ledger::default());
        for frame in &frames {
            ledger.take(match frame {
                Frame::Stream(event) => orders.apply(event).unwrap(),
                Frame::Answer => orders.answered(ID, Some("ours")),
                Frame::Again { fill, by_rest } => {
                    tell_again(&mut orders, *fill, quantities[*fill], *by_rest)
                }
                Frame::Listed => {
                    let status = if filled { RestStatus::Closed } else { RestStatus::Canceled };
                    orders.listed(ID, &listed(status, total, sum))
                }
            });
        }
        prop_assert_eq!(ledger.fills.len(), quantities.len());
        prop_assert_eq!(orders.filled(ID), Some(sum.into()));
        let end = if filled { OrderState::Filled } else { OrderState::Canceled };
        prop_assert_eq!(ledger.ends, [end]);
        prop_assert!(ledger.opened <= 1);
    }
}

#[test]
fn a_stamp_of_a_rest_trade_is_a_time() {
    let trade = RestTrade {
        ordertxid: ID.into(),
        price: Number(1.into()),
        vol: Number(1.into()),
        time: "1688585840.8921".parse().unwrap(),
    };
    assert_eq!(Stamp(trade.at().unwrap()).to_string(), "2023-07-05T19:37:20.892100Z");
}
