//! Drains and rebalances in a random log: every step of every drain, in and out of its time. Decides nothing
//! else.

use super::{Draw, NOW};
use tradewind_domain::{
    control::{
        Machine,
        drain::{By, DrainCommand, DrainRow, DropSchedule},
        placement::{Move, RebalanceCommand, rebalance},
        plan::drains::after_hours,
        resource::Condition,
        row::Assignment,
    },
    ids::{CustomerId, DrainTarget, Revision},
    time::UnixNanos,
};

impl Draw {
    pub(super) fn by(&self) -> By {
        By { who: "me".to_owned(), why: "test".to_owned() }
    }

    fn schedule(&self) -> DropSchedule {
        match self.chance.below(5) {
            0 | 1 => DropSchedule::WhenIdle,
            2 => DropSchedule::Never,
            3 => DropSchedule::At(UnixNanos(self.at.0 + self.chance.below(3_000_000_000))),
            _ => DropSchedule::AfterHours,
        }
    }

    pub(super) fn drain(&self, machine: &Machine, revision: u64) -> DrainCommand {
        let under_way: Vec<&DrainRow> = machine.drains().collect();
        let row = self.chance.pick(&under_way).copied().filter(|_| self.chance.percent(85));
        let target = row.map_or_else(
            || {
                let manager = self.manager();
                let [whole, one] = DrainTarget::of(&manager);
                if self.chance.percent(30) { whole } else { one }
            },
            |row| row.target.clone(),
        );
        let epoch = self.epoch(row.map(|row| row.epoch), revision);
        let at = row.map(|row| row.revision).filter(|_| self.chance.percent(40));
        let at = if self.chance.percent(90) { at } else { Some(Revision(epoch.0)) };
        let by = self.by();
        match self.chance.below(22) {
            16 | 17 => DrainCommand::Abandon { target, at, by },
            18..22 => {
                let why = self.chance.below(2).to_string();
                DrainCommand::HoursUnknown { target, epoch, why }
            }
            3 => DrainCommand::BeginOn {
                target,
                on: at.map_or(Condition::Absent, Condition::At),
                by,
                deadline: None,
                drop: self.schedule(),
            },
            0..3 => DrainCommand::Begin {
                target,
                by,
                deadline: self.chance.percent(50).then_some(self.at),
                drop: self.schedule(),
            },
            4..6 => {
                let live = machine.concerned(&target);
                let all = live.map(|row| (row.manager.clone(), row.incarnation));
                let confirmed = all.filter(|_| self.chance.percent(90)).collect();
                DrainCommand::Acknowledge { target, epoch, confirmed }
            }
            6 | 7 => DrainCommand::Emptied { target, epoch },
            8 => DrainCommand::Overdue { target, epoch },
            9..12 => {
                // The leader's own reading of the calendar, a moment ago: what it is trusted with.
                let read = UnixNanos(self.at.0 - self.chance.below(2_000_000_000));
                let within = after_hours(machine, read, &target);
                let within = within.filter(|_| self.chance.percent(80));
                if self.chance.percent(30) {
                    return DrainCommand::Drop { target, epoch, within };
                }
                let live = machine.concerned(&target);
                let all = live.map(|row| (row.manager.clone(), row.incarnation));
                let confirmed = all.filter(|_| self.chance.percent(90)).collect();
                DrainCommand::DropConfirmed { target, epoch, within, confirmed }
            }
            12 => DrainCommand::Cancel { target, at, by },
            13 => DrainCommand::Force { target, at, by },
            _ => DrainCommand::Reschedule { target, at, by, drop: self.schedule() },
        }
    }

    pub(super) fn rebalance(&self, machine: &Machine, revision: u64) -> RebalanceCommand {
        let held = machine.rebalance().map(|row| row.epoch);
        match self.chance.below(7) {
            6 => RebalanceCommand::CancelAt { epoch: self.epoch(held, revision), by: self.by() },
            0 => RebalanceCommand::Cancel { by: self.by() },
            1 => RebalanceCommand::End { epoch: self.epoch(held, revision) },
            2 | 3 => {
                let moves = rebalance(machine, &self.observed(machine), NOW);
                RebalanceCommand::Begin { by: self.by(), moves }
            }
            _ => {
                let customer = self.of(&self.names.customers);
                let held = affinity(machine, &customer).map(|held| held.epoch);
                let (to, replaces) = (self.manager(), self.epoch(held, revision));
                let moves = vec![Move { customer, replaces, to }];
                RebalanceCommand::Begin { by: self.by(), moves }
            }
        }
    }
}

fn affinity<'a>(machine: &'a Machine, customer: &CustomerId) -> Option<&'a Assignment> {
    machine.customer(customer)?.affinity.as_ref()
}
