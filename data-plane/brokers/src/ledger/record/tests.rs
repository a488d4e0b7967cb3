//! Golden bytes of every record: what is on customers' disks is read for ever.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::venue::external::ExternalId;
use tradewind_domain::{
    ids::{ClientOrderId, InstrumentId, VenueId},
    trading::OrderState,
};

fn order(state: StateRecord, reason: Option<&str>) -> OrderRecord {
    let account = AccountId::new("sim-1").unwrap();
    let customer = CustomerId::new("acme").unwrap();
    let client_order_id = ClientOrderId::new("o-1").unwrap();
    OrderRecord {
        venue_order_id: VenueOrderId::of(&account, &customer, &client_order_id),
        customer,
        client_order_id,
        venue: VenueId::new("sim").unwrap(),
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: SideRecord::Sell,
        order_type: OrderTypeRecord::Limit,
        quantity: "0.50".parse().unwrap(),
        limit_price: Some("29430.2".parse().unwrap()),
        time_in_force: TimeInForceRecord::Ioc,
        state,
        filled_quantity: "0.1".parse().unwrap(),
        reason: reason.map(str::to_string),
        created_at: UnixNanos(1_700_000_000_000_000_000),
        updated_at: UnixNanos(1_700_000_000_000_000_001),
        version: 3,
    }
}

fn filled() -> Filled {
    Filled {
        fill_number: Number { seq: 7, prev: 5 },
        exec_id: ExecId::new("x1").unwrap(),
        quantity: "0.1".parse().unwrap(),
        price: "29430".parse().unwrap(),
        at: UnixNanos(1_700_000_000_000_000_000),
        order_number: Number { seq: 8, prev: 6 },
        order: order(StateRecord::PartiallyFilled, None),
    }
}

fn tightened() -> Record {
    let scope = Scope::Customer(CustomerId::new("acme").unwrap());
    let at = UnixNanos(1_700_000_000_000_000_000);
    Record::Tightened { scope, state: TradingStateRecord::Halted, version: 300, at }
}

fn parts() -> Vec<Part> {
    let account = AccountId::new("sim-1").unwrap();
    let customer = CustomerId::new("acme").unwrap();
    let replace_id = ClientOrderId::new("r-2").unwrap();
    let before = ClientOrderId::new("r-1").unwrap();
    vec![
        Part::LaterVenueIds(vec![VenueOrderId::of(&account, &customer, &before)]),
        Part::Replacement {
            replace_id,
            quantity: "0.6".parse().unwrap(),
            limit_price: Some("29430.1".parse().unwrap()),
        },
    ]
}

fn conditions() -> Part {
    Part::Conditions {
        stop_price: Some("29500".parse().unwrap()),
        expires_at: Some(UnixNanos(1_800_000_000_000_000_000)),
        post_only: false,
        reduce_only: true,
    }
}

fn tied() -> Record {
    let at = UnixNanos(1_700_000_000_000_000_000);
    Record::IntentWith {
        intent: Intent {
            number: Number { seq: 7, prev: 5 },
            order: order(StateRecord::Accepted, None),
            deadline: at,
            trader: None,
            trader_epoch: 0,
            cluster: 9,
            epoch: 300,
        },
        parts: vec![
            Part::CancelOnDisconnect { after_ms: 5_000 },
            Part::Session(SessionId::new("s-1").unwrap()),
        ],
    }
}

/// With its terms, or ended.
fn external(open: bool) -> ExternalRecord {
    let terms = open.then(|| TermsRecord {
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: SideRecord::Sell,
        quantity: "0.50".parse().unwrap(),
        filled: "0.1".parse().unwrap(),
        limit_price: Some("29430.2".parse().unwrap()),
    });
    ExternalRecord { id: ExternalId::new("OABC-1"), open, terms }
}

fn external_fill() -> ExternalFillRecord {
    ExternalFillRecord {
        exec_id: ExecId::new("x1").unwrap(),
        order: ExternalId::new("OABC-1"),
        quantity: "0.1".parse().unwrap(),
        price: "29430".parse().unwrap(),
        at: UnixNanos(1_700_000_000_000_000_000),
        traded: Some((InstrumentId::new("BTC/USD").unwrap(), SideRecord::Sell)),
    }
}

// A list: there is nothing in it to take apart.
#[allow(clippy::too_many_lines)]
fn samples() -> Vec<(Record, &'static str)> {
    let account = AccountId::new("sim-1").unwrap();
    let (customer, trader) = (CustomerId::new("acme").unwrap(), TraderId::new("t").unwrap());
    let at = UnixNanos(1_700_000_000_000_000_000);
    let number = Number { seq: 7, prev: 5 };
    let known = order(StateRecord::New, None);
    vec![
        (Record::Opened { account, stream_epoch: StreamEpoch::new("00ff").unwrap(), at }, OPENED),
        (Record::Fenced { cluster: 9, epoch: 300 }, FENCED),
        (Record::TraderSeen { customer, trader: trader.clone(), epoch: 12 }, TRADER_SEEN),
        (
            Record::Intent(Intent {
                number,
                order: order(StateRecord::Accepted, None),
                deadline: at,
                trader: Some(trader),
                trader_epoch: 12,
                cluster: 9,
                epoch: 300,
            }),
            INTENT,
        ),
        (Record::Changed { number, order: order(StateRecord::Unknown, Some("why")) }, CHANGED),
        (Record::Filled(filled()), FILLED),
        (Record::CancelAsked { order: known.venue_order_id, at }, CANCEL_ASKED),
        (Record::Swept { to: at }, SWEPT),
        (Record::ChangedWith { number, order: known.clone(), parts: parts() }, CHANGED_WITH),
        (Record::FilledWith { filled: filled(), parts: parts() }, FILLED_WITH),
        (
            Record::ReplaceAsked(ReplaceAsked {
                number,
                order: order(StateRecord::PendingReplace, None),
                parts: parts(),
                asked_version: 2,
                asked_quantity: Some("0.6".parse().unwrap()),
                asked_limit_price: None,
                deadline: at,
                trader: None,
                trader_epoch: 0,
                cluster: 9,
                epoch: 300,
            }),
            REPLACE_ASKED,
        ),
        (Record::Replaced { number, order: known.clone(), parts: parts() }, REPLACED),
        (tightened(), TIGHTENED),
        (Record::CopyJoins { cluster: 9, epoch: 300 }, COPY_JOINS),
        (
            Record::CancelAllAfter { customer: CustomerId::new("acme").unwrap(), at: Some(at) },
            TIMER,
        ),
        (
            Record::IntentWith {
                intent: Intent {
                    number,
                    order: OrderRecord {
                        order_type: OrderTypeRecord::StopLimit,
                        time_in_force: TimeInForceRecord::Gtd,
                        ..order(StateRecord::Accepted, None)
                    },
                    deadline: at,
                    trader: None,
                    trader_epoch: 0,
                    cluster: 9,
                    epoch: 300,
                },
                parts: vec![conditions()],
            },
            INTENT_WITH,
        ),
        (tied(), INTENT_TIED),
        (Record::ExternalSeen { order: external(true), at }, EXTERNAL_SEEN),
        (Record::ExternalSeen { order: external(false), at }, EXTERNAL_ENDED),
        (Record::ExternalFilled(external_fill()), EXTERNAL_FILLED),
        (Record::NotReplaced { number, order: known, parts: Vec::new() }, NOT_REPLACED),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_order_with_parts_survives_the_round_trip() {
    let account = AccountId::new("sim-1").unwrap();
    let with = order(StateRecord::PendingReplace, None).order(&account, &parts());
    assert_eq!((with.later_venue_ids.len(), Part::of(&with)), (1, parts()));
    let with = order(StateRecord::New, None).order(&account, &[conditions()]);
    assert_eq!((with.conditions.reduce_only, Part::of(&with)), (true, vec![conditions()]));
    let away = Part::CancelOnDisconnect { after_ms: 5_000 };
    let session = Part::Session(SessionId::new("s-1").unwrap());
    let with = order(StateRecord::New, None).order(&account, &[away.clone(), session]);
    assert_eq!(Part::of(&with), [away], "its session is the ledger's alone");
}

#[test]
fn the_bytes_of_every_record_never_change() {
    for (record, golden) in samples() {
        let bytes = record.encode().unwrap();
        assert_eq!(hex(&bytes), golden, "{record:?}");
        assert_eq!(Record::decode(&bytes).unwrap(), record);
    }
}

#[test]
fn every_state_has_the_same_place_on_disk_for_ever() {
    for (at, state) in OrderState::ALL.into_iter().enumerate() {
        let record = order(state.into(), None);
        let with = Record::Changed { number: Number { seq: 1, prev: 0 }, order: record.clone() };
        let accepted = OrderRecord { state: StateRecord::Accepted, ..record };
        let without = Record::Changed { number: Number { seq: 1, prev: 0 }, order: accepted };
        let (with, without) = (with.encode().unwrap(), without.encode().unwrap());
        let body = with.len() - 4;
        let differing: Vec<_> = (0..body).filter(|i| with[*i] != without[*i]).collect();
        match differing[..] {
            [] => assert_eq!(at, 0),
            [one] => assert_eq!(usize::from(with[one]), at, "{state:?}"),
            _ => panic!("{state:?} differs in more than its place"),
        }
        assert_eq!(OrderState::from(StateRecord::from(state)), state);
    }
}

#[test]
fn an_order_survives_the_round_trip() {
    let account = AccountId::new("sim-1").unwrap();
    let record = order(StateRecord::PendingCancel, Some("asked"));
    assert_eq!(OrderRecord::of(&record.order(&account, &[])), record);
}

const OPENED: &str = "0101000573696d2d310430306666fd00002a36fe9c9717b1b0bbb5";
const FENCED: &str = "01010109fb2c015ca68847";
const TRADER_SEEN: &str = "0101020461636d6501740ce837ab62";
const INTENT: &str = "01010307052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010003302e3100fd00002a36fe9c9717fd01002a36fe9c971703fd00002a36fe9c97170101740c09fb2c01fb2e401a";
const CHANGED: &str = "01010407052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010903302e310103776879fd00002a36fe9c9717fd01002a36fe9c971703414b7080";
const FILLED: &str = "010105070502783103302e31053239343330fd00002a36fe9c971708062065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010303302e3100fd00002a36fe9c9717fd01002a36fe9c971703c3d82af1";
const CANCEL_ASKED: &str = "010106206530393065666634396536633836653435306236393562396461333738383566fd00002a36fe9c9717110e5777";
const SWEPT: &str = "010107fd00002a36fe9c971718b8ae03";
const CHANGED_WITH: &str = "01010807052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010203302e3100fd00002a36fe9c9717fd01002a36fe9c9717030200012064363333373165313538663533343938623562333562323233636562326563330103722d3203302e36010732393433302e314d658e74";
const FILLED_WITH: &str = "010109070502783103302e31053239343330fd00002a36fe9c971708062065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010303302e3100fd00002a36fe9c9717fd01002a36fe9c9717030200012064363333373165313538663533343938623562333562323233636562326563330103722d3203302e36010732393433302e31e174010d";
const REPLACE_ASKED: &str = "01010a07052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010a03302e3100fd00002a36fe9c9717fd01002a36fe9c9717030200012064363333373165313538663533343938623562333562323233636562326563330103722d3203302e36010732393433302e31020103302e3600fd00002a36fe9c9717000009fb2c01fc9e5854";
const REPLACED: &str = "01010b07052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010203302e3100fd00002a36fe9c9717fd01002a36fe9c9717030200012064363333373165313538663533343938623562333562323233636562326563330103722d3203302e36010732393433302e315d8de46a";
const NOT_REPLACED: &str = "01010c07052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010203302e3100fd00002a36fe9c9717fd01002a36fe9c97170300d02b4c8a";
const TIGHTENED: &str = "01010d0d637573746f6d65722e61636d6502fb2c01fd00002a36fe9c9717e0dfc668";
const INTENT_WITH: &str = "01010f07052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010304302e3530010732393433302e32040003302e3100fd00002a36fe9c9717fd01002a36fe9c971703fd00002a36fe9c9717000009fb2c0101020105323935303001fd0000b49376e2fa18000153f530d6";
const COPY_JOINS: &str = "01011009fb2c016e18081a";
const TIMER: &str = "01010e0461636d6501fd00002a36fe9c9717eb33cabf";
const INTENT_TIED: &str = "01010f07052065303930656666343965366338366534353062363935623964613337383835660461636d65036f2d310373696d074254432f555344010104302e3530010732393433302e32010003302e3100fd00002a36fe9c9717fd01002a36fe9c971703fd00002a36fe9c9717000009fb2c010203fb88130403732d31c323ad85";
const EXTERNAL_SEEN: &str = "010111064f4142432d310101074254432f5553440104302e353003302e31010732393433302e32fd00002a36fe9c97171c5c9391";
const EXTERNAL_ENDED: &str = "010111064f4142432d310000fd00002a36fe9c971749f4408e";
const EXTERNAL_FILLED: &str =
    "010112027831064f4142432d3103302e31053239343330fd00002a36fe9c971701074254432f55534401d61cd301";
