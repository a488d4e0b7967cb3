//! Which request a command was made of. Decides what makes two requests the same: what is asked for, where, and what is
//! said; not who asks, why, nor on what condition. Kept with the answer, it tells a repeat from a key that is used twice.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

/// It finds slips, not forgeries: whoever has a key can say anything under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestHash(u64, u64);

impl RequestHash {
    /// Of a method, an address and a body in the one form that it is written in.
    #[must_use]
    pub fn of(method: &str, path: &str, body: &[u8]) -> Self {
        let mut form = Vec::with_capacity(method.len() + path.len() + body.len() + 24);
        for part in [method.as_bytes(), path.as_bytes(), body] {
            form.extend_from_slice(&(part.len() as u64).to_le_bytes());
            form.extend_from_slice(part);
        }
        let hash = XxHash3_128::oneshot(&form);
        Self((hash >> 64) as u64, hash as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_by_each_of_their_parts() {
        let of = RequestHash::of;
        let one = of("PUT", "/v1/customers/acme", b"{}");
        assert_eq!(one, of("PUT", "/v1/customers/acme", b"{}"));
        for other in [
            of("DELETE", "/v1/customers/acme", b"{}"),
            of("PUT", "/v1/customers/acm", b"e{}"),
            of("PUT", "/v1/customers/acme", b"{ }"),
        ] {
            assert_ne!(one, other);
        }
    }
}
