//! Replication: the Raft group of the InfrastructureManagers. Decides how members agree and what survives
//! which failure; what they agree on is `domain::control`'s, who may ask is `control-plane/server`'s.
//! openraft and sled are named in this crate alone, and nothing of theirs is in its interface.
//!
//! An entry is acknowledged when a quorum has it in its journals and this member has applied it. It is
//! applied only once it is durable in this member's own journal. State in sled is written behind and made up
//! for from the journal; the journal is purged only below what sled has flushed and a durable snapshot holds.
//!
//! In a state directory: `log/` (journal, vote, marks), `state/` (sled), `snapshots/`, `identity`, `disk`, `members`
//! (whom it knew), and `removed` or `diverged` where that is so.

mod audit;
mod backup;
mod contact;
mod environment;
mod errors;
mod events;
mod group_clock;
mod level;
mod limits;
mod log;
mod meters;
mod network;
mod options;
mod raft;
mod records;
mod replica;
mod rounds;
mod rows;
mod runtime;
mod snapshot;
mod state;
mod status;
#[cfg(test)]
mod tests;

pub use audit::{AuditStatus, Checkpoint, Divergence};
pub use backup::{
    Backup, BackupError, BackupInfo, Export, ExportError, FoundError, NewGroup, Survivor,
    SurvivorError,
};
pub use environment::{Accept, Environment, Network, OpenJournal, OpenRows, PeerListener, Socket};
pub use errors::{
    InitializeError, KnownLeader, ProposeError, ReadError, StartError, TransferError,
};
pub use events::{EntryEvents, EventStream, EventsError, Gone};
pub use level::LevelNotKnown;
pub use limits::{ELECTION_MOST, PROPOSAL_BYTES_MAX};
pub use log::LogError;
pub use meters::{Meters, Proposals};
pub use options::{InvalidOptions, Member, Options, Snapshots, Timing};
pub use records::RecordError;
pub use replica::{
    Belongs, ChangeError, Clock, GroupStep, GroupSteps, GroupView, Progress, Proposed, Replica,
    SnapshotFigures, belongs, disk_of,
};
pub use runtime::{SimulatedThread, simulate, since_boot};
pub use state::{Batch, Kv, StateError, Visit};
pub use status::{Role, Status};
pub use tradewind_journal::Counted;
