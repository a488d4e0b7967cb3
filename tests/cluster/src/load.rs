//! Writers that remember what was acknowledged. Decides what counts as lost: each writer owns registers and
//! writes each value on condition of the one before, so an acknowledged write that is gone is found by the next
//! one, and no later write can hide it. An answer that did not come is asked for again under the same key.

use crate::{eventually_async, group::Group, states::all_same};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::task::JoinSet;
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::time::UnixNanos;
use tradewind_link::rest::Method;
use tradewind_protocol::control::{Changed, PutRegister, RegisterAnswer};

const REGISTERS_A_WRITER: u64 = 8;
/// How long a write may be without a definite answer: whole groups are restarted meanwhile.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

#[must_use]
pub fn unix_now() -> UnixNanos {
    let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixNanos(u64::try_from(age.as_nanos()).unwrap())
}

/// What the writers share with who watches them.
#[derive(Default)]
struct Told {
    acknowledged: AtomicU64,
    stop: AtomicBool,
    /// By register: the last value acknowledged.
    registers: Mutex<BTreeMap<String, String>>,
    /// What was found wrong.
    lost: Mutex<Vec<String>>,
}

/// Writers at work. They stop when this is dropped.
pub struct Load {
    told: Arc<Told>,
    writers: JoinSet<()>,
}

impl Load {
    /// So many writers, each with one write under way, of values with at least so many bytes.
    #[must_use]
    pub fn start(group: &Group, writers: u64, value_bytes: usize) -> Self {
        let (told, mut running) = (Arc::new(Told::default()), JoinSet::new());
        for number in 0..writers {
            let client = group.client();
            let writer = Writer { number, client, value_bytes, told: told.clone() };
            running.spawn(writer.run());
        }
        Self { told, writers: running }
    }

    /// Writes acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.told.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more writes are acknowledged than now.
    pub async fn goes_on(&self, more: u64, within: Duration) {
        let wanted = self.acknowledged() + more;
        let what = format!("{more} more writes are acknowledged");
        eventually_async(&what, within, || async { self.acknowledged() >= wanted }).await;
    }

    /// Ends the writers after their last answer; gives the last value acknowledged of each register. Fails the
    /// test if a write was lost.
    pub async fn finish(mut self) -> BTreeMap<String, String> {
        self.told.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.writers.join_next().await {
            ended.unwrap();
        }
        let lost = self.told.lost.lock().unwrap();
        assert!(lost.is_empty(), "acknowledged writes are lost: {lost:#?}");
        self.told.registers.lock().unwrap().clone()
    }
}

struct Writer {
    number: u64,
    client: ControlClient,
    value_bytes: usize,
    told: Arc<Told>,
}

impl Writer {
    async fn run(self) {
        let client = format!("writer-{}", self.number).parse().unwrap();
        let keys = KeySource::new(client, Arc::new(unix_now));
        let mut held = BTreeMap::<String, String>::new();
        for n in 0_u64.. {
            if self.told.stop.load(Ordering::Relaxed) {
                break;
            }
            let register = format!("w{}-{}", self.number, n % REGISTERS_A_WRITER);
            let value = format!("{n}-{}", "v".repeat(self.value_bytes));
            let expected = held.get(&register).cloned();
            let (method, path) = match expected {
                Some(_) => (Method::POST, format!("/v1/registers/{register}/cas")),
                None => (Method::PUT, format!("/v1/registers/{register}")),
            };
            let body = PutRegister { value: value.clone(), expected };
            let key = keys.next();
            let asked = self.client.change(method, &path, &body, &key, ANSWERED_WITHIN);
            let answer: Answer<Changed> = asked.await;
            if let Err(problem) = answer.accepted() {
                let path = format!("/v1/registers/{register}");
                let now = self.client.read::<RegisterAnswer>(&path, ANSWERED_WITHIN).await;
                let (before, now) = (body.expected.as_deref().map(number), now.map(holds));
                let text = format!("{register}: {before:?} -> {n}, is {now:?}: {}", problem.detail);
                self.told.lost.lock().unwrap().push(text);
                return;
            }
            self.told.acknowledged.fetch_add(1, Ordering::Relaxed);
            self.told.registers.lock().unwrap().insert(register.clone(), value.clone());
            held.insert(register, value);
        }
    }
}

/// Which write a value is of; the rest of it only makes it long.
fn number(value: &str) -> &str {
    value.split('-').next().unwrap_or_default()
}

fn holds(answer: RegisterAnswer) -> Option<String> {
    answer.register.map(|row| number(&row.value).to_owned())
}

/// Requires that all members have the same state, in every row, and that each of them holds these values.
pub async fn all_hold(group: &Group, expected: &BTreeMap<String, String>, within: Duration) {
    all_same(group, within).await;
    for node in [1, 2, 3] {
        for (register, value) in expected {
            let path = format!("/v1/registers/{register}?consistency=stale");
            let answer: RegisterAnswer = group.told_by(node, &path).await.unwrap();
            let found = answer.register.map(|row| row.value);
            assert_eq!(found.as_ref(), Some(value), "member {node} of register {register}");
        }
    }
}
