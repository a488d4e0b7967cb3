//! Whether this process stood still: stopped, swapped out, or its whole machine was. Decides what counts as
//! that, and not what follows. Waiting for a disk or for a quorum is no standing still.

use crate::limits::{LOOK_EVERY, PAUSE};
use std::{pin::pin, time::Duration};
use tokio::time::{Instant, sleep};

/// Notes each time that its task had its turn.
pub(super) struct Awake(Instant);

impl Awake {
    pub(super) fn now() -> Self {
        Self(Instant::now())
    }

    /// The task has its turn, at least each `LOOK_EVERY`. Gives how long it had none if that was a pause.
    pub(super) fn look(&mut self) -> Option<Duration> {
        let asleep = self.0.elapsed();
        self.0 = Instant::now();
        (asleep > PAUSE + LOOK_EVERY).then_some(asleep)
    }

    /// Does the work, looking all the while. Gives what came of it, and the longest pause if there was one.
    pub(super) async fn during<T>(
        &mut self,
        work: impl Future<Output = T>,
    ) -> (T, Option<Duration>) {
        let mut work = pin!(work);
        let mut longest = self.look();
        loop {
            let done = tokio::select! {
                biased;
                done = &mut work => Some(done),
                () = sleep(LOOK_EVERY) => None,
            };
            longest = longest.max(self.look());
            if let Some(done) = done {
                return (done, longest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(500);

    #[tokio::test]
    async fn standing_still_while_something_is_awaited_is_a_pause_and_waiting_is_none() {
        let mut awake = Awake::now();
        let (three, waiting) = awake
            .during(async {
                sleep(LONG).await;
                3
            })
            .await;
        assert_eq!((three, waiting), (3, None));
        let stopped = async {
            sleep(LOOK_EVERY).await;
            // The runtime's one thread: nothing runs meanwhile, as in a process that is stopped.
            std::thread::sleep(LONG);
        };
        assert!(awake.during(stopped).await.1.is_some_and(|asleep| asleep >= LONG));
        assert_eq!(awake.look(), None);
    }
}
