//! Where one receiver of a private stream stands. Decides whether a numbered event is the next one, a
//! repeat or behind a hole, and from where the stream is opened again (O3: every gap told).

use tradewind_domain::ids::StreamEpoch;
use tradewind_protocol::stream::{Mode, Position};

/// The position after which everything has still to be forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    resume: Option<Position>,
}

/// What an event is to a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Next,
    Repeat,
    /// Something before it was not forwarded.
    Hole,
}

impl Cursor {
    pub(crate) fn new(from: Option<Position>) -> Self {
        Self { resume: from }
    }

    /// From where the stream has to be opened.
    pub(crate) fn resume(&self) -> Option<Position> {
        self.resume.clone()
    }

    /// The source says how it begins. After a snapshot's announcement the old position stays until its
    /// first event is there: were the pipe lost in between, the snapshot has to be asked for again. A
    /// snapshot of the same epoch answers a position that was never given: it begins at the beginning.
    pub(crate) fn opened(&mut self, mode: Mode, position: &Position) {
        match mode {
            Mode::Live => match &self.resume {
                Some(last) if last.epoch == position.epoch && last.seq > position.seq => {}
                Some(_) | None => self.resume = Some(position.clone()),
            },
            Mode::Snapshot => match &mut self.resume {
                Some(last) if last.epoch == position.epoch => last.seq = 0,
                Some(_) | None => {}
            },
            Mode::Replay => {}
        }
    }

    /// What the event `{epoch, seq}` is whose predecessor on the same channel has the number `prev`.
    pub(crate) fn step(&self, epoch: &StreamEpoch, seq: u64, prev: u64) -> Step {
        match &self.resume {
            Some(last) if last.epoch == *epoch && seq <= last.seq => Step::Repeat,
            Some(last) if last.epoch == *epoch && prev > last.seq => Step::Hole,
            // Of another epoch: the beginning of a snapshot.
            Some(_) | None => Step::Next,
        }
    }

    pub(crate) fn advance(&mut self, epoch: &StreamEpoch, seq: u64) {
        self.resume = Some(Position { epoch: epoch.clone(), seq });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn epoch(name: &str) -> StreamEpoch {
        StreamEpoch::new(name).unwrap()
    }

    fn at(name: &str, seq: u64) -> Position {
        Position { epoch: epoch(name), seq }
    }

    #[test]
    fn repeats_and_holes_are_told_from_the_next_event() {
        // given
        let cursor = Cursor::new(Some(at("a", 5)));
        // then
        assert_eq!(cursor.step(&epoch("a"), 5, 3), Step::Repeat);
        assert_eq!(cursor.step(&epoch("a"), 6, 5), Step::Next);
        assert_eq!(cursor.step(&epoch("a"), 9, 4), Step::Next, "5 to 8 were of the other channel");
        assert_eq!(cursor.step(&epoch("a"), 9, 7), Step::Hole);
        assert_eq!(cursor.step(&epoch("b"), 1, 0), Step::Next);
    }

    #[test]
    fn a_live_stream_resumes_from_where_it_stood_even_if_nothing_came() {
        // given
        let mut cursor = Cursor::new(None);
        // when
        cursor.opened(Mode::Live, &at("a", 7));
        // then
        assert_eq!(cursor.resume(), Some(at("a", 7)));
        assert_eq!(cursor.step(&epoch("a"), 9, 8), Step::Hole);
        cursor.opened(Mode::Live, &at("a", 6));
        assert_eq!(cursor.resume(), Some(at("a", 7)), "never backwards");
    }

    #[test]
    fn who_names_a_position_that_was_never_given_is_sent_everything_and_not_silence() {
        // given
        let mut cursor = Cursor::new(Some(at("a", 1_000)));
        // when
        cursor.opened(Mode::Snapshot, &at("a", 20));
        // then
        assert_eq!(cursor.step(&epoch("a"), 2, 0), Step::Next);
        assert_eq!(cursor.resume(), Some(at("a", 0)));
    }

    #[test]
    fn a_snapshot_that_was_announced_and_lost_is_asked_for_again() {
        // given
        let mut cursor = Cursor::new(Some(at("a", 7)));
        // when
        cursor.opened(Mode::Snapshot, &at("b", 20));
        // then
        assert_eq!(cursor.resume(), Some(at("a", 7)));
        cursor.advance(&epoch("b"), 1);
        assert_eq!(cursor.resume(), Some(at("b", 1)));
    }
}
