//! The InfrastructureManager: a member of the Raft group with its public interface and, while it leads,
//! its hold over the Managers. Decides who is asked and told what, and when; what is true is
//! `domain::control`'s decision, how members agree is `cluster/replication`'s.
//!
//! Invariants: every change carries an idempotency key; an outcome that is not known is told as unknown;
//! what only a leader may do is done only while its leadership is confirmed.

mod api;
mod clock;
mod formation;
mod group;
mod identity;
mod joining;
mod leader;
mod leading;
mod limits;
mod member;
mod metrics;
mod openapi;
mod options;
mod provision;
mod server;
mod service;
mod session;
#[cfg(test)]
mod tests;

pub use api::backup::SNAPSHOT as SNAPSHOT_PATH;
pub use openapi::document as openapi;
pub use options::{InitMember, Options, ProcessOptions, Provisioning};
pub use server::{Listeners, RAFT_DIRECTORY, RunError, Server, run};
pub use tradewind_replication::{Snapshots, Timing};

/// Backups and groups that begin anew: for a program that works on a stopped member's files.
pub mod backup {
    pub use tradewind_replication::{
        Backup, BackupError, BackupInfo, FoundError, Member, NewGroup, Survivor, SurvivorError,
    };
}
