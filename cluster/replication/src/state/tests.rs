//! Log, state and snapshots as openraft's own suite wants them, and what sled alone must hold.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    Environment,
    log::LogStore,
    raft::{Entry, LeaderId, Payload, Proposal, TypeConfig},
    snapshot::{Sending, Shelf},
};
use futures_util::stream;
use openraft::{
    RaftSnapshotBuilder, StorageError,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    testing::log::{StoreBuilder, Suite},
};
use std::{io, path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use tradewind_domain::{
    control::{Command, IdempotencyKey, Machine, Request, Row, Stamped, level::FeatureLevel},
    ids::{ClientId, RegisterId},
};
use tradewind_journal::Journal;

struct OnDisk;

type Writing = JoinHandle<Result<(), StateError>>;

fn machine_at(home: &Path) -> (StateMachine, Writing) {
    machine_on(home, LogStore::open(&home.join("beside")).unwrap())
}

fn machine_on(home: &Path, log: LogStore) -> (StateMachine, Writing) {
    let (store, loaded) = StateStore::open(&home.join("state")).unwrap();
    let published = Arc::new(Published::new(&loaded, Arc::default()));
    let (writer, task) = StateWriter::start(store, loaded.head.applied, published.clone());
    let shelf = Arc::new(Shelf::open(&home.join("snapshots")).unwrap());
    (
        StateMachine::new(
            loaded,
            writer,
            log,
            shelf,
            Sending::default(),
            published,
            FeatureLevel::KNOWN,
        ),
        task,
    )
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let home = tempfile::tempdir().unwrap();
        let log = LogStore::open(&home.path().join("log")).unwrap();
        let (machine, _task) = machine_on(home.path(), log.clone());
        Ok((home, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_storage_suite_passes() {
    Suite::test_all(OnDisk).await.unwrap();
}

fn put(n: u64) -> Stamped {
    let key = IdempotencyKey { client: ClientId::new("test").unwrap(), issued_at: UnixNanos(n), n };
    let register = RegisterId::new(&format!("r{n}")).unwrap();
    let command = Command::PutRegister { register, value: n.to_string(), expected: None };
    Stamped { at: UnixNanos(n), request: Request { key, command } }
}

fn id(index: u64) -> LogId {
    LogId::new(LeaderId { term: 1, node_id: 1 }, index)
}

fn entry(index: u64) -> Entry {
    let payload = Payload::Normal(Proposal::new(put(index)).unwrap());
    Entry { log_id: id(index), payload }
}

async fn apply(machine: &mut StateMachine, indices: std::ops::Range<u64>) {
    let entries = indices.map(|index| Ok((entry(index), None)));
    machine.apply(stream::iter(entries.collect::<Vec<_>>())).await.unwrap();
}

fn rows(machine: &Machine) -> Vec<Row> {
    machine.rows().collect()
}

fn applied_by_domain(indices: std::ops::Range<u64>) -> Machine {
    let mut machine = Machine::default();
    for index in indices {
        machine.apply(Revision(index), &put(index));
    }
    machine
}

fn head(index: u64) -> Head {
    Head { applied: Some(id(index)), stamped: UnixNanos(index), ..Head::default() }
}

#[tokio::test]
async fn what_was_applied_and_flushed_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let (store, loaded) = StateStore::open(home.path()).unwrap();
    assert_eq!(loaded.head, Head::default());
    let machine = applied_by_domain(1..700);
    let all = rows(&machine);
    let keys: Vec<_> = all.iter().map(Row::key).collect();
    store.write(&keys, &machine, &head(699)).unwrap();
    store.flush().unwrap();
    drop(store);
    let (_store, loaded) = StateStore::open(home.path()).unwrap();
    assert_eq!(loaded.head, head(699));
    assert_eq!(rows(&loaded.machine), all);
}

#[tokio::test]
async fn the_writer_puts_into_sled_what_the_machine_holds() {
    let home = tempfile::tempdir().unwrap();
    let (mut machine, task) = machine_at(home.path());
    apply(&mut machine, 1..2_000).await;
    drop(machine);
    task.await.unwrap().unwrap();
    let (_store, loaded) = StateStore::open(&home.path().join("state")).unwrap();
    assert_eq!(loaded.head.applied, Some(id(1_999)));
    assert_eq!(rows(&loaded.machine), rows(&applied_by_domain(1..2_000)));
}

#[test]
fn a_replacement_leaves_nothing_of_what_was_there() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = StateStore::open(home.path()).unwrap();
    store.replace(&applied_by_domain(1..50), &head(49)).unwrap();
    let new = applied_by_domain(40..60);
    store.replace(&new, &head(59)).unwrap();
    assert_eq!(store.rows_of_other_generations(), 0);
    drop(store);
    let (_store, loaded) = StateStore::open(home.path()).unwrap();
    assert_eq!(loaded.head, head(59));
    assert_eq!(rows(&loaded.machine), rows(&new));
}

#[test]
fn rows_of_an_interrupted_replacement_go_at_start() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = StateStore::open(home.path()).unwrap();
    let machine = applied_by_domain(1..10);
    store.replace(&machine, &head(9)).unwrap();
    for row in rows(&applied_by_domain(1..30)) {
        store.put_row_of_generation(7, &row);
        store.put_row_of_generation(0, &row);
    }
    assert!(store.rows_of_other_generations() > 0);
    drop(store);
    let (store, loaded) = StateStore::open(home.path()).unwrap();
    assert_eq!(store.rows_of_other_generations(), 0);
    assert_eq!(rows(&loaded.machine), rows(&machine));
}

#[test]
fn a_state_that_cannot_be_opened_is_set_aside_and_not_deleted() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("state");
    let (store, _) = StateStore::open(&directory).unwrap();
    store.replace(&applied_by_domain(1..10), &head(9)).unwrap();
    drop(store);
    std::fs::write(directory.join("conf"), b"not sled's").unwrap();
    let (_store, loaded) = StateStore::open(&directory).unwrap();
    assert_eq!(loaded.head, Head::default());
    let aside = loaded.set_aside.unwrap();
    assert_eq!(std::fs::read(aside.join("conf")).unwrap(), b"not sled's");
}

#[test]
fn what_sled_left_half_written_is_removed_before_it_looks() {
    let home = tempfile::tempdir().unwrap();
    let half = home.path().join("snap.0000000000000001.generating");
    std::fs::write(&half, b"half").unwrap();
    let (_store, loaded) = StateStore::open(home.path()).unwrap();
    assert!(!half.exists() && loaded.set_aside.is_none());
}

#[test]
fn a_flush_of_sled_is_an_fdatasync() {
    let home = tempfile::tempdir().unwrap();
    let (store, _) = StateStore::open(home.path()).unwrap();
    let before = sync_hook::calls();
    store.write(&[], &Machine::default(), &head(1)).unwrap();
    store.flush().unwrap();
    assert!(sync_hook::calls() > before);
}

#[tokio::test]
async fn a_damaged_snapshot_is_not_installed_and_takes_no_sound_ones_place() {
    // given: a snapshot that was damaged after it had been checked
    let home = tempfile::tempdir().unwrap();
    let near = home.path().join("received");
    let built = Shelf::open(&near).unwrap();
    let built = built.build(&applied_by_domain(1..9), HeadRecord::from(&head(8))).unwrap();
    let path = std::fs::read_dir(&near).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let (mut machine, _task) = machine_at(home.path());
    apply(&mut machine, 1..3).await;
    let own = machine.get_snapshot_builder().await.build_snapshot().await.unwrap();
    // when
    let meta = built.head().clone().meta().unwrap();
    let installed = machine.install_snapshot(&meta, built).await;
    // then
    assert!(installed.is_err());
    assert_eq!(machine.applied_state().await.unwrap().0, Some(id(2)));
    let newest = machine.get_current_snapshot().await.unwrap().unwrap();
    assert_eq!(newest.meta, own.meta);
}

#[tokio::test]
async fn a_snapshot_that_is_not_above_what_is_applied_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (mut machine, _task) = machine_at(home.path());
    apply(&mut machine, 1..5).await;
    let older = Shelf::open(&home.path().join("received")).unwrap();
    let older = older.build(&applied_by_domain(1..4), HeadRecord::from(&head(3))).unwrap();
    let meta = older.head().clone().meta().unwrap();
    machine.install_snapshot(&meta, older).await.unwrap();
    assert_eq!(machine.applied_state().await.unwrap().0, Some(id(4)));
    assert!(machine.get_current_snapshot().await.unwrap().is_none());
}

#[tokio::test]
async fn no_start_may_begin_with_a_snapshot_before_what_the_log_had_in_its_place_is_gone() {
    // given: a journal that writes only when it is told to, with an entry that is to be cut off
    let home = tempfile::tempdir().unwrap();
    let options = tradewind_journal::Options::at(home.path().join("log/entries"));
    std::fs::create_dir(home.path().join("log")).unwrap();
    let disk: Arc<dyn tradewind_journal::Disk> = Arc::new(tradewind_journal::RealDisk);
    let (journal, mut disk_at_work) = Journal::open_inline(options, disk.clone()).unwrap();
    let mut log = LogStore::over(journal, &disk, &home.path().join("log")).unwrap();
    let (mut machine, _task) = machine_on(home.path(), log.clone());
    RaftLogStorage::append(&mut log, (0..9).map(entry), IOFlushed::noop()).await.unwrap();
    while disk_at_work.turn() {}
    log.truncate_after(Some(id(3))).await.unwrap();
    // when: a snapshot is installed and the cut is not durable yet
    let received = Shelf::open(&home.path().join("received")).unwrap();
    let file = received.build(&applied_by_domain(1..9), HeadRecord::from(&head(8))).unwrap();
    let meta = file.head().clone().meta().unwrap();
    let mut installing = tokio::spawn(async move {
        machine.install_snapshot(&meta, file).await.unwrap();
        machine
    });
    let soon = std::time::Duration::from_millis(300);
    assert!(tokio::time::timeout(soon, &mut installing).await.is_err());
    // then: it has no name, and nothing of it is in the state
    let named = || std::fs::read_dir(home.path().join("snapshots")).unwrap().count();
    assert_eq!(named(), 0);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while !installing.is_finished() {
        assert!(tokio::time::Instant::now() < deadline, "the snapshot is not installed");
        disk_at_work.turn();
        tokio::task::yield_now().await;
    }
    assert_eq!(installing.await.unwrap().applied_state().await.unwrap().0, Some(id(8)));
    assert_eq!(named(), 1);
}

#[test]
fn a_batch_in_which_applying_panics_is_seen_by_nobody_and_ends_the_process() {
    const INSIDE: &str = "TRADEWIND_TEST_PANICS_INSIDE_A_BATCH";
    if std::env::var_os(INSIDE).is_some() {
        let published = watch::Sender::new(0);
        published.send_modify(|value| {
            let _whole = machine::Whole;
            *value = 1;
            panic!("half-way");
        });
    }
    let inside = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "state::tests::a_batch_in_which_applying_panics_is_seen_by_nobody_and_ends_the_process",
        ])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&inside.status);
    assert_eq!(signal, Some(6), "{}", String::from_utf8_lossy(&inside.stderr));
}

#[test]
fn a_large_snapshot_is_not_due_again_before_ten_times_what_the_last_one_took() {
    let pace = builder::Pace::default();
    let begun = tokio::time::Instant::now();
    let after = |millis| begun + std::time::Duration::from_millis(millis);
    assert!(pace.is_due(begun));
    pace.made(100_000, begun, after(300));
    assert!(pace.is_due(after(300)), "a small one is no matter");
    pace.made(100_000_000, begun, after(300));
    assert!(!pace.is_due(after(2_999)));
    assert!(pace.is_due(after(3_000)));
}

#[test]
fn a_state_that_the_system_refuses_to_open_stays_where_it_is() {
    for refusal in [io::ErrorKind::StorageFull, io::ErrorKind::PermissionDenied] {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().join("state");
        drop(StateStore::open(&state).unwrap());
        let refusing = Environment {
            rows: Arc::new(move |_| Err(StateError::Io(refusal.into()))),
            ..Environment::default()
        };
        let refused = StateStore::open_in(&refusing, &state).err().unwrap();
        assert!(matches!(refused, StateError::Io(_)), "{refused}");
        let found = std::fs::read_dir(home.path()).unwrap().count();
        assert_eq!(found, 1, "nothing is moved aside");
    }
}
