//! Work for which nobody waits: snapshots and backups. Decides that it gets a thread of its own, which gives
//! way to every other one as long as both want a core.

use crate::runtime;
use rustix::{process::setpriority_process, thread::gettid};
use std::{io, thread};
use tokio::sync::oneshot;

/// Against a thread of ordinary priority such a one gets a tenth of a core, and with nothing else to do all
/// of it. The lowest priority would never end on a machine that is busy with other things.
const NICENESS: i32 = 10;

/// Does the work on such a thread and gives its outcome. Dropped, it leaves the work going on.
pub(crate) async fn slowly<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if runtime::is_simulated() {
        return runtime::spawn_blocking(work).await.map_err(io::Error::other);
    }
    let (done, outcome) = oneshot::channel();
    let work = move || {
        // On Linux a thread has a priority of its own. One that keeps its parent's only takes more.
        let _ = setpriority_process(Some(gettid()), NICENESS);
        // Whoever asked may have gone.
        let _ = done.send(work());
    };
    thread::Builder::new().name("snapshot".to_owned()).spawn(work)?;
    outcome.await.map_err(|_| io::Error::other("the snapshot's thread panicked"))
}
