//! Forges what a member finds on its disk, for a planted bug: a commit index that names the whole log.
//! Decides nothing else; the bytes are those of `cluster/replication`.

use crate::log_id::LogId;
use std::{path::Path, sync::Arc};
use tradewind_journal::{Disk, codec};

const LOG_ID_KIND: u8 = 4;
const SLOT_BYTES: usize = 64;

/// Makes the saved commit index the id of the last entry, wherever that came from.
pub(crate) fn commit_all(disk: &Arc<dyn Disk>, member: &Path) {
    let Some(last) = last_entry(disk, member) else { return };
    let Ok(record) = codec::encode(LOG_ID_KIND, &last) else { return };
    let Ok(file) = disk.open(&member.join("log/committed")) else { return };
    let mut slot = [0; SLOT_BYTES];
    slot[0] = record.len() as u8;
    slot[1..=record.len()].copy_from_slice(&record);
    for offset in [0, SLOT_BYTES as u64] {
        drop(file.write_at(&slot, offset));
    }
}

/// The id at the head of the last entry that can be read.
fn last_entry(disk: &Arc<dyn Disk>, member: &Path) -> Option<LogId> {
    let directory = member.join("log/entries");
    let mut segments: Vec<String> = disk.list(&directory).ok()?;
    segments.retain(|name| name.ends_with(".segment"));
    segments.sort();
    let mut last = None;
    for name in segments {
        let file = disk.open(&directory.join(name)).ok()?;
        let mut bytes = vec![0; file.size().ok()? as usize];
        file.read_at(&mut bytes, 0).ok()?;
        // Header of the segment, then records: length and mark, checksum, index, body.
        let mut at = 32;
        while let Some(header) = bytes.get(at..at + 16) {
            let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
            let length = (length & 0x7FFF_FFFF) as usize;
            let Some(body) = bytes.get(at + 16..at + 16 + length).filter(|_| length > 0) else {
                break;
            };
            last = LogId::at(body, 2).or(last);
            at += 16 + length;
        }
    }
    last
}
