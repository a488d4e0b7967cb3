//! Whether a Trader should run, and what another word of that makes of its place. Decides the whole table: any word may
//! follow any other, and what differs is whether a place is taken anew, kept, or given up. Where the place is, is decided
//! by placement.

use crate::control::row::TraderWish;

/// What a word makes of a Trader's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It starts: what it is with must take one more.
    Starts,
    /// It keeps its place, or goes on without one.
    GoesOn,
    /// It needs its place no more, and a copy of it has no right any more.
    Stops,
}

impl TraderWish {
    pub const ALL: [Self; 3] = [Self::Running, Self::Stopped, Self::Paused];

    /// The whole table. `before`: none of a Trader that is new, or begins anew with another owner.
    #[must_use]
    pub fn after(before: Option<Self>, to: Self) -> Turn {
        match (before, to) {
            (None | Some(Self::Stopped), Self::Running | Self::Paused) => Turn::Starts,
            (Some(Self::Running | Self::Paused), Self::Running | Self::Paused)
            | (None | Some(Self::Stopped), Self::Stopped) => Turn::GoesOn,
            (Some(Self::Running | Self::Paused), Self::Stopped) => Turn::Stops,
        }
    }
}

#[cfg(test)]
mod tests;
