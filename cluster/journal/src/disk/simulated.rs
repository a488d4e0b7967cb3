//! A disk in memory that forgets at a power loss what was not synced: names one by one, bytes by 4
//! KiB block. Decides, by its seed, what survives; made for tests and simulation, never for a
//! running node.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Disk, DiskFile};

const BLOCK: usize = 4096;

/// See the module. Clones are the same disk.
#[derive(Clone)]
pub struct SimulatedDisk(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    seed: u64,
    operations: u64,
    power_lost_at: Option<u64>,
    powerless: bool,
    fail_syncs: bool,
    ignore_syncs: bool,
    syncs: u64,
    files: Vec<Contents>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<Change>,
    locks: BTreeSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
}

#[derive(Clone, Default)]
struct Contents {
    now: Vec<u8>,
    durable: Vec<u8>,
    dirty: BTreeSet<usize>,
}

enum Change {
    Made(PathBuf, usize),
    Removed(PathBuf),
    Renamed(PathBuf, PathBuf, usize),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Change::Made(path, file) => {
                names.insert(path.clone(), *file);
            }
            Change::Removed(path) => {
                names.remove(path);
            }
            Change::Renamed(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }

    fn is_in(&self, directory: &Path) -> bool {
        let (Change::Made(path, _) | Change::Removed(path) | Change::Renamed(path, _, _)) = self;
        path.parent() == Some(directory)
    }
}

impl SimulatedDisk {
    /// An empty disk; the seed decides what survives a power loss.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(World { seed, ..World::default() })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changing operations done so far (writes, syncs, names).
    pub fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Syncs of files and directories asked for so far.
    pub fn syncs(&self) -> u64 {
        self.world().syncs
    }

    /// The power goes in the middle of that changing operation, counted from the disk's beginning.
    pub fn lose_power_at(&self, operation: u64) {
        self.world().power_lost_at = Some(operation);
    }

    /// The power goes now. What is asked for from now on fails and changes nothing.
    pub fn cut_power(&self) {
        self.world().powerless = true;
    }

    /// Whether the power is on.
    pub fn has_power(&self) -> bool {
        !self.world().powerless
    }

    /// From now on every sync fails with `EIO`, or no longer does.
    pub fn fail_syncs(&self, fail: bool) {
        self.world().fail_syncs = fail;
    }

    /// A planted bug: syncs answer well and do nothing.
    pub fn ignore_syncs(&self) {
        self.world().ignore_syncs = true;
    }

    /// Changes one byte of a file, durably, as a failing disk would.
    pub fn flip(&self, path: &Path, offset: usize) {
        let mut world = self.world();
        let Some(&file) = world.names.get(path) else { return };
        world.files[file].now[offset] ^= 0x55;
        world.files[file].sync();
    }

    /// Only the process had died, not the machine: the power was never away, nothing is lost, all
    /// locks are free.
    pub fn restart_process(&self) {
        let mut world = self.world();
        world.locks.clear();
        world.powerless = false;
        world.power_lost_at = None;
    }

    /// The machine starts again: what was synced is there, of the rest a random part, and all locks
    /// are free.
    pub fn restart(&self) {
        self.world().restart();
    }
}

impl World {
    fn random(&mut self) -> u64 {
        // splitmix64
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn flip_coin(&mut self) -> bool {
        self.random() & 1 == 0
    }

    /// Counts a changing operation. Gives whether its effect still reaches the disk's memory.
    fn change(&mut self) -> io::Result<()> {
        if self.powerless {
            return Err(io::Error::other("the power is off"));
        }
        self.operations += 1;
        self.powerless = Some(self.operations) == self.power_lost_at;
        Ok(())
    }

    /// What an operation answers: nobody hears that it was done when the power went meanwhile.
    fn answer(&self) -> io::Result<()> {
        if self.powerless { Err(io::Error::other("the power went")) } else { Ok(()) }
    }

    fn begin_sync(&mut self) -> io::Result<bool> {
        self.change()?;
        self.syncs += 1;
        if self.fail_syncs {
            return Err(io::Error::from_raw_os_error(5));
        }
        Ok(!self.ignore_syncs && !self.powerless)
    }

    fn restart(&mut self) {
        for change in std::mem::take(&mut self.unsynced_names) {
            if self.flip_coin() {
                change.apply(&mut self.durable_names);
            }
        }
        self.names = self.durable_names.clone();
        let mut files = std::mem::take(&mut self.files);
        for file in &mut files {
            let size = if self.flip_coin() { file.now.len() } else { file.durable.len() };
            for &block in &file.dirty.clone() {
                if self.flip_coin() {
                    file.sync_block(block);
                }
            }
            file.durable.resize(size, 0);
            file.now = file.durable.clone();
            file.dirty.clear();
        }
        self.files = files;
        self.locks.clear();
        self.powerless = false;
        self.power_lost_at = None;
    }

    fn rename_into(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Contents {
    fn sync_block(&mut self, block: usize) {
        let begin = block * BLOCK;
        let end = (begin + BLOCK).min(self.now.len());
        if begin < end {
            if self.durable.len() < end {
                self.durable.resize(end, 0);
            }
            self.durable[begin..end].copy_from_slice(&self.now[begin..end]);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for block in std::mem::take(&mut self.dirty) {
            self.sync_block(block);
        }
    }

    fn resize(&mut self, size: usize) {
        let (least, most) = (size.min(self.now.len()), size.max(self.now.len()));
        self.now.resize(size, 0);
        self.dirty.extend(least / BLOCK..most.div_ceil(BLOCK));
    }
}

impl Disk for SimulatedDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.world().directories.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let world = self.world();
        Ok(world.directories.contains(path) || world.names.contains_key(path))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let world = self.world();
        let inside = world.names.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.change()?;
        let file = match world.names.get(path) {
            Some(&file) => {
                world.files[file].resize(0);
                file
            }
            None => {
                world.files.push(Contents::default());
                let file = world.files.len() - 1;
                world.rename_into(Change::Made(path.to_owned(), file));
                file
            }
        };
        world.answer()?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.world().find(path)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        let file = world.find(from)?;
        world.rename_into(Change::Renamed(from.to_owned(), to.to_owned(), file));
        world.answer()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.find(path)?;
        world.rename_into(Change::Removed(path.to_owned()));
        world.answer()
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut world = self.world();
        if world.begin_sync()? {
            let changes = std::mem::take(&mut world.unsynced_names);
            let (inside, outside) = changes.into_iter().partition(|change| change.is_in(directory));
            world.unsynced_names = outside;
            let inside: Vec<Change> = inside;
            inside.iter().for_each(|change| change.apply(&mut world.durable_names));
        }
        world.answer()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        if !self.world().locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock { disk: self.clone(), path: path.to_owned() }))
    }
}

struct Lock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.world().locks.remove(&self.path);
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

impl DiskFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.world().files[self.file].now.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let world = self.disk.world();
        let (begin, end) = (offset as usize, offset as usize + buffer.len());
        let bytes = world.files[self.file].now.get(begin..end);
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.change()?;
        let (begin, end) = (offset as usize, offset as usize + bytes.len());
        let file = &mut world.files[self.file];
        if file.now.len() < end {
            file.resize(end);
        }
        file.now[begin..end].copy_from_slice(bytes);
        file.dirty.extend(begin / BLOCK..end.div_ceil(BLOCK));
        world.answer()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.change()?;
        world.files[self.file].resize(size as usize);
        world.answer()
    }

    fn preallocate(&self, size: u64) -> io::Result<()> {
        if self.size()? < size { self.set_size(size) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<Duration> {
        self.sync_all()?;
        Ok(Duration::ZERO)
    }

    fn sync_all(&self) -> io::Result<()> {
        let mut world = self.disk.world();
        if world.begin_sync()? {
            world.files[self.file].sync();
        }
        world.answer()
    }
}
