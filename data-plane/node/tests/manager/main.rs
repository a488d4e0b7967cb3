//! Claims about Managers and their services, with real processes: this very test program is started again as the service
//! (`broker` is then the name of the only test it runs: no claim has it in its name), and real sockets stand in between. The
//! InfrastructureManager is played by `leader`, over the real protocol.

#![allow(clippy::unwrap_used)]

mod broker_process;
mod check_ins;
mod frames;
mod leader;
mod proof;
mod raw_pipe;
mod records;
mod returns;
mod services;
mod strangers;
mod ticker;
mod unruly;
mod watcher;
mod watching;
mod world;

/// Not a claim: the service's own process. Without its environment it has nothing to do.
#[test]
fn broker() {
    broker_process::main_if_spawned();
}
