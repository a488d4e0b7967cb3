//! Members talking to each other over loopback, in one process, with their files in temporary directories.
#![allow(clippy::unwrap_used)]

mod catch_up;
mod cutting;
mod group;
mod membership;
mod power_loss;
mod recorded;
mod restart;
mod state_damage;
mod strangers;
pub(crate) mod world;
