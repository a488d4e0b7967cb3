//! The second copy of a ledger. Decides nothing of the protocol, which is `domain::trading::copies`' (decision 83): here
//! are its shells. At the Broker [`durable`] says up to which record both disks have it, [`stream`] sends it, [`match_up`]
//! brings the two together at a start, [`succeed`] loads the copy elsewhere; at the BrokerManager [`shelf`] keeps
//! copies on disk, and [`serve`] the pipes to them.

pub(crate) mod durable;
pub(crate) mod match_up;
pub(crate) mod pipe;
pub(crate) mod seals;
pub(crate) mod serve;
pub(crate) mod shelf;
pub(crate) mod stream;
pub(crate) mod succeed;

#[cfg(test)]
mod tests;
