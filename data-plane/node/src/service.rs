//! The shell of every service: Broker, Market, Trader. Decides how a service checks in with the Manager
//! that spawned it, takes its pipe, beats and stops; what it does is decided by the `work` it is given.

mod context;
mod door;
mod health;
mod holder;
mod load;
mod parent;
mod reporter;
mod right;
mod shell;

pub use context::{
    Context, EnvError, MANAGER, OPEN_FILES, PIPE_TOKEN, SERVICE, SERVICE_TOKEN, STATE_DIR,
};
pub use reporter::{ManagerAsker, StateReporter};
pub use shell::{BoxError, Error, run};

#[cfg(test)]
mod tests;
