//! Power losses out of a tape. Decides what may be left of the files at any moment of it: all that was synced;
//! of the rest each 4 KiB block as it was at some moment since, or not at all; each unsynced change of a name
//! or of a size, or not.
//!
//! A sync covers the writes that had returned before it was called. Directories are taken to be durable once
//! made: what is in them is not.

use crate::{Event, Kind, Random};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

const BLOCK: usize = 4096;

/// The disk as it was at one moment of a tape.
#[derive(Debug)]
pub struct Replay {
    root: PathBuf,
    ignore_syncs: bool,
    files: Vec<Contents>,
    /// Of files that were seen being made: numbers of inodes come again.
    inodes: BTreeMap<u64, usize>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<(u64, Change)>,
    directories: BTreeSet<PathBuf>,
}

#[derive(Debug, Default)]
struct Contents {
    durable: Vec<u8>,
    size: usize,
    unsynced: Vec<Unsynced>,
}

/// A change of a file and when it had returned.
#[derive(Debug)]
struct Unsynced {
    ended: u64,
    offset: usize,
    body: Vec<u8>,
    /// Of the file afterwards.
    size: usize,
}

#[derive(Clone, Debug)]
enum Change {
    Made(PathBuf, usize),
    Removed(PathBuf),
    Renamed(PathBuf, PathBuf, usize),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Made(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Removed(path) => {
                names.remove(path);
            }
            Self::Renamed(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }

    fn is_in(&self, directory: &Path) -> bool {
        let (Self::Made(path, _) | Self::Removed(path) | Self::Renamed(_, path, _)) = self;
        path.parent() == Some(directory)
    }
}

impl Replay {
    /// Nothing yet. What lies outside of `root` is of no account.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            ignore_syncs: false,
            files: Vec::new(),
            inodes: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            directories: BTreeSet::from([root.to_owned()]),
        }
    }

    /// A planted bug: as if no sync had been called.
    #[must_use]
    pub fn ignoring_syncs(mut self) -> Self {
        self.ignore_syncs = true;
        self
    }

    /// Takes the next event of the tape.
    pub fn step(&mut self, event: &Event) {
        if event.result < 0 || !event.path.starts_with(&self.root) {
            return;
        }
        match event.kind {
            Kind::Create => {
                self.files.push(Contents::default());
                let file = self.files.len() - 1;
                self.inodes.insert(event.inode, file);
                self.change_name(event, Change::Made(event.path.clone(), file));
            }
            Kind::Write | Kind::Resize => self.change_file(event),
            Kind::Sync if self.ignore_syncs => {}
            Kind::Sync => self.sync(event),
            Kind::SyncRange => {}
            Kind::Rename => {
                if let Some(file) = self.names.get(&event.path).copied() {
                    let (from, to) = (event.path.clone(), event.other.clone());
                    self.change_name(event, Change::Renamed(from, to, file));
                }
            }
            Kind::Unlink => self.change_name(event, Change::Removed(event.path.clone())),
            Kind::MakeDirectory => {
                self.directories.insert(event.path.clone());
            }
        }
    }

    fn change_name(&mut self, event: &Event, change: Change) {
        change.apply(&mut self.names);
        self.unsynced_names.push((event.ended, change));
    }

    fn change_file(&mut self, event: &Event) {
        let Some(file) = self.inodes.get(&event.inode).copied() else { return };
        let resized = event.kind == Kind::Resize;
        let contents = &mut self.files[file];
        contents.size = event.size as usize;
        contents.unsynced.push(Unsynced {
            ended: event.ended,
            offset: if resized { 0 } else { event.offset as usize },
            body: event.body.clone(),
            size: event.size as usize,
        });
    }

    fn sync(&mut self, event: &Event) {
        if let Some(file) = self.inodes.get(&event.inode).copied() {
            self.files[file].sync(event);
            return;
        }
        let changes = std::mem::take(&mut self.unsynced_names);
        for (ended, change) in changes {
            if ended <= event.begun && change.is_in(&event.path) {
                change.apply(&mut self.durable_names);
            } else {
                self.unsynced_names.push((ended, change));
            }
        }
    }

    /// The power goes now: writes what is left of `root` into `into`, an empty directory.
    pub fn lose_power(&self, random: &mut Random, into: &Path) -> io::Result<()> {
        let place = |path: &Path| path.strip_prefix(&self.root).map(|path| into.join(path));
        for directory in &self.directories {
            fs::create_dir_all(place(directory).map_err(io::Error::other)?)?;
        }
        let mut names = self.durable_names.clone();
        for (_, change) in &self.unsynced_names {
            if random.coin() {
                change.apply(&mut names);
            }
        }
        for (path, file) in names {
            self.files[file].leave(random, &place(&path).map_err(io::Error::other)?)?;
        }
        Ok(())
    }
}

impl Contents {
    fn sync(&mut self, event: &Event) {
        for change in std::mem::take(&mut self.unsynced) {
            if change.ended > event.begun {
                self.unsynced.push(change);
                continue;
            }
            let end = change.offset + change.body.len();
            self.durable.resize(change.size.max(end), 0);
            self.durable[change.offset..end].copy_from_slice(&change.body);
        }
        // Space that was reserved in between shows only here.
        let size = if self.unsynced.is_empty() { event.size as usize } else { self.durable.len() };
        self.durable.resize(size, 0);
        self.size = self.size.max(size);
    }

    /// Each block that changed since: as it was durable, or after any of the changes, in their order.
    fn leave(&self, random: &mut Random, path: &Path) -> io::Result<()> {
        let file = File::create(path)?;
        let whole = self.durable.chunks(BLOCK).enumerate();
        for (block, bytes) in whole.filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0)) {
            file.write_all_at(bytes, (block * BLOCK) as u64)?;
        }
        let mut touched = BTreeMap::<usize, Vec<&Unsynced>>::new();
        for change in self.unsynced.iter().filter(|change| !change.body.is_empty()) {
            let last = change.offset + change.body.len() - 1;
            for block in change.offset / BLOCK..=last / BLOCK {
                touched.entry(block).or_default().push(change);
            }
        }
        for (block, changes) in touched {
            let kept = if random.coin() { 1 + random.below(changes.len()) } else { 0 };
            let (begin, end) = (block * BLOCK, (block + 1) * BLOCK);
            for change in &changes[..kept] {
                let (from, to) =
                    (change.offset.max(begin), (change.offset + change.body.len()).min(end));
                file.write_all_at(
                    &change.body[from - change.offset..to - change.offset],
                    from as u64,
                )?;
            }
        }
        let size = if random.coin() { self.size } else { self.durable.len() };
        file.set_len(size as u64)
    }
}
