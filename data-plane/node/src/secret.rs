//! What a Manager and one of its services know each other by. Decides how a secret is drawn and that comparing it tells
//! nothing of it; who knows which is decided in `supervision` and `service`.

use std::io;

/// 128 random bits as 32 hexadecimal digits.
pub(crate) fn fresh() -> io::Result<String> {
    let mut bits = [0_u8; 16];
    getrandom::fill(&mut bits).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

/// Compares without telling by its duration how much is right.
pub(crate) fn is_same(given: &str, held: &str) -> bool {
    let differing = given.bytes().zip(held.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b));
    given.len() == held.len() && differing == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_secret_is_the_same_only_as_a_whole() {
        let secret = fresh().unwrap();
        assert_eq!(secret.len(), 32);
        assert_ne!(secret, fresh().unwrap());
        assert!(is_same(&secret, &secret));
        assert!(!is_same(&secret[..31], &secret));
        assert!(!is_same("", &secret));
        assert!(!is_same(&secret.replace(&secret[..1], "x"), &secret));
    }
}
