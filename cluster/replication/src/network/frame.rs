//! Frames of a peer connection: length, call number, body. Decides the layout and the size that is
//! refused before anything is read; the body is `wire`'s.
//!
//! | 4 bytes | length of what follows, big-endian |
//! | 8 bytes | call number, big-endian; an answer repeats it |
//! | rest | body |

use crate::limits::FRAME_BYTES_MAX;
use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(crate) const HEADER_BYTES: usize = 12;
const CALL_BYTES: usize = 8;

/// A length that no peer of ours sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes is refused, 8 to {FRAME_BYTES_MAX} are allowed")]
pub(crate) struct BadLength(pub(crate) usize);

/// Appends a frame to `out`. Fails without a trace if the body is too large.
pub(crate) fn put(out: &mut BytesMut, call: u64, body: &[u8]) -> Result<(), BadLength> {
    let length = CALL_BYTES + body.len();
    let wire_length = u32::try_from(length).map_err(|_| BadLength(length))?;
    if length > FRAME_BYTES_MAX {
        return Err(BadLength(length));
    }
    out.reserve(HEADER_BYTES + body.len());
    out.put_u32(wire_length);
    out.put_u64(call);
    out.put_slice(body);
    Ok(())
}

/// Takes the next whole frame from the front of `input`; `None` if more bytes are needed.
pub(crate) fn take(input: &mut BytesMut) -> Result<Option<(u64, Bytes)>, BadLength> {
    let Some(header) = input.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*header) as usize;
    if !(CALL_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(BadLength(length));
    }
    if input.len() < 4 + length {
        input.reserve(4 + length - input.len());
        return Ok(None);
    }
    input.advance(4);
    let mut frame = input.split_to(length);
    let call = frame.get_u64();
    Ok(Some((call, frame.freeze())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_frame_is_read_whole_however_it_arrives() {
        let mut sent = BytesMut::new();
        put(&mut sent, 7, b"first").unwrap();
        put(&mut sent, 8, b"").unwrap();
        let mut input = BytesMut::new();
        let mut seen = Vec::new();
        for byte in sent {
            input.put_u8(byte);
            while let Some((call, body)) = take(&mut input).unwrap() {
                seen.push((call, body.to_vec()));
            }
        }
        assert_eq!(seen, [(7, b"first".to_vec()), (8, Vec::new())]);
    }

    #[test]
    fn a_frame_of_a_wrong_length_is_refused_before_its_body() {
        for length in [0, 7, FRAME_BYTES_MAX as u32 + 1, u32::MAX] {
            let mut input = BytesMut::from(&length.to_be_bytes()[..]);
            assert_eq!(take(&mut input), Err(BadLength(length as usize)));
        }
        let mut out = BytesMut::new();
        let large = vec![0; FRAME_BYTES_MAX];
        assert_eq!(put(&mut out, 1, &large), Err(BadLength(FRAME_BYTES_MAX + 8)));
        assert!(out.is_empty());
    }
}
