//! Commands on their way over one hop. Decides numbers, deadlines and which commands a lost pipe leaves
//! without an answer; what such a command is told is the hop's decision.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tradewind_domain::time::Monotonic;

struct Pending<U, R> {
    via: U,
    reply: R,
}

/// The commands handed to `U`s that have not answered; `R` is where each answer goes.
pub(crate) struct Requests<U, R> {
    next: u64,
    limit: usize,
    within: Duration,
    pending: BTreeMap<u64, Pending<U, R>>,
    /// In order of their deadlines, which is the order of their numbers.
    deadlines: VecDeque<(Monotonic, u64)>,
}

impl<U: PartialEq, R> Requests<U, R> {
    /// At most `limit` at a time, each with an answer `within` or none.
    pub(crate) fn new(limit: usize, within: Duration) -> Self {
        Self { next: 0, limit, within, pending: BTreeMap::new(), deadlines: VecDeque::new() }
    }

    /// Takes a command to be sent to `via` and gives its number; the reply back if there are too many.
    pub(crate) fn begin(&mut self, via: U, reply: R, now: Monotonic) -> Result<u64, R> {
        if self.pending.len() >= self.limit {
            return Err(reply);
        }
        self.next += 1;
        self.pending.insert(self.next, Pending { via, reply });
        self.deadlines.push_back((now + self.within, self.next));
        Ok(self.next)
    }

    /// The answer to a number has come, or it was never sent: where to tell it. Once only.
    pub(crate) fn end(&mut self, request: u64) -> Option<R> {
        let pending = self.pending.remove(&request)?;
        while self.deadlines.front().is_some_and(|(_, n)| !self.pending.contains_key(n)) {
            self.deadlines.pop_front();
        }
        Some(pending.reply)
    }

    /// The pipe to `via` is lost: its commands have no answer any more.
    pub(crate) fn lost(&mut self, via: &U) -> Vec<R> {
        let numbers: Vec<u64> =
            self.pending.iter().filter(|(_, p)| p.via == *via).map(|(n, _)| *n).collect();
        numbers.into_iter().filter_map(|n| self.end(n)).collect()
    }

    /// Commands whose time is over.
    pub(crate) fn expired(&mut self, now: Monotonic) -> Vec<R> {
        let mut over = Vec::new();
        while let Some((deadline, request)) = self.deadlines.front().copied() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_front();
            over.extend(self.pending.remove(&request).map(|pending| pending.reply));
        }
        over
    }

    /// Whether one that was sent to `via` has no answer yet.
    pub(crate) fn has_any(&self, via: &U) -> bool {
        self.pending.values().any(|pending| pending.via == *via)
    }

    /// How many have no answer yet, by a property of the reply.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WITHIN: Duration = Duration::from_nanos(10);

    #[test]
    fn each_command_is_ended_exactly_once_by_answer_loss_or_deadline() {
        // given
        let mut requests = Requests::new(3, WITHIN);
        let first = requests.begin("a", 1, Monotonic(0)).unwrap();
        requests.begin("b", 2, Monotonic(1)).unwrap();
        requests.begin("a", 3, Monotonic(5)).unwrap();
        // then
        assert_eq!(requests.begin("a", 4, Monotonic(5)), Err(4), "beyond the limit");
        assert_eq!(requests.end(first), Some(1));
        assert_eq!(requests.end(first), None);
        assert!(requests.has_any(&"b"));
        assert_eq!(requests.lost(&"b"), [2]);
        assert!(requests.has_any(&"a") && !requests.has_any(&"b"));
        assert!(requests.expired(Monotonic(14)).is_empty());
        assert_eq!(requests.expired(Monotonic(15)), [3]);
        assert_eq!(requests.len(), 0);
        assert!(requests.deadlines.is_empty());
    }
}
