//! Continuing a ledger elsewhere. Decides how the copy comes here: sealed first, loaded beside whatever ledger stands in
//! its place, and put there once all of it is on this disk. Acting on it waits for the leader's word.

use super::pipe::{Dialler, Target, dial};
use crate::{limits::COPY_FAILED_TOLD_AFTER, store::StoreError};
use bytes::Bytes;
use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::Arc,
};
use tradewind_domain::{
    ids::Fence,
    trading::copies::{NotWhole, Successor},
};
use tradewind_journal::{Disk, Journal, Options};
use tradewind_link::pipe::Event;
use tradewind_protocol::copies::{CopyDown, CopyUp, RecordBytes};

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// It waits for the entry that makes it live.
    Whole,
    NotWhole,
    /// Somebody else is to continue it.
    Superseded,
}

/// Until the copy is here. May be cancelled: it begins anew, and what is in the ledger's place is whole.
pub(crate) async fn succeed(
    directory: &Path,
    disk: Arc<dyn Disk>,
    dialler: &Dialler,
    target: &Target,
    naming: Fence,
) -> Result<Loaded, StoreError> {
    let loading = directory.with_file_name("loading");
    let options = Options { first_index: Some(1), ..Options::at(&loading) };
    let opened = tokio::task::spawn_blocking(move || Journal::open_on(options, disk)).await;
    let journal = opened.map_err(|_| StoreError::Stopped)??;
    journal.reset(1)?.await?;
    let mut successor = Successor::new(target.right, naming);
    let (sender, mut events) = dial(dialler, target);
    let (mut last, mut here) = (0, 0);
    while !successor.is_loaded() {
        let Some(event) = events.next().await else { return Ok(Loaded::Superseded) };
        let say = |message| drop(sender.try_send(message));
        match event {
            Event::Up { .. } => {
                let (account, right) = (dialler.account.clone(), target.right);
                say(CopyDown::Seal { account, right });
            }
            Event::Down(lost) => tracing::info!(%lost, "the copy is out of reach"),
            Event::Message(CopyUp::Sealed { sealed }) => match successor.sealed(sealed) {
                Ok(to) => {
                    last = to;
                    if here > last {
                        // A record that the copy lost again was acknowledged to nobody.
                        journal.reset(1)?.await?;
                        here = 0;
                    }
                    say(CopyDown::Fetch { after: here });
                }
                Err(NotWhole) => return Ok(Loaded::NotWhole),
            },
            Event::Message(CopyUp::Records { first, records }) => {
                if first != here + 1 || records.is_empty() {
                    continue;
                }
                here = take(&journal, first, last, records).await?;
                successor.synced(here);
                if here < last {
                    say(CopyDown::Fetch { after: here });
                }
            }
            Event::Message(CopyUp::Refused { .. }) => return Ok(Loaded::Superseded),
            Event::Message(CopyUp::Failed { why }) => {
                tracing::error!(why, "the copy cannot be read");
                tokio::time::sleep(COPY_FAILED_TOLD_AFTER).await;
                return Ok(Loaded::NotWhole);
            }
            Event::Message(
                CopyUp::Greeted { .. } | CopyUp::Begun | CopyUp::Acknowledged { .. },
            ) => {}
        }
    }
    let directory = directory.to_owned();
    let placed = tokio::task::spawn_blocking(move || {
        // Its writer ends with the last handle.
        drop(journal);
        put_in_place(&directory, &loading).map_err(|source| StoreError::Place { directory, source })
    });
    placed.await.map_err(|_| StoreError::Stopped)??;
    Ok(Loaded::Whole)
}

/// Gives the last record that is on the disk.
async fn take(
    journal: &Journal,
    first: u64,
    last: u64,
    records: Vec<RecordBytes>,
) -> Result<u64, StoreError> {
    journal.room().await;
    let records = (first..=last).zip(records);
    let records = records
        .map(|(index, record)| tradewind_journal::Record { index, body: Bytes::from(record.0) });
    let records: Vec<_> = records.collect();
    let here = first + records.len() as u64 - 1;
    journal.append(records)?.await?;
    Ok(here)
}

/// The ledger that stood there was another's or an older one: one such is kept.
fn put_in_place(directory: &Path, loading: &Path) -> io::Result<()> {
    let superseded = directory.with_file_name("ledger.superseded");
    if directory.exists() {
        if superseded.exists() {
            fs::remove_dir_all(&superseded)?;
        }
        fs::rename(directory, &superseded)?;
    }
    fs::rename(loading, directory)?;
    let parent = directory.parent().unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}
