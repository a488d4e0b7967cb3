//! Members talking to each other over loopback, in one process, with their files in temporary directories.
#![allow(clippy::unwrap_used)]

mod catch_up;
mod cutting;
mod divergence;
mod group;
mod levels;
mod lives;
mod membership;
mod power_loss;
mod rebuilt;
mod recorded;
mod remembered;
mod restart;
mod state_damage;
mod strangers;
mod watching;
pub(crate) mod world;
