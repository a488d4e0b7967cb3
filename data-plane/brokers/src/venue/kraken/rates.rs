//! Our own count of what Kraken counts. Decides whether there is room for an order now, with headroom for cancels; a
//! cancel is counted and never held back: an order that should be gone is worse. Pure: time is passed in.

use super::limits::ORDERS_HEADROOM;
use std::collections::{BTreeMap, HashMap};
use tradewind_domain::{
    ids::{InstrumentId, VenueOrderId},
    time::Monotonic,
};
use tradewind_kraken::{
    limits::ORDERS_PER_SECOND,
    rate::{Action, Counter, Rule, Tier},
};

const POINT: u64 = 1_000_000_000;

/// An order we sent: what a cancel of it costs depends on its age.
#[derive(Debug)]
struct Sent {
    instrument: InstrumentId,
    at: Monotonic,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rates {
    tier: Tier,
    /// One for each pair, as Kraken has.
    pairs: BTreeMap<InstrumentId, Counter>,
    messages: Counter,
    /// As many as are open: an order's end is told.
    sent: HashMap<VenueOrderId, Sent>,
}

impl Rates {
    pub(super) fn new(tier: Tier, now: Monotonic) -> Self {
        let rule = Rule { points: ORDERS_PER_SECOND, decay: u64::from(ORDERS_PER_SECOND) * POINT };
        let messages = Counter::new(rule, now);
        Self { tier, pairs: BTreeMap::new(), messages, sent: HashMap::new() }
    }

    /// Whether the order may go out now; then it is counted.
    pub(super) fn admit(
        &mut self,
        order: VenueOrderId,
        instrument: &InstrumentId,
        now: Monotonic,
    ) -> bool {
        if self.messages.admit(POINT, 0, now).is_err() {
            return false;
        }
        let cost = Action::Add.cost();
        let admitted = self.pair(instrument, now).admit(cost, ORDERS_HEADROOM, now).is_ok();
        if admitted {
            self.sent.insert(order, Sent { instrument: instrument.clone(), at: now });
        }
        admitted
    }

    /// A cancel goes out.
    pub(super) fn cancel(&mut self, order: VenueOrderId, now: Monotonic) {
        if let Some(Sent { instrument, at }) = self.sent.get(&order) {
            let (instrument, age) = (instrument.clone(), now.since(*at));
            self.pair(&instrument, now).charge(Action::Cancel { age }.cost(), now);
        }
    }

    /// The order is not open any more.
    pub(super) fn ended(&mut self, order: VenueOrderId) {
        self.sent.remove(&order);
    }

    /// Kraken's counter stands higher than ours: somebody else trades, or a restart forgot.
    pub(super) fn exceeded(&mut self, order: VenueOrderId, now: Monotonic) {
        if let Some(instrument) = self.sent.get(&order).map(|sent| sent.instrument.clone()) {
            let points = u64::from(self.tier.orders().points / 4);
            self.pair(&instrument, now).charge(points * POINT, now);
        }
    }

    /// Kraken drops what we send.
    pub(super) fn too_fast(&mut self, now: Monotonic) {
        self.messages.charge(u64::from(ORDERS_PER_SECOND) * POINT, now);
    }

    fn pair(&mut self, instrument: &InstrumentId, now: Monotonic) -> &mut Counter {
        let rule = self.tier.orders();
        self.pairs.entry(instrument.clone()).or_insert_with(|| Counter::new(rule, now))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic(millis * 1_000_000)
    }

    fn order(number: u64) -> VenueOrderId {
        format!("{number:032x}").parse().unwrap()
    }

    #[test]
    fn orders_stop_before_kraken_refuses_them_and_cancels_still_go() {
        let btc = InstrumentId::new("BTC/USD").unwrap();
        let eth = InstrumentId::new("ETH/USD").unwrap();
        let mut rates = Rates::new(Tier::Starter, at(0));
        // ten a second, so that the pair's counter is what ends it
        let admitted = |rates: &mut Rates, of: &InstrumentId, from: u64| {
            (0..100).filter(|n| rates.admit(order(from + n), of, at(n * 100))).count()
        };
        // 60 points, 16 of headroom, and one comes back each second
        let first = admitted(&mut rates, &btc, 0);
        assert!((44..60).contains(&first), "{first}");
        assert!(admitted(&mut rates, &eth, 1_000) > 0, "each pair for itself");
        // a young order's cancel costs eight points, which orders then have to wait for
        let mut rates = Rates::new(Tier::Starter, at(0));
        assert!(rates.admit(order(1), &btc, at(0)));
        for _ in 0..6 {
            rates.cancel(order(1), at(0));
        }
        assert!(!rates.admit(order(2), &btc, at(1_000)));
        assert!(rates.admit(order(2), &btc, at(7_000)));
        rates.exceeded(order(2), at(7_000));
        assert!(!rates.admit(order(3), &btc, at(8_000)));
    }

    #[test]
    fn no_more_orders_go_out_in_a_second_than_a_connection_takes() {
        let btc = InstrumentId::new("BTC/USD").unwrap();
        let mut rates = Rates::new(Tier::Pro, at(0));
        let burst = (0..100).filter(|n| rates.admit(order(*n), &btc, at(0))).count();
        assert_eq!(burst, ORDERS_PER_SECOND as usize);
        rates.too_fast(at(1_000));
        assert!(!rates.admit(order(200), &btc, at(1_000)));
        assert!(rates.admit(order(200), &btc, at(2_000)));
    }
}
