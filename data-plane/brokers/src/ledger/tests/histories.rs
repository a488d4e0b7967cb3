//! Any history: random commands, words of the venue, and crashes after any record. What was durable is
//! told; nothing told may ever be told otherwise.

use super::{
    external::{stranger, stranger_fill},
    *,
};
use proptest::prelude::*;
use tradewind_domain::trading::{Fill, exposure::Exposure};

/// One step. Orders and executions are few, so that they meet again.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        customer: bool,
        name: u8,
        quantity: u8,
    },
    Sent {
        pick: u8,
    },
    Says {
        pick: u8,
        state: u8,
    },
    Fills {
        pick: u8,
        exec: u8,
        quantity: u8,
    },
    Cancel {
        pick: u8,
    },
    /// Under a name of those that orders have, too.
    Replace {
        pick: u8,
        name: u8,
        quantity: u8,
    },
    /// The venue's word on the replace that is on its way, if one is: done, refused, or not listed.
    Ends {
        pick: u8,
        end: u8,
    },
    /// The venue shows an order that is none of these, or the end of one.
    Stranger {
        id: u8,
        quantity: u8,
        open: bool,
    },
    /// And a fill of it, perhaps under an execution's name that was heard before.
    StrangerFills {
        id: u8,
        exec: u8,
        quantity: u8,
    },
    /// So many of the newest records are lost, and the process with them.
    Crash {
        lost: u8,
    },
    /// Everything so far is durable, and told.
    Synced,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 0_u8..6, 1_u8..4)
            .prop_map(|(customer, name, quantity)| Step::Submit { customer, name, quantity }),
        4 => any::<u8>().prop_map(|pick| Step::Sent { pick }),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(pick, state)| Step::Says { pick, state }),
        4 => (any::<u8>(), 0_u8..12, 1_u8..3)
            .prop_map(|(pick, exec, quantity)| Step::Fills { pick, exec, quantity }),
        2 => any::<u8>().prop_map(|pick| Step::Cancel { pick }),
        4 => (any::<u8>(), 0_u8..8, 1_u8..5)
            .prop_map(|(pick, name, quantity)| Step::Replace { pick, name, quantity }),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(pick, end)| Step::Ends { pick, end }),
        2 => (0_u8..3, 1_u8..4, any::<bool>())
            .prop_map(|(id, quantity, open)| Step::Stranger { id, quantity, open }),
        2 => (0_u8..3, 0_u8..12, 1_u8..3)
            .prop_map(|(id, exec, quantity)| Step::StrangerFills { id, exec, quantity }),
        1 => (0_u8..8).prop_map(|lost| Step::Crash { lost }),
        2 => Just(Step::Synced),
    ]
}

fn replay(records: &[Record]) -> Ledger {
    let (first, rest) = records.split_first().unwrap();
    let mut ledger = Ledger::opened(&account(), first).unwrap();
    rest.iter().for_each(|record| ledger.apply(record).unwrap());
    ledger
}

/// What each customer is told, by number.
type Told = BTreeMap<(CustomerId, u64), (u64, PrivateEvent)>;

struct World {
    book: Book,
    durable: usize,
    told: Told,
}

impl World {
    /// An id that the venue has for an order, of those it has had.
    fn any_venue_id(&self, pick: u8) -> Option<VenueOrderId> {
        let id = self.any_order(pick)?;
        let order = self.book.order(&id);
        let all: Vec<_> = std::iter::once(id).chain(order.later_venue_ids).collect();
        Some(all[usize::from(pick) / 7 % all.len()])
    }

    fn ends(&mut self, id: VenueOrderId, end: u8) {
        let Some(by) = self.book.order(&id).next_venue_id() else { return };
        match end % 4 {
            0 => self.book.says(&by, OrderState::Rejected),
            1 => {
                let listed = (UnixNanos(0), UnixNanos(u64::MAX));
                let absent = self.book.ledger.replace_absent(&id, listed, NOW);
                self.book.put(absent.unwrap());
            }
            2 => self.book.says(&by, OrderState::New),
            _ => self.book.says(&by, OrderState::Canceled),
        }
    }

    fn any_order(&self, pick: u8) -> Option<VenueOrderId> {
        let intents = self.book.records.iter().filter_map(|record| match record {
            Record::Intent(intent) => Some(intent.order.venue_order_id),
            _ => None,
        });
        let all: Vec<_> = intents.collect();
        (!all.is_empty()).then(|| all[usize::from(pick) % all.len()])
    }

    fn sync(&mut self) {
        for record in &self.book.records[self.durable..] {
            for event in record.events(&account()) {
                let key = (event.customer.clone(), event.number.seq);
                let before = self.told.insert(key, (event.number.prev, event.event.clone()));
                assert_eq!(before, None, "number {} told twice", event.number.seq);
            }
        }
        self.durable = self.book.records.len();
    }

    fn crash(&mut self, lost: u8) {
        let kept = self.book.records.len().saturating_sub(usize::from(lost)).max(self.durable);
        self.book.records.truncate(kept);
        self.book.ledger = replay(&self.book.records);
        // what a restart does first
        let lost = |s: OrderState| matches!(s, OrderState::Accepted | OrderState::PendingNew);
        let open: Vec<Order> = self.book.ledger.open_orders().map(|e| e.order.clone()).collect();
        for order in open.iter().filter(|order| lost(order.state)) {
            let unknown = self.book.ledger.change(order, OrderState::Unknown, None, NOW);
            self.book.put(unknown.unwrap());
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Submit { customer, name, quantity } => {
                let customer = if customer { "acme" } else { "bolt" };
                let side = if name.is_multiple_of(2) { Side::Buy } else { Side::Sell };
                let new = new_order(&format!("o-{name}"), &quantity.to_string());
                let new = NewOrder { side, ..new };
                // Refusals are answers too.
                let _ = self.book.submit(customer, &new);
            }
            Step::Sent { pick } => {
                let Some(id) = self.any_order(pick) else { return };
                let order = self.book.order(&id);
                let sent = self.book.ledger.change(&order, OrderState::PendingNew, None, NOW);
                if let Some(record) = sent {
                    self.book.put(record);
                }
            }
            Step::Says { pick, state } => {
                let Some(id) = self.any_venue_id(pick) else { return };
                let all = OrderState::ALL;
                self.book.says(&id, all[usize::from(state) % all.len()]);
            }
            Step::Fills { pick, exec, quantity } => {
                let Some(id) = self.any_venue_id(pick) else { return };
                let said = fill_of(&id, &format!("x-{exec}"), &quantity.to_string());
                // Nothing that the venue says of its fills is left out.
                if let Some(record) = self.book.ledger.fill(&said) {
                    self.book.put(record.unwrap());
                }
            }
            Step::Cancel { pick } => {
                let Some(id) = self.any_order(pick) else { return };
                let _ = self.book.cancel(&id);
            }
            Step::Replace { pick, name, quantity } => {
                let Some(id) = self.any_order(pick) else { return };
                // Refusals are answers too.
                let _ = self.book.replace(&id, &format!("o-{name}"), &quantity.to_string());
            }
            Step::Ends { pick, end } => {
                let Some(id) = self.any_order(pick) else { return };
                self.ends(id, end);
            }
            Step::Stranger { id, quantity, open } => {
                self.book.shows(&stranger(&format!("X-{id}"), &quantity.to_string(), "0", open));
            }
            Step::StrangerFills { id, exec, quantity } => {
                let (id, exec) = (format!("X-{id}"), format!("x-{exec}"));
                self.book.shows_fill(&stranger_fill(&id, &exec, &quantity.to_string()));
            }
            Step::Crash { lost } => self.crash(lost),
            Step::Synced => self.sync(),
        }
    }
}

fn check_numbers(told: &Told) {
    let mut last: BTreeMap<&CustomerId, (u64, BTreeMap<bool, u64>)> = BTreeMap::new();
    for ((customer, seq), (prev, event)) in told {
        let (before, channels) = last.entry(customer).or_default();
        assert_eq!(*seq, *before + 1, "numbers are contiguous");
        *before = *seq;
        let channel = matches!(event, PrivateEvent::Fill(_));
        let expected = channels.insert(channel, *seq).unwrap_or(0);
        assert_eq!(*prev, expected, "prev is the number before on the channel");
    }
}

fn check_fills(ledger: &Ledger, told: &Told) {
    let fills: Vec<&Fill> = told
        .values()
        .filter_map(|(_, event)| match event {
            PrivateEvent::Fill(fill) => Some(&**fill),
            PrivateEvent::Order(_) => None,
        })
        .collect();
    let execs: BTreeSet<_> = fills.iter().map(|fill| &fill.exec_id).collect();
    assert_eq!(execs.len(), fills.len(), "no execution twice");
    for customer in ["acme", "bolt"] {
        for entry in ledger.orders_of(&CustomerId::new(customer).unwrap()) {
            let own = fills.iter().filter(|fill| fill.order_id == entry.order.order_id);
            let sum = own.fold(Default::default(), |sum: rust_decimal::Decimal, fill| {
                sum + fill.quantity.decimal()
            });
            assert_eq!(entry.order.filled_quantity.decimal(), sum, "filled is the sum of fills");
        }
    }
}

/// What is external, and how much of it is open, by the records alone.
fn external_of(records: &[Record]) -> (Exposure, u32) {
    let (mut has, mut open) = (Exposure::default(), BTreeMap::new());
    for record in records {
        match record {
            Record::ExternalFilled(fill) => has.position += fill.quantity.decimal(),
            Record::ExternalSeen { order, .. } if order.open => {
                open.insert(&order.id, order.terms.as_ref().unwrap().quantity.decimal());
            }
            Record::ExternalSeen { order, .. } => drop(open.remove(&order.id)),
            _ => {}
        }
    }
    has.buying = open.values().sum();
    (has, u32::try_from(open.len()).unwrap())
}

/// The position is the sum of the fills, and what is open counts in full; the account's is that of its customers and of
/// what is external.
fn check_exposures(ledger: &Ledger, told: &Told, external: (Exposure, u32)) {
    let instrument = InstrumentId::new("BTC/USD").unwrap();
    let owners = ["acme", "bolt"].map(|name| Owner::Customer(CustomerId::new(name).unwrap()));
    let mut all = external;
    for owner in owners {
        let Owner::Customer(customer) = &owner else { continue };
        let (mut expected, mut open) = (Exposure::default(), 0);
        for (_, event) in told.values() {
            if let PrivateEvent::Fill(fill) = event
                && fill.customer == *customer
            {
                for has in [&mut expected, &mut all.0] {
                    match fill.side {
                        Side::Buy => has.position += fill.quantity.decimal(),
                        Side::Sell => has.position -= fill.quantity.decimal(),
                    }
                }
            }
        }
        for entry in ledger.orders_of(customer).filter(|e| !e.order.state.is_terminal()) {
            let order = &entry.order;
            let most = order.quantity.decimal();
            let most = order.replacement.as_ref().map_or(most, |r| r.quantity.decimal().max(most));
            for has in [&mut expected, &mut all.0] {
                match order.side {
                    Side::Buy => has.buying += most - order.filled_quantity.decimal(),
                    Side::Sell => has.selling += most - order.filled_quantity.decimal(),
                }
            }
            open += 1;
        }
        assert_eq!(ledger.exposures().of(&owner, &instrument), expected, "{owner:?}");
        assert_eq!(ledger.exposures().open_orders(&owner), open, "{owner:?}");
        all.1 += open;
    }
    assert_eq!(ledger.exposures().of(&Owner::Account, &instrument), all.0);
    assert_eq!(ledger.exposures().open_orders(&Owner::Account), all.1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_numbers_are_contiguous_and_never_told_twice(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut world = World { book: Book::new(), durable: 1, told: Told::new() };
        for step in &steps {
            world.take(step);
        }
        world.sync();
        // the same records make the same state
        prop_assert_eq!(&replay(&world.book.records), &world.book.ledger);
        check_numbers(&world.told);
        check_fills(&world.book.ledger, &world.told);
        check_exposures(&world.book.ledger, &world.told, external_of(&world.book.records));
        // what was told stands in the records, unchanged
        let events = world.book.records.iter().flat_map(|record| record.events(&account()));
        let found: Told = events
            .map(|e| ((e.customer.clone(), e.number.seq), (e.number.prev, e.event)))
            .collect();
        prop_assert_eq!(found, world.told);
        // open is what has not ended
        for entry in world.book.ledger.open_orders() {
            prop_assert!(!entry.order.state.is_terminal());
        }
        for customer in ["acme", "bolt"].map(|name| CustomerId::new(name).unwrap()) {
            let ledger = &world.book.ledger;
            let open = |entry: &&Entry| !entry.order.state.is_terminal();
            prop_assert!(ledger.open_orders_of(&customer).eq(ledger.orders_of(&customer).filter(open)));
        }
        for entry in world.book.ledger.replacing() {
            prop_assert!(entry.order.replacement.is_some() && !entry.order.state.is_terminal());
        }
        // no two orders ever have one id at the venue
        let (mut ids, mut overfilled) = (HashSet::new(), 0);
        for customer in ["acme", "bolt"] {
            for entry in world.book.ledger.orders_of(&CustomerId::new(customer).unwrap()) {
                prop_assert!(ids.insert(entry.order.order_id.venue_order_id));
                for later in &entry.order.later_venue_ids {
                    prop_assert!(ids.insert(*later));
                }
                // beyond what was ordered nothing is open any more, and it is counted
                if entry.order.is_overfilled() {
                    prop_assert!(entry.order.state == OrderState::Filled);
                    overfilled += 1;
                }
            }
        }
        prop_assert_eq!(world.book.ledger.overfilled(), overfilled);
        for entry in world.book.ledger.unknown() {
            prop_assert_eq!(entry.order.state, OrderState::Unknown);
        }
    }
}
