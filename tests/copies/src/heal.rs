//! What is asked of every state: that the account goes on once nothing fails any more. Decides what a sensible leader
//! does then; the nodes take every step there is, in turn.

use crate::{
    Plant,
    world::{ORDERS, PLACES, Process, World, Writing},
};

/// Enough for a succession, a naming after it, and the joining of what was named.
const ROUNDS: u8 = 12;

/// After so many of them a succession that has not come to its end is given up.
const PATIENCE: u8 = 4;

impl World {
    /// Whether the account takes orders in the end, and has two copies.
    pub(crate) fn goes_on(&self, plant: Option<Plant>) -> bool {
        let mut world = self.clone();
        world.faults_left = 0;
        world.entries_left = ROUNDS;
        for round in 0..ROUNDS {
            world.all_turns();
            world.leads(round, plant);
        }
        world.orders = ORDERS;
        let at = world.view.live.at;
        for order in 0..ORDERS {
            world.submit(at, order, None);
        }
        world.all_turns();
        world.all_turns();
        let node = &world.nodes[usize::from(at)];
        let ledger = node.ledger.entries.len();
        let done = match &node.process {
            Some(Process::Writing(writing)) => writing.done,
            Some(Process::Succeeding(_)) | None => 0,
        };
        let sent = world.acted.iter().any(|entry| entry.joins().is_none());
        world.view.whole && sent && done == ledger && world.broken.is_none()
    }

    fn all_turns(&mut self) {
        for at in 0..PLACES {
            self.learn(at);
            self.start(at);
            self.greet(at, None);
            if self.writing(at).is_some_and(|writing| writing.writer.may_join(0)) {
                self.join(at);
            }
            self.sync(at);
            while self.stream(at, None) {}
            self.seal(at, None);
            for copy in 0..PLACES {
                self.sync_copy(copy);
            }
            self.load(at, None);
            self.hear(at);
            self.act(at, None);
        }
    }

    fn leads(&mut self, round: u8, plant: Option<Plant>) {
        self.joined(None);
        if self.went_live(None) {
            return;
        }
        if self.view.successor.is_some() {
            if round >= PATIENCE {
                self.give_back();
            }
            return;
        }
        let lost =
            |writing: &Writing| !writing.writer.is_open() && writing.writer.greets().is_none();
        let copyless =
            self.view.naming.holder.is_none() || self.writing(self.view.live.at).is_some_and(lost);
        if copyless && plant != Some(Plant::NobodyNamedForALostCopy) {
            let free = (0..PLACES)
                .find(|at| *at != self.view.live.at && Some(*at) != self.view.naming.holder);
            if let Some(free) = free {
                self.name(free, None);
            }
        }
    }
}
