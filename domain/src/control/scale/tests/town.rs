//! A location that scales, second by second: its Managers, who starts them, and the leaders that plan. Decides what
//! goes wrong and when; what must hold is claimed beside.

use crate::{
    control::{
        Command, Observed, Outcome, Sighting,
        event::EventKind,
        machine::world::{SECOND, World, name},
        plan::{Told, plan},
        resource::{Condition, Declaration, Resource, ResourceCommand},
        scale::{
            Marks, Offered, ProvisionState, ProvisionStep, Provisioner, ScaleCommand, ScaleSpec,
        },
    },
    ids::{CustomerId, Epoch, ManagerId, ManagerKind, NodeId},
    time::{Monotonic, UnixNanos},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::ToString,
    vec::Vec,
};

/// Of each Manager in these tests.
pub(super) const CAPACITY: u32 = 10;

pub(super) struct Town {
    pub(super) world: World,
    /// Of all MarketManagers together.
    pub(super) sessions: u64,
    /// The leader's node.
    pub(super) leader: u64,
    /// Nothing that is asked for ever comes; it is said so at once, or never.
    pub(super) broken: Option<Broken>,
    /// Nobody says that anything was taken away.
    pub(super) silent_provisioners: bool,
    /// Seconds from a start to the check-ins.
    pub(super) takes: u64,
    /// When something was asked for, started, failed, or began to go.
    pub(super) told: Vec<(u64, Step)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Says,
    Hangs,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Asked,
    Started,
    Failed,
    Retired,
}

pub(super) fn exec() -> Provisioner {
    Provisioner::Exec { program: name("nomad"), arguments: BTreeMap::new() }
}

pub(super) fn spec(out_percent: u8, in_percent: u8, least: u32, most: u32) -> ScaleSpec {
    let marks = Marks { out_percent, in_percent };
    ScaleSpec {
        provisioner: exec(),
        least,
        most,
        brokers: marks,
        sessions: marks,
        traders: marks,
        sessions_each: CAPACITY,
        cool_down_seconds: 10,
        deadline_seconds: 20,
        drop: crate::control::drain::DropSchedule::WhenIdle,
    }
}

impl Town {
    /// With one implementation of the operator's own.
    pub(super) fn new(spec: ScaleSpec) -> Self {
        let mut town = Self {
            world: World::new(),
            sessions: 0,
            leader: 1,
            broken: None,
            silent_provisioners: false,
            takes: 3,
            told: Vec::new(),
        };
        town.check_in("own");
        town.set(spec);
        town
    }

    pub(super) fn set(&mut self, spec: ScaleSpec) {
        let what = Declaration::Scale { location: name("here"), spec };
        let on = Condition::Always;
        self.world.accept(Command::Resource(ResourceCommand::Put { what, on }));
    }

    pub(super) fn check_in(&mut self, implementation: &str) {
        for kind in ManagerKind::ALL {
            self.world.check_in(&format!("{implementation}.{kind}"), 1);
        }
    }

    /// So many customers, each of weight one.
    pub(super) fn customers(&mut self, wanted: usize) {
        let named = |n| name::<CustomerId>(&format!("c{n}"));
        let there = self.world.machine.customers().count();
        for n in there..wanted {
            let what = Declaration::Customer { customer: named(n), key_hashes: None };
            let on = Condition::Always;
            self.world.accept(Command::Resource(ResourceCommand::Put { what, on }));
        }
        for n in wanted..there {
            let (what, on) = (Resource::Customer(named(n)), Condition::Always);
            let delete = ResourceCommand::Delete { what, on, release: false };
            self.world.accept(Command::Resource(delete));
        }
    }

    /// Everybody is well, knows of every drain, and has told this leader what he has.
    pub(super) fn observed(&self) -> Observed {
        let machine = &self.world.machine;
        let takes_new = |manager: &ManagerId| machine.cordon(manager).is_none();
        let markets = machine.managers().filter(|row| {
            row.manager.kind == ManagerKind::MarketManager && takes_new(&row.manager)
        });
        let markets = markets.count().max(1) as u64;
        let mut left = self.sessions;
        let share = self.sessions.div_ceil(markets);
        let sightings = machine.managers().map(|row| {
            let held = match row.manager.kind {
                ManagerKind::MarketManager if takes_new(&row.manager) => {
                    let own = share.min(left);
                    left -= own;
                    own
                }
                _ => 0,
            };
            let cordons = machine.cordons(&row.manager).map(|drain| drain.epoch).collect();
            let told = Some(Told { cordons, held: Some(held), ..Told::default() });
            let (incarnation, last_proof, refused) = (row.incarnation, Monotonic(0), false);
            (row.manager.clone(), Sighting { incarnation, last_proof, refused, told })
        });
        Observed {
            managers: sightings.collect(),
            at: UnixNanos(self.world.at),
            offered: self.offered(),
            ..Observed::default()
        }
    }

    fn offered(&self) -> Offered {
        let programs = BTreeSet::from([name("nomad")]);
        Offered { node: Some(NodeId(self.leader)), process: true, programs }
    }

    pub(super) fn planned(&self) -> Vec<Command> {
        plan(&self.world.machine, &self.observed(), Monotonic(0))
    }

    /// Applies what was planned, now or a while ago.
    pub(super) fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            let at = self.world.at;
            let retires = matches!(command, Command::Scale(ScaleCommand::Retire { .. }));
            let starts = matches!(command, Command::Scale(ScaleCommand::Start { .. }));
            let applied = self.world.apply(command);
            for event in &applied.events {
                let told = match &event.kind {
                    EventKind::ProvisionAsked { .. } => Step::Asked,
                    EventKind::ProvisionChanged { state: ProvisionState::Failed, .. } => {
                        Step::Failed
                    }
                    EventKind::ProvisionChanged { .. } if retires => Step::Retired,
                    EventKind::ProvisionChanged { .. } if starts => Step::Started,
                    _ => continue,
                };
                self.told.push((at / SECOND, told));
            }
            let refused = matches!(applied.outcome, Outcome::Refused { .. });
            assert!(!refused || applied.events.is_empty());
        }
    }

    /// What the world around does in this second.
    pub(super) fn provisioners_work(&mut self) {
        let rows: Vec<_> = self.world.machine.provisions().cloned().collect();
        for row in rows {
            let (request, revision) = (row.request, row.revision);
            let due = self.world.at >= row.since.0 + self.takes * SECOND;
            match (row.state, self.broken) {
                (ProvisionState::Starting, None) if due => {
                    self.check_in(&row.implementation.to_string());
                }
                (ProvisionState::Starting, Some(Broken::Says)) => {
                    let why = "no".to_string();
                    self.carry_out(Vec::from([Command::Scale(ScaleCommand::Fail {
                        request,
                        revision,
                        why,
                    })]));
                }
                (ProvisionState::Releasing, _)
                    if row.node.is_some() && !self.silent_provisioners =>
                {
                    self.world.accept(Command::Scale(ScaleCommand::Done { request, revision }));
                }
                _ => {}
            }
        }
    }

    /// One second: rounds until nothing is left to do, then time passes.
    pub(super) fn second(&mut self) {
        self.provisioners_work();
        for round in 0.. {
            let commands = self.planned();
            if commands.is_empty() {
                break;
            }
            assert!(round < 20, "the planner does not come to rest: {commands:?}");
            self.carry_out(commands);
        }
        self.world.at += SECOND;
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        (0..seconds).for_each(|_| self.second());
    }

    pub(super) fn count(&self, what: Step) -> usize {
        self.told.iter().filter(|(_, told)| *told == what).count()
    }

    pub(super) fn states(&self) -> Vec<ProvisionState> {
        self.world.machine.provisions().map(|row| row.state).collect()
    }

    /// Implementations with a registered Manager.
    pub(super) fn implementations(&self) -> usize {
        let all = self.world.machine.managers().map(|row| row.manager.implementation.clone());
        all.collect::<BTreeSet<_>>().len()
    }
}

/// Every way of the table, for those who go all of them.
pub(super) fn ways() -> Vec<(ProvisionState, ProvisionStep, Option<ProvisionState>)> {
    let states = ProvisionState::ALL.into_iter();
    let each = states.flat_map(|state| super::super::ways::STEPS.map(|step| (state, step)));
    each.map(|(state, step)| (state, step, state.after(step))).collect()
}

pub(super) fn any_scale_command() -> impl proptest::strategy::Strategy<Value = Command> {
    use proptest::prelude::*;
    let request = || (1_u64..40).prop_map(Epoch);
    let revision = || (1_u64..60).prop_map(crate::ids::Revision);
    let named = (request(), revision());
    // The first two entries of the logs that these stand in declare the settings.
    let settings = prop::sample::select(Vec::from([("here", 1), ("there", 2), ("here", 9)]));
    let settings = settings.prop_map(|(location, settings)| {
        (name::<crate::ids::LocationId>(location), crate::ids::Revision(settings))
    });
    let command = prop_oneof![
        settings.clone().prop_map(|(location, settings)| ScaleCommand::Ask {
            location,
            settings,
            shortage: crate::control::scale::Shortage::Least { there: 0 },
        }),
        (named.clone(), 1_u64..3).prop_map(|((request, revision), node)| ScaleCommand::Start {
            request,
            revision,
            node: NodeId(node),
        }),
        named.clone().prop_map(|(request, revision)| ScaleCommand::Arrive { request, revision }),
        named.clone().prop_map(|(request, revision)| {
            ScaleCommand::Fail { request, revision, why: "x".repeat(3_000) }
        }),
        named.clone().prop_map(|(request, revision)| ScaleCommand::GiveUp { request, revision }),
        (named.clone(), revision()).prop_map(|((request, revision), settings)| {
            ScaleCommand::Retire { request, revision, settings }
        }),
        named.clone().prop_map(|(request, revision)| ScaleCommand::Keep { request, revision }),
        named.clone().prop_map(|(request, revision)| ScaleCommand::Release { request, revision }),
        named.prop_map(|(request, revision)| ScaleCommand::Done { request, revision }),
        (settings, any::<bool>()).prop_map(|((location, settings), quiet)| ScaleCommand::Quiet {
            location,
            settings,
            quiet,
        }),
    ];
    command.prop_map(Command::Scale)
}
