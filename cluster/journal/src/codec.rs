//! Codec: a value as the bytes of a durable record, `[format u8][kind u8][body][crc32 u32]`.
//! Decides the envelope and that a body is bincode 2 (serde, `config::standard()`: little-endian,
//! varint), which the whole project uses through this module only; which kinds there are is each
//! caller's table.
//!
//! C1 a body is an enum whose variants are only appended, or a struct frozen once released. C2 all
//! bytes are consumed or it is an error. The crc, little-endian, covers format, kind and body.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::error::{DecodeError, EncodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// The envelope's version that is written, and the only one known.
pub const FORMAT: u8 = 1;

/// Largest body in bytes: what a decoder may claim before it has read it.
pub const BODY_BYTES_MAX: usize = crate::limits::RECORD_BYTES_MAX - ENVELOPE_BYTES;

const ENVELOPE_BYTES: usize = 2 + CRC_BYTES;
const CRC_BYTES: usize = 4;

// Fixed for ever: another choice would need another FORMAT.
type Config = Configuration<LittleEndian, Varint, Limit<BODY_BYTES_MAX>>;
const CONFIG: Config = bincode::config::standard().with_limit::<BODY_BYTES_MAX>();

/// Why a value has no bytes, or bytes no value. Never repaired by trying again.
#[derive(Debug, Error)]
pub enum CodecError {
    /// The bytes were written by another version of the program, or are none of ours.
    #[error("record format {found} is unknown: this program knows format {FORMAT}")]
    UnknownFormat {
        /// The format byte.
        found: u8,
    },
    /// A record of another kind stands here, or a newer program's.
    #[error("record kind {found} where kind {expected} of format {FORMAT} was expected")]
    WrongKind {
        /// The kind asked for.
        expected: u8,
        /// The kind found.
        found: u8,
    },
    /// The bytes are damaged or cut short.
    #[error("record of {bytes} bytes is damaged or cut short")]
    Damaged {
        /// How many bytes there are.
        bytes: usize,
    },
    /// Whole, but not a value of the type asked for: a newer variant, or the wrong type.
    #[error("record of kind {kind} cannot be decoded")]
    Body {
        /// Its kind.
        kind: u8,
        /// The decoder's answer.
        #[source]
        source: DecodeError,
    },
    /// The value ends before its bytes do.
    #[error("record of kind {kind} has {unused} bytes too many")]
    Trailing {
        /// Its kind.
        kind: u8,
        /// How many are left over.
        unused: usize,
    },
    /// The value is above [`BODY_BYTES_MAX`].
    #[error(
        "value of {bytes} bytes is too large for a record, at most {BODY_BYTES_MAX} are allowed"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The value cannot be encoded.
    #[error("value cannot be encoded as a record of kind {kind}")]
    Encode {
        /// The kind asked for.
        kind: u8,
        /// The encoder's answer.
        #[source]
        source: EncodeError,
    },
}

/// The bytes of a value, as a record of that kind.
pub fn encode<T: Serialize>(kind: u8, value: &T) -> Result<Vec<u8>, CodecError> {
    let body = bincode::serde::encode_to_vec(value, CONFIG)
        .map_err(|source| CodecError::Encode { kind, source })?;
    if body.len() > BODY_BYTES_MAX {
        return Err(CodecError::TooLarge { bytes: body.len() });
    }
    let mut bytes = Vec::with_capacity(body.len() + ENVELOPE_BYTES);
    bytes.extend_from_slice(&[FORMAT, kind]);
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    Ok(bytes)
}

/// The value of a record of that kind.
pub fn decode<T: DeserializeOwned>(kind: u8, bytes: &[u8]) -> Result<T, CodecError> {
    // The checksum first: of damaged bytes nothing is believed, not even the format.
    let damaged = || CodecError::Damaged { bytes: bytes.len() };
    let (content, crc) = bytes.split_last_chunk::<CRC_BYTES>().ok_or_else(damaged)?;
    if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
        return Err(damaged());
    }
    let (&[format, found], body) = content.split_first_chunk::<2>().ok_or_else(damaged)?;
    if format != FORMAT {
        return Err(CodecError::UnknownFormat { found: format });
    }
    if found != kind {
        return Err(CodecError::WrongKind { expected: kind, found });
    }
    let (value, used) = bincode::serde::decode_from_slice(body, CONFIG)
        .map_err(|source| CodecError::Body { kind, source })?;
    match body.len() - used {
        0 => Ok(value),
        unused => Err(CodecError::Trailing { kind, unused }),
    }
}

/// The kind of a record, for a store that holds several. Believed only once [`decode`] has checked
/// it.
pub fn kind_of(bytes: &[u8]) -> Result<u8, CodecError> {
    match *bytes {
        [FORMAT, kind, ..] => Ok(kind),
        [found, _, ..] => Err(CodecError::UnknownFormat { found }),
        _ => Err(CodecError::Damaged { bytes: bytes.len() }),
    }
}

#[cfg(test)]
mod tests;
