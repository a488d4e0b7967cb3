//! Services that their Managers handed back: they crashed more often than a Manager puts up with. Decides what is
//! kept of that (who gave up what, under which right, why, and how often in a row) and when it is forgotten; whom it
//! moves is `plan`'s decision, and trying again where it was is the Manager's own.
//!
//! HB1: a row names a service that is there, and a right that was given: never a later one than stands.

use super::{
    drain::Entry,
    event::EventKind,
    machine::Machine,
    refusal::{Noun, Refusal},
    row::{Assignment, Row},
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    ids::{Epoch, ManagerId, ServiceId},
    limits,
    time::UnixNanos,
};
use alloc::{format, string::String, vec, vec::Vec};
use core::{fmt, time::Duration};
use serde::{Deserialize, Serialize};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// An earlier life of the Manager had started it: its end was seen, and not how.
    Unknown,
}

/// Why a service was given up: what its last life came to. Variants are only appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum Failure {
    Ended {
        exit: Exit,
    },
    NeverCheckedIn,
    /// Nothing was heard of it for too long.
    Hung,
    /// There was no process: its program, its log or its directory is at fault.
    NotStarted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { exit: Exit::Code(code) } => write!(f, "it ended with exit status {code}"),
            Self::Ended { exit: Exit::Signal(signal) } => {
                write!(f, "it was ended by signal {signal}")
            }
            Self::Ended { exit: Exit::Unknown } => f.write_str("it ended"),
            Self::NeverCheckedIn => f.write_str("it did not check in"),
            Self::Hung => f.write_str("it hung"),
            Self::NotStarted => f.write_str("it could not be started"),
        }
    }
}

/// A service that was handed back and has not lived for long since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HandedBackRow {
    pub service: ServiceId,
    /// Who gave it up last, and the right he had it by.
    pub manager: ManagerId,
    pub epoch: Epoch,
    pub failure: Failure,
    /// How many holders have given it up, one after the other.
    pub count: u32,
    pub at: UnixNanos,
}

impl HandedBackRow {
    /// From when on another Manager may be given it: one second after the first time, each time twice as long, up
    /// to a minute.
    #[must_use]
    pub fn due(&self) -> UnixNanos {
        let doublings = self.count.saturating_sub(1).min(16);
        let wait = limits::HANDED_BACK_FIRST.saturating_mul(1 << doublings);
        self.at + wait.min(limits::HANDED_BACK_MAX)
    }

    /// From when on it is forgotten, if it is not given up again: a whole window of crashes after it was given to
    /// somebody anew.
    #[must_use]
    pub fn over(&self) -> UnixNanos {
        let wait: Duration = limits::HANDED_BACK_MAX + limits::CRASH_WINDOW;
        self.at + wait
    }
}

/// Each is conditional on what it was decided on. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceCommand {
    /// A Manager has given up what it holds by this right.
    HandBack { service: ServiceId, manager: ManagerId, epoch: Epoch, failure: Failure },
    /// It runs: what was handed back under this right is forgotten.
    Settle { service: ServiceId, epoch: Epoch },
}

impl Machine {
    #[must_use]
    pub fn handed_back(&self, service: &ServiceId) -> Option<&HandedBackRow> {
        self.tables.handed_back.get(service)
    }

    /// In the order of their names.
    pub fn all_handed_back(&self) -> impl Iterator<Item = &HandedBackRow> {
        self.tables.handed_back.values()
    }

    /// Who has a service. `None`: nobody, or it is not of the kind that is given to one Manager.
    #[must_use]
    pub fn holder(&self, service: &ServiceId) -> Option<&Assignment> {
        match service {
            ServiceId::Broker { account, shard } => {
                let row = self.tables.brokers.get(&(account.clone(), *shard));
                row.and_then(|row| row.assignment.as_ref())
            }
            ServiceId::Trader { trader } => {
                self.trader(trader).and_then(|row| row.assignment.as_ref())
            }
            // Every MarketManager runs its own.
            ServiceId::Market { .. } => None,
        }
    }

    pub(super) fn decide_service(
        &mut self,
        entry: Entry,
        command: ServiceCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        match command {
            ServiceCommand::HandBack { service, manager, epoch, failure } => {
                self.hand_back(entry, service, Assignment { manager, epoch }, failure)
            }
            ServiceCommand::Settle { service, epoch } => self.settle(entry, service, epoch),
        }
    }

    fn hand_back(
        &mut self,
        entry: Entry,
        service: ServiceId,
        by: Assignment,
        failure: Failure,
    ) -> Result<Vec<EventKind>, Refusal> {
        let what = match service {
            ServiceId::Broker { .. } => Noun::Broker,
            ServiceId::Trader { .. } => Noun::Trader,
            ServiceId::Market { .. } => return Err(Refusal::NotEligible),
        };
        let held = self.holder(&service).ok_or(Refusal::NotFound { what })?;
        let before = self.handed_back(&service);
        // By one right it is given up once.
        if *held != by || before.is_some_and(|row| row.epoch == by.epoch) {
            return Err(Refusal::Superseded);
        }
        let count = before.map_or(0, |row| row.count).saturating_add(1);
        let Assignment { manager, epoch } = by;
        let row = HandedBackRow { service, manager, epoch, failure, count, at: entry.at };
        self.tables.put(Row::HandedBack(row.clone()));
        let HandedBackRow { service, manager, .. } = row;
        Ok(vec![EventKind::ServiceHandedBack { service, manager, epoch, failure, count }])
    }

    fn settle(
        &mut self,
        entry: Entry,
        service: ServiceId,
        epoch: Epoch,
    ) -> Result<Vec<EventKind>, Refusal> {
        let row = self.handed_back(&service).filter(|row| row.epoch == epoch);
        let row = row.ok_or(Refusal::Superseded)?;
        if entry.at < row.over() {
            return Err(Refusal::NotDue);
        }
        self.tables.forget_handed_back(&service);
        Ok(vec![EventKind::ServiceSettled { service }])
    }
}

/// HB1.
pub(super) fn violations(machine: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    for row in machine.all_handed_back() {
        let service = &row.service;
        match machine.holder(service) {
            None => found.push(format!("HB1: {service} was handed back and is nobody's")),
            Some(held) if held.epoch < row.epoch => {
                found.push(format!("HB1: {service} was handed back under a right never given"));
            }
            Some(held) if held.epoch == row.epoch && held.manager != row.manager => {
                found.push(format!("HB1: {service} was handed back by who did not have it"));
            }
            Some(_) => {}
        }
        if row.count == 0 {
            found.push(format!("HB1: {service} was handed back and by nobody"));
        }
    }
    found
}

#[cfg(test)]
mod tests;
