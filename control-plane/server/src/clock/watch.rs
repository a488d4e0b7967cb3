//! Watching this machine's clock. Decides that a member whose clock was set back or forth by much, or is behind
//! the log's time, says so and leads no longer than it takes to hand over: the others' clocks are better. A
//! member hands over once for each such finding, so that a group whose clocks are all wrong still has a leader.

use super::{Clocks, steady::Step};
use crate::limits::{CLOCK_LOOK_EVERY, CLOCK_STEP_MAX, HAND_OVER_WITHIN};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tradewind_domain::time::UnixNanos;
use tradewind_replication::{Replica, Role};

const ADVICE: &str = "this member's clock cannot be trusted, it leads no longer than it takes to hand over; set the \
                      clock and see that it is kept (chronyc tracking, timedatectl), then start the member again";

/// What is wrong with the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    SetBack(Duration),
    SetForth(Duration),
    BehindLog(Duration),
}

/// `latest` is the log's time, which no good clock is far behind.
fn judge(step: Step, used: UnixNanos, latest: UnixNanos) -> Option<Finding> {
    match step {
        Step::Back(by) => Some(Finding::SetBack(by)),
        Step::Forth(by) => Some(Finding::SetForth(by)),
        Step::None => {
            let behind = latest.since(used);
            (behind > CLOCK_STEP_MAX).then_some(Finding::BehindLog(behind))
        }
    }
}

/// Looks as long as the member runs. May be cancelled.
pub(crate) async fn watch(clocks: Clocks, replica: Replica) {
    let mut look = interval(CLOCK_LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, mut handed_over) = (false, false);
    loop {
        look.tick().await;
        let used = (clocks.unix)();
        let latest = replica.machine().cluster().at;
        match judge((clocks.step)(), used, latest) {
            Some(finding) if !told => tell(finding),
            Some(_) => {}
            None if told => {
                tracing::info!("this machine's clock is right again");
                (told, handed_over) = (false, false);
                continue;
            }
            None => continue,
        }
        told = true;
        if !handed_over && replica.status().role == Role::Leader {
            // Tried once a finding: each try stops writes for a moment.
            handed_over = true;
            hand_over(&replica).await;
        }
    }
}

fn tell(finding: Finding) {
    let (what, by) = match finding {
        Finding::SetBack(by) => ("was set back", by),
        Finding::SetForth(by) => ("was set forth", by),
        Finding::BehindLog(by) => ("is behind the log's time", by),
    };
    tracing::error!(what, seconds = by.as_secs(), advice = ADVICE, "clock not trusted");
}

async fn hand_over(replica: &Replica) {
    match timeout(HAND_OVER_WITHIN, replica.transfer_leadership(None)).await {
        Ok(Ok(to)) => tracing::warn!(%to, "leadership handed over, for the clock"),
        Ok(Err(error)) => tracing::warn!(%error, "leadership not handed over"),
        Err(_) => tracing::warn!("leadership not handed over in time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_its_steps_and_by_the_log() {
        let hour = Duration::from_secs(3_600);
        let at = |seconds: u64| UnixNanos(seconds * 1_000_000_000);
        assert_eq!(judge(Step::None, at(5_000), at(5_030)), None);
        assert_eq!(judge(Step::None, at(9_000), at(5_000)), None, "the log may be idle");
        assert_eq!(judge(Step::None, at(5_000), at(8_600)), Some(Finding::BehindLog(hour)));
        assert_eq!(judge(Step::Back(hour), at(5_000), at(5_000)), Some(Finding::SetBack(hour)));
        assert_eq!(judge(Step::Forth(hour), at(5_000), at(8_600)), Some(Finding::SetForth(hour)));
    }
}
