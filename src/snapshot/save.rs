//! `snapshot save`: fetches a backup from a member. Decides that the file appears under its name only once
//! it is whole, checked and durable, and that nothing that exists is written over.

use super::{
    args::SaveArgs,
    inspect::{Contents, print},
};
use crate::stopping::left_off;
use anyhow::{Context as _, bail};
use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::ExitCode,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use tradewind_control_server::{SNAPSHOT_PATH, backup::Backup};
use tradewind_link::rest::Rest;

/// A large state takes some seconds to be written out before the first byte comes.
const FIRST_WITHIN: Duration = Duration::from_secs(60);

pub(crate) async fn run(args: &SaveArgs, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let out = &args.out;
    if out.try_exists().with_context(|| format!("cannot look for {}", out.display()))? {
        bail!("{} exists already: name another file, or move it away", out.display());
    }
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let fetched = tokio::select! {
        fetched = fetch(&args.addr, partial) => fetched,
        () = stop.cancelled() => Err(left_off().into()),
    };
    let saved = fetched.and_then(|()| {
        // Checked as it lies on the disk, not as it came.
        let contents = Contents::of(&Backup::open(partial)?, None);
        fs::rename(partial, out).with_context(|| format!("cannot make {}", out.display()))?;
        sync_parent(out)?;
        Ok(contents)
    });
    match saved {
        Ok(contents) => print(&contents, args.output),
        Err(error) => {
            // What is not whole is of no use to anybody.
            let _ = fs::remove_file(partial);
            Err(error)
        }
    }
}

async fn fetch(address: &str, to: &Path) -> anyhow::Result<()> {
    let mut file = File::create(to).with_context(|| format!("cannot make {}", to.display()))?;
    let take = |piece: &[u8]| file.write_all(piece);
    let fetched = Rest::default().download(address, SNAPSHOT_PATH, FIRST_WITHIN, take).await;
    fetched.with_context(|| format!("no snapshot from {address}"))?;
    file.sync_all().with_context(|| format!("cannot sync {}", to.display()))
}

fn sync_parent(file: &Path) -> anyhow::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let synced = File::open(parent).and_then(|directory| directory.sync_all());
    synced.with_context(|| format!("cannot sync {}", parent.display()))
}
