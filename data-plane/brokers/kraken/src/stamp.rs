//! A point in time as Kraken writes it: RFC 3339 in UTC with six decimals. Decides the form only.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tradewind_domain::time::UnixNanos;

/// See the module. Read with any number of decimals, written with six.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(pub UnixNanos);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.to_string();
        // Nine decimals and a Z are always there.
        write!(f, "{}Z", whole.get(..whole.len().saturating_sub(4)).unwrap_or_default())
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_has_six_decimals() {
        let read: Stamp = serde_json::from_str("\"2026-01-22T06:06:19.833306Z\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"2026-01-22T06:06:19.833306Z\"");
        let finer: Stamp = serde_json::from_str("\"2023-10-04T16:26:30.524394914Z\"").unwrap();
        assert_eq!(finer.to_string(), "2023-10-04T16:26:30.524394Z");
        assert!(serde_json::from_str::<Stamp>("\"yesterday\"").is_err());
    }
}
