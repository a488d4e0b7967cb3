//! The replicated machine and what is decided over it. `machine` answers commands, `plan` decides what
//! the leader proposes next, `desired` says what each Manager should run. Consensus, storage and links
//! are left to the crates around.

mod access;
mod answered;
mod asked;
pub mod attach;
mod capacity;
pub mod command;
pub mod controls;
pub mod copies;
mod declare;
pub mod desired;
pub mod drain;
pub mod event;
pub mod fencing;
mod former;
pub mod group;
pub mod handed_back;
pub mod idempotency;
pub mod invariants;
pub mod lease;
pub mod level;
pub mod life;
pub mod machine;
pub mod manager_disk;
pub mod membership;
pub mod placement;
pub mod plan;
pub mod refusal;
pub mod registration;
pub mod resource;
pub mod risk;
pub mod row;
pub mod scale;
pub mod stamp;
pub mod state_hash;
mod table;
pub mod telling;
pub mod trader;
pub mod unasked;
pub mod watch;

pub use access::Placed;
pub use answered::Remembered;
pub use asked::RequestHash;
pub use command::{Command, IdempotencyKey, Request, Stamped};
pub use desired::{Desired, desired};
pub use event::{Event, EventKind};
pub use machine::{Applied, Machine, Outcome};
pub use plan::{Observed, Sighting, plan};
pub use refusal::Refusal;
pub use row::{Row, RowKey};
pub use state_hash::StateHash;
