//! Reading: turns the places a view names into records. Decides how much is read at once and that
//! every record read from disk passes its check; what exists is `view`'s decision.

use std::path::Path;
use std::vec;

use bytes::Bytes;

use crate::directory;
use crate::disk::DiskFile;
use crate::error::ReadError;
use crate::journal::Journal;
use crate::limits::STREAM_CHUNK_BYTES;
use crate::record::{self, Found};
use crate::view::Piece;

/// Reads the pieces, in order.
pub(crate) fn read(pieces: Vec<Piece>) -> Result<Vec<(u64, Bytes)>, ReadError> {
    let mut records = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Memory(mut tail) => records.append(&mut tail),
            Piece::File { first, file, path, extents } => {
                read_extents(first, file.as_ref(), &path, &extents, &mut records)?;
            }
        }
    }
    Ok(records)
}

/// Consecutive records lie one behind the other: one read fetches them all, and the bodies share
/// it.
fn read_extents(
    first: u64,
    file: &dyn DiskFile,
    path: &Path,
    extents: &[(u32, u32)],
    records: &mut Vec<(u64, Bytes)>,
) -> Result<(), ReadError> {
    let (Some(&(begin, _)), Some(&(_, end))) = (extents.first(), extents.last()) else {
        return Ok(());
    };
    let length = (end - begin) as usize;
    let bytes = Bytes::from(directory::read_file(file, path, u64::from(begin), length)?);
    for (index, &(from, to)) in (first..).zip(extents) {
        let whole = bytes.slice((from - begin) as usize..(to - begin) as usize);
        let expected = whole.len() - record::HEADER_BYTES;
        match record::find(&whole, from, index) {
            Found::Record { body_bytes, .. } if body_bytes == expected => {
                records.push((index, whole.slice(record::HEADER_BYTES..)));
            }
            _ => {
                let file = path.to_owned();
                return Err(ReadError::Corrupt { file, offset: u64::from(from), index });
            }
        }
    }
    Ok(())
}

/// Records from an index on, up to the last one there is when the iterator gets there. Reads files
/// as it goes (1 MiB at a time) and ends after an error.
pub struct Records {
    journal: Journal,
    next: Option<u64>,
    ready: vec::IntoIter<(u64, Bytes)>,
}

impl Records {
    pub(crate) fn new(journal: Journal, from: u64) -> Self {
        Self { journal, next: Some(from), ready: Vec::new().into_iter() }
    }
}

impl Iterator for Records {
    type Item = Result<(u64, Bytes), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.len() == 0 {
            match self.journal.read(self.next?..u64::MAX, STREAM_CHUNK_BYTES) {
                Ok(records) => self.ready = records.into_iter(),
                Err(error) => {
                    self.next = None;
                    return Some(Err(error));
                }
            }
        }
        let record = self.ready.next();
        self.next = record.as_ref().map(|(index, _)| index + 1);
        record.map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Record};

    #[test]
    fn a_log_of_any_length_is_streamed_a_chunk_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::open(Options::at(home.path().join("log"))).unwrap();
        for index in 1..=30 {
            let body = vec![index as u8; STREAM_CHUNK_BYTES / 2];
            journal.append(vec![Record::new(index, body)]).unwrap().wait().unwrap();
        }
        let (mut stream, mut seen) = (journal.stream_from(1), 0);
        while let Some(record) = stream.next() {
            let (index, body) = record.unwrap();
            seen += 1;
            assert_eq!((index, body[0]), (seen, seen as u8));
            let held: usize = stream.ready.as_slice().iter().map(|(_, body)| body.len()).sum();
            assert!(held <= STREAM_CHUNK_BYTES, "{held} bytes are held at record {index}");
        }
        assert_eq!(seen, 30);
    }
}
