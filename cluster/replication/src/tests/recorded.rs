//! A real member recorded at work (journal, vote, marks, sled, snapshots; with purges and restarts), and the real
//! code opening what is left of its directory. Decides what counts as sound: all of it as it was at some moment,
//! and none of it before what was acknowledged.

use super::world::{World, eventually, put};
use crate::{
    Replica, Role, Snapshots,
    log::LogStore,
    raft::{Entry, LogId, Payload},
    snapshot::Shelf,
    state::{Head, StateStore},
};
use openraft::storage::RaftLogReader as _;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use tradewind_domain::{
    control::{Machine, Row},
    ids::{NodeId, Revision},
};
use tradewind_faulty_disk::{Event, FaultyDisk};

const DIRECTORY: &str = "TRADEWIND_TEST_RECORDED";
const LIVES: u64 = 3;
const ROUNDS: u64 = 60;
const REGISTERS: u64 = 25;

/// Not a claim: the process that is recorded. It writes what was acknowledged to a file, which is on the tape in
/// its turn. Without its environment it has nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_for_the_recorder() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let mut acknowledged = File::create(directory.join("acknowledged")).unwrap();
    let mut n = 0;
    for life in 0..LIVES {
        let world = World::of(1);
        let replica = started(&world, &directory.join("member")).await;
        if life == 0 {
            replica.initialize(world.members.clone()).await.unwrap();
        }
        eventually("it leads", || (replica.status().role == Role::Leader).then_some(())).await;
        // Slowly enough that sled is flushed several times.
        let mut pace = tokio::time::interval(Duration::from_millis(25));
        for round in 0..ROUNDS {
            pace.tick().await;
            let numbers: Vec<u64> = (n..n + 1 + round % 4).collect();
            let named = |n: &u64| {
                (format!("r{}", n % REGISTERS), format!("{n}-{}", "v".repeat(*n as usize % 500)))
            };
            let asked = numbers.iter().map(named).map(|(register, value)| {
                let replica = &replica;
                async move {
                    let proposed = replica.propose(put(&register, &value)).await.unwrap();
                    format!("{} {register} {value}\n", proposed.revision.0)
                }
            });
            for line in futures_util::future::join_all(asked).await {
                acknowledged.write_all(line.as_bytes()).unwrap();
            }
            n += numbers.len() as u64;
        }
        replica.shutdown().await;
    }
}

pub(super) async fn started(world: &World, directory: &Path) -> Replica {
    let mut options = world.options(NodeId(1));
    options.state_dir = directory.to_owned();
    options.snapshots = Snapshots { every: 90, keep_entries: 20 };
    Replica::start(options, Arc::new(super::world::now)).await.unwrap()
}

/// Where images are opened: in memory, where there is such a place.
pub(super) fn temporary() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub(super) fn recorded() -> (TempDir, Vec<Event>) {
    let home = temporary();
    let disk = FaultyDisk::of(home.path()).unwrap().recorded();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::recorded::work_for_the_recorder", "--nocapture"])
        .env(DIRECTORY, home.path())
        .envs(disk.environment())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let tape = disk.tape().unwrap();
    (home, tape)
}

/// What was written, by the index of its entry. All of it was acknowledged in the end.
pub(super) struct Written(BTreeMap<u64, (String, String)>);

impl Written {
    pub(super) fn read(home: &Path) -> Self {
        let text = fs::read_to_string(home.join("acknowledged")).unwrap();
        Self(text.lines().filter_map(parsed).collect())
    }

    /// The index of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// The registers when the entries up to `index` are applied.
    fn at(&self, index: Option<u64>) -> BTreeMap<String, String> {
        let Some(index) = index else { return BTreeMap::new() };
        self.0.range(..=index).map(|(_, written)| written.clone()).collect()
    }
}

pub(super) fn parsed(line: &str) -> Option<(u64, (String, String))> {
    let mut words = line.split(' ');
    let index = words.next()?.parse().ok()?;
    Some((index, (words.next()?.to_owned(), words.next()?.to_owned())))
}

fn registers(machine: &Machine) -> BTreeMap<String, String> {
    let rows = machine.rows().filter_map(|row| match row {
        Row::Register(row) => Some((row.register.to_string(), row.value)),
        _ => None,
    });
    rows.collect()
}

/// What a sound image came to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) set_aside: usize,
    pub(super) from_snapshot: usize,
}

/// Opens what is left; all of it must be as it was at some moment, and none before `acknowledged`.
pub(super) async fn check(
    image: &Path,
    acknowledged: u64,
    written: &Written,
) -> Result<Found, String> {
    let told = |what: &str, error: &dyn std::error::Error| {
        format!("{what}: {}", crate::state::Chain(error))
    };
    let log = LogStore::open(&image.join("log"));
    let mut log = log.map_err(|error| told("the log does not open", &error))?;
    let opened = StateStore::open(&image.join("state"));
    let (_store, loaded) = opened.map_err(|error| told("the state does not open", &error))?;
    let shelf = Shelf::open(&image.join("snapshots"));
    let shelf = shelf.map_err(|error| told("the snapshots do not open", &error))?;
    let mut found = Found { set_aside: usize::from(loaded.set_aside.is_some()), from_snapshot: 0 };

    let (mut machine, mut applied) = (loaded.machine, loaded.head.applied);
    let index = |id: Option<LogId>| id.map(|id| id.index);
    if registers(&machine) != written.at(index(applied)) {
        return Err(format!("the state is not what it was at {:?}", index(applied)));
    }
    if let Some(file) = shelf.newest().filter(|file| file.head().applied.map(LogId::from) > applied)
    {
        let (kept, head) = file.load().map_err(|error| told("the snapshot is torn", &error))?;
        let head = Head::try_from(head).map_err(|error| told("the snapshot's head", &error))?;
        (machine, applied) = (kept, head.applied);
        found.from_snapshot = 1;
        if registers(&machine) != written.at(index(applied)) {
            return Err(format!("the snapshot is not what was at {:?}", index(applied)));
        }
    }
    if log.purged() > applied {
        return Err(format!("purged up to {:?}, all else reaches {applied:?}", log.purged()));
    }
    let from = index(applied).map_or(0, |index| index + 1);
    let entries = log.try_get_log_entries(from..).await;
    for entry in entries.map_err(|error| told("the log cannot be read", &error))? {
        let Entry { log_id, payload } = entry;
        if let Payload::Normal(proposal) = payload {
            machine.apply(Revision(log_id.index), proposal.stamped());
        }
        applied = Some(log_id);
    }
    if index(applied) < Some(acknowledged) {
        return Err(format!("it ends at {:?}, {acknowledged} was acknowledged", index(applied)));
    }
    if registers(&machine) != written.at(index(applied)) {
        return Err(format!("with the log it is not what was at {:?}", index(applied)));
    }
    Ok(found)
}
