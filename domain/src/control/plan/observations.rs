//! What a leader has seen of the Managers in its own time: soft state, nothing of it is inherited and nothing is
//! written. Decides what counts as a proof of life or of death, and of which registration; what follows from
//! it is the plan's decision. The leader's pipes bring it, whatever they are made of.

use super::{Brake, Fenced, Lapse, Ledgers, Node, Observed, Probe, Sighting, Told, brake, plan};
use crate::{
    control::{
        command::{Command, DownReason},
        event::{Event, EventKind},
        level::FeatureLevel,
        machine::Machine,
        row::{ManagerRow, ManagerState},
        scale::Offered,
    },
    ids::{Epoch, Incarnation, ManagerId},
    limits,
    time::{Monotonic, UnixNanos},
};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

/// A Manager as its leader's pipes have it: of an older registration nothing is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub manager: ManagerId,
    pub incarnation: Incarnation,
    pub epoch: Epoch,
    pub address: String,
}

impl From<&ManagerRow> for Registration {
    fn from(row: &ManagerRow) -> Self {
        Self {
            manager: row.manager.clone(),
            incarnation: row.incarnation,
            epoch: row.epoch,
            address: row.address.clone(),
        }
    }
}

impl Registration {
    fn is(&self, row: &ManagerRow) -> bool {
        let Self { manager, incarnation, epoch, address } = self;
        *manager == row.manager
            && *incarnation == row.incarnation
            && *epoch == row.epoch
            && *address == row.address
    }
}

/// What a pipe proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The pipe was accepted by this life of the Manager.
    Up { incarnation: Incarnation },
    /// The registered life has beaten, and said this of itself.
    Beat(Told),
    /// The pipe is lost, and nothing is known of the process.
    Down,
    /// Nobody listens at its address.
    Refused,
}

#[derive(Debug, Default)]
pub struct Observations {
    observed: Observed,
    registered: BTreeMap<ManagerId, Registration>,
    /// To whose registered life a pipe has stood: only of these a refusal says that something has ended.
    stood: BTreeSet<ManagerId>,
}

impl Observations {
    /// Begins at a confirmed leadership.
    #[must_use]
    pub fn since(leader_since: Monotonic) -> Self {
        let observed = Observed { leader_since, ..Observed::default() };
        Self { observed, ..Self::default() }
    }

    /// By a member that may start this.
    #[must_use]
    pub fn offering(mut self, offered: &Offered) -> Self {
        self.observed.offered = offered.clone();
        self
    }

    /// By a build that understands this.
    #[must_use]
    pub fn knowing(mut self, knows: FeatureLevel) -> Self {
        self.observed.knows = knows;
        self
    }

    /// Begins behind what earlier leaders have decided a moment ago: the brake goes on where it was. `events`: those
    /// that this member has kept, oldest first. A row does not say whether its Manager had fallen silent or its death was
    /// proven; where no event does, it counts as silent: the brake is rather on than off.
    pub fn after<'a>(
        &mut self,
        machine: &Machine,
        events: impl IntoIterator<Item = &'a Event>,
        at: UnixNanos,
        now: Monotonic,
    ) {
        let downs = events.into_iter().filter_map(|event| match &event.kind {
            EventKind::ManagerDown { manager, why } => Some((manager, *why)),
            _ => None,
        });
        let why: BTreeMap<&ManagerId, DownReason> = downs.collect();
        let down = machine.managers().filter(|row| row.state == ManagerState::Down);
        for row in down.filter(|row| why.get(&row.manager) != Some(&DownReason::Refused)) {
            let ago = at.0.saturating_sub(row.since.0);
            if u128::from(ago) < limits::BRAKE_EVERY.as_nanos() {
                let lapse = Lapse { at: Monotonic(now.0.saturating_sub(ago)), braked: true };
                self.observed.lapsed.insert(Node::named(machine, row), lapse);
            }
            let node = Node::named(machine, row);
            let mut others = machine.managers().filter(|other| other.location == row.location);
            let alone = others.all(|other| Node::named(machine, other) == node);
            if u128::from(ago) < limits::BRAKE_REMEMBERED.as_nanos() && !alone {
                // Whether it was let go under the brake, and others are held still, is not known: it is off as soon
                // as all have been heard.
                self.observed.braked.insert(row.location.clone());
            }
        }
    }

    /// What the Brokers of a registered BrokerManager have on record, by the beat that was just heard.
    pub fn fenced(&mut self, of: &Registration, fenced: Fenced) {
        if self.registered.get(&of.manager) != Some(of) {
            return;
        }
        if fenced.is_empty() {
            self.observed.fenced.remove(&of.manager);
        } else {
            self.observed.fenced.insert(of.manager.clone(), fenced);
        }
    }

    /// What the Brokers of a registered BrokerManager say of their ledgers' copies, by the beat that was just heard.
    pub fn ledgers(&mut self, of: &Registration, ledgers: Ledgers) {
        if self.registered.get(&of.manager) != Some(of) {
            return;
        }
        if ledgers.is_empty() {
            self.observed.ledgers.remove(&of.manager);
        } else {
            self.observed.ledgers.insert(of.manager.clone(), ledgers);
        }
    }

    /// These were proposed: nodes that they take for down are remembered for a while.
    pub fn proposed(&mut self, machine: &Machine, commands: &[Command], now: Monotonic) {
        self.note_downs(machine, commands, now);
        let silent = commands.iter().filter_map(|command| match command {
            Command::ExpireManager { manager, why: DownReason::Silent, .. } => {
                machine.manager(manager)
            }
            _ => None,
        });
        // One that stalls was reached: its going says nothing of the others. Nor does that of one that nobody reaches.
        let cut = silent.filter(|row| {
            !brake::stalls(&self.observed, row, now) && !brake::is_nowhere(&self.observed, row, now)
        });
        let lapse = |row: &ManagerRow| {
            let braked = self.observed.braked.contains(&row.location);
            (Node::named(machine, row), Lapse { at: now, braked })
        };
        let lapses: Vec<(Node, Lapse)> = cut.map(lapse).collect();
        self.observed.lapsed.retain(|_, lapse| now.since(lapse.at) < limits::BRAKE_EVERY);
        self.observed.lapsed.extend(lapses);
    }

    /// Who falls silent again and again, and which nodes refused.
    fn note_downs(&mut self, machine: &Machine, commands: &[Command], now: Monotonic) {
        let observed = &mut self.observed;
        observed.downs.retain(|_, downs| downs.counts(now));
        observed.refused.retain(|_, at| now.since(*at) < limits::DOWN_AFTER);
        for command in commands {
            let Command::ExpireManager { manager, why, .. } = command else { continue };
            match why {
                DownReason::Silent => {
                    let downs = observed.downs.entry(manager.clone()).or_default();
                    *downs = downs.and(now);
                }
                DownReason::Refused => {
                    let row = machine.manager(manager);
                    observed.refused.extend(row.map(|row| (Node::named(machine, row), now)));
                }
            }
        }
    }

    /// Who is held now. Where the brake is on is remembered: it stays on until all are well or gone.
    pub fn brake(&mut self, machine: &Machine, now: Monotonic) -> Brake {
        let brake = brake::judge(machine, &self.observed, now).brake;
        self.observed.braked.clone_from(&brake.locations);
        brake
    }

    /// What the other members found of those that are held. What they found before goes, but for who has missed a
    /// Manager twice.
    pub fn found(&mut self, mut found: BTreeMap<ManagerId, Probe>) {
        for (manager, probe) in &mut found {
            if let Some(before) = self.observed.probes.get(manager) {
                probe.follows(before);
            }
        }
        self.observed.probes = found;
    }

    /// Time cannot be trusted: every age counts from now.
    pub fn restart_ages(&mut self, now: Monotonic) {
        self.observed.leader_since = now;
    }

    /// Notes the calendar's time, for what is planned next.
    pub fn at(&mut self, at: UnixNanos) {
        self.observed.at = at;
    }

    /// Everything that should be proposed now; nothing while a live Manager's registration is not known here: it was
    /// made a moment ago, and what was seen of the one before, or nothing since the election, says nothing about it.
    #[must_use]
    pub fn plan(&self, machine: &Machine, now: Monotonic) -> Vec<Command> {
        let mut live = machine.managers().filter(|row| row.state == ManagerState::Live);
        let known = |row: &ManagerRow| {
            self.registered.get(&row.manager).is_some_and(|registered| registered.is(row))
        };
        if live.all(known) { plan(machine, &self.observed, now) } else { Vec::new() }
    }

    #[must_use]
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// A registration that is new to this leader. `checked_in`: it was made in this leader's time, which
    /// is itself a proof of life; what was seen of an older one says nothing about it.
    pub fn registered(&mut self, of: Registration, checked_in: Option<Monotonic>) {
        self.forget(&of.manager);
        if let Some(at) = checked_in {
            let seen = Sighting { last_proof: at, ..unseen(&of) };
            self.observed.managers.insert(of.manager.clone(), seen);
            self.observed.newcomers.insert(of.manager.clone());
        }
        self.registered.insert(of.manager.clone(), of);
    }

    /// It is not registered as live any more.
    pub fn forget(&mut self, manager: &ManagerId) {
        self.registered.remove(manager);
        self.observed.managers.remove(manager);
        self.observed.piped.remove(manager);
        self.observed.newcomers.remove(manager);
        self.observed.refusals.remove(manager);
        self.stood.remove(manager);
        self.observed.fenced.remove(manager);
        self.observed.ledgers.remove(manager);
    }

    /// What a pipe of that registration has brought. `false`: it is not the one that stands, and nothing is taken.
    pub fn heard(&mut self, of: &Registration, at: Monotonic, proof: Proof) -> bool {
        if self.registered.get(&of.manager) != Some(of) {
            return false;
        }
        let sighting =
            self.observed.managers.entry(of.manager.clone()).or_insert_with(|| unseen(of));
        match proof {
            Proof::Up { incarnation } => {
                // Another life than the registered one proves nothing about that.
                if incarnation == sighting.incarnation {
                    sighting.lives(at);
                    self.observed.refusals.remove(&of.manager);
                    self.observed.newcomers.remove(&of.manager);
                    self.observed.piped.insert(of.manager.clone());
                    self.stood.insert(of.manager.clone());
                }
            }
            Proof::Beat(told) => {
                sighting.lives(at);
                sighting.told = Some(told);
                self.observed.refusals.remove(&of.manager);
                self.observed.newcomers.remove(&of.manager);
                self.stood.insert(of.manager.clone());
            }
            Proof::Down => drop(self.observed.piped.remove(&of.manager)),
            Proof::Refused => {
                // Where no pipe has stood, a filter, a proxy or a wrong address may refuse for a process that lives.
                sighting.refused = self.stood.contains(&of.manager);
                self.observed.refusals.entry(of.manager.clone()).or_insert(at);
                self.observed.piped.remove(&of.manager);
            }
        }
        true
    }
}

impl Sighting {
    /// Reports of one Manager may be heard late, and none makes it older.
    fn lives(&mut self, at: Monotonic) {
        (self.last_proof, self.refused) = (self.last_proof.max(at), false);
    }
}

fn unseen(of: &Registration) -> Sighting {
    Sighting { incarnation: of.incarnation, last_proof: Monotonic(0), refused: false, told: None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        control::{
            Outcome,
            command::DownReason,
            machine::world::{World, name},
        },
        ids::ManagerId,
        limits::DOWN_AFTER,
    };
    use core::time::Duration;

    const START: Monotonic = Monotonic(1_000_000_000);

    fn registration(world: &World) -> Registration {
        let manager: ManagerId = name("a.broker-manager");
        world.machine.manager(&manager).unwrap().into()
    }

    /// Found by the simulation (seed 155 with Managers): a leader that had led for longer than silence takes
    /// planned on a state in which a Manager had just checked in, and had not looked at that check-in yet.
    #[test]
    fn whoever_has_just_checked_in_with_an_old_leader_is_not_taken_for_down() {
        // given: a leader of long ago, and a Manager that checks in now
        let (mut world, mut seen) = (World::new(), Observations::since(START));
        assert!(matches!(world.check_in("a.broker-manager", 1), Outcome::Accepted { .. }));
        let now = START + DOWN_AFTER * 2;
        // when, then: the state is there before the leader has looked at it
        assert_eq!(seen.plan(&world.machine, now), []);
        seen.registered(registration(&world), Some(now));
        assert_eq!(seen.plan(&world.machine, now + Duration::from_millis(700)), []);
        let expiry = |why| {
            let Registration { manager, incarnation, epoch, .. } = registration(&world);
            Command::ExpireManager { manager, incarnation, epoch, why }
        };
        assert_eq!(seen.plan(&world.machine, now + DOWN_AFTER), [expiry(DownReason::Silent)]);
    }

    #[test]
    fn what_was_seen_of_a_life_says_nothing_of_the_next() {
        let (mut world, mut seen) = (World::new(), Observations::since(START));
        world.check_in("a.broker-manager", 1);
        let old = registration(&world);
        seen.registered(old.clone(), None);
        assert!(seen.heard(&old, START, Proof::Refused));
        // The next life is there, and the leader has not looked at it.
        world.check_in("a.broker-manager", 2);
        assert_eq!(seen.plan(&world.machine, START), []);
        seen.registered(registration(&world), Some(START));
        assert!(!seen.heard(&old, START, Proof::Refused));
        assert_eq!(seen.plan(&world.machine, START), []);
    }
}
