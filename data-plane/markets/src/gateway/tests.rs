//! Claims about the edge over real sockets: algo, gateway, Market and a Broker that does as it is told.
#![allow(clippy::unwrap_used)]

mod doors;
mod orders;
mod presence;
mod sessions;
mod shards;
mod streams;
