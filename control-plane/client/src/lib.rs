//! Asking the InfrastructureManagers. Decides which member is asked, when the next one is, and what an
//! outcome is called: accepted, refused or unknown. What is asked and what it means is left to the
//! caller; who leads is the members' own affair, any of them takes everything.

mod answer;
mod client;
mod keys;
mod life;
pub mod limits;
mod members;
mod time;
mod watch;

pub use answer::Answer;
pub use client::ControlClient;
pub use keys::{Clock, KeySource};
pub use time::GroupTime;
pub use watch::{Watch, WatchEnd, Watched, events_path};
