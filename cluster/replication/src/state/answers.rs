//! Answered commands on disk: every command leaves one, so they are kept apart from the other rows, in pages
//! that are only ever added. A page holds what was answered and what was forgotten since the page before.
//! Decides what a page is and when all of them are written anew: when most of what they hold is forgotten.

use super::{StateError, kv::Batch};
use crate::{
    limits::{ANSWERS_PAGE, ANSWERS_SLACK},
    records::{self, AnswersRecord, Kind},
};
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        IdempotencyKey, Machine, Remembered, Row, RowKey,
        row::{AnsweredRow, AnsweredToRow},
    },
    ids::Revision,
};

const PAGE_PREFIX: u8 = 3;

/// What the pages of a generation hold.
#[derive(Default)]
pub(super) struct Pages {
    /// Answers and forgotten keys, whether they still count or not.
    held: usize,
}

/// What goes into the next pages.
#[derive(Default)]
pub(super) struct Answers {
    answered: Vec<AnsweredRow>,
    answered_to: Vec<AnsweredToRow>,
    forgotten: Vec<IdempotencyKey>,
}

impl Answers {
    /// Takes a changed row that belongs here, and says whether it did.
    pub(super) fn take(&mut self, key: &RowKey, machine: &Machine) -> bool {
        let (RowKey::Answered(key_of_answer) | RowKey::AnsweredTo(key_of_answer)) = key else {
            return false;
        };
        match machine.row(key) {
            Some(Row::Answered(row)) => self.answered.push(row),
            Some(Row::AnsweredTo(row)) => self.answered_to.push(row),
            _ => self.forgotten.push(key_of_answer.clone()),
        }
        true
    }

    /// All that the machine remembers.
    pub(super) fn all_of(machine: &Machine) -> Self {
        let mut all = Self::default();
        for Remembered { answered, request } in machine.answered().cloned() {
            match request {
                None => all.answered.push(answered),
                Some(request) => all.answered_to.push(AnsweredToRow { answered, request }),
            }
        }
        all
    }

    fn len(&self) -> usize {
        self.answered.len() + self.answered_to.len() + self.forgotten.len()
    }
}

impl Pages {
    /// Whether the pages should be written anew instead of adding these.
    pub(super) fn full(&self, more: &Answers, machine: &Machine) -> bool {
        self.held + more.len() > 2 * machine.answered_count() + ANSWERS_SLACK
    }

    /// The pages that hold `answers`, with their keys; `revision` is that of the head beside them.
    pub(super) fn add(
        &mut self,
        generation: u64,
        revision: Revision,
        answers: &Answers,
    ) -> Result<Batch, StateError> {
        self.held += answers.len();
        let mut pages = Batch::new();
        let mut put = |page: &AnswersRecord| {
            let mut key = prefix(generation);
            key.extend_from_slice(&revision.0.to_be_bytes());
            key.extend_from_slice(&(pages.len() as u32).to_be_bytes());
            pages.push((key, Some(records::encode(Kind::Answers, page)?)));
            Ok::<(), StateError>(())
        };
        for answered in answers.answered.chunks(ANSWERS_PAGE) {
            put(&AnswersRecord::Answered(answered.to_vec()))?;
        }
        for answered in answers.answered_to.chunks(ANSWERS_PAGE) {
            put(&AnswersRecord::AnsweredTo(answered.to_vec()))?;
        }
        for forgotten in answers.forgotten.chunks(ANSWERS_PAGE) {
            put(&AnswersRecord::Forgotten(forgotten.to_vec()))?;
        }
        Ok(pages)
    }

    /// Nothing is held any more.
    pub(super) fn clear(&mut self) {
        self.held = 0;
    }
}

/// Puts the pages together, in the order of their keys.
#[derive(Default)]
pub(super) struct Reading {
    pages: Pages,
    answers: BTreeMap<IdempotencyKey, Remembered>,
}

impl Reading {
    pub(super) fn page(&mut self, page: &[u8]) -> Result<(), StateError> {
        match records::decode(Kind::Answers, page)? {
            AnswersRecord::Answered(rows) => {
                self.pages.held += rows.len();
                self.answers.extend(rows.into_iter().map(|row| (row.key.clone(), row.into())));
            }
            AnswersRecord::AnsweredTo(rows) => {
                self.pages.held += rows.len();
                let named = |row: AnsweredToRow| (row.answered.key.clone(), row.into());
                self.answers.extend(rows.into_iter().map(named));
            }
            AnswersRecord::Forgotten(keys) => {
                self.pages.held += keys.len();
                keys.iter().for_each(|key| drop(self.answers.remove(key)));
            }
        }
        Ok(())
    }

    pub(super) fn done(self) -> (Pages, impl Iterator<Item = Row>) {
        (self.pages, self.answers.into_values().map(Remembered::row))
    }
}

/// Where the pages of a generation begin; the next generation's prefix is where they end.
pub(super) fn prefix(generation: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(32);
    key.push(PAGE_PREFIX);
    key.extend_from_slice(&generation.to_be_bytes());
    key
}

/// Above all pages of all generations.
pub(super) fn end() -> Vec<u8> {
    vec![PAGE_PREFIX + 1]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::{
            Command, Request, RequestHash, Stamped,
            level::{FeatureLevel, LevelRow},
        },
        ids::RegisterId,
        limits::IDEMPOTENCY_PER_CLIENT,
        time::UnixNanos,
    };

    fn put(n: u64) -> Stamped {
        let key = IdempotencyKey { client: "test".parse().unwrap(), issued_at: UnixNanos(n), n };
        let register = RegisterId::new("r").unwrap();
        let command = Command::PutRegister { register, value: n.to_string(), expected: None };
        // Every third names its request.
        let command = match n % 3 {
            0 => {
                let request = RequestHash::of("PUT", "/v1/registers/r", &n.to_le_bytes());
                Command::Asked { request, command: Box::new(command) }
            }
            _ => command,
        };
        Stamped { at: UnixNanos(n), request: Request { key, command } }
    }

    #[test]
    fn pages_read_back_are_what_the_machine_remembers_also_when_they_were_written_anew() {
        let level = FeatureLevel::KNOWN;
        let level = LevelRow { level, revision: Revision(1), since: UnixNanos(0) };
        let mut machine = Machine::from_rows([Row::Level(level)]);
        let mut pages = Pages::default();
        let mut disk = BTreeMap::new();
        let mut anew = 0;
        let last = u64::from(IDEMPOTENCY_PER_CLIENT) * 6;
        for flush in (1..=last).collect::<Vec<_>>().chunks(5_000) {
            let mut answers = Answers::default();
            let mut changed = Vec::new();
            for n in flush {
                changed.extend(machine.apply(Revision(*n), &put(*n)).changed);
            }
            changed.sort();
            changed.dedup();
            changed.retain(|key| !answers.take(key, &machine));
            assert!(
                changed
                    .iter()
                    .all(|key| !matches!(key, RowKey::Answered(_) | RowKey::AnsweredTo(_)))
            );
            if pages.full(&answers, &machine) {
                anew += 1;
                disk.clear();
                pages.clear();
                answers = Answers::all_of(&machine);
            }
            let revision = Revision(*flush.last().unwrap());
            disk.extend(pages.add(0, revision, &answers).unwrap());

            let mut reading = Reading::default();
            disk.values().flatten().for_each(|page: &Vec<u8>| reading.page(page).unwrap());
            let (read, rows) = reading.done();
            assert_eq!(read.held, pages.held);
            let remembered = machine.answered().cloned().map(Remembered::row);
            assert!(rows.eq(remembered), "after {revision}");
            let asked = machine.answered().filter(|one| one.request.is_some()).count();
            assert!(asked.abs_diff(machine.answered_count() / 3) <= 1, "{asked}");
        }
        assert!(anew >= 1, "the bound was never reached");
        assert!(machine.answered_count() <= IDEMPOTENCY_PER_CLIENT as usize);
    }
}
