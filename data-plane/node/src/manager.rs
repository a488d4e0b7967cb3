//! The shell of every Manager. Decides when a Manager checks in, which desired state counts, when its
//! lease holds and when it stops; which services it runs is decided by its [`Work`], what one service
//! goes through by `supervision`.

mod api;
mod asking;
mod cordon;
mod core;
mod intent;
mod leader;
mod lease;
mod options;
mod proof;
mod run;
mod standing;
mod work;

pub use options::Options;
pub use run::{Error, Running, run, start};
pub use work::{Gauge, Handle, Wanted, Work};
