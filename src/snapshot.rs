//! `tradewind snapshot` and `tradewind recover`: the state of a whole cluster in a file, and clusters that
//! begin anew. Decides what the operator is told and asked; what is checked and made is
//! `cluster/replication`'s.

mod args;
mod inspect;
mod recover;
mod restore;
mod save;

pub(crate) use args::{RecoverArgs, SnapshotArgs, SnapshotCommand};
pub(crate) use inspect::run as inspect;
pub(crate) use recover::run as recover;
pub(crate) use restore::run as restore;
pub(crate) use save::run as save;
