//! Claims about what is external, at the Broker: it is written down and seen by operators, account-wide limits see it,
//! nothing of it is canceled, and what could not be written down is found again.

use super::*;
use crate::{
    limits::SWEPT_RECORD_EVERY,
    venue::{
        VenueFill,
        external::{ExternalId, ExternalOrder, Terms},
    },
};
use tradewind_domain::{
    control::{
        controls::{Controls, Limit},
        risk::RiskSpec,
    },
    ids::ExecId,
    time::UnixNanos,
};
use tradewind_protocol::link::EXTERNAL_SINCE;

/// An order under an id as ours have, of a ledger that was lost.
pub(super) fn lost(name: &str) -> VenueOrderId {
    VenueOrderId::of(&account(), &acme(), &ClientOrderId::new(name).unwrap())
}

fn terms(quantity: &str) -> Terms {
    Terms {
        instrument: InstrumentId::new("BTC/USD").unwrap(),
        side: Side::Buy,
        quantity: quantity.parse().unwrap(),
        filled: "0".parse().unwrap(),
        limit_price: "100".parse().ok(),
    }
}

pub(super) fn shown(name: &str, quantity: &str, state: OrderState) -> VenueOrder {
    let (venue_order_id, terms) = (lost(name), Some(terms(quantity)));
    VenueOrder { venue_order_id, state, reason: None, replaced: false, terms }
}

fn by_hand(id: &str, quantity: &str) -> ExternalOrder {
    ExternalOrder { id: ExternalId::new(id), open: true, terms: Some(terms(quantity)) }
}

fn limits(spec: RiskSpec) -> Assignment {
    let limit = Limit { scope: "account.sim-1".parse().unwrap(), spec };
    Assignment {
        fence: fence(),
        customers: [acme()].into(),
        venue: VenueId::new("sim").unwrap(),
        controls: Controls { limits: vec![limit], states: Vec::new() },
    }
}

pub(super) fn named() -> Naming<ManagerId> {
    Naming { since: fence(), holder: "b.broker-manager".parse().ok() }
}

impl Desk {
    pub(super) fn says(&self) -> String {
        self.said.borrow().1.clone()
    }

    pub(super) async fn says_soon(&self, words: &str) {
        let what = format!("it says `{words}`");
        eventually(&what, || self.says().contains(words).then_some(())).await;
    }

    /// A whole listing, asked for or not.
    async fn lists(&self, orders: Vec<VenueOrder>, external: Externals) {
        let (at, rest) = (clock::now(), Rest::Nothing { resume: None });
        let (since, cursor, fills) = (UnixNanos(1), None, Vec::new());
        let page = Page { since, cursor, orders, fills, external, at, rest };
        self.event(Event::Page(page)).await;
    }
}

async fn desk(disk: &SimulatedDisk) -> (Desk, Arc<Noted>) {
    let desk = Desk::open(disk).await;
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    (desk, link)
}

#[tokio::test]
async fn an_order_that_is_not_the_ledgers_is_seen_survives_a_restart_and_is_never_canceled() {
    // given
    let disk = SimulatedDisk::new(1);
    let (desk, link) = desk(&disk).await;
    assert_eq!(desk.says(), "account sim-1");
    // when
    desk.event(Event::Order(shown("lost", "5", OrderState::New))).await;
    // then
    let words = format!(", external open orders: 1 ({} buy 5 BTC/USD at 100)", lost("lost"));
    desk.says_soon(&words).await;
    let swept = link.sweeps.lock().unwrap().len();
    eventually("it is looked for again", || {
        (link.sweeps.lock().unwrap().len() > swept).then_some(())
    })
    .await;
    assert_eq!(link.cancels(), 0);
    desk.close().await;
    disk.restart();
    let (desk, _link) = self::desk(&disk).await;
    desk.says_soon(&words).await;
    // when it ends, then it is seen no more
    desk.event(Event::Order(shown("lost", "5", OrderState::Canceled))).await;
    eventually("it is gone", || (desk.says() == "account sim-1").then_some(())).await;
    desk.close().await;
}

#[tokio::test]
async fn limits_of_the_account_see_it_and_its_fills_are_no_customers() {
    // given
    let (desk, _link) = desk(&SimulatedDisk::new(1)).await;
    let spec = RiskSpec { max_position: "3".parse().ok(), ..RiskSpec::default() };
    desk.ledger.assign(limits(spec), Vec::new()).await.unwrap();
    // when
    let fill = VenueFill {
        exec_id: ExecId::new("x-1").unwrap(),
        venue_order_id: lost("lost"),
        quantity: "2".parse().unwrap(),
        price: "100".parse().unwrap(),
        at: clock::now(),
        traded: Some((InstrumentId::new("BTC/USD").unwrap(), Side::Buy)),
    };
    desk.event(Event::Fill(fill.clone())).await;
    desk.event(Event::Fill(fill)).await;
    desk.says_soon(", external fills: 1").await;
    // then: 2 there, 1 of his own, and one more is too much
    desk.place("acme", resting("o-1")).await.unwrap();
    let refused = desk.place("acme", resting("o-2")).await.unwrap_err();
    assert_eq!(refused.code, Code::Refused, "{refused}");
    assert!(refused.detail.starts_with("account.sim-1"), "{refused}");
    assert_eq!(desk.ledger.streams().stand(&acme(), PrivateChannel::Fills), 0);
    desk.close().await;
}

#[tokio::test]
async fn an_order_placed_by_hand_ends_when_a_listing_of_all_that_is_open_does_not_name_it() {
    // given
    let (desk, _link) = desk(&SimulatedDisk::new(1)).await;
    let spec = RiskSpec { max_open_orders: Some(2), ..RiskSpec::default() };
    desk.ledger.assign(limits(spec), Vec::new()).await.unwrap();
    let orders = vec![by_hand("OABC-1", "1"), by_hand("OABC-2", "2")];
    desk.lists(Vec::new(), Externals { orders, all_open: true, ..Externals::default() }).await;
    desk.says_soon("2 (OABC-1 buy 1 BTC/USD at 100; OABC-2 buy 2 BTC/USD at 100)").await;
    let refused = desk.place("acme", resting("o-1")).await.unwrap_err();
    assert_eq!(refused.code, Code::Refused, "{refused}");
    // when: one that says nothing of what it does not name, and one that does
    desk.lists(Vec::new(), Externals::default()).await;
    let orders = vec![by_hand("OABC-2", "2")];
    desk.lists(Vec::new(), Externals { orders, all_open: true, ..Externals::default() }).await;
    // then
    desk.says_soon(": 1 (OABC-2").await;
    desk.place("acme", resting("o-1")).await.unwrap();
    desk.close().await;
}

#[tokio::test]
async fn the_detail_names_some_and_says_how_many_more_there_are() {
    let (desk, _link) = desk(&SimulatedDisk::new(1)).await;
    let orders = (0..11).map(|n| by_hand(&format!("OABC-{n:02}"), "1")).collect();
    desk.lists(Vec::new(), Externals { orders, ..Externals::default() }).await;
    desk.says_soon("external open orders: 11 (OABC-00 buy").await;
    desk.says_soon("OABC-07 buy 1 BTC/USD at 100; and 3 more)").await;
    assert!(!desk.says().contains("OABC-08"), "{}", desk.says());
    desk.close().await;
}

#[tokio::test]
async fn a_ledger_that_was_never_swept_begins_with_all_where_the_venue_can_list_it() {
    for (lists_all, first) in [(true, UnixNanos(0)), (false, UnixNanos(1))] {
        let desk = Desk::open(&SimulatedDisk::new(1)).await;
        let link = Arc::new(Noted::default());
        link.lists_all.store(lists_all, Ordering::SeqCst);
        desk.connect(&link).await;
        let (since, _) = link.sweeps.lock().unwrap()[0];
        assert!(if lists_all { since == first } else { since > first }, "{since:?}");
        // what was swept in this life need not be again
        let again = Arc::new(Noted::default());
        again.lists_all.store(lists_all, Ordering::SeqCst);
        desk.venue.send(FromVenue::Down("cut".to_string())).await.ok();
        desk.connect(&again).await;
        assert!(again.sweeps.lock().unwrap()[0].0 > UnixNanos(0));
        desk.close().await;
    }
}

#[tokio::test]
async fn while_the_copy_holder_may_be_of_an_earlier_build_nothing_of_it_is_written_down() {
    // given: a holder is named, and has not said what it speaks
    let disk = SimulatedDisk::new(1);
    let (desk, copies) = Desk::try_open_with(&disk, named()).await.unwrap();
    let link = Arc::new(Noted::default());
    desk.connect(&link).await;
    // when
    desk.event(Event::Order(shown("lost", "5", OrderState::New))).await;
    // then
    desk.says_soon("external orders are not known").await;
    let holder = named().holder.unwrap();
    copies.holder_speaks(&holder, EXTERNAL_SINCE - 1);
    desk.event(Event::Order(shown("lost", "5", OrderState::New))).await;
    // nor does another's word say anything of this one
    copies.holder_speaks(&"c.broker-manager".parse().unwrap(), EXTERNAL_SINCE);
    desk.event(Event::Order(shown("lost", "5", OrderState::New))).await;
    desk.event(Event::Halted(Some("what was said before is heard".to_string()))).await;
    desk.says_soon("is heard").await;
    assert!(!desk.says().contains("open orders"), "{}", desk.says());
    let swept = link.sweeps.lock().unwrap().len();
    // when it has said so, then the venue is swept again
    copies.holder_speaks(&holder, EXTERNAL_SINCE);
    eventually("a sweep", || (link.sweeps.lock().unwrap().len() > swept).then_some(())).await;
    desk.lists(vec![shown("lost", "5", OrderState::New)], Externals::default()).await;
    desk.says_soon("external open orders: 1").await;
    assert!(!desk.says().contains("not known"), "{}", desk.says());
    desk.close().await;
}

#[tokio::test]
async fn a_sweep_with_something_that_could_not_be_written_down_is_not_said_to_be_complete() {
    let alone = Naming { since: fence(), holder: None };
    for (naming, whole) in [(named(), false), (alone, true)] {
        // given: so late that it would be written down
        let disk = SimulatedDisk::new(1);
        let (desk, _) = Desk::try_open_with(&disk, naming).await.unwrap();
        let link = Arc::new(Noted::default());
        desk.event(Event::Order(shown("lost", "5", OrderState::New))).await;
        desk.venue.send(FromVenue::Up(link.clone())).await.ok();
        let first = || link.sweeps.lock().unwrap().first().copied();
        let (since, cursor) = eventually("a sweep", first).await;
        let (at, rest) = (clock::now() + SWEPT_RECORD_EVERY * 2, Rest::Nothing { resume: None });
        let (orders, fills, external) = (Vec::new(), Vec::new(), Externals::default());
        let page = Page { since, cursor, orders, fills, external, at, rest };
        desk.event(Event::Page(page)).await;
        eventually("live", || (desk.said.borrow().0 == ServiceState::Live).then_some(())).await;
        desk.close().await;
        // when
        disk.restart();
        let desk = Desk::open(&disk).await;
        let link = Arc::new(Noted::default());
        link.lists_all.store(true, Ordering::SeqCst);
        desk.connect(&link).await;
        // then: what was missed is looked for from the beginning
        let (since, _) = link.sweeps.lock().unwrap()[0];
        assert_eq!(since > UnixNanos(0), whole);
        desk.close().await;
    }
}
