//! The guard: every limit that an order is in, before it is written down. Decides which limits, whose numbers and which
//! quote a rule is handed; the rules are `domain::trading::risk`. What was counted lately is counted again from the
//! ledger when the limits change.

use crate::{
    ledger::{Ledger, exposures::Owner},
    limits::PRICES_WATCHED,
    quotes::{QuoteReader, Quotes},
};
use std::{collections::BTreeMap, time::Duration};
use tradewind_domain::{
    control::{
        controls::{Controls, Limit},
        risk::{OrdersWithin, RiskSpec, TradingState},
    },
    ids::{CustomerId, InstrumentId, Scope, TraderId},
    money::Quantity,
    time::UnixNanos,
    trading::{
        NewOrder, Order, Quote, Replacement,
        exposure::Exposure,
        risk::{
            self, Asked, Breach,
            rate::{Equals, Rate},
            word::Word,
        },
    },
};
use tradewind_protocol::{
    problem::{Code, Problem},
    token::TraderClaim,
};

/// Whose an order is.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) customer: &'a CustomerId,
    pub(super) trader: Option<&'a TraderId>,
}

impl<'a> Whose<'a> {
    pub(super) fn new(customer: &'a CustomerId, trader: Option<&'a TraderClaim>) -> Self {
        Self { customer, trader: trader.map(|claim| &claim.trader) }
    }

    /// `None`: the scope is of somebody else. Of accounts a Broker is told its own alone.
    fn owner(self, scope: &Scope) -> Option<Owner> {
        match scope {
            Scope::Global | Scope::Account(_) => Some(Owner::Account),
            Scope::Customer(name) => (name == self.customer).then(|| Owner::Customer(name.clone())),
            Scope::Trader(name) => (Some(name) == self.trader).then(|| Owner::Trader(name.clone())),
        }
    }
}

/// What is counted lately, of a limit.
struct Counted {
    scope: Scope,
    rate: Option<Rate>,
    equals: Option<Equals>,
}

/// See the module.
pub(super) struct Guard {
    controls: Controls,
    counted: Vec<Counted>,
    quotes: Quotes,
    /// Instruments by whose quotes something is judged.
    watched: BTreeMap<InstrumentId, QuoteReader>,
}

impl Guard {
    pub(super) fn new(quotes: Quotes) -> Self {
        let (controls, counted, watched) = (Controls::default(), Vec::new(), BTreeMap::new());
        Self { controls, counted, quotes, watched }
    }

    /// Holds to other limits from now on.
    pub(super) fn follow(&mut self, controls: &Controls, ledger: &Ledger, now: UnixNanos) {
        if self.controls == *controls {
            return;
        }
        self.controls = controls.clone();
        let counts = |limit: &Limit| Counted {
            scope: limit.scope.clone(),
            rate: limit.spec.order_rate.map(Rate::new),
            equals: limit.spec.equal_orders.map(Equals::new),
        };
        self.counted = controls.limits.iter().map(counts).collect();
        let within = |limit: OrdersWithin| Duration::from_millis(limit.within_ms.into());
        let limits = controls.limits.iter();
        let limits = limits.flat_map(|limit| [limit.spec.order_rate, limit.spec.equal_orders]);
        let Some(longest) = limits.flatten().map(within).max() else { return };
        let mut lately: Vec<_> = ledger.accepted_within(longest, now).collect();
        lately.sort_by_key(|entry| entry.order.created_at);
        for entry in lately {
            let whose = Whose::new(&entry.order.customer, entry.trader.as_ref());
            self.count(whose, &entry.body(), entry.order.created_at);
        }
    }

    /// What holds for a scope, by whatever way it was said.
    pub(super) fn word(&self, ledger: &Ledger, scope: &Scope) -> Word {
        let told = self.controls.states.iter().find(|standing| standing.scope == *scope);
        let told = told.map_or(Word::ACTIVE, |standing| standing.word);
        told.or(ledger.tightened(scope).unwrap_or(Word::ACTIVE))
    }

    /// The tightest of all that holds for an order, and whose word that is.
    pub(super) fn state(&self, ledger: &Ledger, whose: Whose<'_>) -> (TradingState, Scope) {
        let trader = whose.trader.cloned().map(Scope::Trader);
        let scopes = [
            Scope::Global,
            Scope::Account(ledger.account().clone()),
            Scope::Customer(whose.customer.clone()),
        ];
        let all = scopes.into_iter().chain(trader);
        let all = all.map(|scope| (self.word(ledger, &scope).state, scope));
        all.max_by_key(|(state, _)| *state).unwrap_or((TradingState::Active, Scope::Global))
    }

    /// Whether a new order keeps all limits.
    pub(super) fn check_new(
        &mut self,
        ledger: &Ledger,
        whose: Whose<'_>,
        new: &NewOrder,
        now: UnixNanos,
    ) -> Result<(), Problem> {
        self.check(ledger, whose, &asked(new), None)?;
        for limit in &self.controls.limits {
            let Some(owner) = whose.owner(&limit.scope) else { continue };
            if let Some(most) = limit.spec.max_open_orders {
                let open = ledger.exposures().open_orders(&owner);
                refuse(&limit.scope, risk::max_open_orders(open, most))?;
            }
        }
        for counted in self.counted.iter().filter(|c| whose.owner(&c.scope).is_some()) {
            if let Some(rate) = &counted.rate {
                refuse(&counted.scope, rate.check(now))?;
            }
            if let Some(equals) = &counted.equals {
                refuse(&counted.scope, equals.check(new, now))?;
            }
        }
        Ok(())
    }

    /// Whether other terms keep all limits: by the larger of both.
    pub(super) fn check_replace(
        &mut self,
        ledger: &Ledger,
        whose: Whose<'_>,
        order: &Order,
        by: &Replacement,
    ) -> Result<(), Problem> {
        let total = by.quantity.max(order.quantity);
        let asked = Asked {
            instrument: &order.instrument,
            side: order.side,
            order_type: order.order_type,
            quantity: by.quantity,
            limit_price: by.limit_price,
            stop_price: order.conditions.stop_price,
            reduce_only: order.conditions.reduce_only,
            adds: total.checked_sub(order.filled_quantity).unwrap_or(Quantity::ZERO),
            more: by.quantity.decimal() - order.quantity.decimal(),
        };
        self.check(ledger, whose, &asked, Some(order))
    }

    fn check(
        &mut self,
        ledger: &Ledger,
        whose: Whose<'_>,
        asked: &Asked<'_>,
        instead_of: Option<&Order>,
    ) -> Result<(), Problem> {
        let has = |owner: &Owner| -> Exposure {
            let mut has = ledger.exposures().of(owner, asked.instrument);
            instead_of.into_iter().for_each(|order| has.close(order));
            has
        };
        let (state, scope) = self.state(ledger, whose);
        // What shrinks is his own: one customer's orders do not shrink another's position.
        let his = has(&Owner::Customer(whose.customer.clone()));
        refuse(&scope, risk::trading_state(state, asked, &his))?;
        let own = Scope::Customer(whose.customer.clone());
        refuse(&own, risk::reduce_only(asked, &his))?;
        let judged =
            |limit: &Limit| whose.owner(&limit.scope).is_some() && by_quote(&limit.spec, asked);
        let quote = if self.controls.limits.iter().any(judged) {
            self.quote(asked.instrument)
        } else {
            None
        };
        for Limit { scope, spec } in &self.controls.limits {
            let Some(owner) = whose.owner(scope) else { continue };
            if let Some(most) = spec.max_order_quantity {
                refuse(scope, risk::max_order_quantity(asked, most))?;
            }
            if let Some(most) = spec.max_order_notional {
                refuse(scope, risk::max_order_notional(asked, quote.as_ref(), most))?;
            }
            if let Some(share) = spec.price_band {
                refuse(scope, risk::price_band(asked, quote.as_ref(), share))?;
            }
            if let Some(most) = spec.max_position {
                refuse(scope, risk::max_position(asked, &has(&owner), most))?;
            }
        }
        Ok(())
    }

    /// An order was accepted.
    pub(super) fn count(&mut self, whose: Whose<'_>, new: &NewOrder, at: UnixNanos) {
        for counted in self.counted.iter_mut().filter(|c| whose.owner(&c.scope).is_some()) {
            if let Some(rate) = &mut counted.rate {
                rate.count(at);
            }
            if let Some(equals) = &mut counted.equals {
                equals.count(new, at);
            }
        }
    }

    /// The last quote, if it is fresh. The first who asks has it subscribed, and comes again.
    fn quote(&mut self, instrument: &InstrumentId) -> Option<Quote> {
        if !self.watched.contains_key(instrument) {
            if self.watched.len() >= PRICES_WATCHED {
                self.watched.pop_first();
            }
            self.watched.insert(instrument.clone(), self.quotes.read(instrument));
        }
        self.quotes.fresh(instrument)
    }
}

fn by_quote(spec: &RiskSpec, asked: &Asked<'_>) -> bool {
    spec.price_band.is_some()
        || (spec.max_order_notional.is_some() && asked.limit_price.or(asked.stop_price).is_none())
}

/// A new order as it is judged.
fn asked(new: &NewOrder) -> Asked<'_> {
    Asked {
        instrument: &new.instrument,
        side: new.side,
        order_type: new.order_type,
        quantity: new.quantity,
        limit_price: new.limit_price,
        stop_price: new.conditions.stop_price,
        reduce_only: new.conditions.reduce_only,
        adds: new.quantity,
        more: new.quantity.decimal(),
    }
}

fn refuse(scope: &Scope, kept: Result<(), Breach>) -> Result<(), Problem> {
    let Err(breach) = kept else { return Ok(()) };
    let detail = format!("{scope}: {breach}");
    let code = match &breach {
        Breach::NoQuote => Code::Unavailable,
        Breach::Rate { .. } | Breach::Equal { .. } => Code::TooManyRequests,
        Breach::Halted
        | Breach::Reducing { .. }
        | Breach::ReduceOnly { .. }
        | Breach::Quantity { .. }
        | Breach::Notional { .. }
        | Breach::Band { .. }
        | Breach::Position { .. }
        | Breach::OpenOrders { .. } => Code::Refused,
    };
    let problem = Problem::new(code, detail);
    Err(match breach.free_after() {
        None => problem,
        Some(wait) => {
            // At least as long as that: rounded up.
            let wait_ms = wait.as_nanos().div_ceil(1_000_000);
            problem.retry_after_ms(u64::try_from(wait_ms).unwrap_or(u64::MAX))
        }
    })
}
