//! Golden bytes of the envelope, and that everything else is refused.

use serde::{Deserialize, Serialize};

use super::{BODY_BYTES_MAX, CodecError, decode, encode, kind_of};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Sample {
    Empty,
    Full { number: u64, text: String, list: Vec<i32>, maybe: Option<bool> },
}

fn full() -> Sample {
    Sample::Full { number: 300, text: "ab".to_owned(), list: vec![-1, 2], maybe: Some(true) }
}

/// A record with a right checksum around whatever content.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
    bytes
}

#[test]
fn the_bytes_of_a_value_never_change() {
    let golden = [
        1, 9, // format, kind
        1, 251, 0x2c, 1, 2, b'a', b'b', 2, 1, 4, 1, 1, // variant, number, text, list, maybe
        112, 186, 205, 57, // crc
    ];
    assert_eq!(encode(9, &full()).unwrap(), golden);
    assert_eq!(decode::<Sample>(9, &golden).unwrap(), full());
    assert_eq!(encode(1, &Sample::Empty).unwrap(), sealed(&[1, 1, 0]));
    assert_eq!(kind_of(&golden).unwrap(), 9);
}

#[test]
fn any_flipped_bit_or_lost_byte_is_found() {
    let whole = encode(9, &full()).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(decode::<Sample>(9, &bytes), Err(CodecError::Damaged { .. })));
    }
    for length in 0..whole.len() {
        assert!(matches!(decode::<Sample>(9, &whole[..length]), Err(CodecError::Damaged { .. })));
    }
}

#[test]
fn another_format_or_kind_is_refused_with_the_known_one_named() {
    let format = decode::<Sample>(9, &sealed(&[2, 9, 0])).unwrap_err();
    assert!(matches!(format, CodecError::UnknownFormat { found: 2 }));
    assert_eq!(format.to_string(), "record format 2 is unknown: this program knows format 1");
    let kind = decode::<Sample>(9, &sealed(&[1, 8, 0])).unwrap_err();
    assert!(matches!(kind, CodecError::WrongKind { expected: 9, found: 8 }));
    assert!(matches!(kind_of(&[2, 9, 0]), Err(CodecError::UnknownFormat { found: 2 })));
    assert!(matches!(kind_of(&[]), Err(CodecError::Damaged { bytes: 0 })));
}

#[test]
fn bytes_left_over_are_refused() {
    let error = decode::<Sample>(9, &sealed(&[1, 9, 0, 0])).unwrap_err();
    assert!(matches!(error, CodecError::Trailing { kind: 9, unused: 1 }), "{error}");
}

#[test]
fn a_variant_of_a_newer_program_is_refused() {
    let error = decode::<Sample>(9, &sealed(&[1, 9, 2])).unwrap_err();
    assert!(matches!(error, CodecError::Body { kind: 9, .. }), "{error}");
}

#[test]
fn a_length_that_is_a_lie_allocates_nothing() {
    // Variant 1, number 0, then a text of 2^63 bytes.
    let mut content = vec![1, 9, 1, 0, 253];
    content.extend_from_slice(&(1u64 << 63).to_le_bytes());
    let error = decode::<Sample>(9, &sealed(&content)).unwrap_err();
    assert!(matches!(error, CodecError::Body { .. }), "{error}");
}

#[test]
fn a_value_above_the_limit_is_refused() {
    let error = encode(9, &"x".repeat(BODY_BYTES_MAX)).unwrap_err();
    assert!(matches!(error, CodecError::TooLarge { .. }), "{error}");
    encode(9, &"x".repeat(BODY_BYTES_MAX - 5)).unwrap();
}
