//! The hash of a state, by which members find out that they differ. Decides the hash of a row, over a form of
//! its own (`encoding`) that no compiler and no crate changes, and that a state's hash is the sum of its
//! rows' hashes: so it is kept up to date by each write, whatever the order. It finds faults, not forgeries.

mod encoding;
pub mod verdict;

use super::row::Row;
use alloc::string::String;
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use twox_hash::XxHash3_128;

/// 128 bits: 32 hexadecimal digits in JSON and text, a number in binary records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash(pub u128);

/// The sum so far. The empty sum is that of no rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum(u128);

impl Sum {
    pub(super) fn add(&mut self, row: &Row) {
        self.0 = self.0.wrapping_add(hash_of(row));
    }

    pub(super) fn take(&mut self, row: &Row) {
        self.0 = self.0.wrapping_sub(hash_of(row));
    }

    /// With one more row: the one that is in every state and changes with every entry.
    pub(super) fn with(mut self, row: &Row) -> StateHash {
        self.add(row);
        StateHash(self.0)
    }
}

impl StateHash {
    /// The hash of a state that consists of these rows: what a kept sum must equal.
    #[must_use]
    pub fn of_rows(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut sum = Sum::default();
        rows.into_iter().for_each(|row| sum.add(&row));
        Self(sum.0)
    }
}

fn hash_of(row: &Row) -> u128 {
    XxHash3_128::oneshot(&encoding::encode(row))
}

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a state hash has 32 hexadecimal digits")]
pub struct InvalidHash;

impl FromStr for StateHash {
    type Err = InvalidHash;
    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        if text.len() != 32 {
            return Err(InvalidHash);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| InvalidHash)
    }
}

impl Serialize for StateHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u128(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for StateHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests;
