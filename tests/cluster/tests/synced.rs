//! R1's ground, shown by the system calls: before a write was acknowledged, a majority of the members had called
//! fdatasync, with its bytes written before, and it had succeeded. The same check finds tapes in which that is
//! not so.
#![allow(clippy::unwrap_used)]

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;
use tradewind_control_client::KeySource;
use tradewind_faulty_disk::{Event, FaultyDisk, Kind};
use tradewind_link::rest::Method;
use tradewind_protocol::control::{Changed, PutRegister};
use tradewind_tests_cluster::{group::Group, load::unix_now};

const WRITES: u64 = 100;

/// A write as its client saw it, by the clock of the tapes.
struct Acknowledged {
    value: String,
    sent: u64,
    answered: u64,
}

fn now() -> u64 {
    let at = clock_gettime(ClockId::Monotonic);
    at.tv_sec.cast_unsigned() * 1_000_000_000 + at.tv_nsec.cast_unsigned()
}

fn contains(body: &[u8], value: &str) -> bool {
    body.windows(value.len()).any(|part| part == value.as_bytes())
}

/// Whether this member had the write on its disk when it was acknowledged.
fn had_synced(tape: &[Event], write: &Acknowledged) -> bool {
    let journal = |event: &&Event| event.path.to_str().unwrap().contains("/raft/log/entries/");
    let during = |event: &&Event| event.begun >= write.sent && event.ended <= write.answered;
    let written = tape.iter().filter(journal).filter(during);
    let mut written = written.filter(|event| contains(&event.body, &write.value));
    written.any(|written| {
        tape.iter().filter(during).any(|event| {
            event.kind == Kind::Sync
                && event.result == 0
                && event.inode == written.inode
                && event.begun >= written.ended
        })
    })
}

/// The writes that were acknowledged before a majority had synced them.
fn breaches(tapes: &[Vec<Event>], writes: &[Acknowledged]) -> usize {
    let synced =
        |write: &&Acknowledged| tapes.iter().filter(|tape| had_synced(tape, write)).count();
    writes.iter().filter(|write| synced(write) * 2 <= tapes.len()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_write_was_preceded_by_an_fdatasync_on_a_majority() {
    let mut group = Group::new();
    let mut disks = Vec::new();
    for member in &mut group.members {
        let disk = FaultyDisk::of(&member.data).unwrap().recorded();
        member.environment = disk.environment();
        disks.push(disk);
    }
    group.start_all().await;
    let client = group.client();
    let keys = KeySource::new("synced".parse().unwrap(), std::sync::Arc::new(unix_now));
    let mut writes = Vec::new();
    for n in 0..WRITES {
        let value = format!("the-value-with-number-{n:06}");
        let body = PutRegister { value: value.clone(), expected: None };
        let (key, within) = (keys.next(), Duration::from_secs(10));
        let sent = now();
        let answer = client.change(Method::PUT, "/v1/registers/synced", &body, &key, within).await;
        let answered = now();
        let _: Changed = answer.accepted().unwrap();
        writes.push(Acknowledged { value, sent, answered });
    }
    let tapes: Vec<Vec<Event>> = disks.iter().map(|disk| disk.tape().unwrap()).collect();
    assert_eq!(breaches(&tapes, &writes), 0);

    // Planted: the same tapes without the syncs of two members; with syncs that failed; with syncs that
    // came too late; with syncs of other files.
    let changed = |change: &dyn Fn(&mut Vec<Event>)| {
        let mut tapes = tapes.clone();
        tapes.iter_mut().skip(1).for_each(change);
        breaches(&tapes, &writes)
    };
    let syncs = |tape: &mut Vec<Event>, with: &dyn Fn(&mut Event)| {
        tape.iter_mut().filter(|event| event.kind == Kind::Sync).for_each(with);
    };
    let all = WRITES as usize;
    assert_eq!(changed(&|tape| tape.retain(|event| event.kind != Kind::Sync)), all);
    assert_eq!(changed(&|tape| syncs(tape, &|event| event.result = -5)), all);
    assert_eq!(changed(&|tape| syncs(tape, &|event| event.ended += 10_000_000_000)), all);
    assert_eq!(changed(&|tape| syncs(tape, &|event| event.inode += 1)), all);

    let everywhere = writes.iter().filter(|write| tapes.iter().all(|tape| had_synced(tape, write)));
    println!(
        "{all} acknowledged writes, each preceded by an fdatasync on a majority, {} of them on all members",
        everywhere.count()
    );
}
