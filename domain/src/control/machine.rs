//! The replicated machine: `apply` answers every command, the same way on every member. Decides what is
//! true in the cluster; who proposes what is `plan`'s decision. R2: one registration a Manager
//! incarnation, epochs only grow. L1: an assignment has one holder an epoch. D1: nothing is given to a
//! Manager that is being drained, nor more than it takes (`capacity`).

use super::{
    command::{Command, IdempotencyKey, Stamped},
    drain::Entry,
    event::{Event, EventKind},
    idempotency::{self, BOUNDS, Known},
    refusal::{Noun, Refusal},
    row::{Assignment, ClusterRow, ManagerRow, ManagerState, MemberRow, Row, RowKey},
    table::Tables,
};
use crate::{
    ids::{
        AccountId, ClusterIncarnation, CustomerId, Epoch, Incarnation, LocationId, ManagerId,
        ManagerKind, Revision, TraderId,
    },
    limits,
    time::UnixNanos,
};
use alloc::{string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// The answer to a command, recorded under its key. A repeat gets it again, with the first revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Accepted { revision: Revision },
    Refused { refusal: Refusal },
}

/// What came of one log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub outcome: Outcome,
    pub events: Vec<Event>,
    /// Rows written or removed, each once.
    pub changed: Vec<RowKey>,
}

/// The machine. A clone is O(1) and shares everything.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub(super) tables: Tables,
}

impl Machine {
    /// Applies one entry. Total: whatever the entry holds, there is an answer.
    pub fn apply(&mut self, revision: Revision, entry: &Stamped) -> Applied {
        let at = entry.at.max(self.tables.cluster.at);
        self.tables.put(Row::Cluster(ClusterRow { at, ..self.tables.cluster.clone() }));
        let key = &entry.request.key;
        let asked = entry.request.command.asked();
        let (outcome, kinds) = match idempotency::look_up(&self.tables, &BOUNDS, key, asked, at) {
            Known::Answered(outcome) => (outcome, vec![]),
            Known::Used => (Outcome::Refused { refusal: Refusal::KeyUsed }, vec![]),
            Known::Expired => (Outcome::Refused { refusal: Refusal::KeyExpired }, vec![]),
            Known::FromFuture => (Outcome::Refused { refusal: Refusal::KeyFromFuture }, vec![]),
            Known::New => self.answer(revision, at, key, &entry.request.command),
        };
        let events = kinds.into_iter().map(|kind| Event { revision, at, kind }).collect();
        Applied { outcome, events, changed: self.tables.take_changed() }
    }

    fn answer(
        &mut self,
        revision: Revision,
        at: UnixNanos,
        key: &IdempotencyKey,
        command: &Command,
    ) -> (Outcome, Vec<EventKind>) {
        let (outcome, kinds) = match self.decide(revision, at, command) {
            Ok(kinds) => (Outcome::Accepted { revision }, kinds),
            Err(refusal) => (Outcome::Refused { refusal }, vec![]),
        };
        idempotency::remember(&mut self.tables, &BOUNDS, key, command.asked(), at, &outcome);
        (outcome, kinds)
    }

    fn decide(
        &mut self,
        revision: Revision,
        at: UnixNanos,
        command: &Command,
    ) -> Result<Vec<EventKind>, Refusal> {
        self.admits(command)?;
        let epoch = Epoch(revision.0);
        match command.clone() {
            Command::OpenCluster { incarnation } => self.open(incarnation),
            Command::PutMember { node, api_address, public_key } => {
                self.put_member(MemberRow { node, api_address, public_key })
            }
            Command::CheckIn { manager, location, address, incarnation, capacity } => {
                self.admit_disk(&manager, None)?;
                let told = (manager.clone(), location, address, incarnation, capacity);
                let kinds = self.check_in(live(at, epoch, told))?;
                self.tables.forget_manager_level(&manager);
                Ok(kinds)
            }
            Command::CheckInFrom {
                manager,
                location,
                address,
                incarnation,
                capacity,
                disk,
                node,
            } => {
                let told = (manager.clone(), location, address, incarnation, capacity);
                let kinds = self.check_in_from(live(at, epoch, told), disk, node)?;
                self.tables.forget_manager_level(&manager);
                Ok(kinds)
            }
            Command::ExpireManager { manager, incarnation, epoch, why } => {
                self.expire(at, &manager, incarnation, epoch, why)
            }
            Command::PutAccount { account, spec } => self.put_account(account, spec, revision),
            Command::PutCustomer { customer, spec } => self.put_customer(customer, spec, revision),
            Command::PutMarket { market, spec } => self.put_market(market, spec, revision),
            Command::PutTrader { trader, spec } => self.put_trader(trader, spec, revision),
            Command::AssignBroker { account, shard, manager, replaces } => {
                let to = Assignment { manager, epoch };
                self.assign_broker(account, shard, to, replaces)
            }
            Command::AssignCustomer { customer, manager, replaces } => {
                self.assign_customer(customer, Assignment { manager, epoch }, replaces)
            }
            Command::AssignTrader { trader, manager, replaces } => {
                self.assign_trader(trader, Assignment { manager, epoch }, replaces)
            }
            Command::PutRegister { register, value, expected } => {
                self.put_register(register, value, expected)
            }
            Command::Group(command) => self.decide_group(command),
            Command::PutLocation { location, spec } => self.put_location(location, spec, revision),
            Command::PutExchangeDays { exchange, days } => {
                self.put_exchange_days(exchange, days, revision)
            }
            Command::Drain(command) => self.decide_drain(Entry { revision, at }, command),
            Command::Rebalance(command) => self.decide_rebalance(Entry { revision, at }, command),
            Command::Resource(command) => self.decide_resource(revision, command),
            Command::Scale(command) => self.decide_scale(Entry { revision, at }, command),
            Command::Service(command) => self.decide_service(Entry { revision, at }, command),
            Command::Trader(command) => self.decide_trader(epoch, command),
            Command::Level(command) => self.decide_level(revision, at, command),
            Command::Asked { command, .. } => match *command {
                // One request alone makes a command.
                Command::Asked { .. } => Err(Refusal::TooLarge { what: Noun::Command }),
                command => self.decide(revision, at, &command),
            },
            Command::Copies(command) => self.decide_copies(revision, command),
        }
    }

    fn open(&mut self, incarnation: ClusterIncarnation) -> Result<Vec<EventKind>, Refusal> {
        if self.tables.cluster.opened().is_some() {
            return Err(Refusal::AlreadyOpen);
        }
        // Above the life before, whatever the clock of its first leader said.
        let before = self.tables.cluster.incarnation.map_or(0, |before| before.0);
        let incarnation = incarnation.max(ClusterIncarnation(before + 1));
        let row = ClusterRow {
            incarnation: Some(incarnation),
            feature_level: 1,
            ..self.tables.cluster.clone()
        };
        self.tables.put(Row::Cluster(row));
        Ok(vec![EventKind::ClusterOpened { incarnation }])
    }

    fn put_member(&mut self, row: MemberRow) -> Result<Vec<EventKind>, Refusal> {
        let node = row.node;
        if long(&row.api_address) || long(&row.public_key) {
            return Err(Refusal::TooLarge { what: Noun::Member });
        }
        if self.tables.members.get(&node) == Some(&row) {
            return Ok(vec![]);
        }
        self.tables.put(Row::Member(row));
        Ok(vec![EventKind::MemberKnown { node }])
    }

    /// L1 and D1: whoever is given something is live, of the right kind, not being drained, and replaces
    /// exactly the holder that the decision was made on.
    pub(super) fn eligible(
        &self,
        kind: ManagerKind,
        to: &Assignment,
        held: Option<&Assignment>,
        replaces: Option<Epoch>,
    ) -> Result<(), Refusal> {
        if held.map(|assignment| assignment.epoch) != replaces {
            return Err(Refusal::Superseded);
        }
        let manager = self.tables.managers.get(&to.manager);
        let manager = manager.ok_or(Refusal::NotFound { what: Noun::Manager })?;
        if manager.state != ManagerState::Live || to.manager.kind != kind {
            return Err(Refusal::NotEligible);
        }
        if let Some(cordon) = self.cordon(&to.manager) {
            return Err(Refusal::Cordoned { target: cordon.target.clone() });
        }
        Ok(())
    }

    fn assign_broker(
        &mut self,
        account: AccountId,
        shard: u16,
        to: Assignment,
        replaces: Option<Epoch>,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.tables.brokers.get(&(account.clone(), shard)).cloned();
        let mut row = held.ok_or(Refusal::NotFound { what: Noun::Broker })?;
        self.eligible(ManagerKind::BrokerManager, &to, row.assignment.as_ref(), replaces)?;
        self.check_room_for_broker(&to.manager, row.assignment.as_ref())?;
        if shard == 0 {
            self.ledger_begins(&account, Some(&to));
        }
        let Assignment { manager, epoch } = to.clone();
        row.assignment = Some(to);
        self.tables.put(Row::Broker(row));
        self.tables.forget_abandoned(&(account.clone(), shard));
        Ok(vec![EventKind::BrokerAssigned { account, shard, manager, epoch }])
    }

    fn assign_customer(
        &mut self,
        customer: CustomerId,
        to: Assignment,
        replaces: Option<Epoch>,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.customer(&customer).cloned();
        let mut row = held.ok_or(Refusal::NotFound { what: Noun::Customer })?;
        self.eligible(ManagerKind::TraderManager, &to, row.affinity.as_ref(), replaces)?;
        self.check_room_for_customer(&customer, &to.manager, row.affinity.as_ref())?;
        let Assignment { manager, epoch } = to.clone();
        row.affinity = Some(to);
        row.affinity_version += 1;
        self.tables.put(Row::Customer(row));
        Ok(vec![EventKind::CustomerAssigned { customer, manager, epoch }])
    }

    pub(super) fn assign_trader(
        &mut self,
        trader: TraderId,
        to: Assignment,
        replaces: Option<Epoch>,
    ) -> Result<Vec<EventKind>, Refusal> {
        let held = self.trader(&trader).cloned();
        let mut row = held.ok_or(Refusal::NotFound { what: Noun::Trader })?;
        self.eligible(ManagerKind::TraderManager, &to, row.assignment.as_ref(), replaces)?;
        let customer = self.tables.customers.get(&row.spec.customer);
        let affinity = customer.and_then(|customer| customer.affinity.as_ref());
        if affinity.map(|a| &a.manager) != Some(&to.manager) {
            return Err(Refusal::AgainstAffinity);
        }
        self.check_room_for_trader(&row, &to.manager)?;
        let Assignment { manager, epoch } = to.clone();
        row.assignment = Some(to);
        self.tables.put(Row::Trader(row));
        Ok(vec![EventKind::TraderAssigned { trader, manager, epoch }])
    }
}

/// A registration as a Manager tells it.
fn live(
    since: UnixNanos,
    epoch: Epoch,
    told: (ManagerId, LocationId, String, Incarnation, u32),
) -> ManagerRow {
    let (manager, location, address, incarnation, capacity) = told;
    let state = ManagerState::Live;
    ManagerRow { manager, location, address, incarnation, epoch, state, capacity, since }
}

pub(super) fn long(text: &str) -> bool {
    text.len() > limits::ADDRESS_BYTES
}

#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
pub(super) mod world;
