//! What operators declare and delete in a random log: by chance, mostly of what there is. Decides nothing else.

use super::Draw;
use std::collections::BTreeSet;
use tradewind_domain::{
    calendar::{DailyWindow, Day, Exchange, Hours, MinuteOfDay, OperatorDay},
    control::{
        Command, Machine,
        copies::Copies,
        resource::{Condition, Declaration, ResourceChange, ResourceCommand},
        risk::{RiskSpec, TradingState},
        row::{AccountSpec, CustomerSpec, LocationSpec, MarketSpec, Route, TraderSpec, TraderWish},
        trader::TraderRun,
    },
    ids::{InstrumentId, Revision, Scope},
};

impl Draw {
    /// Up to two of them.
    fn some<T: Clone + Ord>(&self, of: &[T]) -> BTreeSet<T> {
        self.chance.some(of, self.chance.below(3) as usize).into_iter().collect()
    }

    fn hours(&self) -> Hours {
        let minute = |hour| MinuteOfDay::new(hour, 0).unwrap_or_else(|| unreachable!("a minute"));
        if self.chance.percent(50) {
            let offset_minutes = self.chance.below(120) as u16;
            Hours::AfterClose { exchange: Exchange::Xnys, offset_minutes }
        } else {
            let (from, to) = (self.chance.below(24) as u16, self.chance.below(24) as u16);
            Hours::Daily { window: DailyWindow { from: minute(from), to: minute(to) } }
        }
    }

    pub(super) fn declaration(&self) -> Declaration {
        match self.chance.below(14) {
            0 | 1 => {
                let account = self.of(&self.names.accounts);
                let spec = AccountSpec {
                    venue: self.of(&self.names.venues),
                    adapter: "sim".to_owned(),
                    endpoint: "h:2".to_owned(),
                    customers: self.some(&self.names.customers),
                };
                if self.levels && self.chance.percent(75) {
                    let copies = if self.chance.percent(85) { Copies::Two } else { Copies::One };
                    return Declaration::AccountCopies { account, spec, copies };
                }
                Declaration::Account { account, spec }
            }
            2 | 3 => Declaration::Customer {
                customer: self.of(&self.names.customers),
                key_hashes: self.chance.percent(50).then(|| self.some(&self.names.hashes)),
            },
            4 => {
                let instruments = self.some(&self.names.instruments);
                let routes = instruments.into_iter().map(|of| self.route(of)).collect();
                Declaration::Market {
                    market: self.of(&self.names.markets),
                    spec: MarketSpec { routes },
                }
            }
            5..8 => self.trader(),
            8 => Declaration::Location {
                location: self.of(&self.names.locations),
                spec: LocationSpec {
                    after_hours: (0..self.chance.below(3)).map(|_| self.hours()).collect(),
                },
            },
            9 => Declaration::Route {
                market: self.of(&self.names.markets),
                route: self.route(self.of(&self.names.instruments)),
            },
            10 => Declaration::Risk {
                scope: self.scope(),
                spec: RiskSpec {
                    max_open_orders: Some(self.chance.below(3) as u32),
                    ..RiskSpec::default()
                },
            },
            11 => Declaration::TradingState {
                scope: self.scope(),
                state: match self.chance.below(3) {
                    0 => TradingState::Active,
                    1 => TradingState::Reducing,
                    _ => TradingState::Halted,
                },
            },
            13 => Declaration::Scale {
                location: self.of(&self.names.locations),
                spec: self.scale_spec(),
            },
            _ => self.exchange_days(),
        }
    }

    fn exchange_days(&self) -> Declaration {
        let today = Day::of(self.at);
        let day = match self.chance.below(3) {
            0 => (today, OperatorDay::Closed),
            1 => (today.next(), OperatorDay::Closed),
            _ => (Day(today.0 + 3), OperatorDay::Closed),
        };
        let days = [day].into_iter().take(self.chance.below(2) as usize).collect();
        Declaration::ExchangeDays { exchange: Exchange::Xnys, days }
    }

    fn trader(&self) -> Declaration {
        let trader = self.of(&self.names.traders);
        let own = self.chance.percent(if self.attached { 60 } else { 5 });
        let spec = TraderSpec {
            customer: self.of(&self.names.customers),
            // One without words is refused.
            command: vec!["word".to_owned(); self.chance.below(20).min(2) as usize],
            state: match self.chance.below(10) {
                0..8 => TraderWish::Running,
                8 => TraderWish::Paused,
                _ => TraderWish::Stopped,
            },
        };
        if own {
            // Refused, now and then: nobody here runs it, and is told how.
            let restarts = u64::from(self.chance.percent(8));
            let (command, run) = (Vec::new(), TraderRun { restarts, ..TraderRun::default() });
            return Declaration::SelfManaged { trader, spec: TraderSpec { command, ..spec }, run };
        }
        if self.chance.percent(50) {
            return Declaration::Trader { trader, spec };
        }
        let directory = match self.chance.below(8) {
            0..4 => None,
            4..7 => Some("/d".to_owned()),
            // Refused: it is not absolute.
            _ => Some("d".to_owned()),
        };
        let restarts = self.chance.below(2);
        let run = TraderRun { directory, restarts, ..TraderRun::default() };
        Declaration::TraderRun { trader, spec, run }
    }

    fn route(&self, instrument: InstrumentId) -> Route {
        let (data_venue, order_venue) = (self.of(&self.names.venues), self.of(&self.names.venues));
        Route { instrument, data_venue, order_venue }
    }

    fn scope(&self) -> Scope {
        match self.chance.below(4) {
            0 => Scope::Global,
            1 => Scope::Customer(self.of(&self.names.customers)),
            2 => Scope::Account(self.of(&self.names.accounts)),
            _ => Scope::Trader(self.of(&self.names.traders)),
        }
    }

    fn condition(&self, held: Option<Revision>, revision: u64) -> Condition {
        match self.chance.below(8) {
            0 => Condition::Absent,
            1 => Condition::Present,
            2 => Condition::At(Revision(1 + self.chance.below(revision.max(1)))),
            3 | 4 => held.map_or(Condition::Absent, Condition::At),
            _ => Condition::Always,
        }
    }

    pub(super) fn resource(&self, machine: &Machine, revision: u64) -> ResourceCommand {
        let hash = self.of(&self.names.hashes);
        match self.chance.below(14) {
            10..14 => {
                let change = self.change(machine, revision);
                ResourceCommand::Audited { by: self.by(), change }
            }
            0 => ResourceCommand::AddKey { customer: self.of(&self.names.customers), hash },
            1 => ResourceCommand::RemoveKey {
                customer: self.of(&self.names.customers),
                key_id: hash.key_id(),
            },
            2..5 => {
                let what = self.declaration().resource();
                let on = self.condition(machine.declared_at(&what), revision);
                ResourceCommand::Delete { what, on, release: self.chance.percent(50) }
            }
            _ => {
                let what = self.declaration();
                let on = self.condition(machine.declared_at(&what.resource()), revision);
                ResourceCommand::Put { what, on }
            }
        }
    }
}

impl Draw {
    fn change(&self, machine: &Machine, revision: u64) -> ResourceChange {
        let what = self.declaration();
        let on = self.condition(machine.declared_at(&what.resource()), revision);
        if self.chance.percent(60) {
            return ResourceChange::Put { what, on };
        }
        let release = self.chance.percent(50);
        ResourceChange::Delete { what: what.resource(), on, release }
    }
}

/// The same by the commands of the first release.
pub(super) fn plainly(what: Declaration) -> Command {
    match what {
        Declaration::Account { account, spec } => Command::PutAccount { account, spec },
        Declaration::Customer { customer, key_hashes } => {
            let spec = CustomerSpec { key_hashes: key_hashes.unwrap_or_default() };
            Command::PutCustomer { customer, spec }
        }
        Declaration::Market { market, spec } => Command::PutMarket { market, spec },
        Declaration::Trader { trader, spec } => Command::PutTrader { trader, spec },
        Declaration::Location { location, spec } => Command::PutLocation { location, spec },
        Declaration::ExchangeDays { exchange, days } => Command::PutExchangeDays { exchange, days },
        // These came later.
        Declaration::Route { .. }
        | Declaration::Risk { .. }
        | Declaration::TradingState { .. }
        | Declaration::Scale { .. }
        | Declaration::TraderRun { .. }
        | Declaration::SelfManaged { .. }
        | Declaration::AccountCopies { .. } => {
            Command::Resource(ResourceCommand::Put { what, on: Condition::Always })
        }
    }
}
