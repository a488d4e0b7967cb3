//! What copies of Traders have put on record, and whether two of one Trader were accepted at a time (T1). Decides by
//! one clock, that of the machine all of them run on: from the start of a copy on, nothing that a copy of an earlier
//! right sends is accepted.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// One line of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub trader: String,
    /// Of its right, as its token says.
    pub epoch: u64,
    /// Nanoseconds since 1970; before it was sent.
    pub sent: u64,
    pub answer: Answer,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The copy begins to run.
    Started,
    /// An order.
    Accepted,
    Refused {
        code: String,
    },
    Unknown,
    Cancel {
        accepted: bool,
    },
}

/// The machine's time, in nanoseconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// All lines so far; one that is being written is left out.
#[must_use]
pub fn read(file: &Path) -> Vec<Line> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Of one Trader: when the first copy of each right began.
fn begins(lines: &[Line], trader: &str) -> BTreeMap<u64, u64> {
    let mut begins = BTreeMap::new();
    for line in lines.iter().filter(|line| line.trader == trader && line.answer == Answer::Started)
    {
        let first = begins.entry(line.epoch).or_insert(line.sent);
        *first = (*first).min(line.sent);
    }
    begins
}

/// Orders that were accepted of a copy although one of a later right had begun before they were sent.
#[must_use]
pub fn accepted_beside(lines: &[Line], trader: &str) -> Vec<Line> {
    let begins = begins(lines, trader);
    let later = |line: &&Line| begins.range(line.epoch + 1..).any(|(_, began)| *began <= line.sent);
    let accepted =
        lines.iter().filter(|line| line.trader == trader && line.answer == Answer::Accepted);
    accepted.filter(later).cloned().collect()
}

/// How often a copy was refused for its right, once one of a later right had begun: that it tried at all.
#[must_use]
pub fn refused_beside(lines: &[Line], trader: &str) -> usize {
    let begins = begins(lines, trader);
    let stale = Answer::Refused { code: "StaleTrader".to_owned() };
    let refused = lines.iter().filter(|line| line.trader == trader && line.answer == stale);
    let later = |line: &&Line| begins.range(line.epoch + 1..).any(|(_, began)| *began <= line.sent);
    refused.filter(later).count()
}

/// The newest right of which an order was accepted.
#[must_use]
pub fn newest(lines: &[Line], trader: &str) -> u64 {
    let accepted =
        lines.iter().filter(|line| line.trader == trader && line.answer == Answer::Accepted);
    accepted.map(|line| line.epoch).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(epoch: u64, sent: u64, answer: Answer) -> Line {
        Line { trader: "t".to_owned(), epoch, sent, answer }
    }

    #[test]
    fn two_copies_that_are_accepted_at_a_time_are_found() {
        let stale = || Answer::Refused { code: "StaleTrader".to_owned() };
        let mut lines = vec![
            line(5, 1, Answer::Started),
            line(5, 2, Answer::Accepted),
            line(9, 10, Answer::Started),
            line(5, 11, stale()),
            line(5, 12, Answer::Cancel { accepted: true }),
            line(9, 13, Answer::Accepted),
        ];
        assert_eq!(accepted_beside(&lines, "t"), []);
        assert_eq!((refused_beside(&lines, "t"), newest(&lines, "t")), (1, 9));
        // Planted: the old copy goes on, though the new one has sent nothing yet.
        let planted = line(5, 10, Answer::Accepted);
        lines.push(planted.clone());
        assert_eq!(accepted_beside(&lines, "t"), [planted]);
        assert_eq!(accepted_beside(&lines, "other"), []);
    }
}
