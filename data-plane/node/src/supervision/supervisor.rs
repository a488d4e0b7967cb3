//! All services of a Manager. Decides which are started, kept and stopped, by comparing what is wanted
//! with what is there; one service's way is decided by its `keeper`. One task owns the inbox; callers
//! hold a [`Supervisor`]. The task may be aborted: services go on and are found by the next life.

use super::{
    Counts,
    backoff::Backoff,
    change::{Change, changes, with_those_beside},
    gone::{self, Left, Looks},
    keeper::{CheckIn, Keeper, News, Target, deny},
    logs,
    records::Records,
    setup::Setup,
};
use crate::{clock, limits, log_file::LogFile, manager::Wanted};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::Arc,
    time::SystemTime,
};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::{self, JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval},
};
use tradewind_domain::{ids::ServiceId, time::UnixNanos};
use tradewind_protocol::{
    Code, Problem,
    check_in::{ServiceCheckIn, ServiceCheckedIn},
    supervision::{Configuration, ServiceReport},
};

pub(crate) type Reports = Arc<Vec<ServiceReport>>;

/// The way to the services of a Manager.
#[derive(Clone)]
pub(crate) struct Supervisor {
    inbox: mpsc::Sender<Ask>,
    services: watch::Receiver<Reports>,
    beside: watch::Sender<Vec<ServiceReport>>,
    changes: broadcast::Sender<Change>,
    setup: Arc<Setup>,
}

enum Ask {
    Want { wanted: Vec<Wanted>, start_new: bool },
    CheckIn(CheckIn),
    Reports(oneshot::Sender<Reports>),
    StopAll(oneshot::Sender<()>),
}

impl Supervisor {
    /// Starts the task within `tasks`. What an earlier life has left is taken over and goes on until
    /// `want` says otherwise.
    pub(crate) fn start(setup: Setup, tasks: &mut JoinSet<()>) -> io::Result<Self> {
        let records = Records::load(setup.records())?;
        let (inbox, asks) = mpsc::channel(limits::INBOX);
        let (services, published) = watch::channel(Reports::default());
        let (news, told) = mpsc::channel(limits::INBOX);
        let beside = watch::Sender::new(Vec::new());
        let (changes, setup) = (broadcast::Sender::new(limits::WATCHER_QUEUE), Arc::new(setup));
        let task = Task {
            setup: setup.clone(),
            changes: changes.clone(),
            kept: BTreeMap::new(),
            keepers: JoinSet::new(),
            names: HashMap::new(),
            generation: 0,
            wanted: BTreeMap::new(),
            records,
            news,
            services,
            beside: beside.subscribe(),
            closing: false,
            stopping: Vec::new(),
        };
        tasks.spawn(task.run(asks, told));
        Ok(Self { inbox, services: published, beside, changes, setup })
    }

    /// What should run from now on. With `start_new` unset, what does not run yet is not started.
    pub(crate) async fn want(&self, wanted: Vec<Wanted>, start_new: bool) {
        let _ = self.inbox.send(Ask::Want { wanted, start_new }).await;
    }

    pub(crate) async fn check_in(&self, ask: ServiceCheckIn) -> Result<ServiceCheckedIn, Problem> {
        let away = || Problem::new(Code::Unavailable, "the Manager is stopping");
        let (answer, answered) = oneshot::channel();
        let asked = self.inbox.send(Ask::CheckIn(CheckIn { ask, answer })).await;
        asked.map_err(|_| away())?;
        answered.await.map_err(|_| away())?
    }

    /// All services, asked of the task itself: an answer proves that it works.
    pub(crate) async fn reports(&self) -> Option<Reports> {
        let (answer, answered) = oneshot::channel();
        self.inbox.send(Ask::Reports(answer)).await.ok()?;
        answered.await.ok()
    }

    /// All services, as last published; changes wake the receiver.
    pub(crate) fn services(&self) -> watch::Receiver<Reports> {
        self.services.clone()
    }

    /// All services, and each change from then on; a change that the first holds already may come once more.
    pub(crate) fn watch(&self) -> (Reports, broadcast::Receiver<Change>) {
        let changes = self.changes.subscribe();
        (self.services.borrow().clone(), changes)
    }

    /// What is here and was not started here: told of with the services, and not kept.
    pub(crate) fn beside(&self, reports: Vec<ServiceReport>) {
        self.beside.send_if_modified(|held| {
            let changed = *held != reports;
            *held = reports;
            changed
        });
    }

    pub(crate) fn counts(&self) -> Counts {
        self.setup.figures.counts()
    }

    pub(crate) fn no_log_room(&self) -> Option<String> {
        self.setup.figures.no_log_room()
    }

    /// Where its words are, whether it runs here or did.
    pub(crate) fn log(&self, service: &ServiceId) -> LogFile {
        self.setup.log(service)
    }

    /// Where the words of a Trader's algo are.
    pub(crate) fn algo_log(&self, service: &ServiceId) -> LogFile {
        self.setup.algo_log(service)
    }

    /// Stops all services; returns when none is left.
    pub(crate) async fn stop_all(&self) {
        let (answer, answered) = oneshot::channel();
        if self.inbox.send(Ask::StopAll(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}

/// A service and the keeper it has.
struct Kept {
    generation: u64,
    target: watch::Sender<Target>,
    check_ins: mpsc::Sender<CheckIn>,
    report: ServiceReport,
}

struct Task {
    setup: Arc<Setup>,
    kept: BTreeMap<ServiceId, Kept>,
    keepers: JoinSet<()>,
    names: HashMap<task::Id, ServiceId>,
    generation: u64,
    /// What runs or is to be started once its predecessor is gone.
    wanted: BTreeMap<ServiceId, Option<Arc<Configuration>>>,
    records: Records,
    news: mpsc::Sender<News>,
    services: watch::Sender<Reports>,
    beside: watch::Receiver<Vec<ServiceReport>>,
    changes: broadcast::Sender<Change>,
    /// Nothing is started any more.
    closing: bool,
    stopping: Vec<oneshot::Sender<()>>,
}

impl Task {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>, mut told: mpsc::Receiver<News>) {
        for service in self.records.services() {
            self.keep(service, Target::Keep);
        }
        self.publish();
        let mut log_look = interval(limits::LOG_LOOK_EVERY);
        log_look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = Looks::new(self.setup.clone());
        loop {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => self.on_ask(ask),
                    None => return,
                },
                Some(news) = told.recv() => self.on_news(news).await,
                Ok(()) = self.beside.changed() => self.publish(),
                Some(ended) = self.keepers.join_next_with_id() => {
                    let (id, panicked) = match ended {
                        Ok((id, ())) => (id, false),
                        Err(error) => (error.id(), true),
                    };
                    self.on_keeper_ended(id, panicked).await;
                }
                _ = log_look.tick() => {
                    self.bound_logs();
                    self.records.catch_up().await;
                }
                logs = looks.next() => self.clear_logs(logs).await,
            }
        }
    }

    fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Want { wanted, start_new } => self.want(wanted, start_new),
            Ask::CheckIn(check_in) => match self.kept.get(&check_in.ask.service) {
                Some(kept) => {
                    if let Err(full) = kept.check_ins.try_send(check_in) {
                        let problem = Problem::new(Code::TooManyRequests, "one is being answered");
                        let _ = full.into_inner().answer.send(Err(problem.retry_after_ms(100)));
                    }
                }
                None => deny(&self.setup, check_in),
            },
            Ask::Reports(answer) => {
                // As published: every change is, before anything else is asked.
                let _ = answer.send(self.services.borrow().clone());
            }
            Ask::StopAll(answer) => {
                self.closing = true;
                self.wanted.clear();
                self.stopping.push(answer);
                for kept in self.kept.values() {
                    kept.target.send_replace(Target::Stop);
                }
                self.answer_stopped();
            }
        }
    }

    fn want(&mut self, wanted: Vec<Wanted>, start_new: bool) {
        if self.closing {
            return;
        }
        let wanted = wanted.into_iter().map(|w| (w.service, w.configuration.map(Arc::new)));
        let running = |kept: &Kept| !matches!(*kept.target.borrow(), Target::Stop);
        self.wanted = wanted
            .filter(|(service, _)| start_new || self.kept.get(service).is_some_and(running))
            .collect();
        for (service, kept) in &self.kept {
            match self.wanted.get(service) {
                None => {
                    kept.target.send_replace(Target::Stop);
                }
                // A stop is always carried out; it is started anew when its keeper has ended.
                Some(Some(configuration)) if running(kept) => {
                    kept.target.send_if_modified(|target| retarget(target, configuration));
                }
                Some(_) => {}
            }
        }
        let fresh: Vec<_> = self
            .wanted
            .iter()
            .filter(|(service, _)| !self.kept.contains_key(service))
            .filter_map(|(service, configuration)| Some((service.clone(), configuration.clone()?)))
            .collect();
        for (service, configuration) in fresh {
            self.keep(service, Target::Run(configuration));
        }
        self.publish();
    }

    fn keep(&mut self, service: ServiceId, target: Target) {
        let orphan = self.records.get(&service).cloned();
        self.generation += 1;
        let (target, targets) = watch::channel(target);
        let (check_ins, asked) = mpsc::channel(limits::CHECK_INS_WAITING);
        let report = ServiceReport {
            incarnation: orphan.as_ref().and_then(|record| record.incarnation),
            pid: orphan.as_ref().map(|record| record.process.pid),
            address: orphan.as_ref().and_then(|record| record.address.clone()),
            ..ServiceReport::starting(service.clone())
        };
        let keeper = Keeper {
            service: service.clone(),
            generation: self.generation,
            setup: self.setup.clone(),
            target: targets,
            check_ins: asked,
            news: self.news.clone(),
            backoff: Backoff::default(),
            report: report.clone(),
            log_from: 0,
            crashes: None,
        };
        let task = self.keepers.spawn(keeper.run(orphan));
        self.names.insert(task.id(), service.clone());
        let generation = self.generation;
        self.kept.insert(service, Kept { generation, target, check_ins, report });
    }

    async fn on_news(&mut self, news: News) {
        let Some(kept) = self.kept.get_mut(&news.service) else { return };
        if kept.generation != news.generation {
            return;
        }
        kept.report = news.report;
        let stored = self.records.put(news.service, news.record).await;
        let _ = news.kept.send(stored);
        self.publish();
    }

    async fn on_keeper_ended(&mut self, id: task::Id, panicked: bool) {
        let Some(service) = self.names.remove(&id) else { return };
        let ended = self.kept.remove(&service);
        if panicked {
            // Its process may run: the next keeper finds it by its record.
            tracing::error!(%service, "its keeper has panicked");
        } else {
            // One that is left there is seen to be gone by the next life of this Manager.
            let _ = self.records.put(service.clone(), None).await;
        }
        let last = ended.map(|kept| kept.target.borrow().clone());
        match (self.wanted.get(&service).cloned(), last) {
            (Some(Some(configuration)), _) => self.keep(service, Target::Run(configuration)),
            // A record that is left needs somebody who ends the process.
            (_, Some(target)) if panicked => self.keep(service, target),
            _ => {}
        }
        self.publish();
        self.answer_stopped();
    }

    fn answer_stopped(&mut self) {
        if self.kept.is_empty() {
            for waiting in self.stopping.drain(..) {
                let _ = waiting.send(());
            }
        }
    }

    fn bound_logs(&self) {
        let logs = self.kept.keys().map(|service| self.setup.log(service));
        let (setup, logs) = (self.setup.clone(), logs.collect::<Vec<_>>());
        // Not waited for: a slow disk must not hold up the services.
        spawn_blocking(move || logs::look(&setup, &logs));
    }

    fn reports(&self) -> Reports {
        let kept = self.kept.values().map(|kept| kept.report.clone()).collect();
        Arc::new(with_those_beside(kept, &self.beside.borrow()))
    }

    /// Waited for: nothing of what is removed is started meanwhile.
    async fn clear_logs(&self, mut logs: Vec<Left>) {
        logs.retain(|left| !self.kept.contains_key(&left.service));
        let over = gone::over(logs, SystemTime::UNIX_EPOCH + clock::now().since(UnixNanos(0)));
        if !over.is_empty() {
            let setup = self.setup.clone();
            // It may fail only by a panic, and then the next look finds them again.
            let _ = spawn_blocking(move || gone::remove(&setup, &over)).await;
        }
    }

    fn publish(&self) {
        let before = self.services.borrow().clone();
        let reports = self.reports();
        if before == reports {
            return;
        }
        // First what is, then what has changed: whoever comes in between is told twice rather than never.
        self.services.send_replace(reports.clone());
        for change in changes(&before, &reports) {
            // Nobody may be watching.
            let _ = self.changes.send(change);
        }
    }
}

fn retarget(target: &mut Target, configuration: &Arc<Configuration>) -> bool {
    if matches!(target, Target::Run(held) if held == configuration) {
        return false;
    }
    *target = Target::Run(configuration.clone());
    true
}
