//! What Brokers, successors and copy holders do, as thin a shell around `domain::trading::copies` as real ones have.
//! Decides where a planted fault spoils a step.

use crate::{
    Plant,
    world::{Connection, Entry, Node, Place, Process, World, Writing},
};
use tradewind_domain::trading::copies::{Kept, Next, Refused, Successor, Writer};

/// What the algo's orders carry: the epoch of its Trader, by the order's number.
fn is_stale(order: u8, ledger: &[Entry]) -> bool {
    let later = |entry: &Entry| matches!(entry, Entry::Intent { order: other } if *other > order);
    ledger.iter().any(later)
}

fn writing(node: &mut Node) -> Option<&mut Writing> {
    match &mut node.process {
        Some(Process::Writing(writing)) => Some(writing),
        Some(Process::Succeeding(_)) | None => None,
    }
}

impl World {
    fn node(&mut self, at: Place) -> &mut Node {
        &mut self.nodes[usize::from(at)]
    }

    /// The copy holder that a Broker is connected with.
    fn connected(&self, at: Place) -> Option<Place> {
        let Some(Process::Writing(writing)) = &self.nodes[usize::from(at)].process else {
            return None;
        };
        let to = writing.writer.naming().holder?;
        let connection = self.nodes[usize::from(to)].copy.connection.as_ref()?;
        (connection.from == at && writing.writer.is_open()).then_some(to)
    }

    pub(crate) fn start(&mut self, at: Place) -> bool {
        let node = self.node(at);
        if node.process.is_some() {
            return false;
        }
        let (live, naming) = (node.known.live.clone(), node.known.naming.clone());
        let ledger = &node.ledger;
        if live.at == at && live.right >= ledger.loaded {
            let last = ledger.entries.len() as u64;
            let writer = Writer::opened(live.right, naming, ledger.joined(), last);
            node.process = Some(Process::Writing(Writing { writer, own: Vec::new(), done: 0 }));
            return true;
        }
        let Some(successor) = node.known.successor.clone().filter(|held| held.at == at) else {
            return false;
        };
        // With what it loaded in a former life it only waits.
        if ledger.loaded == successor.right {
            return false;
        }
        let successor = Successor::new(successor.right, naming.since);
        node.process = Some(Process::Succeeding(successor));
        true
    }

    fn puts(&mut self, at: Place, plant: Option<Plant>) -> Option<(&mut Writing, &mut Vec<Entry>)> {
        let Node { process, ledger, .. } = self.node(at);
        let Some(Process::Writing(writing)) = process else { return None };
        let may = writing.writer.may_put() || plant == Some(Plant::PutsBeforeItHasGreeted);
        may.then_some((writing, &mut ledger.entries))
    }

    pub(crate) fn submit(&mut self, at: Place, order: u8, plant: Option<Plant>) -> bool {
        if order >= self.orders {
            return false;
        }
        let Some((writing, entries)) = self.puts(at, plant) else { return false };
        if entries.contains(&Entry::Intent { order }) || is_stale(order, entries) {
            return false;
        }
        writing.writer.put();
        writing.own.push(order);
        entries.push(Entry::Intent { order });
        true
    }

    pub(crate) fn result(&mut self, at: Place, order: u8, plant: Option<Plant>) -> bool {
        if order >= self.results || self.sent[usize::from(order)] == 0 {
            return false;
        }
        let Some((writing, entries)) = self.puts(at, plant) else { return false };
        let (intent, result) = (Entry::Intent { order }, Entry::Result { order });
        if !entries.contains(&intent) || entries.contains(&result) {
            return false;
        }
        writing.writer.put();
        entries.push(result);
        true
    }

    pub(crate) fn sync(&mut self, at: Place) -> bool {
        let node = self.node(at);
        let all = node.ledger.entries.len();
        if node.ledger.synced == all {
            return false;
        }
        node.ledger.synced = all;
        if let Some(writing) = writing(node) {
            writing.writer.synced(all as u64);
        }
        true
    }

    pub(crate) fn join(&mut self, at: Place) -> bool {
        let Node { process, ledger, .. } = self.node(at);
        let Some(Process::Writing(writing)) = process else { return false };
        // How much the copy lacks is a matter of waiting, not of safety: any lag is tried.
        if !writing.writer.may_join(u64::MAX) {
            return false;
        }
        writing.writer.put_joining();
        let since = writing.writer.naming().since;
        ledger.entries.push(Entry::Joined { since });
        true
    }

    pub(crate) fn greet(&mut self, at: Place, plant: Option<Plant>) -> bool {
        let Some(Process::Writing(mut writing)) = self.node(at).process.clone() else {
            return false;
        };
        let Some((to, right, since)) = writing.writer.greets().map(|(to, r, s)| (*to, r, s)) else {
            return false;
        };
        let mut ledger = self.node(at).ledger.clone();
        let copy = &mut self.node(to).copy;
        let synced = copy.entries(copy.synced).len() as u64;
        match copy.holder.greet(right, synced) {
            Err(Refused::Sealed { by }) => writing.writer.refused(by),
            Err(Refused::OtherSession | Refused::Begun | Refused::Hole { .. }) => return false,
            Ok(greeted) => {
                if let Some(kept) = greeted.kept {
                    copy.keep(kept, None);
                }
                let mut next = writing.writer.greeted(greeted.greeting);
                if let Next::Adopt { after, to } = next {
                    let missed = copy.entries(copy.disk.len());
                    ledger
                        .entries
                        .extend_from_slice(&missed[usize::try_from(after).unwrap_or(0)..]);
                    writing.writer.adopted(to);
                    next = writing.writer.greeted(greeted.greeting);
                }
                if next == Next::Lost && plant == Some(Plant::FilledAgainUnderOneNaming) {
                    next = Next::Begin;
                }
                let sent = match next {
                    Next::Begin => {
                        let Ok(kept) = copy.holder.begin(greeted.session, since) else {
                            return false;
                        };
                        copy.keep(kept, None);
                        copy.wiped = false;
                        writing.writer.begun();
                        0
                    }
                    Next::Stream { after } => usize::try_from(after).unwrap_or(0),
                    Next::Adopt { .. } | Next::Lost => usize::MAX,
                };
                copy.connection = (sent < usize::MAX).then_some(Connection {
                    from: at,
                    right,
                    session: greeted.session,
                    sent,
                    acknowledged: 0,
                });
            }
        }
        let node = self.node(at);
        node.ledger = ledger;
        node.process = Some(Process::Writing(writing));
        true
    }

    /// The next record goes to the copy. What is under way when a connection breaks is as good as arrived before or
    /// as never sent: a record that comes after the seal or after the next greeting is refused.
    pub(crate) fn stream(&mut self, at: Place, plant: Option<Plant>) -> bool {
        let Some(to) = self.connected(at) else { return false };
        let node = self.node(at);
        let Some(writing) = writing(node) else { return false };
        let mut upto = writing.writer.streams_to();
        if plant == Some(Plant::JoinsBeforeItIsOnTheOwnDisk) {
            upto = node.ledger.entries.len() as u64;
        }
        let entries = node.ledger.entries.clone();
        let copy = &mut self.node(to).copy;
        let Some(connection) = &mut copy.connection else { return false };
        if connection.sent as u64 >= upto {
            return false;
        }
        let entry = entries[connection.sent];
        connection.sent += 1;
        match copy.holder.append(connection.session, connection.sent as u64, entry.joins()) {
            Ok(kept) => copy.keep(kept, Some(entry)),
            Err(_) => copy.connection = None,
        }
        true
    }

    pub(crate) fn sync_copy(&mut self, at: Place) -> bool {
        let copy = &mut self.node(at).copy;
        if copy.synced == copy.disk.len() {
            return false;
        }
        copy.synced = copy.disk.len();
        let durable = copy.entries(copy.synced).len() as u64;
        let mut late = false;
        if let Some(connection) = &mut copy.connection
            && copy.holder.acknowledges(connection.session)
            && durable > connection.acknowledged
        {
            connection.acknowledged = durable;
            late = connection.right < copy.promised;
        }
        copy.compact();
        if late {
            self.broken = Some("acknowledged after a seal at a higher right");
        }
        true
    }

    pub(crate) fn hear(&mut self, at: Place) -> bool {
        let Some(Process::Writing(mut writing)) = self.node(at).process.clone() else {
            return false;
        };
        if !writing.writer.is_open() {
            return false;
        }
        let told = match self.connected(at) {
            Some(to) => self.node(to).copy.connection.as_ref().map(|each| each.acknowledged),
            None => None,
        };
        let before = writing.writer.clone();
        match told {
            Some(index) => writing.writer.acknowledged(index),
            None => writing.writer.broken(),
        }
        let mut changed = writing.writer != before;
        if let Some(since) = writing.writer.has_joined().filter(|since| *since > self.told_joined) {
            self.told_joined = since;
            changed = true;
        }
        self.node(at).process = Some(Process::Writing(writing));
        changed
    }

    /// Answers, tells and sends what may be, as soon as it may be: who does it later owes no more than who does it at
    /// once, since what may be told is never taken back.
    pub(crate) fn act(&mut self, at: Place, plant: Option<Plant>) {
        let node = self.node(at);
        let entries = node.ledger.entries.clone();
        let synced = node.ledger.synced;
        let Some(writing) = writing(node) else { return };
        let alone = plant == Some(Plant::SentBeforeTheCopyHasIt)
            || plant == Some(Plant::SingleOnItsOwn) && !writing.writer.is_open();
        let durable = usize::try_from(writing.writer.durable()).unwrap_or(usize::MAX);
        let upto = if alone { durable.max(synced) } else { durable };
        if upto <= writing.done {
            return;
        }
        let from = std::mem::replace(&mut writing.done, upto);
        let own = writing.own.clone();
        let known = upto.min(self.acted.len());
        if entries[..known] != self.acted[..known] {
            self.broken = Some("what was told is told otherwise");
        }
        if upto > self.acted.len() {
            self.acted = entries[..upto].to_vec();
        }
        for (place, entry) in entries.iter().enumerate().take(upto).skip(from) {
            if let Entry::Intent { order } = entry
                && own.contains(order)
            {
                self.send(*order, &entries[..place]);
            }
        }
    }

    fn send(&mut self, order: u8, before: &[Entry]) {
        let times = &mut self.sent[usize::from(order)];
        *times += 1;
        if *times > 1 {
            self.broken = Some("an order was sent twice (O1)");
        } else if is_stale(order, before) {
            self.broken = Some("an order of an older copy of its Trader was accepted (T1)");
        }
    }

    /// A successor asks for the seal; it is made, and not answered yet.
    pub(crate) fn seal(&mut self, at: Place, plant: Option<Plant>) -> bool {
        let node = self.node(at);
        let Some(Process::Succeeding(successor)) = &node.process else { return false };
        let right = successor.right();
        let Some(to) = node.known.naming.holder else { return false };
        let copy = &mut self.node(to).copy;
        let is_made = copy.disk.iter().any(|(kept, _)| *kept == Kept::Sealed { by: right });
        if is_made {
            return false;
        }
        let before = copy.holder.clone();
        let Ok((kept, _)) = copy.holder.seal(right) else { return false };
        copy.keep(kept, None);
        if plant == Some(Plant::AcknowledgedAfterTheSeal) {
            copy.holder = before;
        } else {
            copy.connection = None;
        }
        true
    }

    /// The seal is on the copy holder's disk: the successor is told, and has loaded all of it.
    pub(crate) fn load(&mut self, at: Place, plant: Option<Plant>) -> bool {
        let Some(Process::Succeeding(mut successor)) = self.node(at).process.clone() else {
            return false;
        };
        let right = successor.right();
        let Some(to) = self.node(at).known.naming.holder else { return false };
        let copy = &mut self.node(to).copy;
        let upto = if plant == Some(Plant::SealNotSynced) { copy.disk.len() } else { copy.synced };
        let made = copy.disk[..upto].iter().any(|(kept, _)| *kept == Kept::Sealed { by: right });
        // Asked again it says the same, or that it is sealed for another by now.
        let mut asked = copy.holder.clone();
        let Some((_, mut sealed)) = made.then(|| asked.seal(right).ok()).flatten() else {
            return false;
        };
        copy.promised = copy.promised.max(right);
        let entries = copy.entries(copy.disk.len());
        if plant == Some(Plant::CatchUpTakenAsComplete) {
            sealed.whole = Some(self.node(at).known.naming.since);
        }
        let node = self.node(at);
        let Ok(last) = successor.sealed(sealed) else { return false };
        successor.synced(last);
        if !successor.is_loaded() {
            return false;
        }
        node.ledger.synced = entries.len();
        node.ledger.entries = entries;
        node.ledger.loaded = right;
        node.process = None;
        if plant == Some(Plant::ActsBeforeItIsLive) {
            let (naming, ledger) = (node.known.naming.clone(), &node.ledger);
            let last = ledger.entries.len() as u64;
            let writer = Writer::opened(right, naming, ledger.joined(), last);
            node.process = Some(Process::Writing(Writing { writer, own: Vec::new(), done: 0 }));
        }
        true
    }
}
