//! The leader's steps and what is lost. Decides nothing: a leader of the model does at any time whatever the
//! replicated state lets it, since it may take anybody for dead; so does chance.

use crate::{
    Plant,
    steps::Left,
    world::{Copy, Ledger, Place, Process, World, fence},
};
use tradewind_domain::{
    ids::Fence,
    trading::copies::{Held, Holder, View},
};

impl World {
    /// A committed entry that gives a right or names a copy.
    fn commit(&mut self, change: impl FnOnce(&mut View<Place>, Fence) -> bool) -> bool {
        let entry = self.entry + 1;
        if self.entries_left == 0 || !change(&mut self.view, fence(entry)) {
            return false;
        }
        self.entry = entry;
        self.entries_left -= 1;
        true
    }

    pub(crate) fn name(&mut self, holder: Place, plant: Option<Plant>) -> bool {
        let holder = Some(holder);
        if holder == self.view.naming.holder {
            return false;
        }
        self.commit(|view, entry| {
            let on = view.naming.since;
            if plant == Some(Plant::NamedWhileItIsContinued) {
                let successor = view.successor.take();
                let named = view.name(holder, on, entry).is_ok();
                view.successor = successor;
                return named;
            }
            view.name(holder, on, entry).is_ok()
        })
    }

    pub(crate) fn joined(&mut self, plant: Option<Plant>) -> bool {
        let since = match plant {
            Some(Plant::CatchUpTakenAsComplete) => self.view.naming.since,
            _ => self.told_joined,
        };
        !self.view.whole && self.view.joined(since).is_ok()
    }

    pub(crate) fn succeed(&mut self, at: Place) -> bool {
        self.commit(|view, entry| view.succeed(at, view.highest(), entry).is_ok())
    }

    /// By word of whoever has loaded, which may be late.
    pub(crate) fn went_live(&mut self, plant: Option<Plant>) -> bool {
        if plant == Some(Plant::LiveThoughGivenUp) && self.view.successor.is_none() {
            let loaded = (0..).zip(&self.nodes).map(|(at, node)| (node.ledger.loaded, at)).max();
            let given_up =
                |(right, at): &(Fence, Place)| *at != self.view.live.at && *right > fence(2);
            let Some((right, at)) = loaded.filter(given_up) else { return false };
            return self.commit(|view, entry| {
                view.successor = Some(Held { at, right });
                view.went_live(right, entry).is_ok()
            });
        }
        let Some(successor) = &self.view.successor else { return false };
        let (at, right) = (successor.at, successor.right);
        if self.nodes[usize::from(at)].ledger.loaded != right {
            return false;
        }
        self.commit(|view, entry| view.went_live(right, entry).is_ok())
    }

    pub(crate) fn give_back(&mut self) -> bool {
        let Some(right) = self.view.successor.as_ref().map(|held| held.right) else { return false };
        self.commit(|view, entry| view.give_back(right, entry).is_ok())
    }

    fn fault(&mut self) -> bool {
        let left = self.faults_left.checked_sub(1);
        self.faults_left = left.unwrap_or(0);
        left.is_some()
    }

    pub(crate) fn kill(&mut self, at: Place, left: Left) -> bool {
        let node = &mut self.nodes[usize::from(at)];
        if node.process.take().is_none() {
            return false;
        }
        match left {
            Left::Everything => node.ledger.synced = node.ledger.entries.len(),
            Left::Synced if node.ledger.synced == node.ledger.entries.len() => return false,
            Left::Synced => node.ledger.entries.truncate(node.ledger.synced),
        }
        self.fault()
    }

    pub(crate) fn kill_holder(&mut self, at: Place, left: Left) -> bool {
        let copy = &mut self.nodes[usize::from(at)].copy;
        if copy.disk.is_empty() {
            return false;
        }
        match left {
            Left::Everything => copy.synced = copy.disk.len(),
            Left::Synced if copy.synced == copy.disk.len() => return false,
            Left::Synced => copy.disk.truncate(copy.synced),
        }
        copy.restart();
        self.fault()
    }

    pub(crate) fn break_connection(&mut self, at: Place) -> bool {
        let copy = &mut self.nodes[usize::from(at)].copy;
        copy.connection.take().is_some() && self.fault()
    }

    /// The copy holder's disk is lost, with what it had promised.
    pub(crate) fn lose_copy(&mut self, at: Place) -> bool {
        let copy = &mut self.nodes[usize::from(at)].copy;
        if copy.disk.is_empty() {
            return false;
        }
        *copy = Copy { wiped: true, ..Copy::default() };
        self.fault()
    }

    /// A Manager is told the state as it is now, and its Broker by it.
    pub(crate) fn learn(&mut self, at: Place) -> bool {
        // Whether the copy is whole is for the leader.
        let view = View { whole: false, ..self.view.clone() };
        let successor = view.successor.as_ref().map(|held| held.at);
        let is_meant = view.live.at == at || successor == Some(at);
        let node = &mut self.nodes[usize::from(at)];
        // Who neither runs anything nor is to run it does not use what it is told.
        let is_concerned = is_meant || node.process.is_some() || node.known.live.at == at;
        if node.known == view || !is_concerned {
            return false;
        }
        node.known = view;
        if !is_meant {
            // What it has is never continued any more: another loads or has loaded the copy.
            node.process = None;
            node.ledger = Ledger::default();
            return true;
        }
        let known = &node.known;
        match &mut node.process {
            Some(Process::Writing(writing)) if known.live.at == at => {
                writing.writer.told(known.live.right, known.naming.clone());
            }
            Some(Process::Succeeding(successor))
                if known.successor.as_ref().map(|held| held.right) == Some(successor.right()) => {}
            // Told to stop, or to begin anew as something else.
            Some(Process::Writing(_) | Process::Succeeding(_)) | None => {
                if node.process.take().is_some() {
                    node.ledger.synced = node.ledger.entries.len();
                }
            }
        }
        true
    }
}

impl Copy {
    /// A new process reads what is on the disk.
    pub(crate) fn restart(&mut self) {
        self.connection = None;
        self.holder = Holder::default();
        for (kept, _) in &self.disk {
            self.holder.take(*kept);
        }
    }
}
