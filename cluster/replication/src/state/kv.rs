//! The ordered map under the state. Decides what it must promise: a batch is there whole or not at all,
//! batches reach the disk in the order they were applied, and all of them are durable after a flush.

use super::StateError;

/// Keys with their new values; none: the key goes.
pub type Batch = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Called with each key and value, until it answers `false`.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool, StateError> + 'a;

/// See the module. All calls may block.
pub trait Kv: Send + Sync + 'static {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
    /// Visits the keys from `from` (included) to `to` (not included) in order.
    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), StateError>;
    fn apply(&self, batch: Batch) -> Result<(), StateError>;
    fn flush(&self) -> Result<(), StateError>;
}
