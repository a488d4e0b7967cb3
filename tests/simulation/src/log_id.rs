//! Ids of log entries as they stand in the records of `cluster/replication`. Decides how one is read without
//! knowing what follows it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogId {
    pub(crate) term: u64,
    pub(crate) node: u64,
    pub(crate) index: u64,
}

impl LogId {
    /// The id that begins at that byte of a record: three numbers of variable length.
    pub(crate) fn at(record: &[u8], mut at: usize) -> Option<Self> {
        let mut numbers = [0; 3];
        for number in &mut numbers {
            let first = *record.get(at)?;
            let (width, value) = match first {
                251 => (2, None),
                252 => (4, None),
                253 => (8, None),
                small => (0, Some(u64::from(small))),
            };
            let mut wide = [0; 8];
            wide[..width].copy_from_slice(record.get(at + 1..at + 1 + width)?);
            *number = value.unwrap_or(u64::from_le_bytes(wide));
            at += 1 + width;
        }
        let [term, node, index] = numbers;
        Some(Self { term, node, index })
    }

    /// The id of the last applied entry in a state's head: behind the generation (8 bytes), format, kind
    /// and the mark that there is one.
    pub(crate) fn in_head(head: &[u8]) -> Option<Self> {
        if head.get(10) == Some(&1) { Self::at(head, 11) } else { None }
    }
}
