//! When a process should stop. Decides what counts as being asked: SIGTERM, SIGINT, SIGHUP, and the end
//! of standard input where the launcher has said that it holds the other side.

use std::{io::Read as _, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Set by a launcher: nothing it started should outlive it, however it ends.
const UNTIL_STDIN_CLOSES: &str = "TRADEWIND_UNTIL_STDIN_CLOSES";
/// After standard input has closed the process has so long to stop by itself.
const LAST_MOMENTS: Duration = Duration::from_secs(3);

/// A token that is cancelled when the process is asked to stop.
pub(crate) fn token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut signals = [
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        signal(SignalKind::hangup())?,
    ];
    let asked = token.clone();
    tokio::spawn(async move {
        let [terminate, interrupt, hangup] = &mut signals;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
            asked.cancel();
        }
    });
    if std::env::var_os(UNTIL_STDIN_CLOSES).is_some() {
        let asked = token.clone();
        // A thread of its own: reading standard input cannot be given up once it has begun.
        std::thread::spawn(move || {
            let mut nothing = [0_u8; 64];
            while matches!(std::io::stdin().read(&mut nothing), Ok(read) if read > 0) {}
            asked.cancel();
            std::thread::sleep(LAST_MOMENTS);
            std::process::exit(1);
        });
    }
    Ok(token)
}
