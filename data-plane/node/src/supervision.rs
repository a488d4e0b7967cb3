//! The services below a Manager: started, configured, watched, started again, stopped, and taken over
//! from an earlier life of the Manager. Decides when which of that happens; what should run is told by
//! the Manager's `Work`. A service whose Manager crashes goes on; nothing unwanted is left behind.

mod backoff;
mod change;
mod figures;
mod gone;
mod keeper;
mod life;
mod logs;
mod records;
mod setup;
mod supervisor;

pub use backoff::Backoff;
pub(crate) use change::Change;
pub(crate) use figures::Counts;
pub(crate) use life::fence_of;
pub(crate) use setup::Setup;
pub(crate) use supervisor::{Reports, Supervisor};
