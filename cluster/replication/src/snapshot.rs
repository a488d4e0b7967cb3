//! Snapshots as files: made from a machine, received from a peer, kept and read. Decides the format and that
//! a file under its final name is whole and durable; when one is made or sent, openraft decides.
//!
//! A file is `TWSNAP01`, then blocks: length (4 bytes, big-endian) and a record of kind `SnapshotBlock`. The
//! first is the head, the last tells the number of rows and the state's hash; each carries its checksum.

mod file;
mod gentle;
mod incoming;
mod sending;
mod shelf;
mod slow;
#[cfg(test)]
mod tests;

pub(crate) use file::{SnapshotFile, read};
pub(crate) use incoming::Incoming;
pub(crate) use sending::Sending;
pub(crate) use shelf::Shelf;
pub(crate) use slow::slowly;
