//! Keeps one service. Decides its next step: start it, let it check in, open the pipe, configure it,
//! start it again after a crash, stop it. Whether it should run is told by `supervisor`. At most one
//! process of the service runs at a time; this task may be aborted, the process then goes on.

use super::{
    backoff::Backoff,
    life::{Life, Overdue, fence_of, is_another_try},
    records::Record,
    setup::Setup,
};
use crate::{limits, process::Process, secret};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use tradewind_domain::{
    control::handed_back::Failure,
    ids::{Fence, ServiceId},
    limits::STOP_WITHIN,
};
use tradewind_protocol::{
    Code, Problem,
    check_in::{ServiceCheckIn, ServiceCheckedIn},
    supervision::{Configuration, ServiceReport, ServiceState, ToService},
};

mod adoption;
mod heard;

/// What the supervisor wants of a service.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Run(Arc<Configuration>),
    /// What runs goes on as it is; nothing is started.
    Keep,
    Stop,
}

/// A check-in and where its answer goes.
pub(super) struct CheckIn {
    pub(super) ask: ServiceCheckIn,
    pub(super) answer: oneshot::Sender<Result<ServiceCheckedIn, Problem>>,
}

/// Told to the supervisor at every change.
pub(super) struct News {
    pub(super) service: ServiceId,
    /// Which keeper of the service speaks: words of an earlier one count no more.
    pub(super) generation: u64,
    pub(super) report: ServiceReport,
    pub(super) record: Option<Record>,
    /// Answered once the record is on disk, or could not be put there.
    pub(super) kept: oneshot::Sender<io::Result<()>>,
}

pub(super) struct Keeper {
    pub(super) service: ServiceId,
    pub(super) generation: u64,
    pub(super) setup: Arc<Setup>,
    pub(super) target: watch::Receiver<Target>,
    pub(super) check_ins: mpsc::Receiver<CheckIn>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) backoff: Backoff,
    pub(super) report: ServiceReport,
    /// Where the words of the newest life begin in the log.
    pub(super) log_from: u64,
    /// It crashed more often than is put up with, and has not lived for long since: what the last of these lives came to.
    pub(super) crashes: Option<Failure>,
}

enum End {
    Stopped,
    /// It was stopped to be started anew: what it holds is of another life of the cluster.
    Outlived,
    Crashed {
        why: String,
        failure: Failure,
    },
}

impl Keeper {
    /// Ends when the service was stopped and its process is gone. `orphan` is what an earlier life of
    /// the Manager knew of it.
    pub(super) async fn run(mut self, orphan: Option<Record>) {
        let mut adopted = match orphan {
            Some(record) => self.adopt(record).await,
            None => None,
        };
        loop {
            let mut life = match adopted.take() {
                Some(life) => life,
                None if !self.wanted().await => return,
                None => match self.start().await {
                    Ok(life) => life,
                    Err(error) => {
                        let why = format!("it could not be started: {error}");
                        if !self.rest(why, Failure::NotStarted, Duration::ZERO).await {
                            return;
                        }
                        continue;
                    }
                },
            };
            match self.attend(&mut life).await {
                End::Stopped => return,
                End::Outlived => {}
                End::Crashed { why, failure } => {
                    if !self.rest(why, failure, life.since.elapsed()).await {
                        return;
                    }
                }
            }
        }
    }

    /// Waits until it should be started; `false` if it should not be any more.
    async fn wanted(&mut self) -> bool {
        loop {
            match &*self.target.borrow_and_update() {
                Target::Run(_) => return true,
                Target::Stop => return false,
                Target::Keep => {}
            }
            tokio::select! {
                changed = self.target.changed() => if changed.is_err() { return false },
                Some(check_in) = self.check_ins.recv() => deny(&self.setup, check_in),
            }
        }
    }

    async fn start(&mut self) -> io::Result<Life> {
        // Two that have nothing to do with each other: whoever was presented one knows nothing of the other.
        let (token, pipe_token) = (secret::fresh()?, secret::fresh()?);
        let command = self.setup.command(&self.service, &token, &pipe_token);
        self.log_from = self.setup.log(&self.service).bytes();
        let process = Process::spawn(command)?;
        tracing::info!(service = %self.service, pid = process.pid(), "started");
        self.setup.figures.started();
        let fence = match &*self.target.borrow() {
            Target::Run(configuration) => fence_of(configuration),
            Target::Keep | Target::Stop => Fence::default(),
        };
        let record = Record {
            process: process.identity().clone(),
            token,
            pipe_token: Some(pipe_token),
            fence,
            incarnation: None,
            address: None,
        };
        let mut life = Life::new(process, record);
        self.report.pid = Some(life.process.pid());
        self.report.incarnation = None;
        self.report.address = None;
        self.forget_words();
        self.say(ServiceState::Starting, String::new());
        // Only a service that is on record is ever configured: after a crash of the Manager one that
        // is not can have done nothing yet.
        if let Err(error) = self.put_on_record(Some(life.record.clone())).await {
            life.process.kill().await;
            return Err(io::Error::other(format!("it cannot be put on record: {error}")));
        }
        Ok(life)
    }

    async fn attend(&mut self, life: &mut Life) -> End {
        let mut confirmed = self.setup.confirmed.clone();
        loop {
            // Looked at, not taken as seen: what changed meanwhile is still told to the service below.
            if matches!(*self.target.borrow(), Target::Stop) {
                self.stop(life).await;
                return End::Stopped;
            }
            let (deadline, _) = life.deadline();
            let (listens, listens_at) = (life.listens(), life.listens_at());
            let (crashes, forgiven_at) = (self.crashes.is_some(), life.forgiven_at());
            tokio::select! {
                exit = life.process.exited() => {
                    let failure = Failure::Ended { exit: exit.told() };
                    return End::Crashed { why: exit.to_string(), failure };
                }
                changed = self.target.changed() => match changed {
                    Ok(()) if self.is_of_another_cluster(life) => {
                        self.stop(life).await;
                        return End::Outlived;
                    }
                    Ok(()) => self.configure(life).await,
                    // The Manager ends without having said so: the service goes on.
                    Err(_) => return End::Stopped,
                },
                Some(check_in) = self.check_ins.recv() => self.check_in(life, check_in).await,
                event = life.link.next(), if listens => self.on_event(life, event).await,
                () = sleep_until(listens_at), if !listens => life.listen_again(),
                Ok(()) = confirmed.changed() => {
                    life.standing_changed(*confirmed.borrow_and_update());
                }
                () = sleep_until(deadline) => if let Some(wrong) = life.overdue(Instant::now()) {
                    let (why, Overdue { failure, .. }) = (life.told_why(wrong), wrong);
                    tracing::warn!(service = %self.service, why, "killed");
                    life.process.kill().await;
                    return End::Crashed { why, failure };
                },
                () = sleep_until(forgiven_at), if crashes => {
                    // A service that itself gives up says so with its next beat.
                    self.crashes = None;
                    self.report.handed_back = None;
                    self.tell(Some(life.record.clone())).await;
                }
            }
        }
    }

    async fn configure(&mut self, life: &mut Life) {
        let target = self.target.borrow_and_update().clone();
        if let Target::Run(configuration) = target
            && life.configure(&configuration)
        {
            self.tell(Some(life.record.clone())).await;
        }
        if !life.link.is_dialling() {
            life.dial(&self.setup, &self.service);
        }
    }

    /// Rights of two lives of a cluster are not comparable: a process knows one only.
    fn is_of_another_cluster(&self, life: &Life) -> bool {
        match &*self.target.borrow() {
            Target::Run(wanted) => fence_of(wanted).cluster != life.record.fence.cluster,
            Target::Keep | Target::Stop => false,
        }
    }

    async fn check_in(&mut self, life: &mut Life, check_in: CheckIn) {
        let ask = &check_in.ask;
        // A process that lies about itself is told no more than one that has no token.
        if !secret::is_same(&ask.token, &life.record.token) || ask.pid != life.process.pid() {
            return deny(&self.setup, check_in);
        }
        if life.record.incarnation.is_some_and(|known| known > ask.incarnation) {
            let detail = "a later life of this service has checked in";
            let _ = check_in.answer.send(Err(Problem::new(Code::Conflict, detail)));
            return;
        }
        let moved = life.record.address.as_ref() != Some(&ask.address)
            || life.record.incarnation != Some(ask.incarnation);
        life.record.address = Some(ask.address.clone());
        life.record.incarnation = Some(ask.incarnation);
        self.report.address = Some(ask.address.clone());
        self.report.incarnation = Some(ask.incarnation);
        tracing::info!(service = %self.service, address = ask.address, "checked in");
        self.tell(Some(life.record.clone())).await;
        if moved || !life.link.is_dialling() {
            life.dial(&self.setup, &self.service);
        }
        let manager_incarnation = self.setup.incarnation;
        let _ = check_in.answer.send(Ok(ServiceCheckedIn { manager_incarnation }));
    }

    /// Asks it to stop; SIGTERM and SIGKILL to its group if it does not.
    async fn stop(&mut self, life: &mut Life) {
        tracing::info!(service = %self.service, pid = life.process.pid(), "stopping");
        self.say(ServiceState::Stopping, String::new());
        self.tell(Some(life.record.clone())).await;
        let mut patience = limits::stops_within(&self.service);
        if life.link.send(ToService::Stop) {
            if timeout(patience, life.process.exited()).await.is_ok() {
                return;
            }
            // It has had its time.
            patience = STOP_WITHIN;
        }
        let exit = life.process.end(patience).await;
        tracing::info!(service = %self.service, %exit, "stopped");
    }

    /// After a crash: waits as long as is due. `false`: it should not be started again.
    async fn rest(&mut self, why: String, failure: Failure, lived: Duration) -> bool {
        // Taken before anything is waited for: a word that comes meanwhile is a change.
        let before = self.target.borrow().clone();
        let wait = self.backoff.crashed(std::time::Instant::now(), lived);
        self.setup.figures.crashed();
        let words = self.setup.log(&self.service).tail(self.log_from, limits::CRASH_LINES);
        tracing::warn!(service = %self.service, why, last_words = words, ?wait, "crashed");
        self.report.crashes = self.backoff.crashes();
        self.forget_words();
        self.report.pid = None;
        self.report.address = None;
        let mut detail = why;
        if wait > Duration::ZERO {
            // The leader may give it to another; until it has, and where nobody else takes it, it is tried again.
            if self.crashes.is_none() {
                self.setup.figures.handed_back();
            }
            self.crashes = Some(failure);
            self.report.handed_back = Some(failure);
            detail.push_str(&format!("; handed back, tried again here in {wait:?}"));
        }
        if !words.is_empty() {
            detail.push_str(&format!("; its last words: {words}"));
        }
        self.say(ServiceState::Waiting, detail);
        self.tell(None).await;
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = sleep_until(until) => return true,
                Some(check_in) = self.check_ins.recv() => deny(&self.setup, check_in),
                changed = self.target.changed() => {
                    let now = self.target.borrow_and_update().clone();
                    match (&before, now) {
                        (_, Target::Stop) => return false,
                        _ if changed.is_err() => return false,
                        (Target::Run(held), Target::Run(next)) if is_another_try(held, &next) => {
                            self.backoff = Backoff::default();
                            self.crashes = None;
                            self.report.handed_back = None;
                            return true;
                        }
                        (_, Target::Run(_) | Target::Keep) => {}
                    }
                }
            }
        }
    }

    /// What its last life said of itself is not said by the next.
    fn forget_words(&mut self) {
        self.report.fenced.clear();
        self.report.venue = None;
        self.report.ledger = None;
    }

    /// Notes a state; `true` if that is news.
    fn say(&mut self, state: ServiceState, mut detail: String) -> bool {
        let cut = detail.floor_char_boundary(limits::DETAIL_BYTES);
        detail.truncate(cut);
        let changed = self.report.state != state || self.report.detail != detail;
        self.report.state = state;
        self.report.detail = detail;
        changed
    }

    /// Tells the supervisor how the service stands. Where what is new of its record cannot be put on disk it goes on: that
    /// it runs is there since its start, and where it is it says again when it checks in. Its right it does not say: an older
    /// one stands there until the disk takes the newer, which the supervisor tries again and again.
    async fn tell(&self, record: Option<Record>) {
        let _ = self.put_on_record(record).await;
    }

    /// The same; its record is on disk when this returns `Ok`.
    async fn put_on_record(&self, record: Option<Record>) -> io::Result<()> {
        let (kept, done) = oneshot::channel();
        let (service, report) = (self.service.clone(), self.report.clone());
        let news = News { service, generation: self.generation, report, record, kept };
        let away = || io::Error::other("the Manager is stopping");
        self.news.send(news).await.map_err(|_| away())?;
        done.await.unwrap_or_else(|_| Err(away()))
    }
}

/// One answer for every wrong check-in: it tells nothing about what would have been right.
pub(super) fn deny(setup: &Setup, check_in: CheckIn) {
    setup.figures.refused_check_in();
    let CheckIn { ask, answer } = check_in;
    tracing::warn!(service = %ask.service, pid = ask.pid, "a check-in was refused");
    let detail = "this Manager has not started this process";
    let _ = answer.send(Err(Problem::new(Code::Unauthorized, detail)));
}

#[cfg(test)]
mod tests;
