//! The identity of a member's disk: drawn once, when its directory is made. Decides its form only. A member
//! that comes back under its old node id on an empty disk has forgotten its votes, and is told apart by it.

use super::InvalidName;
use alloc::string::{String, ToString};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 128 random bits, 32 hexadecimal digits as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskId(pub u128);

impl DiskId {
    /// The first eight digits: enough for a person to tell disks apart.
    #[must_use]
    pub fn short(self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for DiskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DiskId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let hexadecimal = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| hexadecimal);
        number.map(Self).ok_or_else(|| InvalidName {
            what: "disk identity",
            given: text.chars().take(80).collect(),
            rule: "32 hexadecimal digits",
        })
    }
}

serde_as_text!(DiskId);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_disk_is_written_with_all_its_digits_and_read_back() {
        let disk = DiskId(0xab);
        assert_eq!(disk.to_string(), format!("{}ab", "0".repeat(30)));
        assert_eq!(disk.to_string().parse(), Ok(disk));
        assert_eq!(DiskId(0xfeed_0001 << 96).short(), "feed0001");
        for bad in ["", "ab", "+0000000000000000000000000000000", &"g".repeat(32)] {
            assert!(bad.parse::<DiskId>().is_err(), "{bad}");
        }
    }
}
