//! What the leader has seen of the Managers, from the messages of its pipes. Decides what of them is shown;
//! what counts as a proof of life or of death is decided by `domain::control::plan`, which the simulation
//! runs as well. One task owns it.

use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{
        Command, Machine, Observed,
        drain::{Remains, remains},
        level::FeatureLevel,
        plan::{self, Brake, Health, Probe, Proof},
        row::ManagerState,
        scale::Offered,
    },
    ids::{DrainTarget, Epoch, Incarnation, ManagerId, ServiceId},
    time::{Monotonic, UnixNanos},
};
use tradewind_protocol::{
    control,
    supervision::{ServiceReport, ServiceState},
};

use tradewind_replication::EntryEvents;

pub(crate) use tradewind_domain::control::plan::Registration;

/// What a pipe tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) of: Registration,
    /// When it was heard.
    pub(crate) at: Monotonic,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The pipe was accepted by this life of the Manager.
    Up {
        incarnation: Incarnation,
    },
    Beat {
        services: Vec<ServiceReport>,
        sessions: u64,
        cordons: BTreeSet<Epoch>,
    },
    /// The pipe is lost, and nothing is known of the process.
    Down,
    /// Nobody listens at its address.
    Refused,
}

/// A Manager's own word, as of its last beat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Told {
    services: Vec<ServiceReport>,
    sessions: u64,
}

/// How a Manager is doing, for the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManagerView {
    pub(crate) health: control::Health,
    pub(crate) services: Vec<ServiceReport>,
    pub(crate) sessions: u64,
}

/// What the leader sees beside the log, for those who ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) managers: BTreeMap<ManagerId, ManagerView>,
    /// Of each drain what is still there.
    pub(crate) drains: BTreeMap<DrainTarget, Remains>,
    /// Who is lost and held.
    pub(crate) brake: Brake,
    /// What that was seen by, and when it was looked at.
    pub(crate) observed: Observed,
    pub(crate) at: Monotonic,
}

#[derive(Debug, Default)]
pub(crate) struct Observations {
    seen: plan::Observations,
    told: BTreeMap<ManagerId, Told>,
}

impl Observations {
    /// Begins at a confirmed leadership.
    pub(crate) fn since(leader_since: Monotonic) -> Self {
        Self { seen: plan::Observations::since(leader_since), ..Self::default() }
    }

    /// By a member that may start this.
    pub(crate) fn offering(mut self, offered: &Offered) -> Self {
        self.seen = self.seen.offering(offered);
        self
    }

    /// By a build that understands this.
    pub(crate) fn knowing(mut self, knows: FeatureLevel) -> Self {
        self.seen = self.seen.knowing(knows);
        self
    }

    /// Time cannot be trusted: every age counts from now.
    pub(crate) fn restart_ages(&mut self, now: Monotonic) {
        self.seen.restart_ages(now);
    }

    /// Notes the calendar's time, for what is planned next.
    pub(crate) fn at(&mut self, at: UnixNanos) {
        self.seen.at(at);
    }

    /// Everything that should be proposed now, by what is seen of the Managers that are registered.
    pub(crate) fn plan(&self, machine: &Machine, now: Monotonic) -> Vec<Command> {
        self.seen.plan(machine, now)
    }

    pub(crate) fn observed(&self) -> &Observed {
        self.seen.observed()
    }

    /// A registration that is new to this leader, made in its time or before it.
    pub(crate) fn registered(&mut self, of: Registration, checked_in: Option<Monotonic>) {
        self.told.remove(&of.manager);
        self.seen.registered(of, checked_in);
    }

    /// It is not registered as live any more.
    pub(crate) fn forget(&mut self, manager: &ManagerId) {
        self.seen.forget(manager);
        self.told.remove(manager);
    }

    pub(crate) fn heard(&mut self, report: Report) {
        let Report { of, at, what } = report;
        match what {
            What::Up { incarnation } => drop(self.seen.heard(&of, at, Proof::Up { incarnation })),
            What::Down => drop(self.seen.heard(&of, at, Proof::Down)),
            What::Refused => drop(self.seen.heard(&of, at, Proof::Refused)),
            What::Beat { services, sessions, cordons } => {
                let proof = Proof::Beat(own_word(&services, sessions, cordons));
                if self.seen.heard(&of, at, proof) {
                    self.seen.fenced(&of, on_record(&services));
                    self.seen.ledgers(&of, of_copies(&services));
                    self.told.insert(of.manager, Told { services, sessions });
                }
            }
        }
    }

    /// What earlier leaders have decided a moment ago.
    pub(crate) fn after(
        &mut self,
        machine: &Machine,
        events: &[EntryEvents],
        at: UnixNanos,
        now: Monotonic,
    ) {
        self.seen.after(machine, events.iter().flat_map(|(_, events)| events.iter()), at, now);
    }

    /// These were proposed; whatever came of them.
    pub(crate) fn proposed(&mut self, machine: &Machine, commands: &[Command], now: Monotonic) {
        self.seen.proposed(machine, commands, now);
    }

    /// Who is held by the brake now.
    pub(crate) fn brake(&mut self, machine: &Machine, now: Monotonic) -> Brake {
        self.seen.brake(machine, now)
    }

    /// What the other members found.
    pub(crate) fn found(&mut self, found: BTreeMap<ManagerId, Probe>) {
        self.seen.found(found);
    }

    /// Everything that is asked for, as it is seen now.
    pub(crate) fn view(&self, machine: &Machine, brake: Brake, now: Monotonic) -> View {
        let drains = machine
            .drains()
            .map(|row| (row.target.clone(), remains(machine, self.observed(), now, &row.target)));
        View {
            managers: self.managers(machine, now),
            drains: drains.collect(),
            brake,
            observed: self.observed().clone(),
            at: now,
        }
    }

    fn managers(&self, machine: &Machine, now: Monotonic) -> BTreeMap<ManagerId, ManagerView> {
        let each = machine.managers().map(|row| {
            let health = match (row.state, self.observed().health(row, now)) {
                (ManagerState::Down, _) | (ManagerState::Live, Health::Lost(_)) => {
                    control::Health::Down
                }
                (ManagerState::Live, Health::Suspect) => control::Health::Suspect,
                // It has checked in, and has not beaten to this leader: nothing is placed on it yet.
                (ManagerState::Live, Health::Well) if self.observed().told(row).is_none() => {
                    control::Health::Suspect
                }
                (ManagerState::Live, Health::Well) => control::Health::Well,
            };
            let Told { services, sessions } =
                self.told.get(&row.manager).cloned().unwrap_or_default();
            (row.manager.clone(), ManagerView { health, services, sessions })
        });
        each.collect()
    }
}

/// Which rights of Traders the ledgers below a BrokerManager have on record.
fn on_record(services: &[ServiceReport]) -> plan::Fenced {
    let ledgers = services.iter().filter_map(|report| match &report.service {
        ServiceId::Broker { account, shard: 0 } if !report.fenced.is_empty() => {
            Some((account.clone(), report.fenced.clone()))
        }
        ServiceId::Broker { .. } | ServiceId::Market { .. } | ServiceId::Trader { .. } => None,
    });
    ledgers.collect()
}

/// What the ledgers below a BrokerManager say of their copies.
fn of_copies(services: &[ServiceReport]) -> plan::Ledgers {
    let ledgers = services.iter().filter_map(|report| match &report.service {
        ServiceId::Broker { account, shard: 0 } => {
            Some((account.clone(), report.ledger.as_ref()?.told))
        }
        ServiceId::Broker { .. } | ServiceId::Market { .. } | ServiceId::Trader { .. } => None,
    });
    ledgers.collect()
}

/// What a beat says that placement and drains are decided on.
fn own_word(services: &[ServiceReport], sessions: u64, cordons: BTreeSet<Epoch>) -> plan::Told {
    let exclusive = |report: &&ServiceReport| match report.service {
        ServiceId::Broker { .. } | ServiceId::Trader { .. } => true,
        ServiceId::Market { .. } => false,
    };
    let held = services.iter().filter(exclusive).count() as u64;
    let starting = services.iter().filter(|report| report.state == ServiceState::Starting).count();
    let handed_back = services.iter().filter(|report| !serves(report)).filter_map(|report| {
        let failure = report.handed_back?;
        Some((report.service.clone(), failure))
    });
    let brokers = services.iter().filter_map(|report| match &report.service {
        ServiceId::Broker { account, shard } => Some((account.clone(), *shard)),
        ServiceId::Trader { .. } | ServiceId::Market { .. } => None,
    });
    plan::Told {
        cordons,
        held: Some(held.saturating_add(sessions)),
        starting: u32::try_from(starting).unwrap_or(u32::MAX),
        handed_back: handed_back.collect(),
        brokers: brokers.collect(),
    }
}

/// A Broker at work is not moved for what its earlier lives came to. A Trader's service is at work while its algo fails.
fn serves(report: &ServiceReport) -> bool {
    let is_broker = matches!(report.service, ServiceId::Broker { .. });
    is_broker && report.state == ServiceState::Live
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;
    use tradewind_domain::{
        control::{IdempotencyKey, Request, Stamped, command::DownReason, handed_back::Failure},
        ids::Revision,
        limits::DOWN_AFTER,
        time::UnixNanos,
    };

    const START: Monotonic = Monotonic(1_000_000_000);

    fn check_in(machine: &mut Machine, revision: u64, incarnation: u64) -> Registration {
        let command = Command::CheckIn {
            manager: "a.broker-manager".parse().unwrap(),
            location: "here".parse().unwrap(),
            address: "127.0.0.1:1".to_owned(),
            incarnation: Incarnation(incarnation),
            capacity: 1,
        };
        let key = IdempotencyKey {
            client: "test".parse().unwrap(),
            issued_at: UnixNanos(1),
            n: revision,
        };
        let request = Request { key, command };
        machine.apply(Revision(revision), &Stamped { at: UnixNanos(1), request });
        machine.managers().next().unwrap().into()
    }

    fn report(of: &Registration, at: Monotonic, what: What) -> Report {
        Report { of: of.clone(), at, what }
    }

    fn expiries(machine: &Machine, seen: &Observations, now: Monotonic) -> Vec<DownReason> {
        let reasons = seen.plan(machine, now).into_iter().filter_map(|command| {
            let Command::ExpireManager { why, .. } = command else { return None };
            Some(why)
        });
        reasons.collect()
    }

    #[test]
    fn a_refused_dial_expires_the_manager_at_once_and_a_beat_in_time_does_not() {
        let mut machine = Machine::default();
        let of = check_in(&mut machine, 1, 1);
        let mut seen = Observations::since(START);
        seen.registered(of.clone(), None);
        let beat = What::Beat { services: vec![], sessions: 3, cordons: [].into() };
        seen.heard(report(&of, START + Duration::from_secs(2), beat));
        let later = START + Duration::from_secs(4);
        assert_eq!(expiries(&machine, &seen, later), []);
        assert_eq!(
            seen.view(&machine, Brake::default(), later).managers.values().next().unwrap().sessions,
            3
        );
        seen.heard(report(&of, later, What::Refused));
        assert_eq!(expiries(&machine, &seen, later), [DownReason::Refused]);
    }

    #[test]
    fn what_was_seen_of_an_older_registration_does_not_expire_the_new_one() {
        let mut machine = Machine::default();
        let old = check_in(&mut machine, 1, 1);
        let mut seen = Observations::since(START);
        seen.registered(old.clone(), None);
        seen.heard(report(&old, START, What::Refused));
        let new = check_in(&mut machine, 2, 2);
        seen.registered(new.clone(), Some(START));
        seen.heard(report(&old, START, What::Refused));
        assert_eq!(expiries(&machine, &seen, START), []);
        assert_eq!(expiries(&machine, &seen, START + DOWN_AFTER), [DownReason::Silent]);
    }

    #[test]
    fn a_pipe_accepted_by_another_life_proves_nothing_about_the_registered_one() {
        let mut machine = Machine::default();
        let of = check_in(&mut machine, 1, 1);
        let mut seen = Observations::since(START);
        seen.registered(of.clone(), None);
        let later = START + DOWN_AFTER;
        seen.heard(report(&of, later, What::Up { incarnation: Incarnation(2) }));
        assert_eq!(expiries(&machine, &seen, later), [DownReason::Silent]);
        seen.heard(report(&of, later, What::Up { incarnation: Incarnation(1) }));
        assert_eq!(expiries(&machine, &seen, later), []);
    }

    #[test]
    fn a_broker_at_work_is_not_given_up_for_what_its_earlier_lives_came_to_and_a_trader_is() {
        let report = |service: &str, state| ServiceReport {
            state,
            handed_back: Some(Failure::Hung),
            ..ServiceReport::starting(service.parse().unwrap())
        };
        let services = [
            report("broker.a.0", ServiceState::Live),
            report("broker.b.0", ServiceState::Waiting),
            report("trader.t", ServiceState::Live),
        ];
        let told = own_word(&services, 0, BTreeSet::new());
        let given_up: Vec<String> = told.handed_back.keys().map(ToString::to_string).collect();
        assert_eq!(given_up, ["broker.b.0", "trader.t"]);
    }

    #[test]
    fn after_a_pause_every_age_counts_anew() {
        let mut machine = Machine::default();
        let of = check_in(&mut machine, 1, 1);
        let mut seen = Observations::since(START);
        seen.registered(of, None);
        let woken = START + Duration::from_secs(60);
        seen.restart_ages(woken);
        assert_eq!(expiries(&machine, &seen, woken), []);
    }
}
