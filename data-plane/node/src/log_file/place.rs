//! A place in a log as it is told to who follows it, and the line that stands before a piece that is told with its place.
//! Decides their forms: a place is known again by what stands before it, in whichever file that is by then, also by the
//! next life of the Manager that told it; to who reads it, it is a word that he gives back.

use super::reader::KNOWN_BY;
use std::{fmt, str::FromStr};

/// Written `AT-BYTES-HASH`, such as `4-4-0715adb46adb6c5f`: how far it is into its file, and so many bytes that stand right
/// before it, by their FNV-1a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(super) at: u64,
    /// At most `KNOWN_BY` and `at`; nothing only at the start of a file.
    pub(super) known_by: u64,
    hash: u64,
}

impl Place {
    pub(super) fn behind(at: u64, before: &[u8]) -> Self {
        Self { at, known_by: before.len() as u64, hash: hash(before) }
    }

    /// Whether these are the bytes that it is known by.
    pub(super) fn is_behind(&self, before: &[u8]) -> bool {
        *self == Self::behind(self.at, before)
    }
}

/// The same in every build: a place may be told by one and taken by the next.
fn hash(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325_u64;
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{:016x}", self.at, self.known_by, self.hash)
    }
}

/// Not a place or a line of this form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has another form")]
pub struct OtherForm;

impl FromStr for Place {
    type Err = OtherForm;

    fn from_str(text: &str) -> Result<Self, OtherForm> {
        let mut parts = text.split('-');
        let (Some(at), Some(known_by), Some(hash), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(OtherForm);
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| OtherForm);
        let (at, known_by) = (number(at)?, number(known_by)?);
        let hash = u64::from_str_radix(hash, 16).map_err(|_| OtherForm)?;
        // No file is longer than its system can say, and nothing but a start is known by nothing.
        let can_be = i64::try_from(at).is_ok()
            && known_by <= at.min(KNOWN_BY as u64)
            && (known_by > 0 || at == 0);
        if can_be { Ok(Self { at, known_by, hash }) } else { Err(OtherForm) }
    }
}

/// The line before a piece of so many bytes, with the place that they reach to, in whatever form its Manager has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceHead {
    pub place: String,
    pub bytes: u64,
    /// More stood before the piece, which is the first, and is not told.
    pub cut: bool,
}

impl fmt::Display for PieceHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = if self.cut { " cut" } else { "" };
        writeln!(f, "{} {}{cut}", self.place, self.bytes)
    }
}

/// Without the end of the line. Words that a later build adds are passed over.
impl FromStr for PieceHead {
    type Err = OtherForm;

    fn from_str(line: &str) -> Result<Self, OtherForm> {
        let mut words = line.split(' ');
        let place = words.next().filter(|place| {
            // As it is, it is given back in the address of the next question.
            let as_it_is = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !place.is_empty() && place.bytes().all(as_it_is)
        });
        let place = place.ok_or(OtherForm)?.to_owned();
        let bytes = words.next().and_then(|bytes| bytes.parse().ok()).ok_or(OtherForm)?;
        Ok(Self { place, bytes, cut: words.any(|word| word == "cut") })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_and_the_line_before_a_piece_are_written_the_same_in_every_build() {
        // given
        let place = Place::behind(9, b"foobar");
        // when
        let written = place.to_string();
        let head = |cut| PieceHead { place: written.clone(), bytes: 12, cut };
        // then: FNV-1a as its authors publish it
        assert_eq!(written, "9-6-85944171f73967e8");
        assert_eq!(Place::behind(0, b"").to_string(), "0-0-cbf29ce484222325");
        assert_eq!(head(false).to_string(), "9-6-85944171f73967e8 12\n");
        assert_eq!(head(true).to_string(), "9-6-85944171f73967e8 12 cut\n");
        // and read
        assert_eq!(written.parse(), Ok(place));
        assert_eq!("9-6-85944171f73967e8 12".parse(), Ok(head(false)));
        assert_eq!("9-6-85944171f73967e8 12 later cut".parse(), Ok(head(true)));
    }

    #[test]
    fn what_cannot_be_a_place_is_none() {
        let long = format!("{0}-{0}-0", KNOWN_BY + 1);
        let far = format!("{}-1-0", u64::MAX);
        for bad in ["", "1", "1-1", "1-1-x", "1-2-0", "1-0-0", "1-1-0-0", "-1-1-0", &long, &far] {
            assert_eq!(bad.parse::<Place>(), Err(OtherForm), "{bad}");
        }
        for bad in ["", " 1", "x", "x y", "x&y 1", "x -1"] {
            assert_eq!(bad.parse::<PieceHead>(), Err(OtherForm), "{bad}");
        }
    }
}
