//! Playing a recording in a loop. Decides which message comes next and after what pause; waiting is left
//! to the caller.

use core::num::NonZeroU32;
use core::time::Duration;

use super::{DepthBook, Recording};
use crate::engine::StreetLevel;

/// A recording being played. It never ends: after the last message comes the first, a snapshot.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    /// Index of the next message.
    next: usize,
    pub(super) book: DepthBook,
    speed: NonZeroU32,
    pause_max: Duration,
}

impl Replay {
    pub fn new(recording: Recording, speed: NonZeroU32, pause_max: Duration) -> Self {
        Self { recording, next: 0, book: DepthBook::default(), speed, pause_max }
    }

    /// How long after the last message the next one comes: the recorded time divided by the speed, at
    /// most the longest pause, which also stands where nothing is recorded.
    pub fn pause(&self) -> Duration {
        let recorded = self.recording.messages[self.next].pause;
        recorded.map_or(self.pause_max, |pause| (pause / self.speed.get()).min(self.pause_max))
    }

    /// What the next message sets.
    pub fn step(&mut self) -> Vec<StreetLevel> {
        let messages = &self.recording.messages;
        let changes = self.book.apply(&messages[self.next]);
        self.next = (self.next + 1) % messages.len();
        changes
    }
}
