//! The copies of a ledger in the replicated state: how many an account is to have, whose ledger counts, who keeps the copy
//! and who continues it. Decides which of that may be written; the rules are `trading::copies::View`'s, when something
//! is due is `plan`'s decision, doing it is the Brokers' and their Managers' work.
//!
//! CP1: the copy is never named on the node of the ledger that counts. CP2: the Broker's assignment is that ledger's place.
//! CP3: a ledger is continued from a copy only that was told to be whole.

use super::{
    event::EventKind,
    level::FeatureLevel,
    machine::Machine,
    plan::Node,
    refusal::{Noun, Refusal},
    row::{AccountRow, AccountSpec, Assignment, ManagerState, Row},
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::{
    ids::{AccountId, CustomerId, Epoch, Fence, ManagerId, ManagerKind, Revision, VenueId},
    trading::copies::{Unfit, View},
};
use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// Of how many disks a ledger is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Copies {
    /// The Broker's own.
    #[default]
    One,
    /// Its own, and that of a copy holder on another node.
    Two,
}

impl From<Copies> for u8 {
    fn from(copies: Copies) -> Self {
        match copies {
            Copies::One => 1,
            Copies::Two => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ledger has 1 copy or 2")]
pub struct NoSuchCopies;

impl TryFrom<u8> for Copies {
    type Error = NoSuchCopies;

    fn try_from(number: u8) -> Result<Self, NoSuchCopies> {
        match number {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err(NoSuchCopies),
        }
    }
}

impl Copies {
    fn is_one(&self) -> bool {
        match self {
            Self::One => true,
            Self::Two => false,
        }
    }
}

/// An account as operators declare it: in JSON and TOML only, what is not named is as by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccountDeclaration {
    pub venue: VenueId,
    /// Which adapter speaks to the venue: `sim` or `kraken`; others are refused when named.
    pub adapter: String,
    /// Where the venue is reached: `HOST:PORT` for `sim`, words such as `key=file:/PATH` for `kraken` (secrets by reference).
    pub endpoint: String,
    /// Customers who may trade on the account.
    pub customers: BTreeSet<CustomerId>,
    /// Of its ledger, 1 or 2: with the second, on another node, the account trades on when its Broker's node is lost.
    #[serde(default, skip_serializing_if = "Copies::is_one")]
    #[cfg_attr(feature = "schema", schema(value_type = u8))]
    pub copies: Copies,
}

impl AccountDeclaration {
    #[must_use]
    pub fn of(spec: AccountSpec, copies: Copies) -> Self {
        let AccountSpec { venue, adapter, endpoint, customers } = spec;
        Self { venue, adapter, endpoint, customers, copies }
    }

    #[must_use]
    pub fn parts(self) -> (AccountSpec, Copies) {
        let Self { venue, adapter, endpoint, customers, copies } = self;
        (AccountSpec { venue, adapter, endpoint, customers }, copies)
    }
}

/// Of an account that has, or had, more than one copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiesRow {
    pub account: AccountId,
    pub wanted: Copies,
    /// `None`: its Broker was not placed yet.
    pub view: Option<View<ManagerId>>,
}

/// What a Broker says of its ledger's copies, of those namings and rights that it was told of last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LedgerTold {
    /// The copy of this naming holds all of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Fence>,
    /// The copy of this naming has not what it had: another one must be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Fence>,
    /// The successor of this right has all of the ledger on its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded: Option<Fence>,
    /// The successor of this right found a part of the ledger only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_whole: Option<Fence>,
}

/// Each is conditional on what it was decided on. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CopyCommand {
    /// Another copy holder, or none, in place of the naming `on`.
    Name { account: AccountId, holder: Option<ManagerId>, on: Fence },
    /// The copy of that naming is whole.
    Joined { account: AccountId, since: Fence },
    /// Another place is to continue the ledger in place of whoever holds the right `on`.
    Succeed { account: AccountId, manager: ManagerId, on: Fence },
    /// The successor of that right has all of the ledger, and counts from here on.
    WentLive { account: AccountId, right: Fence },
    /// The succession of that right is given up: who was live goes on.
    GiveBack { account: AccountId, on: Fence },
}

impl CopyCommand {
    fn account(&self) -> &AccountId {
        match self {
            Self::Name { account, .. }
            | Self::Joined { account, .. }
            | Self::Succeed { account, .. }
            | Self::WentLive { account, .. }
            | Self::GiveBack { account, .. } => account,
        }
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Superseded => Self::Superseded,
            Unfit::Succeeding | Unfit::NotWhole | Unfit::OwnPlace => Self::NotEligible,
        }
    }
}

impl Machine {
    #[must_use]
    pub fn copies(&self, account: &AccountId) -> Option<&CopiesRow> {
        self.tables.copies.get(account)
    }

    /// In the order of the accounts' names.
    pub fn all_copies(&self) -> impl Iterator<Item = &CopiesRow> {
        self.tables.copies.values()
    }

    /// An account as it is declared.
    #[must_use]
    pub fn account_declaration(&self, row: &AccountRow) -> AccountDeclaration {
        let copies = self.copies(&row.account).map(|row| row.wanted).unwrap_or_default();
        AccountDeclaration::of(row.spec.clone(), copies)
    }

    /// Whether two Managers can be lost together.
    pub(in crate::control) fn share_a_node(&self, one: &ManagerId, other: &ManagerId) -> bool {
        let node = |manager| self.manager(manager).map(|row| Node::named(self, row));
        one == other || matches!((node(one), node(other)), (Some(one), Some(other)) if one == other)
    }

    /// All of an account's declaration: a change of the one part or the other is one of both.
    pub(super) fn put_account_with(
        &mut self,
        account: AccountId,
        spec: AccountSpec,
        copies: Copies,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        let mut events = self.put_account(account.clone(), spec, revision)?;
        let held = self.copies(&account).cloned();
        if held.as_ref().map(|row| row.wanted).unwrap_or_default() == copies {
            return Ok(events);
        }
        let view = match held {
            Some(row) => row.view,
            None => self
                .ledger_of(&account)
                .map(|held| View::begun(held.manager.clone(), self.fence(held.epoch))),
        };
        self.tables.put(Row::Copies(CopiesRow { account: account.clone(), wanted: copies, view }));
        // What is declared has changed although the other part of it has not.
        if events.is_empty()
            && let Some(row) = self.account(&account).cloned()
        {
            self.tables.put(Row::Account(AccountRow { revision, ..row }));
            events = vec![EventKind::AccountChanged { account }];
        }
        Ok(events)
    }

    /// The Broker that is the account's ledger: who has it.
    fn ledger_of(&self, account: &AccountId) -> Option<&Assignment> {
        self.tables.brokers.get(&(account.clone(), 0)).and_then(|row| row.assignment.as_ref())
    }

    /// An account's ledger begins at this place, or is given up.
    pub(super) fn ledger_begins(&mut self, account: &AccountId, at: Option<&Assignment>) {
        let Some(row) = self.copies(account).cloned() else { return };
        let view = at.map(|at| View::begun(at.manager.clone(), self.fence(at.epoch)));
        self.tables.put(Row::Copies(CopiesRow { view, ..row }));
    }

    pub(super) fn decide_copies(
        &mut self,
        revision: Revision,
        command: CopyCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        let row = self.copies(command.account()).cloned();
        let mut row = row.ok_or(Refusal::NotFound { what: Noun::Account })?;
        let mut view = row.view.take().ok_or(Refusal::NotEligible)?;
        let account = row.account.clone();
        let epoch = Epoch(revision.0);
        let entry = self.fence(epoch);
        let events = match command {
            CopyCommand::Name { holder, on, .. } => {
                if let Some(holder) = &holder {
                    self.takes_a_copy(&view, holder)?;
                }
                view.name(holder.clone(), on, entry)?;
                vec![EventKind::CopyHolderNamed { account, holder, epoch }]
            }
            CopyCommand::Joined { since, .. } => {
                view.joined(since)?;
                let holder = view.naming.holder.clone().ok_or(Refusal::Superseded)?;
                vec![EventKind::CopyJoined { account, holder }]
            }
            CopyCommand::Succeed { manager, on, .. } => {
                self.may_succeed(&view, &account, &manager)?;
                view.succeed(manager.clone(), on, entry)?;
                vec![EventKind::LedgerSealing { account, manager, epoch }]
            }
            CopyCommand::WentLive { right, .. } => {
                let to = view.successor.as_ref().map(|held| held.at.clone());
                let to = to.ok_or(Refusal::Superseded)?;
                self.may_succeed(&view, &account, &to)?;
                view.went_live(right, entry)?;
                self.moves_to(&account, Assignment { manager: to, epoch })?
            }
            CopyCommand::GiveBack { on, .. } => {
                let manager = view.live.at.clone();
                let held = self.ledger_of(&account);
                let at = Assignment { manager: manager.clone(), epoch };
                self.eligible(ManagerKind::BrokerManager, &at, held, held.map(|held| held.epoch))?;
                view.give_back(on, entry)?;
                self.moves_to(&account, Assignment { manager, epoch })?
            }
        };
        self.tables.put(Row::Copies(CopiesRow { view: Some(view), ..row }));
        Ok(events)
    }

    /// The ledger that counts is there from this entry on.
    fn moves_to(&mut self, account: &AccountId, to: Assignment) -> Result<Vec<EventKind>, Refusal> {
        let row = self.tables.brokers.get(&(account.clone(), 0)).cloned();
        let mut row = row.ok_or(Refusal::NotFound { what: Noun::Broker })?;
        let Assignment { manager, epoch } = to.clone();
        row.assignment = Some(to);
        self.tables.put(Row::Broker(row));
        Ok(vec![EventKind::BrokerAssigned { account: account.clone(), shard: 0, manager, epoch }])
    }

    fn takes_a_copy(&self, view: &View<ManagerId>, holder: &ManagerId) -> Result<(), Refusal> {
        let row = self.manager(holder).ok_or(Refusal::NotFound { what: Noun::Manager })?;
        let live = match row.state {
            ManagerState::Live => row.manager.kind == ManagerKind::BrokerManager,
            ManagerState::Down => false,
        };
        if !live || self.share_a_node(holder, &view.live.at) {
            return Err(Refusal::NotEligible);
        }
        if let Some(cordon) = self.cordon(holder) {
            return Err(Refusal::Cordoned { target: cordon.target.clone() });
        }
        Ok(())
    }

    /// CP1 where the ledger moves: beside its copy there is one left, and on the copy's node nowhere else.
    fn may_succeed(
        &self,
        view: &View<ManagerId>,
        account: &AccountId,
        to: &ManagerId,
    ) -> Result<(), Refusal> {
        let held = self.ledger_of(account);
        let at = Assignment { manager: to.clone(), epoch: Epoch(0) };
        self.eligible(ManagerKind::BrokerManager, &at, held, held.map(|held| held.epoch))?;
        self.check_room_for_broker(to, held)?;
        let copy = view.naming.holder.as_ref();
        if copy.is_some_and(|copy| copy != to && self.share_a_node(copy, to)) {
            return Err(Refusal::NotEligible);
        }
        Ok(())
    }
}

/// CP1, CP2 and CP3, of one entry.
pub(super) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    for row in after.all_copies() {
        let (account, old) = (&row.account, before.copies(&row.account));
        let held = after.ledger_of(account).map(|held| &held.manager);
        if held != row.view.as_ref().map(|view| &view.live.at) {
            found.push(alloc::format!("CP2: {account}'s ledger counts where its Broker is not"));
        }
        let Some(view) = &row.view else { continue };
        let old = old.and_then(|row| row.view.as_ref());
        let moved = old.is_none_or(|old| old.naming != view.naming || old.live.at != view.live.at);
        let holder = view.naming.holder.as_ref();
        if moved && holder.is_some_and(|holder| after.share_a_node(holder, &view.live.at)) {
            found.push(alloc::format!("CP1: {account}'s copy is on the node of its ledger"));
        }
        let succeeds = view
            .successor
            .as_ref()
            .is_some_and(|held| old.and_then(|old| old.successor.as_ref()) != Some(held));
        if succeeds && !old.is_some_and(|old| old.whole && old.naming == view.naming) {
            found.push(alloc::format!("CP3: {account} is continued from a copy that is not whole"));
        }
        let continued = old.is_some_and(|old| {
            old.live.at != view.live.at
                && old.successor.as_ref().map(|held| &held.at) != Some(&view.live.at)
        });
        // Given up by an operator, it begins elsewhere with an empty one.
        if continued && view.naming.holder.is_some() {
            found.push(alloc::format!("CP3: {account} is continued by who was not to"));
        }
    }
    if after.level() < FeatureLevel::SECOND && after.all_copies().next().is_some() {
        found.push(String::from("CP: copies before their level"));
    }
    found
}

#[cfg(test)]
pub(in crate::control) mod tests;
