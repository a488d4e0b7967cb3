//! The replicated machine with a large state, on one core: commands applied a second of its time, and the plan
//! after a Manager's death. `cargo bench -p tradewind-domain`, on Linux. Decides what is measured; figures and
//! targets stand in docs/benchmarks.md.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    hint::black_box,
    time::{Duration, Instant},
};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine, Observed, Outcome, Request, Row, Sighting, Stamped,
        level::{FeatureLevel, LevelRow},
        plan,
        plan::Told,
        row::{
            Assignment, CustomerRow, CustomerSpec, ManagerRow, ManagerState, TraderRow, TraderSpec,
            TraderWish,
        },
    },
    ids::{ClientId, Epoch, Incarnation, KeyHash, ManagerId, ManagerKind, Revision},
    limits::IDEMPOTENCY_ANSWERS,
    time::{Monotonic, UnixNanos},
};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MANAGERS: u64 = 1_000;
const CUSTOMERS: u64 = 100_000;
const TRADERS_A_CUSTOMER: u64 = 10;
const CLIENTS: u64 = 64;
const COMMANDS: u64 = 400_000;
/// A day of 2026, and the pace of the log's time: 8,000 commands a second.
const START: u64 = 1_780_000_000_000_000_000;
const STEP: u64 = 125_000;

fn manager(n: u64) -> ManagerId {
    let kind = ManagerKind::ALL[usize::try_from(n % 3).unwrap()];
    ManagerId { implementation: format!("implementation-{:03}", n / 3).parse().unwrap(), kind }
}

/// One of the TraderManagers.
fn home(customer: u64) -> ManagerId {
    manager(customer % (MANAGERS / 3) * 3 + 2)
}

fn trader_spec(n: u64, word: &str) -> TraderSpec {
    let customer = format!("customer-{:06}", n / TRADERS_A_CUSTOMER).parse().unwrap();
    let words = ["tradewind", "sample-algo", "--instrument", word];
    let command = words.map(str::to_owned).to_vec();
    TraderSpec { customer, command, state: TraderWish::Running }
}

fn rows() -> impl Iterator<Item = Row> {
    let managers = (0..MANAGERS).map(|n| {
        Row::Manager(ManagerRow {
            manager: manager(n),
            location: format!("location-{}", n % 5).parse().unwrap(),
            address: format!("10.0.{}.{}:4400", n / 250, n % 250),
            incarnation: Incarnation(n + 1),
            epoch: Epoch(n + 1),
            state: ManagerState::Live,
            capacity: 10_000,
            since: UnixNanos(START),
        })
    });
    let customers = (0..CUSTOMERS).map(|n| {
        Row::Customer(CustomerRow {
            customer: format!("customer-{n:06}").parse().unwrap(),
            spec: CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of(&format!("key-{n}"))]) },
            affinity: Some(Assignment { manager: home(n), epoch: Epoch(10_000 + n) }),
            affinity_version: 1,
            revision: Revision(1),
        })
    });
    let traders = (0..CUSTOMERS * TRADERS_A_CUSTOMER).map(|n| {
        let manager = home(n / TRADERS_A_CUSTOMER);
        Row::Trader(TraderRow {
            trader: format!("trader-{n:07}").parse().unwrap(),
            spec: trader_spec(n, "BTC/USD"),
            assignment: Some(Assignment { manager, epoch: Epoch(200_000 + n) }),
            revision: Revision(1),
        })
    });
    // At the level of this build, which looks at capacities.
    let (level, revision, since) = (FeatureLevel::KNOWN, Revision(1), UnixNanos(START));
    let level = Row::Level(LevelRow { level, revision, since });
    managers.chain(customers).chain(traders).chain([level])
}

/// Time on a core since something began: other work on the machine does not count.
struct Spent(u64);

impl Spent {
    fn begin() -> Self {
        Self(Self::nanos())
    }

    fn nanos() -> u64 {
        let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        stat.split(' ').next().unwrap().parse().unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(Self::nanos() - self.0)
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Numbers all over a range, each once before any comes again: every one is far from memory that was just used.
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(7_919_003) % (CUSTOMERS * TRADERS_A_CUSTOMER)
}

/// Customer by customer, as placement goes.
fn in_order(n: u64) -> u64 {
    n % (CUSTOMERS * TRADERS_A_CUSTOMER)
}

/// A log that goes on: every command has a key of its own, of one of many clients.
struct Log {
    machine: Machine,
    clients: Vec<ClientId>,
    revision: u64,
}

impl Log {
    fn entry(&self, n: u64, command: Command) -> (Revision, Stamped) {
        let at = UnixNanos(START + n * STEP);
        let client = self.clients[usize::try_from(n % CLIENTS).unwrap()].clone();
        let key = IdempotencyKey { client, issued_at: at, n };
        (Revision(n), Stamped { at, request: Request { key, command } })
    }

    /// Applies so many commands; `clone_every`: how often a clone is taken, as a snapshot or a flush does, and
    /// kept until the next.
    fn run(
        &mut self,
        what: &str,
        clone_every: Option<u64>,
        command: impl Fn(&Machine, u64) -> Command,
    ) {
        let mut spent = Duration::ZERO;
        let (mut kept, mut worst) = (None, Duration::ZERO);
        let mut done = 0;
        while done < COMMANDS {
            let batch: Vec<_> = (0..10_000)
                .map(|n| {
                    let command = command(&self.machine, done + n);
                    self.entry(self.revision + n + 1, command)
                })
                .collect();
            let began = Spent::begin();
            for (n, (revision, entry)) in (0_u64..).zip(&batch) {
                if clone_every.is_some_and(|every| (done + n).is_multiple_of(every)) {
                    kept = Some(self.machine.clone());
                }
                let applied = self.machine.apply(*revision, entry);
                assert!(matches!(applied.outcome, Outcome::Accepted { .. }), "{applied:?}");
                black_box(applied);
            }
            let took = began.elapsed();
            (spent, worst) = (spent + took, worst.max(took));
            done += batch.len() as u64;
            self.revision += batch.len() as u64;
        }
        drop(kept);
        let rate = done as f64 / spent.as_secs_f64();
        println!("{what}: {rate:.0} commands/s, slowest 10,000 in {worst:.1?}");
    }
}

fn observed(machine: &Machine, lost: Option<&ManagerId>) -> Observed {
    let managers = machine.managers().map(|row| {
        let refused = lost == Some(&row.manager);
        let (incarnation, last_proof) = (row.incarnation, Monotonic(0));
        let told = Some(Told::default());
        (row.manager.clone(), Sighting { incarnation, last_proof, refused, told })
    });
    Observed { managers: managers.collect(), ..Observed::default() }
}

/// The least of a few: what else runs on the machine only adds to it.
fn timed(machine: &Machine, seen: &Observed) -> (Vec<Command>, Duration) {
    let times = (0..5).map(|_| {
        let began = Instant::now();
        black_box(plan(machine, seen, Monotonic(0)));
        began.elapsed()
    });
    let least = times.min().unwrap();
    (plan(machine, seen, Monotonic(0)), least)
}

/// The leader's rounds from a Manager's death until nothing is left to do.
fn death(log: &mut Log) {
    let (commands, took) = timed(&log.machine, &observed(&log.machine, None));
    assert!(commands.is_empty());
    println!("plan, nothing to do: {took:.2?}");
    let seen = observed(&log.machine, Some(&home(7)));
    let (mut rounds, mut worst, mut planned) = (0, Duration::ZERO, 0);
    loop {
        let (commands, took) = timed(&log.machine, &seen);
        worst = worst.max(took);
        if commands.is_empty() {
            break;
        }
        (rounds, planned) = (rounds + 1, planned + commands.len());
        for command in commands {
            log.revision += 1;
            let (revision, entry) = log.entry(log.revision, command);
            log.machine.apply(revision, &entry);
        }
    }
    println!("plan after a death: slowest of {rounds} rounds {worst:.2?}, {planned} commands");
}

fn put_register(_: &Machine, n: u64) -> Command {
    Command::PutRegister {
        register: format!("register-{:05}", n % 10_000).parse().unwrap(),
        value: format!("value-{n}"),
        expected: None,
    }
}

fn put_trader(n: u64, word: &str) -> Command {
    let trader = format!("trader-{n:07}").parse().unwrap();
    Command::PutTrader { trader, spec: trader_spec(n, word) }
}

fn assign_trader(machine: &Machine, n: u64) -> Command {
    let trader = format!("trader-{n:07}").parse().unwrap();
    let held = machine.trader(&trader).unwrap().assignment.clone().unwrap();
    Command::AssignTrader { trader, manager: held.manager, replaces: Some(held.epoch) }
}

fn main() {
    let began = Spent::begin();
    let machine = Machine::from_rows(rows());
    println!("made {} rows in {:.1?}", machine.rows().count(), began.elapsed());
    let clients = (0..CLIENTS).map(|n| format!("client-{n}").parse().unwrap()).collect();
    let mut log = Log { machine, clients, revision: 2_000_000 };
    // Until as many answers are remembered as there may be: from then on each command forgets one.
    let before = resident();
    while log.machine.answered_count() < IDEMPOTENCY_ANSWERS {
        log.run("registers, the table of answers filling", None, put_register);
    }
    let (answers, after) = (log.machine.answered_count() as u64, resident());
    let each = after.saturating_sub(before) / answers;
    let [before, after] = [before, after].map(|bytes| bytes >> 20);
    println!("resident: {before} MiB, with {answers} answers {after} MiB: {each} bytes each");
    log.run("registers", None, put_register);
    for (order, is_scattered) in [("customer by customer", false), ("scattered", true)] {
        let of = |n| if is_scattered { scattered(n) } else { in_order(n) };
        let words = [format!("1-{order}"), format!("2-{order}")];
        let name = format!("traders changed, {order}");
        log.run(&name, None, |_, n| put_trader(of(n), &words[0]));
        let name = format!("traders changed, {order}, a clone every 4,000");
        log.run(&name, Some(4_000), |_, n| put_trader(of(n), &words[1]));
        let name = format!("traders assigned, {order}");
        log.run(&name, None, |machine, n| assign_trader(machine, of(n)));
    }
    death(&mut log);
}
