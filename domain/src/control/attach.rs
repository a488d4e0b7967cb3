//! Traders that their customers run themselves. Decides which copy of one has its right, and that a copy which takes over,
//! like a stop, fences the one before (T1). The right is the copy's own: it stays his wherever the customer belongs
//! meanwhile. Letting a copy in and telling it where to go is the TraderManager's work.

use super::{
    desired::TraderWanted,
    event::EventKind,
    fencing::FencingRow,
    machine::Machine,
    refusal::{Noun, Refusal},
    row::{ManagerState, Row, TraderSpec, TraderWish},
    trader::{TraderFault, TraderRun, Turn},
};
use crate::ids::{
    CopyId, CustomerId, Epoch, Fence, Incarnation, KeyHash, ManagerId, Revision, TraderId,
};
#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use alloc::{string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// Who may trade as a Trader that its customer runs himself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Attachment {
    /// The copy that attached last; nobody once it was stopped or deleted.
    pub copy: Option<CopyId>,
    /// Of the customer: whose revocation ends it.
    pub key_id: String,
    /// Its right: orders of an earlier one are refused.
    pub epoch: Epoch,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentRow {
    pub trader: TraderId,
    pub attachment: Attachment,
}

/// A copy asks for the right, at the TraderManager that its customer belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    pub trader: TraderId,
    pub manager: ManagerId,
    /// The TraderManager's life.
    pub incarnation: Incarnation,
    pub copy: CopyId,
    pub key_id: String,
    /// The copy begins: it takes the place of any other. Unset it had the right before, and is refused if another came.
    pub takes_over: bool,
    /// The right it was decided on.
    pub replaces: Option<Epoch>,
}

impl TraderSpec {
    /// Its customer runs it himself, and attaches it.
    #[must_use]
    pub fn is_self_managed(&self) -> bool {
        self.command.is_empty()
    }
}

impl TraderWanted {
    /// Its customer runs it himself, and attaches it.
    #[must_use]
    pub fn is_self_managed(&self) -> bool {
        self.command.is_empty()
    }

    /// The right under which its orders are accepted; `None` while no copy has one.
    #[must_use]
    pub fn right(&self) -> Option<Fence> {
        if !self.is_self_managed() {
            return Some(self.fence);
        }
        let held = self.attached.as_ref().filter(|held| held.copy.is_some())?;
        Some(Fence { epoch: held.epoch, ..self.fence })
    }
}

/// The right of a Trader that is with this TraderManager: its assignment's, or that of the copy that attached last.
#[must_use]
pub fn trader_epoch(machine: &Machine, trader: &TraderId, manager: &ManagerId) -> Option<Epoch> {
    let row = machine.trader(trader)?;
    let assignment = row.assignment.as_ref().filter(|held| held.manager == *manager)?;
    if !row.spec.is_self_managed() {
        return Some(assignment.epoch);
    }
    let attached = machine.attachment(trader).filter(|held| held.copy.is_some());
    attached.map(|held| held.epoch)
}

impl Machine {
    /// The copy of a Trader that attached last, if it is one that its customer runs himself.
    #[must_use]
    pub fn attachment(&self, trader: &TraderId) -> Option<&Attachment> {
        self.tables.attachments.get(trader).map(|row| &row.attachment)
    }

    pub fn attachments(&self) -> impl Iterator<Item = &AttachmentRow> {
        self.tables.attachments.values()
    }

    /// The right under which orders of a Trader are accepted: that of its assignment, or of the copy that attached last.
    #[must_use]
    pub fn trader_right(&self, trader: &TraderId) -> Option<Epoch> {
        match self.trader(trader) {
            Some(row) if !row.spec.is_self_managed() => {
                row.assignment.as_ref().map(|held| held.epoch)
            }
            // One that was deleted is fenced until that is done.
            Some(_) | None => self.attachment(trader).map(|held| held.epoch),
        }
    }

    pub(super) fn put_self_managed(
        &mut self,
        trader: TraderId,
        spec: TraderSpec,
        run: &TraderRun,
        revision: Revision,
    ) -> Result<Vec<EventKind>, Refusal> {
        if !spec.is_self_managed() || !run.is_default() {
            return Err(Refusal::TraderNotPossible { fault: TraderFault::SelfManaged });
        }
        let before = self.trader(&trader).map(|row| row.spec.clone());
        let (customer, state) = (spec.customer.clone(), spec.state);
        let events = self.put_trader_row(trader.clone(), spec, revision)?;
        self.tables.forget_trader_run(&trader);
        let stops =
            |before: &TraderSpec| TraderWish::after(Some(before.state), state) == Turn::Stops;
        if let Some(before) = before.filter(|before| stops(before) || before.customer != customer) {
            self.fence_copy(&trader, before.customer, Epoch(revision.0));
        }
        Ok(events)
    }

    /// The copy that attached last has no right any more.
    pub(super) fn fence_copy(&mut self, trader: &TraderId, customer: CustomerId, epoch: Epoch) {
        let held = self.attachment(trader).filter(|held| held.copy.is_some());
        let Some(Attachment { key_id, .. }) = held.cloned() else { return };
        let (attachment, trader) = (Attachment { copy: None, key_id, epoch }, trader.clone());
        self.tables.put(Row::Attachment(AttachmentRow { trader: trader.clone(), attachment }));
        self.tables.put(Row::Fencing(FencingRow { trader, customer, epoch }));
    }

    pub(super) fn attach(&mut self, epoch: Epoch, ask: Attach) -> Result<Vec<EventKind>, Refusal> {
        let customer = self.may_attach(&ask)?;
        let Attach { trader, manager, copy, key_id, takes_over, replaces, .. } = ask;
        let held = self.attachment(&trader).cloned();
        let has = |held: &Attachment| held.copy.as_ref() == Some(&copy);
        if let Some(held) = held.clone().filter(has) {
            // What it has is his, also when the answer was lost; it may have another key by now.
            if held.key_id != key_id {
                let attachment = Attachment { key_id, ..held };
                self.tables.put(Row::Attachment(AttachmentRow { trader, attachment }));
            }
            return Ok(vec![]);
        }
        if !takes_over {
            return Err(Refusal::TakenOver);
        }
        if let Some(cordon) = self.cordon(&manager) {
            return Err(Refusal::Cordoned { target: cordon.target.clone() });
        }
        if held.map(|held| held.epoch) != replaces {
            return Err(Refusal::Superseded);
        }
        // Of an owner before: first his copy is fenced at his Brokers.
        if self.tables.fencings.get(&trader).is_some_and(|row| row.customer != customer) {
            return Err(Refusal::StillHeld);
        }
        let attachment = Attachment { copy: Some(copy.clone()), key_id, epoch };
        self.tables.put(Row::Attachment(AttachmentRow { trader: trader.clone(), attachment }));
        let fencing = FencingRow { trader: trader.clone(), customer, epoch };
        self.tables.put(Row::Fencing(fencing));
        Ok(vec![EventKind::TraderAttached { trader, manager, epoch, copy }])
    }

    /// Whether anybody may attach as this Trader there, by this key; gives whose it is.
    fn may_attach(&self, ask: &Attach) -> Result<CustomerId, Refusal> {
        let row = self.trader(&ask.trader).ok_or(Refusal::NotFound { what: Noun::Trader })?;
        if !row.spec.is_self_managed() {
            return Err(Refusal::NotSelfManaged);
        }
        match row.spec.state {
            TraderWish::Running | TraderWish::Paused => {}
            TraderWish::Stopped => return Err(Refusal::TraderStopped),
        }
        let customer = self.customer(&row.spec.customer);
        let mut keys = customer.into_iter().flat_map(|row| &row.spec.key_hashes);
        if !keys.any(|hash: &KeyHash| hash.key_id() == ask.key_id) {
            return Err(Refusal::NotFound { what: Noun::Key });
        }
        if row.assignment.as_ref().map(|held| &held.manager) != Some(&ask.manager) {
            return Err(Refusal::AgainstAffinity);
        }
        let manager = self.manager(&ask.manager);
        let lives =
            |state, incarnation| state == ManagerState::Live && incarnation == ask.incarnation;
        if !manager.is_some_and(|row| lives(row.state, row.incarnation)) {
            return Err(Refusal::NotEligible);
        }
        Ok(row.spec.customer.clone())
    }
}

#[cfg(test)]
mod tests;
