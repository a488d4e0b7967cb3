//! Watching this machine's clock. Decides that a member whose clock was set back or forth by much, or is behind
//! the log's time, says so and leads no longer than it takes to hand over: the others' clocks are better. A
//! member hands over once for each such finding, so that a group whose clocks are all wrong still has a leader.
//! A step is followed once the others' calendars say the same: after a pause of a virtual machine it was right, and
//! where all were set they go together. A member that hears of no others follows one that has stood for long.

use super::{Clocks, steady::Step};
use crate::limits::{CLOCK_LOOK_EVERY, CLOCK_STEP_MAX, CLOCK_STOOD_FOR, HAND_OVER_WITHIN};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tradewind_domain::{
    limits::CLOCK_SKEW,
    time::{Monotonic, UnixNanos},
};
use tradewind_replication::{Replica, Role};

const ADVICE: &str = "this member's clock cannot be trusted, it leads no longer than it takes to hand over; set the \
                      clock and see that it is kept (chronyc tracking, timedatectl): the member goes by it again by \
                      itself once the others' clocks agree with it";

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

/// A step that is not followed yet, and since when it is the same one.
#[derive(Default)]
struct Standing(Option<(Step, Monotonic)>);

impl Standing {
    /// For how long the step has stood by now.
    fn look(&mut self, step: Step, now: Monotonic) -> Duration {
        let same = self.0.filter(|(held, _)| match (held, step) {
            (Step::Back(held), Step::Back(by)) | (Step::Forth(held), Step::Forth(by)) => {
                held.abs_diff(by) <= CLOCK_SKEW
            }
            (Step::None | Step::Back(_) | Step::Forth(_), _) => false,
        });
        let since = same.map_or(now, |(_, since)| since);
        self.0 = (step != Step::None).then_some((same.map_or(step, |(held, _)| held), since));
        now.since(since)
    }
}

/// Whether the calendar is right after all, `others` being what the other members' calendars say.
fn is_right(calendar: UnixNanos, others: Option<UnixNanos>, stood: Duration) -> bool {
    match others {
        Some(others) => calendar.since(others).max(others.since(calendar)) <= CLOCK_SKEW,
        None => stood >= CLOCK_STOOD_FOR,
    }
}

/// Looks as long as the member runs. May be cancelled.
pub(crate) async fn watch(clocks: Clocks, replica: Replica) {
    let mut look = interval(CLOCK_LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut told, mut handed_over) = (false, false);
    let mut standing = Standing::default();
    loop {
        look.tick().await;
        let step = (clocks.step)();
        let stood = standing.look(step, (clocks.monotonic)());
        let others = replica.others_calendar();
        if step != Step::None && is_right((clocks.calendar)(), others, stood) {
            tracing::warn!(?step, by_others = others.is_some(), "the calendar's step is followed");
            (clocks.follow)();
        }
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
    fn a_step_is_followed_when_the_others_say_so_or_when_it_has_stood_for_long_alone() {
        let (five, at) = (Duration::from_secs(300), |s: u64| UnixNanos(s * 1_000_000_000));
        assert!(is_right(at(5_300), Some(at(5_302)), Duration::ZERO));
        assert!(is_right(at(5_300), Some(at(5_296)), Duration::ZERO));
        // Others that say something else are right, however long it stands.
        assert!(!is_right(at(5_300), Some(at(5_000)), CLOCK_STOOD_FOR * 9));
        assert!(!is_right(at(5_300), None, CLOCK_STOOD_FOR / 2));
        assert!(is_right(at(5_300), None, CLOCK_STOOD_FOR));
        let (mut standing, second) = (Standing::default(), |s: u64| Monotonic(s * 1_000_000_000));
        assert_eq!(standing.look(Step::None, second(1)), Duration::ZERO);
        assert_eq!(standing.look(Step::Forth(five), second(2)), Duration::ZERO);
        assert_eq!(standing.look(Step::Forth(five + CLOCK_SKEW / 2), second(302)), five);
        // Another step begins to stand anew.
        assert_eq!(standing.look(Step::Back(five), second(303)), Duration::ZERO);
        assert_eq!(standing.look(Step::Forth(five), second(304)), Duration::ZERO);
        assert_eq!(standing.look(Step::Forth(five * 2), second(305)), Duration::ZERO);
    }

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
