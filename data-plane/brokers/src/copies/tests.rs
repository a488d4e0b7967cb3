//! Claims about copies on disk: what a copy holder knows after a restart, and what of it goes.

#![allow(clippy::unwrap_used)]

use super::{
    seals::Seal,
    shelf::{Copy, Shelf, ShelfError},
};
use crate::ledger::record::Record;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tradewind_domain::{
    ids::{AccountId, ClusterIncarnation, Epoch, Fence},
    time::UnixNanos,
    trading::copies::{Greeting, Refused, Sealed},
};
use tradewind_journal::{RealDisk, disk::SimulatedDisk};

fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) }
}

fn account() -> AccountId {
    "sim-1".parse().unwrap()
}

fn swept(to: u64) -> Vec<u8> {
    Record::Swept { to: UnixNanos(to) }.encode().unwrap().to_vec()
}

fn joins(epoch: u64) -> Vec<u8> {
    Record::CopyJoins { cluster: 1, epoch }.encode().unwrap().to_vec()
}

async fn copy(disk: &SimulatedDisk) -> Copy {
    let shelf = Shelf::at(PathBuf::from("/copies"), Arc::new(disk.clone()));
    tokio::task::spawn_blocking(move || shelf.copy(&account())).await.unwrap().unwrap()
}

/// Waits until the copy has so many records on its disk.
async fn synced(copy: &Copy, index: u64) {
    copy.synced().wait_for(|reached| *reached >= index).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_holder_that_comes_back_has_what_it_acknowledged_and_keeps_its_promise() {
    // given
    let disk = SimulatedDisk::new(1);
    let first = copy(&disk).await;
    let (session, greeting) = first.greet(fence(1)).unwrap();
    assert_eq!(greeting, Greeting { begun: None, last: 0, synced: 0 });
    first.begin(session, fence(2)).await.unwrap();
    first.append(session, 1, vec![swept(1), joins(2), swept(3)]).await.unwrap();
    synced(&first, 3).await;
    assert_eq!(first.acknowledges(session), Some(3));
    let sealed = first.seal(fence(7)).await.unwrap();
    assert_eq!(sealed, Sealed { whole: Some(fence(2)), last: 3 });
    assert_eq!(first.acknowledges(session), None, "nothing after the seal");
    drop(first);
    // when
    disk.restart();
    let again = copy(&disk).await;
    // then
    let refused = again.greet(fence(6)).map(drop).unwrap_err();
    assert!(matches!(refused, ShelfError::Refused(Refused::Sealed { by }) if by == fence(7)));
    assert_eq!(again.seal(fence(7)).await.unwrap(), sealed);
    assert_eq!(again.after(1, 1 << 20).unwrap(), [joins(2), swept(3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_begins_anew_has_nothing_of_before_but_its_seals() {
    let disk = SimulatedDisk::new(1);
    let kept = copy(&disk).await;
    let (session, _) = kept.greet(fence(1)).unwrap();
    kept.begin(session, fence(2)).await.unwrap();
    kept.append(session, 1, vec![swept(1), joins(2)]).await.unwrap();
    synced(&kept, 2).await;
    kept.begin(session, fence(5)).await.unwrap();
    drop(kept);
    disk.restart();
    let again = copy(&disk).await;
    let (_, greeting) = again.greet(fence(1)).unwrap();
    assert_eq!(greeting, Greeting { begun: Some(fence(5)), last: 0, synced: 0 });
    let sealed = again.seal(fence(8)).await.unwrap();
    assert_eq!(sealed, Sealed { whole: None, last: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_goes_when_a_state_that_knows_of_its_naming_names_another() {
    // given
    let home = tempfile::tempdir().unwrap();
    let shelf = Arc::new(Shelf::at(home.path().join("copies"), Arc::new(RealDisk)));
    let keeps = |kept: BTreeMap<AccountId, Fence>, at: Fence| {
        let shelf = shelf.clone();
        async move { tokio::task::spawn_blocking(move || shelf.keep(&kept, at)).await.unwrap() }
    };
    let opened = {
        let shelf = shelf.clone();
        tokio::task::spawn_blocking(move || shelf.copy(&account())).await.unwrap().unwrap()
    };
    let (session, _) = opened.greet(fence(1)).unwrap();
    opened.begin(session, fence(9)).await.unwrap();
    drop(opened);
    let there = || home.path().join("copies/sim-1").exists();
    // when a state is older than the naming, or names it
    keeps(BTreeMap::new(), fence(8)).await.unwrap();
    assert!(there());
    keeps([(account(), fence(9))].into(), fence(20)).await.unwrap();
    assert!(there());
    // then it stays, and goes with a later one that does not
    keeps(BTreeMap::new(), fence(21)).await.unwrap();
    assert!(!there());
}

#[test]
fn the_records_beside_a_copy_are_read_as_they_were_released() {
    let samples = [
        (Seal::Sealed { cluster: 1, epoch: 300 }, "01020001fb2c01"),
        (Seal::Begun { cluster: 2, epoch: 7 }, "0102010207"),
    ];
    for (seal, bytes) in samples {
        let written = seal.encode().unwrap();
        let hex: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex[..hex.len() - 8], *bytes);
        assert_eq!(Seal::decode(&written).unwrap(), seal);
    }
}
