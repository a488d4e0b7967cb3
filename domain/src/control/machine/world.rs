//! A machine under test: every command is applied under the next revision, and what must always hold is
//! checked after each. Decides nothing.

use crate::{
    control::{
        Applied, Command, EventKind, IdempotencyKey, Machine, Observed, Outcome, Request, Sighting,
        Stamped, StateHash,
        invariants::violations,
        level::{FeatureLevel, LevelRow},
        plan::{Told, plan},
        row::{CustomerSpec, Row, TraderSpec, TraderWish},
    },
    ids::{Incarnation, KeyHash, Revision},
    time::{Monotonic, UnixNanos},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::ToString,
    vec,
    vec::Vec,
};

/// A machine with a log: every command gets the next revision and a key of its own.
pub(in crate::control) struct World {
    pub(in crate::control) machine: Machine,
    pub(in crate::control) revision: u64,
    /// The log's time from here on.
    pub(in crate::control) at: u64,
    /// What Managers say of themselves; of one that is not named, nothing.
    pub(in crate::control) told: BTreeMap<&'static str, Told>,
    /// Every entry, under the revision that is its place here and one.
    pub(in crate::control) log: Vec<Stamped>,
}

pub(in crate::control) fn name<T: core::str::FromStr>(text: &str) -> T
where
    T::Err: core::fmt::Debug,
{
    text.parse().expect("a legal name")
}

pub(in crate::control) fn key(n: u64, issued_at: u64) -> IdempotencyKey {
    IdempotencyKey { client: name("test"), issued_at: UnixNanos(issued_at), n }
}

pub(in crate::control) const SECOND: u64 = 1_000_000_000;

impl World {
    /// At the level that this build knows.
    pub(in crate::control) fn new() -> Self {
        let (level, revision, since) = (FeatureLevel::KNOWN, Revision(0), UnixNanos(0));
        let row = Row::Level(LevelRow { level, revision, since });
        Self { machine: Machine::from_rows([row]), ..Self::at_the_first_level() }
    }

    /// As logs of earlier builds begin.
    pub(in crate::control) fn at_the_first_level() -> Self {
        Self {
            machine: Machine::default(),
            revision: 0,
            at: SECOND,
            told: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    pub(in crate::control) fn apply_as(
        &mut self,
        key: IdempotencyKey,
        at: u64,
        command: Command,
    ) -> Applied {
        self.revision += 1;
        let before = self.machine.clone();
        let entry = Stamped { at: UnixNanos(at), request: Request { key, command } };
        let applied = self.machine.apply(Revision(self.revision), &entry);
        let found = violations(&before, &self.machine, Revision(self.revision));
        assert!(found.is_empty(), "{found:?} after {entry:?}");
        // All rows: too many after each entry of a long log.
        if self.revision < 200 || self.revision.is_multiple_of(1_000) {
            let hash = StateHash::of_rows(self.machine.rows());
            assert_eq!(self.machine.state_hash(), hash, "after {entry:?}");
            // Derived in whatever order the rows come.
            let mut rows: Vec<_> = self.machine.rows().collect();
            rows.reverse();
            let anew = Machine::from_rows(rows);
            assert_eq!(self.machine.tables.index, anew.tables.index, "after {entry:?}");
        }
        self.log.push(entry);
        applied
    }

    pub(in crate::control) fn apply(&mut self, command: Command) -> Applied {
        let n = self.revision;
        self.apply_as(key(n, self.at), self.at, command)
    }

    pub(in crate::control) fn accept(&mut self, command: Command) -> Revision {
        match self.apply(command).outcome {
            Outcome::Accepted { revision } => revision,
            Outcome::Refused { refusal } => panic!("refused: {refusal}"),
        }
    }

    pub(in crate::control) fn check_in(&mut self, manager: &str, incarnation: u64) -> Outcome {
        self.check_in_taking(manager, incarnation, 10)
    }

    pub(in crate::control) fn check_in_taking(
        &mut self,
        manager: &str,
        incarnation: u64,
        capacity: u32,
    ) -> Outcome {
        let command = Command::CheckIn {
            manager: name(manager),
            location: name("here"),
            address: "127.0.0.1:1".to_string(),
            incarnation: Incarnation(incarnation),
            capacity,
        };
        self.apply(command).outcome
    }

    pub(in crate::control) fn with_a_customer_and_a_trader() -> Self {
        Self::new().and_a_customer_and_a_trader()
    }

    pub(in crate::control) fn and_a_customer_and_a_trader(self) -> Self {
        let mut world = self;
        world.check_in("a.trader-manager", 1);
        world.check_in("b.trader-manager", 1);
        let spec = CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of("secret")]) };
        world.accept(Command::PutCustomer { customer: name("acme"), spec });
        let (customer, command) = (name("acme"), vec!["algo".to_string()]);
        let spec = TraderSpec { customer, command, state: TraderWish::Running };
        world.accept(Command::PutTrader { trader: name("sample"), spec });
        world
    }

    /// Everybody registered is well, but for those named.
    pub(in crate::control) fn observed(&self, lost: &[&str]) -> Observed {
        let managers = self.machine.managers().map(|row| {
            let refused = lost.contains(&row.manager.to_string().as_str());
            let incarnation = row.incarnation;
            let told = self.told.get(row.manager.to_string().as_str()).cloned();
            let told = Some(told.unwrap_or_default());
            let last_proof = Monotonic(0);
            (row.manager.clone(), Sighting { incarnation, last_proof, refused, told })
        });
        let managers = managers.collect();
        Observed { managers, at: UnixNanos(self.at), ..Observed::default() }
    }

    /// Plans and applies until nothing is left to do. What happened.
    pub(in crate::control) fn settle(&mut self, lost: &[&str]) -> Vec<EventKind> {
        let mut happened = Vec::new();
        for _ in 0..20 {
            let commands = plan(&self.machine, &self.observed(lost), Monotonic(0));
            if commands.is_empty() {
                return happened;
            }
            let events = commands.into_iter().flat_map(|command| self.apply(command).events);
            happened.extend(events.map(|event| event.kind));
        }
        panic!("the planner does not come to rest");
    }
}
