//! Scale in a random log: settings, requests and every step of them, in and out of their time, and what checks in
//! when it was asked for. Decides nothing else.

use super::Draw;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        Command, Machine,
        drain::{DrainCommand, DrainState, DropSchedule},
        plan::drains::after_hours,
        resource::{Condition, Declaration, ResourceCommand},
        scale::{
            Marks, Offered, ProvisionRow, ProvisionState, Provisioner, Said, ScaleCommand,
            ScaleRow, ScaleSpec, Shortage,
        },
    },
    ids::{DrainTarget, Epoch, Incarnation, ManagerId, ManagerKind, NodeId, Revision},
};

impl Draw {
    pub(super) fn scale_spec(&self) -> ScaleSpec {
        let marks = || {
            let in_percent = self.chance.below(60) as u8;
            Marks { out_percent: in_percent + self.chance.below(40) as u8, in_percent }
        };
        let least = self.chance.below(5).saturating_sub(2) as u32;
        ScaleSpec {
            provisioner: if self.chance.percent(50) {
                Provisioner::Process { capacity: self.chance.below(5) as u32 }
            } else {
                let program = self.of(&self.names.programs);
                Provisioner::Exec { program, arguments: BTreeMap::new() }
            },
            least,
            most: least + self.chance.below(5) as u32,
            brokers: marks(),
            sessions: marks(),
            traders: marks(),
            sessions_each: self.chance.below(9) as u32,
            cool_down_seconds: 1,
            deadline_seconds: 1 + self.chance.below(20) as u32,
            drop: match self.chance.below(10) {
                0 => DropSchedule::Never,
                1 => DropSchedule::AfterHours,
                _ => DropSchedule::WhenIdle,
            },
        }
    }

    /// What the member that leads may start.
    pub(super) fn offered(&self) -> Offered {
        let node = Some(NodeId(1 + self.chance.below(3))).filter(|_| self.chance.percent(80));
        let process = self.chance.percent(70);
        let programs = self.chance.percent(70).then(|| self.of(&self.names.programs));
        Offered { node, process, programs: programs.into_iter().collect() }
    }

    pub(super) fn scaling(&self, machine: &Machine, revision: u64) -> Command {
        let open: Vec<&ProvisionRow> = machine
            .provisions()
            .filter(|row| row.state != ProvisionState::Released || self.chance.percent(10))
            .collect();
        let scales: Vec<&ScaleRow> = machine.scales().collect();
        if let Some(row) = self.chance.pick(&open).filter(|_| self.chance.percent(80)) {
            return self.of_request(machine, row, revision);
        }
        let location = self.of(&self.names.locations);
        match self.chance.pick(&scales).filter(|_| self.chance.percent(85)) {
            Some(row) => Command::Scale(self.of_location(row, revision)),
            None => {
                let what = Declaration::Scale { location, spec: self.scale_spec() };
                Command::Resource(ResourceCommand::Put { what, on: Condition::Always })
            }
        }
    }

    fn of_location(&self, row: &ScaleRow, revision: u64) -> ScaleCommand {
        let any = Revision(1 + self.chance.below(revision.max(1)));
        let settings = if self.chance.percent(90) { row.revision } else { any };
        let location = row.location.clone();
        if self.chance.percent(75) {
            let shortage = Shortage::Least { there: self.chance.below(3) as u32 };
            ScaleCommand::Ask { location, settings, shortage }
        } else {
            ScaleCommand::Quiet { location, settings, quiet: self.chance.percent(70) }
        }
    }

    fn of_request(&self, machine: &Machine, row: &ProvisionRow, revision: u64) -> Command {
        let any = Revision(1 + self.chance.below(revision.max(1)));
        let held = if self.chance.percent(92) { row.revision } else { any };
        let other = Epoch(1 + self.chance.below(revision.max(1)));
        let request = if self.chance.percent(95) { row.request } else { other };
        let scale = machine.scale(&row.location);
        let settings = scale.map_or(any, |scale| scale.revision);
        let quiet = scale.is_some_and(|scale| scale.quiet_since.is_some());
        let draw = self.chance.below(10);
        let whole = self.missing(machine, row).is_none();
        let step = match row.state {
            _ if self.chance.percent(10) => self.chance.below(9),
            _ if self.newest && self.chance.percent(8) => 8,
            ProvisionState::Starting | ProvisionState::Failed if draw < 7 && !whole => {
                return self.comes(machine, row);
            }
            ProvisionState::Starting | ProvisionState::Failed if whole => 1,
            ProvisionState::There if !quiet && draw < 6 => {
                let location = row.location.clone();
                return Command::Scale(ScaleCommand::Quiet { location, settings, quiet: true });
            }
            ProvisionState::Retiring if draw < 7 => return Command::Drain(self.goes(machine, row)),
            ProvisionState::Asked if draw < 2 => 4,
            ProvisionState::Asked => 0,
            ProvisionState::Starting => 2,
            ProvisionState::Failed if draw < 8 => 4,
            ProvisionState::Failed => 0,
            ProvisionState::There if draw == 9 => 6,
            ProvisionState::There => 3,
            ProvisionState::Retiring if draw < 8 => 5,
            ProvisionState::Retiring => 6,
            ProvisionState::Releasing | ProvisionState::Released => 7,
        };
        self.step(step, request, held, settings)
    }

    fn step(&self, n: u64, request: Epoch, revision: Revision, settings: Revision) -> Command {
        Command::Scale(match n {
            0 => {
                let node = NodeId(1 + self.chance.below(3));
                ScaleCommand::Start { request, revision, node }
            }
            1 => ScaleCommand::Arrive { request, revision },
            2 => ScaleCommand::Fail { request, revision, why: "no".to_owned() },
            3 => ScaleCommand::Retire { request, revision, settings },
            4 => ScaleCommand::GiveUp { request, revision },
            5 => ScaleCommand::Keep { request, revision },
            8 => {
                let released = self.chance.percent(50);
                let failed = Said::Failed { why: "no".to_owned() };
                let said = if released { Said::Released } else { failed };
                ScaleCommand::Tell { by: self.by(), request, revision, said }
            }
            6 => ScaleCommand::Release { request, revision },
            _ => ScaleCommand::Done { request, revision },
        })
    }

    fn missing(&self, machine: &Machine, row: &ProvisionRow) -> Option<ManagerId> {
        let all = ManagerKind::ALL.into_iter();
        let mut all =
            all.map(|kind| ManagerId { implementation: row.implementation.clone(), kind });
        all.find(|manager| machine.manager(manager).is_none())
    }

    /// One of its Managers, a missing one first; now and then elsewhere.
    fn comes(&self, machine: &Machine, row: &ProvisionRow) -> Command {
        let (implementation, kind) = (row.implementation.clone(), ManagerKind::TraderManager);
        let manager = self.missing(machine, row);
        let location = if self.chance.percent(95) {
            row.location.clone()
        } else {
            self.of(&self.names.locations)
        };
        Command::CheckIn {
            manager: manager.unwrap_or(ManagerId { implementation, kind }),
            location,
            address: "h:1".to_owned(),
            incarnation: Incarnation(1 + self.chance.below(3)),
            capacity: 1 + self.chance.below(5) as u32,
        }
    }

    /// The drain by which it goes: its next step, or its end.
    fn goes(&self, machine: &Machine, row: &ProvisionRow) -> DrainCommand {
        let target = DrainTarget::Implementation(row.implementation.clone());
        let drain = machine.drain(&target);
        let epoch = drain.map_or(Epoch(1), |drain| drain.epoch);
        if self.chance.percent(15) {
            return DrainCommand::Cancel { target, at: None, by: self.by() };
        }
        match drain.map(|drain| drain.state) {
            Some(DrainState::Cordoned) => {
                let live = machine.concerned(&target);
                let confirmed = live.map(|row| (row.manager.clone(), row.incarnation)).collect();
                DrainCommand::Acknowledge { target, epoch, confirmed }
            }
            Some(DrainState::Draining) => DrainCommand::Emptied { target, epoch },
            Some(DrainState::Drained | DrainState::Dropped) | None => {
                let within = after_hours(machine, self.at, &target);
                let within = within.filter(|_| self.chance.percent(20));
                DrainCommand::Drop { target, epoch, within }
            }
        }
    }
}
