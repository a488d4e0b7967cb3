//! Record: one entry of the log and its bytes in a segment. Decides the layout and what counts as
//! whole; where records lie is `segment`'s decision.

use bytes::Bytes;

use crate::limits::RECORD_BYTES_MAX;

/// One entry of the log. Bodies are opaque here; clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// One more than that of the record before.
    pub index: u64,
    /// At most [`RECORD_BYTES_MAX`] bytes; may be empty.
    pub body: Bytes,
}

impl Record {
    /// A record with that index.
    pub fn new(index: u64, body: impl Into<Bytes>) -> Self {
        Self { index, body: body.into() }
    }
}

/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 16;

const SYNC_MARK: u32 = 1 << 31;

/// What stands at an offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole record, with its body's length and whether it carries the sync mark.
    Record { body_bytes: usize, marked: bool },
    /// Zeros, or too few bytes for a header: no record.
    Nothing,
    /// Something else, and why it is no record.
    Damaged(&'static str),
}

/// Bytes a record with such a body takes.
pub(crate) fn bytes_of(body: usize) -> u64 {
    (HEADER_BYTES + body) as u64
}

/// Appends the record's bytes to `buffer`, to be written at `offset` of a segment; `marked` says
/// that everything before it is durable.
pub(crate) fn write(buffer: &mut Vec<u8>, record: &Record, offset: u32, marked: bool) {
    let word = record.body.len() as u32 | if marked { SYNC_MARK } else { 0 };
    let crc = checksum(offset, word, record.index, &record.body);
    buffer.extend_from_slice(&word.to_le_bytes());
    buffer.extend_from_slice(&crc.to_le_bytes());
    buffer.extend_from_slice(&record.index.to_le_bytes());
    buffer.extend_from_slice(&record.body);
}

/// Looks for the record `index` in `bytes`, which begin at `offset` of a segment and may go on
/// beyond it.
pub(crate) fn find(bytes: &[u8], offset: u32, index: u64) -> Found {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Found::Nothing;
    };
    if header.iter().all(|byte| *byte == 0) {
        return Found::Nothing;
    }
    let (word, crc, found) = parse(header);
    if found != index {
        return Found::Damaged("it does not hold the index that follows");
    }
    let body_bytes = (word & !SYNC_MARK) as usize;
    if body_bytes > RECORD_BYTES_MAX {
        return Found::Damaged("its length is above the limit");
    }
    let Some(body) = rest.get(..body_bytes) else {
        return Found::Damaged("its length runs beyond the end of the file");
    };
    if checksum(offset, word, index, body) != crc {
        return Found::Damaged("its checksum does not match");
    }
    Found::Record { body_bytes, marked: word & SYNC_MARK != 0 }
}

/// The index in the header at the beginning of `bytes`, if that claims the sync mark: a cheap first
/// look.
pub(crate) fn marked_index(bytes: &[u8]) -> Option<u64> {
    let (word, _, index) = parse(bytes.first_chunk::<HEADER_BYTES>()?);
    (word & SYNC_MARK != 0).then_some(index)
}

fn parse(header: &[u8; HEADER_BYTES]) -> (u32, u32, u64) {
    let [a, b, c, d, e, f, g, h, index @ ..] = *header;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]), u64::from_le_bytes(index))
}

fn checksum(offset: u32, word: u32, index: u64, body: &[u8]) -> u32 {
    let mut head = [0; 16];
    head[..4].copy_from_slice(&offset.to_le_bytes());
    head[4..8].copy_from_slice(&word.to_le_bytes());
    head[8..].copy_from_slice(&index.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head);
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_record_never_change() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Record::new(7, "abc"), 32, true);
        assert_eq!(
            bytes,
            [3, 0, 0, 0x80, 0xb1, 0x37, 0x68, 0x6e, 7, 0, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c']
        );
    }

    #[test]
    fn a_record_is_whole_only_at_its_own_place() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Record::new(7, "abc"), 32, true);
        assert_eq!(find(&bytes, 32, 7), Found::Record { body_bytes: 3, marked: true });
        assert!(matches!(find(&bytes, 48, 7), Found::Damaged(_)));
        assert!(matches!(find(&bytes, 32, 8), Found::Damaged(_)));
        assert!(matches!(find(&bytes[..bytes.len() - 1], 32, 7), Found::Damaged(_)));
    }

    #[test]
    fn any_flipped_bit_is_found() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Record::new(7, "abc"), 32, false);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(find(&bytes, 32, 7), Found::Damaged(_)), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
