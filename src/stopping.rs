//! When a process should stop. Decides what counts as being asked: SIGTERM, SIGINT, SIGHUP, and the end
//! of standard input where the launcher has said that it holds the other side; and that a command which waits for an
//! answer is left then, with words that say what that means.

use crate::exit::Over;
use std::{io::Read as _, process::ExitCode, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// Set by a launcher: nothing it started should outlive it, however it ends.
const UNTIL_STDIN_CLOSES: &str = "TRADEWIND_UNTIL_STDIN_CLOSES";
/// After standard input has closed the process has so long to stop by itself.
const LAST_MOMENTS: Duration = Duration::from_secs(3);
/// A command that has words of its own for being left says them in this time.
const OWN_WORDS: Duration = Duration::from_millis(300);

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

/// Runs a command that asks and waits. One that does not end by itself when it is told to stop is left.
pub(crate) async fn unless_left(
    stop: &CancellationToken,
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let left = async {
        stop.cancelled().await;
        sleep(OWN_WORDS).await;
    };
    tokio::select! {
        done = command => done,
        () = left => Err(left_off().into()),
    }
}

/// What is said of a question whose answer was not waited for.
pub(crate) fn left_off() -> Over {
    let text = "left before the answer came: what was asked for may be done all the same; look before you ask again";
    Over::TimedOut(text.to_owned())
}

/// Does what cannot be given up, such as reading a terminal, on a thread of its own: the process may end beside it.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || drop(tell.send(work())));
    Ok(told.await?)
}
