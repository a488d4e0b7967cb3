//! The load: clients that each have one request under way, and send the next when it is answered. The
//! same for every system that is measured. Decides what counts: requests answered within the measured
//! time. A measurement in which one fails is made again, since a rate with failures in it says nothing.

use super::{
    cpu,
    measured::{CpuUse, Latencies, Measured},
};
use anyhow::Context as _;
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 256;
/// Keys that are written and read. All of them are there before anything is measured.
pub(crate) const KEYS: u64 = 1_000;
/// Before a measurement, not counted: connections, caches and batches settle.
const WARM_UP: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Write,
    Read,
}

impl Operation {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// A client with a connection of its own.
pub(crate) trait Caller {
    /// Writes a value of [`VALUE_BYTES`] under that key; returns when it is acknowledged.
    async fn write(&mut self, key: u64) -> anyhow::Result<()>;
    /// Reads that key, linearizably; there must be a value.
    async fn read(&mut self, key: u64) -> anyhow::Result<()>;
}

/// A running group of members.
pub(crate) trait Group {
    type Caller: Caller + 'static;
    /// `clients` new connections: to the leader, or spread over all members.
    async fn connect(&self, clients: u32, spread: bool) -> anyhow::Result<Vec<Self::Caller>>;
    /// Process of the leader, and of the others.
    async fn processes(&self) -> anyhow::Result<(u32, Vec<u32>)>;
}

/// Values under all keys.
pub(crate) async fn fill(callers: &mut [impl Caller]) -> anyhow::Result<()> {
    let caller = callers.first_mut().context("no client")?;
    for key in 0..KEYS {
        caller.write(key).await.context("the first values could not be written")?;
    }
    Ok(())
}

/// How often a measurement is made before the benchmark gives up.
const TRIES: u32 = 3;

/// One measurement of `length`, made again if a request failed in it: on a busy machine a leader may be
/// taken for dead.
pub(crate) async fn measure<G: Group>(
    group: &G,
    operation: Operation,
    clients: u32,
    spread: bool,
    length: Duration,
) -> anyhow::Result<Measured> {
    for _ in 1..TRIES {
        match try_measure(group, operation, clients, spread, length).await {
            Ok(measured) => return Ok(measured),
            Err(error) => {
                eprintln!("{} clients, {}: {error:#}; again", clients, operation.name());
            }
        }
    }
    try_measure(group, operation, clients, spread, length).await
}

async fn try_measure<G: Group>(
    group: &G,
    operation: Operation,
    clients: u32,
    spread: bool,
    length: Duration,
) -> anyhow::Result<Measured> {
    let callers = group.connect(clients, spread).await.context("clients could not connect")?;
    let (leader, followers) = group.processes().await?;
    let begin = Instant::now() + WARM_UP;
    let end = begin + length;
    let stop = Rc::new(Cell::new(false));
    let mut tasks = JoinSet::new();
    for (number, caller) in (0..).zip(callers) {
        tasks.spawn_local(one_client(caller, number, operation, (begin, end), stop.clone()));
    }
    tokio::time::sleep_until(begin.into()).await;
    let followers_used = || followers.iter().map(|pid| cpu::used(*pid)).sum::<Duration>();
    let before = (cpu::own(), cpu::used(leader), followers_used());
    tokio::time::sleep_until(end.into()).await;
    let after = (cpu::own(), cpu::used(leader), followers_used());
    stop.set(true);
    let mut all = Latencies::default();
    while let Some(done) = tasks.join_next().await {
        all.extend(done?.with_context(|| format!("a {} failed", operation.name()))?);
    }
    let done = all.len().max(1) as f64;
    let each = |after: Duration, before: Duration| {
        let us = after.saturating_sub(before).as_secs_f64() * 1e6 / done;
        (us * 10.0).round() / 10.0
    };
    let mut measured = all.measured(length);
    measured.cpu_us = Some(CpuUse {
        generator: each(after.0, before.0),
        leader: each(after.1, before.1),
        followers: each(after.2, before.2),
    });
    Ok(measured)
}

async fn one_client(
    mut caller: impl Caller,
    number: u64,
    operation: Operation,
    (begin, end): (Instant, Instant),
    stop: Rc<Cell<bool>>,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::default();
    // Each client goes round all keys, from a place of its own.
    let mut key = number * 7_919 % KEYS;
    while !stop.get() {
        key = (key + 1) % KEYS;
        let began = Instant::now();
        match operation {
            Operation::Write => caller.write(key).await?,
            Operation::Read => caller.read(key).await?,
        }
        let answered = Instant::now();
        if answered >= begin && answered < end {
            latencies.note(answered - began);
        }
    }
    Ok(latencies)
}
