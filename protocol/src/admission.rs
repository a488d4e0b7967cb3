//! Who is let in by a token, by what a Manager was told: nobody is asked. Decides when a token is good here, and when it
//! may be a moment later; what its bearer may do is decided elsewhere.

use crate::{
    Code, Problem,
    token::{BadToken, Claims, parse_public_key, verify},
};
use ed25519_dalek::VerifyingKey;
use std::{collections::BTreeMap, time::Duration};
use tradewind_domain::{
    control::desired::{Access, CustomerAccess},
    ids::{ClusterIncarnation, CustomerId, NodeId},
    time::UnixNanos,
};

/// A token younger than this may name a customer or a key that has not reached this Manager yet.
const JUST_ISSUED: Duration = Duration::from_secs(5);

/// Keys of members and of customers, as of one desired state.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    cluster: ClusterIncarnation,
    keys: BTreeMap<NodeId, VerifyingKey>,
    customers: BTreeMap<CustomerId, CustomerAccess>,
}

impl Admission {
    #[must_use]
    pub fn new(access: &Access, cluster: ClusterIncarnation) -> Self {
        let keys = access.public_keys.iter();
        let keys = keys.filter_map(|listed| Some((listed.node, parse_public_key(&listed.key)?)));
        let customers = access.customers.iter().map(|c| (c.customer.clone(), c.clone()));
        Self { cluster, keys: keys.collect(), customers: customers.collect() }
    }

    #[must_use]
    pub fn customer(&self, customer: &CustomerId) -> Option<&CustomerAccess> {
        self.customers.get(customer)
    }

    /// Lets the bearer of a token in, or says why not.
    pub fn admit(&self, token: &str, now: UnixNanos) -> Result<Claims, Problem> {
        let unavailable = |detail: String| Problem::new(Code::Unavailable, detail);
        let key_of = |node| self.keys.get(&node).copied();
        let claims = verify(token, key_of, self.cluster, now).map_err(|bad| match bad {
            // A member that has just joined: its key is on its way here.
            BadToken::UnknownKey(_) => {
                unavailable(format!("The token is not good here yet: {bad}"))
            }
            BadToken::Malformed | BadToken::Forged | BadToken::OtherCluster | BadToken::Expired => {
                let next = "open a session with POST /v1/sessions at an InfrastructureManager";
                Problem::new(Code::Unauthorized, format!("The token is not good: {bad}; {next}"))
            }
        })?;
        if self.is_good(&claims) {
            return Ok(claims);
        }
        if now.since(claims.issued_at) < JUST_ISSUED {
            // A member has signed it moments ago: what it knows is on its way here.
            let detail = "The customer or the key of the token is not known here yet";
            return Err(unavailable(detail.to_owned()));
        }
        Err(revoked(&claims))
    }

    /// Whether the customer is still one and the key still his. Expiry does not end a running session.
    #[must_use]
    pub fn is_good(&self, claims: &Claims) -> bool {
        let Some(customer) = self.customers.get(&claims.customer) else { return false };
        // The token of a spawned Trader was opened with no key; its epoch is checked by the Brokers.
        claims.key_id.as_ref().is_none_or(|key| customer.key_ids.contains(key))
    }
}

/// What the bearer of a revoked key is told.
#[must_use]
pub fn revoked(claims: &Claims) -> Problem {
    let detail = format!("the API key or the customer {} is not known any more", claims.customer);
    Problem::new(Code::Unauthorized, detail)
}
