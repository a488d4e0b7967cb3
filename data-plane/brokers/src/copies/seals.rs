//! What a copy holder's journal keeps beside the ledger itself, as it stands on disk. Decides the records' shape, which is
//! frozen: variants are only appended.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{ClusterIncarnation, Epoch, Fence},
    trading::copies::Kept,
};
use tradewind_journal::codec::{self, CodecError};

/// The kind byte of these records.
const KIND: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Seal {
    /// Nothing of a right below this one is served any more.
    Sealed { cluster: u64, epoch: u64 },
    /// The ledger's records are of this naming.
    Begun { cluster: u64, epoch: u64 },
}

fn fence(cluster: u64, epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(cluster), epoch: Epoch(epoch) }
}

impl Seal {
    /// `None` for the ledger's own records, which stand in a journal of their own.
    pub(crate) fn of(kept: Kept) -> Option<Self> {
        match kept {
            Kept::Sealed { by } => Some(Self::Sealed { cluster: by.cluster.0, epoch: by.epoch.0 }),
            Kept::Begun { since } => {
                Some(Self::Begun { cluster: since.cluster.0, epoch: since.epoch.0 })
            }
            Kept::Entry { .. } => None,
        }
    }

    pub(crate) fn kept(self) -> Kept {
        match self {
            Self::Sealed { cluster, epoch } => Kept::Sealed { by: fence(cluster, epoch) },
            Self::Begun { cluster, epoch } => Kept::Begun { since: fence(cluster, epoch) },
        }
    }

    pub(crate) fn encode(self) -> Result<Bytes, CodecError> {
        codec::encode(KIND, &self).map(Bytes::from)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(KIND, bytes)
    }
}
