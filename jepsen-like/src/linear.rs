//! Is there an order of these operations, in which each takes effect between its begin and its end, that explains
//! every answer? Decides it by Wing's and Gong's search with Lowe's memory of what was tried, per key.
//!
//! An operation whose end is not known may take effect at any time after its begin, or never. What was tried is
//! known by a 128-bit sum over the operations placed, and the state: that two sets share a sum is as good as impossible
//! (below 1 in 10^25 for ten million sets).

pub mod register;
pub mod registry;

use std::{collections::HashSet, hash::Hash};

/// What the operations are done to.
pub trait Model {
    type State: Clone + Eq + Hash;
    type Operation;
    fn start(&self) -> Self::State;
    /// The state after the operation, if it can have had its outcome in this state.
    fn step(&self, state: &Self::State, operation: &Self::Operation) -> Option<Self::State>;
}

#[derive(Clone, Debug)]
pub struct Entry<O> {
    pub operation: O,
    /// Positions in the history: no two are the same.
    pub begun: u64,
    /// `None`: not known whether it happened.
    pub ended: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Linearizable,
    /// No order explains the answers; the furthest one that was found could not place this operation (its place
    /// among the entries) any more.
    Not {
        at: usize,
    },
    /// So many states were tried, and there are more.
    GaveUp {
        tried: usize,
    },
}

/// States that are tried for one key before the search gives up: some 2 GiB and a minute.
pub const STATES_MAX: usize = 20_000_000;

/// Searches, trying at most so many states.
pub fn search<M: Model>(model: &M, entries: &[Entry<M::Operation>], most: usize) -> Verdict {
    Search::new(model, entries).run(most)
}

/// A place in the list of begins and ends.
type Node = usize;
const HEAD: Node = 0;

#[derive(Clone, Copy)]
struct Event {
    entry: usize,
    at: u64,
    is_end: bool,
}

/// What is to be tried next.
#[derive(Clone, Copy)]
enum Next {
    /// From here on in the list, up to the first end.
    Required(Node),
    /// Then those whose end is not known, begun before that end.
    Optional { place: usize, before: u64 },
}

struct Search<'a, M: Model> {
    model: &'a M,
    entries: &'a [Entry<M::Operation>],
    events: Vec<Event>,
    after: Vec<Node>,
    before: Vec<Node>,
    end_of: Vec<Node>,
    optional: Vec<usize>,
    optional_done: Vec<bool>,
    left: usize,
    state: M::State,
    sum: u128,
    furthest: (usize, usize),
    placed: Vec<(Next, M::State)>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(model: &'a M, entries: &'a [Entry<M::Operation>]) -> Self {
        let mut events = Vec::new();
        let mut optional = Vec::new();
        for (entry, each) in entries.iter().enumerate() {
            match each.ended {
                Some(ended) => {
                    events.push(Event { entry, at: each.begun, is_end: false });
                    events.push(Event { entry, at: ended, is_end: true });
                }
                None => optional.push(entry),
            }
        }
        events.sort_by_key(|event| event.at);
        optional.sort_by_key(|entry| entries[*entry].begun);
        let left = events.len() / 2;
        events.insert(HEAD, Event { entry: usize::MAX, at: 0, is_end: false });
        let mut end_of = vec![HEAD; entries.len()];
        for (node, event) in events.iter().enumerate().filter(|(_, event)| event.is_end) {
            end_of[event.entry] = node;
        }
        let length = events.len();
        let after = (0..length).map(|node| if node + 1 == length { HEAD } else { node + 1 });
        let before = (0..length).map(|node| if node == HEAD { length - 1 } else { node - 1 });
        let (after, before) = (after.collect(), before.collect());
        let optional_done = vec![false; optional.len()];
        let state = model.start();
        let (sum, furthest, placed) = (0, (0, 0), Vec::new());
        Self {
            model,
            entries,
            events,
            after,
            before,
            end_of,
            optional,
            optional_done,
            left,
            state,
            sum,
            furthest,
            placed,
        }
    }

    fn run(mut self, most: usize) -> Verdict {
        let mut tried = HashSet::<(u128, M::State)>::new();
        let mut next = Next::Required(self.after[HEAD]);
        while self.left > 0 {
            let (entry, goes_on) = match next {
                Next::Required(node) if self.events[node].is_end => {
                    self.note(self.events[node].entry);
                    next = Next::Optional { place: 0, before: self.events[node].at };
                    continue;
                }
                Next::Required(node) => (self.events[node].entry, Next::Required(self.after[node])),
                Next::Optional { place, before } => {
                    let entry = self.optional.get(place).copied();
                    let entry = entry.filter(|entry| self.entries[*entry].begun < before);
                    let Some(entry) = entry else {
                        let Some(back) = self.take_back() else {
                            return Verdict::Not { at: self.furthest.1 };
                        };
                        next = back;
                        continue;
                    };
                    let goes_on = Next::Optional { place: place + 1, before };
                    if self.optional_done[place] {
                        next = goes_on;
                        continue;
                    }
                    (entry, goes_on)
                }
            };
            let operation = &self.entries[entry].operation;
            let stepped = self.model.step(&self.state, operation);
            let sum = self.sum.wrapping_add(weight(entry));
            match stepped.filter(|state| tried.insert((sum, state.clone()))) {
                Some(state) => {
                    self.place(next, state, sum);
                    next = Next::Required(self.after[HEAD]);
                }
                None => next = goes_on,
            }
            if tried.len() > most {
                return Verdict::GaveUp { tried: tried.len() };
            }
        }
        Verdict::Linearizable
    }

    fn note(&mut self, stuck: usize) {
        let placed = self.entries.len() - self.left;
        if placed >= self.furthest.0 {
            self.furthest = (placed, stuck);
        }
    }

    fn place(&mut self, what: Next, state: M::State, sum: u128) {
        match what {
            Next::Required(node) => {
                self.unlink(node);
                self.unlink(self.end_of[self.events[node].entry]);
                self.left -= 1;
            }
            Next::Optional { place, .. } => self.optional_done[place] = true,
        }
        let before = std::mem::replace(&mut self.state, state);
        self.sum = sum;
        self.placed.push((what, before));
    }

    /// Undoes what was placed last; what is to be tried instead.
    fn take_back(&mut self) -> Option<Next> {
        let (what, state) = self.placed.pop()?;
        self.state = state;
        let (entry, instead) = match what {
            Next::Required(node) => {
                let entry = self.events[node].entry;
                self.link(self.end_of[entry]);
                self.link(node);
                self.left += 1;
                (entry, Next::Required(self.after[node]))
            }
            Next::Optional { place, before } => {
                self.optional_done[place] = false;
                (self.optional[place], Next::Optional { place: place + 1, before })
            }
        };
        self.sum = self.sum.wrapping_sub(weight(entry));
        Some(instead)
    }

    fn unlink(&mut self, node: Node) {
        let (before, after) = (self.before[node], self.after[node]);
        self.after[before] = after;
        self.before[after] = before;
    }

    /// The opposite of `unlink`, in the opposite order.
    fn link(&mut self, node: Node) {
        let (before, after) = (self.before[node], self.after[node]);
        self.after[before] = node;
        self.before[after] = node;
    }
}

/// An entry's share in the sum over a set of entries.
fn weight(entry: usize) -> u128 {
    let mut draw = tradewind_launcher::Draw::new(entry as u64);
    (u128::from(draw.number()) << 64) | u128::from(draw.number())
}
