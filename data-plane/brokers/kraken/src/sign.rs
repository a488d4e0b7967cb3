//! Signing a private REST request. Decides what `API-Sign` is:
//! `base64(HMAC-SHA512(secret, path || SHA256(nonce || body)))`, where `path` is the one of the URL
//! (`/0/private/...`), `body` exactly what is sent, and `nonce` the digits that stand in it (Kraken's REST
//! guide, "Authentication"). Which nonce is left to [`crate::nonce`].

use core::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// The private half of an API key. Never printed.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The text is not the secret of an API key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret of a Kraken API key is base64 text, as Kraken shows it once when the key is made"
)]
pub struct NoSecret;

impl Secret {
    /// As Kraken shows it.
    pub fn from_base64(text: &str) -> Result<Self, NoSecret> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| NoSecret)?;
        if bytes.is_empty() { Err(NoSecret) } else { Ok(Self(bytes)) }
    }

    /// The value of `API-Sign`.
    #[must_use]
    pub fn sign(&self, path: &str, nonce: &str, body: &str) -> String {
        STANDARD.encode(self.mac(path, nonce, body).finalize().into_bytes())
    }

    /// Whether that is the signature; takes as long for a wrong one.
    #[must_use]
    pub fn verifies(&self, path: &str, nonce: &str, body: &str, signature: &str) -> bool {
        let Ok(given) = STANDARD.decode(signature) else { return false };
        self.mac(path, nonce, body).verify_slice(&given).is_ok()
    }

    fn mac(&self, path: &str, nonce: &str, body: &str) -> Hmac<Sha512> {
        let digest = Sha256::new().chain_update(nonce).chain_update(body).finalize();
        let mut mac = <Hmac<Sha512> as KeyInit>::new_from_slice(&self.0)
            .expect("HMAC takes a key of any length");
        mac.update(path.as_bytes());
        mac.update(&digest[..]);
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Kraken's own documentation.
    const SECRET: &str =
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
    const PATH: &str = "/0/private/AddOrder";
    const NONCE: &str = "1616492376594";
    const BODY: &str =
        "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25";
    const SIGNATURE: &str =
        "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ==";

    #[test]
    fn the_documented_request_has_the_documented_signature() {
        let secret = Secret::from_base64(SECRET).unwrap();
        assert_eq!(secret.sign(PATH, NONCE, BODY), SIGNATURE);
        assert!(secret.verifies(PATH, NONCE, BODY, SIGNATURE));
    }

    #[test]
    fn a_signature_is_good_for_one_request_alone() {
        let secret = Secret::from_base64(SECRET).unwrap();
        let other = Secret::from_base64("c2VjcmV0").unwrap();
        assert!(!secret.verifies("/0/private/CancelOrder", NONCE, BODY, SIGNATURE));
        assert!(!secret.verifies(PATH, "1616492376595", BODY, SIGNATURE));
        assert!(!secret.verifies(PATH, NONCE, &BODY.replace("1.25", "12.5"), SIGNATURE));
        assert!(!secret.verifies(PATH, NONCE, BODY, "no base64"));
        assert!(!other.verifies(PATH, NONCE, BODY, SIGNATURE));
    }

    #[test]
    fn a_secret_is_not_printed_and_not_made_of_nothing() {
        assert!(!format!("{:?}", Secret::from_base64(SECRET).unwrap()).contains("kQH5"));
        assert_eq!(Secret::from_base64("").unwrap_err(), NoSecret);
        assert_eq!(Secret::from_base64("not base64!").unwrap_err(), NoSecret);
    }
}
