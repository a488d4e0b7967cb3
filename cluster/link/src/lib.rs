//! How processes talk: listeners for HTTP, calls by REST, and pipes (JSON frames over a WebSocket).
//! Decides how bytes travel, what is refused before anybody else sees it, and what is known of a message
//! that got no answer; what the messages mean is decided by the crates that use this one.

pub mod failure;
pub mod json;
pub mod limits;
pub mod listen;
pub mod pipe;
pub mod rest;
mod socket;
#[cfg(test)]
mod tests;

pub use failure::Failure;
