//! What clients do. Decides that each process asks one thing at a time, when the plan says so; what is asked, and what
//! counts as done, is each workload's own file.

mod affinity;
mod cordon;
mod drain;
mod orders;
mod register;
mod registry;
mod watch;

use super::{
    recorder::{Process, Recorder, now},
    stage::Stage,
};
use crate::{
    options::Workload,
    plan::{Plan, Timed},
};
use anyhow::Context as _;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch as signal,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::ids::ClientId;
use tradewind_link::rest::Rest;

/// An answer that has not come by then is not known.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// What could not be asked for in time because the process was busy is left out: the load keeps its shape.
const LATE_MAX: Duration = Duration::from_secs(1);

/// What the processes of a workload need.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) began: Instant,
    members: Vec<String>,
    rest: Rest,
}

/// How a process speaks to the group.
pub(crate) struct Caller {
    pub(crate) client: ControlClient,
    pub(crate) keys: KeySource,
    pub(crate) process: Process,
}

impl Context {
    pub(crate) fn new(stage: &Stage, recorder: Arc<Recorder>, began: Instant) -> Self {
        Self { recorder, began, members: stage.cluster.members(), rest: stage.rest.clone() }
    }

    /// Each asks another member first, so that all of them are asked.
    pub(crate) fn caller(&self, number: u64) -> anyhow::Result<Caller> {
        let mut members = self.members.clone();
        let first = usize::try_from(number)? % members.len().max(1);
        members.rotate_left(first);
        let client = ControlClient::new(members, self.rest.clone());
        let name = ClientId::new(&format!("process-{}-{number}", std::process::id()))?;
        let keys = KeySource::new(name, Arc::new(now)).following(client.time());
        Ok(Caller { client, keys, process: self.recorder.process() })
    }

    /// Waits for the operation's time. False if that has long passed.
    pub(crate) async fn is_time(&self, operation: &Timed) -> bool {
        let at = self.began + Duration::from_micros(operation.at_us);
        sleep_until(at).await;
        at.elapsed() < LATE_MAX
    }
}

/// A workload at work.
pub(crate) struct Work {
    workload: Workload,
    context: Context,
    tasks: JoinSet<anyhow::Result<()>>,
    algos: Vec<orders::AlgoSession>,
    watchers: Option<watch::Watchers>,
    doors: Option<drain::Doors>,
    customers: affinity::Keys,
    keys: Vec<String>,
}

impl Work {
    /// What must be there before the first operation.
    pub(crate) async fn prepare(
        stage: &Stage,
        plan: &Plan,
        recorder: &Arc<Recorder>,
        home: &std::path::Path,
    ) -> anyhow::Result<Self> {
        let workload = plan.options.workload;
        let context = Context::new(stage, recorder.clone(), Instant::now());
        let mut algos = Vec::new();
        for algo in stage.algos.iter().filter(|_| workload.trades()) {
            algos.push(orders::AlgoSession::open(algo, &stage.cluster.members(), home).await?);
        }
        let watchers = match workload {
            Workload::Watch => Some(watch::Watchers::prepare(stage).await?),
            _ => None,
        };
        let doors = match workload {
            Workload::Drain => Some(drain::Doors::find(stage).await?),
            _ => None,
        };
        let customers = affinity::keys(stage);
        let keys = keys(plan);
        let tasks = JoinSet::new();
        Ok(Self { workload, context, tasks, algos, watchers, doors, customers, keys })
    }

    /// Begins with all processes of the plan.
    pub(crate) fn begin(&mut self, plan: &Plan, began: Instant) -> anyhow::Result<()> {
        self.context.began = began;
        let mut by_process = BTreeMap::<u64, Vec<Timed>>::new();
        for operation in &plan.operations {
            by_process.entry(operation.process).or_default().push(operation.clone());
        }
        for (number, operations) in by_process {
            let context = self.context.clone();
            match self.workload {
                Workload::Register => {
                    let caller = context.caller(number)?;
                    self.tasks.spawn(register::run(context, caller, operations));
                }
                Workload::Registry => {
                    let caller = context.caller(number)?;
                    self.tasks.spawn(registry::run(context, caller, operations));
                }
                Workload::Orders => {
                    let place = usize::try_from(number)? % self.algos.len();
                    let algo = self.algos[place].handle();
                    let process = self.context.recorder.process();
                    self.tasks.spawn(orders::run(context, algo, process, operations));
                }
                Workload::Watch => {
                    let caller = context.caller(number)?;
                    match (&mut self.watchers, operations.first()) {
                        (Some(watchers), Some(first)) if first.f == "watch" => {
                            watchers.start(caller, &first.value);
                        }
                        _ => drop(self.tasks.spawn(watch::change(context, caller, operations))),
                    }
                }
                Workload::Drain => {
                    let (caller, doors) = (context.caller(number)?, self.doors.clone());
                    let doors = doors.context("the MarketManagers were not looked for")?;
                    self.tasks.spawn(drain::run(context, caller, doors, operations));
                }
                Workload::Affinity => {
                    let (caller, keys) = (context.caller(number)?, self.customers.clone());
                    self.tasks.spawn(affinity::run(context, caller, keys, operations));
                }
            }
        }
        Ok(())
    }

    /// Waits until every process has had its last answer.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// After all is healed: what can only be read at the end.
    pub(crate) async fn close(&mut self, stage: &Stage) -> anyhow::Result<()> {
        match self.workload {
            Workload::Register => {
                register::read_all(self.context.caller(0)?, &self.keys).await;
            }
            Workload::Registry => {
                registry::read_all(self.context.caller(0)?, &self.keys).await?;
            }
            Workload::Orders => {
                let mut process = self.context.recorder.process();
                orders::close(&mut self.algos, stage, &mut process).await?;
            }
            Workload::Watch => {
                if let Some(watchers) = self.watchers.take() {
                    watchers.close(self.context.caller(0)?).await?;
                }
            }
            Workload::Drain => {
                if let Some(doors) = &self.doors {
                    drain::close(self.context.caller(0)?, doors).await?;
                }
            }
            Workload::Affinity => {
                affinity::close(self.context.caller(0)?, stage, &self.customers).await?;
            }
        }
        Ok(())
    }
}

/// The keys that a plan's operations name.
fn keys(plan: &Plan) -> Vec<String> {
    let named = plan.operations.iter().filter_map(|operation| operation.value.get(0)?.as_str());
    let keys: std::collections::BTreeSet<String> = named.map(str::to_string).collect();
    keys.into_iter().collect()
}

/// Tells tasks that it is over, and up to which revision they have to have come.
type Over = signal::Receiver<Option<u64>>;
