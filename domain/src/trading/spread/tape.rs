//! The tape of an instrument as it comes from a venue, over one connection after the other. Decides which trades are told
//! and where a hole is.
//!
//! TP1 every hole is told, and none that is not there: where the venue numbers its trades, its numbers say so, and where it
//! does not, a connection that began anew is one. TP2 no trade is told twice.

use alloc::{collections::VecDeque, vec::Vec};

/// How far an instrument's trades have come at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Numbers of different lives have nothing to do with each other.
    pub life: u64,
    /// Of the last trade. The next one has the number after it.
    pub number: u64,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<T> {
    /// Something is missing here.
    Hole,
    Trade(T),
}

/// A connection that is to be heard next.
#[derive(Clone, Debug)]
struct Next<T> {
    /// Where it began.
    mark: Option<Mark>,
    trades: VecDeque<(Option<u64>, T)>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Tape<T> {
    /// It was heard before.
    begun: bool,
    told: Option<Mark>,
    next: Option<Next<T>>,
    /// Trades of the next connection that are kept until it is heard.
    kept: usize,
}

impl<T> Tape<T> {
    /// Of which nothing was heard yet. While another connection is heard, `kept` trades of the next one are kept at most.
    #[must_use]
    pub fn new(kept: usize) -> Self {
        Self { begun: false, told: None, next: None, kept }
    }

    /// A connection has the instrument, and its trades follow this mark.
    pub fn begins(&mut self, mark: Option<Mark>) {
        self.next = Some(Next { mark, trades: VecDeque::new() });
    }

    /// A trade of a connection that is not heard yet.
    pub fn waits(&mut self, number: Option<u64>, trade: T) {
        let kept = self.kept;
        // What is not kept is missed, which the number of the next one says; without numbers the whole change is a hole.
        if let Some(next) = self.next.as_mut().filter(|next| next.trades.len() < kept) {
            next.trades.push_back((number, trade));
        }
    }

    /// The connection that began last is heard from now on.
    pub fn hears(&mut self) -> Vec<Told<T>> {
        let Some(Next { mark, trades }) = self.next.take() else { return Vec::new() };
        let whole = match (self.told, mark) {
            _ if !self.begun => true,
            (Some(told), Some(mark)) => told.life == mark.life && told.number >= mark.number,
            (None, _) | (_, None) => false,
        };
        let mut out = Vec::new();
        if !whole {
            out.push(Told::Hole);
        }
        if !whole || !self.begun {
            self.told = mark;
        }
        self.begun = true;
        for (number, trade) in trades {
            out.extend(self.trade(number, trade));
        }
        out
    }

    /// A trade of the connection that is heard.
    pub fn trade(&mut self, number: Option<u64>, trade: T) -> Vec<Told<T>> {
        let (Some(told), Some(number)) = (&mut self.told, number) else {
            return Vec::from([Told::Trade(trade)]);
        };
        if number <= told.number {
            return Vec::new();
        }
        let whole = number == told.number + 1;
        told.number = number;
        if whole {
            Vec::from([Told::Trade(trade)])
        } else {
            Vec::from([Told::Hole, Told::Trade(trade)])
        }
    }
}
