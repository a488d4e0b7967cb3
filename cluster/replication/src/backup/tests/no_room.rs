//! A backup on a disk that has not the room for it.

use super::World;
use crate::{Replica, backup::ExportError, tests::world::put};
use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tradewind_domain::{ids::NodeId, time::UnixNanos};
use tradewind_journal::{Disk, DiskFile, RealDisk};

/// The machine's disk, with so much room.
struct Narrow(Arc<AtomicU64>);

impl Disk for Narrow {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_directory(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        RealDisk.exists(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(directory)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        RealDisk.open(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        RealDisk.sync_directory(directory)
    }
    fn room(&self, _directory: &Path) -> io::Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        RealDisk.lock(path)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_would_fill_the_disk_is_refused_with_what_to_do() {
    let mut world = World::of(1);
    let (node, room) = (NodeId(1), Arc::new(AtomicU64::new(65 << 20)));
    let mut options = world.options(node);
    options.environment.disk = Arc::new(Narrow(room.clone()));
    let replica = Replica::start(options, Arc::new(|| UnixNanos(1))).await.unwrap();
    world.running.insert(node, replica.clone());
    world.form().await;
    let mut request = put("r", "kept");
    request.key.issued_at = UnixNanos(1);
    replica.propose(request).await.unwrap();
    let info = replica.export().await.unwrap().info().clone();
    assert!(info.bytes < 1 << 20);
    // when
    room.store(63 << 20, Ordering::SeqCst);
    let refused = replica.export().await.unwrap_err();
    // then: it is told, and nothing is left behind
    assert!(matches!(refused, ExportError::NoRoom { .. }), "{refused:?}");
    assert!(refused.to_string().contains("or ask another member"), "{refused}");
    let left: Vec<_> = fs::read_dir(world.directory(node).join("snapshots")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
