//! Session tokens: claims signed with Ed25519 by a member, checked by a MarketManager without asking
//! anyone. Decides their form, `tw1.NODE.CLAIMS.SIGNATURE`, and when one is good; grants are not in it.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    ids::{ClusterIncarnation, CustomerId, Epoch, NodeId, SessionId, TraderId},
    time::UnixNanos,
};

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub customer: CustomerId,
    /// The API key it was opened with; `None` for a spawned Trader.
    pub key_id: Option<String>,
    /// A renewed token has the one of the token before.
    pub session: SessionId,
    pub cluster: ClusterIncarnation,
    pub trader: Option<TraderClaim>,
    pub issued_at: UnixNanos,
    pub expires_at: UnixNanos,
}

/// A spawned Trader and the epoch of its assignment: Brokers refuse orders below the highest they saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraderClaim {
    pub trader: TraderId,
    pub epoch: Epoch,
}

/// Why a token is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error("it does not read tw1.NODE.CLAIMS.SIGNATURE")]
    Malformed,
    #[error("the public key of member {0} is not known here (yet)")]
    UnknownKey(NodeId),
    #[error("its signature is not that member's")]
    Forged,
    #[error("it is of another life of the cluster")]
    OtherCluster,
    #[error("it has expired")]
    Expired,
}

/// Whether a secret is a session token rather than an API key: no API key begins like one.
#[must_use]
pub fn is_token(secret: &str) -> bool {
    secret.starts_with("tw1.")
}

/// Signs claims.
#[must_use]
pub fn sign(claims: &Claims, node: NodeId, key: &SigningKey) -> String {
    // Claims are strings, numbers and options: they always have a JSON form.
    let body = BASE64.encode(serde_json::to_vec(claims).unwrap_or_default());
    let signed = format!("tw1.{node}.{body}");
    let signature = BASE64.encode(key.sign(signed.as_bytes()).to_bytes());
    format!("{signed}.{signature}")
}

/// Checks a token against the members' public keys.
pub fn verify(
    token: &str,
    key_of: impl Fn(NodeId) -> Option<VerifyingKey>,
    cluster: ClusterIncarnation,
    now: UnixNanos,
) -> Result<Claims, BadToken> {
    let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::Malformed)?;
    let mut parts = signed.split('.');
    let (Some("tw1"), Some(node), Some(body), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(BadToken::Malformed);
    };
    let node = NodeId(node.parse().map_err(|_| BadToken::Malformed)?);
    let signature = BASE64.decode(signature).map_err(|_| BadToken::Malformed)?;
    let signature = Signature::from_slice(&signature).map_err(|_| BadToken::Malformed)?;
    let key = key_of(node).ok_or(BadToken::UnknownKey(node))?;
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| BadToken::Forged)?;
    let body = BASE64.decode(body).map_err(|_| BadToken::Malformed)?;
    let claims: Claims = serde_json::from_slice(&body).map_err(|_| BadToken::Malformed)?;
    if claims.cluster != cluster {
        return Err(BadToken::OtherCluster);
    }
    if claims.expires_at <= now {
        return Err(BadToken::Expired);
    }
    Ok(claims)
}

/// What a token says, without knowing whether it is good: for its holder, to renew it in time.
#[must_use]
pub fn claims_unchecked(token: &str) -> Option<Claims> {
    let mut parts = token.split('.').skip(2);
    let body = BASE64.decode(parts.next()?).ok()?;
    serde_json::from_slice(&body).ok()
}

/// A public key from its 64 hexadecimal digits.
#[must_use]
pub fn parse_public_key(text: &str) -> Option<VerifyingKey> {
    let digits: Option<Vec<u8>> = (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()))
        .collect();
    VerifyingKey::from_bytes(&digits?.try_into().ok()?).ok()
}

/// The 64 hexadecimal digits of a public key.
#[must_use]
pub fn format_public_key(key: &VerifyingKey) -> String {
    key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn claims() -> Claims {
        Claims {
            customer: CustomerId::new("acme").unwrap(),
            key_id: Some("k".to_string()),
            session: "s".parse().unwrap(),
            cluster: ClusterIncarnation(7),
            trader: None,
            issued_at: UnixNanos(1),
            expires_at: UnixNanos(100),
        }
    }

    #[test]
    fn a_token_is_good_only_as_it_was_signed() {
        let key = SigningKey::from_bytes(&[3; 32]);
        let text = sign(&claims(), NodeId(1), &key);
        let check = |text: &str, cluster, now| {
            let known = |node| (node == NodeId(1)).then(|| key.verifying_key());
            verify(text, known, ClusterIncarnation(cluster), UnixNanos(now))
        };
        assert_eq!(check(&text, 7, 99), Ok(claims()));
        assert_eq!(claims_unchecked(&text), Some(claims()));
        assert_eq!(check(&text, 7, 100), Err(BadToken::Expired));
        assert_eq!(check(&text, 8, 99), Err(BadToken::OtherCluster));
        assert_eq!(
            check(&text.replacen(".1.", ".2.", 1), 7, 99),
            Err(BadToken::UnknownKey(NodeId(2)))
        );
        let mut other = claims();
        other.customer = CustomerId::new("eve").unwrap();
        let forged = sign(&other, NodeId(1), &SigningKey::from_bytes(&[4; 32]));
        assert_eq!(check(&forged, 7, 99), Err(BadToken::Forged));
        for bad in ["", "tw1", "tw1.1.a", "tw1.1.a.b.c", "tw2.1.a.b"] {
            assert_eq!(check(bad, 7, 99), Err(BadToken::Malformed), "{bad}");
            assert_eq!(claims_unchecked(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_public_key_is_written_and_read_back() {
        let key = SigningKey::from_bytes(&[3; 32]).verifying_key();
        assert_eq!(parse_public_key(&format_public_key(&key)), Some(key));
        assert_eq!(parse_public_key("zz"), None);
    }
}
