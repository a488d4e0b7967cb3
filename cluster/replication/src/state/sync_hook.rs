//! Makes sled's flush a flush. Decides that `sync_file_range`, which sled ends its flush with and which
//! promises nothing after a power loss, is `fdatasync` in this program (docs/decisions, sled). The store
//! checks at its start that one flush came through here.

#![allow(unsafe_code)]

use std::{
    ffi::{c_int, c_uint},
    sync::atomic::{AtomicU64, Ordering},
};

static CALLS: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    fn fdatasync(file: c_int) -> c_int;
}

/// Stands in for libc's function of this name, program-wide; sled is the only one that calls it. Syncs the
/// whole file, whatever the range. Gives 0, or -1 with `errno` set.
// SAFETY: the signature is that of libc on 64-bit Linux, and everything this does satisfies its contract:
// more than the range is durable when it returns 0.
#[unsafe(no_mangle)]
pub(super) extern "C" fn sync_file_range(
    file: c_int,
    _from: i64,
    _bytes: i64,
    _flags: c_uint,
) -> c_int {
    CALLS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: `fdatasync` takes any number; one that is no open file gives an error.
    unsafe { fdatasync(file) }
}

/// How often sled has synced through here.
pub(super) fn calls() -> u64 {
    CALLS.load(Ordering::SeqCst)
}
