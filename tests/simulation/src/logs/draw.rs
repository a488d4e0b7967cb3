//! What stands in a random log. Decides it by chance and by what the machine holds: mostly what fits, often
//! what fitted a while ago, now and then nonsense; whole rounds of the planner; keys used twice, too old, or of
//! the future. A log that only met refusals would prove little, one that met none as little.

mod attach;
mod copies;
mod declare;
mod drains;
mod levels;
mod scale;
mod services;

use super::names::Names;
use crate::chance::Chance;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine, Observed, Request, Sighting, Stamped,
        command::DownReason,
        fencing::{FencingRow, TraderCommand},
        group::{Founder, GroupAsk, GroupCommand, MemberAddress},
        level::{CheckInKnowing, LevelCommand},
        plan::{Told, plan},
        row::{Assignment, CustomerSpec},
    },
    ids::{
        AccountId, ClusterIncarnation, DiskId, Epoch, Incarnation, ManagerId, ManagerKind, NodeId,
        NodeName, TraderId,
    },
    time::{Monotonic, UnixNanos},
};

/// A Tuesday evening in November 2023, after the exchange's close.
const BEGIN: UnixNanos = UnixNanos(1_700_000_000_000_000_000);
const NOW: Monotonic = Monotonic(10_000_000_000);

pub(super) struct Draw {
    chance: Chance,
    names: Names,
    /// The leader's clock.
    at: UnixNanos,
    n: u64,
    /// What was asked for so far: some of it is asked for again.
    asked: Vec<Request>,
    /// A log that is much about scaling: a request has many steps.
    scales: bool,
    /// A log of a group that knows the newest levels from the beginning, and comes to the second or to the newest.
    levels: bool,
    newest: bool,
    /// A log that begins with a ledger that is to have two copies.
    copied: bool,
    /// A log that is much about Traders that their customers run themselves.
    attached: bool,
}

impl Draw {
    pub(super) fn new(chance: Chance) -> Self {
        let (names, asked) = (Names::new(), Vec::new());
        let (scales, levels) = (chance.percent(25), chance.percent(60));
        let (newest, copied) = (levels && chance.percent(70), levels && chance.percent(30));
        let attached = chance.percent(30);
        let at = BEGIN;
        Self { chance, names, at, n: 0, asked, scales, levels, newest, copied, attached }
    }

    /// What comes next in the log: an entry, or all those of a round of the planner.
    pub(super) fn next(&mut self, machine: &Machine, revision: u64) -> Vec<Stamped> {
        if self.chance.percent(12) {
            let observed = self.observed(machine);
            let commands = plan(machine, &observed, NOW);
            return commands.into_iter().map(|command| self.stamped(command)).collect();
        }
        let command = match revision {
            // Most logs begin as clusters do.
            0..8 if self.chance.percent(90) => self.beginning(revision),
            8..12 if self.copied && self.chance.percent(95) => {
                self.copied_from_the_beginning(revision - 8)
            }
            12..17 if self.attached && self.chance.percent(95) => {
                self.attached_from_the_beginning(revision - 12)
            }
            _ => self.command(machine, revision),
        };
        let command = self.asked(machine, command);
        vec![self.stamped(command)]
    }

    fn stamped(&mut self, command: Command) -> Stamped {
        let step = match self.chance.below(40) {
            0 => Duration::from_secs(self.chance.below(700)),
            1 => Duration::from_secs(self.chance.below(30_000)),
            _ => Duration::from_millis(self.chance.below(1_500)),
        };
        self.at = self.at + step;
        // A leader whose clock is behind the one before it.
        let behind = if self.chance.percent(10) { self.chance.below(5_000_000_000) } else { 0 };
        let at = UnixNanos(self.at.0 - behind);
        let again = self.chance.percent(12);
        let request = match self.chance.pick(&self.asked).filter(|_| again) {
            // The same key, with the same command or with another one.
            Some(before) if self.chance.percent(60) => before.clone(),
            Some(before) => Request { key: before.key.clone(), command },
            None => Request { key: self.key(), command },
        };
        self.asked.push(request.clone());
        Stamped { at, request }
    }

    fn key(&mut self) -> IdempotencyKey {
        self.n += 1;
        let client = self.of(&self.names.clients);
        let issued_at = match self.chance.below(40) {
            0 => UnixNanos(self.at.0 - 3_600_000_000_000),
            1 => self.at + Duration::from_secs(60),
            _ => UnixNanos(self.at.0 - self.chance.below(4_000_000_000)),
        };
        IdempotencyKey { client, issued_at, n: self.n }
    }

    fn of<T: Clone>(&self, names: &[T]) -> T {
        names[self.chance.below(names.len() as u64) as usize].clone()
    }

    fn beginning(&self, revision: u64) -> Command {
        match revision {
            0 => Command::OpenCluster { incarnation: ClusterIncarnation(self.chance.below(9)) },
            1 => Command::Group(self.founding()),
            2..6 if self.levels => Command::Level(self.level_of_beginning(revision)),
            6 if self.newest => Command::Level(self.level_of_beginning(revision)),
            2 | 3 | 6 | 7 => Command::PutCustomer {
                customer: self.names.customers[revision as usize % 2].clone(),
                spec: CustomerSpec { key_hashes: BTreeSet::new() },
            },
            _ => self.check_in(),
        }
    }

    fn command(&self, machine: &Machine, revision: u64) -> Command {
        let waiting = machine.fencings().next().filter(|_| self.chance.percent(25));
        if let Some(FencingRow { trader, epoch, .. }) = waiting.cloned() {
            let epoch = self.epoch(Some(epoch), revision);
            return Command::Trader(TraderCommand::Fenced { trader, epoch });
        }
        let often = if self.copied { 45 } else { 30 };
        let copied = machine.all_copies().next().filter(|_| self.chance.percent(often));
        if let Some(row) = copied {
            return Command::Copies(self.copies(machine, row, revision));
        }
        if self.chance.percent(if self.attached { 20 } else { 2 }) {
            return Command::Trader(self.attach(machine, revision));
        }
        if self.scales && self.chance.percent(60) {
            return self.scaling(machine, revision);
        }
        match self.chance.below(110) {
            106..110 => Command::Level(self.level(machine)),
            0 => self.beginning(0),
            1 => Command::PutMember {
                node: self.node(machine),
                api_address: "h:1".to_owned(),
                public_key: "k".to_owned(),
            },
            2..15 => self.check_in(),
            15..20 => self.expire(machine, revision),
            20..36 => Command::Resource(self.resource(machine, revision)),
            36..40 => declare::plainly(self.declaration()),
            40..56 => self.assign(machine, revision),
            56..60 => Command::PutRegister {
                register: self.of(&self.names.registers),
                value: self.chance.below(3).to_string(),
                expected: self.chance.percent(50).then(|| self.chance.below(3).to_string()),
            },
            60..70 => Command::Group(self.group(machine)),
            70..93 => Command::Drain(self.drain(machine, revision)),
            93..97 => Command::Rebalance(self.rebalance(machine, revision)),
            97..103 => self.scaling(machine, revision),
            _ => Command::Service(self.service(machine, revision)),
        }
    }

    fn manager(&self) -> ManagerId {
        let kind = match self.chance.below(5) {
            0 => ManagerKind::MarketManager,
            1 | 2 => ManagerKind::BrokerManager,
            _ => ManagerKind::TraderManager,
        };
        ManagerId { implementation: self.of(&self.names.implementations), kind }
    }

    /// The one that is held, or one of any entry so far.
    fn epoch(&self, held: Option<Epoch>, revision: u64) -> Epoch {
        let any = Epoch(1 + self.chance.below(revision.max(1)));
        held.filter(|_| self.chance.percent(85)).unwrap_or(any)
    }

    fn check_in(&self) -> Command {
        let (manager, location) = (self.manager(), self.of(&self.names.locations));
        let host = self.chance.below(2);
        let address = format!("h{host}:{host}");
        let incarnation = Incarnation(1 + self.chance.below(6));
        let capacity = self.chance.below(6) as u32;
        // Mostly the disk a name has had from the beginning, whichever that was.
        let disk = DiskId(u128::from(self.chance.percent(20)));
        let node = NodeName::new("h").ok().filter(|_| self.chance.percent(8));
        if self.levels && self.chance.percent(85) {
            let level = self.level_known();
            let disk = node.is_some().then_some(disk);
            return Command::Level(LevelCommand::CheckIn(CheckInKnowing {
                manager,
                location,
                address,
                incarnation,
                capacity,
                disk,
                node,
                level,
            }));
        }
        match node {
            Some(node) => Command::CheckInFrom {
                manager,
                location,
                address,
                incarnation,
                capacity,
                disk,
                node,
            },
            None => Command::CheckIn { manager, location, address, incarnation, capacity },
        }
    }

    fn expire(&self, machine: &Machine, revision: u64) -> Command {
        let manager = self.manager();
        let held = machine.manager(&manager);
        Command::ExpireManager {
            incarnation: held
                .map(|row| row.incarnation)
                .filter(|_| self.chance.percent(90))
                .unwrap_or(Incarnation(1 + self.chance.below(6))),
            epoch: self.epoch(held.map(|row| row.epoch), revision),
            manager,
            why: if self.chance.percent(50) { DownReason::Silent } else { DownReason::Refused },
        }
    }

    fn replaced(&self, held: Option<&Assignment>, revision: u64) -> Option<Epoch> {
        match self.chance.below(10) {
            0 => None,
            1 => Some(self.epoch(None, revision)),
            _ => held.map(|held| held.epoch),
        }
    }

    fn assign(&self, machine: &Machine, revision: u64) -> Command {
        let manager = self.manager();
        match self.chance.below(3) {
            0 => {
                let account = self.of(&self.names.accounts);
                let row = machine.brokers_of(&account).next();
                let replaces = self.replaced(row.and_then(|row| row.assignment.as_ref()), revision);
                let shard = u16::from(self.chance.percent(5));
                Command::AssignBroker { account, shard, manager, replaces }
            }
            1 => {
                let customer = self.of(&self.names.customers);
                let row = machine.customer(&customer);
                let replaces = self.replaced(row.and_then(|row| row.affinity.as_ref()), revision);
                Command::AssignCustomer { customer, manager, replaces }
            }
            _ => self.assign_trader(machine, manager, revision),
        }
    }

    fn assign_trader(&self, machine: &Machine, manager: ManagerId, revision: u64) -> Command {
        let known: Vec<TraderId> = machine.traders().map(|row| row.trader.clone()).collect();
        let unknown = known.is_empty() || self.chance.percent(15);
        let trader = self.of(if unknown { &self.names.traders } else { &known });
        let row = machine.trader(&trader);
        let replaces = self.replaced(row.and_then(|row| row.assignment.as_ref()), revision);
        let home = row.and_then(|row| machine.customer(&row.spec.customer));
        let home = home.and_then(|row| row.affinity.as_ref());
        let home = home.filter(|_| self.chance.percent(70));
        let manager = home.map_or(manager, |home| home.manager.clone());
        if self.chance.percent(75) {
            return Command::Trader(TraderCommand::Move { trader, manager, replaces });
        }
        Command::AssignTrader { trader, manager, replaces }
    }

    fn node(&self, machine: &Machine) -> NodeId {
        let next = machine.group().map_or(4, |group| group.next_node.0);
        NodeId(1 + self.chance.below(next))
    }

    fn address(&self) -> MemberAddress {
        let port = self.chance.below(3);
        MemberAddress { peer: format!("h:{port}"), api: format!("h:1{port}") }
    }

    fn founding(&self) -> GroupCommand {
        let founder = |n: u64| {
            let disk = self.chance.percent(70).then(|| DiskId(u128::from(n)));
            (NodeId(n), Founder { address: self.address(), disk })
        };
        let voters_wanted = if self.chance.percent(70) { 3 } else { 5 };
        let members: BTreeMap<NodeId, Founder> = (1..=3).map(founder).collect();
        GroupCommand::Found { voters_wanted, members }
    }

    fn group(&self, machine: &Machine) -> GroupCommand {
        let (node, disk) = (self.node(machine), DiskId(u128::from(self.chance.below(8))));
        let removing = machine.admissions().find(|row| row.is_removing()).map(|row| row.node);
        match self.chance.below(10) {
            0 => self.founding(),
            1..4 => GroupCommand::Admit { disk, address: self.address() },
            4 => {
                let own = machine.admission(node).and_then(|row| row.disk);
                let disk = own.filter(|_| self.chance.percent(70)).unwrap_or(disk);
                GroupCommand::Tell { node, disk, address: self.address() }
            }
            5 => GroupCommand::Remove { node, forced: self.chance.percent(20) },
            6 => {
                let ask = match self.chance.below(3) {
                    0 => GroupAsk::Remove { node, forced: self.chance.percent(20) },
                    1 => GroupAsk::WantVoters { voters: 2 + self.chance.below(4) as u8 },
                    _ => GroupAsk::Transfer { to: Some(node) },
                };
                GroupCommand::Audited { by: self.by(), ask }
            }
            7 | 8 => GroupCommand::Forget { node: removing.unwrap_or(node) },
            _ => GroupCommand::WantVoters { voters: 2 + self.chance.below(4) as u8 },
        }
    }

    /// Brokers that were given up and run on, now and then.
    fn still_run(&self, machine: &Machine, manager: &ManagerId) -> BTreeSet<(AccountId, u16)> {
        let given_up = machine.all_abandoned().filter(|row| row.manager == *manager);
        let runs = given_up.filter(|_| self.chance.percent(30));
        runs.map(|row| (row.account.clone(), row.shard)).collect()
    }

    /// What a leader may have seen: much of it good news, or nothing would go on.
    pub(super) fn observed(&self, machine: &Machine) -> Observed {
        let sightings = machine.managers().filter(|_| self.chance.percent(92)).map(|row| {
            let cordons = machine.cordons(&row.manager).map(|drain| drain.epoch);
            let told = Told {
                cordons: cordons.filter(|_| self.chance.percent(80)).collect(),
                held: self.chance.percent(90).then(|| self.chance.below(8).saturating_sub(6)),
                starting: self.chance.below(8).saturating_sub(5) as u32,
                handed_back: self.given_up(machine, &row.manager),
                brokers: self.still_run(machine, &row.manager),
            };
            let last_proof = Monotonic(NOW.0 - self.chance.below(700_000_000));
            let sighting = Sighting {
                incarnation: row.incarnation,
                last_proof: if self.chance.percent(95) { last_proof } else { Monotonic(0) },
                refused: self.chance.percent(4),
                told: self.chance.percent(90).then_some(told),
            };
            (row.manager.clone(), sighting)
        });
        let managers = sightings.collect();
        let brokers = machine.brokers().filter(|_| self.chance.percent(20));
        let sealed = brokers.map(|row| (row.account.clone(), row.shard)).collect();
        let (offered, knows) = (self.offered(), self.level_known());
        let ledgers = machine
            .managers()
            .map(|row| (row.manager.clone(), self.of_ledgers(machine, &row.manager)));
        let ledgers = ledgers.collect();
        Observed { managers, at: self.at, sealed, ledgers, offered, knows, ..Observed::default() }
    }
}
