//! Trading states as Brokers are told them, from above and by those they serve. Decides which of two words counts: the
//! one with the higher version, and of one version the tighter. So who was told to tighten, by whatever way, stays
//! tight until he hears of a version that loosens.

use crate::control::risk::TradingState;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub state: TradingState,
    /// Of the state as it was set above; 0: it never was.
    pub version: u64,
}

impl Word {
    /// What holds where nobody has said anything.
    pub const ACTIVE: Self = Self { state: TradingState::Active, version: 0 };

    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if (other.version, other.state) > (self.version, self.state) { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_higher_version_counts_and_of_one_version_the_tighter() {
        use TradingState::{Active, Halted, Reducing};
        let word = |state, version| Word { state, version };
        for (one, other, counts) in [
            (word(Active, 5), word(Halted, 5), word(Halted, 5)),
            (word(Halted, 5), word(Active, 6), word(Active, 6)),
            (word(Reducing, 5), word(Halted, 5), word(Halted, 5)),
            (word(Halted, 0), Word::ACTIVE, word(Halted, 0)),
            (word(Active, 9), word(Halted, 5), word(Active, 9)),
        ] {
            assert_eq!((one.or(other), other.or(one)), (counts, counts));
        }
    }
}
