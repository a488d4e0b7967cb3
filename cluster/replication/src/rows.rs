//! A machine from many rows. Decides that reading, decoding and putting in go on at once: a million rows are
//! back in seconds, and no more of them than a few blocks are held twice.

use std::{
    panic::resume_unwind,
    sync::mpsc::sync_channel,
    thread::{self, ScopedJoinHandle},
};
use tradewind_domain::control::{Machine, Row};

/// Blocks on their way between two threads: enough that none waits for the other's every turn.
const AHEAD: usize = 16;

/// Builds a machine. `feed` reads blocks on this thread and hands each on until it is told that nobody
/// wants more, which is so only after an error of `decode`'s.
pub(crate) fn build<T: Send, E: Send>(
    feed: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<(), E>,
    mut decode: impl FnMut(T) -> Result<Vec<Row>, E> + Send,
) -> Result<Machine, E> {
    thread::scope(|scope| {
        let (hand_on, blocks) = sync_channel::<T>(AHEAD);
        let (decoded, rows) = sync_channel::<Vec<Row>>(AHEAD);
        let decoding = scope.spawn(move || {
            for block in blocks {
                // Nobody takes them only if putting in has panicked, which is told below.
                if decoded.send(decode(block)?).is_err() {
                    break;
                }
            }
            Ok(())
        });
        let putting_in = scope.spawn(move || Machine::from_rows(rows.into_iter().flatten()));
        let fed = feed(&mut |block| hand_on.send(block).is_ok());
        drop(hand_on);
        let decoded: Result<(), E> = joined(decoding);
        let machine = joined(putting_in);
        fed?;
        decoded?;
        Ok(machine)
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}
