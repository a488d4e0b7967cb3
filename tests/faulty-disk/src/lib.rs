//! A disk that fails, is slow, or is recorded, for a process that does not know of it; and power losses made
//! out of such a recording. Decides what a power loss may leave behind; what must be left is for the tests
//! that use this. The rules and the form of the tape stand at the head of `shim/faulty_disk.c`.
//!
//! The process is started with [`FaultyDisk::environment`]. What it does by system calls of its own, without
//! libc, is not seen: of this project that is the reserving of space (`fallocate`) alone, whose effect shows
//! in the sizes on the tape.
#![allow(clippy::missing_panics_doc, clippy::missing_errors_doc)]

mod disk;
mod image;
mod power;
mod random;
mod small;
mod tape;

pub use disk::FaultyDisk;
pub use image::{Image, cut_power};
pub use power::Replay;
pub use random::Random;
pub use small::SmallDisk;
pub use tape::{Event, Kind, read_tape};
