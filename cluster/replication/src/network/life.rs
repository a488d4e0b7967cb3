//! Which life of the cluster a member is in (decision 26), as it is told in the greeting. Decides which lives have
//! to do with each other: a member that knows of none, since its log is empty, with all; one that was begun anew
//! and not opened yet with those of the life that follows; one of an opened life with that one alone.

use std::{cmp::Ordering, fmt, sync::Arc};
use tradewind_domain::{control::row::ClusterRow, ids::ClusterIncarnation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Nothing is known yet: a new member, or a group that was formed and not opened.
    Unknown,
    /// Restored or recovered from this life, and not opened: the incarnation will be a higher one.
    After(ClusterIncarnation),
    Opened(ClusterIncarnation),
}

/// Tells the life this member is in at the moment.
pub(crate) type KnownLife = Arc<dyn Fn() -> Life + Send + Sync>;

/// On the wire: one byte for the kind, eight for the incarnation.
pub(super) const LIFE_BYTES: usize = 9;

impl Life {
    pub(crate) fn of(cluster: &ClusterRow) -> Self {
        match (cluster.opened(), cluster.incarnation) {
            (Some(incarnation), _) => Self::Opened(incarnation),
            (None, Some(before)) => Self::After(before),
            (None, None) => Self::Unknown,
        }
    }

    /// How another's life stands to this one, if they have nothing to do with each other: earlier or later.
    pub(crate) fn conflict(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => None,
            (Self::Opened(own), Self::Opened(theirs)) | (Self::After(own), Self::After(theirs)) => {
                Some(theirs.cmp(&own)).filter(|order| order.is_ne())
            }
            (Self::After(before), Self::Opened(theirs)) => {
                (theirs <= before).then_some(Ordering::Less)
            }
            (Self::Opened(own), Self::After(before)) => {
                (own <= before).then_some(Ordering::Greater)
            }
        }
    }

    pub(super) fn bytes(self) -> [u8; LIFE_BYTES] {
        let (kind, incarnation) = match self {
            Self::Unknown => (0, 0),
            Self::After(before) => (1, before.0),
            Self::Opened(incarnation) => (2, incarnation.0),
        };
        let mut bytes = [kind; LIFE_BYTES];
        bytes[1..].copy_from_slice(&incarnation.to_be_bytes());
        bytes
    }

    /// What a version that told no lives has sent is of an unknown one; `None`: of a kind that is not known.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let Some([kind, incarnation @ ..]) = bytes.first_chunk::<LIFE_BYTES>() else {
            return Some(Self::Unknown);
        };
        let incarnation = ClusterIncarnation(u64::from_be_bytes(*incarnation));
        match kind {
            0 => Some(Self::Unknown),
            1 => Some(Self::After(incarnation)),
            2 => Some(Self::Opened(incarnation)),
            _ => None,
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::After(before) => write!(f, "after {before}"),
            Self::Opened(incarnation) => incarnation.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn opened(incarnation: u64) -> Life {
        Life::Opened(ClusterIncarnation(incarnation))
    }

    const fn after(incarnation: u64) -> Life {
        Life::After(ClusterIncarnation(incarnation))
    }

    #[test]
    fn only_members_of_one_life_have_to_do_with_each_other() {
        let together = [
            (opened(7), opened(7)),
            (after(7), after(7)),
            (after(7), opened(8)),
            (Life::Unknown, opened(7)),
            (Life::Unknown, after(7)),
        ];
        for (one, other) in together {
            assert_eq!((one.conflict(other), other.conflict(one)), (None, None), "{one} {other}");
        }
        let apart = [
            (opened(8), opened(7)),
            (after(8), after(7)),
            (after(7), opened(7)),
            (after(7), opened(6)),
        ];
        for (later, earlier) in apart {
            assert_eq!(later.conflict(earlier), Some(Ordering::Less), "{later} {earlier}");
            assert_eq!(earlier.conflict(later), Some(Ordering::Greater), "{later} {earlier}");
        }
    }

    #[test]
    fn a_life_arrives_as_it_was_told() {
        for life in [Life::Unknown, after(7), opened(u64::MAX)] {
            assert_eq!(Life::read(&life.bytes()), Some(life));
        }
        assert_eq!(Life::read(&[]), Some(Life::Unknown));
        assert_eq!(Life::read(&[3; LIFE_BYTES]), None);
    }
}
