//! Taking over a process that an earlier life of the Manager has started. Decides what follows where that cannot be
//! done: it is looked again, and one that is seen to run and cannot be taken over for `limits::ADOPT_WITHIN` is killed
//! with its group. Invariant: nothing is started beside it before it is seen to be gone, however long that takes.

use super::{CheckIn, Keeper, Life, Record, deny};
use crate::{
    limits,
    process::{Process, is_alive},
    secret,
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tradewind_protocol::{Code, Problem, supervision::ServiceState};

/// What follows a look after which the process is not taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It has ended, or its number is another's.
    Gone,
    Again,
    Kill,
}

/// How long it was looked already. Waits are added up, not taken from a clock: a Manager that itself stood still has
/// not looked meanwhile.
#[derive(Debug)]
pub(super) struct Looks {
    waited: Duration,
    wait: Duration,
}

impl Looks {
    pub(super) fn new() -> Self {
        Self { waited: Duration::ZERO, wait: limits::ADOPT_AGAIN_FIRST }
    }

    /// `alive`: whether that very process runs; `None` where that could not be seen.
    pub(super) fn step(&self, alive: Option<bool>) -> Step {
        match alive {
            Some(false) => Step::Gone,
            Some(true) if self.waited >= limits::ADOPT_WITHIN => Step::Kill,
            // Of what is not seen nobody knows whether it is ours: it is never killed.
            Some(true) | None => Step::Again,
        }
    }

    /// The wait before the next look.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.wait;
        self.waited += wait;
        self.wait = (wait * 2).min(limits::ADOPT_AGAIN_MAX);
        wait
    }
}

impl Keeper {
    /// Returns once the process on record is taken over, or (`None`) is gone.
    pub(super) async fn adopt(&mut self, record: Record) -> Option<Life> {
        let (mut looks, mut gone) =
            (Looks::new(), "it ended while its Manager was away".to_owned());
        loop {
            let error = match Process::adopt(&record.process) {
                Ok(Some(process)) => return Some(self.taken_over(process, record)),
                Ok(None) => break,
                Err(error) => error,
            };
            let alive = is_alive(&record.process).ok();
            let detail = match looks.step(alive) {
                Step::Gone => break,
                Step::Again if alive.is_some() => {
                    format!("it runs and cannot be taken over: {error}")
                }
                Step::Again => format!("whether it still runs cannot be seen: {error}"),
                Step::Kill => {
                    gone = format!("it could not be taken over and was killed: {error}");
                    self.kill_orphan(&record);
                    format!("it could not be taken over and is killed: {error}")
                }
            };
            let pid = record.process.pid;
            if self.say(ServiceState::Connecting, detail) {
                let why = &self.report.detail;
                tracing::warn!(service = %self.service, pid, why, "not taken over; it is tried again");
                self.tell(Some(record.clone())).await;
            }
            self.put_off(looks.wait(), &record).await;
        }
        self.report.pid = None;
        self.report.address = None;
        self.say(ServiceState::Waiting, gone);
        self.tell(None).await;
        None
    }

    fn taken_over(&mut self, process: Process, record: Record) -> Life {
        tracing::info!(service = %self.service, pid = process.pid(), "found running");
        self.report.pid = Some(process.pid());
        self.log_from = self.setup.log(&self.service).bytes();
        let mut life = Life::new(process, record);
        life.dial(&self.setup, &self.service);
        life
    }

    fn kill_orphan(&self, record: &Record) {
        let pid = record.process.pid;
        match Process::kill_left_over(&record.process) {
            Ok(()) => tracing::warn!(service = %self.service, pid, "killed: not to be taken over"),
            // It is tried again with the next look.
            Err(error) => tracing::warn!(service = %self.service, pid, %error, "not killed"),
        }
    }

    /// Waits. The process on record, should it check in meanwhile, is not told that it is unknown: it would stop.
    async fn put_off(&mut self, wait: Duration, record: &Record) {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                Some(check_in) = self.check_ins.recv() => {
                    let CheckIn { ask, .. } = &check_in;
                    if secret::is_same(&ask.token, &record.token) && ask.pid == record.process.pid {
                        let problem = Problem::new(Code::Unavailable, "it is not taken over yet");
                        let _ = check_in.answer.send(Err(problem.retry_after_ms(millis(wait))));
                    } else {
                        deny(&self.setup, check_in);
                    }
                }
            }
        }
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_seen_to_be_gone_is_given_up_and_only_what_is_seen_to_run_is_killed() {
        let mut looks = Looks::new();
        assert_eq!(looks.step(Some(false)), Step::Gone);
        while looks.waited < limits::ADOPT_WITHIN {
            assert_eq!(looks.step(Some(true)), Step::Again, "after {:?}", looks.waited);
            assert_eq!(looks.step(None), Step::Again);
            looks.wait();
        }
        assert_eq!(looks.step(Some(true)), Step::Kill);
        assert_eq!(looks.step(Some(false)), Step::Gone);
        // However long it takes.
        for _ in 0..1_000 {
            looks.wait();
        }
        assert_eq!(looks.step(None), Step::Again);
    }

    #[test]
    fn it_is_looked_again_after_longer_and_longer_waits_up_to_a_second() {
        let mut looks = Looks::new();
        let waits: Vec<u128> = (0..7).map(|_| looks.wait().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000, 1_000]);
        assert_eq!(looks.waited.as_millis(), 4_500);
    }
}
